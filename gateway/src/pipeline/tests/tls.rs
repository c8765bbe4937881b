//! TLS in front of the pipeline: names, reloads, clients' certificates, and that nothing beneath gets weaker by it.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::harness::{Gate, Upstream, dead, eventually, read_all, read_head, within, write};
use crate::tls::tests::authority::{Authority, Pair, row};

const GET: &str = "GET /livez HTTP/1.1\r\nHost: a.example\r\n\r\n";

pub async fn hello(gate: &Gate, client: &Arc<ClientConfig>, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(gate.addr).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    within(TlsConnector::from(Arc::clone(client)).connect(name, stream)).await
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

/// Sends `text`; the answer, up to where it is whole.
pub async fn ask(stream: &mut TlsStream<TcpStream>, text: &str) -> String {
    within(stream.write_all(text.as_bytes())).await.unwrap();
    let (mut come, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let read = within(stream.read(&mut piece)).await.unwrap_or(0);
        come.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&come);
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
        if read == 0 || body.is_some_and(|body| length.is_none_or(|length: usize| body >= length)) {
            return text.into_owned();
        }
    }
}

pub async fn metrics(gate: &Gate) -> String {
    gate.client.get(format!("http://{}/metrics", gate.admin)).send().await.unwrap().text().await.unwrap()
}

fn one(authority: &Authority, pair: &Pair, more: &str) -> String {
    format!("tls.certificates = [{}]\n{more}", authority.write_pair("a", pair))
}

