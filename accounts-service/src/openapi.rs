//! The OpenAPI document of this service; the gateway merges it with the others'.

mod errors;
mod examples;
mod exchange;
mod faults;
mod headers;
mod proof;
mod receipts;
mod settlement;
mod standing;

use std::sync::LazyLock;

use serde::Serialize;
use shared::http::document::{AccessToken, ProblemBody, operations};
use shared::problem::FieldError;
use utoipa::openapi::{OpenApi as Spec, Paths};
use utoipa::{Modify, OpenApi, ToSchema};

use self::errors::Errors;
pub use self::exchange::{ExchangePage, ExchangeRatePage};
use self::headers::Headers;
pub use self::standing::{StandingOrderPage, StandingOrderRunPage};
use crate::accounts::{self, AccountBody, AccountPatch, NewAccount};
use crate::entries::{self, EntryBody};
use crate::events::{self, EventBody};
use crate::exchange::{ExchangeBody, ExchangeRateBody, NewExchange, NewExchangeRate};
use crate::history::{self, BalanceBody};
use crate::limits::{LimitBody, Limits, NewLimit, NewLimits, UsedBody};
use crate::proof::{ChainPlace, InvariantBody, InvariantsBody, NewAcknowledgement, PartBody, ViolationBody};
use crate::standing::{NewStandingOrder, RunBody, StandingOrderBody, StandingOrderPatch};
use crate::statements::{self, StatementBody, StatementEntryBody};
use crate::transfers::render::TransferBody;
use crate::transfers::settlement::{NewPosting, NewReversal};
use crate::transfers::{self, NewBatch, NewTransfer};

/// Versions that every path is listed under.
const VERSIONS: [&str; 2] = ["/api/v1", "/api/v2"];

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

/// One page of the change feed.
#[derive(Serialize, ToSchema)]
pub struct EventPage {
    /// In the order of commit.
    pub data: Vec<EventBody>,
    /// Where to go on; there is always a `next_cursor`.
    pub page: shared::domain::paging::PageInfo,
}

/// One page of a cursor list of accounts (v2).
#[derive(Serialize, ToSchema)]
pub struct AccountCursorPage {
    /// Newest first.
    pub data: Vec<AccountBody>,
    /// Where to go on.
    pub page: shared::domain::paging::PageInfo,
}

/// One numbered page of accounts (v1).
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
    #[schema(nullable = false)]
    pub transfer: Option<TransferBody<'a>>,
    /// When it did not.
    #[schema(nullable = false)]
    pub problem: Option<ProblemBody>,
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Tollgate accounts", version = "1", description = "Accounts, transfers, holds and refunds, statements, exchanges, standing orders and the change feed. Money is an integer count of minor units with its ISO 4217 currency."),
    paths(
        accounts::http::list, accounts::http::list_by_cursor, accounts::http::open, accounts::http::get,
        accounts::http::patch, accounts::http::freeze, accounts::http::unfreeze, accounts::http::close,
        crate::exchange::http::post, crate::exchange::http::list, crate::exchange::http::get,
        crate::exchange::http::set_rate, crate::exchange::http::list_rates, crate::exchange::http::get_rate,
        crate::proof::http::show, crate::proof::http::acknowledge,
        crate::limits::http::get, crate::limits::http::put, transfers::settlement::http::post,
        transfers::settlement::http::void, transfers::settlement::http::reverse,
        crate::standing::http::create, crate::standing::http::list, crate::standing::http::get,
        crate::standing::http::patch, crate::standing::http::cancel, crate::standing::http::runs,
        entries::http::list, history::http::balance, events::http::list, statements::http::show, transfers::http::list, transfers::http::post,
        transfers::http::post_batch,
        transfers::http::get, crate::receipts::http::jwks,
    ),
    components(schemas(
        NewExchange, NewExchangeRate, ExchangeBody, ExchangeRateBody, ExchangePage, ExchangeRatePage,
        ChainPlace, InvariantBody, InvariantsBody, NewAcknowledgement, PartBody, ViolationBody,
        NewPosting, NewReversal, NewLimit, NewLimits, LimitBody, Limits, UsedBody,
        NewStandingOrder, StandingOrderPatch, StandingOrderBody, StandingOrderPage, RunBody, StandingOrderRunPage,
        NewAccount, AccountPatch, AccountBody, AccountPage, AccountCursorPage, NewTransfer, NewBatch, TransferBody,
        TransferPage, BatchResults, BatchResult, EntryBody, EntryPage, BalanceBody,
        crate::receipts::KeySet, crate::receipts::PublishedKey, crate::receipts::Revoked,
        EventBody, EventPage, StatementBody, StatementEntryBody, ProblemBody, FieldError,
    )),
    security(("access_token" = [])),
    modifiers(&AccessToken, &Versioned, &Errors, &Headers),
)]
struct Document;

/// The document as JSON. It never changes while the process runs.
#[must_use]
pub fn document() -> String {
    static JSON: LazyLock<String> = LazyLock::new(|| {
        let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
        settlement::leave_out_bodies(&mut document);
        examples::add(&mut document);
        faults::add(&mut document);
        serde_json::to_string_pretty(&document).unwrap_or_default()
    });
    JSON.clone()
}

/// Handlers name their paths once, and every version has them all but for those that name their own, and what has none.
struct Versioned;

impl Modify for Versioned {
    fn modify(&self, document: &mut Spec) {
        let mut named = std::mem::take(&mut document.paths);
        let mut paths = Paths::new();
        let well_known = named.paths.extract_if(.., |path, _| path.starts_with("/.well-known/")).collect::<Vec<_>>();
        for version in VERSIONS {
            let own = named.paths.iter().filter(|(path, _)| path.starts_with(version));
            let common = named.paths.iter().filter(|(path, _)| !path.starts_with("/api/"));
            let own = own.map(|(path, item)| (path.clone(), item));
            // What is there already stays: a version's own goes first.
            for (path, item) in own.chain(common.map(|(path, item)| (format!("{version}{path}"), item))) {
                paths.paths.entry(path).or_default().merge_operations(item.clone());
            }
        }
        document.paths = paths;
        for (path, operation) in operations(document) {
            let version = path.split('/').nth(2).unwrap_or_default();
            operation.operation_id = operation.operation_id.take().map(|id| format!("{id}_{version}"));
        }
        document.paths.paths.extend(well_known);
    }
}

#[cfg(test)]
mod tests;
