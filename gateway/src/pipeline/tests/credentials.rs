//! Credentials through a whole gateway: what upstreams are told, what they never see, and what pages may do with a cookie.

use serde_json::json;
use shared::auth::{External, Verifier};
use shared::clock::Clock;
use shared::config::Secret;

use super::harness::*;
use super::keys::shop::Issuer;

const COOKIE: &str = "__Host-tollgate";

/// A gateway with one route for everybody who has a credential, and the connections of what is behind it.
struct Setting {
    gate: Gate,
    upstream: Upstream,
    issuer: Issuer,
}

impl Setting {
    async fn new(more: &str) -> Self {
        let (upstream, issuer) = (Upstream::start().await, Issuer::start().await);
        let more = format!(
            "authentication.jwks_url = \"http://{}/\"\nauthentication.refetch_timeout = \"5s\"\n{more}\n\
             [[routes]]\npath = \"/api/open\"\nupstream = \"raw\"\nlimited = false\n",
            issuer.addr
        );
        let gate = Gate::start(upstream.addr(), &more).await;
        eventually(async || jwks_is_here(&gate).await).await;
        Self { gate, upstream, issuer }
    }

    /// What the upstream saw of a request with these headers, or the status and code that it was refused with.
    async fn ask(&self, method: reqwest::Method, path: &str, lines: &[(&str, &str)]) -> Result<String, (u16, String)> {
        let request = self.gate.client.request(method, self.gate.url(path));
        let sent = lines.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send();
        let answered = async {
            let answer = within(sent).await.unwrap();
            let status = answer.status().as_u16();
            let body: serde_json::Value = answer.json().await.unwrap_or_default();
            (status, body["code"].as_str().unwrap_or_default().to_owned())
        };
        let seen = async {
            let (mut stream, head) = self.upstream.accept().await;
            write(&mut stream, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
            head
        };
        let (answered, seen) = (std::pin::pin!(answered), std::pin::pin!(seen));
        match futures_util::future::select(answered, seen).await {
            futures_util::future::Either::Left((refused, _)) => Err(refused),
            futures_util::future::Either::Right((head, answered)) => {
                assert_eq!(answered.await.0, 204);
                Ok(head)
            }
        }
    }
}

async fn jwks_is_here(gate: &Gate) -> bool {
    let text = gate.client.get(format!("http://{}/metrics", gate.admin)).send().await.unwrap().text().await.unwrap();
    text.contains("tollgate_gateway_signing_keys{issuer=\"default\"} 1")
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test]
async fn a_cookie_s_token_never_goes_on_and_changes_nothing_without_the_page_s_word() {
    let on = Setting::new("cors.origins = [\"https://app.example\"]\ncors.credentials = true\n").await;
    let cookie = format!("theme=dark; {COOKIE}={}", on.issuer.token());
    let cookie = ("cookie", cookie.as_str());
    let get = reqwest::Method::GET;
    let head = on.ask(get.clone(), "/api/v1/open", &[cookie]).await.unwrap();
    assert_eq!(header(&head, "cookie"), Some("theme=dark"), "{head}");
    assert!(header(&head, "x-tollgate-assertion").is_some());

    let post = reqwest::Method::POST;
    let own = on.gate.url("").trim_end_matches('/').to_owned();
    for (lines, passes) in [
        (&[cookie][..], false),
        (&[cookie, ("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")], false),
        (&[cookie, ("sec-fetch-site", "same-origin")], true),
        (&[cookie, ("origin", &own)], true),
        (&[cookie, ("origin", "https://app.example"), ("sec-fetch-site", "cross-site")], true),
    ] {
        let answer = on.ask(post.clone(), "/api/v1/open", lines).await;
        assert_eq!(answer.err(), (!passes).then(|| (403, "csrf_refused".to_owned())), "{lines:?}");
    }
    assert_eq!(on.gate.metric("refused_total{reason=\"csrf\"}").await, Some(2));
    let bearer = format!("Bearer {}", on.issuer.token());
    let both = [cookie, ("authorization", bearer.as_str()), ("sec-fetch-site", "cross-site")];
    let head = on.ask(post, "/api/v1/open", &both).await.unwrap();
    assert!(header(&head, "authorization").is_none() && header(&head, "cookie") == Some("theme=dark"), "{head}");
    let socket = [cookie, ("connection", "upgrade"), ("upgrade", "websocket"), ("origin", "https://evil.example")];
    assert_eq!(on.ask(get, "/api/v1/open", &socket).await.unwrap_err().0, 403, "a WebSocket changes things");
}

#[tokio::test]
async fn where_no_foreign_page_may_nobody_is_signed_in_by_one_and_the_refresh_cookie_stays_here() {
    let on = Setting::new(
        "[[routes]]\npath = \"/api/sign-in\"\nupstream = \"raw\"\nauth = \"none\"\ncross_site = \"refuse\"\nlimited = false\n",
    )
    .await;
    let (own, refresh) = (on.gate.url("").trim_end_matches('/').to_owned(), format!("a=1; {COOKIE}-refresh=tgr_x"));
    let (foreign, same) = (("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-origin"));
    for (lines, passes) in [
        (&[][..], true),
        (&[foreign], false),
        (&[("origin", "https://evil.example")], false),
        (&[("origin", "null")], false),
        (&[("origin", &own)], true),
        (&[same, ("cookie", &refresh)], true),
        (&[("cookie", &refresh)], false),
        (&[foreign, ("cookie", &refresh)], false),
    ] {
        let answer = on.ask(reqwest::Method::POST, "/api/v1/sign-in", lines).await;
        assert_eq!(answer.as_ref().err(), (!passes).then(|| (403, "csrf_refused".to_owned())).as_ref(), "{lines:?}");
        assert!(answer.is_err() || header(&answer.unwrap(), "cookie").is_none_or(|left| left == "a=1"));
    }
}

#[tokio::test]
async fn a_cookie_that_does_not_hold_is_nobody_s_where_nobody_may_come() {
    let on =
        Setting::new("[[routes]]\npath = \"/api/free\"\nupstream = \"raw\"\nauth = \"optional\"\nlimited = false\n")
            .await;
    let (token, get) = (on.issuer.token(), reqwest::Method::GET);
    let expired = on.issuer.token_of(json!({"exp": 1}));
    let head = on.ask(get.clone(), "/api/v1/free", &[("cookie", &format!("{COOKIE}={token}"))]).await.unwrap();
    assert!(header(&head, "x-tollgate-assertion").is_some());
    for (what, lines) in [
        ("expired", &[("cookie", format!("{COOKIE}={expired}"))][..]),
        ("forged", &[("cookie", format!("{COOKIE}={token}x"))]),
        ("no token", &[("cookie", format!("{COOKIE}=no token at all"))]),
        ("another issuer's", &[("cookie", format!("{COOKIE}=a.b.c"))]),
        ("twice", &[("cookie", format!("{COOKIE}={token}; {COOKIE}={token}"))]),
        ("twice, in two lines", &[("cookie", format!("{COOKIE}={token}")), ("cookie", format!("{COOKIE}={expired}"))]),
    ] {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let head = on.ask(get.clone(), "/api/v1/free", &lines).await;
        let head = head.unwrap_or_else(|refused| panic!("{what}: {refused:?}"));
        assert!(anonymous(&head), "{what}: {head}");
        let refused = on.ask(get.clone(), "/api/v1/open", &lines).await.unwrap_err();
        assert_eq!(refused, (401, "token_invalid".to_owned()), "{what}");
    }
    let cookie = ("cookie", format!("{COOKIE}={token}"));
    for bad in ["Bearer x.y.z", "Bearer a b"] {
        let lines = [("authorization", bad), (cookie.0, &*cookie.1)];
        let refused = on.ask(get.clone(), "/api/v1/free", &lines).await.unwrap_err();
        assert_eq!(refused, (401, "token_invalid".to_owned()), "whoever says it means it");
    }
    let refused = on.ask(get, "/api/v1/free", &[("x-api-key", "a"), ("x-api-key", "b")]).await.unwrap_err();
    assert_eq!(refused.0, 400);
}

/// Whether the upstream was told of nobody.
fn anonymous(head: &str) -> bool {
    let verifier = Verifier::new(&Secret::from(SECRET.to_owned()), "raw", Clock::system()).unwrap();
    let caller = verifier.verify(header(head, "x-tollgate-assertion").unwrap(), "GET", "/api/v1/free").unwrap();
    caller.user.is_none() && caller.external.is_none()
}

#[tokio::test]
async fn a_key_of_the_configuration_is_told_to_upstreams_as_a_stranger_and_never_to_ours() {
    // printf 'a-key-of-the-configuration' | sha256sum
    let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest("a-key-of-the-configuration"));
    let on = Setting::new(&format!(
        "[[authentication.api_keys.keys]]\nname = \"billing\"\nsha256 = \"{hash}\"\nscopes = [\"raw:read\"]\n"
    ))
    .await;
    let key = ("x-api-key", "a-key-of-the-configuration");
    let head = on.ask(reqwest::Method::GET, "/api/v1/open", &[key]).await.unwrap();
    assert!(header(&head, "x-api-key").is_none(), "{head}");
    let assertion = header(&head, "x-tollgate-assertion").unwrap();
    let verifier = Verifier::new(&Secret::from(SECRET.to_owned()), "raw", Clock::system()).unwrap();
    let caller = verifier.verify(assertion, "GET", "/api/v1/open").unwrap();
    let expected = External {
        issuer: "tollgate-gateway".to_owned(),
        subject: "billing".to_owned(),
        roles: shared::domain::Roles::NONE,
        scope: "raw:read".to_owned(),
    };
    assert_eq!((caller.user, caller.external, caller.is_gateway), (None, Some(expected), false));

