//! Pending transfers as rows, for what only reads them.

use accounts_service::db::Database;
use accounts_service::db::entity::{hold, ledger_batch, outbox_event, transfer};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DatabaseTransaction, EntityTrait, Statement};
use serde_json::json;
use shared::clock::Clock;
use shared::domain::TransferId;
use uuid::Uuid;

/// What became of a hold, as it is written.
#[derive(Clone, Copy)]
pub struct Hold {
    pub amount: i64,
    pub posted: i64,
    pub state: &'static str,
    pub expires_at: Option<i64>,
}

/// The next position in a batch of its own.
async fn place(tx: &DatabaseTransaction, at: i64) -> i64 {
    let next = "UPDATE ledger_head SET position = position + 1, batch_no = batch_no + 1, committed_at = $1 WHERE id = 1 \
                RETURNING position, batch_no";
    let head = tx.query_one_raw(Statement::from_sql_and_values(tx.get_database_backend(), next, [at.into()])).await;
    let head = head.unwrap().unwrap();
    let position: i64 = head.try_get_by_index(0).unwrap();
    let batch = ledger_batch::ActiveModel {
        batch_no: Set(head.try_get_by_index(1).unwrap()),
        first_position: Set(position),
        last_position: Set(position),
        posted_at: Set(at),
        content: Set(vec![0; 32]),
        hash: Set(vec![0; 32]),
        format: Set(2),
    };
    ledger_batch::Entity::insert(batch).exec_without_returning(tx).await.unwrap();
    position
}

async fn event(tx: &DatabaseTransaction, position: i64, id: Uuid, (kind, data): (&str, Option<String>), subject: Uuid) {
    let event = outbox_event::ActiveModel {
        position: Set(position),
        id: Set(id),
        kind: Set(kind.to_owned()),
        subject: Set(subject),
        data: Set(data),
        recorded_at: Set(Clock::system().now_micros()),
    };
    outbox_event::Entity::insert(event).exec_without_returning(tx).await.unwrap();
}

/// Records a transfer that moves no money, of `status`, and its event.
pub async fn transfer(
    db: &Database,
    (debit, credit): (&str, &str),
    (status, amount): (&str, i64),
    (pending_of, expires_at): (Option<Uuid>, Option<i64>),
) -> Uuid {
    let clock = Clock::system();
    let (id, at) = (TransferId::generate(&clock).as_uuid(), clock.now_micros());
    let tx = db.write().await.unwrap();
    let position = place(&tx, at).await;
    let row = transfer::ActiveModel {
        position: Set(position),
        id: Set(id),
        debit_account_id: Set(debit.parse().unwrap()),
        credit_account_id: Set(credit.parse().unwrap()),
        amount: Set(amount),
        currency: Set("USD".to_owned()),
        status: Set(status.to_owned()),
        description: Set(None),
        external_ref: Set(Some(format!("ref-{status}"))),
        metadata: Set(None),
        pending_of: Set(pending_of),
        reversal_of: Set(None),
        expires_at: Set(expires_at),
        posted_at: Set(None),
        created_at: Set(at),
        created_by: Set(Uuid::new_v4()),
    };
    transfer::Entity::insert(row).exec_without_returning(&tx).await.unwrap();
    event(&tx, position, id, (&format!("transfer.{status}"), None), id).await;
    tx.commit().await.unwrap();
    id
}

/// Records a pending transfer, and what became of it since.
pub async fn pending(db: &Database, (debit, credit): (&str, &str), hold: Hold) -> Uuid {
    let id = transfer(db, (debit, credit), ("pending", hold.amount), (None, hold.expires_at)).await;
    let open = hold.state == "open";
    let row = hold::ActiveModel {
        transfer_id: Set(id),
        debit_account_id: Set(debit.parse().unwrap()),
        credit_account_id: Set(credit.parse().unwrap()),
        amount: Set(hold.amount),
        posted: Set(hold.posted),
        released: Set(if open { 0 } else { hold.amount - hold.posted }),
        expires_at: Set(hold.expires_at),
        slice_at: Set(0),
        state: Set(hold.state.to_owned()),
        settled_at: Set((!open).then_some(1)),
    };
    hold::Entity::insert(row).exec_without_returning(&db.pool).await.unwrap();
    if hold.state == "expired" {
        let tx = db.write().await.unwrap();
        let position = place(&tx, Clock::system().now_micros()).await;
        let data = json!({"transfer_id": id, "debit_account_id": debit, "credit_account_id": credit}).to_string();
        event(&tx, position, Uuid::new_v4(), ("transfer.expired", Some(data)), id).await;
        tx.commit().await.unwrap();
    }
    id
}
