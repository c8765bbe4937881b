//! What was found, acted on, and found again; and what breaks where the chain was followed already.

use accounts_service::proof::Invariant;
use shared::clock::Clock;

use super::sampled::{Look, ROUNDS, number};
use super::world::{Copy, QUIET, make};
use crate::client::{pay, treasurer};
use crate::stack::{Stack, Which, on_database};

const OPEN: &str = "SELECT count(*) FROM invariant_violations WHERE acknowledged_at IS NULL";

/// One account holds so much more than its holds claim.
fn held(more: i64) -> String {
    let account = "SELECT debit_account_id FROM holds ORDER BY transfer_id LIMIT 1";
    format!("UPDATE accounts SET held = held + ({more}) WHERE id = ({account})")
}

/// Somebody says that they have acted on all there is.
const ACT: &str =
    "UPDATE invariant_violations SET acknowledged_at = 1, acknowledged_by = id WHERE acknowledged_at IS NULL";

#[test]
fn what_was_acted_on_is_open_again_when_it_held_in_between() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            make(&url).await;
            let copy = Copy::of(&url).await;
            copy.change(&[held(1)]).await;
            let look = Look::at(&copy.url).await;
            look.follow().await;
            look.until(OPEN, 1).await;
            copy.change(&[ACT.to_owned()]).await;
            // It is still broken as it was, and they know.
            for _ in 0..ROUNDS {
                look.round().await;
            }
            assert_eq!(number(&look.sampler.db, OPEN).await, 0);
            copy.change(&[held(-1)]).await;
            look.until("SELECT count(*) FROM invariant_violations WHERE clean_at > seen_at", 1).await;
            copy.change(&[held(1)]).await;
            look.until(OPEN, 1).await;
            assert_eq!(number(&look.sampler.db, "SELECT count(*) FROM invariant_violations").await, 1);
            look.stop().await;
            copy.remove().await;
        });
    }
}

#[test]
fn what_was_acted_on_is_open_again_when_it_is_another_fault() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            make(&url).await;
            let copy = Copy::of(&url).await;
            copy.change(&[held(1)]).await;
            let look = Look::at(&copy.url).await;
            look.until(OPEN, 1).await;
            copy.change(&[ACT.to_owned(), held(1)]).await;
            look.until(OPEN, 1).await;
            look.stop().await;
            copy.remove().await;
        });
    }
}

#[test]
fn what_was_settled_or_exchanged_and_breaks_behind_its_back_is_found_on_its_tour() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            make(&url).await;
            let copy = Copy::of(&url).await;
            let look = Look::at(&copy.url).await;
            look.follow().await;
            assert_eq!(number(&look.sampler.db, OPEN).await, 0);
            copy.change(&[
                "UPDATE reversals SET reversed = reversed - 1".to_owned(),
                "UPDATE holds SET amount = amount + 1 WHERE state = 'voided'".to_owned(),
                "UPDATE exchanges SET remainder = remainder + 1".to_owned(),
            ])
            .await;
            for _ in 0..ROUNDS {
                look.round().await;
            }
            for invariant in [Invariant::Holds, Invariant::Reversals, Invariant::Exchanges] {
                let found = look.metric(&format!("invariant_open_violations{{invariant=\"{}\"}}", invariant.word()));
                assert!(found.unwrap() > 0, "{}", invariant.word());
            }
            look.stop().await;
            copy.remove().await;
        });
    }
}

#[test]
fn a_batch_that_claims_to_end_behind_the_head_blinds_nobody() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            make(&url).await;
            let copy = Copy::of(&url).await;
            let last = "batch_no = (SELECT batch_no FROM ledger_head)";
            copy.change(&[
                "CREATE TABLE kept AS SELECT batch_no, last_position FROM ledger_batches".to_owned(),
                format!("UPDATE ledger_batches SET last_position = 4611686018427387904 WHERE {last}"),
            ])
            .await;
            let look = Look::at(&copy.url).await;
            look.follow().await;
            let beyond = "SELECT count(*) FROM invariant_watch w, ledger_head h WHERE w.position > h.position";
            assert_eq!(number(&look.sampler.db, beyond).await, 0);
            assert!(number(&look.sampler.db, OPEN).await > 0);
            let before = number(&look.sampler.db, "SELECT batch_no FROM invariant_watch").await;
            // It is put back, and the ledger goes on.
            let kept = format!("SELECT last_position FROM kept WHERE {last}");
            copy.change(&[
                format!("UPDATE ledger_batches SET last_position = ({kept}) WHERE {last}"),
                "DROP TABLE kept".to_owned(),
                ACT.to_owned(),
            ])
            .await;
            let stack = Stack::start_by(copy.url.clone(), Clock::system(), &QUIET).await;
            let officer = treasurer();
            let (bank, to) = (stack.client.open(&officer, "system").await, stack.client.open(&officer, "system").await);
            stack.client.transfer(&officer, "behind", &pay(&bank, &to, 7)).await.expect(201);
            stack.stop().await;
            look.until("SELECT batch_no FROM invariant_watch", before + 1).await;
            assert_eq!(number(&look.sampler.db, OPEN).await, 0);
            look.stop().await;
            copy.remove().await;
        });
    }
}

#[test]
fn a_ledger_that_ends_before_what_was_looked_at_is_told_and_looked_at_anew() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            make(&url).await;
            let copy = Copy::of(&url).await;
            let look = Look::at(&copy.url).await;
            look.follow().await;
            copy.change(&["UPDATE invariant_watch SET position = 4611686018427387904".to_owned()]).await;
            look.round().await;
            assert_eq!(number(&look.sampler.db, OPEN).await, 1);
            look.follow().await;
            let beyond = "SELECT count(*) FROM invariant_watch w, ledger_head h WHERE w.position <> h.position";
            assert_eq!(number(&look.sampler.db, beyond).await, 0);
            assert_eq!(number(&look.sampler.db, OPEN).await, 1);
            look.stop().await;
            copy.remove().await;
        });
    }
}
