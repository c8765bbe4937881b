//! `kill -9` of accounts-service under load: what was acknowledged is there once, the rest wholly or not at all.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::Method;
use tests::backends::Ground;
use tests::client::Transfer;
use tests::stack::AccountsProcess;
use tests::{Backend, Client, Stack, wait_until};

journeys!(killed_under_load);

const CLIENTS: usize = 16;
const LIMIT: Duration = Duration::from_secs(30);

/// What the clients know when the load ends: each key sent, and whether a 201 came back.
type Log = Arc<Mutex<HashMap<String, (Transfer, bool)>>>;

async fn killed_under_load(backend: Backend) {
    let ground = Ground::lay(backend).await.expect("a back-end");
    let secret = "0123456789abcdef0123456789abcdef0123456789abcdef";
    let mut accounts = AccountsProcess::on(&ground.accounts, secret).expect("the binary is built");
    accounts.start().await;
    let stack = Stack::builder(backend).accounts_at(accounts.addr).assertion_secret(secret).start_on(ground).await;
    let ann = stack.register("ann").await;
    let (a, b) = (stack.account_with(&ann, 100_000).await, stack.account_with(&ann, 100_000).await);

    let (log, stop) = (Log::default(), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let (from, to) = if number % 2 == 0 { (a.clone(), b.clone()) } else { (b.clone(), a.clone()) };
            tokio::spawn(pay(ann.client.clone(), number, from, to, Arc::clone(&log), Arc::clone(&stop)))
        })
        .collect();
    for acknowledged in [50, 200] {
        wait_until("transfers are acknowledged", LIMIT, async || (count(&log) >= acknowledged).then_some(())).await;
        accounts.kill();
        accounts.start().await;
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.expect("the client runs");
    }
    // The breaker lets calls through again by itself; nothing else has to be done.
    let path = format!("/api/v1/accounts/{a}");
    wait_until("accounts answer again", LIMIT, async || (ann.client.get(&path).await.status == 200).then_some(()))
        .await;
    judge(&ann.client, [&a, &b], &log).await;
}

async fn pay(client: Client, number: usize, from: String, to: String, log: Log, stop: Arc<AtomicBool>) {
    for round in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let key = format!("{number}-{round}");
        let transfer = Transfer::usd(&from, &to, 1).reference(&key);
        log.lock().insert(key.clone(), (transfer.clone(), false));
        let answer = client.call(Method::POST, "/api/v1/transfers").key(&key).json(&transfer).try_send().await;
        match answer {
            Ok(answer) if answer.status == 201 => {
                if let Some((_, acknowledged)) = log.lock().get_mut(&key) {
                    *acknowledged = true;
                }
            }
            Ok(answer) => assert!(
                [502, 503, 504].contains(&answer.status),
                "a crash behind the gateway is no other error: {answer}"
            ),
            Err(error) => panic!("the gateway itself stays up: {error}"),
        }
    }
}

fn count(log: &Log) -> usize {
    log.lock().values().filter(|(_, acknowledged)| *acknowledged).count()
}

/// Every key is found in both accounts' entries as often as it may be.
async fn judge(client: &Client, accounts: [&String; 2], log: &Log) {
    let transfers = client.pages("/api/v1/transfers?limit=100").await;
    let mut by_reference: HashMap<&str, Vec<&str>> = HashMap::new();
    for transfer in &transfers {
        if let (Some(reference), Some(id)) = (transfer["external_ref"].as_str(), transfer["id"].as_str()) {
            by_reference.entry(reference).or_default().push(id);
        }
    }
    let mut sides: HashMap<String, usize> = HashMap::new();
    let mut total = 0;
    for account in accounts {
        let entries = client.entries(account).await;
        assert!(
            entries.iter().enumerate().all(|(index, entry)| entry["seq"].as_u64() == Some(index as u64 + 1)),
            "seq is dense"
        );
        for entry in &entries {
            *sides.entry(entry["transfer_id"].as_str().expect("a text").to_owned()).or_default() += 1;
        }
        let sum: i64 = entries.iter().filter_map(|entry| entry["amount"].as_i64()).sum();
        assert_eq!(sum, client.balance(account).await, "the balance is the sum of the entries");
        total += sum;
    }
    assert_eq!(total, 200_000, "no money appeared or vanished");
    let log = log.lock().clone();
    for (key, (transfer, acknowledged)) in &log {
        let found = by_reference.get(key.as_str()).map_or(&[][..], Vec::as_slice);
        assert!(found.len() <= 1, "{key} posted {} times", found.len());
        assert!(!acknowledged || found.len() == 1, "{key} was acknowledged and is gone");
        assert!(found.iter().all(|id| sides.get(*id) == Some(&2)), "{key} has both its entries");
        let again = client.transfer(key, transfer).await.expect(201);
        assert!(found.is_empty() || again.text("/id") == found[0], "the key still means the same transfer");
    }
}
