//! Redeeming a code (RFC 6749, section 4.1.3; RFC 7636, section 4.6): good once, for the client that it was made for, where it
//! was sent to, and for whoever has what the challenge was made of. Anything else uses it up as well.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use super::id_token;
use super::scope::{OFFLINE, OPENID};
use super::shown::{Asking, authenticate};
use super::store::{self, Authorization, Proof};
use crate::app::App;
use crate::audit::{By, Event, Kind};
use crate::clients::{self, Client, GrantType, SecretDigest};
use crate::db::Write;
use crate::sessions::{self, Opening, Session};
use crate::tokens::{GrantError, TokenAnswer, tokens_for};
use crate::users::{self, Status, User};

/// RFC 7636, section 4.1.
const VERIFIER: std::ops::RangeInclusive<usize> = 43..=128;

/// What a client offers for tokens.
#[derive(Debug)]
pub struct Redemption {
    /// The code.
    pub code: String,
    /// Where it was sent to.
    pub redirect_uri: String,
    /// What the challenge was made of.
    pub verifier: String,
}

/// Opens the session that a code is for.
///
/// # Errors
/// 401 for the client, 400 for everything about the code.
pub async fn redeem(app: &App, asking: &Asking, offered: &Redemption) -> Result<TokenAnswer, GrantError> {
    let client = authenticate(app, asking).await?;
    if !client.may(GrantType::AuthorizationCode) {
        return Err(GrantError::UnauthorizedClient);
    }
    // Before the code is used up.
    let signer = app.issuer.signer()?;
    let id_signer = id_token::signer(app)?;
    let code = SecretDigest::of(&offered.code);
    let found = store::of_code(app.database.read(), &code).await?.ok_or(GrantError::Invalid)?;
    let proof = found.proof.clone().ok_or(GrantError::Invalid)?;

    let write = app.database.write().await?;
    let user = users::lock(&write, proof.user).await?.ok_or(GrantError::Invalid)?.user;
    let current = clients::share(&write, client.id).await?.filter(|client| client.may(GrantType::AuthorizationCode));
    if !store::burn(&write, &code, app.clock.now_micros()).await? {
        return Err(reused(app, write, &code, asking).await);
    }
    let is_right = current.is_some() && user.status == Status::Active && fits(app, &found, &client, offered);
    if !is_right {
        note(app, &write, Kind::CodeRefused, &proof, &found, asking);
        write.commit().await?;
        return Err(GrantError::Invalid);
    }
    let session = open(app, &write, (&found, &proof), &client, &user, asking).await?;
    write.commit().await?;
    let answer = tokens_for(app, &signer, &session, &user, 1)?;
    let id_token = match found.scope.has(OPENID) {
        true => Some(id_token::issue(app, &id_signer, &found, &proof, &answer.access_token)?),
        false => None,
    };
    let refresh_token = answer.refresh_token.filter(|_| client.may(GrantType::RefreshToken));
    Ok(TokenAnswer { refresh_token, id_token, ..answer })
}

/// Whether everything about it is as it was when it was asked for.
fn fits(app: &App, found: &Authorization, client: &Client, offered: &Redemption) -> bool {
    let in_time = found.code_expires_at.is_some_and(|until| app.clock.now_micros() < until);
    let same = found.client == client.id && found.redirect_uri == offered.redirect_uri;
    let within = found.scope.is_within(&client.scopes);
    in_time && same && within && verifies(&offered.verifier, &found.challenge)
}

fn verifies(verifier: &str, challenge: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if !VERIFIER.contains(&verifier.len()) || !verifier.bytes().all(plain) {
        return false;
    }
    let made = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    made.as_bytes().ct_eq(challenge.as_bytes()).into()
}

async fn open(
    app: &App,
    write: &Write,
    (found, proof): (&Authorization, &Proof),
    client: &Client,
    user: &User,
    asking: &Asking,
) -> Result<Session, GrantError> {
    let opening = Opening {
        client: Some(client.id.as_uuid()),
        parent: proof.parent.filter(|_| !found.scope.has(OFFLINE)),
        id: Some(proof.session),
        authenticated_at: Some(proof.at),
        amr: proof.amr.clone().into(),
        ..Opening::with_password(user.id, found.scope.to_string(), asking.client_ip)
    };
    let session = sessions::open(write, opening, app.config.sessions.lifetime.get(), &app.clock).await?;
    store::opened(write, found.id, app.clock.now_micros()).await?;
    let by = By::user(user.id, session.id, asking.client_ip);
    sessions::bound(app, write, &session, &by).await?;
    let event = Event::new(Kind::CodeRedeemed, by, &app.clock);
    write.audit(event.about(user.id).with("client", client.id.to_string()));
    Ok(session)
}

/// A code that was used before: whoever has a copy may be the thief or the client, so nobody keeps what it opened.
async fn reused(app: &App, write: Write, code: &SecretDigest, asking: &Asking) -> GrantError {
    let ended = async {
        let Some(found) = store::of_code(write.transaction(), code).await? else { return Ok(()) };
        let Some(proof) = &found.proof else { return Ok(()) };
        if found.opened {
            let event = |closed: &Session| {
                Event::new(Kind::SessionEnded, By::user(closed.user, closed.id, asking.client_ip), &app.clock)
            };
            sessions::close(app, &write, &[proof.session], event).await?;
        }
        note(app, &write, Kind::CodeReused, proof, &found, asking);
        write.commit().await?;
        app.relay.flush().await;
        Ok(())
    };
    match ended.await {
        Ok(()) => GrantError::Invalid,
        Err(fault) => GrantError::Database(fault),
    }
}

fn note(app: &App, write: &Write, kind: Kind, proof: &Proof, found: &Authorization, asking: &Asking) {
    let event = Event::new(kind, By::nobody(asking.client_ip), &app.clock).about(proof.user);
    write.audit(event.in_session(proof.session).with("client", found.client.to_string()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_is_held_against_its_challenge() {
        // RFC 7636, appendix B.
        let (verifier, challenge) =
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(verifies(verifier, challenge));
        // As `plain` would have it.
        assert!(!verifies(challenge, challenge));
        for wrong in ["", "x", &verifier[1..], &format!("{verifier}="), &format!("{verifier}x"), &"a".repeat(129)] {
            assert!(!verifies(wrong, challenge), "{wrong}");
        }
    }
}
