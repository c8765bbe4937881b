//! Connections that outlive the trust in their certificates.

use std::sync::Arc;

use rustls::ClientConfig;

use super::super::tls::{ask, hello};
use super::*;
use crate::tls::tests::authority::{Authority, row};

/// A gateway that asks for certificates, and two clients that have one.
struct Office {
    authority: Authority,
    on: Setting,
    seven: Arc<ClientConfig>,
    eight: Arc<ClientConfig>,
}

const DEMANDS: &str = "auth = \"none\"\nclient_certificate = true\nlimited";

impl Office {
    async fn open() -> Self {
        let authority = Authority::new();
        authority.write_pair("a", &authority.issue(&["a.example"]));
        authority.write("crl.pem", &authority.revoke(99));
        let (seven, eight) =
            (authority.issue_numbered(&["seven.example"], 7), authority.issue_numbered(&["eight.example"], 8));
        let clients = (authority.client(Some(&seven)), authority.client(Some(&eight)));
        let on = Setting::new(&settings(&authority, "optional")).await;
        Self { authority, on, seven: clients.0, eight: clients.1 }
    }

    /// Waits until new connections are judged by the new files.
    async fn taken(&self, times: usize) {
        let line = format!("tls_reloads_total{{result=\"taken\"}} {times}");
        eventually(async || super::super::tls::metrics(&self.on.gate).await.contains(&line)).await;
    }

    async fn tunnel(&self, client: &Arc<ClientConfig>) -> (Tls, TcpStream) {
        let mut stream = hello(&self.on.gate, client, "a.example").await.unwrap();
        let asks = ASKS.replace("gate.example", "a.example");
        let request = format!("GET /api/ws HTTP/1.1\r\n{asks}\r\n");
        let (answer, service) = tokio::join!(ask(&mut stream, &request), async {
            let (mut service, _) = self.on.upstream.accept().await;
            write(&mut service, AGREES).await;
            service
        });
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        (stream, service)
    }
}

type Tls = tokio_rustls::client::TlsStream<TcpStream>;

fn settings(authority: &Authority, demand: &str) -> String {
    format!(
        "tls.certificates = [{}]\ntls.client_auth = \"{demand}\"\ntls.client_ca = \"{}\"\ntls.client_crls = [\"{}\"]\n\
         tls.reload_interval = \"10ms\"\n{}{}",
        row(&authority.path("a.pem"), &authority.path("a.key")),
        authority.path("ca.pem").display(),
        authority.path("crl.pem").display(),
        SOCKET.replace("limited", DEMANDS),
        "[[routes]]\npath = \"/api/t/any\"\nupstream = \"raw\"\nauth = \"none\"\nclient_certificate = true\n",
    )
}

const ANY: &str = "GET /api/t/any HTTP/1.1\r\nHost: a.example\r\n\r\n";
const LIVE: &str = "GET /livez HTTP/1.1\r\nHost: a.example\r\n\r\n";

/// What the upstream's answer becomes.
async fn any(on: &Setting, stream: &mut Tls) -> String {
    let (answer, ()) = tokio::join!(ask(stream, ANY), async {
        let (mut service, _) = on.upstream.accept().await;
        write(&mut service, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
    });
    answer
}

fn says_close(answer: &str) -> bool {
    answer.to_lowercase().contains("connection: close\r\n")
}

#[tokio::test]
async fn a_certificate_that_is_revoked_is_believed_on_no_connection() {
    let office = Office::open().await;
    let on = &office.on;
    let connect = |client: &Arc<ClientConfig>| {
        let client = Arc::clone(client);
        async move { hello(&on.gate, &client, "a.example").await.unwrap() }
    };
    let (mut seven, mut eight, mut nobody) =
        (connect(&office.seven).await, connect(&office.eight).await, connect(&office.authority.client(None)).await);
    let (mut told, mut stays) = (office.tunnel(&office.seven).await, office.tunnel(&office.eight).await);
    for stream in [&mut seven, &mut eight] {
        let answer = any(on, stream).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && !says_close(&answer), "{answer}");
    }
    assert!(ask(&mut nobody, LIVE).await.starts_with("HTTP/1.1 200 "));

    // Another certificate of the server's own is nobody's end.
    office.authority.write_pair("a", &office.authority.issue(&["a.example"]));
    office.taken(1).await;
    let answer = any(on, &mut seven).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && !says_close(&answer), "{answer}");

    office.authority.write("crl.pem", &office.authority.revoke(7));
    office.taken(2).await;
    let answer = ask(&mut seven, ANY).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("certificate_required"), "{answer}");
    assert!(says_close(&answer), "{answer}");
    let answer = any(on, &mut eight).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "it was verified again: {answer}");
    assert!(says_close(&answer), "and comes anew: {answer}");
    let answer = ask(&mut nobody, LIVE).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && says_close(&answer), "{answer}");

    let mut frame = [0; 4];
    within(told.0.read_exact(&mut frame)).await.unwrap();
    assert_eq!(code(&frame), 1008);
    a_look().await;
    within(stays.1.write_all(HELLO)).await.unwrap();
    let mut hello = [0; 7];
    within(stays.0.read_exact(&mut hello)).await.unwrap();
    assert_eq!(hello, HELLO);
}

