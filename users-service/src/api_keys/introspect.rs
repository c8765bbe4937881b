//! What a gateway is told of a key (RFC 7662): for whom it stands as they are this moment, and what it may be used for.

use serde_json::{Value, json};
use shared::domain::{ApiKeyId, UserId};
use shared::problem::Problem;

use super::key::ApiKey;
use super::store;
use crate::app::App;
use crate::users::{self, Status};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// The answer about a key: inactive, and no more, when it is none of ours, has ended, or its user cannot sign in.
///
/// # Errors
/// 503 when the database is gone: then nobody can tell.
pub async fn introspect(app: &App, key: &str) -> Result<Value, Problem> {
    // A slip of the pen is told by itself.
    let Some(key) = ApiKey::parse(key) else { return Ok(counted(app, "malformed")) };
    let now = app.clock.now_micros();
    let Some(row) = store::living(app.database.read(), &key, now).await? else { return Ok(counted(app, "unknown")) };
    let user = users::find(app.database.read(), UserId::from(row.user_id)).await?;
    let Some(user) = user.filter(|user| user.status == Status::Active) else { return Ok(counted(app, "shut_out")) };
    app.usage.note(ApiKeyId::from(row.id), row.last_used_at, now);
    app.metrics.api_key_asked("active");
    let mut said = json!({
        "active": true, "token_type": "api_key", "sub": user.id, "jti": row.id, "ver": user.ver, "roles": user.roles,
        "scope": row.scopes, "iat": row.created_at.div_euclid(MICROS_PER_SECOND),
    });
    if !user.permissions.is_empty() {
        said["permissions"] = json!(user.permissions);
    }
    if let Some(expires_at) = row.expires_at {
        said["exp"] = json!(expires_at.div_euclid(MICROS_PER_SECOND));
    }
    Ok(said)
}

fn counted(app: &App, outcome: &'static str) -> Value {
    app.metrics.api_key_asked(outcome);
    json!({"active": false})
}
