//! Upstreams with a document of their own: what is asked of requests by it, who is judged by which, and that what has been
//! read to be judged can be sent again.

use serde_json::json;

use super::harness::*;
use super::stub::{Reply, Stub, ok};

/// A document in which `POST /api/t/orders` takes an order, and `GET` has parameters.
fn document() -> &'static str {
    let order = json!({"type": "object", "required": ["sku"], "properties": {
        "sku": {"type": "string", "minLength": 2}, "count": {"type": "integer", "maximum": 99},
        "next": {"$ref": "#/components/schemas/Order"}}});
    let body =
        json!({"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}});
    let parameters = json!([
        {"name": "page", "in": "query", "schema": {"type": "integer", "minimum": 1}},
        {"name": "tag", "in": "query", "explode": false, "schema": {"type": "array", "items": {"enum": ["a", "b"]}}},
        {"name": "X-Tenant", "in": "header", "required": true, "schema": {"type": "string", "format": "uuid"}},
    ]);
    let responses = json!({"200": {"description": "Done"}});
    let document = json!({
        "openapi": "3.1.0", "info": {"title": "Orders", "version": "1"},
        "paths": {"/api/v1/t/orders": {
            "post": {"requestBody": body, "responses": responses},
            "put": {"requestBody": body, "responses": responses},
            "get": {"parameters": parameters, "responses": responses},
        }},
        "components": {"schemas": {"Order": order}},
    });
    document.to_string().leak()
}

/// Answers with its document, and everything else as `reply` says, which is told how many calls there were before.
async fn stub(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Stub {
    let (document, calls) = (document(), std::sync::atomic::AtomicUsize::new(0));
    Stub::start(move |_, head| {
        if head.starts_with("get /openapi.json") {
            return ok(document);
        }
        reply(calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
    })
    .await
}

/// A gateway before it, once it knows the document.
async fn gate(stub: &Stub, upstream: &str, more: &str) -> Gate {
    let raw = format!("{{ name = \"raw\", url = \"http://{}\", openapi = true }}{upstream}", stub.addr);
    let gate = Gate::among(&raw, more).await;
    eventually(async || gate.get("/openapi.json").await.text().await.is_ok_and(|text| text.contains("t/orders"))).await;
    gate
}

/// Status, and the faults or the body.
async fn told(answer: reqwest::Response) -> String {
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    let Ok(problem) = serde_json::from_str::<serde_json::Value>(&text) else { return format!("{status} {text}") };
    let fault = |fault: &serde_json::Value| format!("{} {}", fault["pointer"], fault["code"]).replace('"', "");
    let faults: Vec<_> = problem["errors"].as_array().into_iter().flatten().map(fault).collect();
    let code = problem["code"].as_str().unwrap_or_default().to_owned();
    format!("{status} {}", if faults.is_empty() { code } else { faults.join(", ") })
}

async fn post(gate: &Gate, body: String) -> String {
    let request = gate.client.post(gate.url("/api/t/orders")).header("content-type", "application/json").body(body);
    told(within(request.send()).await.unwrap()).await
}

#[tokio::test]
async fn values_and_parameters_never_reach_the_upstream_when_they_are_wrong() {
    let stub = stub(|_| ok("done")).await;
    let gate = gate(&stub, "", "").await;
    let before = stub.calls();
    for (body, said) in [
        (r#"{"sku": "t"}"#, "422 /sku length"),
        (r#"{"sku": "tea", "count": 100}"#, "422 /count range"),
        (r#"{"sku": "tea", "count": 1, "count": 2}"#, "400 /count repeated"),
        ("", "400 malformed_body"),
    ] {
        assert_eq!(post(&gate, body.to_owned()).await, said, "{body}");
    }
    for (query, tenant, said) in [
        ("?page=0", "01936f6a-02b4-7d19-b1c8-9e7f5a3d4c55", "422 ?page range"),
        ("?page=x", "01936f6a-02b4-7d19-b1c8-9e7f5a3d4c55", "400 ?page integer"),
        ("?tag=a,c", "01936f6a-02b4-7d19-b1c8-9e7f5a3d4c55", "422 ?tag one_of"),
        ("?page=1", "7", "422 X-Tenant: format"),
    ] {
        let request = gate.client.get(gate.url(&format!("/api/t/orders{query}"))).header("x-tenant", tenant);
        assert_eq!(told(within(request.send()).await.unwrap()).await, said, "{query} {tenant}");
    }
    assert_eq!(told(gate.get("/api/t/orders").await).await, "422 X-Tenant: required");
    assert_eq!(stub.calls(), before, "the upstream saw none of them");
    assert_eq!(post(&gate, r#"{"sku": "tea", "count": 99}"#.to_owned()).await, "200 done");
    let good = gate.client.get(gate.url("/api/t/orders?page=1&tag=a,b&more=1"));
    let good = good.header("x-tenant", "01936f6a-02b4-7d19-b1c8-9e7f5a3d4c55");
    assert_eq!(told(within(good.send()).await.unwrap()).await, "200 done");
}

#[tokio::test]
async fn a_body_that_is_nested_too_deep_is_refused_and_not_called_valid() {
    let stub = stub(|_| ok("done")).await;
    let gate = gate(&stub, "", "").await;
    let deep = |depth: usize| format!("{}1{}", "{\"sku\":\"tea\",\"next\":".repeat(depth), "}".repeat(depth));
    let before = stub.calls();
    assert_eq!(post(&gate, deep(65)).await, "400 malformed_body");
    assert_eq!(post(&gate, "[".repeat(60_000)).await, "400 malformed_body");
    assert_eq!(stub.calls(), before);
    assert_eq!(post(&gate, deep(63).replace("\"next\":1", "\"count\":1")).await, "200 done");
}

#[tokio::test]
async fn what_was_read_to_be_judged_is_sent_again_although_it_is_large() {
    let stub = stub(|calls| if calls % 3 < 2 { Reply::Cut } else { ok("at last") }).await;
    let patient = "upstream.retry.attempts = 2\nbreaker.consecutive_failures = 0\nbreaker.failure_percent = 0\n";
    let gate = gate(&stub, "", &format!("{patient}upstream.buffer_bytes = 1000\n")).await;
    let large = format!(r#"{{"sku": "{}"}}"#, "x".repeat(20_000));
    let put = |body: reqwest::Body| {
        gate.client.put(gate.url("/api/t/orders")).header("content-type", "application/json").body(body)
    };
    let before = stub.calls();
    assert_eq!(told(within(put(large.clone().into()).send()).await.unwrap()).await, "200 at last");
    assert_eq!(stub.calls() - before, 3);
    let pieces: Vec<_> = large.as_bytes().chunks(999).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
    let chunked = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    assert_eq!(told(within(put(chunked).send()).await.unwrap()).await, "200 at last");
    assert_eq!(stub.calls() - before, 6);
    let judged_by_nobody = gate.client.put(gate.url("/api/t/others")).body(large);
    assert_eq!(within(judged_by_nobody.send()).await.unwrap().status(), 502, "a stream is sent once");
}

#[tokio::test]
async fn a_canary_is_not_judged_by_the_document_of_the_main_upstream() {
    let (main, canary) = (stub(|_| ok("main")).await, Stub::start(|_, _| ok("canary")).await);
    let further = format!(", {{ name = \"next\", url = \"http://{}\" }}", canary.addr);
    let split = "[[routes]]\npath = \"/api/t/orders\"\nupstream = \"raw\"\nauth = \"none\"\nlimited = false\n\
                 split = [{ upstream = \"next\", header = \"X-Canary: yes\" }]\n";
    let gate = gate(&main, &further, split).await;
    let wrong = || {
        let request = gate.client.post(gate.url("/api/t/orders")).header("content-type", "application/json");
        request.body(r#"{"sku": 5}"#)
    };
    assert_eq!(told(within(wrong().send()).await.unwrap()).await, "400 /sku type", "who goes the main way is judged");
    let went = wrong().header("x-canary", "yes");
    assert_eq!(told(within(went.send()).await.unwrap()).await, "200 canary");
    let metrics = within(gate.client.get(format!("http://{}/metrics", gate.admin)).send()).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("tollgate_gateway_validations_total{outcome=\"unjudged\"} 1"), "{metrics}");
}
