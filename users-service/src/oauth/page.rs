//! The pages of an authorization as HTML: no script, nothing loaded, framed by nobody, and a form that ends here or at the
//! application that asks.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, RETRY_AFTER,
};
use askama::Template;
use shared::problem::{Context, Problem};

use super::scope::{self, Scope};
use crate::clients;
use crate::pages::{STYLE, style_source};

/// The sign-in.
#[derive(Template)]
#[template(path = "oauth_sign_in.html")]
pub(super) struct SignIn<'a> {
    pub style: &'static str,
    pub client: &'a str,
    pub request: &'a str,
    pub username: &'a str,
    pub fault: Option<&'a str>,
}

/// The question.
#[derive(Template)]
#[template(path = "oauth_consent.html")]
struct Consent<'a> {
    style: &'static str,
    client: &'a str,
    username: &'a str,
    leads_to: &'a str,
    request: String,
    words: Vec<String>,
}

/// What went wrong.
#[derive(Template)]
#[template(path = "oauth_refusal.html")]
struct Refused<'a> {
    style: &'static str,
    text: &'a str,
}

/// Asks for name and password, for the client that leads to `redirect`.
pub(super) fn sign_in(status: StatusCode, view: &SignIn<'_>, redirect: &str) -> HttpResponse {
    html(status, view, leads_to(redirect))
}

/// Asks whether the client may.
pub(super) fn consent(client: &str, username: &str, request: String, scope: &Scope, redirect: &str) -> HttpResponse {
    let origin = clients::origin(redirect);
    let words = scope.words().map(meaning).collect();
    let view = Consent { style: STYLE, client, username, leads_to: &origin, request, words };
    html(StatusCode::OK, &view, leads_to(redirect))
}

/// Where a form may end. Browsers hold every redirect after it against this, also those of the client's own, of which we know
/// nothing; and an address in brackets is no source at all (CSP 3, section 2.3.1).
fn leads_to(redirect: &str) -> &'static str {
    if clients::is_anybodys(redirect) { "'self' http: https:" } else { "'self' https:" }
}

/// Says what is wrong to whoever sits there; no application is told.
pub(super) fn refused(status: StatusCode, text: &str) -> HttpResponse {
    html(status, &Refused { style: STYLE, text }, "'none'")
}

/// The same for a problem.
pub(super) fn failed(problem: &Problem) -> HttpResponse {
    waiting(refused(problem.status(), &told(problem)), problem)
}

/// What a problem says to a person.
pub(super) fn told(problem: &Problem) -> String {
    problem.to_value(&Context::current())["detail"].as_str().unwrap_or_default().to_owned()
}

/// A page with how long to wait, if the problem says so.
pub(super) fn waiting(mut page: HttpResponse, problem: &Problem) -> HttpResponse {
    if let Some(wait) = problem.response(&Context::current()).headers().get(RETRY_AFTER) {
        page.headers_mut().insert(RETRY_AFTER, wait.clone());
    }
    page
}

/// Sends the browser on, with GET whatever it came with: a form with a password is not sent on (RFC 9700, section 4.12).
pub(super) fn to(address: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, address))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .finish()
}

fn html(status: StatusCode, view: &impl Template, form_action: &str) -> HttpResponse {
    let Ok(body) = view.render() else { return HttpResponse::InternalServerError().finish() };
    let policy = format!(
        "default-src 'none'; style-src {}; form-action {form_action}; base-uri 'none'; frame-ancestors 'none'",
        style_source()
    );
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        // With `no-referrer` browsers would send `Origin: null` along with the form.
        .insert_header((REFERRER_POLICY, "same-origin"))
        .insert_header(("X-Frame-Options", "DENY"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("X-Robots-Tag", "noindex"))
        .body(body)
}

/// What a scope allows, in the user's words.
fn meaning(word: &str) -> String {
    let text = match word {
        scope::WHOLE => "Do everything that you may do",
        scope::OPENID => "Know that it is you",
        scope::PROFILE => "See your name and user name",
        scope::EMAIL => "See your e-mail address",
        scope::OFFLINE => "Go on when you have signed out here",
        "users:read" => "See your user data",
        "users:write" => "Change your user data",
        "accounts:read" => "See your accounts and transfers",
        "accounts:write" => "Open accounts and move your money",
        other => return other.to_owned(),
    };
    text.to_owned()
}
