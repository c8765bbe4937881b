//! The chain, computed again from the rows by whoever reads the description of its format.

use std::rc::Rc;

use accounts_service::db::Database;
use accounts_service::db::entity::{ledger_batch, ledger_head, transfer};
use sea_orm::{EntityTrait, QueryOrder};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::client::{pay, treasurer};
use crate::on_both;
use crate::stack::Stack;

on_both!(every_link_follows_from_the_rows);

/// What a transfer contributes to the second format.
pub fn leaf(row: &transfer::Model) -> [u8; 32] {
    let kind = ["", "posted", "pending", "voided"].iter().position(|kind| *kind == row.status).unwrap();
    let mut bytes = vec![2];
    bytes.extend(row.id.as_bytes());
    bytes.push(u8::try_from(kind).unwrap());
    bytes.extend(row.debit_account_id.as_bytes());
    bytes.extend(row.credit_account_id.as_bytes());
    bytes.extend(row.amount.to_be_bytes());
    bytes.extend(row.currency.as_bytes());
    bytes.extend(row.created_by.as_bytes());
    let ids = [row.pending_of, row.reversal_of].map(|id| id.map(|id| id.as_bytes().to_vec()));
    for option in ids.into_iter().chain([row.expires_at.map(|at| at.to_be_bytes().to_vec())]) {
        bytes.push(u8::from(option.is_some()));
        bytes.extend(option.unwrap_or_default());
    }
    for text in [&row.description, &row.external_ref, &row.metadata] {
        bytes.extend(text.as_ref().map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
        bytes.extend(text.iter().flat_map(|text| text.bytes()));
    }
    Sha256::digest(bytes).into()
}

/// The chain's hash with each batch, computed from the rows; each batch must say the same.
pub fn links(batches: &[ledger_batch::Model], rows: &[transfer::Model]) -> Vec<Vec<u8>> {
    let (mut link, mut links) = (vec![0; 32], Vec::new());
    for (batch, number) in batches.iter().zip(1_i64..) {
        let within = batch.first_position..=batch.last_position;
        let leaves: Vec<_> = rows.iter().filter(|row| within.contains(&row.position)).map(leaf).collect();
        let mut content = b"tollgate batch 2".to_vec();
        content.extend(u32::try_from(leaves.len()).unwrap().to_be_bytes());
        content.extend(leaves.concat());
        assert_eq!((batch.batch_no, batch.format), (number, 2));
        assert_eq!(batch.content, Sha256::digest(content).to_vec(), "content of batch {number}");
        for number in [number, batch.first_position, batch.posted_at] {
            link.extend(number.to_be_bytes());
        }
        link.extend(&batch.content);
        link = Sha256::digest(&link).to_vec();
        assert_eq!(batch.hash, link, "link of batch {number}");
        assert!(rows.iter().filter(|row| within.contains(&row.position)).all(|row| row.created_at == batch.posted_at));
        links.push(link.clone());
    }
    links
}

async fn every_link_follows_from_the_rows(stack: Rc<Stack>) {
    let officer = treasurer();
    let (bank, to) = (stack.client.open(&officer, "system").await, stack.client.open(&officer, "user").await);
    let mut worded = pay(&bank, &to, 5);
    worded["description"] = json!("für Miete");
    worded["external_ref"] = json!("r-1");
    worded["metadata"] = json!({"a": [1, null]});
    for (key, body) in [("1", &pay(&bank, &to, 1)), ("2", &worded), ("3", &pay(&to, &bank, 2))] {
        stack.client.transfer(&officer, key, body).await.expect(201);
    }
    let many = json!({"mode": "independent", "transfers": [pay(&bank, &to, 7), pay(&to, &bank, 0), worded]});
    stack.client.post(&officer, "/api/v1/transfers/batch", &[("idempotency-key", "4")], &many).await.expect(200);

    let db = Database::connect(&stack.url, 1).await.unwrap();
    let batches = ledger_batch::Entity::find().order_by_asc(ledger_batch::Column::BatchNo).all(&db.pool).await.unwrap();
    let rows = transfer::Entity::find().order_by_asc(transfer::Column::Position).all(&db.pool).await.unwrap();
    assert_eq!(batches.len(), 4);
    let link = links(&batches, &rows).pop().unwrap();
    let head = ledger_head::Entity::find().one(&db.pool).await.unwrap().unwrap();
    assert_eq!((head.hash, head.batch_no), (link, 4));
    assert!(
        batches.is_sorted_by(|one, next| one.posted_at < next.posted_at && one.last_position < next.first_position)
    );
}
