//! OAuth clients through the gateway: what they are given, what that opens, and how soon it ends.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use tests::client::{Answer, Client, PASSWORD, Person};
use tests::{Backend, Stack, wait_until};

journeys!(
    a_client_acts_for_a_user_within_its_scope,
    a_disabled_clients_tokens_die_within_a_second,
    what_is_taken_back_dies_within_a_second
);

/// The contract's "within 1 s".
const BITES: Duration = Duration::from_secs(1);
const REDIRECT: &str = "https://books.example.com/callback";
/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const ME: &str = "/api/v1/users/me";

/// A client that an administrator has registered.
struct Registered {
    id: String,
    secret: String,
}

async fn registered(stack: &Stack, body: Value) -> Registered {
    let admin = stack.administrator().await;
    let made = admin.client.post("/api/v1/clients", body).await.expect(201);
    Registered { id: made.text("/id"), secret: made.text("/secret") }
}

impl Registered {
    /// A form sent by it, by HTTP Basic.
    async fn form(&self, client: &Client, path: &str, fields: &[(&str, &str)]) -> Answer {
        let basic = STANDARD.encode(format!("{}:{}", self.id, self.secret));
        let body = encoded(fields);
        let call = client.call(Method::POST, path).body("application/x-www-form-urlencoded", body);
        call.header("authorization", &format!("Basic {basic}")).send().await
    }
}

fn encoded(fields: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://x/").expect("a URL");
    url.query_pairs_mut().extend_pairs(fields);
    url.query().unwrap_or_default().to_owned()
}

fn parameter(address: &str, name: &str) -> String {
    let url = Url::parse(address).expect("an address");
    let found = url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
    found.unwrap_or_else(|| panic!("no {name} in {address}"))
}

