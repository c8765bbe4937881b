//! Which version answers: path, header, query, in this order; never a silent choice between two that disagree.

use reqwest::Method;
use tests::client::Answer;
use tests::stack::Service;
use tests::{Backend, Client, Stack};

journeys!(
    path_header_query_default,
    two_that_disagree,
    each_version_shows_its_user,
    a_deprecated_version_says_so,
    a_version_past_its_sunset
);

type Headers<'a> = &'a [(&'a str, &'a str)];

async fn ask(client: &Client, path: &str, headers: Headers<'_>) -> Answer {
    let call = headers.iter().fold(client.call(Method::GET, path), |call, (name, value)| call.header(name, value));
    call.send().await
}

async fn path_header_query_default(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await.client;
    let cases: &[(&str, Headers<'_>, &str)] = &[
        ("/api/users/me", &[], "v1"),
        ("/api/v1/users/me", &[], "v1"),
        ("/api/v2/users/me", &[], "v2"),
        ("/api/users/me", &[("api-version", "v2")], "v2"),
        ("/api/users/me", &[("api-version", "2")], "v2"),
        ("/api/users/me", &[("x-api-version", "2")], "v2"),
        ("/api/users/me", &[("x-api-version", "v1")], "v1"),
        ("/api/users/me?version=v2", &[], "v2"),
        ("/api/users/me?version=2", &[], "v2"),
        ("/api/v2/users/me?version=2", &[("api-version", "v2"), ("x-api-version", "2")], "v2"),
    ];
    for (path, headers, version) in cases {
        let answer = ask(&ann, path, headers).await.expect(200);
        assert_eq!(answer.must("api-version"), *version, "{path} {headers:?}");
        assert_eq!(answer.json().get("roles").is_some(), *version == "v2", "{path} {headers:?}");
    }
}

async fn two_that_disagree(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await.client;
    let conflicts: &[(&str, Headers<'_>)] = &[
        ("/api/v1/users/me", &[("api-version", "v2")]),
        ("/api/v2/users/me", &[("x-api-version", "1")]),
        ("/api/v2/users/me?version=v1", &[]),
        ("/api/users/me?version=v1", &[("api-version", "v2")]),
        ("/api/users/me", &[("api-version", "v1"), ("x-api-version", "v2")]),
        ("/api/users/me?version=1&version=2", &[]),
    ];
    for (path, headers) in conflicts {
        let problem = ask(&ann, path, headers).await.problem(400, "version_conflict");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("v1") && detail.contains("v2"), "both are named: {detail}");
    }
    let unknown: &[(&str, Headers<'_>)] = &[
        ("/api/v3/users/me", &[]),
        ("/api/users/me", &[("api-version", "v3")]),
        ("/api/users/me", &[("api-version", "latest")]),
        ("/api/users/me", &[("api-version", "")]),
        ("/api/users/me?version=0", &[]),
    ];
    for (path, headers) in unknown {
        let problem = ask(&ann, path, headers).await.problem(400, "unsupported_version");
        assert!(
            problem.to_string().contains("v1") && problem.to_string().contains("v2"),
            "the supported ones are listed: {problem}"
        );
    }
}

async fn each_version_shows_its_user(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await.client;
    let (v1, v2) =
        (ann.get("/api/v1/users/me").await.expect(200).json(), ann.get("/api/v2/users/me").await.expect(200).json());
    let names = |user: &serde_json::Value| {
        user.as_object().map(|user| user.keys().cloned().collect::<Vec<_>>()).unwrap_or_default()
    };
    let (mut first, mut second) = (names(&v1), names(&v2));
    first.sort();
    second.sort();
    assert_eq!(first, ["email", "id", "name", "username"]);
    for member in
        ["created_at", "email", "email_verified", "id", "name", "profile", "roles", "status", "updated_at", "username"]
    {
        assert!(second.iter().any(|name| name == member), "{member} is missing: {v2}");
    }
    assert_eq!(
        (v2["roles"].to_string().as_str(), v2["status"].as_str(), &v2["email_verified"]),
        (r#"["user"]"#, Some("active"), &serde_json::json!(false))
    );
    assert_eq!(v1["id"], v2["id"]);
}

async fn a_deprecated_version_says_so(backend: Backend) {
    let versions = r#"[{ name = "v1", deprecation = "2026-01-01T00:00:00Z", sunset = "2099-01-01T00:00:00Z", successor = "v2" }, { name = "v2" }]"#;
    let stack = Stack::builder(backend).set(Service::Gateway, "versions.served", versions).start().await;
    let ann = stack.register("ann").await.client;
    let old = ann.get("/api/v1/users/me").await.expect(200);
    assert_eq!(old.must("deprecation"), "@1767225600");
    assert_eq!(old.must("sunset"), "Thu, 01 Jan 2099 00:00:00 GMT");
    let links =
        old.headers.get_all("link").iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(", ");
    assert!(links.contains("</api/v2/users/me>") && links.contains(r#"rel="successor-version""#), "{links}");
    let new = ann.get("/api/v2/users/me").await.expect(200);
    assert_eq!((new.header("deprecation"), new.header("sunset")), (None, None));
    assert!(stack.metric("tollgate_gateway_deprecated_version_calls_total").await > Some(0.0));
}

async fn a_version_past_its_sunset(backend: Backend) {
    let versions = r#"[{ name = "v1", deprecation = "2020-01-01T00:00:00Z", sunset = "2021-01-01T00:00:00Z", successor = "v2" }, { name = "v2" }]"#;
    let settings = Stack::builder(backend).set(Service::Gateway, "versions.served", versions).set(
        Service::Gateway,
        "versions.default",
        "v2",
    );
    let stack = settings.start().await;
    let visitor = stack.client();
    visitor.get("/api/v1/users/me").await.problem(410, "version_gone");
    visitor.get("/api/v2/users/me").await.problem(401, "token_required");
    visitor.get("/api/users/me").await.problem(401, "token_required");
}
