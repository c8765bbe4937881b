//! An answer as bytes, so that it can be kept and told again.

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{DATE, HeaderMap, HeaderName, HeaderValue};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use shared::problem::{Code, Problem};
use shared::wire::idempotency::REPLAYED_HEADER;

const REPLAYED: HeaderName = HeaderName::from_static(REPLAYED_HEADER);
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The forms that are written; what a newer gateway wrote and an older one reads is not replayable.
const WHOLE: u8 = 1;
const TOO_LARGE: u8 = 2;

/// What is kept under a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Kept {
    /// The answer.
    Whole(StatusCode, Vec<(HeaderName, HeaderValue)>, Bytes),
    /// That there was one.
    TooLarge(StatusCode),
}

impl Kept {
    /// An answer, without what its headers say about the one exchange.
    pub fn whole(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Self {
        let headers = headers.iter().filter(|(name, _)| **name != DATE && **name != SERVER_TIMING);
        Self::Whole(status, headers.map(|(name, value)| (name.clone(), value.clone())).collect(), body)
    }

    /// The bytes: form, status, number of headers, each header's name and value after their lengths, the body.
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        match self {
            Self::TooLarge(status) => {
                bytes.put_u8(TOO_LARGE);
                bytes.put_u16(status.as_u16());
            }
            Self::Whole(status, headers, body) => {
                bytes.reserve(body.len() + 64 * headers.len() + 8);
                bytes.put_u8(WHOLE);
                bytes.put_u16(status.as_u16());
                put_length(&mut bytes, headers.len());
                for (name, value) in headers {
                    for part in [name.as_str().as_bytes(), value.as_bytes()] {
                        put_length(&mut bytes, part.len());
                        bytes.put_slice(part);
                    }
                }
                bytes.put_slice(body);
            }
        }
        bytes.freeze()
    }

    /// `None` for bytes that are in none of the forms.
    pub fn decode(mut bytes: Bytes) -> Option<Self> {
        let form = bytes.try_get_u8().ok()?;
        let status = StatusCode::from_u16(bytes.try_get_u16().ok()?).ok()?;
        match form {
            TOO_LARGE => Some(Self::TooLarge(status)),
            WHOLE => {
                let headers = bytes.try_get_u32().ok()?;
                let headers = (0..headers)
                    .map(|_| {
                        let (name, value) = (part(&mut bytes)?, part(&mut bytes)?);
                        Some((HeaderName::from_bytes(&name).ok()?, HeaderValue::from_bytes(&value).ok()?))
                    })
                    .collect::<Option<_>>()?;
                Some(Self::Whole(status, headers, bytes))
            }
            _ => None,
        }
    }

    /// The answer again.
    ///
    /// # Errors
    /// 409 when it was too large to be kept.
    pub fn replay(self) -> Result<HttpResponse<BoxBody>, Problem> {
        match self {
            Self::TooLarge(status) => Err(Problem::new(Code::IdempotencyNotReplayable).detail(format!(
                "The request with this key was carried out and answered with {}; that answer was too large to be kept.",
                status.as_u16()
            ))),
            Self::Whole(status, headers, body) => {
                let mut answer = HttpResponse::with_body(status, BoxBody::new(body));
                headers.into_iter().for_each(|(name, value)| answer.headers_mut().append(name, value));
                answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
                Ok(answer)
            }
        }
    }
}

fn put_length(bytes: &mut BytesMut, length: usize) {
    // Whatever came in had limits far below that.
    bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
}

fn part(bytes: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
    (length <= bytes.len()).then(|| bytes.split_to(length))
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use actix_web::http::header::{CONTENT_TYPE, SET_COOKIE};

    use super::*;

    fn sample() -> Kept {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.append(SET_COOKIE, HeaderValue::from_static("a=1"));
        headers.append(SET_COOKIE, HeaderValue::from_bytes(b"b=\xff").unwrap());
        headers.insert(DATE, HeaderValue::from_static("now"));
        headers.insert(SERVER_TIMING, HeaderValue::from_static("db;dur=1"));
        Kept::whole(StatusCode::CREATED, &headers, Bytes::from_static(b"{\"id\":\"\xc3\xa9\"}\n"))
    }

    #[actix_web::test]
    async fn the_first_answer_comes_back_byte_for_byte() {
        let first = sample();
        let kept = Kept::decode(first.encode()).unwrap();
        assert_eq!(kept, first);
        let answer = kept.replay().unwrap();
        assert_eq!(answer.status(), 201);
        assert_eq!(answer.headers().get(REPLAYED).unwrap(), "true");
        let cookies: Vec<_> = answer.headers().get_all(SET_COOKIE).map(HeaderValue::as_bytes).collect();
        assert_eq!(cookies, [&b"a=1"[..], b"b=\xff"]);
        assert!(!answer.headers().contains_key(DATE) && !answer.headers().contains_key(SERVER_TIMING));
        assert_eq!(to_bytes(answer.into_body()).await.unwrap(), "{\"id\":\"é\"}\n");
    }

    #[test]
    fn what_is_cut_short_or_unknown_is_no_answer() {
        let bytes = sample().encode();
        let body = b"{\"id\":\"\xc3\xa9\"}\n".len();
        for end in 0..bytes.len() - body {
            assert_eq!(Kept::decode(bytes.slice(..end)), None, "{end}");
        }
        assert_eq!(Kept::decode(Bytes::from_static(&[9, 0, 200])), None);
        assert_eq!(Kept::decode(Bytes::from_static(&[1, 0, 200, 255, 255, 255, 255])), None);
        let marker = Kept::decode(Kept::TooLarge(StatusCode::OK).encode()).unwrap();
        assert_eq!(marker.replay().unwrap_err().code(), Code::IdempotencyNotReplayable);
    }
}
