//! The OpenAPI document of this service; the gateway merges it with the others'.

use serde::Serialize;
use serde_json::{Value, json};
use shared::problem::FieldError;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi as Spec, Paths};
use utoipa::{Modify, OpenApi, ToSchema};

use crate::accounts::{self, AccountBody, AccountPatch, NewAccount};
use crate::entries::{self, EntryBody};
use crate::transfers::render::TransferBody;
use crate::transfers::{self, NewBatch, NewTransfer};

/// Versions that every path is listed under.
const VERSIONS: [&str; 2] = ["/api/v1", "/api/v2"];

/// An error (RFC 9457). `code` is stable; `detail` is for people.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Where the code is explained.
    #[schema(example = "/docs/problems#insufficient_funds")]
    pub r#type: String,
    /// The same each time it occurs.
    #[schema(example = "The account to debit has too little available.")]
    pub title: String,
    /// The HTTP status.
    #[schema(example = 422)]
    pub status: u16,
    /// What went wrong this time.
    pub detail: String,
    /// The path that was asked for.
    #[schema(example = "/api/v1/transfers")]
    pub instance: String,
    /// Stable and in snake_case.
    #[schema(example = "insufficient_funds")]
    pub code: String,
    /// Finds the request in the logs.
    pub request_id: String,
    /// When.
    #[schema(format = DateTime)]
    pub timestamp: String,
    /// Each fault with its place.
    pub errors: Vec<FieldError>,
}

/// One page of a cursor list of transfers.
#[derive(Serialize, ToSchema)]
pub struct TransferPage<'a> {
    /// Newest first.
    pub data: Vec<TransferBody<'a>>,
    /// Where to go on.
    pub page: shared::domain::paging::PageInfo,
}

/// One page of a cursor list of entries.
#[derive(Serialize, ToSchema)]
pub struct EntryPage {
    /// Oldest first.
    pub data: Vec<EntryBody>,
    /// Where to go on.
    pub page: shared::domain::paging::PageInfo,
}

/// One numbered page of accounts (v1); v2 answers `{data, page}` as the other cursor lists do.
#[derive(Serialize, ToSchema)]
pub struct AccountPage {
    /// Newest first.
    pub data: Vec<AccountBody>,
    /// Where this page stands.
    pub meta: shared::domain::paging::Meta,
    /// Its neighbours.
    pub links: shared::domain::paging::Links,
}

/// What a batch answers: one result per item, in the order sent.
#[derive(Serialize, ToSchema)]
pub struct BatchResults<'a> {
    /// The results.
    pub results: Vec<BatchResult<'a>>,
}

/// An item's own status, with its transfer or its problem.
#[derive(Serialize, ToSchema)]
pub struct BatchResult<'a> {
    /// As the single call answers.
    #[schema(example = 201)]
    pub status: u16,
    /// When it posted.
    pub transfer: Option<TransferBody<'a>>,
    /// When it did not.
    pub problem: Option<ProblemBody>,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Tollgate accounts", version = "1", description = "Accounts, transfers and entries. Money is an integer count of minor units with its ISO 4217 currency."),
    paths(
        accounts::http::list, accounts::http::open, accounts::http::get, accounts::http::patch,
        accounts::http::freeze, accounts::http::unfreeze, accounts::http::close, entries::http::list,
        transfers::http::list, transfers::http::post, transfers::http::post_batch, transfers::http::get,
    ),
    components(schemas(
        NewAccount, AccountPatch, AccountBody, AccountPage, NewTransfer, NewBatch, TransferBody, TransferPage,
        BatchResults, BatchResult, EntryBody, EntryPage, ProblemBody, FieldError,
    )),
    security(("bearer" = [])),
    modifiers(&Bearer, &Versioned),
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, spec: &mut Spec) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = spec.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// Handlers name their paths once; every version has them all.
struct Versioned;

impl Modify for Versioned {
    fn modify(&self, spec: &mut Spec) {
        let mut paths = Paths::new();
        for version in VERSIONS {
            for (path, item) in &spec.paths.paths {
                paths.paths.insert(format!("{version}{path}"), item.clone());
            }
        }
        spec.paths = paths;
    }
}

/// The document as JSON. Every operation also answers any other status with a problem.
#[must_use]
pub fn document() -> String {
    let mut document = serde_json::to_value(Document::openapi()).unwrap_or(Value::Null);
    let problem = json!({
        "description": "An error: RFC 9457 problem details, told apart by `code`",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    });
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        let version = path.split('/').nth(2).unwrap_or_default().to_owned();
        for operation in item.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
            operation["responses"]["default"] = problem.clone();
            let id = operation["operationId"].as_str().unwrap_or_default();
            operation["operationId"] = json!(format!("{id}_{version}"));
        }
    }
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_stands_under_both_versions_with_its_problem() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        for path in ["/accounts", "/accounts/{id}", "/accounts/{id}/entries", "/transfers", "/transfers/batch"] {
            for version in VERSIONS {
                let item = document["paths"][format!("{version}{path}")].as_object().unwrap();
                assert!(item.values().all(|operation| operation["responses"]["default"].is_object()), "{path}");
            }
        }
        assert!(document["components"]["schemas"]["Problem"].is_object());
    }
}