/// What a user's browser does, from the client's button until it is sent back; where to.
async fn allowed(stack: &Stack, client: &Registered, scope: &str, who: &Person) -> String {
    let browser = stack.client();
    let query = encoded(&[
        ("response_type", "code"),
        ("client_id", &client.id),
        ("redirect_uri", REDIRECT),
        ("scope", scope),
        ("state", "s-1"),
        ("nonce", "n-1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]);
    let page = browser.get(&format!("/oauth/authorize?{query}")).await.expect(200);
    let cookie = page.must("set-cookie").split(';').next().unwrap_or_default().to_owned();
    let html = String::from_utf8_lossy(&page.body).into_owned();
    let request = html.split("name=\"request\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
    let request = request.expect("a form").to_owned();
    let submit = |path: &'static str, fields: Vec<(&'static str, String)>| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = encoded(&fields);
        let call = browser.call(Method::POST, path).body("application/x-www-form-urlencoded", body);
        call.header("cookie", &cookie).header("sec-fetch-site", "same-origin").send()
    };
    let fields = vec![("request", request.clone()), ("username", who.email.clone()), ("password", PASSWORD.to_owned())];
    let signed_in = submit("/oauth/sign-in", fields).await.expect(303);
    let asked = browser.call(Method::GET, signed_in.must("location")).header("cookie", &cookie).send().await;
    let sent_back = match asked.status {
        200 => submit("/oauth/consent", vec![("request", request), ("decision", "allow".to_owned())]).await,
        _ => asked,
    };
    sent_back.expect(303).must("location").to_owned()
}

async fn a_client_acts_for_a_user_within_its_scope(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (visitor, ann) = (stack.client(), stack.register("ann").await);
    let grants = ["authorization_code", "refresh_token"];
    let body = json!({"name": "Bookkeeper", "grant_types": grants, "redirect_uris": [REDIRECT],
        "scopes": ["openid", "email", "users:read", "accounts:read"]});
    let client = registered(&stack, body).await;
    let back = allowed(&stack, &client, "openid email users:read", &ann).await;
    assert_eq!((parameter(&back, "state"), parameter(&back, "iss")), ("s-1".into(), "http://127.0.0.1:8080".into()));
    let code = parameter(&back, "code");
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let tokens = client.form(&visitor, "/api/v1/auth/token", &fields).await.expect(200);
    let theirs = visitor.with_token(tokens.text("/access_token"));
    assert_eq!(theirs.get(ME).await.expect(200).text("/id"), ann.id);
    let info = theirs.get("/api/v1/auth/userinfo").await.expect(200).json();
    assert_eq!((&info["sub"], &info["email"], info.get("name")), (&json!(ann.id), &json!(ann.email), None));
    // No more than that: other scopes, and whatever changes how somebody signs in.
    theirs.patch(ME, json!({"name": "Mine"})).await.problem(403, "forbidden");
    theirs.get("/api/v1/accounts").await.problem(403, "forbidden");
    let change = json!({"current_password": PASSWORD, "new_password": "another horse battery 8 staple"});
    theirs.put("/api/v1/users/me/password", change).await.problem(403, "forbidden");
    // What tells the client who it is opens nothing.
    visitor.with_token(tokens.text("/id_token")).get(ME).await.problem(401, "token_invalid");
    let refresh = tokens.text("/refresh_token");
    visitor.refresh_grant(&refresh).await.problem(400, "invalid_grant");
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
    let next = client.form(&visitor, "/api/v1/auth/token", &fields).await.expect(200);
    let theirs = visitor.with_token(next.text("/access_token"));
    drop(theirs.get(ME).await.expect(200));
    let said = client.form(&visitor, "/api/v1/auth/introspect", &[("token", &next.text("/access_token"))]).await;
    assert_eq!(said.expect(200).json()["active"], true);
    drop(client.form(&visitor, "/api/v1/auth/revoke", &[("token", &next.text("/refresh_token"))]).await.expect(200));
    wait_until("it is void", BITES, async || (theirs.get(ME).await.status == 401).then_some(())).await;
    // Used once more, the code opens nothing either.
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    client.form(&visitor, "/api/v1/auth/token", &fields).await.problem(400, "invalid_grant");
}

async fn a_disabled_clients_tokens_die_within_a_second(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (visitor, ann) = (stack.client(), stack.register("ann").await);
    let body = json!({"name": "Engine", "grant_types": ["authorization_code", "client_credentials"],
        "redirect_uris": [REDIRECT], "scopes": ["openid", "users:read"]});
    let client = registered(&stack, body).await;
    let own = client.form(&visitor, "/api/v1/auth/token", &[("grant_type", "client_credentials")]).await.expect(200);
    let own = visitor.with_token(own.text("/access_token"));
    // The gateway lets it through, and the service knows that it is no user, whatever its subject looks like.
    own.get(ME).await.problem(401, "token_required");
    let code = parameter(&allowed(&stack, &client, "openid users:read", &ann).await, "code");
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let given = client.form(&visitor, "/api/v1/auth/token", &fields).await.expect(200);
    let given = visitor.with_token(given.text("/access_token"));
    drop(given.get(ME).await.expect(200));
    let admin = stack.administrator().await;
    let path = format!("/api/v1/clients/{}", client.id);
    drop(admin.client.patch(&path, json!({"disabled": true})).await.expect(200));
    wait_until("both are void", BITES, async || {
        let (own, given) = (own.get(ME).await, given.get(ME).await);
        let void = |answer: &Answer| answer.code().as_deref() == Some("token_invalid");
        (void(&own) && void(&given)).then_some(())
    })
    .await;
    client
        .form(&visitor, "/api/v1/auth/token", &[("grant_type", "client_credentials")])
        .await
        .problem(401, "invalid_client");
    drop(ann.client.get(ME).await.expect(200));
}

async fn what_is_taken_back_dies_within_a_second(backend: Backend) {
    const CONSENTS: &str = "/api/v1/users/me/consents";
    let stack = Stack::start(backend).await;
    let (visitor, ann) = (stack.client(), stack.register("ann").await);
    let body = json!({"name": "Bookkeeper", "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": [REDIRECT], "scopes": ["openid", "offline_access", "users:read"]});
    let client = registered(&stack, body).await;
    let back = allowed(&stack, &client, "openid offline_access users:read", &ann).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &*parameter(&back, "code")),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let tokens = client.form(&visitor, "/api/v1/auth/token", &fields).await.expect(200);
    let theirs = visitor.with_token(tokens.text("/access_token"));
    drop(theirs.get(ME).await.expect(200));
    let path = format!("{CONSENTS}/{}", client.id);
    theirs.get(CONSENTS).await.problem(403, "forbidden");
    theirs.delete(&path).await.problem(403, "forbidden");
    let shown = ann.client.get(CONSENTS).await.expect(200).json()["data"].clone();
    assert_eq!((&shown[0]["client_id"], &shown[0]["name"]), (&json!(client.id), &json!("Bookkeeper")));
    drop(ann.client.delete(&path).await.expect(204));
    wait_until("it is void", BITES, async || (theirs.get(ME).await.status == 401).then_some(())).await;
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", &*tokens.text("/refresh_token"))];
    client.form(&visitor, "/api/v1/auth/token", &refresh).await.problem(400, "invalid_grant");
    assert_eq!(ann.client.get(CONSENTS).await.expect(200).json()["data"], json!([]));
    drop(ann.client.get(ME).await.expect(200));
}
