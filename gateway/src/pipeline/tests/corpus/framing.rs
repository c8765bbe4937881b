//! How long a body is: `Content-Length` and `Transfer-Encoding` in every way that has desynchronised a proxy.

use super::*;

const CL: &str = "Content-Length: 4";
const CHUNKED: &str = "Transfer-Encoding: chunked";

pub fn cases() -> Vec<Case> {
    [codings(), hidden_codings(), lengths(), others(), honest()].into_iter().flatten().collect()
}

fn smuggling(fields: &str, body: &str) -> Vec<u8> {
    post(&format!("{fields}\r\n\r\n{body}"))
}

/// A last chunk, and what a smuggler sends behind it.
fn ended() -> String {
    format!("0\r\n\r\n{SMUGGLED}")
}

fn both(first: &str, second: &str) -> Vec<u8> {
    smuggling(&format!("{first}\r\n{second}"), &ended())
}

fn codings() -> Vec<Case> {
    let te = |value: &str| smuggling(&format!("Transfer-Encoding:{value}"), &ended());
    vec![
        refused("CL.TE", 400, both(CL, CHUNKED)),
        refused("TE.CL", 400, both(CHUNKED, CL)),
        refused("a length of zero and chunks", 400, both("Content-Length: 0", CHUNKED)),
        refused("TE.TE", 400, both(CHUNKED, CHUNKED)),
        refused("TE.TE, the second unknown", 400, both(CHUNKED, "Transfer-Encoding: x")),
        refused("TE.TE, the first unknown", 400, both("Transfer-Encoding: x", CHUNKED)),
        refused("TE.TE, the second in capitals", 400, both(CHUNKED, "TRANSFER-ENCODING: CHUNKED")),
        refused("a coding that is none", 400, te(" xchunked")),
        refused("chunked and more", 400, te(" chunked, identity")),
        refused("more and chunked", 400, te(" gzip, chunked")),
        refused("chunked twice in one", 400, te(" chunked, chunked")),
        refused("identity", 400, te(" identity")),
        refused("no coding", 400, te("")),
        refused("a quoted coding", 400, te(" \"chunked\"")),
        refused("a coding with a parameter", 400, te(" chunked;q=1")),
        refused("a coding behind a vertical tab", 400, te(" \u{b}chunked")),
        refused("a coding before a form feed", 400, te(" chunked\u{c}")),
        refused("a coding before a NUL", 400, te(" chunked\0")),
    ]
}

/// Codings that one parser sees and another does not, beside a length.
fn hidden_codings() -> Vec<Case> {
    let te_with_length = |line: &str| smuggling(&format!("{line}\r\n{CL}"), &ended());
    vec![
        refused("a blank before the coding's colon", 400, te_with_length("Transfer-Encoding : chunked")),
        refused("a tab before the coding's colon", 400, te_with_length("Transfer-Encoding\t: chunked")),
        refused("a folded coding", 400, te_with_length("Transfer-Encoding:\r\n chunked")),
        refused("a coding folded into another field", 400, te_with_length("X: y\r\n Transfer-Encoding: chunked")),
        refused("a coding behind a bare LF", 400, te_with_length("X: y\nTransfer-Encoding: chunked")),
        refused("a coding behind a bare CR", 400, te_with_length("X: y\rTransfer-Encoding: chunked")),
        refused("a coding whose name begins with a blank", 400, te_with_length("X: y\r\n\tTransfer-Encoding: chunked")),
    ]
}

fn lengths() -> Vec<Case> {
    let length = |value: &str| smuggling(&format!("Content-Length:{value}"), &format!("ab{SMUGGLED}"));
    vec![
        refused("two lengths", 400, both(CL, "Content-Length: 5")),
        refused("the same length twice", 400, both(CL, CL)),
        refused("a list of lengths", 400, length(" 2, 2")),
        refused("a negative length", 400, length(" -2")),
        refused("a signed length", 400, length(" +2")),
        refused("a length with a blank in it", 400, length(" 2 2")),
        refused("a hexadecimal length", 400, length(" 0x2")),
        refused("a length with a fraction", 400, length(" 2.0")),
        refused("a length with a NUL", 400, length(" 2\0")),
        refused("a length beyond 64 bits", 400, length(" 18446744073709551618")),
        refused("an empty length", 400, length("")),
        refused("a blank before the length's colon", 400, smuggling("Content-Length : 43", SMUGGLED)),
    ]
}

fn others() -> Vec<Case> {
    let chunked = format!("Host: x\r\n{CHUNKED}\r\n\r\n{}", ended());
    vec![
        refused("HTTP/1.0 with a coding", 400, request("POST /api/t/up HTTP/1.0", &chunked)),
        refused(
            "HTTP/1.0 with a body of no length",
            400,
            request("POST /api/t/up HTTP/1.0", &format!("Host: x\r\n\r\n{SMUGGLED}")),
        ),
        refused(
            "a WebSocket's head with a body",
            400,
            smuggling("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 43", SMUGGLED),
        ),
        refused("more than the route allows", 413, smuggling("Connection: close\r\nContent-Length: 100001", SMUGGLED)),
    ]
}

/// What is odd, but can be read in one way only.
fn honest() -> Vec<Case> {
    vec![
        passes(
            "a request in the body",
            1,
            smuggling(&format!("Connection: close\r\nContent-Length: {}", SMUGGLED.len()), SMUGGLED),
        ),
        passes(
            "a length hidden by Connection",
            1,
            smuggling("Connection: close, content-length\r\nContent-Length: 2", "ab"),
        ),
        passes(
            "a coding hidden by Connection",
            1,
            smuggling("Connection: close, transfer-encoding\r\nTransfer-Encoding: chunked", "2\r\nab\r\n0\r\n\r\n"),
        ),
        passes(
            "names with underscores are no framing",
            1,
            smuggling(
                "Connection: close\r\nContent_Length: 50\r\nTransfer_Encoding: chunked\r\nContent-Length: 2",
                "ab",
            ),
        ),
        passes("leading zeros", 1, smuggling("Connection: close\r\nContent-Length: 0002", "ab")),
        passes(
            "a GET with a body",
            1,
            request("GET /api/t/x HTTP/1.1\r\nHost: x", "Connection: close\r\nContent-Length: 2\r\n\r\nab"),
        ),
        passes(
            "two requests in one write",
            2,
            [request("POST /api/t/one HTTP/1.1\r\nHost: x", "Content-Length: 2\r\n\r\nab"), get("/api/t/two")].concat(),
        ),
        passes("what follows a last request", 1, [get("/api/t/one"), SMUGGLED.into()].concat()),
        passes(
            "what follows an upgrade that is not made",
            1,
            request(
                "GET /api/t/x HTTP/1.1\r\nHost: x",
                &format!("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n{SMUGGLED}"),
            ),
        ),
        passes(
            "h2c is not spoken",
            1,
            request(
                "GET /api/t/x HTTP/1.1\r\nHost: x",
                "Connection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
            ),
        ),
    ]
}

#[tokio::test]
async fn nobody_reads_a_body_differently() {
    run(cases).await;
}
