//! Signing a browser in, carrying its session on, and signing it out.

use std::net::IpAddr;

use actix_web::http::header::HeaderMap;
use shared::problem::{Code, Problem};

use super::cookies::{self, Shown};
use super::model::{SignInRequest, Way};
use crate::app::App;
#[cfg(feature = "passkeys")]
use crate::passkeys;
use crate::sessions::{Agent, Carrier};
use crate::tokens::{self, Ending, GrantError, Granted};

/// Opens a session as the password grant does, by the same path. The one that the browser had before ends: its cookies are
/// about to be forgotten, and what nobody holds any more nobody should find.
pub(super) async fn sign_in(
    app: &App,
    request: SignInRequest,
    headers: &HeaderMap,
    client_ip: Option<IpAddr>,
) -> Result<Granted, Problem> {
    let agent = Agent::of(headers, Carrier::Cookie);
    let granted = match request.way()? {
        Way::Password(username, password, otp) => {
            tokens::sign_in(app, &username, (&password, otp.as_ref()), client_ip, &agent).await
        }
        #[cfg(feature = "passkeys")]
        Way::Passkey(assertion) => passkeys::sign_in(app, &assertion, client_ip, &agent).await,
    };
    let granted = granted.map_err(plain)?;
    if let Some(before) = cookies::held(app, headers) {
        let ended = tokens::end_session(app, before.session, Ending::GivenBack, client_ip).await;
        if let Err(error) = ended {
            tracing::warn!(%error, session = %before.session, "the session before this one goes on");
        }
    }
    Ok(granted)
}

/// Hands out the successor of the browser's refresh token.
pub(super) async fn refresh(app: &App, headers: &HeaderMap, client_ip: Option<IpAddr>) -> Result<Granted, Problem> {
    let over = || Problem::new(Code::TokenInvalid).detail("The session is over: sign in again.");
    let token = match cookies::refresh_token(app, headers) {
        Shown::Token(token) => token,
        Shown::Nonsense => return Err(over()),
        Shown::Nothing => {
            return Err(Problem::new(Code::TokenRequired).detail("The browser has no session: sign in."));
        }
    };
    tokens::refresh(app, token, Carrier::Cookie, None, client_ip).await.map_err(|error| match error {
        GrantError::Invalid => over(),
        other => plain(other),
    })
}

/// Ends the session that the browser holds, whatever token of it that is. What is no session of a browser's is nothing to
/// end.
pub(super) async fn sign_out(app: &App, headers: &HeaderMap, client_ip: Option<IpAddr>) -> Result<(), Problem> {
    let Some(held) = cookies::held(app, headers) else { return Ok(()) };
    tokens::end_session(app, held.session, Ending::GivenBack, client_ip).await.map_err(plain)
}

/// Without OAuth's words: this is no endpoint of that.
fn plain(error: GrantError) -> Problem {
    Problem::from(error).beside_oauth()
}