#[tokio::test]
async fn the_name_that_is_asked_for_picks_the_certificate() {
    let authority = Authority::new();
    let (a, b) = (authority.issue(&["a.example"]), authority.issue(&["*.b.example", "c.example"]));
    let both = [authority.write_pair("a", &a), authority.write_pair("b", &b)].join(", ");
    let client = authority.client(None);
    let gate = Gate::start(dead().await, &format!("tls.certificates = [{both}]\n")).await;
    for (name, expected) in [("a.example", &a), ("x.b.example", &b), ("c.example", &b)] {
        let mut stream = hello(&gate, &client, name).await.unwrap();
        assert_eq!(shown(&stream), expected.der(), "{name}");
        assert_eq!(stream.get_ref().1.alpn_protocol(), None, "nothing was offered");
        assert!(ask(&mut stream, GET).await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
    for name in ["x.y.b.example", "b.example", "other.example"] {
        let refusal = hello(&gate, &client, name).await.unwrap_err().to_string();
        assert!(refusal.contains("certificate not valid for name"), "{name} gets the first certificate: {refusal}");
    }
    let text = metrics(&gate).await;
    assert!(text.contains("tollgate_gateway_tls_certificate_not_after_seconds{file="), "{text}");
    assert!(text.contains("name=\"*.b.example\"}"), "{text}");
    let strict =
        Gate::start(dead().await, &format!("tls.certificates = [{both}]\ntls.unknown_name = \"refuse\"\n")).await;
    assert!(hello(&strict, &client, "other.example").await.unwrap_err().to_string().contains("received fatal alert"));
    assert!(hello(&strict, &client, "a.example").await.is_ok());
}

#[tokio::test]
async fn only_http_1_1_and_only_modern_tls_are_spoken() {
    let authority = Authority::new();
    let gate = Gate::start(dead().await, &one(&authority, &authority.issue(&["a.example"]), "")).await;
    let offering = |protocols: &[&str]| {
        let mut client = (*authority.client(None)).clone();
        client.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(client)
    };
    let stream = hello(&gate, &offering(&["h2", "http/1.1"]), "a.example").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(hello(&gate, &offering(&["h2"]), "a.example").await.is_err(), "nobody speaks past the other");
    // A client that knows TLS 1.1 at most (RFC 4346): version, random, no session, one suite, no compression.
    let mut hello = vec![1, 0, 0, 41, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    let mut old = gate.connect().await;
    let record = [&[22, 3, 1, 0, 45][..], &hello].concat();
    within(old.write_all(&record)).await.unwrap();
    let mut alert = Vec::new();
    within(old.read_to_end(&mut alert)).await.unwrap();
    // An alert of two bytes, fatal (RFC 8446, section 6), and the end.
    assert_eq!((alert[0], &alert[3..6], alert.len()), (21, &[0, 2, 2][..], 7), "{alert:?}");
}

#[tokio::test]
async fn changed_files_are_presented_and_what_does_not_fit_is_refused() {
    let authority = Authority::new();
    let (old, new, other) =
        (authority.issue(&["a.example"]), authority.issue(&["a.example"]), authority.issue(&["a.example"]));
    // As Kubernetes does it: the names lead through a link to a folder, which is swapped.
    let publish = |folder: &str, cert: &str, key: &str| {
        authority.write(&format!("{folder}/tls.crt"), cert);
        authority.write(&format!("{folder}/tls.key"), key);
        symlink(folder, authority.path("..tmp")).unwrap();
        fs::rename(authority.path("..tmp"), authority.path("..data")).unwrap();
    };
    publish("..1", &old.cert, &old.key);
    let (cert, key) = (authority.path("tls.crt"), authority.path("tls.key"));
    symlink("..data/tls.crt", &cert).unwrap();
    symlink("..data/tls.key", &key).unwrap();
    let more = format!("tls.certificates = [{}]\ntls.reload_interval = \"10ms\"\n", row(&cert, &key));
    let gate = Gate::start(dead().await, &more).await;
    let client = authority.client(None);
    let mut open = hello(&gate, &client, "a.example").await.unwrap();
    assert_eq!(shown(&open), old.der());

    publish("..2", &new.cert, &other.key);
    within(async { while !metrics(&gate).await.contains("tls_reloads_total{result=\"refused\"} 1") {} }).await;
    assert_eq!(shown(&hello(&gate, &client, "a.example").await.unwrap()), old.der(), "the old one stays");

    publish("..3", &new.cert, &new.key);
    within(async { while shown(&hello(&gate, &client, "a.example").await.unwrap()) != new.der() {} }).await;
    assert!(ask(&mut open, GET).await.starts_with("HTTP/1.1 200 OK\r\n"), "an open connection does not notice");
    let text = metrics(&gate).await;
    assert!(text.contains("tls_reloads_total{result=\"taken\"} 1"), "{text}");
    assert!(text.contains("tls_reloads_total{result=\"refused\"} 1"), "a state of the files is refused once: {text}");
}

/// A gateway that asks for certificates, with a route that demands one of two names.
fn asking(authority: &Authority, demand: &str) -> String {
    let certificate = authority.write_pair("a", &authority.issue(&["a.example"]));
    let ca = authority.path("ca.pem");
    format!(
        "tls.certificates = [{certificate}]\ntls.client_auth = \"{demand}\"\ntls.client_ca = \"{}\"\n\
         [[routes]]\npath = \"/api/t/any\"\nupstream = \"raw\"\nauth = \"none\"\nlimited = false\nclient_certificate = true\n\
         forward_client_certificate = true\n\
         [[routes]]\npath = \"/api/t/named\"\nupstream = \"raw\"\nauth = \"none\"\nlimited = false\nclient_certificate = true\n\
         client_names = [\"batch.example\", \"spiffe://example/batch\"]\n",
        ca.display()
    )
}

async fn status(gate: &Gate, client: &Arc<ClientConfig>, path: &str) -> String {
    let mut stream = hello(gate, client, "a.example").await.unwrap();
    ask(&mut stream, &format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n")).await
}

#[tokio::test]
async fn a_route_may_demand_a_certificate_and_its_name() {
    let authority = Authority::new();
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), &asking(&authority, "optional")).await;
    let (nobody, batch) = (authority.client(None), authority.issue(&["batch.example"]));
    let (batch_client, other) =
        (authority.client(Some(&batch)), authority.client(Some(&authority.issue(&["x.example"]))));
    let workload = authority.client(Some(&authority.issue_uri("spiffe://example/batch")));
    for path in ["/api/t/any", "/api/t/named"] {
        let answer = status(&gate, &nobody, path).await;
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("certificate_required"), "{answer}");
    }
    assert!(status(&gate, &nobody, "/livez").await.starts_with("HTTP/1.1 200 "));
    let answer = status(&gate, &other, "/api/t/named").await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("\"forbidden\""), "{answer}");
    assert_eq!(gate.metric("refused_total{reason=\"certificate\"}").await, Some(3));
    let view: serde_json::Value =
        gate.client.get(format!("http://{}/admin/api/routes", gate.admin)).send().await.unwrap().json().await.unwrap();
    assert_eq!(view["data"][0]["certificate"], serde_json::json!({"required": true, "names": [], "forwarded": true}));

    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, head) = upstream.accept().await;
            let said = head.lines().find(|line| line.starts_with("client-cert: ")).unwrap_or("none").to_owned();
            let answer =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{said}", said.len());
            write(&mut stream, &answer).await;
        }
    });
    for client in [&batch_client, &workload] {
        assert!(status(&gate, client, "/api/t/named").await.ends_with("\r\n\r\nnone"), "only where the route says so");
    }
    let mut stream = hello(&gate, &batch_client, "a.example").await.unwrap();
    let forged = "GET /api/t/any HTTP/1.1\r\nHost: a.example\r\nClient-Cert: :forged:\r\n\r\n";
    let told = ask(&mut stream, forged).await;
    let body = batch.cert.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    assert!(told.ends_with(&format!("client-cert: :{body}:")), "{told}");
    let forged = "GET /api/t/free HTTP/1.1\r\nHost: a.example\r\nClient-Cert: :forged:\r\n\r\n";
    assert!(ask(&mut stream, forged).await.ends_with("\r\n\r\nnone"));
    serving.abort();
}

