//! Request lines, authorities, names and values of fields.

use super::*;

pub fn cases() -> Vec<Case> {
    [lines(), hosts(), fields(), honest()].into_iter().flatten().collect()
}

fn line(line: &str) -> Vec<u8> {
    request(line, "Host: x\r\nConnection: close\r\n\r\n")
}

/// A GET with this line among its fields.
fn field(line: &str) -> Vec<u8> {
    request("GET /api/t/x HTTP/1.1\r\nHost: x\r\nConnection: close", &format!("{line}\r\n\r\n"))
}

fn host(value: &str) -> Vec<u8> {
    request("GET /api/t/x HTTP/1.1\r\nConnection: close", &format!("Host:{value}\r\n\r\n"))
}

fn target(target: &str) -> Vec<u8> {
    request(&format!("GET {target} HTTP/1.1\r\nHost: x"), "Connection: close\r\n\r\n")
}

fn lines() -> Vec<Case> {
    vec![
        refused("HTTP/0.9", 400, "GET /api/t/x\r\n\r\n"),
        refused("HTTP/2.0", 400, line("GET /api/t/x HTTP/2.0")),
        refused("HTTP/1.2", 400, line("GET /api/t/x HTTP/1.2")),
        refused("a version in small letters", 400, line("GET /api/t/x http/1.1")),
        refused("HTTP/2's preface", 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        refused("a blank before the method", 400, line(" GET /api/t/x HTTP/1.1")),
        refused("two blanks before the target", 400, line("GET  /api/t/x HTTP/1.1")),
        refused("two blanks behind the target", 400, line("GET /api/t/x  HTTP/1.1")),
        refused("a tab before the target", 400, line("GET\t/api/t/x HTTP/1.1")),
        refused("a blank behind the version", 400, line("GET /api/t/x HTTP/1.1 ")),
        refused("a blank in the target", 400, line("GET /api/t/x y HTTP/1.1")),
        refused("a second version in the target", 400, line("GET /api/t/x HTTP/1.1 HTTP/1.1")),
        refused("a bare CR in the request line", 400, line("GET /api/t/x\rHTTP/1.1")),
        refused("a method that is no word", 400, line("G(T /api/t/x HTTP/1.1")),
        refused("CONNECT", 400, request("CONNECT x:443 HTTP/1.1", &format!("Host: x:443\r\n\r\n{SMUGGLED}"))),
        refused("CONNECT of a path", 405, request("CONNECT /api/t/x HTTP/1.1", &format!("Host: x\r\n\r\n{SMUGGLED}"))),
        refused("TRACE", 405, line("TRACE /api/t/x HTTP/1.1")),
        refused("trace", 405, line("trace /api/t/x HTTP/1.1")),
        refused("the asterisk", 400, line("OPTIONS * HTTP/1.1")),
    ]
}

fn hosts() -> Vec<Case> {
    vec![
        refused("an absolute target of another host", 400, target("http://other/api/t/x")),
        refused("an absolute target of another port", 400, target("http://x:8080/api/t/x")),
        refused("an absolute target with user information", 400, target("http://u:p@x/api/t/x")),
        refused("an absolute target of another scheme", 400, target("ftp://x/api/t/x")),
        refused("an absolute target that is no path", 400, target("api/t/x")),
        refused("no Host", 400, request("GET /api/t/x HTTP/1.1", "Connection: close\r\n\r\n")),
        refused("two Hosts", 400, field("Host: y")),
        refused("the same Host twice", 400, field("Host: x")),
        refused("an empty Host", 400, host("")),
        refused("a list of Hosts", 400, host(" x, y")),
        refused("two words in Host", 400, host(" x y")),
        refused("a Host with user information", 400, host(" u@x")),
        refused("a Host with a path", 400, host(" x/y")),
        refused("a Host with a query", 400, host(" x?y")),
        refused("a Host whose port is none", 400, host(" x:80a")),
        refused("a Host with two ports", 400, host(" x:80:81")),
        refused("a Host with an open bracket", 400, host(" [::1")),
        refused("a Host that is encoded", 400, host(" x%2ey")),
    ]
}

fn fields() -> Vec<Case> {
    vec![
        refused("a folded field", 400, field("X: y\r\n z")),
        refused("a field before the first", 400, request("GET /api/t/x HTTP/1.1", " X: y\r\nHost: x\r\n\r\n")),
        refused("a field without a name", 400, field(": y")),
        refused("a field without a colon", 400, field("X")),
        refused("a name with a blank in it", 400, field("X Y: z")),
        refused("a name with a NUL in it", 400, field("X\0Y: z")),
        refused("a value with a NUL in it", 400, field("X: y\0z")),
        refused("a value with a bare CR in it", 400, field("X: y\rz")),
        refused("a value with an escape in it", 400, field("X: \u{1b}[2J")),
        refused("a bare LF at the head's end", 400, "GET /api/t/x HTTP/1.1\r\nHost: x\r\n\n"),
        refused("too many fields", 431, field(&"X: y\r\n".repeat(70))),
        refused("fields that are too long", 431, field(&format!("X: {}", "y".repeat(40_000)))),
        refused("an unknown expectation", 417, field("Expect: 200-ok")),
    ]
}

/// What is odd, but can be read in one way only.
fn honest() -> Vec<Case> {
    vec![
        passes("an absolute target of this host", 1, target("http://X/api/t/x")),
        passes("HTTP/1.0 without a Host", 1, "GET /api/t/x HTTP/1.0\r\n\r\n"),
        passes("a Host with a port", 1, host(" [2001:db8::1]:8080")),
        passes("hidden hop-by-hop fields", 1, field("Connection: close, x-smuggled\r\nX-Smuggled: 1")),
        passes(
            "identities in disguise",
            1,
            field("X_User_Id: smuggled\r\nX-User_Id: smuggled\r\nX_Forwarded_For: smuggled"),
        ),
        passes(
            "a proxy's words",
            1,
            field(
                "Proxy-Authorization: smuggled\r\nProxy-Connection: smuggled\r\nKeep-Alive: smuggled\r\nTE: smuggled\r\nTrailer: smuggled",
            ),
        ),
        passes("empty lines before the request", 1, [b"\r\n\r\n".to_vec(), line("GET /api/t/x HTTP/1.1")].concat()),
    ]
}

#[tokio::test]
async fn nobody_reads_a_head_differently() {
    run(cases).await;
}
