//! The one statement of a drain: every counter that may move does, and nothing waits.
//!
//! On PostgreSQL it takes the locks that it gets, in the order of the ids, and leaves a session that somebody else holds
//! alone: one that is just being ended must not hold up everybody else's refresh, and whoever never waits is in nobody's
//! deadlock. On SQLite the transaction is the only writer there is.

use std::time::Duration;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, Iden, Iterable, QueryFilter, QueryResult,
    Statement,
};
use serde_json::{Value, json};

use super::{Presented, Rotated};
use crate::db::entity::{session, user};
use crate::db::{Database, Fault, Kind, Write};
use crate::users::User;

/// The user is read in the statement's snapshot, the session as it is once its lock is held: never the user after the
/// session. Whoever ends all of a user's sessions raises their version, and so no token has the new version for a session
/// that has ended. (`{returned}` are both rows.)
const POSTGRES: &str = "
    WITH asked AS (
        SELECT * FROM json_to_recordset($1::text::json) AS asked (id uuid, counter bigint, client uuid, origin text)
    ), held AS MATERIALIZED (
        SELECT s.id, asked.counter, asked.origin FROM sessions s JOIN asked ON asked.id = s.id
        WHERE s.counter = asked.counter AND s.client_id IS NOT DISTINCT FROM asked.client
            AND s.ended_at IS NULL AND s.expires_at > $2 AND s.rotated_at > $3
        ORDER BY s.id FOR NO KEY UPDATE OF s SKIP LOCKED
    )
    UPDATE sessions s SET counter = s.counter + 1, rotated_at = $2, last_ip = coalesce(held.origin, s.last_ip)
    FROM held, users u
    WHERE s.id = held.id AND s.counter = held.counter AND s.ended_at IS NULL
        AND u.id = s.user_id AND u.disabled_at IS NULL AND u.deleted_at IS NULL
    RETURNING {returned}";

const SQLITE: &str = "
    UPDATE sessions SET counter = sessions.counter + 1, rotated_at = $2, last_ip = coalesce(asked.origin, last_ip)
    FROM (
        SELECT unhex(value ->> 'id') AS id, value ->> 'counter' AS counter, unhex(value ->> 'client') AS client,
            value ->> 'origin' AS origin
        FROM json_each($1)
    ) AS asked
    WHERE sessions.id = asked.id AND sessions.counter = asked.counter AND client_id IS asked.client
        AND ended_at IS NULL AND expires_at > $2 AND rotated_at > $3
        AND EXISTS (SELECT 1 FROM users u WHERE u.id = user_id AND u.disabled_at IS NULL AND u.deleted_at IS NULL)
    RETURNING *";

/// Moves on every session whose good token is among these, in one transaction.
///
/// # Errors
/// When the database fails; whether anything was moved is then not known.
pub(super) async fn rotate(
    database: &Database,
    presented: &[Presented],
    now: i64,
    idle: Duration,
) -> Result<Vec<Rotated>, Fault> {
    let since = now.saturating_sub(i64::try_from(idle.as_micros()).unwrap_or(i64::MAX));
    let asked = Value::from_iter(presented.iter().map(row)).to_string();
    let values = [asked.into(), now.into(), since.into()];
    let write = database.write().await?;
    let rotated = match database.kind() {
        Kind::Postgres => {
            let sql = POSTGRES.replace("{returned}", &returned());
            let rows = query(&write, &sql, values).await?;
            rows.iter().map(both).collect::<Result<_, _>>()?
        }
        Kind::Sqlite => {
            let rows = query(&write, SQLITE, values).await?;
            let sessions: Result<Vec<_>, DbErr> =
                rows.iter().map(|row| session::Model::from_query_result(row, "")).collect();
            with_users(&write, sessions?).await?
        }
    };
    write.commit().await?;
    Ok(rotated)
}

/// Both back-ends read ids as bare hexadecimal digits.
fn row(presented: &Presented) -> Value {
    let Presented { token, client, origin } = presented;
    json!({
        "id": token.session.as_uuid().simple().to_string(),
        "counter": token.counter,
        "client": client.map(|client| client.simple().to_string()),
        "origin": origin.map(|origin| origin.to_string()),
    })
}

async fn query(write: &Write, sql: &str, values: [sea_orm::Value; 3]) -> Result<Vec<QueryResult>, Fault> {
    let statement = Statement::from_sql_and_values(write.get_database_backend(), sql, values);
    Ok(write.query_all_raw(statement).await?)
}

const SESSION: &str = "s_";
const USER: &str = "u_";

fn returned() -> String {
    let sessions = session::Column::iter().map(|column| column.unquoted().to_owned());
    let sessions = sessions.map(|name| format!("s.{name} AS {SESSION}{name}"));
    let users = user::Column::iter().map(|column| column.unquoted().to_owned());
    let users = users.map(|name| format!("u.{name} AS {USER}{name}"));
    sessions.chain(users).collect::<Vec<_>>().join(", ")
}

fn both(row: &QueryResult) -> Result<Rotated, DbErr> {
    let session = session::Model::from_query_result(row, SESSION)?;
    let user = user::Model::from_query_result(row, USER)?;
    Ok(Rotated { session: session.into(), user: user.into() })
}

/// SQLite returns rows of the table that is changed, and of no other.
async fn with_users(write: &Write, sessions: Vec<session::Model>) -> Result<Vec<Rotated>, Fault> {
    let ids = sessions.iter().map(|session| session.user_id);
    let users = user::Entity::find().filter(user::Column::Id.is_in(ids)).all(write.transaction()).await?;
    let of = |session: session::Model| {
        let user = users.iter().find(|user| user.id == session.user_id)?;
        Some(Rotated { session: session.into(), user: User::from(user.clone()) })
    };
    Ok(sessions.into_iter().filter_map(of).collect())
}
