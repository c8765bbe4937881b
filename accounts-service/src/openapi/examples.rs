//! An example for each schema, body and parameter: one person's everyday account, and a payment out of it.

use serde_json::{Value, json};

use super::{exchange, proof, receipts, settlement, standing};
use crate::events::KINDS;

pub(super) const ACCOUNT: &str = "01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11";
pub(super) const OTHER: &str = "01936f6e-8c21-7f0a-9b5d-6c4e2a1f7d33";
pub(super) const OWNER: &str = "01936f6a-02b4-7d19-b1c8-9e7f5a3d4c55";
pub(super) const TRANSFER: &str = "01936f70-1e5f-7a68-8d2b-4f6a9c0e3b77";
pub(super) const CURSOR: &str = "5f1d0c9a5b2233356534386130643763396631326162222c34325d";
pub(super) const AT: &str = "2026-11-21T08:00:00.000000Z";

/// Ends of the paths whose 200 is a dry run's, or a list's.
const DRY_RUNS: [&str; 5] = ["/transfers", "/exchanges", "/{id}/post", "/{id}/void", "/{id}/reverse"];

/// Adds them to a document. Schemas that come from `shared` keep to the examples they have: one given here would make
/// two schemas of one where documents are merged.
pub(super) fn add(document: &mut Value) {
    for (name, schema) in document["components"]["schemas"].as_object_mut().into_iter().flatten() {
        if let Some(example) = of_schema(name) {
            schema["example"] = example;
        }
    }
    let items = document["paths"].as_object_mut().into_iter().flatten();
    for (path, item) in items {
        for (_, operation) in item.as_object_mut().into_iter().flatten().filter(|(_, operation)| operation.is_object())
        {
            let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
            parameters.into_iter().flatten().for_each(parameter);
            operation.get_mut("requestBody").into_iter().for_each(|body| contents(body, path));
            let answers = operation["responses"].as_object_mut().into_iter().flatten();
            answers.for_each(|(_, answer)| contents(answer, path));
            if DRY_RUNS.iter().any(|end| path.ends_with(end)) {
                dry_run(&mut operation["responses"]["200"]["content"]["application/json"]["example"]);
            }
        }
    }
}

fn contents(of: &mut Value, path: &str) {
    for (kind, content) in of.get_mut("content").and_then(Value::as_object_mut).into_iter().flatten() {
        if let Some(examples) = file(kind) {
            content["examples"] = examples;
        }
        let name = content["schema"]["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
        if let Some(example) = name.filter(|_| content.get("examples").is_none()).and_then(of_schema) {
            content["example"] = in_version_of(
                path,
                if name == Some("Transfer") { settlement::answered(path, example) } else { example },
            );
        }
    }
}

/// The examples are of the first version; paths in them are of the operation's own.
fn in_version_of(path: &str, example: Value) -> Value {
    match example {
        Value::String(text) if path.starts_with("/api/v2/") => text.replacen("/api/v1/", "/api/v2/", 1).into(),
        Value::Array(items) => items.into_iter().map(|item| in_version_of(path, item)).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, member)| (name, in_version_of(path, member))).collect()
        }
        other => other,
    }
}

/// What has not happened has no id and no time. A list is no dry run.
fn dry_run(example: &mut Value) {
    for member in ["id", "posted_at", "created_at"] {
        if example.get(member).is_some() {
            example[member] = Value::Null;
        }
    }
    for side in ["paid", "received"] {
        example.get_mut(side).into_iter().for_each(dry_run);
    }
}

fn parameter(parameter: &mut Value) {
    let example = match parameter["name"].as_str().unwrap_or_default() {
        "id" | "account_id" => json!(ACCOUNT),
        "Idempotency-Key" => json!("9f2b6c1e-rent-november"),
        "If-Match" | "If-None-Match" => json!("\"3\""),
        "scope" => json!("own"),
        "status" if parameter.to_string().contains("active") => json!("active"),
        "status" => json!(if parameter.to_string().contains("posted") { "posted" } else { "open" }),
        "kind" => json!("user"),
        "currency" | "base" => json!("USD"),
        "quote" => json!("EUR"),
        "page" => json!(1),
        "per_page" | "limit" => json!(20),
        "skip" => json!(0),
        "sort_by" => json!("created_at"),
        "sort_order" => json!("desc"),
        "cursor" => json!(CURSOR),
        "dry_run" | "receipt" => json!(true),
        "external_ref" => json!("invoice-2041"),
        "label" => json!("shop:Lisbon"),
        "q" => json!("every"),
        "from" | "to" | "at" => json!(AT),
        "pending_of" | "reversal_of" | "transfer_id" => json!(TRANSFER),
        "direction" => json!("debit"),
        "types" => {
            // One text in the query, with commas between: a list to whoever makes a client of this.
            parameter["schema"] = json!({"type": "array", "items": {"type": "string", "enum": KINDS}});
            parameter["style"] = json!("form");
            parameter["explode"] = json!(false);
            json!(["transfer.posted", "account.frozen"])
        }
        "format" => json!("csv"),
        _ => return,
    };
    parameter["example"] = example;
}

