//! What has to be true between the tables of a ledger, asked of an import before it is committed: all that `verify` looks at,
//! and what only somebody can have written who made the file by hand.

use super::error::ArchiveError;
use super::store::{Store, is_rule};
use crate::db;
use crate::proof::report::told;

/// What is wrong when the answer is not 0.
const QUESTIONS: [(&str, &str); 2] = [
    (
        "transfers name an account that is not there, or one of another currency",
        "SELECT count(*) FROM transfers t LEFT JOIN accounts d ON d.id = t.debit_account_id \
         LEFT JOIN accounts c ON c.id = t.credit_account_id \
         WHERE d.id IS NULL OR c.id IS NULL OR d.currency <> t.currency OR c.currency <> t.currency",
    ),
    (
        "accounts are marked as limited and have no limits, or the other way round",
        "SELECT count(*) FROM accounts a \
         WHERE a.limited <> EXISTS (SELECT 1 FROM account_limits l WHERE l.account_id = a.id)",
    ),
];

/// What names a row of another table.
const NAMES: [(&str, &str, &str); 11] = [
    ("account_labels", "account_id", "accounts"),
    ("account_limits", "account_id", "accounts"),
    ("account_slices", "account_id", "accounts"),
    ("transfers", "pending_of", "transfers"),
    ("external_refs", "transfer_id", "transfers"),
    ("transfer_keys", "transfer_id", "transfers"),
    ("exchange_rates", "base_account_id", "accounts"),
    ("exchange_rates", "quote_account_id", "accounts"),
    ("exchange_rates", "rounding_account_id", "accounts"),
    ("exchange_carries", "rounding_account_id", "accounts"),
    ("standing_order_runs", "order_id", "standing_orders"),
];

/// Asks all of it.
pub(super) async fn check(store: &mut Store) -> Result<(), ArchiveError> {
    for (what, sql) in QUESTIONS {
        let count = store.number(sql.to_owned()).await?;
        if count != 0 {
            return Err(ArchiveError::Unsound(format!("{count} {what}")));
        }
    }
    for (table, column, of) in NAMES {
        let sql = format!(
            "SELECT count(*) FROM {table} x LEFT JOIN {of} y ON y.id = x.{column} WHERE x.{column} IS NOT NULL AND y.id IS NULL"
        );
        let count = store.number(sql).await?;
        if count != 0 {
            return Err(ArchiveError::Unsound(format!(
                "{count} rows of {table} name what is not in {of} by `{column}`"
            )));
        }
    }
    prove(store).await
}

/// Looks at all of it as `verify` does: nothing is imported that it would say is violated.
async fn prove(store: &mut Store) -> Result<(), ArchiveError> {
    let report = match store.prove().await {
        // What the rows say leaves the range of its type.
        Err(ArchiveError::Proof(error)) if is_rule(db::code(&error)) => {
            return Err(ArchiveError::Unsound(format!("what has to hold of it cannot be computed: {error}")));
        }
        report => report?,
    };
    let first = report.findings.first.as_ref().or(report.findings.kept.first());
    first.map_or(Ok(()), |first| {
        Err(ArchiveError::Unsound(format!("{} violations, the first: {}", report.findings.violations(), told(first))))
    })
}
