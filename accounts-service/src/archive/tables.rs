//! Every table of the ledger, in the order in which a file has them: what is named comes before what names it.
//!
//! Whoever adds a table adds it here, or to [`LEFT_OUT`] with the reason; a test holds both against the schema. A column or
//! a table that is added after a release is a new [`FORMAT`](super::FORMAT).

use super::table::{Column, Kind, Table};

/// Tables that no file has, each with the reason.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("seaql_migrations", "the target has its own; the header says which the file is of"),
    ("ledger_months", "the target opens the months that the file's positions name"),
    (
        "receipt_keys",
        "they sign for the house that made them; the target makes its own, and `receipt-keys` saves the published set",
    ),
    ("receipt_seals", "it opens the keys that stay behind"),
    ("invariant_watch", "what was looked at says nothing about the copy: it is looked at from its beginning"),
    ("invariant_checks", "the same"),
    ("invariant_parts", "the same"),
    ("invariant_violations", "the same: what is still wrong is found again"),
];

/// The tables, in the order of a file.
pub const TABLES: &[Table] = &[
    Table::of("accounts", ACCOUNTS),
    Table::of("account_labels", &[id("account_id").key(), text("name").key(), text("value")]),
    Table::of("account_limits", LIMITS),
    Table::of("account_slices", SLICES),
    Table::of("transfers", TRANSFERS),
    Table::of("entries", ENTRIES),
    Table::of("ledger_batches", BATCHES),
    Table::of("holds", HOLDS),
    Table::of("reversals", &[id("transfer_id").key(), big("amount"), big("reversed")]),
    Table::of("external_refs", &[id("owner_id").key(), text("reference").key(), id("transfer_id")]),
    Table::of("transfer_keys", TRANSFER_KEYS),
    Table { until: Some("expires_at"), ..Table::of("idempotency_keys", IDEMPOTENCY_KEYS) },
    Table::of("outbox_events", EVENTS),
    Table::of("exchange_rates", RATES),
    Table::of("exchanges", EXCHANGES),
    Table::of("exchange_carries", &[id("rounding_account_id").key(), big("grains")]),
    Table::of("standing_orders", STANDING_ORDERS),
    Table::of("standing_order_runs", STANDING_ORDER_RUNS),
    Table { is_made: true, ..Table::of("ledger_head", HEAD) },
];

const ACCOUNTS: &[Column] = &[
    id("id").key(),
    id("owner_id"),
    text("name"),
    text("kind"),
    text("currency"),
    text("status"),
    big("balance"),
    big("held"),
    big("floor").or_null(),
    big("ceiling").or_null(),
    big("seq"),
    big("version"),
    big("next_expiry").or_null(),
    flag("limited"),
    text("label_text").or_null(),
    big("created_at"),
    big("updated_at"),
];

const LIMITS: &[Column] =
    &[id("account_id").key(), whole("window_seconds").key(), big("most_amount").or_null(), big("most_count").or_null()];

const SLICES: &[Column] =
    &[id("account_id").key(), whole("window_seconds").key(), big("slice").key(), big("amount"), big("count")];

const TRANSFERS: &[Column] = &[
    big("position").key().place(),
    id("id"),
    id("debit_account_id"),
    id("credit_account_id"),
    big("amount"),
    text("currency"),
    text("status"),
    text("description").or_null(),
    text("external_ref").or_null(),
    text("metadata").or_null(),
    id("pending_of").or_null(),
    id("reversal_of").or_null(),
    big("expires_at").or_null(),
    big("posted_at").or_null(),
    big("created_at"),
    id("created_by"),
];

const ENTRIES: &[Column] = &[
    id("account_id").key(),
    big("seq").key(),
    big("position").place(),
    id("transfer_id"),
    big("amount"),
    big("balance_after"),
    big("posted_at"),
];

const BATCHES: &[Column] = &[
    big("batch_no"),
    big("first_position").key().place(),
    big("last_position"),
    big("posted_at"),
    bytes("content"),
    bytes("hash"),
    small("format"),
];

const HOLDS: &[Column] = &[
    id("transfer_id").key(),
    id("debit_account_id"),
    id("credit_account_id"),
    big("amount"),
    big("posted"),
    big("released"),
    big("expires_at").or_null(),
    big("slice_at"),
    text("state"),
    big("settled_at").or_null(),
];

const TRANSFER_KEYS: &[Column] =
    &[id("digest").key(), id("fingerprint"), small("status"), id("transfer_id").or_null(), bytes("body").or_null()];

const IDEMPOTENCY_KEYS: &[Column] = &[
    id("digest").key(),
    id("fingerprint"),
    small("status"),
    text("location").or_null(),
    text("etag").or_null(),
    bytes("body"),
    big("expires_at"),
];

const EVENTS: &[Column] =
    &[big("position").key().place(), id("id"), text("kind"), id("subject"), text("data").or_null(), big("recorded_at")];

const RATES: &[Column] = &[
    big("position").key(),
    id("id"),
    text("base"),
    text("quote"),
    text("rate"),
    id("base_account_id"),
    id("quote_account_id"),
    id("rounding_account_id"),
    big("valid_until").or_null(),
    id("created_by"),
    big("created_at"),
];

const EXCHANGES: &[Column] = &[
    big("position").key(),
    id("id"),
    id("rate_id"),
    id("paid_transfer_id"),
    id("received_transfer_id"),
    id("rounding_transfer_id").or_null(),
    big("remainder"),
    id("created_by"),
    big("created_at"),
];

const STANDING_ORDERS: &[Column] = &[
    id("id").key(),
    id("owner_id"),
    id("debit_account_id"),
    id("credit_account_id"),
    big("amount"),
    text("currency"),
    text("description").or_null(),
    text("metadata").or_null(),
    text("rule"),
    text("time_zone"),
    text("starts_on"),
    text("ends_on").or_null(),
    whole("most_runs").or_null(),
    small("retry_times"),
    whole("retry_after"),
    text("status"),
    text("ended_by").or_null(),
    flag("officers_pause"),
    text("next_due_on").or_null(),
    big("next_at").or_null(),
    whole("next_attempt"),
    whole("runs"),
    big("leased_until").or_null(),
    big("version"),
    big("created_at"),
    big("updated_at"),
];

const STANDING_ORDER_RUNS: &[Column] = &[
    id("order_id").key(),
    text("due_on").key(),
    whole("attempt").key(),
    text("state"),
    text("code").or_null(),
    id("transfer_id").or_null(),
    big("started_at"),
    big("ended_at").or_null(),
];

const HEAD: &[Column] = &[small("id").key(), big("batch_no"), big("position"), big("committed_at"), bytes("hash")];

const fn id(name: &'static str) -> Column {
    Column::of(Kind::Id, name)
}

const fn small(name: &'static str) -> Column {
    Column::of(Kind::Small, name)
}

const fn whole(name: &'static str) -> Column {
    Column::of(Kind::Whole, name)
}

const fn big(name: &'static str) -> Column {
    Column::of(Kind::Big, name)
}

const fn flag(name: &'static str) -> Column {
    Column::of(Kind::Flag, name)
}

const fn text(name: &'static str) -> Column {
    Column::of(Kind::Text, name)
}

const fn bytes(name: &'static str) -> Column {
    Column::of(Kind::Bytes, name)
}
