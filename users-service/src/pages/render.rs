//! A page as HTML, with headers that let nothing in and no address out.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER};
use askama::Template;
use shared::problem::{Context, Problem};

use super::model::Page;
use super::style::{STYLE, style_source};

/// Nothing is loaded, nothing runs, nobody frames it; the one style sheet is named by its hash (CSP 3, section 2.3.1).
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = style_source();
    format!("default-src 'none'; style-src {style}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
});

#[derive(Template)]
#[template(path = "page.html")]
struct View<'a> {
    style: &'static str,
    title: &'a str,
    text: &'a str,
    faults: &'a [String],
    form: Option<Asked<'a>>,
}

/// The form of a page.
struct Asked<'a> {
    page: &'static str,
    token: &'a str,
    password: bool,
    button: &'static str,
}

/// The question: nothing has happened yet.
pub(super) fn question(page: Page, token: &str, status: StatusCode, faults: &[String]) -> HttpResponse {
    let form = Asked { page: page.name(), token, password: page.asks_password(), button: page.button() };
    answer(status, &View { style: STYLE, title: page.title(), text: page.text(), faults, form: Some(form) })
}

/// It is done.
pub(super) fn done(page: Page) -> HttpResponse {
    answer(StatusCode::OK, &View { style: STYLE, title: page.title(), text: page.done(), faults: &[], form: None })
}

/// It is not, and trying the same again would not help.
pub(super) fn refusal(page: Page, problem: &Problem) -> HttpResponse {
    let text = problem.code().title();
    let mut response =
        answer(problem.status(), &View { style: STYLE, title: page.title(), text, faults: &[], form: None });
    if let Some(wait) = problem.response(&Context::current()).headers().get(RETRY_AFTER) {
        response.headers_mut().insert(RETRY_AFTER, wait.clone());
    }
    response
}

fn answer(status: StatusCode, view: &View<'_>) -> HttpResponse {
    let Ok(body) = view.render() else { return HttpResponse::InternalServerError().finish() };
    HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY.as_str()))
        // The token is in the address.
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("X-Robots-Tag", "noindex"))
        .body(body)
}
