//! Lists: pages that neither skip nor repeat while rows are being written, and filters that hold.

use std::collections::HashSet;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::client::{pay, someone, treasurer, user};
use crate::stack::Stack;
use crate::{on_both, on_two_processes};
use shared::domain::Role;

on_both!(
    cursors_neither_skip_nor_repeat_while_rows_are_written,
    transfers_are_filtered,
    accounts_are_paged,
    accounts_are_sorted_and_skipped,
    a_cursor_goes_on_only_in_its_own_list,
);

on_two_processes!(cursors_neither_skip_nor_repeat_while_rows_are_written,);

/// Walks a list to its end, a few rows at a time.
async fn walk(stack: &Stack, who: &shared::auth::User, path: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = stack.client.get(who, &format!("{path}limit=7{cursor}")).await.expect(200).json();
        rows.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["page"]["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => {
                assert_eq!(page["page"]["has_more"], false);
                return rows;
            }
        }
    }
}

async fn cursors_neither_skip_nor_repeat_while_rows_are_written(stack: Rc<Stack>) {
    let who = user();
    let from = stack.client.funded(&who, 1_000).await;
    let to = stack.client.open(&who, "user").await;
    let body = pay(&from, &to, 1);
    let write = async {
        for round in 0..10 {
            let keys: Vec<_> = (0..12).map(|n| format!("{round}-{n}")).collect();
            futures_util::future::join_all(keys.iter().map(|key| stack.client.transfer(&who, key, &body))).await;
        }
    };
    let read = async {
        let mut seen = Vec::new();
        for _ in 0..4 {
            let rows = walk(&stack, &who, &format!("/api/v1/accounts/{from}/entries?")).await;
            let seqs: Vec<_> = rows.iter().map(|row| row["seq"].as_i64().unwrap()).collect();
            assert!(seqs.iter().copied().eq(1..=i64::try_from(seqs.len()).unwrap()), "{seqs:?}");
            let newest = walk(&stack, &who, "/api/v1/transfers?").await;
            let ids: HashSet<_> = newest.iter().map(|row| row["id"].to_string()).collect();
            assert_eq!(ids.len(), newest.len());
            seen.push(walk(&stack, &who, "/api/v1/transfers?sort_order=asc&").await);
        }
        seen
    };
    let ((), seen) = futures_util::future::join(write, read).await;
    let whole = walk(&stack, &who, "/api/v2/transfers?sort_order=asc&").await;
    assert_eq!(whole.len(), 121);
    // What was read while rows were written is a beginning of what is there in the end.
    assert!(seen.iter().all(|rows| rows[..] == whole[..rows.len()]));
}

async fn transfers_are_filtered(stack: Rc<Stack>) {
    let (who, stranger, support) = (user(), user(), someone(&[Role::Support]));
    let from = stack.client.funded(&who, 100).await;
    let to = stack.client.open(&stranger, "user").await;
    let mut body = pay(&from, &to, 3);
    body["external_ref"] = "inv-7".into();
    let posted = stack.client.transfer(&who, "a", &body).await.expect(201).json();
    stack.client.transfer(&who, "b", &pay(&from, &to, 4)).await.expect(201);
    let count = async |who: &shared::auth::User, query: &str| {
        let page = stack.client.get(who, &format!("/api/v1/transfers?{query}")).await.expect(200).json();
        page["data"].as_array().unwrap().len()
    };
    assert_eq!(count(&who, "").await, 3);
    assert_eq!(count(&stranger, "").await, 2);
    assert_eq!(count(&user(), "").await, 0);
    assert_eq!(count(&support, "").await, 0);
    assert_eq!(count(&support, "scope=all").await, 3);
    assert_eq!(count(&who, "external_ref=inv-7").await, 1);
    assert_eq!(count(&user(), "external_ref=inv-7").await, 0);
    assert_eq!(count(&stranger, &format!("account_id={from}")).await, 0);
    assert_eq!(count(&support, &format!("account_id={to}&scope=all")).await, 2);
    assert_eq!(count(&who, "status=pending").await, 0);
    let at = posted["posted_at"].as_str().unwrap();
    assert_eq!(count(&who, &format!("from={at}")).await, 2);
    assert_eq!(count(&who, &format!("to={at}")).await, 1);
    assert_eq!(stack.client.get(&who, "/api/v1/transfers?scope=all").await.status, 403);
    assert_eq!(stack.client.get(&who, "/api/v1/transfers?acount_id=1").await.status, 422);
    assert_eq!(stack.client.get(&who, "/api/v1/transfers?cursor=zz").await.code(), "invalid_cursor");
    let path = format!("/api/v1/transfers/{}", posted["id"].as_str().unwrap());
    let shown = stack.client.get(&stranger, &path).await.expect(200);
    assert_eq!(shown.json(), posted);
    assert_eq!(stack.client.get(&user(), &path).await.code(), "not_found");
    let tag = shown.header("etag").unwrap().to_owned();
    assert_eq!(stack.client.raw(&who, "GET", &path, &[("if-none-match", &tag)], None).await.status, 304);
}

