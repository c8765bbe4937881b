//! The rows of authorizations and consents.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter};
use shared::domain::{ClientId, SessionId, UserId};
use uuid::Uuid;

use super::asked::Asked;
use super::scope::Scope;
use crate::clients::SecretDigest;
use crate::db::entity::authorization::{ActiveModel, Column, Entity, Model};
use crate::db::entity::oauth_consent;
use crate::db::{self, Database, Fault, Write};

/// What a client has asked for, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authorization {
    pub id: Uuid,
    pub client: ClientId,
    pub redirect_uri: String,
    pub scope: Scope,
    pub state: Option<String>,
    pub nonce: Option<String>,
    pub challenge: String,
    /// Whether the client wants its user to be asked in any case.
    pub ask_consent: bool,
    pub proof: Option<Proof>,
    pub decided: bool,
    pub code_expires_at: Option<i64>,
    pub used: bool,
    pub opened: bool,
}

/// Who has signed in for it, when and how, and the session that they will have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    pub user: UserId,
    pub session: SessionId,
    pub parent: Option<SessionId>,
    pub at: i64,
    pub amr: String,
}

impl From<Model> for Authorization {
    fn from(row: Model) -> Self {
        let (who, when) = (row.user_id.zip(row.session_id), row.authenticated_at.zip(row.amr));
        let proof = who.zip(when).map(|((user, session), (at, amr))| Proof {
            user: user.into(),
            session: session.into(),
            parent: row.parent_id.map(SessionId::from),
            at,
            amr,
        });
        Self {
            id: row.id,
            client: row.client_id.into(),
            redirect_uri: row.redirect_uri,
            scope: Scope::stored(&row.scope),
            state: row.state,
            nonce: row.nonce,
            challenge: row.code_challenge,
            ask_consent: row.ask_consent,
            proof,
            decided: row.decided_at.is_some(),
            code_expires_at: row.code_expires_at,
            used: row.used_at.is_some(),
            opened: row.opened_at.is_some(),
        }
    }
}

/// Writes down what a client has asked for, for this browser.
pub(super) async fn ask(
    write: &Write,
    id: Uuid,
    asked: &Asked,
    browser: &SecretDigest,
    (now, expires_at): (i64, i64),
) -> Result<(), Fault> {
    let row = ActiveModel {
        id: Set(id),
        client_id: Set(asked.client.id.as_uuid()),
        redirect_uri: Set(asked.redirect_uri.clone()),
        scope: Set(asked.scope.to_string()),
        state: Set(asked.state.clone()),
        nonce: Set(asked.nonce.clone()),
        code_challenge: Set(asked.challenge.clone()),
        ask_consent: Set(asked.ask_consent),
        browser: Set(browser.bytes()),
        created_at: Set(now),
        expires_at: Set(expires_at),
        ..Default::default()
    };
    Entity::insert(row).exec_without_returning(write.transaction()).await?;
    Ok(())
}

/// Those of this browser that are still to be decided.
fn open(id: Uuid, browser: &SecretDigest, now: i64) -> Condition {
    Condition::all()
        .add(Column::Id.eq(id))
        .add(Column::Browser.eq(browser.bytes()))
        .add(Column::DecidedAt.is_null())
        .add(Column::ExpiresAt.gt(now))
}

/// What was asked for by way of this browser, if it is still to be decided.
pub(super) async fn find<C: ConnectionTrait>(
    db: &C,
    id: Uuid,
    browser: &SecretDigest,
    now: i64,
) -> Result<Option<Authorization>, Fault> {
    Ok(Entity::find().filter(open(id, browser, now)).one(db).await?.map(Authorization::from))
}

/// Notes who has signed in for it: `false` when somebody has already, or it is over. The caller holds the user's row.
pub(super) async fn prove(
    write: &Write,
    id: Uuid,
    browser: &SecretDigest,
    proof: &Proof,
    now: i64,
) -> Result<bool, Fault> {
    let row = ActiveModel {
        user_id: Set(Some(proof.user.as_uuid())),
        session_id: Set(Some(proof.session.as_uuid())),
        parent_id: Set(proof.parent.map(|parent| parent.as_uuid())),
        authenticated_at: Set(Some(proof.at)),
        amr: Set(Some(proof.amr.clone())),
        ..Default::default()
    };
    let open = open(id, browser, now).add(Column::UserId.is_null());
    Ok(Entity::update_many().set(row).filter(open).exec(write.transaction()).await?.rows_affected == 1)
}

