//! A standby is enough for whoever looks at the whole ledger or writes it to a file: what the primary is spared.

use std::time::{Duration, Instant};

use accounts_service::archive;
use accounts_service::db::Backend;
use accounts_service::proof::{Wanted, command};
use shared::clock::Clock;

use crate::client::user;
use crate::postgres::Pair;
use crate::stack::Stack;

#[test]
fn a_ledger_is_verified_and_exported_from_a_standby() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let pair = tokio::task::spawn_blocking(Pair::start).await.unwrap();
        let service = Stack::start(pair.primary.clone()).await;
        let who = user();
        service.client.funded(&who, 100).await;
        service.client.funded(&who, 200).await;
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            // Before it has replayed the schema nothing can be said.
            let report = command::run(&pair.standby, Wanted { from: None, expect: None, most: 10 }).await;
            if let Ok(report) = report {
                assert!(report.is_sound(), "{}", report.text());
                if report.transfers == 2 {
                    break;
                }
            }
            assert!(Instant::now() < patience, "the standby never has it all");
        }
        let mut file = Vec::new();
        let backend = Backend::parse(&pair.standby).unwrap();
        assert_eq!(archive::export(&backend, &Clock::system(), &mut file).await.unwrap().transfers, 2);
        service.stop().await;
    });
}
