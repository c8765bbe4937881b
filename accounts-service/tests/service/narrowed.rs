//! Lists narrowed in every way: their pages are the whole list, filtered, in both directions and on both back-ends.

use std::rc::Rc;

use accounts_service::db::Database;
use serde_json::{Value, json};
use shared::auth::User;
use shared::clock::Clock;
use shared::domain::Role;

use crate::client::{pay, someone, user};
use crate::history::{micros, text};
use crate::on_both;
use crate::recorded::{Hold, pending, transfer};
use crate::stack::Stack;

on_both!(
    pages_of_transfers_are_the_whole_list_filtered,
    a_pending_transfer_is_shown_as_it_stands,
    pages_of_entries_are_the_whole_list_filtered,
);

/// A list to its end, a few rows at a time.
pub async fn walk(stack: &Stack, who: &User, path: &str, limit: usize) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = stack.client.get(who, &format!("{path}limit={limit}{cursor}")).await.expect(200).json();
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= limit);
        rows.extend(data.iter().cloned());
        match page["page"]["next_cursor"].as_str().filter(|_| page["page"]["has_more"] == true) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

/// What a query picks among all rows.
type Picks = Box<dyn Fn(&Value) -> bool>;

/// Two people's accounts, between which money moved and was held in every way.
struct Scene {
    people: [User; 2],
    accounts: [String; 4],
    db: Database,
}

async fn scene(stack: &Stack) -> Scene {
    let people = [user(), user()];
    let mut accounts = Vec::new();
    for person in [0, 0, 1, 1] {
        accounts.push(stack.client.funded(&people[person], 1_000).await);
    }
    let accounts: [String; 4] = accounts.try_into().unwrap();
    let db = Database::connect(&stack.url, 2).await.unwrap();
    let (past, future) = (Clock::system().now_micros() - 1_000, Clock::system().now_micros() + 3_600_000_000);
    for n in 0..28_usize {
        let (debit, credit) = (n % 4, (n + 1 + n / 4 % 3) % 4);
        let (debit, credit) = (accounts[debit].as_str(), accounts[credit].as_str());
        let who = &people[n % 4 / 2];
        let mut body = pay(debit, credit, 1 + i64::try_from(n).unwrap());
        if n % 5 == 0 {
            body["external_ref"] = format!("posted-{n}").into();
        }
        stack.client.transfer(who, &format!("scene-{n}"), &body).await.expect(201);
        if n % 2 == 0 {
            let (posted, state, expires_at) = [
                (0, "open", None),
                (0, "open", Some(past)),
                (2, "open", Some(future)),
                (2, "open", Some(past)),
                (2, "posted", None),
                (0, "voided", None),
                (0, "expired", Some(past)),
            ][n / 2 % 7];
            let id = pending(&db, (debit, credit), Hold { amount: 5, posted, state, expires_at }).await;
            if state == "voided" {
                transfer(&db, (debit, credit), ("voided", 5), (Some(id), None)).await;
            }
        }
    }
    Scene { people, accounts, db }
}

