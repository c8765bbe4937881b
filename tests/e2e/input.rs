//! Bad input, endpoint by endpoint: the contract's problem with the pointer of the member that is wrong.

use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{PASSWORD, fresh_key, newcomer};
use tests::{Backend, Stack};

journeys!(registering, passwords, opening_accounts, transfers);

/// `base` with one member changed; `null` in `change` is sent as null.
fn with(base: &Value, member: &str, value: Value) -> Value {
    let mut body = base.clone();
    body[member] = value;
    body
}

fn without(base: &Value, member: &str) -> Value {
    let mut body = base.clone();
    drop(body.as_object_mut().and_then(|body| body.remove(member)));
    body
}

async fn registering(backend: Backend) {
    let stack = Stack::start(backend).await;
    let visitor = stack.client();
    let good = newcomer("ann");
    let long = |count: usize| "x".repeat(count);
    let invalid: Vec<(&str, Value)> = [
        ("/email", json!("")),
        ("/email", json!("no at sign")),
        ("/email", json!("a@")),
        ("/email", json!("@example.com")),
        ("/email", json!("a b@example.com")),
        ("/email", json!("a@b@c.example")),
        ("/email", json!(format!("{}@example.com", long(400)))),
        ("/email", json!("a@-example.com")),
        ("/email", json!("a\n@example.com")),
        ("/email", json!("a@exa mple.com")),
        ("/username", json!("")),
        ("/username", json!("a b")),
        ("/username", json!("a@b")),
        ("/username", json!(long(300))),
        ("/username", json!("a\u{0}b")),
        ("/password", json!("short 1")),
        ("/password", json!("no digits in here")),
        ("/password", json!(format!("1{}", long(128)))),
        ("/password", json!("password123")),
        ("/password", json!("")),
        ("/name", json!("")),
        ("/name", json!(long(1_000))),
        ("/name", json!("a\u{0}b")),
        ("/phone", json!("")),
        ("/phone", json!("0123")),
        ("/phone", json!("+1")),
        ("/phone", json!("+1234567890123456")),
        ("/phone", json!("call me")),
    ]
    .into();
    for (pointer, value) in invalid {
        let answer = visitor.post("/api/v1/users", with(&good, &pointer[1..], value.clone())).await;
        assert_eq!(answer.status, 422, "{pointer} {value}: {answer}");
        answer.problem(422, "validation_failed");
        assert_eq!(answer.pointers(), [pointer], "{value}: {answer}");
    }
    for member in ["email", "username", "password"] {
        for body in [without(&good, member), with(&good, member, Value::Null)] {
            let answer = visitor.post("/api/v1/users", body).await;
            assert!([400, 422].contains(&answer.status) && answer.pointers() == [format!("/{member}")], "{answer}");
            drop(answer.is_problem());
        }
        for value in [json!(5), json!(true), json!([]), json!({})] {
            let answer = visitor.post("/api/v1/users", with(&good, member, value)).await;
            answer.problem(400, "malformed_body");
            assert_eq!(answer.pointers(), [format!("/{member}")]);
        }
    }
    for member in ["roles", "id", "status", "is_admin", "email_verified"] {
        let answer = visitor.post("/api/v1/users", with(&good, member, json!(["admin"]))).await;
        answer.problem(422, "validation_failed");
        assert_eq!(answer.pointers(), [format!("/{member}")]);
    }
    let several = visitor.post("/api/v1/users", json!({"email": "x", "username": "", "password": "1"})).await;
    several.problem(422, "validation_failed");
    let mut pointers = several.pointers();
    pointers.sort();
    pointers.dedup();
    assert_eq!(pointers, ["/email", "/password", "/username"], "all mistakes at once: {several}");
    drop(visitor.post("/api/v1/users", &good).await.expect(201));
}

