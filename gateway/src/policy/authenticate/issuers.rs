//! Whose tokens are taken, compiled from the configuration: which issuer a token claims to be from, and what that
//! issuer's tokens are checked with.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::dangerous::insecure_decode_claims;
use serde::Deserialize;

use super::accepted::{API_KEYS, Accepted, DEFAULT, Place, STATIC_KEYS};
use super::api_keys::ApiKeys;
use super::introspect::{Asking, Introspector};
use super::jwks::{self, Jwks};
use super::verify::{Refusal, Rules};
use crate::config::{self, Authentication, Config};

/// How soon the keys of an issuer that came with a reload are fetched.
const LOOK: Duration = Duration::from_millis(200);

/// Everybody whose credentials are taken, and how.
#[derive(Debug)]
pub struct Issuers {
    /// Our own first.
    list: Vec<Issuer>,
    /// API keys.
    pub keys: ApiKeys,
    /// The browsers' cookie; `None`: there is none.
    pub cookie: Option<String>,
    /// Longest credential that is looked at.
    pub max_bytes: usize,
}

/// One issuer of tokens.
#[derive(Debug)]
pub struct Issuer {
    /// As the configuration calls it.
    pub name: String,
    pub(super) place: Place,
    pub(super) rules: Rules,
    pub(super) source: Source,
    /// Whether its subjects may be our users.
    trusted: bool,
}

/// What tells whether an issuer's token holds.
#[derive(Debug)]
pub enum Source {
    /// Its public keys.
    Keys(Arc<Jwks>),
    /// Only the issuer itself. `prefix` is what its opaque tokens begin with.
    Asked {
        /// Who is asked.
        introspector: Arc<Introspector>,
        /// Empty: whatever nobody else's prefix fits.
        prefix: String,
    },
}

/// What kept the issuers from being compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client secret of the issuer `{name}` cannot be read: {cause}")]
pub struct NoSecret {
    name: String,
    cause: String,
}

#[derive(Deserialize)]
struct Unverified {
    iss: String,
}

impl Issuers {
    /// From the configuration, which has been checked. Whatever is the same in `previous` goes on as it is, with its keys
    /// and with what is known of credentials; with all the same, so do the workers' verified tokens.
    ///
    /// # Errors
    /// A secret's file that cannot be read.
    pub fn compile(config: &Config, previous: Option<&Arc<Self>>) -> Result<Arc<Self>, NoSecret> {
        let authentication = &config.authentication;
        let known = Known { previous: previous.map(|previous| &**previous) };
        let rules = Rules::ours(authentication);
        let keys = Jwks::new(authentication, our_keys(config), rules.pinned.clone());
        let ours = Issuer {
            name: DEFAULT.to_owned(),
            place: Place::OURS,
            rules,
            source: Source::Keys(known.keys(keys)),
            trusted: true,
        };
        let mut list = vec![ours];
        for (index, issuer) in authentication.issuers.iter().enumerate() {
            list.push(Issuer::compile(issuer, Place::further(index), authentication, &known)?);
        }
        let issuers = Self {
            list,
            keys: ApiKeys::compile(config, &known),
            cookie: Some(authentication.cookie.name.clone()).filter(|name| !name.is_empty()),
            max_bytes: authentication.max_token_bytes,
        };
        let same = previous.filter(|previous| previous.does_for(&issuers));
        Ok(same.map_or_else(|| Arc::new(issuers), Arc::clone))
    }

    /// Whether this says all that `other` would, of every credential.
    fn does_for(&self, other: &Self) -> bool {
        let Self { list, keys, cookie, max_bytes } = self;
        list.len() == other.list.len()
            && list.iter().zip(&other.list).all(|(issuer, other)| issuer.does_for(other))
            && keys.does_for(&other.keys)
            && *cookie == other.cookie
            && *max_bytes == other.max_bytes
    }

