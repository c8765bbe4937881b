//! A client's body on its way in: still to come, or here already, because something had to read it before it is sent on.

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};

/// A request's body.
pub enum Arriving {
    /// It comes piece by piece.
    Coming(Payload),
    /// All of it is here.
    Held(Bytes),
}

impl Arriving {
    /// Nothing, and nothing to come.
    #[must_use]
    pub const fn nothing() -> Self {
        Self::Coming(Payload::None)
    }

    /// Takes it away, and leaves nothing.
    #[must_use]
    pub fn take(&mut self) -> Self {
        std::mem::replace(self, Self::nothing())
    }

    /// What a connection brings from here on.
    #[must_use]
    pub fn into_payload(self) -> Payload {
        match self {
            Self::Coming(payload) => payload,
            Self::Held(bytes) => Payload::from(bytes),
        }
    }

    /// Reads it to its end and holds it, unless it is larger than `most`: then it is left as it came, and `None`.
    ///
    /// # Errors
    /// It breaks off.
    pub async fn hold(&mut self, most: u64) -> Result<Option<Bytes>, PayloadError> {
        let payload = match self {
            Self::Held(bytes) => return Ok((bytes.len() as u64 <= most).then(|| bytes.clone())),
            Self::Coming(payload) => payload,
        };
        let mut pieces: Vec<Bytes> = Vec::new();
        let mut length = 0;
        while let Some(piece) = payload.next().await {
            let piece = piece?;
            length += piece.len();
            pieces.push(piece);
            if length as u64 > most {
                let rest = payload.take();
                let again = stream::iter(pieces.into_iter().map(Ok)).chain(rest);
                *self = Self::Coming(Payload::from(again.boxed_local()));
                return Ok(None);
            }
        }
        let whole = match pieces.len() {
            0 => Bytes::new(),
            // Nearly always there is one piece, which needs no copy.
            1 => pieces.swap_remove(0),
            _ => pieces.iter().fold(BytesMut::with_capacity(length), joined).freeze(),
        };
        *self = Self::Held(whole.clone());
        Ok(Some(whole))
    }
}

fn joined(mut whole: BytesMut, piece: &Bytes) -> BytesMut {
    whole.extend_from_slice(piece);
    whole
}
