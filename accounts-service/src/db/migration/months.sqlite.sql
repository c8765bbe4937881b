-- Positions name their month from here on, as on PostgreSQL: (month << 40) + n, with month = 12 * (year - 1970) + month
-- of the year - 1 (UTC). SQLite has no partitions; its tables stay whole, and so does the index on entries' positions.

-- How `content` and `hash` are computed; 1 is the format of before.
ALTER TABLE ledger_batches ADD COLUMN format integer NOT NULL DEFAULT 1;
CREATE UNIQUE INDEX ledger_batches_first_position ON ledger_batches (first_position);
CREATE INDEX ledger_batches_posted_at ON ledger_batches (posted_at);

-- Plain transfers are found through their entries, and are in none of these.
CREATE INDEX transfers_debit ON transfers (debit_account_id, position) WHERE status <> 'posted';
CREATE INDEX transfers_credit ON transfers (credit_account_id, position) WHERE status <> 'posted';
CREATE INDEX transfers_pending ON transfers (pending_of, position) WHERE pending_of IS NOT NULL;
CREATE INDEX transfers_reversal ON transfers (reversal_of, position) WHERE reversal_of IS NOT NULL;
CREATE INDEX transfers_status ON transfers (status, position) WHERE status IN ('pending', 'voided');

-- Events of transfers keep no data and are found through the transfer.
CREATE INDEX outbox_events_subject ON outbox_events (subject, position) WHERE data IS NOT NULL;
-- What time has ended has no transfer of its own, and names its accounts.
CREATE INDEX outbox_events_expired_debit ON outbox_events (data ->> 'debit_account_id', position)
    WHERE kind = 'transfer.expired';
CREATE INDEX outbox_events_expired_credit ON outbox_events (data ->> 'credit_account_id', position)
    WHERE kind = 'transfer.expired';
