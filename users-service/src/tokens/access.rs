//! Access tokens: JWTs as RFC 9068 profiles them, signed with whatever key is active.

use std::sync::Arc;

use jsonwebtoken::{Header, Validation};
use serde::{Deserialize, Serialize};
use shared::clock::Clock;
use shared::domain::{ClientId, Permissions, Roles, SessionId, UserId};
use shared::problem::{Code, Problem};
use uuid::Uuid;

use crate::config;
use crate::keys::{Keyring, Signer};

/// RFC 9068, section 2.1.
const TYPE: &str = "at+jwt";

const MICROS_PER_SECOND: i64 = 1_000_000;

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: UserId,
    pub exp: i64,
    pub iat: i64,
    pub nbf: i64,
    pub jti: Uuid,
    pub sid: SessionId,
    pub ver: i64,
    pub roles: Roles,
    /// What custom roles add to the roles.
    #[serde(default, skip_serializing_if = "Permissions::is_empty")]
    pub permissions: Permissions,
    pub scope: String,
    /// The OAuth client that has it; the subject itself where it acts for itself (RFC 9068, section 2.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
}

impl Claims {
    /// Whether the subject is a client, and no user whatever its id.
    #[must_use]
    pub fn is_of_client(&self) -> bool {
        self.client_id.is_some_and(|client| client.as_uuid() == self.sub.as_uuid())
    }
}

/// Makes and reads access tokens.
#[derive(Clone)]
pub struct Issuer {
    issuer: String,
    audience: String,
    lifetime: i64,
    clock: Clock,
    keys: Keyring,
}

/// Whom a token is for.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// The user's version.
    pub ver: i64,
    /// The user's roles.
    pub roles: Roles,
    /// What custom roles add to these.
    pub permissions: Permissions,
    /// What the session was opened for.
    pub scope: &'a str,
    /// When the session ends, in microseconds: no token of its outlives it.
    pub session_ends_at: i64,
    /// The OAuth client that it is for.
    pub client: Option<ClientId>,
}

/// A token, and how long it is good.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The JWT.
    pub token: String,
    /// Seconds from now on.
    pub expires_in: i64,
}

impl Issuer {
    /// With these keys.
    #[must_use]
    pub fn new(config: &config::Tokens, keys: Keyring, clock: Clock) -> Self {
        Self {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            lifetime: i64::try_from(config.access_lifetime.get().as_secs()).unwrap_or(i64::MAX),
            clock,
            keys,
        }
    }

    /// What signs. Ask for it before anything is changed for a token's sake.
    ///
    /// # Errors
    /// 503 when there is no key to sign with.
    pub fn signer(&self) -> Result<Arc<Signer>, Problem> {
        let no_key = || Problem::unavailable(Code::KeysUnavailable, "there is no active signing key");
        self.keys.signer().ok_or_else(no_key)
    }

    /// A new token, good for the configured time or until its session ends, whichever comes first.
    ///
    /// # Errors
    /// 500 when the crypto library fails.
    pub fn issue(&self, signer: &Signer, subject: Subject<'_>) -> Result<Issued, Problem> {
        let now = self.clock.now_seconds();
        let exp = subject.session_ends_at.div_euclid(MICROS_PER_SECOND).min(now.saturating_add(self.lifetime));
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: subject.user,
            exp,
            iat: now,
            nbf: now,
            jti: Uuid::new_v4(),
            sid: subject.session,
            ver: subject.ver,
            roles: subject.roles,
            permissions: subject.permissions,
            scope: subject.scope.to_owned(),
            client_id: subject.client,
        };
        let token = jsonwebtoken::encode(&header(signer), &claims, &signer.key).map_err(Problem::internal)?;
        Ok(Issued { token, expires_in: exp - now })
    }

    /// A new token of a client's own: nobody's roles are in it, and the gateway takes its subject for no user.
    ///
    /// # Errors
    /// 500 when the crypto library fails.
    pub fn issue_to_client(
        &self,
        signer: &Signer,
        client: ClientId,
        session: SessionId,
        scope: &str,
    ) -> Result<Issued, Problem> {
        let (user, roles) = (UserId::from(client.as_uuid()), Roles::NONE);
        let client = Some(client);
        self.issue(
            signer,
            Subject {
                user,
                session,
                ver: 0,
                roles,
                permissions: Permissions::NONE,
                scope,
                session_ends_at: i64::MAX,
                client,
            },
        )
    }

    /// The claims of a token of ours that has not expired; nothing for any other text.
    pub async fn read(&self, token: &str) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let key = self.keys.find(header.kid.as_deref()?).await?;
        let mut validation = Validation::new(key.algorithm.jwt());
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        // Judged below against our own clock, so that a test can move it.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.decoding().ok()?, &validation).ok()?.claims;
        (header.typ.as_deref() == Some(TYPE) && claims.exp > self.clock.now_seconds()).then_some(claims)
    }
}

fn header(signer: &Signer) -> Header {
    Header { typ: Some(TYPE.to_owned()), kid: Some(signer.kid.clone()), ..Header::new(signer.algorithm) }
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issuer({})", self.issuer)
    }
}
