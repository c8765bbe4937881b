//! Lists: pages for v1, cursors for what grows, and no row skipped or seen twice while rows are written.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tests::client::{Transfer, fresh_key};
use tests::{Backend, Client, Stack};

journeys!(
    pages_of_users,
    a_page_that_is_none,
    sorting,
    cursors_of_v2,
    a_cursor_while_rows_are_written,
    a_cursor_that_is_none,
    an_overview_has_its_parts,
    filters_of_transfers
);

fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().into_iter().flatten().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect()
}

async fn with_users(backend: Backend, count: usize) -> (Stack, Client) {
    let stack = Stack::start(backend).await;
    for _ in 0..count {
        drop(stack.client().post("/api/v1/users", tests::client::newcomer("user")).await.expect(201));
    }
    let client = stack.administrator().await.client;
    (stack, client)
}

async fn pages_of_users(backend: Backend) {
    // With the administrator, seven.
    let (_stack, root) = with_users(backend, 6).await;
    let mut seen = Vec::new();
    for (page, rows, more) in [(1, 3, true), (2, 3, true), (3, 1, false), (4, 0, false)] {
        let answer = root.get(&format!("/api/v1/users?page={page}&per_page=3")).await.expect(200);
        let body = answer.json();
        assert_eq!(
            body["meta"],
            serde_json::json!({"total": 7, "page": page, "per_page": 3, "pages": 3, "has_more": more}),
            "{answer}"
        );
        assert_eq!(ids(&body).len(), rows, "{answer}");
        let (link, links) = (answer.must("link"), &body["links"]);
        for (rel, there) in [("first", true), ("last", true), ("next", more), ("prev", page > 1)] {
            assert_eq!(links[rel].is_string(), there, "{rel} on page {page}: {answer}");
            assert_eq!(link.contains(&format!("rel=\"{rel}\"")), there, "{rel} on page {page}: {link}");
        }
        if let Some(next) = links["next"].as_str() {
            let followed = root.get(next).await.expect(200).json();
            assert_eq!(followed["meta"]["page"], page + 1, "a link leads where it says");
        }
        seen.extend(ids(&body));
    }
    let distinct: HashSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (7, 7));
    let skipped = root.get("/api/v1/users?skip=3&limit=3").await.expect(200).json();
    assert_eq!(ids(&skipped), seen[3..6], "skip and limit cut the same list");
    let whole = root.get("/api/v1/users").await.expect(200).json();
    assert_eq!((ids(&whole), &whole["meta"]["per_page"]), (seen, &serde_json::json!(20)));
}

async fn a_page_that_is_none(backend: Backend) {
    let stack = Stack::start(backend).await;
    let root = stack.administrator().await.client;
    for query in ["page=x", "page=1.5", "per_page=", "skip=-x", "limit=ten"] {
        root.get(&format!("/api/v1/users?{query}")).await.problem(400, "malformed_query");
    }
    for query in [
        "page=0",
        "per_page=0",
        "per_page=101",
        "limit=101",
        "sort_by=password",
        "sort_order=sideways",
        "surprise=1",
        "page=1&skip=0",
    ] {
        let answer = root.get(&format!("/api/v1/users?{query}")).await;
        answer.problem(422, "validation_failed");
        assert!(!answer.pointers().is_empty(), "{query}: {answer}");
    }
    for query in ["page=-1", "skip=-1", "page=99999999999999999999", "page=9223372036854775807&per_page=100"] {
        let answer = root.get(&format!("/api/v1/users?{query}")).await;
        assert!([200, 400, 422].contains(&answer.status), "{query}: {answer}");
    }
}

async fn sorting(backend: Backend) {
    let (_stack, root) = with_users(backend, 5).await;
    for by in ["created_at", "email", "username"] {
        let list = async |order: &str| {
            ids(&root.get(&format!("/api/v1/users?sort_by={by}&sort_order={order}")).await.expect(200).json())
        };
        let (up, mut down) = (list("asc").await, list("desc").await);
        down.reverse();
        assert_eq!(up, down, "{by}");
        assert_eq!(up.len(), 6);
    }
}

