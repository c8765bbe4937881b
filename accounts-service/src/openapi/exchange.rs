//! What the document says of exchanges and rates: pages, errors and examples.

use serde::Serialize;
use serde_json::{Value, json};
use shared::domain::paging::PageInfo;
use shared::problem::Code;
use utoipa::ToSchema;

use super::errors::{BODY, KEY, LIST, MONEY, ONE};
use super::examples::{ACCOUNT, AT, CURSOR, OTHER, TRANSFER};
use crate::exchange::{ExchangeBody, ExchangeRateBody};
use crate::posting::core::checks;

/// One page of a cursor list of exchanges.
#[derive(Serialize, ToSchema)]
pub struct ExchangePage {
    /// Newest first.
    pub data: Vec<ExchangeBody>,
    /// Where to go on.
    pub page: PageInfo,
}

/// One page of a cursor list of rates.
#[derive(Serialize, ToSchema)]
pub struct ExchangeRatePage {
    /// Newest first.
    pub data: Vec<ExchangeRateBody>,
    /// Where to go on.
    pub page: PageInfo,
}

/// The errors of an operation, by its id without the version.
pub(super) fn errors(operation: &str) -> Vec<Code> {
    let parts: &[&[Code]] = match operation {
        "post_exchange" => &[&BODY, &KEY, &MONEY, &checks::EXCHANGE],
        "list_exchanges" => &[&LIST, &[Code::InvalidCursor, Code::Forbidden]],
        "get_exchange" | "get_exchange_rate" => &[&ONE],
        "set_exchange_rate" => &[&BODY, &KEY, &[Code::Forbidden]],
        "list_exchange_rates" => &[&LIST, &[Code::InvalidCursor]],
        _ => &[],
    };
    parts.concat()
}

/// The example of a schema.
pub(super) fn example(name: &str) -> Option<Value> {
    const EXCHANGE: &str = "01936f72-3d55-7e21-8f7b-6c8d9e0f1a22";
    const RATE: &str = "01936f72-1a2b-7c3d-9e4f-5a6b7c8d9e0f";
    const BANK: [&str; 3] = [
        "01936f60-0a1b-7c2d-8e3f-4a5b6c7d8e9f",
        "01936f60-1b2c-7d3e-8f4a-5b6c7d8e9f0a",
        "01936f60-2c3d-7e4f-8a5b-6c7d8e9f0a1b",
    ];
    let transfer = |id: &str, (debit, credit): (&str, &str), amount: i64, currency: &str| {
        json!({
            "id": id, "debit_account_id": debit, "credit_account_id": credit, "amount": amount, "currency": currency,
            "status": "posted", "remaining": amount, "description": null, "external_ref": null, "metadata": null, "pending_of": null,
            "reversal_of": null, "expires_at": null, "posted_at": AT, "created_at": AT,
        })
    };
    let exchange = || {
        json!({
            "id": EXCHANGE, "rate_id": RATE, "rate": "0.92345",
            "paid": transfer(TRANSFER, (ACCOUNT, BANK[0]), 10_001, "USD"),
            "received": transfer("01936f72-3d55-7e21-8f7b-6c8d9e0f1a33", (BANK[1], OTHER), 9_235, "EUR"),
            "remainder": "0.42345", "created_at": AT,
        })
    };
    let rate = || {
        json!({
            "id": RATE, "base": "USD", "quote": "EUR", "rate": "0.92345", "base_account_id": BANK[0],
            "quote_account_id": BANK[1], "rounding_account_id": BANK[2], "valid_until": null, "created_at": AT,
        })
    };
    let page = json!({"next_cursor": CURSOR, "has_more": true});
    Some(match name {
        "Exchange" => exchange(),
        "ExchangePage" => json!({"data": [exchange()], "page": page}),
        "ExchangeRate" => rate(),
        "ExchangeRatePage" => json!({"data": [rate()], "page": page}),
        "NewExchange" => json!({
            "debit_account_id": ACCOUNT, "credit_account_id": OTHER, "amount": 10_001, "rate": "0.92345",
        }),
        "NewExchangeRate" => json!({
            "base": "USD", "quote": "EUR", "rate": "0.92345", "base_account_id": BANK[0], "quote_account_id": BANK[1],
            "rounding_account_id": BANK[2],
        }),
        _ => return None,
    })
}
