//! What has to be true between the tables of a ledger, asked of an import before it is committed.

use super::error::ArchiveError;
use super::store::Store;

/// What is wrong when the answer is not 0.
const QUESTIONS: [(&str, &str); 10] = [
    (
        "accounts have another balance than after their last entry",
        "SELECT count(*) FROM accounts a LEFT JOIN entries e ON e.account_id = a.id AND e.seq = a.seq \
         WHERE a.balance <> coalesce(e.balance_after, 0) OR (a.seq > 0 AND e.seq IS NULL)",
    ),
    (
        "accounts hold another amount than their open holds",
        // Of those that lapsed before its next expiry an account counts none; their rows are ended later.
        "SELECT count(*) FROM accounts a LEFT JOIN (SELECT b.id, sum(o.amount - o.posted - o.released) AS sum \
         FROM holds o JOIN accounts b ON b.id = o.debit_account_id WHERE o.state = 'open' \
         AND (o.expires_at IS NULL OR o.expires_at >= b.next_expiry) GROUP BY b.id) AS h ON h.id = a.id \
         WHERE a.held <> coalesce(h.sum, 0)",
    ),
    (
        "open holds are to lapse before the next expiry of their account, which is without them",
        "SELECT count(*) FROM holds o JOIN accounts b ON b.id = o.debit_account_id CROSS JOIN ledger_head e \
         WHERE o.state = 'open' AND o.expires_at > e.committed_at \
         AND (b.next_expiry IS NULL OR b.next_expiry > o.expires_at)",
    ),
    (
        "transfers name an account that is not there, or one of another currency",
        "SELECT count(*) FROM transfers t LEFT JOIN accounts d ON d.id = t.debit_account_id \
         LEFT JOIN accounts c ON c.id = t.credit_account_id \
         WHERE d.id IS NULL OR c.id IS NULL OR d.currency <> t.currency OR c.currency <> t.currency",
    ),
    ("ids of transfers are there twice", "SELECT count(*) - count(DISTINCT id) FROM transfers"),
    (
        "holds are not those of a pending transfer",
        "SELECT count(*) FROM holds h LEFT JOIN transfers t ON t.id = h.transfer_id AND t.status = 'pending' \
         WHERE t.id IS NULL OR t.amount <> h.amount OR t.debit_account_id <> h.debit_account_id \
         OR t.credit_account_id <> h.credit_account_id OR t.expires_at IS DISTINCT FROM h.expires_at",
    ),
    (
        "pending transfers have no hold",
        "SELECT count(*) FROM transfers t LEFT JOIN holds h ON h.transfer_id = t.id \
         WHERE t.status = 'pending' AND h.transfer_id IS NULL",
    ),
    (
        "holds were posted with another amount than their posts have",
        "SELECT count(*) FROM holds h LEFT JOIN (SELECT pending_of AS id, sum(amount) AS sum FROM transfers \
         WHERE pending_of IS NOT NULL AND status = 'posted' GROUP BY pending_of) AS p ON p.id = h.transfer_id \
         WHERE h.posted <> coalesce(p.sum, 0)",
    ),
    (
        "transfers were reversed with another amount than their reversals have",
        "SELECT count(*) FROM (SELECT reversal_of AS id, sum(amount) AS sum FROM transfers WHERE reversal_of IS NOT NULL \
         GROUP BY reversal_of) AS s FULL JOIN reversals r ON r.transfer_id = s.id LEFT JOIN transfers t ON t.id = r.transfer_id \
         WHERE r.transfer_id IS NULL OR s.id IS NULL OR r.reversed <> s.sum OR t.id IS NULL OR t.amount <> r.amount",
    ),
    (
        "accounts are marked as limited and have no limits, or the other way round",
        "SELECT count(*) FROM accounts a \
         WHERE a.limited <> EXISTS (SELECT 1 FROM account_limits l WHERE l.account_id = a.id)",
    ),
];

/// What names a row of another table.
const NAMES: [(&str, &str, &str); 15] = [
    ("account_labels", "account_id", "accounts"),
    ("account_limits", "account_id", "accounts"),
    ("account_slices", "account_id", "accounts"),
    ("transfers", "pending_of", "transfers"),
    ("external_refs", "transfer_id", "transfers"),
    ("transfer_keys", "transfer_id", "transfers"),
    ("exchange_rates", "base_account_id", "accounts"),
    ("exchange_rates", "quote_account_id", "accounts"),
    ("exchange_rates", "rounding_account_id", "accounts"),
    ("exchanges", "rate_id", "exchange_rates"),
    ("exchanges", "paid_transfer_id", "transfers"),
    ("exchanges", "received_transfer_id", "transfers"),
    ("exchanges", "rounding_transfer_id", "transfers"),
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
    Ok(())
}
