//! The route of an account's balance.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, Scope, web};
use shared::auth::SignedIn;
use shared::domain::AccountId;
use shared::http::{Id, QueryPairs};
use shared::problem::Problem;

use super::balance::BalanceBody;
use super::place::standing_at;
use crate::accounts::{self, AccountBody};
use crate::app::App;
use crate::db;
use crate::query;
use crate::routes::{read, resource};

/// Registers it.
pub fn routes(scope: Scope) -> Scope {
    scope.service(resource("/accounts/{id}/balance", "GET, HEAD").route(read().to(balance)))
}

/// Shows the balance now, or as it was `at` an instant: everything that posted then or before. What is answered for an instant is answered for it for ever.
#[utoipa::path(
    get, path = "/accounts/{id}/balance", operation_id = "get_balance", tag = "Accounts",
    params(("id" = AccountId, Path, description = "The account's id"), ("at" = Option<String>, Query, description = "An RFC 3339 instant that has come; now when absent")),
    responses((status = 200, description = "The balance", body = BalanceBody)),
)]
pub async fn balance(
    who: SignedIn,
    app: web::Data<App>,
    Id(id): Id<AccountId>,
    query: QueryPairs,
) -> Result<HttpResponse, Problem> {
    let at = query::instant(&query.only(&["at"])?, "at")?;
    let now = app.clock.now_micros();
    let shown = accounts::shown(&app.db, &who, id, now).await?;
    let seq = shown.account.seq;
    let account = AccountBody::of(shown)?;
    let body = match at {
        None => BalanceBody::now(account, seq, now),
        Some(at) => {
            let position = app.history.position_at(at).await.map_err(|error| error.problem("at"))?;
            let standing = standing_at(&app.db, id, position).await.map_err(db::problem)?;
            BalanceBody::then(account, standing, at)
        }
    };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(body))
}