#[tokio::test]
async fn certificates_that_do_not_hold_are_refused_in_the_handshake() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let crl = authority.write("crl.pem", &authority.revoke(7));
    let revoked = authority.issue_numbered(&["batch.example"], 7);
    let good = authority.issue_numbered(&["batch.example"], 8);
    let expired = authority.issue_expired(&["batch.example"]);
    for demand in ["optional", "required"] {
        let more = format!("tls.client_crls = [\"{}\"]\n{}", crl.display(), asking(&authority, demand));
        let gate = Gate::start(dead().await, &more).await;
        for (what, own, fine) in [
            ("expired", Some(&expired), false),
            ("revoked", Some(&revoked), false),
            ("a stranger's", Some(&stranger.issue(&["batch.example"])), false),
            ("good", Some(&good), true),
            ("none", None, demand == "optional"),
        ] {
            // In TLS 1.3 the client hears of it only when it reads.
            let client = authority.client(own);
            let answer = match hello(&gate, &client, "a.example").await {
                Ok(mut stream) => ask(&mut stream, GET).await,
                Err(error) => error.to_string(),
            };
            assert_eq!(answer.starts_with("HTTP/1.1 200 OK"), fine, "{demand}, {what}: {answer}");
        }
        let text = metrics(&gate).await;
        assert!(text.contains("tls_handshakes_total{result=\"failed\"}"), "{text}");
    }
}

#[tokio::test]
async fn upstreams_and_browsers_are_told_that_it_was_tls() {
    let authority = Authority::new();
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), &one(&authority, &authority.issue(&["a.example"]), "")).await;
    let mut stream = hello(&gate, &authority.client(None), "a.example").await.unwrap();
    let request = "GET /api/t/x HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-Proto: http\r\n\r\n";
    let (answer, head) = tokio::join!(ask(&mut stream, request), async {
        let (mut stream, head) = upstream.accept().await;
        write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        head
    });
    assert!(head.contains("x-forwarded-proto: https\r\n"), "{head}");
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");
    let plain = Gate::start(dead().await, "").await.get("/livez").await;
    assert!(!plain.headers().contains_key("strict-transport-security"));
}

