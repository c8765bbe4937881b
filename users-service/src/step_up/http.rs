//! `POST /auth/step-up`.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use shared::auth::InSession;
use shared::config::Secret;
use shared::http::fault::Fault;
use shared::http::{Body, WithoutQuery};
use shared::problem::Problem;

use super::prove::{self, Shown};
use crate::app::App;
use crate::idempotency::Answer;
#[cfg(feature = "passkeys")]
use crate::passkeys::Assertion;

/// What proves who one is.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepUpRequest {
    /// The password.
    #[schema(example = "correct horse battery 9 staple")]
    pub password: Option<String>,
    /// A code of the second factor, or a recovery code, where there is one.
    #[schema(example = "287082", max_length = 64)]
    pub otp: Option<String>,
    /// A passkey in place of both: what `JSON.stringify()` makes of the credential that `navigator.credentials.get()` gives,
    /// asked for as `/auth/step-up/options` says.
    #[cfg(feature = "passkeys")]
    pub credential: Option<String>,
}

impl StepUpRequest {
    fn shown(self) -> Result<Shown, Problem> {
        #[cfg(feature = "passkeys")]
        if let Some(credential) = self.credential {
            let too_much = self.password.is_some() || self.otp.is_some();
            return Assertion::alone(&credential, too_much).map(Shown::Passkey);
        }
        let missing = || Fault::problem(vec![Fault::missing("/password".to_owned())]);
        Ok(Shown::Password(Secret::from(self.password.ok_or_else(missing)?), self.otp))
    }
}

/// Proves once more who one is, in the session that one has: for what answers 401 `step_up_required`. Holds for five
/// minutes, as a sign-in does. Whoever has an authenticator app sends a code of it with the password: 403 `mfa_required`
/// otherwise. A passkey is enough by itself. No API key and no token of an OAuth client can: 403. After ten wrong
/// ones in one session the next ends it, right or wrong: 401 `token_invalid`.
#[utoipa::path(post, path = "/api/v1/auth/step-up", operation_id = "step_up", tag = "Sign-in",
    request_body = StepUpRequest,
    responses((status = 204, description = "Proved: ask again for what was refused.")))]
pub async fn step_up(
    app: web::Data<App>,
    caller: InSession,
    WithoutQuery(Body(request)): WithoutQuery<Body<StepUpRequest>>,
) -> Result<HttpResponse, Problem> {
    prove::prove(&app, &caller, &request.shown()?).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT).into())
}
