//! Setting a rate: under the lock on the chain's head, so that after the answer nothing is exchanged at the old one.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DatabaseTransaction, DbErr, EntityTrait, IntoActiveModel};
use shared::auth::SignedIn;
use shared::clock::Clock;
use shared::domain::{AccountId, Currency, ExchangeRateId, Permission};
use shared::problem::{Code, Problem};

use super::body::NewExchangeRate;
use super::model::ExchangeRateBody;
use crate::accounts;
use crate::db;
use crate::db::entity::{account, exchange_carry, exchange_rate};
use crate::posting::{Kind, Status};

/// Sets a rate from now on. Treasurers only: whoever could name a rate could make money.
pub async fn set(
    tx: &DatabaseTransaction,
    clock: &Clock,
    who: &SignedIn,
    new: NewExchangeRate,
) -> Result<ExchangeRateBody, Problem> {
    if !who.may(Permission::AccountsTreasury) {
        return Err(Problem::new(Code::Forbidden));
    }
    let now = clock.now_micros();
    let valid_until = check(&new, now)?;
    check_accounts(tx, &new).await?;
    open_carry(tx, new.rounding_account_id).await.map_err(db::problem)?;
    // From here to the commit nobody exchanges. The event has the rate's place.
    let position = accounts::take_positions(tx, 1, now).await.map_err(db::problem)?;
    let row = exchange_rate::Model {
        id: ExchangeRateId::generate(clock).as_uuid(),
        position,
        base: new.base.code().to_owned(),
        quote: new.quote.code().to_owned(),
        rate: new.rate.to_string(),
        base_account_id: new.base_account_id.as_uuid(),
        quote_account_id: new.quote_account_id.as_uuid(),
        rounding_account_id: new.rounding_account_id.as_uuid(),
        valid_until,
        created_by: who.user.id.as_uuid(),
        created_at: now,
    };
    let row = row.into_active_model().reset_all().insert(tx).await.map_err(db::problem)?;
    let body = ExchangeRateBody::from(row);
    let data = String::from_utf8(body.json()).unwrap_or_default();
    let event = ("exchange_rate.set", new.base_account_id, data.as_str());
    accounts::record_at(tx, clock, position, event).await.map_err(db::problem)?;
    Ok(body)
}

/// When it lapses; 422 with every fault of values.
fn check(new: &NewExchangeRate, now: i64) -> Result<Option<i64>, Problem> {
    let valid_until = new.valid_until();
    let wrong = [
        (new.base == new.quote, "/quote", "one_currency", "another currency than base"),
        (
            new.quote_account_id == new.rounding_account_id,
            "/rounding_account_id",
            "one_account",
            "another account than quote_account_id",
        ),
        (valid_until.is_err(), "/valid_until", "invalid", "an RFC 3339 instant"),
        (matches!(valid_until, Ok(Some(at)) if at <= now), "/valid_until", "past", "an instant to come"),
    ];
    let mut wrong = wrong.into_iter().filter(|(is_wrong, ..)| *is_wrong).peekable();
    if wrong.peek().is_none() {
        return Ok(valid_until.unwrap_or_default());
    }
    let problem = Problem::new(Code::ValidationFailed);
    Err(wrong.fold(problem, |problem, (_, pointer, rule, detail)| problem.error(pointer, rule, detail)))
}

/// They are system accounts of the right currency, for ever; that they are open is so now.
async fn check_accounts(tx: &DatabaseTransaction, new: &NewExchangeRate) -> Result<(), Problem> {
    let mut problem = Problem::new(Code::ValidationFailed);
    for (pointer, id, currency) in [
        ("/base_account_id", new.base_account_id, new.base),
        ("/quote_account_id", new.quote_account_id, new.quote),
        ("/rounding_account_id", new.rounding_account_id, new.quote),
    ] {
        if !is_fit(tx, id, currency).await.map_err(db::problem)? {
            problem = problem.error(pointer, "account", format!("an open system account in {currency}"));
        }
    }
    if problem.faults().is_empty() { Ok(()) } else { Err(problem) }
}

async fn is_fit(tx: &DatabaseTransaction, id: AccountId, currency: Currency) -> Result<bool, DbErr> {
    let row = account::Entity::find_by_id(id.as_uuid()).one(tx).await?;
    Ok(row.is_some_and(|row| {
        row.kind == Kind::System.as_str() && row.currency == currency.code() && row.status == Status::Open.as_str()
    }))
}

/// What rounding gathers for an account goes on through all rates that book to it.
async fn open_carry(tx: &DatabaseTransaction, account: AccountId) -> Result<(), DbErr> {
    let row = exchange_carry::ActiveModel { rounding_account_id: Set(account.as_uuid()), grains: Set(0) };
    let there = OnConflict::column(exchange_carry::Column::RoundingAccountId).do_nothing().to_owned();
    match exchange_carry::Entity::insert(row).on_conflict(there).exec_without_returning(tx).await {
        Ok(_) | Err(DbErr::RecordNotInserted) => Ok(()),
        Err(error) => Err(error),
    }
}
