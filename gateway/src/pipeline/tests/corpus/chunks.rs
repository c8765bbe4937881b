//! Chunks: sizes, extensions, ends and trailers.

use super::*;

pub fn cases() -> Vec<Case> {
    let chunks = |body: &str| post(&format!("Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
    let end = format!("\r\n0\r\n\r\n{SMUGGLED}");
    let size = |size: &str| chunks(&format!("{size}\r\nab{end}"));
    let trailer = |line: &str| chunks(&format!("2\r\nab\r\n0\r\n{line}\r\n\r\n"));
    let long = "x".repeat(5_000);
    vec![
        refused("a size that is none", 400, size("zz")),
        refused("a negative size", 400, size("-2")),
        refused("a signed size", 400, size("+2")),
        refused("a size with 0x", 400, size("0x2")),
        refused("a size behind a blank", 400, size(" 2")),
        refused("an empty size", 400, size("")),
        refused("a size beyond 64 bits", 400, size("10000000000000002")),
        refused("a size behind many zeros", 400, size(&format!("{}2", "0".repeat(60)))),
        refused("a size whose line ends with LF", 400, chunks(&format!("2\nab{end}"))),
        refused("a size whose line ends with CR", 400, chunks(&format!("2\rab{end}"))),
        refused("an extension with a bare LF", 400, size("2;a\nb")),
        refused("an extension with a bare CR", 400, size("2;a\rb")),
        refused("an extension with a NUL", 400, size("2;a\0b")),
        refused("an endless extension", 400, size(&format!("2;{long}"))),
        refused("a chunk longer than its size", 400, chunks(&format!("2\r\nabc{end}"))),
        refused("a chunk that ends with LF", 400, chunks(&format!("2\r\nab\n0\r\n\r\n{SMUGGLED}"))),
        refused("an end with LF", 400, chunks(&format!("2\r\nab\r\n0\n\n{SMUGGLED}"))),
        refused("a last chunk with bare LF behind it", 400, chunks(&format!("0\r\n\n{SMUGGLED}"))),
        refused("a request in place of the trailer", 400, trailer("GET /api/t/smuggled HTTP/1.1\r\nHost: x")),
        refused("a trailer without a colon", 400, trailer("nonsense")),
        refused("a trailer that is folded", 400, trailer("X: y\r\n z")),
        refused("a trailer with a blank before its colon", 400, trailer("X : y")),
        refused("a trailer of a length", 400, trailer("Content-Length: 50")),
        refused("a trailer of a coding", 400, trailer("Transfer-Encoding: chunked")),
        refused("an endless trailer", 400, trailer(&format!("X: {long}"))),
        refused("trailers without end", 400, trailer(&"X: y\r\n".repeat(1_000))),
        passes("a plain extension", 1, chunks("2;a=b\r\nab\r\n0\r\n\r\n")),
        passes(
            "a trailer that claims an identity",
            1,
            trailer("X-User-Id: smuggled\r\nX-Tollgate-Assertion: smuggled"),
        ),
        passes("a request in a chunk", 1, chunks(&format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len()))),
        passes("one byte at a time", 1, chunks("1\r\na\r\n1\r\nb\r\n0\r\n\r\n")),
    ]
}

#[tokio::test]
async fn nobody_reads_a_chunk_differently() {
    run(cases).await;
}
