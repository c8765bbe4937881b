-- The ledger on SQLite. Instants are microseconds since the Unix epoch: the same exact integers as on PostgreSQL.
-- Hot tables carry no foreign keys (each would cost a lookup per row); accounts are never deleted, and the engine
-- writes a transfer, its entries and its balances in one statement.

CREATE TABLE accounts (
    id         blob   PRIMARY KEY,
    owner_id   blob   NOT NULL,
    name       text   NOT NULL,
    kind       text   NOT NULL CHECK (kind IN ('user', 'system')),
    currency   text   NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    status     text   NOT NULL CHECK (status IN ('open', 'frozen', 'closed')),
    balance    integer NOT NULL DEFAULT 0 CHECK (balance BETWEEN -9007199254740991 AND 9007199254740991),
    held       integer NOT NULL DEFAULT 0 CHECK (held >= 0),
    floor      integer,
    ceiling    integer,
    seq        integer NOT NULL DEFAULT 0 CHECK (seq >= 0),
    version    integer NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at integer NOT NULL,
    updated_at integer NOT NULL,
    CONSTRAINT accounts_floor CHECK (floor IS NULL OR balance - held >= floor),
    CONSTRAINT accounts_ceiling CHECK (ceiling IS NULL OR balance <= ceiling),
    CONSTRAINT accounts_closed_empty CHECK (status <> 'closed' OR (balance = 0 AND held = 0))
) STRICT;
CREATE INDEX accounts_owner ON accounts (owner_id, created_at, id);

-- `position` is the order of commit: handed out under the lock on ledger_head, shared by transfers and events.
CREATE TABLE transfers (
    position          integer PRIMARY KEY,
    id                blob   NOT NULL UNIQUE,
    debit_account_id  blob   NOT NULL,
    credit_account_id blob   NOT NULL,
    amount            integer NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    currency          text   NOT NULL,
    status            text   NOT NULL DEFAULT 'posted' CHECK (status IN ('posted', 'pending', 'voided', 'expired')),
    description       text,
    external_ref      text,
    metadata          text,
    pending_of        blob,
    reversal_of       blob,
    expires_at        integer,
    posted_at         integer,
    created_at        integer NOT NULL,
    created_by        blob   NOT NULL,
    CONSTRAINT transfers_two_accounts CHECK (debit_account_id <> credit_account_id)
) STRICT;
CREATE INDEX transfers_external_ref ON transfers (external_ref, position) WHERE external_ref IS NOT NULL;

CREATE TABLE entries (
    account_id    blob   NOT NULL,
    seq           integer NOT NULL CHECK (seq >= 1),
    position      integer NOT NULL,
    transfer_id   blob   NOT NULL,
    amount        integer NOT NULL CHECK (amount <> 0),
    balance_after integer NOT NULL,
    posted_at     integer NOT NULL,
    PRIMARY KEY (account_id, seq)
) STRICT;
CREATE INDEX entries_position ON entries (account_id, position);

-- The key of a request that moved money, or was declined, for ever. A success keeps no body: it is rendered again from
-- the transfer, which never changes.
CREATE TABLE transfer_keys (
    digest      blob     PRIMARY KEY,
    fingerprint blob     NOT NULL,
    status      integer NOT NULL DEFAULT 0,
    transfer_id blob,
    body        blob
) STRICT;

-- The keys of the other signed-in POSTs, claimed in the same transaction as their change, kept for 30 days.
CREATE TABLE idempotency_keys (
    digest      blob     PRIMARY KEY,
    fingerprint blob     NOT NULL,
    status      integer NOT NULL,
    location    text,
    etag        text,
    body        blob    NOT NULL,
    expires_at  integer   NOT NULL
) STRICT;
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

-- One row: the end of the chain and of the order of commit. Whoever holds its lock is next.
CREATE TABLE ledger_head (
    id           integer PRIMARY KEY CHECK (id = 1),
    batch_no     integer NOT NULL,
    position     integer NOT NULL,
    committed_at integer NOT NULL,
    hash         blob  NOT NULL CHECK (length(hash) = 32)
) STRICT;
INSERT INTO ledger_head VALUES (1, 0, 0, 0, zeroblob(32));

CREATE TABLE ledger_batches (
    batch_no       integer PRIMARY KEY,
    first_position integer NOT NULL,
    last_position  integer NOT NULL,
    posted_at      integer NOT NULL,
    content        blob  NOT NULL CHECK (length(content) = 32),
    hash           blob  NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- Events in the order of commit. `transfer.posted` keeps no data: the relay renders the transfer, which never changes.
CREATE TABLE outbox_events (
    position    integer PRIMARY KEY,
    id          blob   NOT NULL,
    kind        text   NOT NULL,
    subject     blob   NOT NULL,
    data        text,
    recorded_at integer NOT NULL
) STRICT;

CREATE TRIGGER transfers_no_update BEFORE UPDATE ON transfers
    BEGIN SELECT RAISE(ABORT, 'transfers are written once: correct them with a reversal'); END;
CREATE TRIGGER transfers_no_delete BEFORE DELETE ON transfers
    BEGIN SELECT RAISE(ABORT, 'transfers are written once: correct them with a reversal'); END;
CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries
    BEGIN SELECT RAISE(ABORT, 'entries are written once: correct them with a reversal'); END;
CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries
    BEGIN SELECT RAISE(ABORT, 'entries are written once: correct them with a reversal'); END;
CREATE TRIGGER ledger_batches_no_update BEFORE UPDATE ON ledger_batches
    BEGIN SELECT RAISE(ABORT, 'ledger_batches are written once: correct them with a reversal'); END;
CREATE TRIGGER ledger_batches_no_delete BEFORE DELETE ON ledger_batches
    BEGIN SELECT RAISE(ABORT, 'ledger_batches are written once: correct them with a reversal'); END;