#[tokio::test]
async fn who_came_before_certificates_were_demanded_shows_one_or_goes() {
    let office = Office::open().await;
    let on = &office.on;
    let (mut nobody, mut seven) = (
        hello(&on.gate, &office.authority.client(None), "a.example").await.unwrap(),
        hello(&on.gate, &office.seven, "a.example").await.unwrap(),
    );
    assert!(ask(&mut nobody, LIVE).await.starts_with("HTTP/1.1 200 "));
    on.gate.rewrite(&raw(&on.upstream), &settings(&office.authority, "required"));
    office.taken(1).await;
    let answer = ask(&mut nobody, LIVE).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && says_close(&answer), "{answer}");
    let answer = any(on, &mut seven).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && says_close(&answer), "{answer}");
}

#[tokio::test]
async fn a_certificate_is_no_page_s_to_use() {
    let office = Office::open().await;
    let on = &office.on;
    for (lines, passes) in [
        ("", true),
        ("Sec-Fetch-Site: same-origin\r\n", true),
        ("Origin: https://a.example\r\n", true),
        ("Sec-Fetch-Site: cross-site\r\n", false),
        ("Sec-Fetch-Site: none\r\n", false),
        ("Origin: https://evil.example\r\n", false),
        ("Origin: null\r\n", false),
        ("Referer: https://evil.example/\r\n", false),
    ] {
        let mut stream = hello(&on.gate, &office.seven, "a.example").await.unwrap();
        let request = format!("POST /api/t/any HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n{lines}\r\n");
        let answer = if passes {
            tokio::join!(ask(&mut stream, &request), async {
                let (mut service, _) = on.upstream.accept().await;
                write(&mut service, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
            })
            .0
        } else {
            ask(&mut stream, &request).await
        };
        let expected = if passes { "HTTP/1.1 200 " } else { "HTTP/1.1 403 " };
        assert!(answer.starts_with(expected) && passes != answer.contains("csrf_refused"), "{lines}: {answer}");
    }
    let mut stream = hello(&on.gate, &office.seven, "a.example").await.unwrap();
    let asks = ASKS.replace("gate.example", "a.example");
    let request = format!("GET /api/ws HTTP/1.1\r\n{asks}Sec-Fetch-Site: cross-site\r\n\r\n");
    let answer = ask(&mut stream, &request).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("csrf_refused"), "{answer}");
}

#[tokio::test]
async fn operators_are_judged_as_well() {
    let authority = Authority::new();
    authority.write_pair("a", &authority.issue(&["a.example"]));
    authority.write("crl.pem", &authority.revoke(99));
    let seven = authority.client(Some(&authority.issue_numbered(&["seven.example"], 7)));
    let eight = authority.client(Some(&authority.issue_numbered(&["eight.example"], 8)));
    let on = Setting::new(&format!("tls.admin = true\n{}", settings(&authority, "required"))).await;
    let connect = async |client: &Arc<ClientConfig>| {
        let (stream, name) = (TcpStream::connect(on.gate.admin).await.unwrap(), "a.example".try_into().unwrap());
        within(tokio_rustls::TlsConnector::from(Arc::clone(client)).connect(name, stream)).await.unwrap()
    };
    let (mut seventh, mut eighth, mut refused) = (connect(&seven).await, connect(&eight).await, connect(&eight).await);
    for stream in [&mut seventh, &mut eighth, &mut refused] {
        let answer = ask(stream, LIVE).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && !says_close(&answer), "{answer}");
    }
    authority.write("crl.pem", &authority.revoke(7));
    // In TLS 1.3 the client hears of it only when it reads.
    eventually(async || !ask(&mut connect(&seven).await, LIVE).await.starts_with("HTTP/1.1 200 ")).await;
    let answer = ask(&mut seventh, LIVE).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("certificate_required"), "{answer}");
    let answer = ask(&mut eighth, LIVE).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && says_close(&answer), "{answer}");
    let answer = ask(&mut refused, "GET /admin/api/breakers HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("\"forbidden\""), "{answer}");
    assert!(says_close(&answer), "whatever it is answered: {answer}");
}
