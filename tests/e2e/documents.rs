//! What a newcomer reads and an operator asks: the merged document, its pages, probes and metrics.

use tests::{Backend, Stack, wait_until};

journeys!(one_document_of_all_services, probes_and_metrics);

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
        assert!(!document["paths"].to_string().contains(other), "{version} shows {other}");
    }
    for page in ["/docs/", "/redoc"] {
        let page = visitor.get(page).await.expect(200);
        assert!(page.must("content-type").starts_with("text/html"), "{page}");
        let text = String::from_utf8_lossy(&page.body).into_owned();
        assert!(!text.contains("https://cdn") && !text.contains("//unpkg"), "scripts are our own: {text}");
    }
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
