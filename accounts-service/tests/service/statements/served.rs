//! Statements over HTTP: any window in any form is what posted in it, and nobody else's business.

use std::rc::Rc;

use accounts_service::statements::Format;
use serde_json::{Value, json};
use shared::clock::{self, Clock};
use shared::domain::Role;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::forms::{FORMATS, read_back};
use crate::client::{someone, user};
use crate::on_both;
use crate::stack::Stack;

on_both!(
    every_window_is_what_posted_in_it,
    a_window_that_has_passed_keeps_its_bytes,
    what_a_client_may_ask_for,
    what_is_refused,
);

/// Two accounts, the first of which has paid and received `times` times.
async fn busy(stack: &Stack, who: &shared::auth::User, times: i64) -> (String, Vec<Value>) {
    let account = stack.client.funded(who, 1_000_000).await;
    let other = stack.client.funded(who, 1_000_000).await;
    for n in 0..times {
        let (debit, credit) = if n % 3 == 0 { (&other, &account) } else { (&account, &other) };
        let order = json!({
            "debit_account_id": debit, "credit_account_id": credit, "amount": 7 * n + 1, "currency": "USD",
            "description": format!("No. {n} <&> “ü”"), "external_ref": format!("ref-{n}"),
        });
        stack.client.transfer(who, &format!("{account}-{n}"), &order).await.expect(201);
    }
    let list = stack.client.get(who, &format!("/api/v1/accounts/{account}/entries?limit=100")).await.expect(200).json();
    (account, list["data"].as_array().unwrap().clone())
}

fn micros(instant: &Value) -> i64 {
    clock::to_micros(OffsetDateTime::parse(instant.as_str().unwrap(), &Rfc3339).unwrap())
}

fn instant(micros: i64) -> String {
    clock::rfc3339(clock::from_micros(micros))
}

async fn every_window_is_what_posted_in_it(stack: Rc<Stack>) {
    let who = user();
    let (account, entries) = busy(&stack, &who, 40).await;
    let times: Vec<i64> = entries.iter().map(|entry| micros(&entry["posted_at"])).collect();
    let usd = "USD".parse().unwrap();
    let mut seed: usize = 0x9e37_79b9;
    let mut pick = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // At an entry's instant, just before it and just after it.
        times[(seed >> 33) % times.len()] + ((seed >> 20) % 3) as i64 - 1
    };
    for round in 0..40 {
        let (one, other) = (pick(), pick());
        let (from, to) = (one.min(other), one.max(other));
        let within = |at: i64| from <= at && at < to;
        let wanted: Vec<_> =
            entries.iter().zip(&times).filter(|(_, at)| within(**at)).map(|(entry, _)| entry).collect();
        let before = times.iter().filter(|at| **at < from).count();
        let opening = before.checked_sub(1).map_or(0, |last| entries[last]["balance_after"].as_i64().unwrap());
        let format = FORMATS[round % 4];
        let version = if round % 8 < 4 { "v1" } else { "v2" };
        let path = format!(
            "/api/{version}/accounts/{account}/statement?from={}&to={}&format={}",
            instant(from),
            instant(to),
            format.word()
        );
        let answer = stack.client.get(&who, &path).await.expect(200);
        assert_eq!(answer.header("content-type"), Some(format.media_type()));
        let read = read_back(&answer.bytes, format, usd);
        assert!(read.adds_up(), "{path}");
        assert_eq!(read.opening, opening, "{path}");
        let amounts: Vec<_> = wanted.iter().map(|entry| entry["amount"].as_i64().unwrap()).collect();
        assert_eq!(read.lines.iter().map(|(amount, _)| *amount).collect::<Vec<_>>(), amounts, "{path}");
        if format != Format::Pdf && !read.texts.is_empty() {
            let (description, reference) = &read.texts[0];
            assert!(description.as_ref().is_none_or(|text| text.ends_with("<&> “ü”")), "{description:?}");
            assert_eq!(description.is_some(), reference.is_some());
        }
    }
    let whole = stack.client.get(&who, &format!("/api/v1/accounts/{account}/statement")).await.expect(200).json();
    assert_eq!((&whole["opening_balance"], &whole["entry_count"]), (&json!(0), &json!(entries.len())));
    assert_eq!(whole["closing_balance"], entries.last().unwrap()["balance_after"]);
    assert_eq!(whole["entries"][3]["transfer_id"], entries[3]["transfer_id"]);
    assert_eq!(stack.client.balance(&who, &account).await, whole["closing_balance"].as_i64().unwrap());
}

