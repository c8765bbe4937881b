//! What the document says of standing orders: pages, errors and examples.

use serde::Serialize;
use serde_json::{Value, json};
use shared::domain::paging::PageInfo;
use shared::problem::Code;
use utoipa::ToSchema;

use super::errors::{BODY, KEY, LIST, ONE};
use crate::standing::{RunBody, StandingOrderBody};

/// One page of a cursor list of standing orders.
#[derive(Serialize, ToSchema)]
pub struct StandingOrderPage {
    /// Newest first.
    pub data: Vec<StandingOrderBody>,
    /// Where to go on.
    pub page: PageInfo,
}

/// One page of a cursor list of runs.
#[derive(Serialize, ToSchema)]
pub struct StandingOrderRunPage {
    /// The latest date first.
    pub data: Vec<RunBody>,
    /// Where to go on.
    pub page: PageInfo,
}

/// What would be declined on every date.
const ACCOUNTS: [Code; 7] = [
    Code::AmountOutOfRange,
    Code::AccountsMustBeDifferent,
    Code::DebitAccountNotFound,
    Code::CreditAccountNotFound,
    Code::CurrencyMismatch,
    Code::DebitAccountClosed,
    Code::CreditAccountClosed,
];

/// The errors of an operation, by its id without the version.
pub(super) fn errors(operation: &str) -> Vec<Code> {
    let parts: &[&[Code]] = match operation {
        "create_standing_order" => &[&BODY, &KEY, &ACCOUNTS, &[Code::StateConflict]],
        "list_standing_orders" => &[&LIST, &[Code::InvalidCursor, Code::Forbidden]],
        "list_standing_order_runs" => &[&LIST, &[Code::InvalidCursor, Code::NotFound]],
        "get_standing_order" => &[&ONE],
        "change_standing_order" => &[&BODY, &ONE, &[Code::Forbidden, Code::StateConflict, Code::AmountOutOfRange]],
        "cancel_standing_order" => &[&ONE, &[Code::Forbidden]],
        _ => &[],
    };
    parts.concat()
}

/// The example of a schema.
pub(super) fn example(name: &str) -> Option<Value> {
    const ORDER: &str = "01936f71-2c44-7d10-9e6a-5b7c8d9e0f11";
    let page = json!({"next_cursor": super::examples::CURSOR, "has_more": true});
    let rule = json!({
        "every": "month", "interval": 1, "weekday": null, "day": 1, "month": null, "at": "09:00",
        "on_weekend": "following",
    });
    let new = json!({
        "debit_account_id": super::examples::ACCOUNT, "credit_account_id": super::examples::OTHER, "amount": 85_000,
        "currency": "USD", "description": "Rent", "rule": {"every": "month", "day": 1, "at": "09:00", "on_weekend": "following"},
        "time_zone": "Europe/Madrid", "starts_on": "2026-12-01", "retries": {"times": 3, "after": 86_400},
    });
    let order = json!({
        "id": ORDER, "owner_id": super::examples::OWNER, "debit_account_id": super::examples::ACCOUNT,
        "credit_account_id": super::examples::OTHER, "amount": 85_000, "currency": "USD", "description": "Rent",
        "metadata": null, "rule": rule, "time_zone": "Europe/Madrid", "starts_on": "2026-12-01", "ends_on": null,
        "most_runs": null, "retries": {"times": 3, "after": 86_400}, "status": "active", "ended_by": null,
        "next_due_on": "2026-12-01", "next_at": "2026-12-01T08:00:00.000000Z", "runs": 0, "version": 1,
        "created_at": super::examples::AT, "updated_at": super::examples::AT,
    });
    let run = json!({
        "due_on": "2026-12-01", "attempt": 1, "state": "posted", "code": null, "transfer_id": super::examples::TRANSFER,
        "started_at": "2026-12-01T08:00:02.000000Z", "ended_at": "2026-12-01T08:00:02.010000Z",
    });
    Some(match name {
        "DayOfWeek" => json!("monday"),
        "Every" => json!("month"),
        "NewStandingOrder" => new,
        "OnWeekend" => json!("following"),
        "StandingOrderRetries" => json!({"times": 3, "after": 86_400}),
        "StandingOrderRetriesPatch" => json!({"times": 5}),
        "StandingOrderRule" => rule,
        "StandingOrder" => order,
        "StandingOrderPage" => json!({"data": [order], "page": page}),
        "StandingOrderPatch" => json!({"amount": 90_000, "retries": {"times": 5}}),
        "StandingOrderRun" => run,
        "StandingOrderRunPage" => json!({"data": [run], "page": page}),
        "StandingOrderSwitch" => json!("paused"),
        _ => return None,
    })
}