async fn pages_of_transfers_are_the_whole_list_filtered(stack: Rc<Stack>) {
    let Scene { people, accounts, db } = scene(&stack).await;
    let officer = someone(&[Role::Support]);
    let whole = walk(&stack, &officer, "/api/v1/transfers?scope=all&sort_order=asc&", 100).await;
    assert_eq!(whole.len(), 4 + 28 + 14 + 2);
    let own = |row: &Value, person: usize| {
        let own = &accounts[person * 2..person * 2 + 2];
        ["debit_account_id", "credit_account_id"].iter().any(|side| own.iter().any(|id| row[side] == **id))
    };
    let middle = whole[20]["created_at"].as_str().unwrap().to_owned();
    let later = whole[40]["created_at"].as_str().unwrap().to_owned();
    let voided = whole.iter().find(|row| row["status"] == "voided" && row["pending_of"].is_null()).unwrap();
    let mut filters: Vec<(String, Picks)> = vec![
        (String::new(), Box::new(|_| true)),
        ("external_ref=posted-5&".to_owned(), Box::new(|row| row["external_ref"] == "posted-5")),
        ("external_ref=ref-pending&status=pending&".to_owned(), {
            Box::new(|row| row["external_ref"] == "ref-pending" && row["status"] == "pending")
        }),
        ("reversal_of=01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11&".to_owned(), Box::new(|_| false)),
        ("from=9999-01-01T00:00:00Z&".to_owned(), Box::new(|_| false)),
        ("to=1970-01-01T00:00:00Z&".to_owned(), Box::new(|_| false)),
    ];
    let id = voided["id"].clone();
    filters.push((format!("pending_of={}&", id.as_str().unwrap()), Box::new(move |row| row["pending_of"] == id)));
    for status in ["posted", "pending", "voided", "expired"] {
        filters.push((format!("status={status}&"), Box::new(move |row| row["status"] == status)));
        let (from, to) = (middle.clone(), later.clone());
        let narrowed = format!("status={status}&from={from}&to={to}&");
        filters.push((narrowed, {
            Box::new(move |row| {
                let at = micros(&row["created_at"]);
                row["status"] == status && at >= micros(&json!(from)) && at < micros(&json!(to))
            })
        }));
    }
    let account = accounts[1].clone();
    filters.push((format!("account_id={account}&"), {
        Box::new(move |row| row["debit_account_id"] == *account || row["credit_account_id"] == *account)
    }));
    for (query, holds) in &filters {
        for (who, scope, sees) in [(&people[0], "own", Some(0)), (&people[1], "own", Some(1)), (&officer, "all", None)]
        {
            let mut expected: Vec<_> = whole.iter().filter(|row| holds(row)).cloned().collect();
            expected.retain(|row| sees.is_none_or(|person| own(row, person)));
            // Somebody else's account is not among one's own.
            if query.contains("account_id") && sees == Some(1) {
                expected.clear();
            }
            let path = |sort: &str| format!("/api/v2/transfers?scope={scope}&sort_order={sort}&{query}");
            assert_eq!(walk(&stack, who, &path("asc"), 3).await, expected, "{query} {scope}");
            expected.reverse();
            assert_eq!(walk(&stack, who, &path("desc"), 7).await, expected, "{query} {scope} desc");
        }
    }
    db.pool.close().await.unwrap();
    for (wrong, status) in [
        ("status=open", 422),
        ("pending_of=1", 400),
        ("reversal_of=", 400),
        ("from=now", 400),
        ("account_id=x", 400),
        ("sort_order=up", 422),
    ] {
        assert_eq!(stack.client.get(&officer, &format!("/api/v1/transfers?{wrong}")).await.status, status, "{wrong}");
    }
}

async fn a_pending_transfer_is_shown_as_it_stands(stack: Rc<Stack>) {
    let (payer, payee) = (user(), user());
    let from = stack.client.funded(&payer, 100).await;
    let to = stack.client.open(&payee, "user").await;
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let (past, future) = (Clock::system().now_micros() - 1, Clock::system().now_micros() + 3_600_000_000);
    let mut tags = Vec::new();
    for (posted, state, expires_at, shown, remaining) in [
        (0, "open", None, "pending", 9),
        (4, "open", Some(future), "pending", 5),
        (0, "open", Some(past), "expired", 0),
        (4, "open", Some(past), "posted", 0),
        (4, "posted", None, "posted", 0),
        (0, "voided", Some(past), "voided", 0),
        (0, "expired", Some(past), "expired", 0),
    ] {
        let id = pending(&db, (&from, &to), Hold { amount: 9, posted, state, expires_at }).await;
        let path = format!("/api/v1/transfers/{id}");
        let answer = stack.client.get(&payee, &path).await.expect(200);
        let body = answer.json();
        assert_eq!((&body["status"], &body["remaining"]), (&json!(shown), &json!(remaining)), "{state} {posted}");
        assert_eq!((&body["posted_at"], &body["expires_at"]), (&Value::Null, &json!(expires_at.map(text))));
        let tag = answer.header("etag").unwrap().to_owned();
        stack.client.raw(&payer, "GET", &path, &[("if-none-match", &tag)], None).await.expect(304);
        tags.push((id, tag));
        assert_eq!(stack.client.get(&user(), &path).await.status, 404);
    }
    // What changes is another representation.
    let first = "UPDATE holds SET posted = 1 WHERE state = 'open' AND expires_at IS NULL";
    sea_orm::ConnectionTrait::execute_unprepared(&db.pool, first).await.unwrap();
    let (id, tag) = &tags[0];
    let path = format!("/api/v1/transfers/{id}");
    let again = stack.client.raw(&payer, "GET", &path, &[("if-none-match", tag)], None).await.expect(200);
    assert_eq!(again.json()["remaining"], 8);
    db.pool.close().await.unwrap();
}

