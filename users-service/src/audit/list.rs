//! The list of events: newest first unless asked otherwise, narrowed, by cursor.

use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use shared::clock::to_micros;
use shared::domain::paging::{CursorPage, CursorRequest};
use shared::domain::{SessionId, UserId};
use shared::http::QueryPairs;
use shared::problem::{Code, Problem};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::journal::Journal;
use super::kind::{Kind, Outcome};
use super::model::EventView;
use crate::db::Fault;
use crate::db::entity::audit_event::{Column, Entity};
use crate::users::Identifier;

const PARAMETERS: [&str; 11] =
    ["cursor", "limit", "sort_order", "user", "actor", "kind", "outcome", "session", "identifier", "from", "to"];

/// What the list asks for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    page: CursorRequest,
    filter: Condition,
    ascending: bool,
}

/// A place in the chain, in a list of one direction.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Position {
    event: i64,
    ascending: bool,
}

impl Asked {
    /// Reads the query.
    pub fn parse(query: QueryPairs, journal: &Journal) -> Result<Self, Problem> {
        let query = query.only(&PARAMETERS)?;
        let ascending = match query.get("sort_order") {
            None | Some("desc") => false,
            Some("asc") => true,
            Some(_) => return Err(one_of("sort_order", "asc or desc")),
        };
        let kind = query.get("kind").map(|word| known(word, Kind::ALL.iter().map(|kind| kind.as_str())));
        let outcome = query.get("outcome").map(|word| known(word, Outcome::ALL.iter().map(|word| word.as_str())));
        let kind = kind.transpose().map_err(|()| one_of("kind", "a kind of event such as user.roles_changed"))?;
        let outcome = outcome.transpose().map_err(|()| one_of("outcome", "succeeded, refused or failed"))?;
        let user = id::<UserId>(&query, "user")?.map(|user| Column::SubjectId.eq(user.as_uuid()));
        let session = id::<SessionId>(&query, "session")?.map(|session| Column::SessionId.eq(session.as_uuid()));
        let actor =
            query.get("actor").map(|text| actor(text, journal)).transpose()?.map(|actor| Column::Actor.eq(actor));
        let (from, to) = (moment(&query, "from")?, moment(&query, "to")?);
        let filter = Condition::all()
            .add_option(user)
            .add_option(session)
            .add_option(actor)
            .add_option(kind.map(|kind| Column::Kind.eq(kind)))
            .add_option(outcome.map(|outcome| Column::Outcome.eq(outcome)))
            .add_option(from.map(|from| Column::At.gte(from)))
            .add_option(to.map(|to| Column::At.lt(to)))
            .add_option(query.get("identifier").map(|text| tried_as(text, journal)));
        Ok(Self { page: CursorRequest::parse(&query)?, filter, ascending })
    }
}

/// Attempts in somebody's name: the detail holds the name that the journal gives to it.
fn tried_as(text: &str, journal: &Journal) -> Condition {
    let kinds = [Kind::SignInFailed, Kind::SignInThrottled, Kind::RegistrationDeclined].map(Kind::as_str);
    let name = journal.name(Identifier::of(text).as_str());
    Condition::all().add(Column::Kind.is_in(kinds)).add(Column::Detail.contains(name))
}

/// As it is stored: a user's id however it is written, or an issuer and its name for somebody.
fn actor(text: &str, journal: &Journal) -> Result<String, Problem> {
    match text.parse::<UserId>() {
        Ok(user) => Ok(user.to_string()),
        Err(_) => match text.split_once(' ') {
            Some((issuer, _)) => Ok(format!("{issuer} {}", journal.name(text))),
            None => Err(one_of("actor", "a user's id, or an issuer and its name for somebody with a space between")),
        },
    }
}

fn known(word: &str, mut words: impl Iterator<Item = &'static str>) -> Result<&'static str, ()> {
    words.find(|known| *known == word).ok_or(())
}

fn one_of(name: &str, words: &'static str) -> Problem {
    Problem::new(Code::ValidationFailed).error(format!("?{name}"), "one_of", words)
}

fn id<T: std::str::FromStr>(query: &QueryPairs, name: &str) -> Result<Option<T>, Problem> {
    let id = query.get(name).map(str::parse).transpose();
    id.map_err(|_| Problem::new(Code::MalformedQuery).error(format!("?{name}"), "uuid", "an id"))
}

fn moment(query: &QueryPairs, name: &str) -> Result<Option<i64>, Problem> {
    let at = query.get(name).map(|text| OffsetDateTime::parse(text, &Rfc3339)).transpose();
    let at =
        at.map_err(|_| Problem::new(Code::MalformedQuery).error(format!("?{name}"), "instant", "an RFC 3339 instant"))?;
    Ok(at.map(to_micros))
}

/// One page. Events are numbered in the order in which they commit, so none turns up behind a cursor.
pub(super) async fn page<C: ConnectionTrait>(db: &C, asked: Asked) -> Result<CursorPage<EventView>, Problem> {
    let Asked { page: request, filter, ascending } = asked;
    let rows = Entity::find().filter(filter);
    let position = request.position::<Position>()?;
    let rows = match position {
        Some(position) if position.ascending != ascending => return Err(Problem::new(Code::InvalidCursor)),
        Some(Position { event, .. }) if ascending => rows.filter(Column::Seq.gt(event)),
        Some(Position { event, .. }) => rows.filter(Column::Seq.lt(event)),
        None => rows,
    };
    let order = if ascending { sea_orm::Order::Asc } else { sea_orm::Order::Desc };
    let rows = rows.order_by(Column::Seq, order).limit(u64::from(request.limit) + 1).all(db).await;
    let rows = rows.map_err(Fault::from)?.into_iter().map(EventView::from).collect();
    Ok(CursorPage::new(rows, request.limit, |event: &EventView| Position { event: event.seq, ascending }))
}
