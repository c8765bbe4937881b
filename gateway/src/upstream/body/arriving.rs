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
        // Nearly always there is one piece, which needs no copy. Many are one from the second on: each alone would take far
        // more than its bytes.
        let (mut first, mut joined) = (Bytes::new(), BytesMut::new());
        while let Some(piece) = payload.next().await {
            let piece = piece?;
            if first.is_empty() && joined.is_empty() {
                first = piece;
            } else {
                joined.extend_from_slice(&std::mem::take(&mut first));
                joined.extend_from_slice(&piece);
            }
            if first.len().max(joined.len()) as u64 > most {
                let begun = stream::iter([Ok(whole(first, joined))]);
                let rest = payload.take();
                *self = Self::Coming(Payload::from(begun.chain(rest).boxed_local()));
                return Ok(None);
            }
        }
        let whole = whole(first, joined);
        *self = Self::Held(whole.clone());
        Ok(Some(whole))
    }
}

fn whole(first: Bytes, joined: BytesMut) -> Bytes {
    if joined.is_empty() { first } else { joined.freeze() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: usize = 64 << 10;

    /// A body whose every byte comes alone.
    fn crumbs() -> Arriving {
        let bytes = (0..LENGTH).map(|index| Ok(Bytes::copy_from_slice(&[u8::try_from(index % 251).unwrap()])));
        Arriving::Coming(Payload::from(stream::iter(bytes).boxed_local()))
    }

    async fn pieces(arriving: Arriving) -> Vec<Bytes> {
        arriving.into_payload().map(Result::unwrap).collect().await
    }

    #[tokio::test]
    async fn a_body_in_crumbs_is_held_in_one_piece() {
        let mut body = crumbs();
        let held = body.hold(LENGTH as u64).await.unwrap().unwrap();
        assert_eq!([held.clone()].concat(), pieces(crumbs()).await.concat());
        drop(body.take());
        let capacity = held.try_into_mut().unwrap().capacity();
        assert!((LENGTH..=2 * LENGTH).contains(&capacity), "{capacity}");
    }

    #[tokio::test]
    async fn what_is_too_large_goes_on_with_what_was_read_in_one_piece() {
        let mut body = crumbs();
        assert_eq!(body.hold(1000).await.unwrap(), None);
        let pieces = pieces(body).await;
        assert_eq!((pieces[0].len(), pieces.len()), (1001, 1 + LENGTH - 1001));
        assert_eq!(pieces.concat(), self::pieces(crumbs()).await.concat());
        let mut large = Arriving::Coming(Payload::from(Bytes::from_static(b"abc")));
        assert_eq!(large.hold(2).await.unwrap(), None);
        assert_eq!(self::pieces(large).await.concat(), b"abc");
    }

    #[tokio::test]
    async fn one_piece_is_held_as_it_came() {
        let only = Bytes::from_static(b"abc");
        let mut body = Arriving::Coming(Payload::from(stream::iter([Ok(only.clone())]).boxed_local()));
        assert_eq!(body.hold(3).await.unwrap().unwrap().as_ptr(), only.as_ptr());
        assert_eq!(Arriving::nothing().hold(3).await.unwrap(), Some(Bytes::new()));
    }
}
