//! Stored answers as bytes: read without copying a header's value or the body.

use std::time::{Duration, SystemTime};

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use bytes::{BufMut, Bytes, BytesMut};

use super::entry::{Head, Stored};
use super::key::{Audience, Key};

/// The first byte: a form that another release writes is a miss, and nothing else.
const ANSWER: u8 = b'A';
const NAMES: u8 = b'N';

/// What stands under a key.
#[derive(Debug)]
pub enum Kept {
    /// An answer.
    Answer(Box<Stored>),
    /// The names of the request headers that answers vary by; they stand under the keys of their variants.
    Names(Vec<HeaderName>),
}

/// An answer as bytes.
#[must_use]
pub fn answer(stored: &Stored) -> Bytes {
    let head = &stored.head;
    let mut to = BytesMut::with_capacity(stored.body.len() + 1_024);
    to.put_u8(ANSWER);
    to.put_u16(head.status.as_u16());
    to.put_u8(match head.audience {
        Audience::Everybody => 0,
        Audience::Anonymous => 1,
        Audience::Caller => 2,
    });
    let made = head.made.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    to.put_u64(u64::try_from(made.as_micros()).unwrap_or(u64::MAX));
    to.put_u64(head.ttl.map_or(u64::MAX, |ttl| ttl.as_secs()));
    text(&mut to, head.variant.as_str().as_bytes());
    names(&mut to, &head.vary);
    count(&mut to, head.tags.len());
    head.tags.iter().for_each(|tag| text(&mut to, tag.as_bytes()));
    count(&mut to, head.headers.len());
    for (name, value) in &head.headers {
        text(&mut to, name.as_str().as_bytes());
        text(&mut to, value.as_bytes());
    }
    to.put_slice(&stored.body);
    to.freeze()
}

/// Names as bytes.
#[must_use]
pub fn vary(list: &[HeaderName]) -> Bytes {
    let mut to = BytesMut::new();
    to.put_u8(NAMES);
    names(&mut to, list);
    to.freeze()
}

/// Reads either. `None`: these bytes are neither.
#[must_use]
pub fn read(bytes: Bytes) -> Option<Kept> {
    let mut from = Reader(bytes);
    match from.u8()? {
        ANSWER => from.answer().map(|stored| Kept::Answer(Box::new(stored))),
        NAMES => from.names().map(Kept::Names),
        _ => None,
    }
}

fn names(to: &mut BytesMut, list: &[HeaderName]) {
    count(to, list.len());
    list.iter().for_each(|name| text(to, name.as_str().as_bytes()));
}

/// Lists and texts are bounded far below 2^32 by the limits on heads.
fn count(to: &mut BytesMut, number: usize) {
    to.put_u32(u32::try_from(number).unwrap_or(u32::MAX));
}

fn text(to: &mut BytesMut, bytes: &[u8]) {
    count(to, bytes.len());
    to.put_slice(bytes);
}

struct Reader(Bytes);

impl Reader {
    fn take(&mut self, length: usize) -> Option<Bytes> {
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?[..].try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?[..].try_into().ok()?))
    }

    fn count(&mut self) -> Option<usize> {
        let number = u32::from_be_bytes(self.take(4)?[..].try_into().ok()?);
        usize::try_from(number).ok()
    }

    fn bytes(&mut self) -> Option<Bytes> {
        let length = self.count()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.into()).ok()
    }

    fn name(&mut self) -> Option<HeaderName> {
        HeaderName::from_bytes(&self.bytes()?).ok()
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let number = self.count()?;
        (0..number).map(|_| one(self)).collect()
    }

    fn names(&mut self) -> Option<Vec<HeaderName>> {
        self.list(Self::name)
    }

    fn answer(mut self) -> Option<Stored> {
        let status = StatusCode::from_u16(self.u16()?).ok()?;
        let audience = match self.u8()? {
            0 => Audience::Everybody,
            1 => Audience::Anonymous,
            2 => Audience::Caller,
            _ => return None,
        };
        let made = SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(self.u64()?))?;
        let ttl = Some(self.u64()?).filter(|ttl| *ttl != u64::MAX).map(Duration::from_secs);
        let variant = Key::from_text(self.text()?);
        let vary = self.names()?;
        let tags = self.list(Self::text)?;
        let headers = self.list(|from| {
            let name = from.name()?;
            Some((name, HeaderValue::from_maybe_shared(from.bytes()?).ok()?))
        })?;
        let head = Head { status, headers, audience, made, ttl, vary, variant, tags };
        Some(Stored::new(head, self.0))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_TYPE};

    use super::*;
    use crate::policy::cache::key::Parts;

    fn sample() -> Stored {
        let value = |text: &'static [u8]| HeaderValue::from_bytes(text).unwrap();
        let head = Head {
            status: StatusCode::OK,
            headers: vec![(CONTENT_TYPE, value(b"text/plain; x=\xe9")), (CACHE_CONTROL, value(b"max-age=60"))],
            audience: Audience::Caller,
            made: SystemTime::UNIX_EPOCH + Duration::from_micros(1_763_712_000_000_001),
            ttl: Some(Duration::from_secs(9)),
            vary: vec![ACCEPT_LANGUAGE],
            variant: Parts::begin("x").key(),
            tags: vec!["t:one".to_owned(), "p:two".to_owned()],
        };
        Stored::new(head, Bytes::from_static(b"\0body\xff"))
    }

    #[test]
    fn what_is_written_is_read() {
        let stored = sample();
        let Some(Kept::Answer(read)) = read(answer(&stored)) else { panic!("not read") };
        assert_eq!(format!("{:?}{:?}", read.head, read.body), format!("{:?}{:?}", stored.head, stored.body));
        assert_eq!(read.lifetime(), Duration::from_secs(9));
        let Some(Kept::Names(names)) = super::read(vary(&[ACCEPT_LANGUAGE, CONTENT_TYPE])) else { panic!("not read") };
        assert_eq!(names, [ACCEPT_LANGUAGE, CONTENT_TYPE]);
    }

    #[test]
    fn bytes_that_are_cut_or_foreign_are_nothing() {
        let whole = answer(&sample());
        let head = whole.len() - 6;
        assert!((0..head).all(|length| read(whole.slice(..length)).is_none()));
        assert!(read(Bytes::from_static(b"{\"json\": true}")).is_none());
    }
}