async fn cursors_of_v2(backend: Backend) {
    let (_stack, root) = with_users(backend, 6).await;
    let (mut seen, mut path) = (Vec::new(), "/api/v2/users?limit=3".to_owned());
    loop {
        let page = root.get(&path).await.expect(200).json();
        seen.extend(ids(&page));
        assert!(page.get("meta").is_none(), "{page}");
        match page["page"]["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v2/users?limit=3&cursor={cursor}"),
            None => break assert_eq!(page["page"]["has_more"], false),
        }
    }
    assert_eq!((seen.len(), seen.iter().collect::<HashSet<_>>().len()), (7, 7));
}

async fn a_cursor_while_rows_are_written(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let (from, to) = (stack.account_with(&ann, 100_000).await, stack.account_with(&ann, 0).await);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let (client, transfer, stop) = (ann.client.clone(), Transfer::usd(&from, &to, 1), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut written = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    written.push(client.transfer(&fresh_key(), &transfer).await.expect(201).text("/id"));
                }
                written
            })
        })
        .collect();
    // Whatever was there when a walk began is in it once, and nothing is in it twice.
    let walk = async || ann.client.pages("/api/v1/transfers?limit=7").await;
    let mut earlier: HashSet<String> = HashSet::new();
    for _ in 0..5 {
        let rows = walk().await;
        let found: HashSet<String> = rows.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect();
        assert_eq!(found.len(), rows.len(), "a row came twice");
        assert!(earlier.is_subset(&found), "a row was skipped");
        earlier = found;
        let entries = ann.client.entries(&from).await;
        assert!(
            entries.iter().enumerate().all(|(index, entry)| entry["seq"].as_u64() == Some(index as u64 + 1)),
            "an entry was skipped"
        );
    }
    stop.store(true, Ordering::SeqCst);
    let mut written = HashSet::new();
    for writer in writers {
        written.extend(writer.await.expect("the writer runs"));
    }
    let all: HashSet<_> = walk().await.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect();
    assert!(written.is_subset(&all), "what was acknowledged is listed");
}

async fn a_cursor_that_is_none(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await.client;
    let account = ann.open("a", "USD").await;
    for list in [
        "/api/v1/transfers".to_owned(),
        format!("/api/v1/accounts/{account}/entries"),
        "/api/v2/accounts".to_owned(),
        "/api/v1/events".to_owned(),
    ] {
        for cursor in ["x", "e30", "bnVsbA", "WzEsMl0", "%F0%9F%92%A5", &"A".repeat(5_000)] {
            ann.get(&format!("{list}?cursor={cursor}")).await.problem(400, "invalid_cursor");
        }
        ann.get(&format!("{list}?limit=0")).await.problem(422, "validation_failed");
        ann.get(&format!("{list}?limit=x")).await.problem(400, "malformed_query");
        ann.get(&format!("{list}?surprise=1")).await.problem(422, "validation_failed");
    }
}

async fn an_overview_has_its_parts(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ada = stack.register("ada").await;
    let account = stack.account_with(&ada, 700).await;
    let transfers = ids(&ada.client.get("/api/v1/transfers").await.expect(200).json());
    assert_eq!(transfers.len(), 1);
    let overview = ada.client.get("/api/v1/me/overview").await.expect(200).json();
    assert_eq!(overview["complete"], true, "{overview}");
    assert_eq!(overview["profile"], ada.client.get("/api/v1/users/me").await.expect(200).json());
    assert_eq!((ids(&overview["accounts"]), ids(&overview["transfers"])), (vec![account], transfers), "{overview}");
    assert_eq!(overview["accounts"]["data"][0]["balance"], 700);
}

async fn filters_of_transfers(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let (a, b, c) =
        (stack.account_with(&ann, 100).await, stack.account_with(&ann, 0).await, stack.account_with(&ann, 0).await);
    for (credit, reference) in [(&b, "one"), (&c, "two"), (&c, "three")] {
        drop(ann.client.transfer(&fresh_key(), &Transfer::usd(&a, credit, 1).reference(reference)).await.expect(201));
    }
    let count = async |query: &str| ann.client.pages(&format!("/api/v1/transfers?limit=100&{query}")).await.len();
    assert_eq!(count(&format!("account_id={b}")).await, 1);
    assert_eq!(count(&format!("account_id={c}")).await, 2);
    assert_eq!(count("external_ref=two").await, 1);
    assert_eq!(count("external_ref=%27%20or%201%3D1").await, 0);
    assert_eq!(count("status=posted").await, 4, "with the funding");
    ann.client.get("/api/v1/transfers?status=gone").await.problem(422, "validation_failed");
}
