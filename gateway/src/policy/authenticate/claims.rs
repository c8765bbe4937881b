//! What a token or an introspecting issuer says, as names and values; and what of it becomes one of our subjects.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use shared::auth::{External, User};
use shared::domain::{ApiKeyId, Permissions, Role, Roles, SessionId};

use super::verify::Refusal;
use super::{Reach, Subject, Verified};

/// Where our own issuer says what custom roles add.
const PERMISSIONS: &str = "permissions";

/// Longer names are nobody's.
const MAX_SUBJECT_BYTES: usize = 255;

/// Claims, each of them once: with two of one name, two readers could believe two things (RFC 7519, section 4).
#[derive(Debug)]
pub struct Claims(Map<String, Value>);

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Once;

        impl<'de> Visitor<'de> for Once {
            type Value = Claims;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with each name once")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Claims, A::Error> {
                let mut claims = Map::new();
                while let Some((name, value)) = from.next_entry::<String, Value>()? {
                    if claims.insert(name, value).is_some() {
                        return Err(A::Error::custom("a name stands twice"));
                    }
                }
                Ok(Claims(claims))
            }
        }

        from.deserialize_map(Once)
    }
}

impl Claims {
    /// The claim of this name; or, by dots, one inside others (`realm_access.roles`). A name that has dots itself goes
    /// first, as in `https://example.com/roles`.
    pub fn find(&self, path: &str) -> Option<&Value> {
        if let Some(value) = self.0.get(path) {
            return Some(value);
        }
        let mut names = path.split('.');
        let first = self.0.get(names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))
    }

    /// A claim that is text.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.find(path)?.as_str()
    }

    /// Seconds since the epoch (RFC 7519, section 2: a fraction is allowed). `Err`: it is there and is no number.
    pub fn instant(&self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => whole(value).map(Some).ok_or(Refusal::Malformed),
        }
    }

    /// The words of a claim, which are a list or stand in one text.
    fn words(&self, path: &str) -> Vec<&str> {
        match self.find(path) {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(text)) => text.split(' ').filter(|word| !word.is_empty()).collect(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => Vec::new(),
        }
    }

    /// Whether `aud` names one of these.
    pub fn is_for(&self, audiences: &[String]) -> bool {
        self.words_of_audience().any(|named| audiences.iter().any(|wanted| wanted == named))
    }

    fn words_of_audience(&self) -> impl Iterator<Item = &str> {
        let (one, several) = match self.0.get("aud") {
            Some(Value::String(text)) => (Some(text.as_str()), None),
            Some(Value::Array(items)) => (None, Some(items)),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => (None, None),
        };
        one.into_iter().chain(several.into_iter().flatten().filter_map(Value::as_str))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a fraction of a second decides nothing; the cast saturates")]
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().filter(|number| number.is_finite()).map(|number| number as i64))
}

/// How far an issuer's word about who somebody is goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Our users-service: its subjects are our users, or its clients.
    Ours,
    /// Our users-service, about one of its API keys.
    OurKeys,
    /// Another issuer that knows our users by our ids; `watched` says whether what we revoke holds for its tokens.
    Trusted {
        /// Whether revocations are asked for.
        watched: bool,
    },
    /// Somebody else, whose subjects are never our users.
    Foreign,
}

/// Where in an issuer's claims we find what we need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub(super) standing: Standing,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) roles: String,
    /// What the issuer's words mean among our roles; `None`: they are ours.
    pub(super) role_map: Option<BTreeMap<String, Role>>,
    pub(super) scope: String,
    /// The word that stands for every scope; empty: there is none.
    pub(super) full_scope: String,
}

