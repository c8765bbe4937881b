//! Lists of users: numbered pages for v1, cursors for v2, the same filters for both.

use std::str::FromStr;

use sea_orm::sea_query::{Expr, ExprTrait, Func, LikeExpr};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};
use shared::domain::paging::{CursorPage, CursorRequest, Order, PageRequest};
use shared::domain::{Role, UnknownRole};
use shared::http::QueryPairs;
use shared::problem::{Code, Problem};

use super::fields::fold;
use super::model::{Status, User};
use crate::db::Fault;
use crate::db::entity::user::{Column, Entity};
use crate::roles::{having, is_name};

/// Columns a numbered list can be sorted by, the default first.
const SORTABLE: [&str; 5] = ["created_at", "updated_at", "email", "username", "name"];

/// The longest text to look for, in characters.
const MAX_Q: usize = 100;

const PAGED: [&str; 9] = ["page", "per_page", "skip", "limit", "sort_by", "sort_order", "q", "status", "role"];
const CURSOR: [&str; 5] = ["cursor", "limit", "q", "status", "role"];

/// Which users.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    q: Option<String>,
    status: Option<Status>,
    role: Option<WithRole>,
}

/// A role to look for.
#[derive(Clone, Debug)]
enum WithRole {
    /// One of ours.
    Ours(Role),
    /// The custom role of this name, if there is one.
    Custom(String),
}

impl FromStr for WithRole {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word.parse() {
            Ok(role) => Ok(Self::Ours(role)),
            Err(UnknownRole) if is_name(word) => Ok(Self::Custom(word.to_owned())),
            Err(UnknownRole) => Err(()),
        }
    }
}

impl WithRole {
    fn condition(&self) -> Expr {
        match self {
            Self::Ours(role) => Column::Roles.contains(role.as_str()),
            Self::Custom(name) => Column::Id.in_subquery(having(name)),
        }
    }
}

/// A place in the order of registrations.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Position {
    seq: i64,
}

impl Filter {
    fn parse(query: &QueryPairs) -> Result<Self, Problem> {
        let invalid = |at, words| Problem::new(Code::ValidationFailed).error(at, "one_of", words);
        let status = match query.get("status") {
            None => None,
            Some("active") => Some(Status::Active),
            Some("disabled") => Some(Status::Disabled),
            Some("deleted") => Some(Status::Deleted),
            Some(_) => return Err(invalid("?status", "active, disabled or deleted")),
        };
        let role = query.get("role").map(str::parse).transpose();
        let role = role.map_err(|()| invalid("?role", "user, support, treasurer, admin, or a custom role's name"))?;
        let q = query.get("q").filter(|q| !q.is_empty());
        if q.is_some_and(|q| q.chars().count() > MAX_Q) {
            return Err(Problem::new(Code::ValidationFailed).error("?q", "length", "at most 100 characters"));
        }
        Ok(Self { q: q.map(fold), status, role })
    }

    /// Without a status, everybody but the deleted.
    fn condition(&self) -> Condition {
        let (disabled, deleted) = (Column::DisabledAt, Column::DeletedAt);
        let all = Condition::all().add(Column::PurgedAt.is_null());
        let all = match self.status {
            None => all.add(deleted.is_null()),
            Some(Status::Active) => all.add(deleted.is_null()).add(disabled.is_null()),
            Some(Status::Disabled) => all.add(deleted.is_null()).add(disabled.is_not_null()),
            Some(Status::Deleted) => all.add(deleted.is_not_null()),
        };
        let text = self.q.as_ref().map(|q| Expr::col(Column::Search).like(LikeExpr::new(pattern(q)).escape('\\')));
        all.add_option(text).add_option(self.role.as_ref().map(WithRole::condition))
    }
}

/// Anywhere in the text, and `%` and `_` mean themselves.
fn pattern(q: &str) -> String {
    let literal = q.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{literal}%")
}

/// A numbered list's request.
pub(super) fn parse_paged(query: QueryPairs) -> Result<(PageRequest, Filter, QueryPairs), Problem> {
    let query = query.only(&PAGED)?;
    let request = PageRequest::parse(&query, &SORTABLE, Order::Desc)?;
    Ok((request, Filter::parse(&query)?, query))
}

/// A cursor list's request.
pub(super) fn parse_cursor(query: QueryPairs) -> Result<(CursorRequest, Filter), Problem> {
    let query = query.only(&CURSOR)?;
    Ok((CursorRequest::parse(&query)?, Filter::parse(&query)?))
}

/// One numbered page, and how many there are in all.
pub(super) async fn page<C: ConnectionTrait>(
    db: &C,
    request: &PageRequest,
    filter: &Filter,
) -> Result<(Vec<User>, u64), Fault> {
    let order = match request.order {
        Order::Asc => sea_orm::Order::Asc,
        Order::Desc => sea_orm::Order::Desc,
    };
    let by = match request.sort_by.as_str() {
        "email" => Expr::col(Column::EmailNorm),
        "username" => Expr::col(Column::UsernameNorm),
        // A missing name sorts as an empty one; left NULL, each back-end would have its own idea.
        "name" => Func::coalesce([Expr::col(Column::Name), Expr::val("")]).into(),
        "updated_at" => Expr::col(Column::UpdatedAt),
        _ => Expr::col(Column::CreatedAt),
    };
    let all = Entity::find().filter(filter.condition());
    let total = all.clone().count(db).await?;
    let rows = all.order_by(by, order.clone()).order_by(Column::Seq, order);
    let rows = rows.offset(request.offset).limit(u64::from(request.limit)).all(db).await?;
    Ok((rows.into_iter().map(User::from).collect(), total))
}

/// One page from a cursor on, oldest registration first. Registrations are numbered in the order in which they commit,
/// so nobody can turn up behind a cursor.
pub(super) async fn after<C: ConnectionTrait>(
    db: &C,
    request: &CursorRequest,
    filter: &Filter,
) -> Result<CursorPage<User>, Problem> {
    let position = request.position::<Position>()?.map_or(0, |position| position.seq);
    let rows = Entity::find().filter(filter.condition()).filter(Column::Seq.gt(position)).order_by_asc(Column::Seq);
    let rows = rows.limit(u64::from(request.limit) + 1).all(db).await.map_err(Fault::from)?;
    let rows = rows.into_iter().map(User::from).collect();
    Ok(CursorPage::new(rows, request.limit, |user: &User| Position { seq: user.seq }))
}
