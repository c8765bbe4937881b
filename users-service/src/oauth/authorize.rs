//! `/oauth/authorize`, `/oauth/sign-in` and `/oauth/consent`: pages for people, so their refusals are pages too. They are no
//! part of the OpenAPI document.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use shared::auth::Anyone;
use shared::config::Secret;
use shared::http::Form;
use shared::problem::{Code, Problem};
use uuid::Uuid;

use super::asked::{Asked, Prompt, Refusal, Unasked};
use super::browser;
use super::decide::{self, Next};
use super::page::{self, SignIn};
use super::store;
use crate::app::App;
use crate::clients;
use crate::pages::STYLE;
use crate::tokens::GrantError;

/// A user is sent here by a client.
pub async fn ask(app: web::Data<App>, _: Anyone, request: HttpRequest) -> HttpResponse {
    begin(&app, &request, request.query_string()).await
}

/// The same by a form (OpenID Connect Core, section 3.1.2.1).
pub async fn ask_by_form(app: web::Data<App>, _: Anyone, request: HttpRequest, form: String) -> HttpResponse {
    begin(&app, &request, &form).await
}

async fn begin(app: &App, request: &HttpRequest, text: &str) -> HttpResponse {
    let asked = match Asked::parse(app, text).await {
        Ok(asked) => asked,
        Err(Unasked::Page(text)) => return page::refused(StatusCode::BAD_REQUEST, text),
        Err(Unasked::Client(refusal)) => return tell(app, &refusal),
        Err(Unasked::Database(fault)) => return page::failed(&fault.into()),
    };
    match answer(app, request, asked).await {
        Ok(response) => response,
        Err(problem) => page::failed(&problem),
    }
}

async fn answer(app: &App, request: &HttpRequest, asked: Asked) -> Result<HttpResponse, Problem> {
    let known = match asked.prompt {
        Prompt::Any | Prompt::Nothing => decide::still_signed_in(app, request, asked.max_age).await?,
        Prompt::Login => None,
    };
    if asked.prompt == Prompt::Nothing {
        let silently = match &known {
            Some(proof) => decide::is_allowed(app, proof.user, &asked).await?,
            None => return Ok(tell(app, &asked.refused("login_required", "the user has to sign in"))),
        };
        if !silently {
            return Ok(tell(app, &asked.refused("consent_required", "the user has to allow it")));
        }
    }
    let (browser, cookie) = browser::tie(app, request)?;
    let id = Uuid::new_v4();
    let (now, lifetime) = (app.clock.now(), app.config.oauth.request_lifetime.get());
    let times = (shared::clock::to_micros(now), shared::clock::to_micros(now + lifetime));
    let write = app.database.write().await?;
    store::ask(&write, id, &asked, &browser, times).await?;
    if let Some(proof) = &known {
        store::prove(&write, id, &browser, proof, times.0).await?;
    }
    write.commit().await?;
    let mut response = match known {
        Some(_) => page::to(&consent_at(id)),
        None => {
            let username = asked.login_hint.as_deref().unwrap_or_default();
            let view =
                SignIn { style: STYLE, client: &asked.client.name, request: id.to_string(), username, fault: None };
            page::sign_in(StatusCode::OK, &view, &asked.redirect_uri)
        }
    };
    response.add_cookie(&cookie).map_err(Problem::internal)?;
    Ok(response)
}

fn consent_at(id: Uuid) -> String {
    format!("/oauth/consent?request={id}")
}

/// Sends the browser back to the client with an error (RFC 6749, section 4.1.2.1), saying who does (RFC 9207).
fn tell(app: &App, refusal: &Refusal) -> HttpResponse {
    let mut parameters = vec![("error", refusal.error), ("error_description", refusal.description)];
    parameters.extend(refusal.state.as_deref().map(|state| ("state", state)));
    parameters.push(("iss", &app.config.tokens.issuer));
    page::to(&clients::with(&refusal.redirect_uri, &parameters))
}

/// Which request a form or an address is about.
#[derive(serde::Deserialize)]
pub struct About {
    request: Option<String>,
}