async fn pages_of_entries_are_the_whole_list_filtered(stack: Rc<Stack>) {
    let Scene { people, accounts, db } = scene(&stack).await;
    let (who, account) = (&people[0], &accounts[0]);
    let list = format!("/api/v1/accounts/{account}/entries?");
    let whole = walk(&stack, who, &list, 100).await;
    assert!(whole.len() > 10);
    let (from, to) = (whole[3]["posted_at"].clone(), whole[9]["posted_at"].clone());
    let (transfer, foreign) = (whole[5]["transfer_id"].as_str().unwrap().to_owned(), {
        let theirs = walk(&stack, &people[1], &format!("/api/v1/accounts/{}/entries?", accounts[3]), 100).await;
        let not_ours = |row: &&Value| whole.iter().all(|own| own["transfer_id"] != row["transfer_id"]);
        theirs.iter().find(not_ours).unwrap()["transfer_id"].as_str().unwrap().to_owned()
    });
    let (first, last) = (from.as_str().unwrap().to_owned(), to.as_str().unwrap().to_owned());
    let (since, until) = (micros(&from), micros(&to));
    let asked = transfer.clone();
    let filters: [(String, Picks); 9] = [
        ("direction=debit&".to_owned(), Box::new(|row| row["amount"].as_i64() < Some(0))),
        ("direction=credit&".to_owned(), Box::new(|row| row["amount"].as_i64() > Some(0))),
        (format!("from={first}&"), Box::new(move |row| micros(&row["posted_at"]) >= since)),
        (format!("to={last}&"), Box::new(move |row| micros(&row["posted_at"]) < until)),
        (format!("from={first}&to={last}&direction=debit&"), {
            Box::new(move |row| (since..until).contains(&micros(&row["posted_at"])) && row["amount"].as_i64() < Some(0))
        }),
        (format!("transfer_id={transfer}&"), Box::new(move |row| row["transfer_id"] == *asked)),
        (format!("transfer_id={foreign}&"), Box::new(|_| false)),
        ("transfer_id=01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11&".to_owned(), Box::new(|_| false)),
        ("from=9999-01-01T00:00:00Z&".to_owned(), Box::new(|_| false)),
    ];
    for (query, holds) in &filters {
        let mut expected: Vec<_> = whole.iter().filter(|row| holds(row)).cloned().collect();
        assert_eq!(walk(&stack, who, &format!("{list}{query}"), 2).await, expected, "{query}");
        expected.reverse();
        assert_eq!(walk(&stack, who, &format!("{list}sort_order=desc&{query}"), 3).await, expected, "{query} desc");
    }
    db.pool.close().await.unwrap();
    for (wrong, status) in [("direction=up", 422), ("transfer_id=1", 400), ("from=x", 400), ("status=posted", 422)] {
        assert_eq!(stack.client.get(who, &format!("{list}{wrong}")).await.status, status, "{wrong}");
    }
}
