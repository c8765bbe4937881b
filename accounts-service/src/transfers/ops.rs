//! Posting a single transfer, or saying what would happen, in the contract's order of checks.

use shared::auth::SignedIn;
use shared::domain::TransferId;
use shared::problem::{Code, Context, Problem};
use shared::wire::idempotency::Key;
use uuid::Uuid;

use super::body::NewTransfer;
use super::store;
use crate::app::App;
use crate::db;
use crate::idempotency::digest;
use crate::posting::outside::try_out;
use crate::posting::{Answer, Decided, Draft, Failure, KeyDigest, Unit, Work};

/// The key scope of a single transfer.
const ROUTE: &str = "POST /transfers";

/// Posts a transfer whose shape has been checked.
pub async fn post(app: &App, who: &SignedIn, key: &Key, new: NewTransfer) -> Result<Answer, Problem> {
    let (key, fingerprint) = (digest(who.user.id, ROUTE, key), new.fingerprint());
    judged(app, key, fingerprint, new.draft(who, TransferId::generate(&app.clock))).await
}

/// Hands a wish to the engine; one that was refused without looking at any account is so after the key's own checks.
pub async fn judged(
    app: &App,
    key: KeyDigest,
    fingerprint: Uuid,
    draft: Result<Draft, Problem>,
) -> Result<Answer, Problem> {
    match draft {
        Ok(draft) => submit(app, key, fingerprint, Work::One(draft.into())).await,
        Err(refused) => {
            key_is_free_for(app, key, fingerprint).await?;
            Err(refused)
        }
    }
}

/// Hands work to the engine and waits for its outcome.
pub async fn submit(app: &App, key: KeyDigest, fingerprint: Uuid, work: Work) -> Result<Answer, Problem> {
    let unit = Unit { key: Some(key), fingerprint, work, context: Context::current() };
    app.engine.submit(unit).await.map_err(Problem::from)
}

/// Decides on what is committed now, and changes nothing. A key is not needed; one that is another request's is refused.
pub async fn dry_run(app: &App, who: &SignedIn, key: Option<Key>, new: NewTransfer) -> Result<Decided, Problem> {
    let key = key.map(|key| (digest(who.user.id, ROUTE, &key), new.fingerprint()));
    tried(app, key, || new.draft(who, TransferId::generate(&app.clock))).await
}

/// What a wish would come to. One that was refused without looking at any account is so after the key's own checks.
pub async fn tried(
    app: &App,
    key: Option<(KeyDigest, Uuid)>,
    draft: impl FnOnce() -> Result<Draft, Problem>,
) -> Result<Decided, Problem> {
    if let Some((key, fingerprint)) = key {
        key_is_free_for(app, key, fingerprint).await?;
    }
    let draft = draft()?;
    let effect = try_out(&app.db, &draft, app.clock.now_micros()).await?;
    Ok(Decided { record: effect.record, memo: effect.memo(&draft.memo) })
}

/// A refusal that is decided without accounts still comes after the key's: 422 when the key is another request's.
pub async fn key_is_free_for(app: &App, key: KeyDigest, fingerprint: Uuid) -> Result<(), Problem> {
    let running = app.engine.running(key);
    let asked = match running {
        Some(asked) => Some(asked),
        None => store::fingerprint_of(&app.db, key).await.map_err(db::problem)?,
    };
    match asked {
        Some(asked) if asked != fingerprint => Err(Failure::KeyReused.into()),
        Some(_) | None => Ok(()),
    }
}

/// The problem of a transfer that is not there for this caller.
pub fn not_found() -> Problem {
    Problem::new(Code::NotFound)
}