    /// The issuer whose token this claims to be. Nothing is believed yet: this only says whose rules it is held against.
    ///
    /// # Errors
    /// A token that claims to be nobody's, or somebody's whom we do not know.
    pub fn of(&self, token: &str) -> Result<&Issuer, Refusal> {
        if token.split('.').count() == 3
            && let Ok(Unverified { iss }) = insecure_decode_claims(token)
        {
            let claimed = self.list.iter().find(|issuer| issuer.rules.issuer == iss);
            return claimed.ok_or(Refusal::WrongIssuer);
        }
        let prefixes = self.list.iter().filter_map(|issuer| match &issuer.source {
            Source::Asked { prefix, .. } => Some((issuer, prefix.as_str())),
            Source::Keys(_) => None,
        });
        let fitting = prefixes.filter(|(_, prefix)| token.starts_with(prefix));
        fitting.max_by_key(|(_, prefix)| prefix.len()).map(|(issuer, _)| issuer).ok_or(Refusal::Malformed)
    }

    /// The place of whoever vouched from `place` under the settings `before`, if they are taken at their word here as they
    /// were there.
    pub(super) fn place_of(&self, before: &Self, place: Place) -> Option<Place> {
        match place {
            // They are looked up, not asked about.
            Place::STATIC_KEYS => None,
            Place::API_KEYS => self.keys.asks_as(&before.keys).then_some(place),
            place => {
                let old = before.list.iter().find(|issuer| issuer.place == place)?;
                let new = self.list.iter().find(|issuer| issuer.rules.issuer == old.rules.issuer)?;
                new.vouches_as(old).then_some(new.place)
            }
        }
    }

    /// Every issuer, ours first.
    #[cfg(test)]
    pub(super) fn each(&self) -> &[Issuer] {
        &self.list
    }

    /// Every issuer's keys, with its name.
    pub fn key_sets(&self) -> impl Iterator<Item = (&str, &Arc<Jwks>)> {
        self.list.iter().filter_map(|issuer| match &issuer.source {
            Source::Keys(keys) => Some((issuer.name.as_str(), keys)),
            Source::Asked { .. } => None,
        })
    }

    /// Starts what fetches keys, where it does not run yet.
    pub fn tend(&self, client: &reqwest::Client) {
        self.key_sets().for_each(|(_, keys)| keys.tend(client));
    }

    /// Whether our own issuer's keys have been seen.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.key_sets().next().is_none_or(|(_, keys)| keys.current().is_some())
    }

    /// The issuers that a route takes: those that it names; or else ours, those that are trusted, and, where the
    /// upstream is none of our services, everybody.
    #[must_use]
    pub fn accepted(&self, names: &[String], ours: bool) -> Accepted {
        let keys = [(API_KEYS, Place::API_KEYS, true), (STATIC_KEYS, Place::STATIC_KEYS, false)];
        let issuers = self.list.iter().map(|issuer| (issuer.name.as_str(), issuer.place, issuer.trusted));
        let taken = issuers.chain(keys).filter(|(name, _, trusted)| match names {
            [] => *trusted || !ours,
            _ => names.iter().any(|wanted| wanted == name),
        });
        taken.map(|(_, place, _)| place).collect()
    }

    /// Whether tokens of any issuer are in a set.
    #[must_use]
    pub fn take_tokens(&self, accepted: Accepted) -> bool {
        self.list.iter().any(|issuer| accepted.has(issuer.place))
    }

    /// Whether some of these may have to be asked whether a token holds.
    #[must_use]
    pub fn ask_about_tokens(&self, accepted: Accepted) -> bool {
        let asked = self.list.iter().filter(|issuer| matches!(issuer.source, Source::Asked { .. }));
        asked.into_iter().any(|issuer| accepted.has(issuer.place))
    }

    /// The names of the issuers in a set, for people.
    #[must_use]
    pub fn names(&self, accepted: Accepted) -> Vec<&str> {
        let keys = [(API_KEYS, Place::API_KEYS), (STATIC_KEYS, Place::STATIC_KEYS)];
        let all = self.list.iter().map(|issuer| (issuer.name.as_str(), issuer.place)).chain(keys);
        all.filter(|(_, place)| accepted.has(*place)).map(|(name, _)| name).collect()
    }
}