/// Decides it, with a code or without: `false` when it is decided or over. The caller holds the user's row.
pub(super) async fn decide(
    write: &Write,
    id: Uuid,
    browser: &SecretDigest,
    code: Option<(&SecretDigest, i64)>,
    now: i64,
) -> Result<bool, Fault> {
    let (digest, until) = code.unzip();
    let row = ActiveModel {
        decided_at: Set(Some(now)),
        code_digest: Set(digest.map(SecretDigest::bytes)),
        code_expires_at: Set(until),
        ..Default::default()
    };
    let proven = open(id, browser, now).add(Column::UserId.is_not_null());
    Ok(Entity::update_many().set(row).filter(proven).exec(write.transaction()).await?.rows_affected == 1)
}

/// What a code is for, used or not.
pub(super) async fn of_code<C: ConnectionTrait>(db: &C, code: &SecretDigest) -> Result<Option<Authorization>, Fault> {
    Ok(Entity::find().filter(Column::CodeDigest.eq(code.bytes())).one(db).await?.map(Authorization::from))
}

/// Uses a code up: `false` when it was, or is worth nothing any more. The caller holds the user's row.
pub(super) async fn burn(write: &Write, code: &SecretDigest, now: i64) -> Result<bool, Fault> {
    let row = ActiveModel { used_at: Set(Some(now)), ..Default::default() };
    let unused = Column::CodeDigest.eq(code.bytes()).and(Column::UsedAt.is_null());
    Ok(Entity::update_many().set(row).filter(unused).exec(write.transaction()).await?.rows_affected == 1)
}

/// Notes that its session was opened.
pub(super) async fn opened(write: &Write, id: Uuid, now: i64) -> Result<(), Fault> {
    let row = ActiveModel { opened_at: Set(Some(now)), ..Default::default() };
    Entity::update_many().set(row).filter(Column::Id.eq(id)).exec(write.transaction()).await?;
    Ok(())
}

/// What has not become a session yet will not: codes open nothing, and nothing is decided any more.
async fn end(write: &Write, whose: Condition, now: i64) -> Result<(), Fault> {
    let row = ActiveModel { decided_at: Set(Some(now)), code_digest: Set(None), ..Default::default() };
    let unused = whose.add(Column::UsedAt.is_null());
    Entity::update_many().set(row).filter(unused).exec(write.transaction()).await?;
    Ok(())
}

/// A user's. The caller holds their row.
///
/// # Errors
/// When the statement fails.
pub async fn end_of_user(write: &Write, user: UserId, now: i64) -> Result<(), Fault> {
    end(write, Condition::all().add(Column::UserId.eq(user.as_uuid())), now).await
}

/// A client's. The caller holds its row.
///
/// # Errors
/// When the statement fails.
pub async fn end_of_client(write: &Write, client: ClientId, now: i64) -> Result<(), Fault> {
    end(write, Condition::all().add(Column::ClientId.eq(client.as_uuid())), now).await
}

/// What a user has allowed a client.
pub(super) async fn consent<C: ConnectionTrait>(db: &C, user: UserId, client: ClientId) -> Result<Scope, Fault> {
    let row = oauth_consent::Entity::find_by_id((user.as_uuid(), client.as_uuid())).one(db).await?;
    Ok(row.map_or_else(Scope::default, |row| Scope::stored(&row.scope)))
}

/// Remembers it, beside what they have allowed before. The caller holds the user's row.
pub(super) async fn allow(write: &Write, user: UserId, client: ClientId, scope: &Scope, now: i64) -> Result<(), Fault> {
    let all = consent(write.transaction(), user, client).await?.or(scope);
    let row = oauth_consent::ActiveModel {
        user_id: Set(user.as_uuid()),
        client_id: Set(client.as_uuid()),
        scope: Set(all.to_string()),
        granted_at: Set(now),
    };
    let again = OnConflict::columns([oauth_consent::Column::UserId, oauth_consent::Column::ClientId])
        .update_columns([oauth_consent::Column::Scope, oauth_consent::Column::GrantedAt])
        .to_owned();
    oauth_consent::Entity::insert(row).on_conflict(again).exec_without_returning(write.transaction()).await?;
    Ok(())
}

/// Removes what was never decided and expired before `now`, and the rest once it expired before `before`: until then a code
/// that comes again is known.
///
/// # Errors
/// When a statement fails.
pub async fn sweep(database: &Database, now: i64, before: i64) -> Result<(), Fault> {
    let due = "(expires_at < $1 AND decided_at IS NULL) OR expires_at < $2";
    db::remove_where(database, ("authorizations", "id"), due, &[now, before]).await
}