fn of_schema(name: &str) -> Option<Value> {
    let page = || json!({"next_cursor": CURSOR, "has_more": true});
    Some(match name {
        "Account" => account(),
        "AccountPage" => json!({
            "data": [account()],
            "meta": {"total": 21, "page": 1, "per_page": 20, "pages": 2, "has_more": true},
            "links": {
                "first": "/api/v1/accounts?page=1&per_page=20", "last": "/api/v1/accounts?page=2&per_page=20",
                "next": "/api/v1/accounts?page=2&per_page=20", "prev": null,
            },
        }),
        "AccountCursorPage" => json!({"data": [account()], "page": page()}),
        "AccountPatch" => json!({"name": "Holidays", "labels": {"shop": "Lisbon", "old": null}}),
        "Balance" => json!({
            "account_id": ACCOUNT, "at": AT, "balance": 248_950, "held": null, "available": null, "currency": "USD",
            "exponent": 2, "seq": 1,
        }),
        "BatchResult" => json!({"status": 201, "transfer": transfer()}),
        "BatchResults" => json!({"results": [
            {"status": 201, "transfer": transfer()}, {"status": 422, "problem": problem()},
        ]}),
        "Entry" => entry(),
        "EntryPage" => json!({"data": [entry()], "page": page()}),
        "Event" => event(),
        "EventPage" => json!({"data": [event()], "page": page()}),
        "Kind" => json!("user"),
        "Mode" => json!("independent"),
        "Name" => json!("Everyday"),
        "NewAccount" => json!({"name": "Everyday", "currency": "USD"}),
        "NewBatch" => json!({"mode": "atomic", "transfers": [new_transfer()]}),
        "NewBounds" => json!({"gte": 0}),
        "NewPreconditions" => json!({"debit_balance": {"gte": 0}, "debit_version": 3}),
        "NewTransfer" => new_transfer(),
        "Statement" => statement(),
        "StatementEntry" => statement_entry(),
        "Status" => json!("open"),
        "Transfer" => transfer(),
        "TransferPage" => json!({"data": [transfer()], "page": page()}),
        other => {
            return standing::example(other)
                .or_else(|| settlement::example(other))
                .or_else(|| exchange::example(other))
                .or_else(|| receipts::example(other))
                .or_else(|| proof::example(other));
        }
    })
}

fn account() -> Value {
    json!({
        "id": ACCOUNT, "owner_id": OWNER, "name": "Everyday", "kind": "user", "currency": "USD", "exponent": 2,
        "status": "open", "balance": 250_000, "held": 0, "available": 250_000, "floor": 0, "ceiling": null,
        "labels": {"shop": "Lisbon"}, "version": 3, "created_at": AT, "updated_at": AT,
    })
}

fn new_transfer() -> Value {
    json!({
        "debit_account_id": ACCOUNT, "credit_account_id": OTHER, "amount": 1050, "currency": "USD",
        "description": "Rent, November", "external_ref": "invoice-2041",
    })
}

fn transfer() -> Value {
    json!({
        "id": TRANSFER, "debit_account_id": ACCOUNT, "credit_account_id": OTHER, "amount": 1050, "currency": "USD",
        "status": "posted", "remaining": 1050, "description": "Rent, November", "external_ref": "invoice-2041", "metadata": null,
        "pending_of": null, "reversal_of": null, "expires_at": null, "posted_at": AT, "created_at": AT,
    })
}

fn entry() -> Value {
    json!({"seq": 1, "transfer_id": TRANSFER, "amount": -1050, "balance_after": 248_950, "posted_at": AT})
}

fn event() -> Value {
    json!({
        "specversion": "1.0", "id": TRANSFER, "source": "urn:tollgate:accounts", "type": "transfer.posted",
        "subject": TRANSFER, "time": AT, "datacontenttype": "application/json", "data": transfer(),
    })
}

fn statement() -> Value {
    json!({
        "account_id": ACCOUNT, "name": "Everyday", "currency": "USD", "exponent": 2,
        "from": "2026-11-01T00:00:00.000000Z", "to": "2026-12-01T00:00:00.000000Z",
        "opening_balance": 250_000, "closing_balance": 248_950, "entry_count": 1, "entries": [statement_entry()],
    })
}

fn statement_entry() -> Value {
    json!({
        "seq": 1, "transfer_id": TRANSFER, "amount": -1050, "balance_after": 248_950, "posted_at": AT,
        "counterparty_account_id": OTHER, "description": "Rent, November", "external_ref": "invoice-2041",
        "reversal_of": null,
    })
}

/// How the forms of a statement look that are no JSON.
fn file(kind: &str) -> Option<Value> {
    let text = match kind {
        "text/csv; charset=utf-8" => format!(
            "type,seq,posted_at,transfer_id,counterparty_account_id,description,external_ref,reversal_of,amount,balance,currency\r\n\
             opening,,2026-11-01T00:00:00.000000Z,,,,,,,2500.00,USD\r\n\
             entry,1,{AT},{TRANSFER},{OTHER},\"Rent, November\",invoice-2041,,-10.50,2489.50,USD\r\n\
             closing,,2026-12-01T00:00:00.000000Z,,,,,,,2489.50,USD\r\n"
        ),
        "application/xml" => "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\"><BkToCstmrStmt>…</BkToCstmrStmt></Document>"
            .to_owned(),
        "application/pdf" => "%PDF-1.7 …".to_owned(),
        _ => return None,
    };
    Some(json!({"statement": {"summary": "A statement", "value": text}}))
}

fn problem() -> Value {
    json!({
        "type": "/docs/problems#insufficient_funds", "title": "The account to debit has too little available.",
        "status": 422, "detail": "The account to debit has too little available.", "instance": "/api/v1/transfers",
        "code": "insufficient_funds", "request_id": "4f1c2a7e", "timestamp": AT,
    })
}