fn named(id: Option<&str>) -> Result<Uuid, Problem> {
    id.and_then(|id| Uuid::parse_str(id).ok()).ok_or_else(browser::lost)
}

/// A user signs in for a request.
pub async fn sign_in(
    app: web::Data<App>,
    caller: Anyone,
    request: HttpRequest,
    form: Result<Form, Problem>,
) -> HttpResponse {
    let signed_in = async || {
        browser::from_own_page(&app, &request)?;
        let (form, browser) = (form?, browser::known(&request)?);
        let id = named(form.get("request"))?;
        let now = app.clock.now_micros();
        let found = store::find(app.database.read(), id, &browser, now).await?.ok_or_else(browser::lost)?;
        let client = clients::find(app.database.read(), found.client).await?.filter(|client| !client.disabled);
        let client = client.ok_or_else(browser::lost)?;
        let username = form.get("username").unwrap_or_default();
        let password = Secret::from(form.get("password").unwrap_or_default().to_owned());
        // The field is there for everybody, and empty for whoever has no second factor.
        let otp = form.get("otp").filter(|otp| !otp.is_empty()).map(|otp| Secret::from(otp.to_owned()));
        match decide::sign_in(&app, (id, &browser), username, (&password, otp.as_ref()), caller.0.client_ip).await {
            Ok(()) => Ok(page::to(&consent_at(id))),
            Err(GrantError::Other(problem)) if problem.code() == Code::InvalidRequest => Err(problem),
            Err(refused) => {
                let problem = Problem::from(refused);
                let fault = Some(problem.code().title());
                let view = SignIn { style: STYLE, client: &client.name, request: id.to_string(), username, fault };
                Ok(page::waiting(page::sign_in(problem.status(), &view, &found.redirect_uri), &problem))
            }
        }
    };
    signed_in().await.unwrap_or_else(|problem: Problem| page::failed(&problem))
}

/// What is asked of the user, or where they go if there is nothing to ask.
pub async fn question(
    app: web::Data<App>,
    caller: Anyone,
    request: HttpRequest,
    about: web::Query<About>,
) -> HttpResponse {
    let asked = async || {
        let (id, browser) = (named(about.request.as_deref())?, browser::known(&request)?);
        show(&app, decide::question(&app, (id, &browser), caller.0.client_ip).await?)
    };
    asked().await.unwrap_or_else(|problem: Problem| page::failed(&problem))
}

/// The user decides.
pub async fn decision(
    app: web::Data<App>,
    caller: Anyone,
    request: HttpRequest,
    form: Result<Form, Problem>,
) -> HttpResponse {
    let decided = async || {
        browser::from_own_page(&app, &request)?;
        let (form, browser) = (form?, browser::known(&request)?);
        let request = (named(form.get("request"))?, &browser);
        let next = match form.get("decision") {
            Some("allow") => decide::allow(&app, request, caller.0.client_ip).await?,
            Some("deny") => decide::deny(&app, request).await?,
            Some(_) | None => return Err(browser::lost()),
        };
        show(&app, next)
    };
    decided().await.unwrap_or_else(|problem: Problem| page::failed(&problem))
}

fn show(app: &App, next: Next) -> Result<HttpResponse, Problem> {
    Ok(match next {
        Next::SignIn { id, client, redirect_uri } => {
            let view = SignIn { style: STYLE, client: &client, request: id.to_string(), username: "", fault: None };
            page::sign_in(StatusCode::OK, &view, &redirect_uri)
        }
        Next::Ask { id, client, username, scope, redirect_uri } => {
            page::consent(&client, &username, id.to_string(), &scope, &redirect_uri)
        }
        Next::Code { redirect_uri, state, code } => {
            let mut parameters = vec![("code", code.expose())];
            parameters.extend(state.as_deref().map(|state| ("state", state)));
            parameters.push(("iss", &app.config.tokens.issuer));
            page::to(&clients::with(&redirect_uri, &parameters))
        }
        Next::Denied(refusal) => tell(app, &refusal),
    })
}
