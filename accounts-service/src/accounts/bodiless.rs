//! The body of a POST that says everything, or nearly everything, in its path: it may be left out.

use actix_web::dev::Payload;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{self, StreamExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use shared::http::Body;
use shared::problem::{Code, Problem};

/// A body, or what is meant without one. Whatever is sent is judged as any other body is: 415, 413, 400, and 422 for
/// a member that there is not, so that `{"reason": …}` is not lost without a word.
#[derive(Clone, Copy, Debug)]
pub struct Optional<T>(pub T);

/// None, or an object without members.
pub type Bodiless = Optional<Nothing>;

/// An object without members.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

impl<T: DeserializeOwned + Default + 'static> FromRequest for Optional<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            // Only reading tells: a body may come in chunks, of which the first is the last.
            let Some(first) = first(&mut payload).await? else { return Ok(Self(T::default())) };
            let whole = stream::once(async { Ok(first) }).chain(payload);
            let Body(said) = Body::from_request(&request, &mut Payload::from(whole.boxed_local())).await?;
            Ok(Self(said))
        })
    }
}

async fn first(payload: &mut Payload) -> Result<Option<Bytes>, Problem> {
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::new(Code::MalformedBody).detail("The body broke off."))?;
        if !chunk.is_empty() {
            return Ok(Some(chunk));
        }
    }
    Ok(None)
}
