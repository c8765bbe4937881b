//! Rate limits as clients of a whole gateway meet them.

use super::harness::*;

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A gateway whose policy `few` lets three through, over an upstream that says yes to everything.
async fn gate(routes: &str, policy: &str) -> Gate {
    let upstream = Upstream::start().await;
    let addr = upstream.addr();
    tokio::spawn(async move {
        loop {
            let (mut stream, mut head) = upstream.accept().await;
            tokio::spawn(async move {
                while !head.is_empty() {
                    write(&mut stream, ANSWER).await;
                    head = read_head(&mut stream).await;
                }
            });
        }
    });
    let policy = format!("[[rate_limit.policies]]\nname = \"few\"\nquota = 3\nwindow = \"1h\"\n{policy}\n");
    Gate::start(addr, &format!("rate_limit.anonymous = []\nrate_limit.roles = []\n{policy}{routes}")).await
}

fn route(path: &str, more: &str) -> String {
    format!("[[routes]]\npath = \"{path}\"\nupstream = \"raw\"\nauth = \"none\"\nlimits = [\"few\"]\n{more}\n")
}

async fn statuses(gate: &Gate, paths: &[&str]) -> Vec<u16> {
    let mut statuses = Vec::new();
    for path in paths {
        statuses.push(gate.get(path).await.status().as_u16());
    }
    statuses
}

#[tokio::test]
async fn routes_share_a_counter_at_their_own_cost() {
    let routes = [route("/api/t/a", ""), route("/api/t/b", "cost = 2"), route("/api/t/free", "cost = 0")].concat();
    let gate = gate(&routes, "key = \"address\"").await;
    let free = gate.get("/api/t/free").await;
    assert_eq!(free.headers()["ratelimit"], "\"few\";r=3;t=0");
    assert_eq!(statuses(&gate, &["/api/t/b", "/api/t/b", "/api/t/a", "/api/t/a"]).await, [200, 429, 200, 429]);
    let free = gate.get("/api/t/free").await;
    assert_eq!((free.status().as_u16(), free.headers()["ratelimit"].to_str().unwrap()), (200, "\"few\";r=0;t=1200"));
}

#[tokio::test]
async fn a_route_may_have_counters_of_its_own() {
    let gate = gate(&[route("/api/t/a", ""), route("/api/t/b", "")].concat(), "key = \"all\"\nper_route = true").await;
    assert_eq!(statuses(&gate, &["/api/t/a"; 4]).await, [200, 200, 200, 429]);
    assert_eq!(statuses(&gate, &["/api/t/b"; 4]).await, [200, 200, 200, 429]);
}

#[tokio::test]
async fn a_header_tells_tenants_apart() {
    let gate = gate(&route("/api/t/a", ""), "key = \"header\"\nheader = \"x-tenant\"").await;
    let call = async |tenant: &str| {
        let call = gate.client.get(gate.url("/api/t/a")).header("x-tenant", tenant);
        within(call.send()).await.unwrap().status().as_u16()
    };
    for (tenant, status) in [("a", 200), ("a", 200), ("a", 200), ("a", 429), ("b", 200)] {
        assert_eq!(call(tenant).await, status, "{tenant}");
    }
}

#[tokio::test]
async fn a_shadow_is_seen_by_operators_only() {
    let gate = gate(&route("/api/t/a", ""), "key = \"address\"\nshadow = true").await;
    for _ in 0..5 {
        let answer = gate.get("/api/t/a").await;
        assert!(answer.status() == 200 && !answer.headers().contains_key("ratelimit"));
    }
    let metrics = gate.client.get(format!("http://{}/metrics", gate.admin)).send().await.unwrap().text().await.unwrap();
    for line in [
        "tollgate_gateway_rate_limit_decisions_total{policy=\"few\",decision=\"shadow_refused\"} 2",
        "tollgate_gateway_rate_limit_keys 1",
        "tollgate_gateway_rate_limit_alone 0",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
}
