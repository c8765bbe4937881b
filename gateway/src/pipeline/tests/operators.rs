//! What operators see and switch while the gateway runs.

use serde_json::{Value, json};

use super::harness::*;
use super::stub::{Reply, Stub, ok};

impl Gate {
    fn admin(&self, path: &str) -> String {
        format!("http://{}/admin/api/{path}", self.admin)
    }

    async fn view(&self, path: &str) -> Value {
        self.client.get(self.admin(path)).send().await.unwrap().json().await.unwrap()
    }

    pub async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.client.put(self.admin(path)).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

#[tokio::test]
async fn a_breaker_is_held_open_and_let_go() {
    let stub = Stub::start(|_, _| ok("")).await;
    let gate = Gate::start(stub.addr, "").await;
    let (status, view) = gate.put("breakers/raw", &json!({"forced": "open"})).await;
    assert_eq!((status, &view["state"], &view["forced"]), (200, &json!("open"), &json!("open")));
    assert_eq!(gate.get("/api/t/x").await.status(), 503);
    assert_eq!(stub.calls(), 0);
    gate.put("breakers/raw", &json!({"forced": null})).await;
    assert_eq!(gate.get("/api/t/x").await.status(), 200);
    assert_eq!(gate.put("breakers/nobody", &json!({"forced": "open"})).await.0, 404);
    for wrong in [json!({"forced": "ajar"}), json!({"forced": "open", "more": 1}), json!([])] {
        let (status, problem) = gate.put("breakers/raw", &wrong).await;
        assert!(matches!(status, 400 | 422), "{problem}");
    }
}

#[tokio::test]
async fn what_failed_last_can_be_looked_up() {
    let stub = Stub::start(|_, head| if head.contains("/cut") { Reply::Cut } else { Reply::With(500, "") }).await;
    let gate = Gate::start(stub.addr, "").await;
    let first = gate.get("/api/t/own?secret=1").await;
    let id = first.headers()["x-request-id"].to_str().unwrap().to_owned();
    gate.get("/api/t/cut").await;
    gate.get("/nothing").await;
    let errors = gate.view("errors").await;
    let errors = errors["data"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert_eq!((&errors[0]["path"], &errors[0]["code"]), (&json!("/api/t/cut"), &json!("bad_gateway")));
    assert_eq!((&errors[1]["path"], &errors[1]["code"]), (&json!("/api/t/own"), &Value::Null));
    assert_eq!((&errors[1]["request_id"], &errors[1]["upstream"]), (&json!(id), &json!("raw")));
}

#[tokio::test]
async fn an_error_names_who_was_really_asked() {
    let (main, canary) =
        (Stub::start(|_, _| Reply::With(500, "")).await, Stub::start(|_, _| Reply::With(500, "")).await);
    let both = format!(
        "{{ name = \"raw\", url = \"http://{}\" }}, {{ name = \"canary\", url = \"http://{}\" }}",
        main.addr, canary.addr
    );
    let route = "[[routes]]\npath = \"/api/t/split\"\nupstream = \"raw\"\nauth = \"none\"\n\
                 split = [{ upstream = \"canary\", header = \"X-Canary: yes\" }]\n";
    let gate = Gate::among(&both, route).await;
    for value in ["yes", "no"] {
        gate.client.get(gate.url("/api/t/split")).header("x-canary", value).send().await.unwrap();
    }
    let errors = gate.view("errors").await;
    assert_eq!((&errors["data"][0]["upstream"], &errors["data"][1]["upstream"]), (&json!("raw"), &json!("canary")));
}

#[tokio::test]
async fn the_table_of_routes_is_shown_whole() {
    let rows = "[[routes]]\nhost = \"shop.example\"\npath = \"/api/shop/{id}\"\nmethods = [\"GET\", \"POST\"]\nupstream = \"raw\"\n\
                priority = \"high\"\ncost = 3\nbody = 4096\ncost_bytes = 1024\nwebsocket = true\nvalidate = \"report\"\nidempotency = \"edge\"\nkey_required = true\n\
                compress = false\ninvalidates = [\"goods\"]\nmirror = { upstream = \"users\", percent = 7 }\ntimeout = \"2s\"\n";
    let gate = Gate::start(dead().await, rows).await;
    let view = gate.view("routes").await;
    let of = |path: &str| view["data"].as_array().unwrap().iter().find(|row| row["path"] == path).unwrap().clone();
    let (shop, plain) = (of("/api/shop/{id}"), of("/api/t/**"));
    for (key, value, otherwise) in [
        ("host", json!("shop.example"), Value::Null),
        ("methods", json!(["GET", "POST"]), json!([])),
        ("upstream", json!("raw"), json!("raw")),
        ("auth", json!("required"), json!("none")),
        ("priority", json!("high"), Value::Null),
        ("cost", json!(3), json!(1)),
        ("cost_bytes", json!(1_024), Value::Null),
        ("websocket", json!(true), json!(false)),
        ("validate", json!("report"), json!("refuse")),
        ("compress", json!(false), json!(true)),
        ("invalidates", json!(["goods"]), json!([])),
        ("mirror", json!({"upstream": "users", "percent": 7}), Value::Null),
        ("timeout_ms", json!(2_000), json!(5_000)),
        ("certificate", Value::Null, Value::Null),
    ] {
        assert_eq!((&shop[key], &plain[key]), (&value, &otherwise), "{key}");
    }
    let keys = shop["idempotency"].as_str().unwrap();
    assert!(keys.starts_with("required, kept 86400s; a retry of an unknown outcome is refused"), "{keys}");
    assert!(plain["idempotency"].is_null());
}

#[tokio::test]
async fn the_limits_and_their_busiest_keys_are_shown() {
    let gate = Gate::start(dead().await, "").await;
    for _ in 0..5 {
        gate.get("/nothing").await;
    }
    let view = gate.view("limits").await;
    assert_eq!((&view["store"], &view["enabled"]), (&json!("memory"), &json!(true)));
    assert!(view["policies"].as_array().unwrap().iter().any(|policy| policy["name"] == "address"), "{view}");
}

#[tokio::test]
async fn a_log_filter_that_is_none_is_refused() {
    let gate = Gate::start(dead().await, "").await;
    assert_eq!(gate.put("log", &json!({"filter": "gateway=loudly"})).await.0, 422);
    assert_eq!(gate.put("log", &json!({"filter": "warn"})).await.0, 200);
}

#[tokio::test]
async fn the_token_is_asked_of_the_api_and_not_of_probes() {
    let gate = Gate::start(dead().await, "admin.token = \"a token of the operators\"").await;
    let ask = async |path: &str, token: &str| {
        let answer = gate.client.get(format!("http://{}{path}", gate.admin)).bearer_auth(token).send().await.unwrap();
        let problem = answer.headers().contains_key("www-authenticate");
        (answer.status().as_u16(), problem)
    };
    assert_eq!(ask("/admin/api/routes", "a token of the operators").await, (200, false));
    assert_eq!(ask("/admin/api/routes", "another").await, (401, true));
    for written in
        ["/%61dmin/api/routes", "/admin%2fapi/routes", "//admin/api/routes", "/admin/api/./routes", "/nothing"]
    {
        assert_eq!(ask(written, "another").await.0, 401, "{written}");
    }
    assert_eq!(ask("/livez", "").await, (200, false));
    assert_eq!(ask("/metrics", "").await, (200, false));
}
