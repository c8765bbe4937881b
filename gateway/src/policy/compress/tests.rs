//! What is compressed, and what the answer says of itself then.

use actix_web::http::header::HeaderName;
use actix_web::test::TestRequest;
use actix_web::web::Bytes;
use prometheus_client::registry::Registry;

use super::*;

const LARGE: usize = 4_000;

fn compression() -> Compression {
    let config = crate::Config::load(None, &[]).unwrap();
    Compression::compile(&config.compression)
}

/// The headers of an answer of `length` bytes with these, to a request with those.
fn headers(asked: &[(&str, &str)], status: u16, said: &[(&str, &str)], length: usize) -> HeaderMap {
    let mut request = TestRequest::get();
    for (name, value) in asked {
        request = request.append_header((*name, *value));
    }
    let mut answer = HttpResponse::build(StatusCode::from_u16(status).unwrap());
    for (name, value) in said {
        answer.append_header((*name, *value));
    }
    let answer = answer.body(Bytes::from(vec![b'a'; length]));
    let counters = Counters::register(&mut Registry::default());
    compression().apply(request.to_http_request().head(), answer, &counters).headers().clone()
}

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
const GZIP: (&str, &str) = ("accept-encoding", "gzip");

#[test]
fn what_is_large_and_becomes_smaller_is_compressed_and_says_so() {
    let text =
        |headers: &HeaderMap, name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let packed =
        headers(&[GZIP], 200, &[JSON, ("etag", "\"x\""), ("accept-ranges", "bytes"), ("vary", "Accept")], LARGE);
    assert_eq!(text(&packed, &CONTENT_ENCODING).as_deref(), Some("gzip"));
    assert_eq!(text(&packed, &ETAG).as_deref(), Some("W/\"x\""));
    assert!(!packed.contains_key(ACCEPT_RANGES));
    let vary: Vec<_> = packed.get_all(VARY).map(|value| value.to_str().unwrap()).collect();
    assert_eq!(vary, ["Accept", "Accept-Encoding"]);
    for kind in ["text/plain", "TEXT/HTML", "image/svg+xml", "application/problem+json", "application/javascript"] {
        assert!(headers(&[GZIP], 200, &[("content-type", kind)], LARGE).contains_key(CONTENT_ENCODING), "{kind}");
    }
    assert!(headers(&[GZIP], 422, &[JSON], LARGE).contains_key(CONTENT_ENCODING), "errors too");
    assert!(headers(&[GZIP], 200, &[JSON], 1_025).contains_key(CONTENT_ENCODING));
    let plain = headers(&[], 200, &[JSON, ("etag", "\"x\"")], LARGE);
    assert!(!plain.contains_key(CONTENT_ENCODING));
    assert_eq!(text(&plain, &VARY).as_deref(), Some("Accept-Encoding"), "what could be compressed says so as well");
    assert_eq!(text(&plain, &ETAG).as_deref(), Some("\"x\""));
    for said in ["*", "accept-encoding", "Origin, Accept-Encoding"] {
        assert_eq!(headers(&[GZIP], 200, &[JSON, ("vary", said)], LARGE).get_all(VARY).count(), 1, "{said}");
    }
}

#[test]
fn everything_else_passes_as_it_is() {
    let untouched = |asked: &[(&str, &str)], status: u16, said: &[(&str, &str)], length: usize| {
        let headers = headers(asked, status, said, length);
        assert!(!headers.contains_key(VARY) && headers.get(ETAG).is_none_or(|tag| tag == "\"x\""), "{said:?}");
        let own = said.iter().any(|(name, _)| *name == "content-encoding");
        assert_eq!(headers.contains_key(CONTENT_ENCODING), own, "{asked:?} {status} {said:?}");
    };
    untouched(&[GZIP], 200, &[JSON], 1_024);
    untouched(&[GZIP], 200, &[JSON], 0);
    untouched(&[GZIP], 200, &[], LARGE);
    for kind in
        ["image/png", "text", "application/octet-stream", "text/event-stream", "Text/Event-Stream; charset=utf-8"]
    {
        untouched(&[GZIP], 200, &[("content-type", kind)], LARGE);
    }
    for said in [
        ("content-encoding", "br"),
        ("content-encoding", "identity"),
        ("content-range", "bytes 0-1/2"),
        ("cache-control", "public, No-Transform"),
        ("content-digest", "sha-256=:x:"),
    ] {
        untouched(&[GZIP], 200, &[JSON, said, ("etag", "\"x\"")], LARGE);
    }
    untouched(&[GZIP], 206, &[JSON, ("content-range", "bytes 0-1/2")], LARGE);
    untouched(&[GZIP, ("cache-control", "no-transform")], 200, &[JSON], LARGE);
}

#[test]
fn who_refuses_what_is_plain_gets_whatever_can_be_compressed() {
    let asked = [("accept-encoding", "gzip, identity;q=0")];
    assert!(headers(&asked, 200, &[("content-type", "image/png")], 10).contains_key(CONTENT_ENCODING));
    assert!(!headers(&[("accept-encoding", "identity;q=0")], 200, &[JSON], LARGE).contains_key(CONTENT_ENCODING));
}

#[test]
fn a_304_names_the_tag_that_the_client_has() {
    let tag = |known: &str| {
        headers(&[GZIP, ("if-none-match", known)], 304, &[("etag", "\"x\"")], 0).get(ETAG).cloned().unwrap()
    };
    assert_eq!(tag("W/\"x\""), "W/\"x\"");
    assert_eq!(tag("\"y\", W/\"x\""), "W/\"x\"");
    assert_eq!(tag("\"x\""), "\"x\"");
    assert_eq!(tag("*"), "\"x\"");
    assert!(headers(&[GZIP], 304, &[], 0).contains_key(VARY));
}

#[test]
fn every_coding_comes_back_as_it_was() {
    use std::io::{Read, Write};
    let text: Vec<u8> = (0..300_000_u32).flat_map(|number| number.to_string().into_bytes()).collect();
    let levels = compression().levels;
    for length in [1, 20, 1_025, 70_000, text.len()] {
        let text = &text[..length];
        for coding in [Coding::Zstd, Coding::Brotli, Coding::Gzip] {
            let whole = encoder::whole(coding, levels, text).unwrap();
            assert!(length < 1_000 || whole.len() < length / 2, "{coding:?} {length}: {}", whole.len());
            let mut encoder = Encoder::new(coding, levels).unwrap();
            let mut pieces = Vec::new();
            for piece in text.chunks(50_000) {
                encoder.write(piece).unwrap();
                encoder.flush().unwrap();
                pieces.write_all(&encoder.take()).unwrap();
            }
            pieces.write_all(&encoder.finish().unwrap()).unwrap();
            for packed in [&whole[..], &pieces] {
                let mut unpacked = Vec::new();
                match coding {
                    Coding::Zstd => unpacked = zstd::decode_all(packed).unwrap(),
                    Coding::Brotli => {
                        brotli::Decompressor::new(packed, 4_096).read_to_end(&mut unpacked).map(|_| ()).unwrap();
                    }
                    Coding::Gzip => {
                        flate2::read::GzDecoder::new(packed).read_to_end(&mut unpacked).map(|_| ()).unwrap();
                    }
                }
                assert!(unpacked == text, "{coding:?} {length}");
            }
        }
    }
}