impl Issuer {
    /// Whether this one's tokens are held against the same as those of `before`.
    fn vouches_as(&self, before: &Self) -> bool {
        let is_same = match (&self.source, &before.source) {
            (Source::Keys(now), Source::Keys(before)) => now.is_at(before),
            (Source::Asked { introspector, prefix }, Source::Asked { introspector: asked, prefix: began }) => {
                prefix == began && introspector.asks_as(asked)
            }
            (Source::Keys(_), Source::Asked { .. }) | (Source::Asked { .. }, Source::Keys(_)) => false,
        };
        is_same && self.rules == before.rules
    }

    fn compile(
        config: &config::Issuer,
        place: Place,
        common: &Authentication,
        known: &Known<'_>,
    ) -> Result<Self, NoSecret> {
        let rules = Rules::of(config, common.leeway);
        let source = match &config.introspection {
            Some(asked) => {
                let no_secret =
                    |error: std::io::Error| NoSecret { name: config.name.clone(), cause: error.to_string() };
                let secret = asked.secret().map_err(no_secret)?;
                let asking = Asking::Client { id: asked.client_id.clone(), secret };
                let url = asked.url.clone();
                let introspector = Introspector::new(&config.name, url, asking, rules.clone(), &common.introspection);
                Source::Asked { introspector: known.asked(introspector), prefix: asked.prefix.clone() }
            }
            None => {
                let keys = match config.discovery {
                    true => jwks::Place::Discovered(config.issuer.clone()),
                    false => jwks::Place::Url(config.jwks_url.clone()),
                };
                Source::Keys(known.keys(Jwks::new(common, keys, rules.pinned.clone())))
            }
        };
        Ok(Self { name: config.name.clone(), place, rules, source, trusted: config.trusted })
    }

    fn does_for(&self, other: &Self) -> bool {
        let Self { name, place, rules, source, trusted } = self;
        let same_source = match (source, &other.source) {
            (Source::Keys(keys), Source::Keys(others)) => Arc::ptr_eq(keys, others),
            (Source::Asked { introspector, prefix }, Source::Asked { introspector: others, prefix: other }) => {
                Arc::ptr_eq(introspector, others) && prefix == other
            }
            (Source::Keys(_), Source::Asked { .. }) | (Source::Asked { .. }, Source::Keys(_)) => false,
        };
        same_source && (name, place, rules, trusted) == (&other.name, &other.place, &other.rules, &other.trusted)
    }
}

/// What the configuration before has brought to light.
pub(super) struct Known<'a> {
    previous: Option<&'a Issuers>,
}

impl Known<'_> {
    /// The same key set, if there is one; else this one, which begins with what is known of its place until it has
    /// fetched its own. What another place said is not believed.
    fn keys(&self, keys: Arc<Jwks>) -> Arc<Jwks> {
        let known: Vec<_> = self.previous.into_iter().flat_map(Issuers::key_sets).map(|(_, known)| known).collect();
        if let Some(same) = known.iter().find(|known| known.does_for(&keys)) {
            return Arc::clone(same);
        }
        known.iter().filter(|known| known.is_at(&keys)).for_each(|known| keys.start_with(known));
        keys
    }

    /// The same introspector, if there is one, with what it remembers; else this one.
    pub(super) fn asked(&self, asked: Introspector) -> Arc<Introspector> {
        let issuers = self.previous.into_iter().flat_map(|previous| &previous.list);
        let known = issuers.filter_map(|issuer| match &issuer.source {
            Source::Asked { introspector, .. } => Some(introspector),
            Source::Keys(_) => None,
        });
        let mut known = known.chain(self.previous.and_then(|previous| previous.keys.asked.as_ref()));
        known.find(|known| known.does_for(&asked)).map_or_else(|| Arc::new(asked), Arc::clone)
    }
}

/// Sees to it that somebody fetches the keys of every issuer there is, for as long as it is polled.
pub async fn tend(issuers: impl Fn() -> Arc<Issuers>, client: &reqwest::Client) {
    loop {
        issuers().tend(client);
        tokio::time::sleep(LOOK).await;
    }
}

/// Where our own issuer's keys are.
fn our_keys(config: &Config) -> jwks::Place {
    jwks::Place::Url(match config.authentication.jwks_url.as_str() {
        "" => format!("{}/.well-known/jwks.json", config.services.users.url.trim_end_matches('/')),
        url => url.to_owned(),
    })
}
