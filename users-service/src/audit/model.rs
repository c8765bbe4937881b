//! An event as administrators see it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::clock::{from_micros, instant};
use shared::domain::{EventId, SessionId, UserId};
use time::OffsetDateTime;

use super::event::REQUEST_ID;
use crate::db::entity::audit_event::Model;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = AuditActor)]
pub struct ActorView {
    /// `user`, `api_key` (then `id` is its user's), `external` (an issuer and its name for them), `nobody` who showed who
    /// they are, or `system`.
    #[schema(example = "user")]
    pub kind: String,
    /// Who of these.
    #[schema(example = "01936f6a-02b4-7d19-b1c8-9e7f5a3d4c55")]
    pub id: Option<String>,
}

/// A security event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = AuditEvent)]
pub struct EventView {
    /// Its number, without gaps from 1.
    #[schema(example = 1042, minimum = 1)]
    pub seq: i64,
    /// Id.
    pub id: EventId,
    /// When it happened. Numbers go by the order of commit, which may differ.
    #[serde(with = "instant")]
    pub at: OffsetDateTime,
    /// What happened: `user.registered`, `user.imported`, `user.registration_declined` (only where it is not disclosed who is registered),
    /// `user.administrator_made`, `user.email_changed`, `user.username_changed`,
    /// `user.changed`, `user.roles_changed`, `user.disabled`, `user.enabled`, `user.deleted`, `user.restored`,
    /// `user.purged`, `user.data_exported`, `user.email_verified`, `user.email_change_asked`, `password.changed`, `password.change_failed`,
    /// `password.change_throttled`, `password.reset`, `sign_in.succeeded`, `sign_in.failed`, `sign_in.throttled`,
    /// `sign_in.shed`, `step_up.succeeded`, `step_up.failed`, `step_up.throttled`, `factor.started`, `factor.added`,
    /// `factor.removed`, `factor.failed`, `factor.throttled`, `passkey.added`, `passkey.renamed`, `passkey.removed`,
    /// `passkey.cloned`, `recovery_codes.made`, `recovery_codes.used`, `role.made`,
    /// `role.changed`, `role.removed`, `api_key.made`, `api_key.revoked`, `password.reset_sent`, `session.ended`, `session.replayed`, `session.guessed_in`,
    /// `signing_key.rotated`, `signing_key.revoked`, `client.registered`,
    /// `client.changed`, `client.removed`, `client.secret_made`, `client.tokens_ended`, `client.refused`, `client.throttled`,
    /// `consent.given`, `consent.withdrawn`, `code.redeemed`, `code.refused`, `code.reused`, `call.refused`.
    /// What is throttled or shed is one event per minute, with how many `times`.
    #[schema(example = "user.roles_changed")]
    pub kind: String,
    /// `succeeded`, `refused` (it was not allowed) or `failed` (something offered for it was wrong).
    #[schema(example = "succeeded")]
    pub outcome: String,
    /// Who did it.
    pub actor: ActorView,
    /// To whom.
    pub user_id: Option<UserId>,
    /// In which session: the actor's, or the one that was opened or ended.
    pub session_id: Option<SessionId>,
    /// In which request; `null` once its detail has been purged.
    #[schema(example = "9f1c2b7e5d3a4c6f8e0b1a2d3c4f5e6a")]
    pub request_id: Option<String>,
    /// From where; empty when nobody knew, `null` once it has been purged.
    #[schema(example = "192.0.2.7")]
    pub client_ip: Option<String>,
    /// What belongs to its kind; `null` once it has been purged.
    #[schema(value_type = Option<Object>)]
    pub detail: Option<Value>,
    /// Hash of the row and of all before it: `users-service verify-audit --from <seq>:<hash>` holds the chain against it.
    #[schema(example = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8")]
    pub hash: String,
}

impl From<Model> for EventView {
    fn from(row: Model) -> Self {
        let detail = row.detail.and_then(|detail| serde_json::from_str::<Map<String, Value>>(&detail).ok());
        let (request_id, detail) = detail.map_or((None, None), |mut detail| {
            let id = detail.remove(REQUEST_ID).and_then(|id| id.as_str().map(str::to_owned));
            (id, Some(Value::Object(detail)))
        });
        Self {
            seq: row.seq,
            id: row.id.into(),
            at: from_micros(row.at),
            kind: row.kind,
            outcome: row.outcome,
            actor: ActorView { kind: row.actor_kind, id: row.actor },
            user_id: row.subject_id.map(UserId::from),
            session_id: row.session_id.map(SessionId::from),
            request_id,
            client_ip: row.origin,
            detail,
            hash: hex::encode(row.hash),
        }
    }
}
