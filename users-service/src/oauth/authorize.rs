//! `/oauth/authorize`, `/oauth/sign-in` and `/oauth/consent`: pages for people, so their refusals are pages too. The
//! OpenAPI document has no operations for them; what a client sends here is told where discovery is.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, body, web};
use shared::auth::Anyone;
use shared::config::Secret;
use shared::http::{Form, QueryPairs};
use shared::problem::{Code, Problem};
use url::form_urlencoded;
use uuid::Uuid;

use super::asked::{Asked, MAX_BYTES, Prompt, Refusal, Unasked};
use super::browser;
use super::decide::{self, Next};
use super::page::{self, SignIn};
use super::pending::Pending;
use super::scope::OFFLINE;
use super::store::{self, Proof};
use crate::app::App;
use crate::clients::{self, SecretDigest};
use crate::pages::STYLE;
use crate::tokens::GrantError;
use crate::users::{self, Status};

/// A user is sent here by a client.
pub async fn ask(app: web::Data<App>, _: Anyone, request: HttpRequest) -> HttpResponse {
    let asked = match Asked::parse(&app, request.query_string()).await {
        Ok(asked) => asked,
        Err(unasked) => return instead(&app, unasked),
    };
    answer(&app, &request, asked).await.unwrap_or_else(|problem| page::failed(&problem))
}

/// What a GET would show somebody who is not signed in here, without its content: nothing is written, and no browser is tied.
pub async fn look(app: web::Data<App>, _: Anyone, request: HttpRequest) -> HttpResponse {
    let asked = match Asked::parse(&app, request.query_string()).await {
        Ok(asked) => asked,
        Err(unasked) => return instead(&app, unasked),
    };
    match asked.prompt {
        Prompt::Nothing => tell(&app, &asked.refused("login_required", "the user has to sign in")),
        Prompt::Any | Prompt::Login => {
            let view = SignIn { style: STYLE, client: &asked.client.name, request: "", username: "", fault: None };
            bare(page::sign_in(StatusCode::OK, &view, &asked.redirect_uri))
        }
    }
}

/// Without its content, and without a word of how long that would be.
fn bare(page: HttpResponse) -> HttpResponse {
    page.set_body(body::None::new()).map_into_boxed_body()
}

/// The same by a form (OpenID Connect Core, section 3.1.2.1), sent on as a link. With another site's form a browser brings
/// none of our cookies: it would be given others in their place, and lose whatever else it is here for.
pub async fn ask_by_form(_: Anyone, form: Result<String, actix_web::Error>) -> HttpResponse {
    let refused = |text| page::refused(StatusCode::BAD_REQUEST, text);
    let Ok(form) = form else { return refused("The request cannot be read.") };
    let mut query = form_urlencoded::Serializer::new(String::new());
    let query = query.extend_pairs(form_urlencoded::parse(form.as_bytes())).finish();
    let address = ["/oauth/authorize?", &query].concat();
    if address.len() > MAX_BYTES {
        return refused("The request is too long.");
    }
    page::to(&address)
}

/// What is answered where there is nothing to sign in for.
fn instead(app: &App, unasked: Unasked) -> HttpResponse {
    match unasked {
        Unasked::Page(text) => page::refused(StatusCode::BAD_REQUEST, text),
        Unasked::Client(refusal) => tell(app, &refusal),
        Unasked::Database(fault) => page::failed(&fault.into()),
    }
}

async fn answer(app: &App, request: &HttpRequest, asked: Asked) -> Result<HttpResponse, Problem> {
    let known = match asked.prompt {
        Prompt::Any | Prompt::Nothing => decide::still_signed_in(app, request, asked.max_age).await?,
        Prompt::Login => None,
    };
    // What outlives the browser's session asks for a proof of a moment ago, as an API key does.
    let (now, recent) = (app.clock.now_micros(), app.config.sessions.step_up.get());
    let is_recent = |proof: &Proof| now.saturating_sub(proof.at) <= i64::try_from(recent.as_micros()).unwrap_or(0);
    let known = known.filter(|proof| !asked.scope.has(OFFLINE) || is_recent(proof));
    if asked.prompt == Prompt::Nothing
        && let Some(proof) = &known
        && !decide::is_allowed(app, proof.user, &asked).await?
    {
        return Ok(tell(app, &asked.refused("consent_required", "the user has to allow it")));
    }
    let (browser, cookie) = browser::tie(app, request)?;
    let until = shared::clock::to_micros(app.clock.now() + app.config.oauth.request_lifetime.get());
    let id = Uuid::new_v4();
    let is_written = match &known {
        Some(proof) => written(app, (id, &asked), &browser, until, proof).await?,
        None => false,
    };
    let mut response = match (is_written, asked.prompt) {
        (true, _) => page::to(&consent_at(id)),
        (false, Prompt::Nothing) => {
            return Ok(tell(app, &asked.refused("login_required", "the user has to sign in")));
        }
        (false, Prompt::Any | Prompt::Login) => {
            let pending = Pending { id, expires_at: until, query: request.query_string().to_owned() };
            let username = asked.login_hint.as_deref().unwrap_or_default();
            let request = pending.seal(&browser, &app.keys.refresh);
            let view = SignIn { style: STYLE, client: &asked.client.name, request: &request, username, fault: None };
            page::sign_in(StatusCode::OK, &view, &asked.redirect_uri)
        }
    };
    response.add_cookie(&cookie).map_err(Problem::internal)?;
    Ok(response)
}

