//! Reading what an issuer answered (RFC 7662, section 2.2). It may be slow, broken, or lie about other things than we
//! asked: only what is well-formed and says plainly that this is an access token for us, opens anything.

use reqwest::StatusCode;
use serde_json::Value;

use super::super::Verified;
use super::super::claims::Claims;
use super::super::verify::Refusal;
use super::{Answer, Asking, Introspector};

/// What some servers call an access token in `token_use` or `typ`. Others report their refresh tokens as active too.
const ACCESS_TOKENS: [&str; 4] = ["access_token", "access", "bearer", "at+jwt"];

impl Introspector {
    pub(super) fn read(&self, status: StatusCode, body: &[u8], now: i64) -> Answer {
        // A users-service that has no such endpoint knows no keys.
        if status == StatusCode::NOT_FOUND && matches!(self.asking, Asking::Gateway { .. }) {
            return Answer::Refused(Refusal::NotActive);
        }
        if status != StatusCode::OK {
            tracing::warn!(issuer = self.name, %status, "introspection failed");
            return Answer::Unavailable;
        }
        let claims = match serde_json::from_slice::<Claims>(body) {
            Ok(claims) => claims,
            Err(error) => {
                tracing::warn!(issuer = self.name, %error, "introspection answered with something else");
                return Answer::Unavailable;
            }
        };
        match claims.find("active") {
            Some(Value::Bool(true)) => match self.judge(&claims, now) {
                Ok(verified) => Answer::Active(Box::new(verified)),
                Err(refusal) => Answer::Refused(refusal),
            },
            Some(Value::Bool(false)) => Answer::Refused(Refusal::NotActive),
            Some(_) | None => {
                tracing::warn!(issuer = self.name, "introspection did not say whether the token is active");
                Answer::Unavailable
            }
        }
    }

    fn judge(&self, claims: &Claims, now: i64) -> Result<Verified, Refusal> {
        if claims.find("iss").is_some_and(|issuer| issuer.as_str() != Some(self.rules.issuer.as_str())) {
            return Err(Refusal::WrongIssuer);
        }
        if !self.rules.audiences.is_empty() && !claims.is_for(&self.rules.audiences) {
            return Err(Refusal::WrongAudience);
        }
        let is_access = |value: &Value| {
            value.as_str().is_some_and(|word| ACCESS_TOKENS.iter().any(|known| word.eq_ignore_ascii_case(known)))
        };
        let of_key = matches!(self.asking, Asking::Gateway { .. });
        let kinds = ["token_type", "token_use", "typ"].into_iter().filter_map(|name| claims.find(name));
        if !of_key && !kinds.into_iter().all(is_access) {
            return Err(Refusal::WrongType);
        }
        let expires_at = self.rules.judge_time(claims, now)?.unwrap_or(i64::MAX);
        let good_until = expires_at.min(now.saturating_add(self.remember));
        let verified = self.rules.mapping.verified(claims, good_until)?;
        Ok(Verified { asked_at: Some(now), ends_at: expires_at, ..verified })
    }
}