#[tokio::test]
async fn what_the_stream_watches_for_it_watches_for_under_tls_too() {
    let authority = Authority::new();
    let gate = Gate::start(dead().await, &one(&authority, &authority.issue(&["a.example"]), "")).await;
    for request in [
        "POST /api/t/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /api/t/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "GET /livez HTTP/1.1\nHost: x\n\n",
        "nonsense\r\n\r\n",
    ] {
        let mut stream = hello(&gate, &authority.client(None), "a.example").await.unwrap();
        let answer = ask(&mut stream, request).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("malformed_request"), "{request}: {answer}");
        let end = within(stream.read(&mut [0; 16])).await;
        assert!(end.as_ref().is_ok_and(|read| *read == 0), "ended, and under TLS: {request}: {end:?}");
    }
}

#[tokio::test]
async fn plain_http_is_told_where_it_is_and_the_other_listener_leads_to_https() {
    let authority = Authority::new();
    let more = "tls.redirect_listen = \"127.0.0.1:0\"\ntls.redirect_port = 8443\n";
    let gate = Gate::start(dead().await, &one(&authority, &authority.issue(&["a.example"]), more)).await;
    let mut plain = gate.connect().await;
    write(&mut plain, GET).await;
    let answer = read_all(&mut plain).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("sent to an HTTPS port"), "{answer}");
    let mut client = TcpStream::connect(gate.redirect.unwrap()).await.unwrap();
    write(&mut client, "POST /api/v1/users?x=1 HTTP/1.1\r\nHost: a.example:80\r\nContent-Length: 0\r\n\r\n").await;
    let answer = read_head(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    assert!(answer.contains("location: https://a.example:8443/api/v1/users?x=1\r\n"), "{answer}");
    assert!(answer.contains("x-request-id: ") && !answer.contains("strict-transport-security"), "{answer}");
    gate.handle.stop(std::time::Duration::from_secs(1)).await;
    assert!(TcpStream::connect(gate.redirect.unwrap()).await.is_err(), "it stops with the others");
}

#[tokio::test]
async fn who_shakes_hands_slowly_keeps_nobody_waiting_and_is_left() {
    let authority = Authority::new();
    let more = "tls.handshake_timeout = \"1s\"\nserver.workers = 1\n";
    let gate = Gate::start(dead().await, &one(&authority, &authority.issue(&["a.example"]), more)).await;
    let mut slow = Vec::new();
    for i in 0..200 {
        let mut stream = gate.connect().await;
        if i % 2 == 0 {
            within(stream.write_all(&[22, 3])).await.unwrap();
        }
        slow.push(stream);
    }
    let mut stream = hello(&gate, &authority.client(None), "a.example").await.unwrap();
    assert!(ask(&mut stream, GET).await.starts_with("HTTP/1.1 200 OK\r\n"));
    for mut stream in slow {
        assert_eq!(read_all(&mut stream).await, "");
    }
    // The last one's end is seen here a moment before it is counted there.
    eventually(async || metrics(&gate).await.contains("tls_handshakes_total{result=\"timed_out\"} 200")).await;
}

