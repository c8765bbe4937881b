//! Lists from a standby: while it is near, never when it is late or away, and never anything that decides.

use std::time::{Duration, Instant};

use shared::auth::User;
use sqlx::{Connection, Executor, PgConnection};
use tokio::net::{TcpListener, TcpStream};

use crate::client::{Client, pay, user};
use crate::postgres::Pair;
use crate::stack::Stack;

/// Asks until it is so; fails when it does not become so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !is_so().await {
        assert!(Instant::now() < patience, "{what}");
        tokio::task::yield_now().await;
    }
}

/// Lists that the primary has answered in the standby's place.
async fn missed(client: &Client, who: &User) -> u64 {
    let metrics = client.get(who, "/metrics").await.expect(200);
    let line = String::from_utf8(metrics.bytes).unwrap();
    let line = line.lines().find(|line| line.starts_with("tollgate_accounts_replica_missed_total")).map(str::to_owned);
    line.unwrap().split(' ').nth(1).unwrap().parse::<u64>().unwrap()
}

#[test]
fn lists_come_from_a_standby_while_it_is_near_and_from_the_primary_when_it_is_not() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(follows());
}

async fn follows() {
    let mut pair = tokio::task::spawn_blocking(Pair::start).await.unwrap();
    let settings = [("DATABASE__REPLICA_URL", pair.standby.as_str()), ("DATABASE__REPLICA_MAX_LAG", "3s")];
    let service = Stack::set(pair.primary.clone(), &settings).await;
    let (client, owner) = (&service.client, user());
    let (from, to) = (client.funded(&owner, 100).await, client.open(&owner, "user").await);
    let count =
        async |path: String| client.get(&owner, &path).await.expect(200).json()["data"].as_array().unwrap().len();
    let missed = async || missed(client, &owner).await;
    let entries = format!("/api/v1/accounts/{from}/entries");
    let lists = ["/api/v1/accounts", "/api/v2/accounts", "/api/v1/transfers", &entries];
    // Before it was looked at once, the primary answers; then the standby does.
    until("the standby is never asked", async || {
        let before = missed().await;
        count("/api/v1/transfers".to_owned()).await;
        missed().await == before
    })
    .await;
    until("the standby has it all", async || count(entries.clone()).await == 1).await;
    let before = missed().await;
    for list in lists {
        count(list.to_owned()).await;
    }
    assert_eq!(missed().await, before, "every list is the standby's");

    // It stops replaying: what is posted now it does not know, and everything but lists goes on.
    let mut standby = PgConnection::connect(&pair.standby).await.unwrap();
    standby.execute("SELECT pg_wal_replay_pause()").await.unwrap();
    client.transfer(&owner, "late", &pay(&from, &to, 1)).await.expect(201);
    assert_eq!(count(entries.clone()).await, 1, "not replayed");
    assert_eq!(client.balance(&owner, &from).await, 99, "the balance is the primary's");
    until("a late standby is asked for ever", async || count(entries.clone()).await == 2).await;
    assert!(missed().await > before);
    standby.execute("SELECT pg_wal_replay_resume()").await.unwrap();
    until("a standby that has caught up is not asked again", async || {
        let before = missed().await;
        count(entries.clone()).await == 2 && missed().await == before
    })
    .await;

    // Nobody who asks while it dies notices.
    drop(standby);
    tokio::task::block_in_place(|| pair.kill_standby());
    for list in lists.repeat(3) {
        assert!(count(list.to_owned()).await >= 1, "{list}");
    }
    service.stop().await;
}

/// A way to a server that can be made to hang: connections stay, and nothing goes through.
struct Frozen {
    port: u16,
    hangs: tokio::sync::watch::Sender<bool>,
}

impl Frozen {
    async fn before(url: &str) -> Self {
        let server = url.rsplit('@').next().unwrap().split('/').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, (hangs, hung)) = (listener.local_addr().unwrap().port(), tokio::sync::watch::channel(false));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (server, mut hung) = (server.clone(), hung.clone());
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        // Both ends stay open until the test is over.
                        () = async { drop(hung.wait_for(|hangs| *hangs).await) } => std::future::pending::<()>().await,
                    }
                });
            }
        });
        Self { port, hangs }
    }
}

#[test]
fn a_standby_that_hangs_is_given_up_soon() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let pair = tokio::task::spawn_blocking(Pair::start).await.unwrap();
        let way = Frozen::before(&pair.standby).await;
        let replica = format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", way.port);
        let service = Stack::set(pair.primary.clone(), &[("DATABASE__REPLICA_URL", &replica)]).await;
        let (client, owner) = (&service.client, user());
        client.open(&owner, "user").await;
        until("the standby is never asked", async || {
            let before = missed(client, &owner).await;
            client.get(&owner, "/api/v1/transfers").await.expect(200);
            missed(client, &owner).await == before
        })
        .await;
        way.hangs.send(true).unwrap();
        for _ in 0..20 {
            let list = client.get(&owner, "/api/v1/transfers");
            let list = tokio::time::timeout(Duration::from_secs(15), list).await;
            list.expect("a list waits for the standby without end").expect(200);
        }
        let before = missed(client, &owner).await;
        client.get(&owner, "/api/v1/transfers").await.expect(200);
        assert_eq!(missed(client, &owner).await, before + 1, "it is not asked any more");
        service.stop().await;
    });
}

/// As a standby is that has not replayed a migration yet: near, and without what is asked for.
#[test]
fn whatever_a_standby_answers_wrongly_the_primary_is_asked() {
    crate::stack::on_database(crate::stack::Which::Postgres, async |url| {
        let bare = crate::postgres::Database::create().await;
        let mut standby = PgConnection::connect(&bare.url).await.unwrap();
        standby.execute("CREATE TABLE ledger_head (id int, position bigint)").await.unwrap();
        standby.execute("INSERT INTO ledger_head VALUES (1, 1152921504606846976)").await.unwrap();
        let service = Stack::set(url, &[("DATABASE__REPLICA_URL", &bare.url)]).await;
        let (client, owner) = (&service.client, user());
        client.open(&owner, "user").await;
        until("the standby is never near", async || {
            let metrics = client.get(&owner, "/metrics").await.expect(200);
            let text = String::from_utf8(metrics.bytes).unwrap();
            text.lines().any(|line| line == "tollgate_accounts_replica_near 1")
        })
        .await;
        for list in ["/api/v1/accounts", "/api/v1/transfers", "/api/v2/accounts"] {
            client.get(&owner, list).await.expect(200);
        }
        service.stop().await;
        drop(standby);
        bare.remove().await;
    });
}
