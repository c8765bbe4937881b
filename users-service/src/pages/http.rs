//! `/account/{page}`: GET asks, POST does.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use shared::auth::Anyone;
use shared::http::{Form, QueryPairs};
use shared::problem::{Code, Problem};

use super::model::Page;
use super::render::{done, question, refusal};
use crate::app::App;
use crate::recovery;
use crate::users::UserError;

/// The page that a path names.
fn named(request: &HttpRequest) -> Result<Page, Problem> {
    request.match_info().get("page").and_then(Page::named).ok_or_else(|| Problem::new(Code::NotFound))
}

/// Shows the question. Looks nothing up: whoever opens the page without pressing the button learns and changes nothing.
pub async fn show(_: Anyone, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let page = named(&request)?;
    // Two tokens are none.
    let query = QueryPairs::parse(request.query_string()).unwrap_or_default();
    match query.get("token").filter(|token| !token.is_empty()) {
        Some(token) => Ok(question(page, token, StatusCode::OK, &[])),
        None => Ok(refusal(page, &Problem::new(Code::LinkInvalid))),
    }
}

/// Uses the link up. Who has the token is the one it was mailed to, so a page of anybody's may send it.
pub async fn submit(
    app: web::Data<App>,
    caller: Anyone,
    request: HttpRequest,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let page = named(&request)?;
    let (token, password) = (form.get("token").unwrap_or_default(), form.get("new_password").unwrap_or_default());
    let client_ip = caller.0.client_ip;
    let outcome: Result<(), UserError> = match page {
        Page::Verify | Page::Email => recovery::verify(&app, token, client_ip).await,
        Page::Reset => recovery::reset(&app, token, password, client_ip).await,
    };
    match outcome.map_err(Problem::from) {
        Ok(()) => Ok(done(page)),
        // A password that breaks a rule: the link is still good.
        Err(problem) if problem.code() == Code::ValidationFailed => {
            let faults: Vec<String> =
                problem.faults().iter().map(|fault| format!("The password must be: {}.", fault.detail)).collect();
            Ok(question(page, token, problem.status(), &faults))
        }
        Err(problem) => {
            if problem.status().is_server_error() {
                tracing::warn!(page = page.name(), code = problem.code().as_str(), "a page could not do what it asks");
            }
            Ok(refusal(page, &problem))
        }
    }
}
