//! A whole answer, and what every test asks of one.

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::text;

/// Status, headers and body of one answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Method and path, for messages.
    pub asked: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub body: Bytes,
}

impl Answer {
    pub(super) async fn read(asked: String, response: reqwest::Response) -> Result<Self, reqwest::Error> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { asked, status, headers, body: response.bytes().await? })
    }

    /// This status, else the test fails and shows everything.
    ///
    /// # Panics
    /// On any other status.
    #[must_use]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {self}"))
    }

    /// The text at a pointer into the body.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn text(&self, pointer: &str) -> String {
        text(&self.json(), pointer).to_owned()
    }

    /// The integer at a pointer into the body.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn int(&self, pointer: &str) -> i64 {
        self.json()
            .pointer(pointer)
            .and_then(Value::as_i64)
            .unwrap_or_else(|| panic!("no integer at {pointer}: {self}"))
    }

    /// A header's value, if it came.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A header that has to be there.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn must(&self, name: &str) -> &str {
        self.header(name).unwrap_or_else(|| panic!("no {name}: {self}"))
    }

    /// The stable code of a problem, or nothing.
    #[must_use]
    pub fn code(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        Some(body.get("code")?.as_str()?.to_owned())
    }

    /// The answer is this problem, in the shape that the contract's section 2 gives every problem.
    ///
    /// # Panics
    /// When anything about it differs.
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.code().as_deref()), (status, Some(code)), "{self}");
        self.is_problem()
    }

    /// The answer is some problem of the contract's shape.
    ///
    /// # Panics
    /// When a member or a header is missing or wrong.
    pub fn is_problem(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self}");
        let body = self.json();
        assert_eq!(body["status"], self.status, "{self}");
        // A replay is the first answer byte for byte, so it names the first request.
        if self.header("idempotent-replayed").is_none() {
            assert_eq!(body["request_id"], self.must("x-request-id"), "{self}");
        }
        let (code, path) = (text(&body, "/code"), self.asked.split(' ').nth(1).unwrap_or_default());
        assert!(text(&body, "/type").ends_with(code), "{self}");
        assert_eq!(text(&body, "/instance"), path, "{self}");
        let at = text(&body, "/timestamp");
        assert!(at.ends_with('Z') && OffsetDateTime::parse(at, &Rfc3339).is_ok(), "{self}");
        assert!(!text(&body, "/title").is_empty() && !text(&body, "/detail").is_empty(), "{self}");
        for error in body["errors"].as_array().into_iter().flatten() {
            // A JSON pointer into the body (RFC 6901), or `?name` for a query parameter.
            let pointer = text(error, "/pointer");
            assert!(pointer.is_empty() || pointer.starts_with(['/', '?']), "{self}");
            assert!(!text(error, "/code").is_empty() && !text(error, "/detail").is_empty(), "{self}");
        }
        match self.status {
            401 => drop(self.must("www-authenticate")),
            405 => drop(self.must("allow")),
            429 | 503 => assert!(self.must("retry-after").parse::<u32>().is_ok(), "{self}"),
            _ => {}
        }
        body
    }

    /// The pointers of a problem's field errors.
    #[must_use]
    pub fn pointers(&self) -> Vec<String> {
        let body = self.json();
        body["errors"].as_array().into_iter().flatten().map(|error| text(error, "/pointer").to_owned()).collect()
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {}\n{:?}\n{}", self.asked, self.status, self.headers, String::from_utf8_lossy(&self.body))
    }
}
