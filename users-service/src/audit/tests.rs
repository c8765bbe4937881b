//! Nothing is done without its record, no record can be changed unseen, and a purge takes what is personal.

mod chain;
mod deeds;
mod frozen;
mod list;
mod purge;
mod registrations;
mod sign_ins;

use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder};

use super::*;
use crate::db::Database;
use crate::db::entity::audit_event::{Column, Entity, Model};
use crate::testing::{Ground, Running, database};

/// Every event, in the order of the chain.
async fn events(database: &Database) -> Vec<Model> {
    Entity::find().order_by_asc(Column::Seq).all(database.read()).await.unwrap()
}

/// The same of a service.
async fn events_of(ground: &Ground) -> Vec<Model> {
    let database = database(ground).await;
    let events = events(&database).await;
    database.close().await;
    events
}

/// How many of a kind.
fn count(events: &[Model], kind: Kind) -> usize {
    events.iter().filter(|event| event.kind == kind.as_str()).count()
}

/// What belongs to its kind: all but the request.
fn detail(event: &Model) -> serde_json::Value {
    let mut detail: serde_json::Value = serde_json::from_str(event.detail.as_deref().unwrap()).unwrap();
    detail.as_object_mut().unwrap().remove("request_id");
    detail
}

/// Waits until the events are as the test wants them.
async fn until_events(service: &Running, hold: impl Fn(&[Model]) -> bool) -> Vec<Model> {
    let database = database(&service.ground).await;
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
    for _ in 0..500 {
        ticks.tick().await;
        let events = events(&database).await;
        if hold(&events) {
            database.close().await;
            return events;
        }
    }
    panic!("the events did not come within ten seconds: {:#?}", events(&database).await);
}

/// Runs a statement as whoever owns the database could.
async fn run(database: &Database, sql: &str) -> Result<(), sea_orm::DbErr> {
    database.read().execute_unprepared(sql).await.map(drop)
}
