//! Requests that the watch lets pass, and those that it does not, whole and byte by byte.

use super::*;

const LONGEST: usize = 64;

/// How many heads there are, or the fault: the same however the bytes are cut.
fn look(text: &str) -> Result<usize, Fault> {
    let mut heads = [0, 0];
    let mut count = |way: usize| {
        heads[way] += 1;
        true
    };
    let mut watch = Watch::new(LONGEST);
    let mut rest = text.as_bytes();
    let mut whole = Ok(());
    while whole.is_ok() && !rest.is_empty() {
        match watch.look(rest, |_| count(0)) {
            Ok(looked_at) => rest = &rest[looked_at..],
            Err((_, fault)) => whole = Err(fault),
        }
    }
    let mut watch = Watch::new(LONGEST);
    let mut bytes = text.bytes();
    let stepwise = bytes.try_for_each(|byte| watch.look(&[byte], |_| count(1)).map(drop).map_err(|(_, fault)| fault));
    assert_eq!((whole, heads[0]), (stepwise, heads[1]), "{text:?}");
    stepwise.map(|()| heads[1])
}

const MALFORMED: Result<usize, Fault> = Err(Fault::Malformed);

#[test]
fn lines_of_a_head_end_with_crlf() {
    assert_eq!(look("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), Ok(1));
    assert_eq!(look("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), Ok(1));
    for bare in [
        "GET / HTTP/1.1\nHost: x\n\n",
        "GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\n",
        "GET /#x HTTP/1.1\r\nHost: x\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http://x/ HTTP/1.1\nHost: x\n\n",
        "BREW / HTTP/1.1\n\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\nHost: x\n\n",
        "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nabGET / HTTP/1.1\n",
    ] {
        assert_eq!(look(bare), MALFORMED, "{bare:?}");
    }
}

#[test]
fn bodies_are_none_of_its_business_but_their_ends_are() {
    assert_eq!(look("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na\nb\n\nc\n\n\nGET / HTTP/1.1\r\n\r\n"), Ok(2));
    let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(look(&format!("{chunked}3\r\na\nb\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n")), Ok(2));
    assert_eq!(look(&format!("{chunked}A;x=y\r\n0123456789\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\n\r\n")), Ok(2));
    for broken in [
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "x\r\n",
        "\r\n",
        "-1\r\n",
        "0x3\r\n",
        " 3\r\n",
        "10000000000000000\r\n",
        "000000000000000000000000000000000000000000000000000000000002\r\n",
        "0\r\nX: y\n\r\n",
        "0\r\nX y\r\n\r\n",
        "0\r\n X: y\r\n\r\n",
        "0\r\nContent-Length: 1\r\n\r\n",
        "0\r\n\n",
    ] {
        assert_eq!(look(&format!("{chunked}{broken}")), MALFORMED, "{broken:?}");
    }
}

#[test]
fn framing_has_one_meaning_or_none() {
    for fields in [
        "Content-Length: 1\r\nContent-Length: 1",
        "Content-Length: 1\r\nTransfer-Encoding: chunked",
        "Upgrade: websocket\r\nContent-Length: 5",
        "Content-Length: 5\r\nUPGRADE:  h2c, WebSocket",
        "Transfer-Encoding: chunked\r\nUpgrade: websocket",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: xchunked",
        "Content-Length: +1",
        "Content-Length: 1, 1",
        "Content-Length:",
        "content-length: 99999999999999999999",
        "Content-Length:                                           1",
    ] {
        assert_eq!(look(&format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n")), MALFORMED, "{fields}");
    }
    assert_eq!(look("POST / HTTP/1.1\r\nTRANSFER-ENCODING:Chunked\r\n\r\n0\r\n\r\n"), Ok(1));
    assert_eq!(look("POST / HTTP/1.1\r\nX-Content-Length: x\r\nContent-Lengths: y\r\n\r\n"), Ok(1));
}

#[test]
fn a_request_line_has_an_end_in_time() {
    let line = |length: usize| format!("GET /{} HTTP/1.1\r\n", "x".repeat(length));
    assert_eq!(look(&line(50)), Ok(0));
    assert_eq!(look(&line(51)), Err(Fault::LongLine));
    assert_eq!(look(&format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(100))), Ok(1));
    let mut watch = Watch::new(LONGEST);
    assert_eq!(watch.look(b"GET /", |_| true), Ok(5));
    assert_eq!(watch.look(&[b'x'; 60], |_| true), Err((0, Fault::LongLine)), "it need not be complete");
}

#[test]
fn it_knows_when_a_head_is_under_way() {
    let mut watch = Watch::new(LONGEST);
    let mut after = |text: &str| {
        watch.look(text.as_bytes(), |_| true).unwrap();
        watch.is_in_head()
    };
    assert!(!after(""));
    assert!(after("POST / HTTP/1.1\r\n"));
    assert!(after("Content-Length: 3\r\n"));
    assert!(!after("\r\nab"));
    assert!(!after("c"));
    assert!(after("G"));
}

/// The kinds of the answers in `text`, and whether it ends between two of them. `is_head`: what was asked.
fn answers(text: &str, is_head: bool) -> (Vec<Kind>, bool) {
    let (mut watch, mut kinds, mut rest) = (Watch::new(LONGEST), Vec::new(), text.as_bytes());
    while !rest.is_empty() {
        let seen = watch.look(rest, |kind| {
            kinds.push(kind);
            !is_head
        });
        rest = &rest[seen.unwrap()..];
    }
    (kinds, watch.is_between())
}

#[test]
fn answers_end_where_their_status_and_fields_say() {
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(answers(&format!("{ok}HTTP/"), false), (vec![Kind::Answer], true));
    assert_eq!(answers(&format!("{ok}HTTP"), false), (vec![Kind::Answer], false));
    assert_eq!(answers(ok, true), (vec![Kind::Answer], true));
    let bodiless = "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(answers(bodiless, false), (vec![Kind::Bodiless, Kind::Bodiless], true));
    let interim = format!("HTTP/1.1 100 Continue\r\n\r\n{ok}12345");
    assert_eq!(answers(&interim, false), (vec![Kind::Interim, Kind::Answer], true));
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nHTTP/\r\n0\r\n\r\n";
    assert_eq!(answers(chunked, false), (vec![Kind::Answer], true));
}

#[test]
fn it_stops_where_a_message_ends() {
    let mut watch = Watch::new(LONGEST);
    let two = b"\r\nPOST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nabHEAD / HTTP/1.1\r\n\r\n";
    let first = watch.look(two, |_| true).unwrap();
    assert_eq!(&two[first - 2..first], b"ab");
    assert_eq!(watch.look(&two[first..], |_| true), Ok(two.len() - first));
    assert_eq!(look("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"), Ok(1));
    assert_eq!(look("POST / HTTP/1.1\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\nx"), Ok(1));
}
