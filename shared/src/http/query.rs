//! Query parameters: each at most once, none unknown.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::{LocalBoxFuture, Ready, ready};

use crate::problem::{Code, FieldError, Problem};

/// The query as decoded pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryPairs(Vec<(String, String)>);

/// Chosen by the gateway and allowed on every path: which API version to use.
const VERSION: &str = "version";

impl QueryPairs {
    /// Decodes a query string; 400 `malformed_query` when it is not form-encoded, repeats a parameter or has a
    /// NUL, which PostgreSQL cannot hold in a text.
    pub fn parse(query: &str) -> Result<Self, Problem> {
        let malformed = |detail| Problem::new(Code::MalformedQuery).detail(detail);
        let mut pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
            .map_err(|_| malformed("The query is not application/x-www-form-urlencoded."))?;
        if pairs.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            return Err(malformed("The query has a NUL character."));
        }
        for (i, (name, _)) in pairs.iter().enumerate() {
            if pairs[..i].iter().any(|(earlier, _)| earlier == name) {
                let twice = FieldError::repeated_parameter(name);
                return Err(malformed("A query parameter stands more than once.").errors([twice]));
            }
        }
        pairs.retain(|(name, _)| name != VERSION);
        Ok(Self(pairs))
    }

    /// Refuses parameters that the resource does not have (422), so that a misspelt filter is never ignored.
    pub fn only(self, known: &[&str]) -> Result<Self, Problem> {
        let unknown: Vec<_> = self.0.iter().filter(|(name, _)| !known.contains(&name.as_str())).collect();
        if unknown.is_empty() {
            return Ok(self);
        }
        let problem = Problem::new(Code::ValidationFailed).detail("The query has parameters that this resource lacks.");
        Err(problem.errors(unknown.into_iter().map(|(name, _)| FieldError::unknown_parameter(name))))
    }

    /// A parameter's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// `true` or `false`; absent is `false`, anything else 400.
    pub fn flag(&self, name: &'static str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::new(Code::MalformedQuery).error(format!("?{name}"), "boolean", "true or false")),
        }
    }

    /// All pairs in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Of a request without a body that has no query parameters. `version` passes, as everywhere; anything else is refused as
/// [`QueryPairs::only`] refuses it: whoever tries something out with a parameter that is not there must not do it.
#[derive(Clone, Copy, Debug)]
pub struct NoQuery;

/// What `T` reads of a request that has no query parameters. Those are refused once the body is read, which is the order
/// that the gateway keeps, too.
#[derive(Debug)]
pub struct WithoutQuery<T>(pub T);

impl FromRequest for NoQuery {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(QueryPairs::parse(request.query_string()).and_then(|query| query.only(&[])).map(|_| Self))
    }
}

impl<T: FromRequest<Error = Problem> + 'static> FromRequest for WithoutQuery<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (read, query) = (T::from_request(request, payload), NoQuery::from_request(request, &mut Payload::None));
        Box::pin(async move {
            let read = read.await?;
            query.await?;
            Ok(Self(read))
        })
    }
}

impl FromRequest for QueryPairs {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::parse(request.query_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_is_400_unknown_is_422_and_the_version_passes() {
        assert_eq!(QueryPairs::parse("a=1&a=2").unwrap_err().code(), Code::MalformedQuery);
        assert_eq!(QueryPairs::parse("q=%00").unwrap_err().code(), Code::MalformedQuery);
        let query = QueryPairs::parse("q=x&version=2").unwrap();
        assert_eq!(query.clone().only(&["q"]).unwrap().get("q"), Some("x"));
        assert_eq!(query.only(&["page"]).unwrap_err().code(), Code::ValidationFailed);
        assert_eq!(QueryPairs::parse("f=1").unwrap().flag("f").unwrap_err().code(), Code::MalformedQuery);
    }
}
