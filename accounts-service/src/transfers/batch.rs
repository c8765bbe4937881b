//! Batches: each item read and judged as the single call would, on their own or all together.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use shared::auth::SignedIn;
use shared::domain::TransferId;
use shared::problem::{Code, Context, Problem};
use shared::wire::idempotency::{self, Key};

use super::body::{NewBatch, NewTransfer};
use super::memo;
use super::ops::{key_is_free_for, submit};
use super::render::{self, Item};
use crate::app::App;
use crate::idempotency::{cut, digest};
use crate::posting::outside::try_out_all;
use crate::posting::{Answer, Draft, Judged, Mode, Outcome, Work, atomic_decline};

/// Transfers in one batch.
pub const MAX_ITEMS: usize = 8_000;

/// The key scope of a batch.
const ROUTE: &str = "POST /transfers/batch";

type Items = Vec<Result<Arc<Draft>, Problem>>;

/// Its size is part of the body's shape.
pub fn check(new: &NewBatch) -> Result<(), Problem> {
    if (1..=MAX_ITEMS).contains(&new.transfers.len()) {
        return Ok(());
    }
    let detail = format!("1 to {MAX_ITEMS} transfers");
    Err(Problem::new(Code::ValidationFailed).error("/transfers", "length", detail))
}

/// Posts a batch under one key.
pub async fn post(app: &App, who: &SignedIn, key: &Key, new: NewBatch) -> Result<Answer, Problem> {
    let (mode, digest) = (new.mode, digest(who.user.id, ROUTE, key));
    let (items, fingerprint) = read(app, who, new);
    if mode == Mode::Atomic && items.iter().any(Result::is_err) {
        // It cannot post, and not because of any account: nothing is frozen under the key.
        key_is_free_for(app, digest, fingerprint).await?;
        return trial(app, mode, &items).await.map(answer);
    }
    submit(app, digest, fingerprint, Work::Many(mode, items)).await
}

/// Decides a batch on what is committed now, and changes nothing.
pub async fn dry_run(app: &App, who: &SignedIn, key: Option<Key>, new: NewBatch) -> Result<Answer, Problem> {
    let mode = new.mode;
    let (items, fingerprint) = read(app, who, new);
    if let Some(key) = key {
        key_is_free_for(app, digest(who.user.id, ROUTE, &key), fingerprint).await?;
    }
    trial(app, mode, &items).await.map(answer)
}

fn answer(body: Bytes) -> Answer {
    Answer { outcome: Outcome::Stored(200, body), at: 0, replayed: false }
}

/// Every item through the single call's checks of shape and amount; its faults become that item's problem.
fn read(app: &App, who: &SignedIn, new: NewBatch) -> (Items, uuid::Uuid) {
    let mut hash = Sha256::new();
    hash.update([u8::from(new.mode == Mode::Atomic)]);
    let mut read = |raw: Box<serde_json::value::RawValue>| {
        let parsed = shared::http::parse::<NewTransfer>(raw.get().as_bytes());
        match parsed.and_then(|item| item.check().map(|()| item)) {
            Ok(item) => {
                item.feed(&mut hash);
                item.draft(who, TransferId::generate(&app.clock)).map(Arc::new)
            }
            Err(problem) => {
                feed_unreadable(&mut hash, raw.get());
                Err(problem)
            }
        }
    };
    let items = new.transfers.into_iter().map(&mut read).collect();
    (items, cut(hash))
}

/// Feeds an item that is no transfer, in whatever order and spacing its members come: whoever asks again may write it anew.
fn feed_unreadable(hash: &mut Sha256, raw: &str) {
    match serde_json::from_str::<serde_json::Value>(raw) {
        Ok(value) => {
            hash.update([u8::MAX]);
            hash.update(idempotency::fingerprint(&value));
        }
        // A number too large, or too deep.
        Err(_unreadable) => memo::feed_text(hash, Some(raw)),
    }
}

async fn trial(app: &App, mode: Mode, items: &Items) -> Result<Bytes, Problem> {
    let judged = try_out_all(&app.db, items, app.clock.now_micros()).await?;
    let context = Context::current();
    if mode == Mode::Atomic && judged.iter().any(Result::is_err) {
        return Err(atomic_decline(&judged, &context));
    }
    let item = |judged: &Judged| match judged {
        Ok((decided, _)) => Item::WouldPost(Arc::clone(decided)),
        Err(problem) => Item::refused(problem, &context),
    };
    Ok(render::results(&judged.iter().map(item).collect::<Vec<_>>()))
}