async fn passwords(backend: Backend) {
    let stack = Stack::start(backend).await;
    let visitor = stack.client();
    let base = json!({"email": "marguerite@example.com", "username": "yourcenar", "name": "Hadrian Antinous"});
    for own in ["marguerite 1", "1 yourcenar 1", "YOURCENAR12", "antinous 123", "marguerite@example.com1"] {
        let answer = visitor.post("/api/v1/users", with(&base, "password", json!(own))).await;
        assert_eq!(answer.status, 422, "{own}: {answer}");
        assert_eq!(answer.pointers(), ["/password"], "{own}");
    }
    for (good, number) in [
        ("exactly te1", 1),
        (&format!("{}1", "y".repeat(127)), 2),
        ("пароль длинный 7", 3),
        ("  blanks kept 1  ", 4),
        ("🐎🔋📎🎷🐎🔋📎🎷🐎1", 5),
    ] {
        let (email, username) = (format!("p{number}@example.com"), format!("p{number}q"));
        drop(
            visitor
                .post("/api/v1/users", json!({"email": email, "username": username, "password": good}))
                .await
                .expect(201),
        );
        drop(visitor.password_grant(&email, good).await.expect(200));
        visitor.password_grant(&email, good.trim_end_matches(['1', '7', ' '])).await.problem(400, "invalid_grant");
    }
    visitor.password_grant("p1@example.com", &"z".repeat(10_000)).await.problem(400, "invalid_grant");
    assert_eq!(visitor.password_grant("p1@example.com", PASSWORD).await.status, 400);
}

async fn opening_accounts(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await.client;
    let good = json!({"name": "Everyday", "currency": "USD"});
    let cases = [
        ("/name", json!("")),
        ("/name", json!(" ")),
        ("/name", json!("x".repeat(101))),
        ("/name", json!("a\u{7}b")),
        ("/name", json!("a\u{0}b")),
        ("/currency", json!("")),
        ("/currency", json!("usd")),
        ("/currency", json!("XXX")),
        ("/currency", json!("US")),
        ("/currency", json!("💶")),
        ("/kind", json!("secret")),
        ("/owner_id", json!("me")),
        ("/balance", json!(1_000_000)),
        ("/floor", json!(-5)),
    ];
    for (pointer, value) in cases {
        let answer = ann.post("/api/v1/accounts", with(&good, &pointer[1..], value.clone())).await;
        assert_eq!(answer.status, 422, "{pointer} {value}: {answer}");
        answer.problem(422, "validation_failed");
        assert_eq!(answer.pointers(), [pointer], "{value}");
    }
    for member in ["name", "currency"] {
        let answer = ann.post("/api/v1/accounts", without(&good, member)).await;
        answer.problem(422, "validation_failed");
        assert_eq!(answer.pointers(), [format!("/{member}")]);
        ann.post("/api/v1/accounts", with(&good, member, json!(5))).await.problem(400, "malformed_body");
    }
    assert_eq!(ann.get("/api/v1/accounts").await.expect(200).int("/meta/total"), 0, "nothing half-written");
    for (currency, exponent) in [("JPY", 0), ("KWD", 3)] {
        assert_eq!(
            ann.post("/api/v1/accounts", with(&good, "currency", json!(currency))).await.expect(201).int("/exponent"),
            exponent
        );
    }
}

async fn transfers(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let (from, to) = (stack.account_with(&ann, 100).await, stack.account_with(&ann, 0).await);
    let good = json!({"debit_account_id": from, "credit_account_id": to, "amount": 1, "currency": "USD"});
    let send = async |body: &Value| {
        ann.client.call(Method::POST, "/api/v1/transfers").key(&fresh_key()).json(body).send().await
    };
    let cases = [
        ("/debit_account_id", json!("")),
        ("/debit_account_id", json!("not-an-id")),
        ("/credit_account_id", json!(from.replace('-', ""))),
        ("/credit_account_id", json!(format!("{{{from}}}"))),
        ("/currency", json!("usd")),
        ("/currency", json!("")),
        ("/description", json!("x".repeat(10_000))),
        ("/description", json!("a\u{0}b")),
        ("/external_ref", json!("x".repeat(1_000))),
        ("/external_ref", json!("")),
        ("/fee", json!(1)),
        ("/status", json!("posted")),
        ("/id", json!(from)),
    ];
    for (pointer, value) in cases {
        let answer = send(&with(&good, &pointer[1..], value.clone())).await;
        assert_eq!(answer.status, 422, "{pointer} {value}: {answer}");
        answer.problem(422, "validation_failed");
        assert_eq!(answer.pointers(), [pointer], "{value}");
    }
    for member in ["debit_account_id", "credit_account_id", "amount", "currency"] {
        let answer = send(&without(&good, member)).await;
        answer.problem(422, "validation_failed");
        assert_eq!(answer.pointers(), [format!("/{member}")]);
        for value in [json!(true), json!([1]), json!({"a": 1})] {
            send(&with(&good, member, value)).await.problem(400, "malformed_body");
        }
    }
    assert_eq!((ann.client.balance(&from).await, ann.client.balance(&to).await), (100, 0));
    drop(send(&good).await.expect(201));
}