    let refused = async |method, path: &str, lines: &[(&str, &str)]| on.ask(method, path, lines).await.unwrap_err();
    let (get, post) = (reqwest::Method::GET, reqwest::Method::POST);
    assert_eq!(refused(post, "/api/v1/open", &[key]).await, (403, "forbidden".to_owned()), "raw:write is missing");
    assert_eq!(refused(get.clone(), "/api/v1/users/x", &[key]).await, (401, "api_key_invalid".to_owned()));
    let unknown = [("x-api-key", "another")];
    let none = (503, "issuer_unavailable".to_owned());
    assert_eq!(refused(get.clone(), "/api/v1/open", &unknown).await, none, "users-service is not there to ask");
    for query in ["api_key", "access_token", "key", "x-api-key"] {
        let path = format!("/api/v1/open?{query}=a-key-of-the-configuration");
        assert_eq!(refused(get.clone(), &path, &[]).await, (401, "token_required".to_owned()), "never in the query");
    }
    let two = [key, ("authorization", "Bearer another")];
    assert_eq!(refused(get, "/api/v1/open", &two).await, (400, "malformed_request".to_owned()));
}

#[tokio::test]
async fn an_issuer_that_comes_with_a_reload_is_taken_and_one_that_goes_is_not() {
    let on = Setting::new("").await;
    let theirs = Issuer::start().await;
    let token = theirs.token_of(json!({"iss": "https://corp.example", "sub": "alice"}));
    let bearer = format!("Bearer {token}");
    let lines = [("authorization", bearer.as_str())];
    let get = reqwest::Method::GET;
    let path = "/api/v1/open";
    assert_eq!(on.ask(get.clone(), path, &lines).await.unwrap_err().0, 401);
    let raw = format!("{{ name = \"raw\", url = \"http://{}\", assertion = true }}", on.upstream.addr());
    let route = "[[routes]]\npath = \"/api/open\"\nupstream = \"raw\"\nlimited = false\n";
    let corp = format!(
        "[[authentication.issuers]]\nname = \"corp\"\nissuer = \"https://corp.example\"\naudiences = [\"tollgate\"]\n\
         jwks_url = \"http://{}/\"\n",
        theirs.addr
    );
    let ours = format!("authentication.jwks_url = \"http://{}/\"\n", on.issuer.addr);
    let reload = async |more: String| {
        on.gate.rewrite(&raw, &more);
        let reloaded = on.gate.client.post(format!("http://{}/admin/api/reload", on.gate.admin)).send().await.unwrap();
        assert_eq!(reloaded.status(), 200);
    };
    reload(format!("{ours}{corp}{route}")).await;
    eventually(async || on.ask(get.clone(), path, &lines).await.is_ok()).await;
    let own = format!("Bearer {}", on.issuer.token());
    assert!(on.ask(get.clone(), path, &[("authorization", own.as_str())]).await.is_ok(), "ours, all along");
    reload(format!("{ours}{route}")).await;
    assert_eq!(on.ask(get, path, &lines).await.unwrap_err().0, 401, "however well it was remembered");
}
