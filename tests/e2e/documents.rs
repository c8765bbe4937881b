//! What a newcomer reads and an operator asks: the merged document, its pages, probes and metrics.

use std::time::Duration;

use serde_json::Value;
use tests::{Backend, Client, Stack, wait_until};

journeys!(one_document_of_all_services, every_document_is_sound_and_shows_an_example_of_everything, probes_and_metrics);

async fn one_document_of_all_services(backend: Backend) {
    let stack = Stack::start(backend).await;
    let visitor = stack.client();
    let whole = |version: &'static str| {
        let visitor = visitor.clone();
        async move {
            let document = visitor.get(&format!("/openapi.json?version={version}")).await;
            // Until the services' documents have been fetched, the answer is to come again.
            let document = if document.status == 200 { document.json() } else { return None };
            let paths = document["paths"]
                .as_object()
                .map(|paths| paths.keys().cloned().collect::<Vec<_>>())
                .unwrap_or_default();
            let has = |end: &str| paths.iter().any(|path| path.ends_with(end));
            (has("/users/{id}") && has("/transfers")).then_some(document)
        }
    };
    for version in ["v1", "v2"] {
        let limit = std::time::Duration::from_secs(10);
        let document = wait_until("both services are in the document", limit, async || whole(version).await).await;
        assert!(
            document["openapi"].as_str().is_some_and(|openapi| openapi.starts_with("3.1")),
            "{}",
            document["openapi"]
        );
        let other = if version == "v1" { "/api/v2/" } else { "/api/v1/" };
        let items = document["paths"].as_object().expect("paths").iter();
        // What has no version says where things are in the first.
        let of_version = items.filter(|(path, _)| !path.starts_with("/.well-known/"));
        let shows: Vec<_> =
            of_version.filter(|(_, item)| item.to_string().contains(other)).map(|(path, _)| path).collect();
        assert!(shows.is_empty(), "{version} shows {other}: {shows:?}");
    }
    for page in ["/docs/", "/redoc"] {
        let page = visitor.get(page).await.expect(200);
        assert!(page.must("content-type").starts_with("text/html"), "{page}");
        let text = String::from_utf8_lossy(&page.body).into_owned();
        assert!(!text.contains("https://cdn") && !text.contains("//unpkg"), "scripts are our own: {text}");
    }
}

async fn every_document_is_sound_and_shows_an_example_of_everything(backend: Backend) {
    let stack = Stack::start(backend).await;
    let visitor = stack.client();
    let whole = async || {
        let document = visitor.get("/openapi.json").await.json();
        let paths = document["paths"].to_string();
        (paths.contains("/users/{id}") && paths.contains("/transfers")).then_some(document)
    };
    let whole = wait_until("both services are in the document", Duration::from_secs(10), whole).await;
    let version = async |name: &str| visitor.get(&format!("/openapi.json?version={name}")).await.json();
    let service = async |at| Client::new(at).get("/openapi.json").await.json();
    for (name, document) in [
        ("users", service(stack.users).await),
        ("accounts", service(stack.accounts).await),
        ("all versions", whole.clone()),
        ("v1", version("v1").await),
        ("v2", version("v2").await),
    ] {
        let faults = gateway::docs::faults(&document);
        assert!(faults.is_empty(), "{name}: {} faults\n{}", faults.len(), faults[..faults.len().min(30)].join("\n"));
        let lacking: Vec<_> = operations(&document).flat_map(|(at, operation)| lacking(&at, operation)).collect();
        assert!(lacking.is_empty(), "{name}: without an example: {lacking:?}");
    }
    for (at, operation) in operations(&whole) {
        let has = |status: &str| operation["responses"][status].is_object();
        for status in ["400", "405", "414", "417", "431", "500", "502", "503"] {
            assert!(has(status), "{at} lacks {status}");
        }
        assert!(has("406") || at.contains("/.well-known/") || at.starts_with("delete"), "{at} lacks 406");
        let schemes = operation["security"].to_string();
        if schemes.contains("access_token") {
            assert!(schemes.contains("api_key") && schemes.contains("session_cookie"), "{at}: {schemes}");
            assert!(has("401") && has("403"), "{at}");
        }
    }
    let size = serde_json::to_vec(&whole).expect("it is JSON").len();
    let count = operations(&whole).count();
    assert!(size < 6_000 * count, "what is the same for many stands once: {size} bytes for {count} operations");
}

/// Every operation, with its method and path.
fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    let items = document["paths"].as_object().into_iter().flatten();
    items.flat_map(|(path, item)| {
        let operations =
            item.as_object().into_iter().flatten().filter(|(_, operation)| operation["responses"].is_object());
        operations.map(move |(method, operation)| (format!("{method} {path}"), operation))
    })
}

/// The bodies of an operation that no example shows: what is asked for, and what is answered when all is well.
fn lacking(at: &str, operation: &Value) -> Vec<String> {
    let answers = operation["responses"].as_object().into_iter().flatten();
    let answers =
        answers.filter(|(status, _)| status.starts_with('2')).map(|(status, answer)| (status.as_str(), answer));
    let bodies = answers.chain([("request", &operation["requestBody"])]);
    let media = bodies.flat_map(|(what, body)| {
        body["content"].as_object().into_iter().flatten().map(move |(kind, content)| (what, kind, content))
    });
    let without = media.filter(|(_, _, content)| content["example"].is_null() && content["examples"].is_null());
    without.map(|(what, kind, _)| format!("{at} {what} {kind}")).collect()
}

async fn probes_and_metrics(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (public, operator) = (stack.client(), stack.operator());
    for probe in ["/livez", "/readyz"] {
        assert_eq!((public.get(probe).await.status, operator.get(probe).await.status), (200, 200), "{probe}");
    }
    assert!(
        public.get("/readyz").await.body.len() < operator.get("/readyz").await.body.len(),
        "the public probe has no detail"
    );
    drop(public.get("/api/v1/users/me").await.expect(401));
    assert!(stack.metric("tollgate_gateway_requests_total").await >= Some(1.0));
    public.get("/metrics").await.problem(404, "not_found");
    public.get("/admin/api/versions").await.problem(404, "not_found");
}