async fn accounts_are_paged(stack: Rc<Stack>) {
    let (who, officer) = (user(), treasurer());
    for _ in 0..5 {
        stack.client.open(&who, "user").await;
    }
    stack.client.open(&officer, "system").await;
    let page = stack.client.get(&who, "/api/v1/accounts?page=2&per_page=2").await.expect(200);
    assert_eq!(page.json()["meta"]["total"], 5);
    assert!(page.header("link").unwrap().contains("rel=\"next\""));
    assert_eq!(stack.client.get(&who, "/api/v1/accounts?scope=all").await.status, 403);
    let all = stack.client.get(&officer, "/api/v1/accounts?scope=all&kind=user").await.expect(200);
    assert_eq!(all.json()["meta"]["total"], 5);
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = stack.client.get(&who, &format!("/api/v2/accounts?limit=2{cursor}")).await.expect(200).json();
        rows.extend(page["data"].as_array().unwrap().iter().map(|row| row["id"].to_string()));
        let Some(next) = page["page"]["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(rows.iter().collect::<HashSet<_>>().len(), 5);
}

async fn accounts_are_sorted_and_skipped(stack: Rc<Stack>) {
    let who = user();
    // By name, by when they were opened and by balance they stand in three orders.
    for (name, balance) in [("b", 20), ("c", 10), ("a", 30)] {
        let account = stack.client.funded(&who, balance).await;
        let path = format!("/api/v1/accounts/{account}");
        let body = json!({"name": name}).to_string();
        stack.client.raw(&who, "PATCH", &path, &[], Some(body)).await.expect(200);
    }
    for (query, names) in [
        ("sort_by=name&sort_order=asc", "abc"),
        ("sort_by=name&sort_order=desc", "cba"),
        ("sort_by=balance&sort_order=asc", "cba"),
        ("sort_by=balance&sort_order=desc", "abc"),
        ("sort_by=created_at&sort_order=asc", "bca"),
        ("sort_by=created_at&sort_order=desc", "acb"),
        ("sort_by=name&sort_order=asc&skip=1&limit=1", "b"),
        ("sort_by=name&sort_order=asc&skip=2", "c"),
        ("sort_by=name&sort_order=asc&skip=3", ""),
    ] {
        let page = stack.client.get(&who, &format!("/api/v1/accounts?{query}")).await.expect(200).json();
        let found: String = page["data"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(found, names, "{query}");
        assert_eq!(page["meta"]["total"], 3);
    }
    assert_eq!(stack.client.get(&who, "/api/v1/accounts?sort_by=owner_id").await.status, 422);
}

async fn a_cursor_goes_on_only_in_its_own_list(stack: Rc<Stack>) {
    let (who, officer) = (user(), treasurer());
    let from = stack.client.funded(&who, 100).await;
    let to = stack.client.open(&who, "user").await;
    stack.client.transfer(&who, "a", &pay(&from, &to, 3)).await.expect(201);
    stack.client.transfer(&who, "b", &pay(&to, &from, 3)).await.expect(201);
    let entries = |of: &str| format!("/api/v1/accounts/{of}/entries?");
    let transfers = |filter: &str| format!("/api/v1/transfers?{filter}");
    let accounts = |filter: &str| format!("/api/v2/accounts?{filter}");
    let lists = [
        entries(&from),
        entries(&to),
        format!("{}sort_order=desc&", entries(&from)),
        transfers(""),
        transfers("sort_order=asc&"),
        transfers("status=posted&"),
        transfers(&format!("account_id={from}&")),
        transfers("from=2026-01-01T00:00:00Z&"),
        accounts(""),
        accounts("status=open&"),
        accounts("kind=user&"),
    ];
    for list in &lists {
        let page = stack.client.get(&who, &format!("{list}limit=1")).await.expect(200).json();
        let cursor = page["page"]["next_cursor"].as_str().unwrap().to_owned();
        for other in &lists {
            let next = stack.client.get(&who, &format!("{other}limit=1&cursor={cursor}")).await;
            if other == list {
                assert_ne!(next.expect(200).json()["data"], page["data"], "{list}");
            } else {
                assert_eq!(next.expect(400).code(), "invalid_cursor", "{list} -> {other}");
            }
        }
    }
    // Another's own list, and the list of all, are other lists; another version and another spelling are not.
    let mine = stack.client.get(&who, "/api/v1/transfers?limit=1").await.expect(200).json();
    let cursor = mine["page"]["next_cursor"].as_str().unwrap();
    for path in ["/api/v1/transfers?cursor=", "/api/v1/transfers?scope=all&cursor="] {
        assert_eq!(stack.client.get(&officer, &format!("{path}{cursor}")).await.expect(400).code(), "invalid_cursor");
    }
    stack.client.get(&who, &format!("/api/v2/transfers?sort_order=desc&scope=own&cursor={cursor}")).await.expect(200);
}
