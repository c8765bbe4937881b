//! Queries on exchanges and their rates.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, Order as Sort, QueryFilter, QueryOrder, QuerySelect,
};
use serde::Serialize;
use shared::domain::{AccountId, Currency, ExchangeId, ExchangeRateId, UserId};
use shared::problem::Problem;
use uuid::Uuid;

use super::model::Rows;
use super::rate::Remainder;
use crate::db::entity::exchange as exchange_made;
use crate::db::entity::{account, exchange_carry, exchange_rate, transfer};
use crate::db::{self, Database, Month};
use crate::posting::outside::teach;
use crate::posting::{Exchange, Exchanged, Halt, Newest, Pair, State, exchange as decide};

/// The currencies of both accounts, if there are both.
pub async fn pair(db: &Database, sides: (AccountId, AccountId)) -> Result<Option<Pair>, Problem> {
    let ids = [sides.0.as_uuid(), sides.1.as_uuid()];
    let rows = account::Entity::find().filter(account::Column::Id.is_in(ids)).all(&db.pool).await;
    let rows = rows.map_err(db::problem)?;
    let currency =
        |id: Uuid| rows.iter().find(|row| row.id == id).and_then(|row| row.currency.parse::<Currency>().ok());
    let [debit, credit] = ids.map(currency);
    Ok(debit.zip(credit))
}

/// Judges an exchange on what is committed now, all of it of one moment, looking up whatever turns out to be missing.
pub async fn try_out(db: &Database, wish: &Exchange, now: i64) -> Result<Exchanged, Problem> {
    let db = &db.snapshot().await.map_err(db::problem)?;
    let newest = match wish.pair {
        Some(pair) => newest(db, pair).await.map_err(db::problem)?.map(known).transpose()?,
        None => None,
    };
    let mut state = State::default();
    wish.pair.into_iter().for_each(|pair| state.rates.learn(pair, newest));
    if let Some(newest) = newest {
        let row = exchange_carry::Entity::find_by_id(newest.rounding.as_uuid()).one(db).await;
        let grains = row.map_err(db::problem)?.map_or(0, |row| row.grains);
        let carry = Remainder::of(grains.into()).ok_or_else(|| Problem::internal("exchange_carries.grains"))?;
        state.carries.learn(newest.rounding, Some(carry));
    }
    let mut needs: Vec<_> = wish.needs().chain(newest.iter().flat_map(Newest::needs)).collect();
    loop {
        teach(db, &mut state, &needs, now).await?;
        match decide(&mut state, wish, now) {
            Ok(exchanged) => return Ok(exchanged),
            Err(Halt::Refused(refusal)) => return Err(refusal.into()),
            Err(Halt::Missing(need)) if !state.knows(&need) => needs = vec![need],
            Err(Halt::Missing(need)) => return Err(Problem::internal(format!("decided without {need:?}"))),
        }
    }
}

fn known(row: exchange_rate::Model) -> Result<Newest, Problem> {
    Ok(Newest {
        id: row.id.into(),
        rate: row.rate.parse().map_err(|_| Problem::internal("exchange_rates.rate"))?,
        base: row.base_account_id.into(),
        quote: row.quote_account_id.into(),
        rounding: row.rounding_account_id.into(),
        valid_until: row.valid_until,
    })
}

/// The newest rate of a pair.
pub async fn newest(db: &impl ConnectionTrait, (base, quote): Pair) -> Result<Option<exchange_rate::Model>, DbErr> {
    use exchange_rate::Column::{Base, Position, Quote};
    let of_pair = exchange_rate::Entity::find().filter(Base.eq(base.code())).filter(Quote.eq(quote.code()));
    of_pair.order_by(Position, Sort::Desc).one(db).await
}

/// A rate by its id.
pub async fn rate(db: &Database, id: ExchangeRateId) -> Result<Option<exchange_rate::Model>, DbErr> {
    exchange_rate::Entity::find_by_id(id.as_uuid()).one(&db.pool).await
}

/// What a list of rates is narrowed to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RateFilter {
    /// Only from this currency.
    pub base: Option<String>,
    /// Only to this currency.
    pub quote: Option<String>,
}

/// Rates, newest first, from below `before`, one row more than `limit`.
pub async fn rates(
    db: &Database,
    filter: &RateFilter,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<exchange_rate::Model>, DbErr> {
    use exchange_rate::Column::{Base, Position, Quote};
    let all = Condition::all()
        .add_option(filter.base.as_deref().map(|base| Base.eq(base)))
        .add_option(filter.quote.as_deref().map(|quote| Quote.eq(quote)))
        .add_option(before.map(|position| Position.lt(position)));
    let rows = exchange_rate::Entity::find().filter(all).order_by(Position, Sort::Desc);
    rows.limit(u64::from(limit) + 1).all(&db.pool).await
}

/// An exchange by its id, if `maker` made it; `None` reads them all.
pub async fn exchange(
    db: &Database,
    id: ExchangeId,
    maker: Option<UserId>,
) -> Result<Option<exchange_made::Model>, DbErr> {
    let row = exchange_made::Entity::find_by_id(id.as_uuid()).one(&db.pool).await?;
    Ok(row.filter(|row| maker.is_none_or(|maker| row.created_by == maker.as_uuid())))
}

/// Exchanges, newest first, from below `before`, one row more than `limit`.
pub async fn exchanges(
    db: &Database,
    maker: Option<UserId>,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<exchange_made::Model>, DbErr> {
    use exchange_made::Column::{CreatedBy, Position};
    let all = Condition::all()
        .add_option(maker.map(|maker| CreatedBy.eq(maker.as_uuid())))
        .add_option(before.map(|position| Position.lt(position)));
    let rows = exchange_made::Entity::find().filter(all).order_by(Position, Sort::Desc);
    rows.limit(u64::from(limit) + 1).all(&db.pool).await
}

/// Each exchange with its rate and its transfers: as many statements for a page as for one.
pub async fn whole(db: &Database, made: Vec<exchange_made::Model>) -> Result<Vec<Rows>, DbErr> {
    let rates = exchange_rate::Entity::find();
    let rates = rates.filter(exchange_rate::Column::Id.is_in(made.iter().map(|row| row.rate_id))).all(&db.pool).await?;
    let ids = made.iter().flat_map(|row| [row.paid_transfer_id, row.received_transfer_id]);
    // Its transfers come just before an exchange, in the same month: no other is looked into.
    let positions = || made.iter().map(|row| row.position);
    let (Some(first), Some(last)) = (positions().min(), positions().max()) else { return Ok(Vec::new()) };
    let transfers = transfer::Entity::find().filter(transfer::Column::Id.is_in(ids));
    let transfers = transfers.filter(transfer::Column::Position.gte(Month::of(first).base()));
    let transfers = transfers.filter(transfer::Column::Position.lt(last)).all(&db.pool).await?;
    let whole = made.into_iter().map(|row| {
        let rate = rates.iter().find(|rate| rate.id == row.rate_id).cloned();
        let transfer = |id| transfers.iter().find(|transfer| transfer.id == id).cloned();
        let both = transfer(row.paid_transfer_id).zip(transfer(row.received_transfer_id));
        let missing = || DbErr::RecordNotFound(format!("what exchange {} names", row.id));
        let (rate, (paid, received)) = rate.zip(both).ok_or_else(missing)?;
        Ok((row, rate, [paid, received]))
    });
    whole.collect()
}