impl Mapping {
    /// The subject of these claims, to be believed until `good_until`.
    ///
    /// # Errors
    /// Claims that lack what this issuer's must have.
    pub fn verified(&self, claims: &Claims, good_until: i64) -> Result<Verified, Refusal> {
        let sub = claims.text(&self.subject).ok_or(Refusal::Malformed)?;
        // RFC 9068, section 2.2: nobody's consent is in a token whose subject is the client itself.
        let is_client = claims.text("client_id") == Some(sub);
        // What a client was given by a user is bounded by what they gave, even if that is nothing.
        let is_given = self.standing == Standing::Ours && claims.find("client_id").is_some();
        let (roles, scope) = (self.roles(claims), claims.words(&self.scope).join(" "));
        let reach = self.reach(&scope, is_client || is_given || self.standing == Standing::OurKeys);
        let session = claims.text("sid").and_then(|sid| sid.parse::<SessionId>().ok());
        let key = claims.text("jti").and_then(|id| id.parse::<ApiKeyId>().ok());
        // Ours always say which session they are of, and end with it.
        let client_session = match self.standing {
            Standing::Ours if is_client => Some(session.ok_or(Refusal::Malformed)?),
            Standing::Trusted { watched: true } if is_client => session,
            Standing::Ours | Standing::OurKeys | Standing::Trusted { .. } | Standing::Foreign => None,
        };
        let known = match self.standing {
            Standing::Foreign => None,
            Standing::Ours | Standing::Trusted { .. } if is_client => None,
            Standing::Ours => Some((Some(session.ok_or(Refusal::Malformed)?), None, version(claims)?)),
            Standing::OurKeys => Some((None, Some(key.ok_or(Refusal::Malformed)?), version(claims)?)),
            // A token that does not say how old its knowledge is, is older than everything we revoke.
            Standing::Trusted { .. } => Some((session, None, version(claims).unwrap_or(i64::MIN))),
        };
        let subject = match known {
            None => self.external(sub, roles, scope)?,
            Some((session, api_key, ver)) => {
                let id = sub.parse().map_err(|_| Refusal::Malformed)?;
                let permissions = self.permissions(claims);
                Subject::User(User { id, session, api_key, roles, permissions, scope, ver })
            }
        };
        let watched = self.standing != Standing::Trusted { watched: false };
        let revocable_key = match &subject {
            Subject::User(user) => user.api_key,
            Subject::External(_) => None,
        };
        let api_key = revocable_key.map(|key| key.to_string().into());
        Ok(Verified { reach, watched, api_key, revocable_key, client_session, ..Verified::of(subject, good_until) })
    }

    fn external(&self, sub: &str, roles: Roles, scope: String) -> Result<Subject, Refusal> {
        let fine = (1..=MAX_SUBJECT_BYTES).contains(&sub.len()) && !sub.contains(char::is_control);
        let (issuer, subject) = (self.issuer.clone(), sub.to_owned());
        let external = External { issuer, subject, roles, scope };
        if fine { Ok(Subject::External(external)) } else { Err(Refusal::Malformed) }
    }

    fn roles(&self, claims: &Claims) -> Roles {
        let words = claims.words(&self.roles).into_iter();
        match &self.role_map {
            Some(map) => words.filter_map(|word| map.get(word).copied()).collect(),
            None => words.filter_map(|word| word.parse().ok()).collect(),
        }
    }

    /// What custom roles add. Ours alone say so: others call permissions of their own by this name.
    fn permissions(&self, claims: &Claims) -> Permissions {
        match self.standing {
            Standing::Ours | Standing::OurKeys => {
                claims.words(PERMISSIONS).into_iter().filter_map(|word| word.parse().ok()).collect()
            }
            Standing::Trusted { .. } | Standing::Foreign => Permissions::NONE,
        }
    }

    fn reach(&self, scope: &str, machine: bool) -> Reach {
        let has_full = scope.split(' ').any(|word| word == self.full_scope);
        match (self.full_scope.is_empty(), machine) {
            (false, _) if has_full => Reach::Everything,
            (_, true) => Reach::Bounded,
            // A token of a person that names no scope is meant for all they may do (RFC 6749, section 3.3).
            (false, false) if !scope.is_empty() => Reach::Bounded,
            (_, false) => Reach::Unbounded,
        }
    }
}

fn version(claims: &Claims) -> Result<i64, Refusal> {
    claims.find("ver").and_then(Value::as_i64).ok_or(Refusal::Malformed)
}
