//! A half-open breaker lets exactly its probes through, however many knock.

use std::time::Duration;

use futures_util::future::join_all;
use tests::faults::{Play, Upstream};
use tests::stack::Service;
use tests::{Backend, Stack, wait_until};

journeys!(five_hundred_at_the_half_open_instant, an_open_breaker_answers_at_once);

const PROBES: usize = 3;
const LIMIT: Duration = Duration::from_secs(20);
const PATH: &str = "/api/v1/accounts";

async fn behind_a_breaker(backend: Backend, upstream: &Upstream, open_for: &str) -> Stack {
    Stack::builder(backend)
        .accounts_at(upstream.addr)
        .set(Service::Gateway, "breaker.consecutive_failures", 5)
        .set(Service::Gateway, "breaker.failure_percent", 0)
        .set(Service::Gateway, "breaker.open_for", open_for)
        .set(Service::Gateway, "breaker.open_at_most", open_for)
        .set(Service::Gateway, "breaker.jitter_percent", 0)
        .set(Service::Gateway, "breaker.probes", PROBES)
        .set(Service::Gateway, "documents.enabled", false)
        .start()
        .await
}

/// Requests of clients, not the gateway's own looks at the upstream's health.
fn reached(upstream: &Upstream) -> usize {
    upstream.requests().iter().filter(|request| request.line.contains("/api/")).count()
}

async fn five_hundred_at_the_half_open_instant(backend: Backend) {
    let upstream = Upstream::listen(Play::Answer(500)).await.expect("a port");
    let stack = behind_a_breaker(backend, &upstream, "1s").await;
    let ann = stack.register("ann").await.client;
    wait_until("the breaker opens", LIMIT, async || (ann.get(PATH).await.status == 503).then_some(())).await;

    upstream.play(Play::Hold);
    let before = reached(&upstream);
    // Waves without a pause: one of them is there when the breaker half-opens, and its probes are held. It may have been
    // nearly over by then, so that the next one has the other probes; and one more finds no place left.
    let mut waiting = Vec::new();
    let mut is_last = false;
    while !is_last {
        is_last = reached(&upstream) - before == PROBES;
        waiting.extend((0..500).map(|_| {
            let client = ann.clone();
            tokio::spawn(async move { client.get(PATH).await })
        }));
        let refused = async || (waiting.iter().filter(|call| !call.is_finished()).count() <= PROBES).then_some(());
        wait_until("all but the probes are refused", LIMIT, refused).await;
    }
    assert_eq!(reached(&upstream) - before, PROBES);
    upstream.play(Play::Answer(200));
    let answers = join_all(waiting).await;
    let (mut passed, mut refused) = (0, 0);
    for answer in answers {
        match answer.expect("the client runs") {
            answer if answer.status == 200 => passed += 1,
            answer => {
                answer.problem(503, "upstream_unavailable");
                refused += 1;
            }
        }
    }
    assert_eq!((passed, refused % 500), (PROBES, 500 - PROBES));
    wait_until("good probes close it", LIMIT, async || (ann.get(PATH).await.status == 200).then_some(())).await;
}

async fn an_open_breaker_answers_at_once(backend: Backend) {
    let upstream = Upstream::listen(Play::Answer(500)).await.expect("a port");
    let stack = behind_a_breaker(backend, &upstream, "5m").await;
    let ann = stack.register("ann").await.client;
    for _ in 0..5 {
        drop(ann.get(PATH).await.expect(500));
    }
    let before = reached(&upstream);
    for _ in 0..20 {
        let refused = ann.get(PATH).await;
        refused.problem(503, "upstream_unavailable");
        let wait: u64 = refused.must("retry-after").parse().expect("whole seconds");
        assert!((1..=300).contains(&wait), "{wait}");
    }
    assert_eq!(reached(&upstream), before, "an open breaker calls nobody");
    assert_eq!(
        stack.register("bob").await.client.get("/api/v1/users/me").await.status,
        200,
        "the other upstream has its own"
    );
}
