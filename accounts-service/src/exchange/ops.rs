//! Making an exchange, or saying what would happen, in the contract's order of checks.

use shared::auth::SignedIn;
use shared::domain::{ExchangeId, Permission, TransferId};
use shared::problem::{Code, Problem};
use shared::wire::idempotency::Key;

use super::body::NewExchange;
use super::store;
use crate::app::App;
use crate::idempotency::digest;
use crate::posting::{Answer, Exchange, Exchanged, Work};
use crate::transfers::{key_is_free_for, submit};

/// The key scope of an exchange.
const ROUTE: &str = "POST /exchanges";

/// Makes an exchange.
pub async fn make(app: &App, who: &SignedIn, key: &Key, new: NewExchange) -> Result<Answer, Problem> {
    let (key, fingerprint) = (digest(who.user.id, ROUTE, key), new.fingerprint());
    match wish(app, who, &new).await {
        Ok(wish) => submit(app, key, fingerprint, Work::Exchange(wish.into())).await,
        Err(refused) => {
            key_is_free_for(app, key, fingerprint).await?;
            Err(refused)
        }
    }
}

/// A quote: decides on what is committed now, and changes nothing. A key is not needed; one that is another request's is
/// refused.
pub async fn dry_run(app: &App, who: &SignedIn, key: Option<Key>, new: NewExchange) -> Result<Exchanged, Problem> {
    if let Some(key) = key {
        key_is_free_for(app, digest(who.user.id, ROUTE, &key), new.fingerprint()).await?;
    }
    let wish = wish(app, who, &new).await?;
    store::try_out(&app.db, &wish, app.clock.now_micros()).await
}

/// The wish, or what is refused before any account is looked at.
async fn wish(app: &App, who: &SignedIn, new: &NewExchange) -> Result<Exchange, Problem> {
    let amount = new.amount.amount().map_err(|_| Problem::new(Code::AmountOutOfRange))?;
    if new.debit_account_id == new.credit_account_id {
        return Err(Problem::new(Code::AccountsMustBeDifferent));
    }
    Ok(Exchange {
        id: ExchangeId::generate(&app.clock),
        transfers: [(); 3].map(|()| TransferId::generate(&app.clock)),
        debit: new.debit_account_id,
        credit: new.credit_account_id,
        amount,
        by: who.user.id,
        treasurer: who.may(Permission::AccountsTreasury),
        pair: store::pair(&app.db, (new.debit_account_id, new.credit_account_id)).await?,
        asked: new.rate,
    })
}
