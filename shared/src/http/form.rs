//! The form body of OAuth endpoints (RFC 6749): unknown parameters ignored, repeated ones refused.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::body::{collect, is_plain};
use crate::problem::{Code, Problem};

/// More than any sign-in needs; a password has at most 128 characters.
const LIMIT: usize = 16 * 1024;

/// The parameters of an `application/x-www-form-urlencoded` body. Empty values count as omitted (RFC 6749, section 3.2).
#[derive(Clone)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// A parameter's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that must be there: 400 `invalid_request` naming it otherwise.
    pub fn require(&self, name: &'static str) -> Result<&str, Problem> {
        self.get(name).ok_or_else(|| invalid_request(format!("The parameter {name} is missing.")))
    }

    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(bytes)
            .map_err(|_| invalid_request("The body is not application/x-www-form-urlencoded.".to_owned()))?;
        // No text of ours has one, and PostgreSQL cannot hold it.
        if pairs.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            return Err(invalid_request("A parameter has a NUL character.".to_owned()));
        }
        for (i, (name, _)) in pairs.iter().enumerate() {
            if pairs[..i].iter().any(|(earlier, _)| earlier == name) {
                return Err(invalid_request("A parameter stands more than once.".to_owned()));
            }
        }
        Ok(Self(pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect()))
    }
}

fn invalid_request(detail: String) -> Problem {
    Problem::new(Code::InvalidRequest).detail(detail).oauth("invalid_request")
}

impl FromRequest for Form {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_form = request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded");
        let plain = is_plain(request).map_err(Problem::at_oauth_endpoint);
        let payload = payload.take();
        async move {
            if !is_form {
                return Err(Problem::new(Code::UnsupportedMediaType)
                    .detail("Send the parameters as application/x-www-form-urlencoded.")
                    .oauth("invalid_request"));
            }
            plain?;
            Self::parse(&collect(payload, LIMIT).await.map_err(Problem::at_oauth_endpoint)?)
        }
        .boxed_local()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_omitted_repeated_is_refused_unknown_is_ignored() {
        let form = Form::parse(b"grant_type=password&username=a%40b.c&scope=&extra=1").unwrap();
        assert_eq!(form.get("username"), Some("a@b.c"));
        assert_eq!(form.get("scope"), None);
        assert_eq!(form.require("password").unwrap_err().code(), Code::InvalidRequest);
        assert!(Form::parse(b"a=1&a=2").is_err());
        assert!(Form::parse(b"username=a%00b").is_err());
    }
}
