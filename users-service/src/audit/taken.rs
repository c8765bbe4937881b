//! Why a row may have lost what was personal: somebody was purged, or it is old and nobody's purge would ever take it.

use std::collections::HashMap;

use sea_orm::ConnectionTrait;
use shared::domain::UserId;
use uuid::Uuid;

use super::event::{EXTERNAL, NOBODY};
use super::store;
use crate::db::Fault;
use crate::db::entity::audit_event::Model;

/// What is missing, by whose purge must have taken it.
pub(super) struct Taken {
    /// The first row of each that relies on it.
    owed: HashMap<Uuid, i64>,
    /// Time takes what nobody in particular did before this (microseconds).
    before: i64,
}

impl Taken {
    pub fn new(before: i64) -> Self {
        Self { owed: HashMap::new(), before }
    }

    /// Notes what is missing from a row; false when neither a purge nor time could have taken it. As
    /// [`super::store::forget`] and [`super::store::sweep`] do it.
    pub fn note(&mut self, row: &Model) -> bool {
        let whose = match &row.actor {
            Some(actor) if row.actor_kind != EXTERNAL => actor.parse().ok().map(UserId::as_uuid),
            Some(_) | None => row.subject_id,
        };
        let detail = row.detail_salt.is_some() || self.owes(row, row.subject_id);
        let origin = row.origin_salt.is_some() || self.owes(row, whose);
        detail && origin
    }

    fn owes(&mut self, row: &Model, whose: Option<Uuid>) -> bool {
        let stranger = row.actor_kind == EXTERNAL || (row.actor_kind == NOBODY && row.subject_id.is_none());
        if stranger && row.at < self.before {
            return true;
        }
        if let Some(user) = whose {
            self.owed.entry(user).or_insert(row.seq);
        }
        whose.is_some()
    }

    /// The first row that relies on a purge which there never was. To be asked last: a purge may come while the rows are
    /// read.
    pub async fn unfounded<C: ConnectionTrait>(self, db: &C) -> Result<Option<i64>, Fault> {
        if self.owed.is_empty() {
            return Ok(None);
        }
        let purged = store::purged(db).await?;
        Ok(self.owed.into_iter().filter(|(user, _)| !purged.contains(user)).map(|(_, seq)| seq).min())
    }
}
