//! A browser's session through the gateway: cookies that no page and no upstream sees, pages that may use them and pages
//! that may not, and an end that bites within a second.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tests::client::{Answer, Call, PASSWORD};
use tests::faults::{Play, Upstream};
use tests::stack::Service;
use tests::{Backend, Client, Person, Stack, wait_until};

journeys!(
    a_browser_signs_in_and_out,
    a_foreign_page_changes_nothing,
    fifty_tabs_refresh_at_once,
    what_ends_a_session_ends_its_cookie,
    no_upstream_sees_a_cookie_of_ours,
);

const SESSION: &str = "/api/v1/auth/session";
const REFRESH: &str = "/api/v1/auth/session/refresh";
const MINE: &str = "/api/v1/users/me/sessions";

/// The contract's "within 1 s".
const BITES: Duration = Duration::from_secs(1);

/// What a browser says of a page of ours, of one beside it, and of anybody's.
const SAME: &[(&str, &str)] = &[("sec-fetch-site", "same-origin")];
const FOREIGN: [&[(&str, &str)]; 5] = [
    &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
    &[("sec-fetch-site", "same-site"), ("origin", "https://other.example")],
    &[("sec-fetch-site", "cross-site")],
    &[("origin", "null")],
    &[("referer", "https://evil.example/page")],
];

/// A browser, as a page drives it.
struct Browser {
    client: Client,
    access: String,
    refresh: String,
}

impl Browser {
    async fn sign_in(stack: &Stack, who: &Person) -> Self {
        let body = json!({"username": who.username, "password": who.password});
        let answer = said(stack.client().call(Method::POST, SESSION).json(&body), SAME).send().await.expect(200);
        let mut browser = Self { client: stack.client(), access: String::new(), refresh: String::new() };
        browser.take(&answer);
        browser
    }

    /// Keeps what an answer sets.
    fn take(&mut self, answer: &Answer) {
        for (name, value) in cookies(answer) {
            match name.as_str() {
                "__Host-tollgate" => self.access = value,
                "__Host-tollgate-refresh" => self.refresh = value,
                _ => panic!("a cookie of nobody's: {answer}"),
            }
        }
    }

    fn call(&self, method: Method, path: &str, page: &[(&str, &str)]) -> Call {
        let line = format!("theme=dark; __Host-tollgate={}; __Host-tollgate-refresh={}", self.access, self.refresh);
        said(self.client.call(method, path), page).header("cookie", &line)
    }

    async fn status(&self, path: &str) -> u16 {
        self.call(Method::GET, path, &[]).send().await.status
    }
}

fn said(call: Call, page: &[(&str, &str)]) -> Call {
    page.iter().fold(call, |call, (name, value)| call.header(name, value))
}

/// Names and values of what an answer sets, each as every cookie of ours is.
fn cookies(answer: &Answer) -> Vec<(String, String)> {
    let lines = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().expect("text"));
    let read = lines.map(|line| {
        let (pair, rest) = line.split_once("; ").expect("attributes");
        for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
            assert!(rest.split("; ").any(|said| said == attribute), "{attribute} is missing in {line}");
        }
        assert!(!rest.contains("Domain"), "{line}");
        let (name, value) = pair.split_once('=').expect("a name and a value");
        (name.to_owned(), value.to_owned())
    });
    read.collect()
}

async fn a_browser_signs_in_and_out(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let mut browser = Browser::sign_in(&stack, &ann).await;
    let me = browser.call(Method::GET, "/api/v1/users/me", &[]).send().await.expect(200);
    assert_eq!(me.text("/id"), ann.id);
    let account = json!({"name": "a", "currency": "USD"});
    let opened = browser.call(Method::POST, "/api/v1/accounts", SAME).json(&account).send().await.expect(201);
    assert_eq!(opened.text("/owner_id"), ann.id);
    let silent = browser.call(Method::POST, "/api/v1/accounts", &[]).json(&account).send().await;
    silent.problem(403, "csrf_refused");

    let before = browser.access.clone();
    let refreshed = browser.call(Method::POST, REFRESH, SAME).send().await.expect(200);
    assert_eq!((refreshed.text("/user_id"), refreshed.int("/expires_in")), (ann.id.clone(), 300));
    browser.take(&refreshed);
    assert_ne!(browser.access, before);
    let old = format!("__Host-tollgate={before}");
    let on_its_way = stack.client().call(Method::GET, "/api/v1/users/me").header("cookie", &old).send().await;
    assert_eq!(on_its_way.status, 200, "what a page has sent before it was refreshed still holds");

    let list = browser.call(Method::GET, MINE, &[]).send().await.expect(200).json();
    let current = list["data"].as_array().into_iter().flatten().find(|session| session["current"] == true);
    assert_eq!(current.map(|session| session["carrier"].clone()), Some(json!("cookie")), "{list}");
    assert_eq!(list["data"].as_array().map(Vec::len), Some(2), "the registration's is there, too: {list}");

    let out = browser.call(Method::DELETE, SESSION, SAME).send().await.expect(204);
    assert!(cookies(&out).iter().all(|(_, value)| value.is_empty()) && cookies(&out).len() == 2, "{out}");
    let over = async || (browser.status("/api/v1/users/me").await == 401).then_some(());
    wait_until("the access token in the cookie is dead", BITES, over).await;
    let refused = browser.call(Method::POST, REFRESH, SAME).send().await;
    refused.problem(401, "token_invalid");
    assert!(cookies(&refused).is_empty(), "{refused}");
    drop(ann.client.get("/api/v1/users/me").await.expect(200));
}

