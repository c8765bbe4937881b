//! An example for each schema, body and parameter: one person's everyday account, and a payment out of it.

use serde_json::{Value, json};

const ACCOUNT: &str = "01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11";
const OTHER: &str = "01936f6e-8c21-7f0a-9b5d-6c4e2a1f7d33";
const OWNER: &str = "01936f6a-02b4-7d19-b1c8-9e7f5a3d4c55";
const TRANSFER: &str = "01936f70-1e5f-7a68-8d2b-4f6a9c0e3b77";
const CURSOR: &str = "5f1d0c9a5b2233356534386130643763396631326162222c34325d";
const AT: &str = "2026-11-21T08:00:00.000000Z";

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
            operation["parameters"].as_array_mut().into_iter().flatten().for_each(parameter);
            operation.get_mut("requestBody").into_iter().for_each(|body| contents(body, path));
            let answers = operation["responses"].as_object_mut().into_iter().flatten();
            answers.for_each(|(_, answer)| contents(answer, path));
            if path.ends_with("/transfers") {
                dry_run(&mut operation["responses"]["200"]["content"]["application/json"]["example"]);
            }
        }
    }
}

fn contents(of: &mut Value, path: &str) {
    for (_, content) in of.get_mut("content").and_then(Value::as_object_mut).into_iter().flatten() {
        let name = content["schema"]["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
        if let Some(example) = name.filter(|_| content.get("examples").is_none()).and_then(of_schema) {
            content["example"] = in_version_of(path, example);
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
}

fn parameter(parameter: &mut Value) {
    let example = match parameter["name"].as_str().unwrap_or_default() {
        "id" | "account_id" => json!(ACCOUNT),
        "Idempotency-Key" => json!("9f2b6c1e-rent-november"),
        "If-Match" | "If-None-Match" => json!("\"3\""),
        "scope" => json!("own"),
        "status" => json!(if parameter.to_string().contains("posted") { "posted" } else { "open" }),
        "kind" => json!("user"),
        "currency" => json!("USD"),
        "page" => json!(1),
        "per_page" | "limit" => json!(20),
        "skip" => json!(0),
        "sort_by" => json!("created_at"),
        "sort_order" => json!("desc"),
        "cursor" => json!(CURSOR),
        "dry_run" => json!(true),
        "external_ref" => json!("invoice-2041"),
        "from" | "to" => json!(AT),
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
        "AccountPatch" => json!({"name": "Holidays"}),
        "BatchResult" => json!({"status": 201, "transfer": transfer()}),
        "BatchResults" => json!({"results": [
            {"status": 201, "transfer": transfer()}, {"status": 422, "problem": problem()},
        ]}),
        "Entry" => entry(),
        "EntryPage" => json!({"data": [entry()], "page": page()}),
        "Kind" => json!("user"),
        "Mode" => json!("independent"),
        "Name" => json!("Everyday"),
        "NewAccount" => json!({"name": "Everyday", "currency": "USD"}),
        "NewBatch" => json!({"mode": "atomic", "transfers": [new_transfer()]}),
        "NewBounds" => json!({"gte": 0}),
        "NewPreconditions" => json!({"debit_balance": {"gte": 0}, "debit_version": 3}),
        "NewTransfer" => new_transfer(),
        "Status" => json!("open"),
        "Transfer" => transfer(),
        "TransferPage" => json!({"data": [transfer()], "page": page()}),
        _ => return None,
    })
}

fn account() -> Value {
    json!({
        "id": ACCOUNT, "owner_id": OWNER, "name": "Everyday", "kind": "user", "currency": "USD", "exponent": 2,
        "status": "open", "balance": 250_000, "held": 0, "available": 250_000, "floor": 0, "ceiling": null,
        "version": 3, "created_at": AT, "updated_at": AT,
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
        "status": "posted", "description": "Rent, November", "external_ref": "invoice-2041", "metadata": null,
        "pending_of": null, "reversal_of": null, "expires_at": null, "posted_at": AT, "created_at": AT,
    })
}

fn entry() -> Value {
    json!({"seq": 1, "transfer_id": TRANSFER, "amount": -1050, "balance_after": 248_950, "posted_at": AT})
}

fn problem() -> Value {
    json!({
        "type": "/docs/problems#insufficient_funds", "title": "The account to debit has too little available.",
        "status": 422, "detail": "The account to debit has too little available.", "instance": "/api/v1/transfers",
        "code": "insufficient_funds", "request_id": "4f1c2a7e", "timestamp": AT,
    })
}