/// Writes a request down with the proof that the browser's session is, if under the user's lock it still is one: what ends
/// a user's sessions ends their requests, and this one is not there yet.
async fn written(
    app: &App,
    asked: (Uuid, &Asked),
    browser: &SecretDigest,
    until: i64,
    proof: &Proof,
) -> Result<bool, Problem> {
    let write = app.database.write().await?;
    let user = users::lock(&write, proof.user).await?.filter(|found| found.user.status == Status::Active);
    let lasts = decide::lasts_until(app, &write, proof).await?.is_some();
    if user.is_none() || !lasts {
        return Ok(false);
    }
    let written = store::ask(&write, asked, browser, (app.clock.now_micros(), until), proof).await?;
    write.commit().await?;
    Ok(written)
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

/// Which request a form or an address is about: by its id, or by what the page of its sign-in carries.
fn named(app: &App, text: Option<&str>, browser: &SecretDigest) -> Result<Uuid, Problem> {
    let text = text.ok_or_else(browser::lost)?;
    let id = Uuid::parse_str(text).ok().or_else(|| Some(pending(app, text, browser)?.id));
    id.ok_or_else(browser::lost)
}

fn pending(app: &App, text: &str, browser: &SecretDigest) -> Option<Pending> {
    Pending::open(text, browser, &app.keys.refresh, app.clock.now_micros())
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
        let request = form.get("request").unwrap_or_default();
        let pending = pending(&app, request, &browser).ok_or_else(browser::lost)?;
        // Somebody has signed in for it: a second time nothing would come of it but the answer to a guess.
        if store::is_known(app.database.read(), pending.id).await? {
            return Ok(page::to(&consent_at(pending.id)));
        }
        let asked = match Asked::parse(&app, &pending.query).await {
            Ok(asked) => asked,
            Err(unasked) => return Ok(instead(&app, unasked)),
        };
        let username = form.get("username").unwrap_or_default();
        let password = Secret::from(form.get("password").unwrap_or_default().to_owned());
        // The field is there for everybody, and empty for whoever has no second factor.
        let otp = form.get("otp").filter(|otp| !otp.is_empty()).map(|otp| Secret::from(otp.to_owned()));
        let proof = (&password, otp.as_ref());
        match decide::sign_in(&app, (&pending, &asked), &browser, username, proof, caller.0.client_ip).await {
            Ok(()) => Ok(page::to(&consent_at(pending.id))),
            Err(GrantError::Other(problem)) if problem.code() == Code::InvalidRequest => Err(problem),
            Err(refused) => {
                let problem = Problem::from(refused);
                let told = page::told(&problem);
                let fault = Some(told.as_str());
                let view = SignIn { style: STYLE, client: &asked.client.name, request, username, fault };
                Ok(page::waiting(page::sign_in(problem.status(), &view, &asked.redirect_uri), &problem))
            }
        }
    };
    signed_in().await.unwrap_or_else(|problem: Problem| page::failed(&problem))
}

/// What is asked of the user, or where they go if there is nothing to ask.
pub async fn question(app: web::Data<App>, caller: Anyone, request: HttpRequest) -> HttpResponse {
    let asked = async || {
        let browser = browser::known(&request)?;
        let query = QueryPairs::parse(request.query_string()).map_err(|_| browser::lost())?;
        let id = named(&app, query.get("request"), &browser)?;
        show(&app, decide::question(&app, (id, &browser), caller.0.client_ip).await?)
    };
    asked().await.unwrap_or_else(|problem: Problem| page::failed(&problem))
}

/// The same for who only looks: it decides nothing, so that the code is left for whoever comes after it.
pub async fn glance(app: web::Data<App>, _: Anyone, request: HttpRequest) -> HttpResponse {
    let looked = async || {
        let browser = browser::known(&request)?;
        let query = QueryPairs::parse(request.query_string()).map_err(|_| browser::lost())?;
        let id = named(&app, query.get("request"), &browser)?;
        show(&app, decide::look(&app, (id, &browser)).await?).map(bare)
    };
    looked().await.unwrap_or_else(|problem: Problem| page::failed(&problem))
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
        let request = (named(&app, form.get("request"), &browser)?, &browser);
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
