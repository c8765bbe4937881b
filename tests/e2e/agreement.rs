//! Nobody can tell who refused: every operation of the merged document is asked with good and bad requests at the service
//! itself, through a gateway that holds requests against the document, and through one that does not.

mod cases;
mod sizes;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt;
use serde_json::{Value, json};
use shared::auth::{AUDIENCE_ACCOUNTS, AUDIENCE_USERS, Caller, HEADER, Signer, User};
use shared::clock::Clock;
use shared::config::Secret;
use shared::domain::{Permissions, Role, SessionId};
use tests::client::text;
use tests::stack::Service;
use tests::{Answer, Backend, Client, Person, Stack, wait_until};

use self::cases::Case;

journeys!(the_gateway_refuses_in_the_services_words);

/// Requests under way at once.
const AT_ONCE: usize = 8;

/// A stack with somebody who may do everything.
struct World {
    stack: Stack,
    person: Person,
    account: String,
    victim: String,
    signer: Signer,
}

async fn the_gateway_refuses_in_the_services_words(backend: Backend) {
    let (on, off) = (World::start(backend, "refuse").await, World::start(backend, "off").await);
    let document = document(&on.stack).await;
    let cases = cases::of(&document);
    let asked: BTreeSet<_> = cases.iter().map(|case| format!("{} {}", case.method, case.template)).collect();
    assert_eq!(asked, operations(&document), "every operation is asked");
    let ask = async |case: &Case| {
        let direct = told(&on.directly(case).await);
        let (with, without) = (told(&on.through(case).await), told(&off.through(case).await));
        let same = direct == with && direct == without;
        (!same).then(|| format!("{case}\n  service {direct}\n  with    {with}\n  without {without}"))
    };
    let differ: Vec<&Case> = futures_util::stream::iter(&cases)
        .map(async |case| ask(case).await.map(|_| case))
        .buffer_unordered(AT_ONCE)
        .filter_map(async |case| case)
        .collect()
        .await;
    // Another case may have changed who they are in between, their name for one: when all are through, that is the same
    // everywhere, and what differs then differs.
    let mut differences = Vec::new();
    for case in differ {
        differences.extend(ask(case).await);
    }
    let count = differences.len();
    assert!(count == 0, "{count} of {} differ:\n{}", cases.len(), differences[..count.min(30)].join("\n"));
    let refused = refusals(&on.stack).await;
    assert!(refused * 3 > cases.len(), "most bad requests end at the gateway: {refused} of {}", cases.len());
    assert_eq!(refusals(&off.stack).await, 0);
}

/// The merged document, once both services are in it.
async fn document(stack: &Stack) -> Value {
    let visitor = stack.client();
    let whole = async || {
        let mut document = visitor.get("/openapi.json").await.json();
        // What the gateway puts together is no service's.
        let paths = document["paths"].as_object_mut()?;
        paths.retain(|_, item| item["get"]["x-composed"] != true);
        let paths = document["paths"].to_string();
        (paths.contains("/users/{id}") && paths.contains("/transfers")).then_some(document)
    };
    wait_until("both services are in the document", Duration::from_secs(10), whole).await
}

fn operations(document: &Value) -> BTreeSet<String> {
    let items = document["paths"].as_object().expect("paths").iter();
    let operations = items.flat_map(|(path, item)| {
        item.as_object().expect("an item").keys().map(move |method| format!("{} {path}", method.to_ascii_uppercase()))
    });
    operations.collect()
}

async fn refusals(stack: &Stack) -> usize {
    let text = stack.operator().get("/metrics").await.expect(200);
    let text = String::from_utf8_lossy(&text.body).into_owned();
    let line = text.lines().find(|line| line.starts_with("tollgate_gateway_validations_total{outcome=\"refused\"}"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("a count")
}

/// What a client can go by: the status, and of a problem its code and its faults.
fn told(answer: &Answer) -> String {
    if answer.status < 400 {
        return answer.status.to_string();
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let faults = body["errors"].as_array().into_iter().flatten();
    let faults: Vec<_> = faults.map(|fault| json!([fault["pointer"], fault["code"]])).collect();
    format!("{} {} {} {}", answer.status, body["code"], body["error"], Value::from(faults))
}

impl World {
    /// With the gateway's validation in this mode.
    async fn start(backend: Backend, mode: &str) -> Self {
        // Whoever asks with every wrong password there is would lose their session to it.
        let stack = Stack::builder(backend).set(Service::Users, "sessions.wrong_proofs", 1_000);
        // However long it takes: who signed in a second later would still be fresh, with a good token, when the first is not.
        let stack =
            stack.set(Service::Users, "sessions.step_up", "1h").set(Service::Users, "tokens.access_lifetime", "1h");
        let stack = stack.set(Service::Gateway, "validation.mode", mode).start().await;
        let person = stack.with_roles("all", &["support", "treasurer", "admin"]).await;
        let account = person.client.open("own", "USD").await;
        let victim = stack.register("victim").await.id;
        let signer = Signer::new(&Secret::from(stack.assertion_secret.clone()), Clock::system()).expect("long enough");
        Self { stack, person, account, victim, signer }
    }

    async fn through(&self, case: &Case) -> Answer {
        self.send(case, &self.person.client, None).await
    }

    async fn directly(&self, case: &Case) -> Answer {
        let path = self.filled(&case.path);
        let of_users = ["/users", "/auth", "/audit", "/clients", "/roles", "/permissions", "/.well-known"]
            .iter()
            .any(|part| path.contains(part) && !path.contains("/receipt-keys.json"));
        let (addr, audience): (SocketAddr, _) = match of_users {
            true => (self.stack.users, AUDIENCE_USERS),
            false => (self.stack.accounts, AUDIENCE_ACCOUNTS),
        };
        let user = User {
            id: self.person.id.parse().expect("an id"),
            session: Some(self.session()),
            api_key: None,
            roles: Role::ALL.into_iter().collect(),
            permissions: Permissions::NONE,
            scope: "api".to_owned(),
            ver: 1,
        };
        let caller = Caller { user: Some(user), client_ip: Some([127, 0, 0, 1].into()), ..Caller::default() };
        let bare = path.split('?').next().unwrap_or_default();
        let assertion = self.signer.sign(audience, case.method.as_str(), bare, &caller).expect("signed");
        self.send(case, &Client::new(addr), Some(&assertion)).await
    }

    /// The one that they came through the gateway with.
    fn session(&self) -> SessionId {
        let payload = self.person.client.token().and_then(|token| token.split('.').nth(1)).expect("a token");
        let claims = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
        let claims: Value = serde_json::from_slice(&claims).expect("JSON");
        text(&claims, "/sid").parse().expect("an id")
    }

    async fn send(&self, case: &Case, client: &Client, assertion: Option<&str>) -> Answer {
        let mut call = client.call(case.method.clone(), &self.filled(&case.path));
        if let Some(body) = &case.body {
            call = call.body("application/json", self.fresh(body));
        }
        for (name, value) in &case.headers {
            call = call.header(name, value);
        }
        if let Some(assertion) = assertion {
            call = call.header(HEADER, assertion);
        }
        call.send().await
    }

    /// The path with this world's own ids.
    fn filled(&self, path: &str) -> String {
        path.replace("{account}", &self.account).replace("{victim}", &self.victim)
    }

    /// The body with a number that no other has, so that nobody registers twice.
    fn fresh(&self, body: &[u8]) -> Vec<u8> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
        match std::str::from_utf8(body) {
            Ok(text) => text.replace('§', &number).into_bytes(),
            Err(_) => body.to_vec(),
        }
    }
}