async fn a_window_that_has_passed_keeps_its_bytes(stack: Rc<Stack>) {
    let who = user();
    let (account, entries) = busy(&stack, &who, 5).await;
    let other = stack.client.open(&who, "user").await;
    // Up to a moment that nothing has posted at yet: from here on nothing can.
    let to = Clock::system().now_micros();
    for (round, format) in FORMATS.into_iter().enumerate() {
        let query = format!("from={}&to={}&format={}", instant(0), instant(to), format.word());
        let path = format!("/api/v1/accounts/{account}/statement?{query}");
        let first = stack.client.get(&who, &path).await.expect(200);
        let pay = json!({"debit_account_id": account, "credit_account_id": other, "amount": 1, "currency": "USD"});
        stack.client.transfer(&who, &format!("later-{round}"), &pay).await.expect(201);
        let second = stack.client.get(&who, &path).await.expect(200);
        assert_eq!(first.bytes, second.bytes, "{format:?}");
        assert_eq!(first.header("etag"), second.header("etag"));
        let lines = read_back(&second.bytes, format, "USD".parse().unwrap()).lines.len();
        assert_eq!(lines, entries.len());
        let unchanged = [("if-none-match", first.header("etag").unwrap())];
        assert!(stack.client.raw(&who, "GET", &path, &unchanged, None).await.expect(304).bytes.is_empty());
        let other = path.replace("from=1970", "from=1971");
        stack.client.raw(&who, "GET", &other, &unchanged, None).await.expect(200);
    }
}

async fn what_a_client_may_ask_for(stack: Rc<Stack>) {
    let who = user();
    let (account, _) = busy(&stack, &who, 2).await;
    let path = |format: &str| format!("/api/v1/accounts/{account}/statement?to=2026-01-01T00:00:00Z&format={format}");
    for (format, way, extension) in [
        ("json", "inline", "json"),
        ("csv", "attachment", "csv"),
        ("camt053", "attachment", "xml"),
        ("pdf", "attachment", "pdf"),
    ] {
        let answer = stack.client.get(&who, &path(format)).await.expect(200);
        let name = answer.header("content-disposition").unwrap().to_owned();
        assert!(
            name.starts_with(&format!("{way}; filename=\"statement-{account}-2026-01-01-2026-01-01.{extension}\"")),
            "{name}"
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let head = stack.client.raw(&who, "HEAD", &path(format), &[], None).await.expect(200);
        assert!(head.bytes.is_empty());
        for header in ["etag", "content-type", "content-disposition"] {
            assert_eq!(head.header(header), answer.header(header), "{header}");
        }
        // The form is what `format` says; whoever does not take it is told so.
        let essence = answer.header("content-type").unwrap().split(';').next().unwrap();
        for (accept, status) in [(essence, 200), ("*/*", 200), ("image/png", 406)] {
            let asked = stack.client.raw(&who, "GET", &path(format), &[("accept", accept)], None).await;
            assert_eq!(asked.status, status, "{format} {accept}");
        }
        stack.client.raw(&who, "GET", &path(format), &[("if-match", "\"0\"")], None).await.expect(412);
    }
}

async fn what_is_refused(stack: Rc<Stack>) {
    let who = user();
    let (account, _) = busy(&stack, &who, 1).await;
    let get = async |who, path: &str| {
        let answer = stack.client.get(who, &format!("/api/v1/accounts/{account}/statement{path}")).await;
        (answer.status, answer.code())
    };
    for (query, status, code) in [
        ("?from=yesterday", 400, "malformed_query"),
        ("?to=2026-11-01", 400, "malformed_query"),
        ("?from=2026-01-01T00:00:00Z&from=2026-01-01T00:00:00Z", 400, "malformed_query"),
        ("?format=xlsx", 422, "validation_failed"),
        ("?format=", 422, "validation_failed"),
        ("?until=2026-01-01T00:00:00Z", 422, "validation_failed"),
        ("?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", 422, "validation_failed"),
        ("?to=2999-01-01T00:00:00Z", 422, "validation_failed"),
        ("?from=2999-01-01T00:00:00Z", 422, "validation_failed"),
        ("?from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59Z", 422, "validation_failed"),
        ("?from=0000-01-01T00:00:00Z&to=0000-01-01T00:00:00Z", 200, ""),
        ("?from=2026-01-01T00:00:00%2B01:00&to=2026-01-01T00:00:00Z", 200, ""),
    ] {
        assert_eq!(get(&who, query).await, (status, code.to_owned()), "{query}");
    }
    // Another's is as absent as none; whoever may see all accounts may see what happened on them.
    let (stranger, support) = (user(), someone(&[Role::User, Role::Support]));
    assert_eq!(get(&stranger, "").await, (404, "not_found".to_owned()));
    assert_eq!(get(&support, "").await.0, 200);
    let nobodys = "/api/v1/accounts/01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11/statement";
    stack.client.get(&who, nobodys).await.expect(404);
    let path = format!("/api/v1/accounts/{account}/statement");
    stack.client.raw(&who, "POST", &path, &[], None).await.expect(405);
}
