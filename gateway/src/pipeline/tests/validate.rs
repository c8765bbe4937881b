//! Requests held against an upstream's own document: what never reaches it, what does, and that it comes whole.

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::harness::{Gate, dead, read_until, within};

/// An upstream with a document that answers every request with the length of its body.
async fn shop() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    addr
}

async fn answer(mut stream: TcpStream) {
    let request = read_until(&mut stream, is_whole).await;
    let (head, body) = request.split_once("\r\n\r\n").unwrap_or_default();
    let text = if head.starts_with("GET /openapi.json") { document() } else { format!("{} bytes came", body.len()) };
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", text.len());
    let _ = stream.write_all([head, text].concat().as_bytes()).await;
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let chunked = head.to_ascii_lowercase().contains("chunked");
    if chunked { body.ends_with("0\r\n\r\n") } else { body.len() >= length.unwrap_or(0) }
}

fn document() -> String {
    let order = json!({
        "type": "object", "required": ["sku", "count"], "additionalProperties": false,
        "properties": {
            "sku": {"type": "string", "minLength": 2, "pattern": "^[a-z-]+$"},
            "count": {"type": "integer", "minimum": 1, "exclusiveMaximum": 100},
            "when": {"type": "string", "format": "date-time"},
            "gift": {"oneOf": [{"type": "boolean"}, {"type": "object", "required": ["to"]}]},
            "text": {"type": "string"},
        },
    });
    let body =
        json!({"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}});
    let id = json!({"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}});
    let query = json!([
        {"name": "page", "in": "query", "schema": {"type": "integer", "minimum": 1}},
        {"name": "sort", "in": "query", "required": true, "schema": {"type": "string", "enum": ["up", "down"]}},
        {"name": "tag", "in": "query", "schema": {"type": "array", "items": {"type": "string", "maxLength": 3}}},
        {"name": "X-Tenant", "in": "header", "required": true, "schema": {"type": "string", "format": "uuid"}},
    ]);
    let post = json!({"requestBody": body, "responses": {"200": {"description": "Ordered"}}});
    json!({
        "openapi": "3.0.3",
        "paths": {
            "/orders": {"post": post, "get": {"parameters": query, "responses": {}}},
            "/orders/{id}": {"parameters": [id], "get": {"responses": {}}},
            "/reported": {"post": post},
            "/off": {"post": post},
            "/nowhere": {"post": post},
        },
        "components": {"schemas": {"Order": order}},
    })
    .to_string()
}

async fn gate() -> Gate {
    let (shop, dead) = (shop().await, dead().await);
    let route = |path: &str, more: &str| {
        format!(
            "[[routes]]\npath = \"{path}\"\nupstream = \"shop\"\nauth = \"none\"\nlimited = false\nbody = 100000\n{more}\n"
        )
    };
    let routes = [route("/orders/**", ""), route("/orders", ""), route("/reported", "validate = \"report\"")];
    let text = format!(
        "upstreams = [{{ name = \"shop\", url = \"http://{shop}\", openapi = true }}]\n\
         services.users.url = \"http://{dead}\"\nservices.accounts.url = \"http://{dead}\"\n\
         [validation]\nbody_bytes = 20000\n{}{}",
        routes.concat(),
        route("/off", "validate = \"off\""),
    );
    let gate = Gate::with(&text, dead).await;
    within(async { while !gate.get("/openapi.json").await.text().await.unwrap().contains("/orders") {} }).await;
    gate
}

/// Status, and each fault as `pointer code`.
async fn post(gate: &Gate, path: &str, body: &str) -> (u16, String) {
    let request = gate.client.post(gate.url(path)).header("content-type", "application/json").body(body.to_owned());
    told(within(request.send()).await.unwrap()).await
}

async fn told(answer: reqwest::Response) -> (u16, String) {
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    let Ok(problem) = serde_json::from_str::<serde_json::Value>(&text) else { return (status, text) };
    let fault = |fault: &serde_json::Value| format!("{} {}", fault["pointer"], fault["code"]).replace('"', "");
    let faults: Vec<_> = problem["errors"].as_array().into_iter().flatten().map(fault).collect();
    (status, if faults.is_empty() { problem["code"].to_string().replace('"', "") } else { faults.join(", ") })
}

#[tokio::test]
async fn what_the_document_does_not_allow_never_reaches_the_upstream() {
    let gate = gate().await;
    let good = r#"{"sku": "tea", "count": 3}"#;
    for (body, status, said) in [
        (good, 200, "26 bytes came"),
        ("{}", 422, "/sku required, /count required"),
        (r#"{"sku": 5, "count": 3, "x": 1}"#, 400, "/sku type, /x unknown_field"),
        (r#"{"sku": "tea""#, 400, "malformed_body"),
    ] {
        assert_eq!(post(&gate, "/orders", body).await, (status, said.to_owned()), "{body}");
    }
    let text = within(gate.client.post(gate.url("/orders")).body("text").send()).await.unwrap();
    assert_eq!(told(text).await, (415, "unsupported_media_type".to_owned()));
    assert_eq!(told(gate.get("/orders/x").await).await, (404, "not_found".to_owned()));
    assert_eq!(told(gate.get("/orders/7").await).await, (200, "0 bytes came".to_owned()));
    let metrics = within(gate.client.get(format!("http://{}/metrics", gate.admin)).send()).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("tollgate_gateway_validations_total{outcome=\"refused\"} 5"), "{metrics}");
    assert!(metrics.contains("validation_faults_total{route=\"/orders\",outcome=\"refused\"} 4"), "{metrics}");
}

#[tokio::test]
async fn a_route_may_only_report_or_look_at_nothing() {
    let gate = gate().await;
    assert_eq!(post(&gate, "/reported", "{}").await, (200, "2 bytes came".to_owned()));
    assert_eq!(post(&gate, "/off", "{}").await, (200, "2 bytes came".to_owned()));
    let document = gate.get("/openapi.json").await.text().await.unwrap();
    assert!(!document.contains("/nowhere"), "what is not routed is not shown");
    let metrics = within(gate.client.get(format!("http://{}/metrics", gate.admin)).send()).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("outcome=\"reported\"} 1") && metrics.contains("outcome=\"refused\"} 0"), "{metrics}");
}

#[tokio::test]
async fn bodies_arrive_whole_however_they_come() {
    let gate = gate().await;
    for length in [10, 5_000, 19_000, 25_000, 90_000] {
        let body = format!(r#"{{"sku": "tea", "count": 1, "text": "{}"}}"#, "x".repeat(length));
        let whole = (200, format!("{} bytes came", body.len()));
        assert_eq!(post(&gate, "/orders", &body).await, whole, "{length}");
        let pieces: Vec<_> = body.as_bytes().chunks(999).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
        let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
        let request = gate.client.post(gate.url("/orders")).header("content-type", "application/json").body(stream);
        let (status, said) = told(within(request.send()).await.unwrap()).await;
        let came: usize = said.split(' ').next().unwrap().parse().unwrap();
        assert!(status == 200 && came >= body.len(), "{length}: {status} {said}");
    }
    let too_large = format!(r#"{{"x": "{}"}}"#, "x".repeat(100_000));
    assert_eq!(post(&gate, "/orders", &too_large).await, (413, "body_too_large".to_owned()));
}

#[tokio::test]
async fn the_document_is_told_again_only_when_it_has_changed() {
    let gate = gate().await;
    let first = gate.get("/openapi.json").await;
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    for tags in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let request = gate.client.get(gate.url("/openapi.json")).header("if-none-match", &tags);
        assert_eq!(within(request.send()).await.unwrap().status(), 304, "{tags}");
    }
    let request = gate.client.get(gate.url("/openapi.json")).header("if-none-match", "\"x\"");
    assert_eq!(within(request.send()).await.unwrap().status(), 200);
}
