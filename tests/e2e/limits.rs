//! Rate limits are exact under concurrency, in memory and in Redis, and every answer says where its caller stands.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::future::join_all;
use serde_json::json;
use shared::clock::Clock;
use shared::store::Stores;
use tests::client::{Answer, Client};
use tests::faults::{Fault, Proxy};
use tests::stack::{Builder, Service};
use tests::{Backend, Stack, wait_until};

journeys!(
    ten_of_two_hundred_users_calls,
    ten_of_two_hundred_sign_ins,
    clients_are_no_sign_ins,
    probes_are_not_counted,
    limits_are_announced
);

const LIMIT: Duration = Duration::from_secs(20);

/// Every policy is wide but the one named.
pub fn limited(backend: Backend, narrow: &str, quota: u32) -> Builder {
    Stack::builder(backend).set(Service::Gateway, "rate_limit.enabled", true).set(
        Service::Gateway,
        "rate_limit.policies",
        policies(narrow, quota),
    )
}

fn policies(narrow: &str, quota: u32) -> String {
    let policy = |(name, key): (&str, &str)| {
        let quota = if name == narrow { quota } else { 100_000 };
        format!(r#"{{ name = "{name}", key = "{key}", quota = {quota}, window = "1h", burst = {quota} }}"#)
    };
    let names =
        [("address", "address"), ("user", "user"), ("staff", "user"), ("admin", "user"), ("sign_in", "address")];
    format!("[{}]", names.map(policy).join(", "))
}

/// Ten passed, and all others were told when to come again.
fn exactly_ten(answers: &[Answer], passing: u16) {
    let passed = answers.iter().filter(|answer| answer.status == passing).count();
    for refused in answers.iter().filter(|answer| answer.status != passing) {
        refused.problem(429, "rate_limited");
        assert!(refused.must("ratelimit").contains("r=0"), "{refused}");
    }
    assert_eq!((passed, answers.len()), (10, 200));
}

async fn ten_of_two_hundred_users_calls(backend: Backend) {
    let stack = limited(backend, "user", 10).start().await;
    let (ann, bob) = (stack.register("ann").await.client, stack.register("bob").await.client);
    let calls = (0..200).map(|_| {
        let client = ann.clone();
        tokio::spawn(async move { client.get("/api/v1/users/me").await })
    });
    let answers: Vec<_> = join_all(calls).await.into_iter().map(|answer| answer.expect("the client runs")).collect();
    exactly_ten(&answers, 200);
    assert_eq!(bob.get("/api/v1/users/me").await.status, 200, "another user has a counter of their own");
}

async fn ten_of_two_hundred_sign_ins(backend: Backend) {
    let stack = limited(backend, "sign_in", 10).start().await;
    let visitor = stack.client();
    let answers = join_all((0..200).map(|_| visitor.password_grant("nobody@example.com", "not the password 1"))).await;
    exactly_ten(&answers, 400);
    assert_eq!(visitor.get("/api/v1/users/me").await.status, 401, "other routes have room");
}

async fn clients_are_no_sign_ins(backend: Backend) {
    // One of the four is the administrator's.
    let stack = limited(backend, "sign_in", 4).start().await;
    let (root, visitor) = (stack.administrator().await.client, stack.client());
    let body = json!({"name": "Machine", "grant_types": ["client_credentials"], "scopes": ["accounts:read"]});
    let made = root.post("/api/v1/clients", body).await.expect(201);
    let by = |secret: &str, body: &'static str| {
        let basic = BASE64_STANDARD.encode(format!("{}:{secret}", made.text("/id")));
        let call = visitor.call(reqwest::Method::POST, "/api/v1/auth/token");
        let call = call.body("application/x-www-form-urlencoded", body);
        call.header("authorization", &format!("Basic {basic}")).send()
    };
    let (own, password) = ("grant_type=client_credentials", "grant_type=password&username=nobody&password=x");
    let secret = made.text("/secret");
    let given = join_all((0..40).map(|_| by(&secret, own))).await;
    assert!(
        given.iter().all(|answer| answer.status == 200),
        "{:?}",
        given.iter().map(|a| a.status).collect::<Vec<_>>()
    );
    // Whoever says that they are a client tries no passwords, and who is none signs in as seldom as ever.
    for _ in 0..5 {
        by("made up", password).await.problem(400, "unauthorized_client");
    }
    let answers = join_all((0..20).map(|_| visitor.password_grant("nobody", "not the password 1"))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 400).count(), 3, "clients have used up nothing of it");
}

async fn probes_are_not_counted(backend: Backend) {
    let stack = limited(backend, "address", 5).start().await;
    let visitor = stack.client();
    for _ in 0..10 {
        for path in ["/livez", "/readyz", "/openapi.json"] {
            assert_ne!(visitor.get(path).await.status, 429, "{path}");
        }
        let preflight =
            visitor.call(reqwest::Method::OPTIONS, "/api/v1/users").header("origin", "https://app.example.com");
        assert_ne!(preflight.header("access-control-request-method", "POST").send().await.status, 429);
    }
}