#[tokio::test]
async fn tls_comes_and_goes_with_the_configuration() {
    let authority = Authority::new();
    let upstreams = "{ name = \"raw\", url = \"http://127.0.0.1:1\" }";
    let gate = Gate::among(upstreams, "").await;
    let reload = async || {
        let asked = gate.client.post(format!("http://{}/admin/api/reload", gate.admin)).send();
        asked.await.unwrap().status().as_u16()
    };
    let mut plain = gate.connect().await;
    write(&mut plain, GET).await;
    read_head(&mut plain).await;
    gate.rewrite(upstreams, &one(&authority, &authority.issue(&["a.example"]), ""));
    assert_eq!(reload().await, 200);
    let mut stream = hello(&gate, &authority.client(None), "a.example").await.unwrap();
    assert!(ask(&mut stream, GET).await.starts_with("HTTP/1.1 200 OK\r\n"));
    write(&mut plain, GET).await;
    assert!(read_head(&mut plain).await.starts_with("HTTP/1.1 200 OK\r\n"), "what is open stays open");
    gate.rewrite(upstreams, "tls.certificates = [{ cert = \"/nowhere\", key = \"/nowhere\" }]\n");
    assert_ne!(reload().await, 200);
    assert!(hello(&gate, &authority.client(None), "a.example").await.is_ok(), "the old ones stay");
    gate.rewrite(upstreams, "");
    assert_eq!(reload().await, 200);
    assert_eq!(gate.get("/livez").await.status(), 200, "plain again");
    assert!(ask(&mut stream, GET).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn sessions_are_resumed_unless_certificates_are_asked_for() {
    use rustls::HandshakeKind;
    let authority = Authority::new();
    let plain = one(&authority, &authority.issue(&["a.example"]), "");
    for (more, resumes) in [(plain, true), (asking(&authority, "optional"), false)] {
        let gate = Gate::start(dead().await, &more).await;
        let client = authority.client(None);
        for again in [false, true] {
            let mut stream = hello(&gate, &client, "a.example").await.unwrap();
            // Tickets come behind the handshake.
            assert!(ask(&mut stream, GET).await.starts_with("HTTP/1.1 200 OK\r\n"));
            let kind = stream.get_ref().1.handshake_kind().unwrap();
            assert_eq!(kind == HandshakeKind::Resumed, resumes && again, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn operators_may_have_tls_too_and_old_tls_can_be_switched_off() {
    let authority = Authority::new();
    let more = "tls.admin = true\ntls.min_version = \"1.3\"\n";
    let gate = Gate::start(dead().await, &one(&authority, &authority.issue(&["a.example"]), more)).await;
    let client = authority.client(None);
    let stream = TcpStream::connect(gate.admin).await.unwrap();
    let name = ServerName::try_from("a.example").unwrap();
    let mut admin = within(TlsConnector::from(Arc::clone(&client)).connect(name, stream)).await.unwrap();
    assert!(ask(&mut admin, GET).await.starts_with("HTTP/1.1 200 OK\r\n"));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let old = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS12]).unwrap();
    let old = old.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let refusal = hello(&gate, &Arc::new(old), "a.example").await.unwrap_err().to_string();
    assert!(refusal.contains("ProtocolVersion"), "{refusal}");
}

#[tokio::test]
async fn a_websocket_goes_through_tls_both_ways() {
    let authority = Authority::new();
    let upstream = Upstream::start().await;
    let route =
        "[[routes]]\npath = \"/api/t/ws\"\nupstream = \"raw\"\nauth = \"none\"\nlimited = false\nwebsocket = true\n";
    let gate = Gate::start(upstream.addr(), &one(&authority, &authority.issue(&["a.example"]), route)).await;
    let mut client = hello(&gate, &authority.client(None), "a.example").await.unwrap();
    let asks = "GET /api/t/ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let (answer, mut service) = tokio::join!(ask(&mut client, asks), async {
        let (mut stream, _) = upstream.accept().await;
        let agrees = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        write(&mut stream, agrees).await;
        stream
    });
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    for frame in [&b"\x81\x82\x01\x02\x03\x04``"[..], b"\x81\x80\x01\x02\x03\x04"] {
        within(client.write_all(frame)).await.unwrap();
        let mut come = vec![0; frame.len()];
        within(service.read_exact(&mut come)).await.unwrap();
        assert_eq!(come, frame);
        within(service.write_all(b"\x81\x05hello")).await.unwrap();
        let mut back = [0; 7];
        within(client.read_exact(&mut back)).await.unwrap();
        assert_eq!(&back, b"\x81\x05hello");
    }
}