async fn a_foreign_page_changes_nothing(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (ann, eve) = (stack.register("ann").await, stack.register("eve").await);
    let browser = Browser::sign_in(&stack, &ann).await;
    let eves = json!({"username": eve.username, "password": PASSWORD});
    for page in FOREIGN {
        // Signed in as somebody else, one would work for them.
        let login = said(stack.client().call(Method::POST, SESSION).json(&eves), page).send().await;
        login.problem(403, "csrf_refused");
        assert!(cookies(&login).is_empty(), "{login}");
        let with_cookies = browser.call(Method::POST, SESSION, page).json(&eves).send().await;
        with_cookies.problem(403, "csrf_refused");
        for (method, path) in [(Method::POST, REFRESH), (Method::DELETE, SESSION), (Method::DELETE, MINE)] {
            let refused = browser.call(method, path, page).send().await;
            refused.problem(403, "csrf_refused");
            assert!(cookies(&refused).is_empty(), "{refused}");
        }
    }
    // A form, which needs nobody's leave to be sent, is not read.
    let form = [("username", eve.username.as_str()), ("password", PASSWORD)];
    stack.client().form(SESSION, &form).await.problem(415, "unsupported_media_type");
    // What no browser sends says nothing of any page, and shows no cookie.
    let program = stack.client().post(SESSION, &eves).await.expect(200);
    assert_eq!(cookies(&program).len(), 2);
    assert_eq!(browser.status("/api/v1/users/me").await, 200);
    drop(browser.call(Method::POST, REFRESH, SAME).send().await.expect(200));
}

async fn fifty_tabs_refresh_at_once(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let browser = Browser::sign_in(&stack, &ann).await;
    let answers = join_all((0..50).map(|_| browser.call(Method::POST, REFRESH, SAME).send())).await;
    let mut successors = HashSet::new();
    for answer in answers {
        let mut tab = Browser { client: stack.client(), access: String::new(), refresh: String::new() };
        tab.take(&answer.expect(200));
        assert_eq!(tab.status("/api/v1/users/me").await, 200);
        successors.insert(tab.refresh);
    }
    assert!(successors.len() == 1 && !successors.contains(&browser.refresh), "{successors:?}");
    // What is in a cookie is good in a cookie.
    stack.client().refresh_grant(&browser.refresh).await.problem(400, "invalid_grant");
    let line = format!("__Host-tollgate-refresh={}", ann.refresh_token);
    let smuggled = said(stack.client().call(Method::POST, REFRESH), SAME).header("cookie", &line).send().await;
    smuggled.problem(401, "token_invalid");
    drop(stack.client().refresh_grant(&ann.refresh_token).await.expect(200));
}

async fn what_ends_a_session_ends_its_cookie(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let (one, two) = (Browser::sign_in(&stack, &ann).await, Browser::sign_in(&stack, &ann).await);
    let dead = async |browser: &Browser| {
        let over = async || (browser.status("/api/v1/users/me").await == 401).then_some(());
        wait_until("the session is over", BITES, over).await;
    };
    let list = one.call(Method::GET, MINE, &[]).send().await.expect(200).json();
    let mut sessions = list["data"].as_array().into_iter().flatten();
    let other = sessions.find(|session| session["current"] == false && session["carrier"] == "cookie");
    let id = other.and_then(|session| session["id"].as_str()).expect("the other browser's");
    drop(one.call(Method::DELETE, &format!("{MINE}/{id}"), SAME).send().await.expect(204));
    dead(&two).await;
    assert_eq!(one.status("/api/v1/users/me").await, 200);
    // All of them: this one, and the one that never was a browser's.
    drop(one.call(Method::DELETE, MINE, SAME).send().await.expect(204));
    dead(&one).await;
    ann.client.get("/api/v1/users/me").await.problem(401, "token_invalid");
    stack.client().refresh_grant(&ann.refresh_token).await.problem(400, "invalid_grant");
    let root = stack.administrator().await;
    let three = Browser::sign_in(&stack, &ann).await;
    drop(root.client.delete(&format!("/api/v1/users/{}/sessions", ann.id)).await.expect(204));
    dead(&three).await;
}

async fn no_upstream_sees_a_cookie_of_ours(backend: Backend) {
    let other = Upstream::listen(Play::Answer(200)).await.expect("an upstream");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let upstreams = format!("\nupstreams = [{{ name = \"other\", url = \"http://{}\" }}]", other.addr);
    let routes = "\n[[routes]]\npath = \"/api/other\"\nupstream = \"other\"\n\
                  [[routes]]\npath = \"/api/sign-in-there\"\nupstream = \"other\"\nauth = \"none\"\ncross_site = \"refuse\"\n";
    let text = gateway::config::DEFAULTS.replace("\nupstreams = []", &upstreams) + routes;
    std::fs::write(file.path(), text).expect("written");
    let ledger = Upstream::listen(Play::Answer(200)).await.expect("an upstream");
    let validation = Stack::builder(backend).set(Service::Gateway, "validation.mode", "off");
    let stack = validation.gateway_file(file.path()).accounts_at(ledger.addr).start().await;
    let ann = stack.register("ann").await;
    let browser = Browser::sign_in(&stack, &ann).await;
    for path in ["/api/v1/other", "/api/v1/sign-in-there", "/api/v1/accounts"] {
        drop(browser.call(Method::GET, path, &[]).send().await.expect(200));
    }
    let asked: Vec<_> = other.requests().into_iter().chain(ledger.requests()).collect();
    let asked: Vec<_> = asked.into_iter().filter(|request| request.line.contains("/api/")).collect();
    assert_eq!(asked.len(), 3, "{asked:?}");
    for request in asked {
        assert_eq!(request.header("cookie"), ["theme=dark"], "{request:?}");
    }
}