async fn limits_are_announced(backend: Backend) {
    let stack = limited(backend, "user", 3).start().await;
    let ann = stack.register("ann").await.client;
    for left in ["r=2", "r=1", "r=0"] {
        let answer = ann.get("/api/v1/users/me").await.expect(200);
        let (limit, policy) = (answer.must("ratelimit"), answer.must("ratelimit-policy"));
        assert!(limit.contains("\"user\"") && limit.contains(left), "{limit}");
        assert!(policy.contains("\"user\"") && policy.contains("q=3") && policy.contains("w=3600"), "{policy}");
    }
    let refused = ann.get("/api/v1/users/me").await;
    refused.problem(429, "rate_limited");
    let wait: u64 = refused.must("retry-after").parse().expect("whole seconds");
    assert!((1..=1_200).contains(&wait), "a third of the window frees one: {wait}");
}

/// One more gateway beside a stack's, on its services and its Redis.
async fn another_gateway(stack: &mut Stack, policies: &str) -> Client {
    let env = [
        ("SERVICES__USERS__URL", format!("http://{}", stack.users)),
        ("SERVICES__ACCOUNTS__URL", format!("http://{}", stack.accounts)),
        ("IDENTITY__SECRET", stack.assertion_secret.clone()),
        ("REDIS__URL", stack.redis().url.clone()),
        ("RATE_LIMIT__POLICIES", policies.to_owned()),
    ];
    let env: Vec<_> = env.into_iter().map(|(key, value)| (format!("TOLLGATE_GATEWAY__{key}"), value)).collect();
    let config = gateway::Config::load(None, &env).expect("a configuration");
    let clock = Clock::system();
    let deps = gateway::Deps {
        stores: Stores::redis(config.redis.url.expose(), clock.clone()).await.expect("an address"),
        clock,
        log: shared::telemetry::LogLevel::default(),
        source: gateway::reload::Source { file: None, env, look: gateway::reload::LOOK },
    };
    let listen = || TcpListener::bind("127.0.0.1:0").expect("a port");
    let service = gateway::build(config, deps, listen(), listen()).await.expect("it starts");
    let (client, operator) = (Client::new(service.addr), Client::new(service.admin_addr));
    tokio::spawn(service.run());
    wait_until("the other gateway is ready", LIMIT, async || {
        (operator.get("/readyz").await.status == 200).then_some(())
    })
    .await;
    client
}

/// Two gateways, each with more load than the limit, under the product's own ten milliseconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_on_one_redis_give_no_more_than_one() {
    const PER_SECOND: u32 = 20;
    let quota = PER_SECOND * 3_600;
    let policies = policies("user", quota).replace(&format!("burst = {quota} "), "burst = 20 ");
    let builder = limited(Backend::Real, "user", quota).set(Service::Gateway, "rate_limit.policies", &policies);
    let mut stack = builder.start().await;
    let other = another_gateway(&mut stack, &policies).await;
    let ann = stack.register("ann").await.client;
    let gateways = [ann.clone(), other.with_token(ann.token().expect("she is signed in"))];
    let start = Instant::now();
    let calls = gateways.into_iter().cycle().take(8).map(|gateway| {
        tokio::spawn(async move {
            let mut passed = 0_u32;
            while start.elapsed() < Duration::from_secs(6) {
                passed += u32::from(gateway.get("/api/v1/users/me").await.status == 200);
            }
            passed
        })
    });
    let passed: u32 = join_all(calls).await.into_iter().map(|passed| passed.expect("the client runs")).sum();
    let seconds = u32::try_from(start.elapsed().as_millis().div_ceil(1_000)).expect("a few");
    let may = 20 + PER_SECOND * seconds;
    assert!(passed <= may + may / 100, "{passed} of {may}");
    assert!(passed >= PER_SECOND * 5, "and what is there is given: {passed} of {may}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_holds_nobody_up_and_the_limit_is_one_limit_all_along() {
    let proxy = Proxy::listen().await.expect("a port");
    let stack = limited(Backend::Real, "user", 30).redis_behind(&proxy).start().await;
    let ann = stack.register("ann").await.client;
    let mine = async || ann.get("/api/v1/users/me").await;
    let mut passed = 0;
    for _ in 0..10 {
        passed += u32::from(mine().await.status == 200);
    }
    proxy.set(Fault::Hang);
    let mut waits = Vec::new();
    for _ in 0..60 {
        let start = Instant::now();
        let answer = mine().await;
        passed += u32::from(answer.status == 200);
        if answer.status == 429 {
            waits.push(start.elapsed());
        }
    }
    assert_eq!(passed, 30, "what was left, and no more");
    waits.sort_unstable();
    assert!(waits[waits.len() / 2] < Duration::from_millis(10), "whoever is refused waits for nobody: {waits:?}");
    assert!(stack.metric("tollgate_gateway_rate_limit_degraded_total").await > Some(0.0));
    proxy.set(Fault::None);
    wait_until("Redis decides again", LIMIT, async || {
        let alone = stack.metric("tollgate_gateway_rate_limit_alone").await;
        (alone == Some(0.0)).then_some(())
    })
    .await;
    mine().await.problem(429, "rate_limited");
}
