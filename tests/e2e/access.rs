//! Who may call what: every operation of the documents, and every page beside them, called by everybody there is.
//!
//! The calls are made so that they change nothing that another row rests on: what may not happen is refused for who asks,
//! what may is refused for what it says, or harmless.

mod table;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Call, Transfer, fresh_key, newcomer, text};
use tests::stack::Service;
use tests::{Backend, Client, Person, Stack, wait_until};

use self::table::{Access, Row, pages, rows};

journeys!(everybody_calls_everything);

const VERSIONS: [&str; 2] = ["v1", "v2"];

/// What the rows' placeholders stand for; all of it is the owner's.
struct Things {
    id: String,
    account: String,
    transfer: String,
    order: String,
}

/// A caller, and which of a row's columns is about them.
struct Caller {
    name: &'static str,
    column: Column,
    client: Client,
}

#[derive(Clone, Copy)]
enum Column {
    /// Nobody: no token, or one that is worth nothing.
    Nobody { token: bool },
    /// Somebody who has not confirmed their address, where nobody signs in before: no door opens, so they have no token.
    Unverified,
    /// Somebody with a living token.
    Living(usize),
}

async fn everybody_calls_everything(backend: Backend) {
    // A token that was good, and has expired: from an earlier start, with tokens that live for a second.
    let brief = Stack::builder(backend).set(Service::Users, "tokens.access_lifetime", "1s").start().await;
    let expired = brief.register("past").await.client.token().map(str::to_owned).expect("a token");
    let ground = brief.halt(Duration::from_secs(5)).await;
    let stack = Stack::builder(backend).set(Service::Gateway, "authentication.leeway", "0s").start_on(ground).await;
    let expired = stack.client().with_token(expired);
    wait_until("the token has expired", Duration::from_secs(10), async || {
        (expired.get("/api/v1/users/me").await.status == 401).then_some(())
    })
    .await;

    let owner = stack.register("owner").await;
    let things = things(&stack, &owner).await;
    let callers = callers(&stack, owner, expired).await;
    let mut wrong = operations_by(&stack, &callers, &things).await;
    wrong.extend(pages_by(&stack, &callers, &things).await);

    let earlier = callers.into_iter().find(|caller| caller.name == UNVERIFIED).expect("somebody unverified");
    let ground = stack.halt(Duration::from_secs(5)).await;
    let strict = Stack::builder(backend).set(Service::Users, "registration.require_verified_email", true);
    let strict = strict.start_on(ground).await;
    let callers = unverified(&strict, earlier).await;
    wrong.extend(operations_by(&strict, &callers, &things).await);
    wrong.extend(pages_by(&strict, &callers, &things).await);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with who may call which operation.
async fn operations_by(stack: &Stack, callers: &[Caller], things: &Things) -> Vec<String> {
    let mut wrong = Vec::new();
    let rows = rows();
    for version in VERSIONS {
        let document = document(stack, version).await;
        for operation in operations(&document, version) {
            let Some(row) = rows.iter().find(|row| row.call == operation) else {
                wrong.push(format!("{operation} ({version}) has no row: say who may call it"));
                continue;
            };
            for caller in callers {
                let answer = ask(row, &format!("/api/{version}"), things, &caller.client).send().await;
                let expected = expected(row.access, caller.column);
                if answer.status != expected {
                    let (status, code) = (answer.status, answer.code().unwrap_or_default());
                    let name = caller.name;
                    wrong.push(format!("{version} {operation} by {name}: {status} {code} in place of {expected}"));
                }
                if answer.status >= 400 {
                    drop(answer.is_problem());
                }
            }
        }
    }
    wrong
}

/// What is wrong with who may open and send which page: what stands in the gateway's table and in no document.
async fn pages_by(stack: &Stack, callers: &[Caller], things: &Things) -> Vec<String> {
    let mut wrong = Vec::new();
    let rows = pages();
    for (call, page) in pages_of_the_table() {
        let Some(row) = rows.iter().find(|row| row.call == call) else {
            wrong.push(format!("{call} has no row: say who may open it"));
            continue;
        };
        let (_, path) = row.call.split_once(' ').expect("method and path");
        let path = path.replace("{page}", page);
        for caller in callers {
            let call = ask(&Row { path: Some(&path), ..*row }, "", things, &caller.client);
            let (answer, expected) = (call.send().await, expected(row.access, caller.column));
            let is_for_people = answer.status == 303 || answer.must("content-type").starts_with("text/html");
            if answer.status != expected || !is_for_people {
                wrong.push(format!("{} {path} by {}: {} in place of {expected}", row.call, caller.name, answer.status));
            }
        }
    }
    stack.client().get("/account/nothing").await.problem(404, "not_found");
    wrong
}

/// Each row of the gateway's table that is neither an operation's nor a document's, with each page that it leads to.
fn pages_of_the_table() -> Vec<(String, &'static str)> {
    let table = gateway::Config::load(None, &[]).map_err(|errors| errors.to_string()).expect("the defaults").routes;
    let rows = table.iter().filter(|row| !row.path.starts_with("/api/") && !row.path.starts_with("/.well-known/"));
    let calls = rows.flat_map(|row| row.methods.iter().map(|method| format!("{method} {}", row.path)));
    calls.flat_map(|call| if call.contains("{page}") { in_the_mails(&call) } else { vec![(call, "")] }).collect()
}

fn in_the_mails(call: &str) -> Vec<(String, &'static str)> {
    users_service::PAGES.iter().map(|page| (call.to_owned(), *page)).collect()
}

fn expected(access: Access, column: Column) -> u16 {
    match (access, column) {
        (Access::Public(status), _)
        | (Access::Optional(status), Column::Living(_) | Column::Unverified | Column::Nobody { token: false }) => {
            status
        }
        (Access::Optional(_), Column::Nobody { token: true })
        | (Access::SignedIn(_), Column::Nobody { .. } | Column::Unverified) => 401,
        (Access::SignedIn(statuses), Column::Living(at)) => statuses.get(at).copied().unwrap_or_default(),
    }
}

/// What a row asks for below `base`, by whoever the client is.
fn ask(row: &Row, base: &str, things: &Things, client: &Client) -> Call {
    let fill = |text: &str| {
        let text = text
            .replace("{account}", &things.account)
            .replace("{transfer}", &things.transfer)
            .replace("{order}", &things.order);
        text.replace("{id}", &things.id).replace("{new}", &fresh_key())
    };
    let (method, path) = row.call.split_once(' ').expect("method and path");
    let path = fill(row.path.unwrap_or(path));
    let path = if path.starts_with("/.well-known/") { path } else { format!("{base}{path}") };
    let method = method.parse::<Method>().expect("a method");
    let mut call = client.call(method, &path);
    if let Some((content_type, body)) = row.body {
        call = call.body(content_type, fill(body));
    }
    for (name, value) in row.headers {
        call = call.header(name, &fill(value));
    }
    call
}

async fn things(stack: &Stack, owner: &Person) -> Things {
    let (account, other) = (stack.account_with(owner, 1_000).await, owner.client.open("other", "USD").await);
    let paid = owner.client.transfer(&fresh_key(), &Transfer::usd(&account, &other, 1)).await.expect(201);
    let order = json!({
        "debit_account_id": account, "credit_account_id": other, "amount": 1, "currency": "USD",
        "rule": {"every": "day"}, "time_zone": "UTC", "starts_on": "2099-01-01",
    });
    let order = owner.client.post("/api/v1/standing-orders", order).await.expect(201).text("/id");
    Things { id: owner.id.clone(), account, transfer: paid.text("/id"), order }
}

const UNVERIFIED: &str = "unverified";

/// Two who have not confirmed their address, where that is asked for: one whom no door lets in, and one who was let in before,
/// whose session goes on as anybody's.
async fn unverified(stack: &Stack, earlier: Caller) -> Vec<Caller> {
    let body = newcomer("late");
    let visitor = stack.client();
    drop(visitor.post("/api/v1/users", &body).await.expect(201));
    let (email, password) = (text(&body, "/email"), text(&body, "/password"));
    visitor.password_grant(email, password).await.problem(403, "email_not_verified");
    let by_browser = json!({"username": email, "password": password});
    visitor.post("/api/v1/auth/session", by_browser).await.problem(403, "email_not_verified");
    let client = stack.client().with_token(earlier.client.token().expect("a token"));
    vec![
        Caller { name: "unverified", column: Column::Unverified, client: visitor },
        Caller { name: "unverified, in before", column: earlier.column, client },
    ]
}

async fn callers(stack: &Stack, owner: Person, expired: Client) -> Vec<Caller> {
    let root = stack.administrator().await;
    let (other, unverified) = (stack.register("other").await, stack.register("unverified").await);
    for person in [&owner, &other] {
        let token = stack.mail(&person.email, "Confirm your e-mail").await.token();
        drop(stack.client().post("/api/v1/auth/email/verify", json!({"token": token})).await.expect(204));
    }
    let (disabled, deleted) = (stack.register("disabled").await, stack.register("deleted").await);
    let path = format!("/api/v1/users/{}/disable", disabled.id);
    drop(root.client.call(Method::POST, &path).send().await.expect(200));
    drop(root.client.delete(&format!("/api/v1/users/{}", deleted.id)).await.expect(204));
    for gone in [&disabled, &deleted] {
        wait_until("their token is dead", Duration::from_secs(1), async || {
            (gone.client.get("/api/v1/users/me").await.status == 401).then_some(())
        })
        .await;
    }
    let (support, treasurer) =
        (stack.with_roles("support", &["support"]).await, stack.with_roles("teller", &["treasurer"]).await);
    let nobody = |name, client, token| Caller { name, column: Column::Nobody { token }, client };
    let living = |name, person: Person, at| Caller { name, column: Column::Living(at), client: person.client };
    vec![
        nobody("anonymous", stack.client(), false),
        nobody("expired", expired, true),
        nobody("disabled", disabled.client, true),
        nobody("deleted", deleted.client, true),
        living("owner", owner, 0),
        living(UNVERIFIED, unverified, 1),
        living("other", other, 1),
        living("support", support, 2),
        living("treasurer", treasurer, 3),
        living("administrator", root, 4),
    ]
}

/// The merged document, once both services are in it.
async fn document(stack: &Stack, version: &str) -> Value {
    let path = format!("/openapi.json?version={version}");
    wait_until("both services are in the document", Duration::from_secs(10), async || {
        let document = stack.client().get(&path).await;
        let document = if document.status == 200 { document.json() } else { return None };
        let paths = document["paths"].to_string();
        (paths.contains("/users/{id}") && paths.contains("/transfers")).then_some(document)
    })
    .await
}

/// Each operation, without its version: `GET /users/{id}`.
fn operations(document: &Value, version: &str) -> Vec<String> {
    let prefix = format!("/api/{version}");
    let items = document["paths"].as_object().expect("paths").iter();
    let operations = items.flat_map(|(path, item)| {
        let path = path.strip_prefix(&prefix).unwrap_or(path);
        let methods = item.as_object().into_iter().flatten().filter(|(_, operation)| operation.is_object());
        methods.map(move |(method, _)| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}
