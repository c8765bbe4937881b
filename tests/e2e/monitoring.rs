//! What `deploy/monitoring` asks for is what the services export: every name, label and value in its alerts, their tests and
//! the dashboard is held against the scrapes of a stack in which a little of everything has happened.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tests::backends::Ground;
use tests::client::{Transfer, fresh_key};
use tests::faults::Proxy;
use tests::stack::Service;
use tests::{Backend, Client, Stack, wait_until};

use crate::edge_tls::{Authority, certified};

journeys!(alerts_and_dashboard_ask_for_what_there_is);

const LIMIT: Duration = Duration::from_secs(30);

/// What every name of ours begins with. `up` is Prometheus's own.
const OURS: &str = "tollgate_";

/// Only where there is a standby, which an embedded ledger cannot have.
const OF_A_STANDBY: &str = "tollgate_accounts_replica_";

/// A question for one series: its name, and what of its labels is asked for.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Asked {
    name: String,
    /// A label, and its value where one is named.
    labels: Vec<(String, Option<String>)>,
}

/// Lines of scrapes, by the name of their series.
type Scraped = BTreeMap<String, Vec<String>>;

async fn alerts_and_dashboard_ask_for_what_there_is(backend: Backend) {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::new());
    let ground = Ground::lay(backend).await.expect("a back-end");
    let proxy = Proxy::listen().await.expect("a port");
    let mut stack = certified(Stack::builder(backend), folder.path(), &authority)
        .accounts_behind(&proxy)
        .set(Service::Gateway, "rate_limit.enabled", true)
        .set(Service::Accounts, "invariants.sample_every", "1s");
    let has_standby = backend == Backend::Real;
    if has_standby {
        stack = stack.set(Service::Accounts, "database.replica_url", &ground.accounts);
    }
    let stack = stack.start_on(ground).await;
    live_a_little(&stack, &proxy).await;
    let scraped = wait_until("everything has been counted", LIMIT, async || {
        let scraped = scrape(&stack).await;
        // These come by themselves, in the background.
        let late = ["tollgate_accounts_invariant_batch", "tollgate_gateway_extra_calls_total"];
        late.iter().all(|name| scraped.contains_key(*name)).then_some(scraped)
    })
    .await;
    let asked = asked_for();
    assert!(asked.len() > 60, "{asked:?}");
    let there_is = |asked: &Asked| !has_standby && asked.name.starts_with(OF_A_STANDBY) || answers(&scraped, asked);
    let nothing: Vec<_> = asked.iter().filter(|asked| !there_is(asked)).collect();
    assert!(nothing.is_empty(), "nobody exports {nothing:#?}; there is {:#?}", scraped.keys());
    // The check finds what there is not.
    for selector in ["tollgate_gateway_reqests_total", "tollgate_gateway_requests_total{code=~\"5..\"}"] {
        assert!(!questions(selector).iter().all(|asked| answers(&scraped, asked)), "{selector}");
    }
    let wrong_value = &questions("tollgate_gateway_breaker_state{upstream=\"accounts\", state=\"opened\"}")[0];
    assert!(!answers(&scraped, wrong_value));
    stack.stop(Duration::from_secs(5)).await;
}

/// Something of all that is counted only once it has happened.
async fn live_a_little(stack: &Stack, proxy: &Proxy) {
    let (ann, bob) = (stack.register("ann").await, stack.register("bob").await);
    let (from, to) = (stack.account_with(&ann, 1_000).await, bob.client.open("savings", "USD").await);
    drop(ann.client.transfer(&fresh_key(), &Transfer::usd(&from, &to, 100)).await.expect(201));
    drop(stack.client().refresh_grant(&ann.refresh_token).await.expect(200));
    drop(stack.client().password_grant(&bob.email, "not the password 1").await.expect(400));
    drop(ann.client.get(&format!("/api/v1/accounts/{from}/statement")).await.expect(200));
    wait_until("an answer was lost, and asked for again", LIMIT, async || {
        proxy.lose_answer(1);
        drop(ann.client.get("/api/v1/accounts").await.expect(200));
        (stack.metric("tollgate_gateway_extra_calls_total").await > Some(0.0)).then_some(())
    })
    .await;
}

async fn scrape(stack: &Stack) -> Scraped {
    let mut scraped = Scraped::new();
    for of in [stack.operator(), Client::new(stack.users), Client::new(stack.accounts)] {
        let text = of.get("/metrics").await.expect(200);
        for line in String::from_utf8_lossy(&text.body).lines().filter(|line| !line.starts_with('#')) {
            let name = line.split([' ', '{']).next().unwrap_or_default();
            scraped.entry(name.to_owned()).or_default().push(line.to_owned());
        }
    }
    scraped
}

/// Whether some series is what is asked for.
fn answers(scraped: &Scraped, asked: &Asked) -> bool {
    let has = |line: &str, (label, value): &(String, Option<String>)| {
        let wanted = value.as_ref().map_or(format!("{label}=\""), |value| format!("{label}=\"{value}\""));
        line.contains(&format!("{{{wanted}")) || line.contains(&format!(",{wanted}"))
    };
    let lines = scraped.get(&asked.name).into_iter().flatten();
    lines.into_iter().any(|line| asked.labels.iter().all(|label| has(line, label)))
}

/// Everything that the files ask for.
fn asked_for() -> Vec<Asked> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/monitoring");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect(name);
    let dashboard: Value = serde_json::from_str(&read("dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let expressions = targets.map(|target| target["expr"].as_str().expect("an expression").to_owned());
    let mut asked: Vec<_> = expressions.flat_map(|expression| questions(&expression)).collect();
    for name in ["alerts.yaml", "alerts.test.yaml"] {
        let before = asked.len();
        asked.extend(questions(&read(name)));
        assert!(asked.len() > before, "{name} asks for nothing");
    }
    asked.sort_unstable();
    asked.dedup();
    asked
}

/// Every name of ours in a text, with the selector behind it.
fn questions(text: &str) -> Vec<Asked> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices(OURS) {
        let rest = &text[start..];
        let (name, rest) =
            rest.split_at(rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len()));
        let selector = rest.strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
        found.push(Asked { name: name.to_owned(), labels: selector.split(',').filter_map(label).collect() });
    }
    found
}

/// A label of a selector. Those that Prometheus puts on every series are not the services' to export, and which values the
/// tests of the alerts make up for a route, an upstream or a bucket is nobody's business.
fn label(matcher: &str) -> Option<(String, Option<String>)> {
    const ADDED: [&str; 2] = ["job", "instance"];
    const FREE: [&str; 5] = ["route", "version", "status", "upstream", "le"];
    let (label, rest) = matcher.trim().split_once(['=', '!'])?;
    let exact = !rest.starts_with(['~', '=']);
    let value = rest.trim_matches('"').to_owned();
    (!ADDED.contains(&label)).then(|| (label.to_owned(), Some(value).filter(|_| exact && !FREE.contains(&label))))
}
