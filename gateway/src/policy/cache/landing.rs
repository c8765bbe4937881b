//! The way of a fresh answer to those who wait for it and into the store.

use std::sync::Arc;

use actix_web::body::BoxBody;
use shared::problem::{Code, Problem};
use shared::store::tagged::{Entry, Stamp};

use super::asked::Asked;
use super::capture::{self, Bounds, Captured};
use super::draft::Draft;
use super::entry::Stored;
use super::flight::Lead;
use super::key::Key;
use super::replay::Following;
use super::shelf::GRACE;
use super::{ResponseCache, Settings, Turn, codec};
use crate::app::Gateway;

/// What an answer's way depends on.
pub struct Landing {
    /// Whose cache.
    pub gateway: Arc<Gateway>,
    /// Under what rules.
    pub settings: Arc<Settings>,
    /// Who waits.
    pub lead: Option<Lead>,
    /// Whether those who wait may have it.
    pub is_shared: bool,
    /// Where it stands.
    pub primary: Key,
    /// When it was begun.
    pub begun: Stamp,
    /// Whether it is fetched for nobody in particular, so that nobody's leaving ends it.
    pub is_errand: bool,
}

impl Landing {
    /// The way of the answer to a request.
    pub fn of(turn: &Turn<'_>, asked: &Asked<'_>, primary: Key, begun: Stamp, lead: Option<Lead>) -> Self {
        Self {
            gateway: Arc::clone(&turn.worker.gateway),
            settings: Arc::clone(asked.settings),
            lead,
            is_shared: asked.meeting_point() == Some(&primary),
            primary,
            begun,
            is_errand: turn.is_errand,
        }
    }

    /// The whole answer is here. A store in this process has it when this returns.
    pub async fn finish(self, stored: Arc<Stored>) {
        if let Some(lead) = &self.lead {
            match self.is_shared {
                true => lead.share(Arc::clone(&stored)),
                false => lead.release(),
            }
        }
        let cache = &self.gateway.responses;
        if !cache.shelf.is_remote() {
            return self.keep(&stored).await;
        }
        // It waits to be written, and so that nobody waits for that, it takes memory.
        let share = cache.waiting.share();
        if share.grow(stored.body.len() as u64, self.settings.ahead) {
            actix_web::rt::spawn(async move {
                self.keep(&stored).await;
                drop(share);
            });
        } else {
            cache.counters.crowded.inc();
        }
    }

    /// Who comes while it is being written still finds the flight; that ends with `self`.
    async fn keep(self, stored: &Stored) {
        let cache: &ResponseCache = &self.gateway.responses;
        let ttl = stored.keep_for(&self.settings, GRACE, cache.now());
        let head = &stored.head;
        let value = codec::answer(stored);
        let entry =
            Entry { key: stored.key(&self.primary).as_str(), value: &value, ttl, tags: &head.tags, begun: self.begun };
        if !head.vary.is_empty() {
            cache.shelf.put_aside(&self.primary, &codec::vary(&head.vary), entry).await;
        }
        cache.shelf.put(entry).await;
    }

    /// The answer is still coming: it is read ahead of its client, and kept when it is complete. Returns the client's
    /// side.
    pub fn follow(self, draft: Draft, begun: Option<capture::Piece>, body: BoxBody) -> Following {
        let Settings { limit, ahead: most, .. } = *self.settings;
        let bounds = Bounds { limit, most, share: self.gateway.responses.waiting.share() };
        let (client, reader) = capture::ahead(begun, body, bounds);
        actix_web::rt::spawn(async move {
            let is_wanted = || self.is_errand || self.lead.as_ref().is_some_and(Lead::is_awaited);
            match reader.run(is_wanted).await {
                Captured::Complete(body) => self.finish(Arc::new(draft.with(body))).await,
                Captured::TooLarge => self.part(),
                Captured::Crowded => {
                    self.gateway.responses.counters.crowded.inc();
                    self.part();
                }
                Captured::Broken => self.fail(),
                Captured::Unwanted => {}
            }
        });
        client
    }

    /// It cannot be kept: whoever waits goes alone.
    pub fn part(self) {
        if let Some(lead) = self.lead {
            lead.release();
        }
    }

    /// It broke off: whoever waits hears of it.
    fn fail(self) {
        if let Some(lead) = self.lead {
            lead.fail(Problem::new(Code::BadGateway).detail("The upstream's answer broke off."));
        }
    }
}
