//! How often one may prove within a session who one is, three ways at once, in one step before any hashing.
//!
//! By **pair** of user and address, as at sign-in. By **user**, from wherever. And by **session**, for as long as one may
//! last: whoever has got hold of one, but not of the password, has so many guesses in all, from however many addresses. A
//! session that has used them up is ended, which locks nobody out: its user signs in, where nothing of this counts.

use std::net::IpAddr;
use std::time::Duration;

use shared::clock::Clock;
use shared::domain::{SessionId, UserId};
use shared::store::{Counters, Decision, Quota, Take};

use super::counting::Counting;
use super::ticket::Ticket;
use super::windows::IDENTIFIER_WINDOW;
use crate::config::Config;
use crate::users::Identifier;

/// Somebody about to show their password in a session, as it is counted.
#[derive(Clone, Debug)]
pub struct Proof {
    pair: Ticket,
    user: Ticket,
    session: Ticket,
}

/// Why nobody looks at what they show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Too many, too fast: so long.
    For(Duration),
    /// The session has had all its guesses.
    Spent,
}

/// The three counters of proofs.
#[derive(Clone, Debug)]
pub struct Proofs {
    /// Of the pair and of the user.
    paced: Option<(Quota, Quota)>,
    session: Quota,
    counting: Counting,
}

impl Proof {
    /// By this user in this session, from this address.
    #[must_use]
    pub fn new(user: UserId, session: SessionId, address: Option<IpAddr>) -> Self {
        let pair = Ticket::new(&Identifier::of(&user.to_string()), address);
        Self { pair, user: Ticket::proofs_of(user), session: Ticket::proofs_in(session) }
    }
}

fn take(ticket: &Ticket, quota: Quota) -> Take<'_> {
    Take { key: ticket.key(), quota, cost: 1, shadow: false }
}

impl Proofs {
    /// Over these counters.
    #[must_use]
    pub fn new(config: &Config, shared: Counters, clock: Clock) -> Self {
        let quota = |limit, window| Quota { limit, window, burst: limit };
        let (throttle, sessions) = (&config.throttle, &config.sessions);
        let pair = quota(throttle.attempts, throttle.window.get());
        let user = quota(throttle.identifier_attempts, IDENTIFIER_WINDOW);
        Self {
            paced: throttle.enabled.then_some((pair, user)),
            session: quota(sessions.wrong_proofs, sessions.lifetime.get()),
            counting: Counting::new(shared, clock),
        }
    }

    /// Counts a proof, or says why it is not looked at. What is refused by one counter costs nothing in the others.
    ///
    /// # Errors
    /// Why not.
    pub async fn admit(&self, proof: &Proof) -> Result<(), Held> {
        let mut takes = vec![take(&proof.session, self.session)];
        if let Some((pair, user)) = self.paced {
            takes.extend([take(&proof.pair, pair), take(&proof.user, user)]);
        }
        let decided = self.counting.take(&takes).await;
        let refused = |at: usize| decided.get(at).filter(|decision: &&Decision| !decision.allowed);
        // Whoever hurries is told to wait, before their session pays for it.
        if let Some(decision) = refused(1) {
            return Err(Held::For(decision.retry_after));
        }
        if refused(0).is_some() {
            return Err(Held::Spent);
        }
        refused(2).map_or(Ok(()), |decision| Err(Held::For(decision.retry_after)))
    }

    /// Forgets what led to a success: also what was counted from wherever, or whoever may prove themselves in one session of
    /// the user's could keep them from it in all others, by doing so all the time.
    pub async fn forgive(&self, proof: &Proof) {
        self.counting.forget(&proof.session).await;
        if self.paced.is_some() {
            self.counting.forget(&proof.pair).await;
            self.counting.forget(&proof.user).await;
        }
    }
}
