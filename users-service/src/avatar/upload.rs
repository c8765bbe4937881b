//! An image on its way in: of a kind that is taken, no larger than it may be, and no more of them than there is room for.

use std::sync::Arc;

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{HttpMessage, HttpRequest, web};
use futures_util::StreamExt;
use shared::problem::{Code, Problem};
use tokio::sync::OwnedSemaphorePermit;

use super::model::Kind;
use super::picture;
use crate::app::App;

/// An image that was looked at, and its place, which is kept until the image is stored.
pub(super) struct Upload {
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Upload {
    /// Reads a body to its end.
    ///
    /// # Errors
    /// 415 for another kind than it says, or than is taken; 413; 422 for an image that is too large, or none; 503 where
    /// too many come at once.
    pub(super) async fn receive(app: &App, request: &HttpRequest, body: web::Payload) -> Result<Self, Problem> {
        let kind = announced(request)?;
        let most = app.config.avatars.max_bytes;
        let too_large = || Problem::new(Code::BodyTooLarge).detail(format!("An image may have at most {most} bytes."));
        let length =
            request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > most) {
            return Err(too_large());
        }
        let (bytes, place) = collect(app, body, most, too_large).await?;
        if infer::get(&bytes).and_then(|found| Kind::of(found.mime_type())) != Some(kind) {
            return Err(Problem::new(Code::UnsupportedMediaType).detail("The body is not what its Content-Type says."));
        }
        // A header is read in no time, but what is compressed in it is not.
        let max_pixels = app.config.avatars.max_pixels;
        let looked = web::block(move || (picture::look(kind, &bytes, max_pixels), bytes)).await;
        let (looked, bytes) = looked.map_err(Problem::internal)?;
        looked.map_err(|fault| Problem::new(Code::ValidationFailed).error("", fault.code, fault.detail))?;
        Ok(Self { kind, bytes, _place: place })
    }
}

/// The kind that the headers speak of.
fn announced(request: &HttpRequest) -> Result<Kind, Problem> {
    let headers = request.headers();
    let refused = |detail| Err(Problem::new(Code::UnsupportedMediaType).detail(detail));
    if headers.get_all(CONTENT_ENCODING).any(|coding| coding != "identity") {
        return refused("Send the image without a Content-Encoding.");
    }
    match Kind::of(request.content_type()) {
        Some(kind) if headers.get_all(CONTENT_TYPE).count() == 1 => Ok(kind),
        Some(_) | None => refused("Send the image as image/png, image/jpeg or image/webp."),
    }
}

/// Each byte takes its place as it comes, so that whoever sends slowly keeps nobody out.
async fn collect(
    app: &App,
    mut body: web::Payload,
    most: usize,
    too_large: impl Fn() -> Problem,
) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Problem> {
    let (mut bytes, mut place) = (Vec::new(), None::<OwnedSemaphorePermit>);
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| Problem::new(Code::MalformedBody).detail("The body broke off."))?;
        if bytes.len() + chunk.len() > most {
            return Err(too_large());
        }
        let size = u32::try_from(chunk.len()).map_err(|_| too_large())?;
        let more = Arc::clone(&app.avatars.room).try_acquire_many_owned(size);
        let more = more.map_err(|_| Problem::new(Code::Overloaded))?;
        match &mut place {
            Some(place) => place.merge(more),
            None => place = Some(more),
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok((bytes, place))
}
