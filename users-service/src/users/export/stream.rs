//! An export as it is written: a page of rows at a time, whatever there is of them.

use actix_web::web::{self, Bytes};
use futures_util::Stream;
use futures_util::stream::try_unfold;
use sea_orm::Value as Bound;
use serde_json::Value;
use shared::clock::rfc3339;
use shared::domain::UserId;

use super::rows::{Page, page};
use crate::app::App;
use crate::db::Fault;
use crate::users::held::{Holds, Section, TABLES};

/// How far it has been written.
struct State {
    app: web::Data<App>,
    user: UserId,
    left: std::vec::IntoIter<(&'static str, &'static Section)>,
    /// The section that is being written, and from where it goes on.
    open: Option<(&'static str, &'static Section, Bound)>,
    /// What stands before the next piece.
    before: String,
}

/// The document, piece by piece. One that breaks off is no JSON, so nobody takes it for the whole.
pub(super) fn document(app: web::Data<App>, user: UserId) -> impl Stream<Item = Result<Bytes, Fault>> {
    let sections = TABLES.iter().flat_map(|table| match &table.holds {
        Holds::People { sections, .. } => sections.iter().map(|section| (table.name, section)).collect(),
        Holds::Nobody(_) => Vec::new(),
    });
    let left = sections.collect::<Vec<_>>().into_iter();
    let before = format!("{{\"exported_at\":\"{}\"", rfc3339(app.clock.now()));
    let state = State { app, user, left, open: None, before };
    try_unfold(Some(state), async |state| match state {
        Some(state) => state.next().await.map(Some),
        None => Ok(None),
    })
}

impl State {
    async fn next(mut self) -> Result<(Bytes, Option<Self>), Fault> {
        let (table, section, after) = match self.open.take() {
            Some((table, section, after)) => (table, section, Some(after)),
            None => match self.left.next() {
                Some((table, section)) => (table, section, None),
                None => return Ok((Bytes::from(self.before + "}"), None)),
            },
        };
        let begins = after.is_none();
        let Page { rows, after } = page(self.app.database.read(), table, section, self.user, after).await?;
        let mut text = std::mem::take(&mut self.before);
        if section.one {
            let row = rows.into_iter().next().unwrap_or(Value::Null);
            text.push_str(&format!(",\"{}\":{row}", section.member));
            return Ok((text.into(), Some(self)));
        }
        text.push_str(&if begins { format!(",\"{}\":[", section.member) } else { String::new() });
        for (place, row) in rows.iter().enumerate() {
            text.push_str(if begins && place == 0 { "" } else { "," });
            text.push_str(&row.to_string());
        }
        match after {
            Some(after) => self.open = Some((table, section, after)),
            None => text.push(']'),
        }
        Ok((text.into(), Some(self)))
    }
}
