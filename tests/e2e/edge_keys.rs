//! Keys that the gateway keeps for an upstream that knows none: one execution per key, whatever is killed meanwhile.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tempfile::NamedTempFile;
use tests::backends::{Ground, Redis, binary, free_port};
use tests::client::{Answer, Client};
use tests::faults::{Play, Upstream};
use tests::{Backend, Stack, wait_until};

journeys!(a_hundred_clients_with_one_key_reach_the_upstream_once);

const LIMIT: Duration = Duration::from_secs(30);
const STRICT: &str = "/api/v1/shop";
const LENIENT: &str = "/api/v1/kiosk";

/// A configuration with two routes to `shop`: one refuses where nothing is known, the other goes on.
fn settings(shop: &Upstream) -> NamedTempFile {
    let defaults = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/config.default.toml");
    let defaults = std::fs::read_to_string(defaults).expect("the defaults");
    let upstream = format!("upstreams = [{{ name = \"shop\", url = \"http://{}\" }}]", shop.addr);
    let mut text = defaults.replacen("upstreams = []", &upstream, 1);
    for (path, more) in [("shop", ""), ("kiosk", "on_unknown = \"retry\"\nidempotency_down = \"pass\"\n")] {
        text += &format!(
            "\n[[routes]]\npath = \"/api/{path}\"\nupstream = \"shop\"\nidempotency = \"edge\"\ntimeout = \"1s\"\n{more}"
        );
    }
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

/// One more gateway on the stack's Redis, as a process that can be killed.
struct Another {
    client: Client,
    child: Child,
}

impl Another {
    async fn beside(stack: &mut Stack, file: &NamedTempFile) -> Self {
        let addr = || SocketAddr::from(([127, 0, 0, 1], free_port().expect("a port")));
        let (public, admin) = (addr(), addr());
        let mut command = Command::new(binary("gateway").expect("the binary is built"));
        command.args(["serve", "--config"]).arg(file.path()).stdin(Stdio::null()).stdout(Stdio::null());
        for (key, value) in [
            ("SERVER__LISTEN", public.to_string()),
            ("ADMIN__LISTEN", admin.to_string()),
            ("SERVICES__USERS__URL", format!("http://{}", stack.users)),
            ("SERVICES__ACCOUNTS__URL", format!("http://{}", stack.accounts)),
            ("IDENTITY__SECRET", stack.assertion_secret.clone()),
            ("REDIS__URL", stack.redis().url.clone()),
            ("RATE_LIMIT__ENABLED", "false".to_owned()),
        ] {
            command.env(format!("TOLLGATE_GATEWAY__{key}"), value);
        }
        let another = Self { child: command.spawn().expect("it starts"), client: Client::new(public) };
        let operator = Client::new(admin);
        wait_until("the other gateway is ready", LIMIT, async || {
            let ready = operator.call(Method::GET, "/readyz").try_send().await;
            ready.is_ok_and(|answer| answer.status == 200).then_some(())
        })
        .await;
        another
    }
}

impl Drop for Another {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn buy(client: &Client, path: &str, key: &str) -> Answer {
    client.call(Method::POST, path).key(key).json(json!({"item": "pen"})).send().await
}

/// How many sales there were.
fn sales(shop: &Upstream) -> usize {
    shop.requests().iter().filter(|request| request.line.starts_with("POST")).count()
}

fn once(answers: &[Answer]) {
    for answer in answers {
        assert_eq!((answer.status, &answer.body), (201, &answers[0].body), "{answer}");
    }
    let first = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_none());
    assert_eq!(first.count(), 1, "one answer is the first, all others are replays");
}

async fn a_hundred_clients_with_one_key_reach_the_upstream_once(backend: Backend) {
    let shop = Upstream::listen(Play::Hold).await.expect("a port");
    shop.say("{\"sold\": \"pen\"}".to_owned());
    let file = settings(&shop);
    let stack = Stack::builder(backend).gateway_file(file.path()).start().await;
    let ann = stack.register("ann").await.client;
    let buyers = join_all((0..100).map(|_| buy(&ann, STRICT, "one")));
    let (answers, ()) = tokio::join!(buyers, async {
        wait_until("the first is there", LIMIT, async || (shop.held() == 1).then_some(())).await;
        shop.play(Play::Answer(201));
    });
    once(&answers);
    assert_eq!(sales(&shop), 1);
    let cap = ann.call(Method::POST, STRICT).key("one").json(json!({"item": "cap"})).send().await;
    cap.problem(422, "idempotency_key_reused");
    let bob = stack.register("bob").await.client;
    assert_eq!(buy(&bob, STRICT, "one").await.expect(201).header("idempotent-replayed"), None, "his own key");
    assert_eq!(sales(&shop), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_are_one() {
    let shop = Upstream::listen(Play::Hold).await.expect("a port");
    let file = settings(&shop);
    let mut stack = Stack::builder(Backend::Real).gateway_file(file.path()).start().await;
    let ann = stack.register("ann").await.client;
    let other = Another::beside(&mut stack, &file).await;
    let elsewhere = other.client.with_token(ann.token().expect("signed in"));
    let buyers = join_all((0..100).map(|nth| buy(if nth % 2 == 0 { &ann } else { &elsewhere }, STRICT, "one")));
    let (answers, ()) = tokio::join!(buyers, async {
        wait_until("the first is there", LIMIT, async || (shop.held() == 1).then_some(())).await;
        shop.play(Play::Answer(201));
    });
    once(&answers);
    assert_eq!(sales(&shop), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_killed_in_flight_leaves_a_question_and_no_second_sale() {
    let shop = Upstream::listen(Play::Hold).await.expect("a port");
    let file = settings(&shop);
    let mut stack = Stack::builder(Backend::Real).gateway_file(file.path()).start().await;
    let ann = stack.register("ann").await.client;
    let mut other = Another::beside(&mut stack, &file).await;
    let elsewhere = other.client.with_token(ann.token().expect("signed in"));
    for path in [STRICT, LENIENT] {
        let elsewhere = elsewhere.clone();
        tokio::spawn(async move {
            elsewhere.call(Method::POST, path).key("k").json(json!({"item": "pen"})).try_send().await.map(drop)
        });
    }
    wait_until("both are there", LIMIT, async || (shop.held() == 2).then_some(())).await;
    other.child.kill().expect("it is killed");
    shop.play(Play::Answer(201));
    let claimed =
        [(409, Some("idempotency_in_progress".to_owned())), (409, Some("idempotency_outcome_unknown".to_owned()))];
    wait_until("the claim has lapsed", LIMIT, async || {
        let answer = buy(&ann, STRICT, "k").await;
        assert!(claimed.contains(&(answer.status, answer.code())), "{answer}");
        (answer.code().as_deref() == Some("idempotency_outcome_unknown")).then_some(())
    })
    .await;
    assert_eq!(sales(&shop), 2);
    let sold = wait_until("the other route sells once more", LIMIT, async || {
        let answer = buy(&ann, LENIENT, "k").await;
        (answer.code().as_deref() != Some("idempotency_in_progress")).then_some(answer)
    })
    .await;
    assert_eq!(sold.expect(201).header("idempotent-replayed"), None);
    assert_eq!((buy(&ann, LENIENT, "k").await.must("idempotent-replayed"), sales(&shop)), ("true", 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_nothing_is_sold_unprotected_unless_the_route_says_so() {
    let mut ground = Ground::lay(Backend::Real).await.expect("a back-end");
    if let Some(shared) = ground.redis.replace(Redis::own().await.expect("a redis-server")) {
        shared.release().await.expect("the lease is given back");
    }
    let shop = Upstream::listen(Play::Hold).await.expect("a port");
    let file = settings(&shop);
    let mut stack = Stack::builder(Backend::Real).gateway_file(file.path()).start_on(ground).await;
    let ann = stack.register("ann").await.client;
    let other = Another::beside(&mut stack, &file).await;
    let elsewhere = other.client.with_token(ann.token().expect("signed in"));

    // Redis dies while the first request runs: its answer is given, known here, and written down later.
    let (first, ()) = tokio::join!(buy(&ann, STRICT, "during"), async {
        wait_until("it is there", LIMIT, async || (shop.held() == 1).then_some(())).await;
        stack.redis().kill().expect("our own server");
        shop.play(Play::Answer(201));
    });
    drop(first.expect(201));
    assert_eq!(buy(&ann, STRICT, "during").await.expect(201).must("idempotent-replayed"), "true");

    for (client, key) in [(&ann, "down"), (&elsewhere, "during")] {
        let refused = buy(client, STRICT, key).await;
        refused.problem(503, "idempotency_unavailable");
        assert_eq!(refused.must("retry-after"), "1");
    }
    assert_eq!(sales(&shop), 1);
    for _ in 0..2 {
        assert_eq!(buy(&ann, LENIENT, "risk").await.status, 201);
    }
    stack.redis().revive().await.expect("our own server");
    let url = stack.redis().url.clone();
    wait_until("what was sold is written down", LIMIT, async || {
        let mut redis = redis::Client::open(url.as_str()).ok()?.get_multiplexed_async_connection().await.ok()?;
        let keys: Vec<String> = redis::cmd("KEYS").arg("*:idempotency:*").query_async(&mut redis).await.ok()?;
        (keys.len() == 2).then_some(())
    })
    .await;
    let again = wait_until("the other gateway sees Redis again", LIMIT, async || {
        let answer = buy(&elsewhere, STRICT, "during").await;
        (answer.code().as_deref() != Some("idempotency_unavailable")).then_some(answer)
    })
    .await;
    assert_eq!(again.expect(201).must("idempotent-replayed"), "true");
    wait_until("keys are kept again", LIMIT, async || (buy(&ann, STRICT, "down").await.status == 201).then_some(()))
        .await;
}
