-- The ledger on PostgreSQL. Instants are microseconds since the Unix epoch: the same exact integers as on SQLite.
-- Hot tables carry no foreign keys (each would cost a lookup per row); accounts are never deleted, and the engine
-- writes a transfer, its entries and its balances in one statement.

CREATE TABLE accounts (
    id         uuid   PRIMARY KEY,
    owner_id   uuid   NOT NULL,
    name       text   NOT NULL,
    kind       text   NOT NULL CHECK (kind IN ('user', 'system')),
    currency   text   NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    status     text   NOT NULL CHECK (status IN ('open', 'frozen', 'closed')),
    balance    bigint NOT NULL DEFAULT 0 CHECK (balance BETWEEN -9007199254740991 AND 9007199254740991),
    held       bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    floor      bigint,
    ceiling    bigint,
    seq        bigint NOT NULL DEFAULT 0 CHECK (seq >= 0),
    version    bigint NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    CONSTRAINT accounts_floor CHECK (floor IS NULL OR balance - held >= floor),
    CONSTRAINT accounts_ceiling CHECK (ceiling IS NULL OR balance <= ceiling),
    CONSTRAINT accounts_closed_empty CHECK (status <> 'closed' OR (balance = 0 AND held = 0))
) WITH (fillfactor = 60);
CREATE INDEX accounts_owner ON accounts (owner_id, created_at, id);

-- `position` is the order of commit: handed out under the lock on ledger_head, shared by transfers and events.
CREATE TABLE transfers (
    position          bigint PRIMARY KEY,
    id                uuid   NOT NULL UNIQUE,
    debit_account_id  uuid   NOT NULL,
    credit_account_id uuid   NOT NULL,
    amount            bigint NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    currency          text   NOT NULL,
    status            text   NOT NULL DEFAULT 'posted' CHECK (status IN ('posted', 'pending', 'voided', 'expired')),
    description       text,
    external_ref      text,
    metadata          text,
    pending_of        uuid,
    reversal_of       uuid,
    expires_at        bigint,
    posted_at         bigint,
    created_at        bigint NOT NULL,
    created_by        uuid   NOT NULL,
    CONSTRAINT transfers_two_accounts CHECK (debit_account_id <> credit_account_id)
);
CREATE INDEX transfers_external_ref ON transfers (external_ref, position) WHERE external_ref IS NOT NULL;

CREATE TABLE entries (
    account_id    uuid   NOT NULL,
    seq           bigint NOT NULL CHECK (seq >= 1),
    position      bigint NOT NULL,
    transfer_id   uuid   NOT NULL,
    amount        bigint NOT NULL CHECK (amount <> 0),
    balance_after bigint NOT NULL,
    posted_at     bigint NOT NULL,
    PRIMARY KEY (account_id, seq)
);
CREATE INDEX entries_position ON entries (account_id, position);

-- The key of a request that moved money, or was declined, for ever. A success keeps no body: it is rendered again from
-- the transfer, which never changes.
CREATE TABLE transfer_keys (
    digest      uuid     PRIMARY KEY,
    fingerprint uuid     NOT NULL,
    status      smallint NOT NULL DEFAULT 0,
    transfer_id uuid,
    body        bytea
);
ALTER TABLE transfer_keys ALTER COLUMN body SET STORAGE EXTERNAL;

-- The keys of the other signed-in POSTs, claimed in the same transaction as their change, kept for 30 days.
CREATE TABLE idempotency_keys (
    digest      uuid     PRIMARY KEY,
    fingerprint uuid     NOT NULL,
    status      smallint NOT NULL,
    location    text,
    etag        text,
    body        bytea    NOT NULL,
    expires_at  bigint   NOT NULL
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

-- One row: the end of the chain and of the order of commit. Whoever holds its lock is next.
CREATE TABLE ledger_head (
    id           smallint PRIMARY KEY CHECK (id = 1),
    batch_no     bigint NOT NULL,
    position     bigint NOT NULL,
    committed_at bigint NOT NULL,
    hash         bytea  NOT NULL CHECK (length(hash) = 32)
) WITH (fillfactor = 10);
INSERT INTO ledger_head VALUES (1, 0, 0, 0, decode(repeat('00', 32), 'hex'));

CREATE TABLE ledger_batches (
    batch_no       bigint PRIMARY KEY,
    first_position bigint NOT NULL,
    last_position  bigint NOT NULL,
    posted_at      bigint NOT NULL,
    content        bytea  NOT NULL CHECK (length(content) = 32),
    hash           bytea  NOT NULL CHECK (length(hash) = 32)
);

-- Events in the order of commit. `transfer.posted` keeps no data: the relay renders the transfer, which never changes.
CREATE TABLE outbox_events (
    position    bigint PRIMARY KEY,
    id          uuid   NOT NULL,
    kind        text   NOT NULL,
    subject     uuid   NOT NULL,
    data        text,
    recorded_at bigint NOT NULL
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% are written once: correct them with a reversal', TG_TABLE_NAME USING ERRCODE = 'TG009';
END $$;
CREATE TRIGGER transfers_written_once BEFORE UPDATE OR DELETE ON transfers
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER transfers_not_truncated BEFORE TRUNCATE ON transfers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entries_written_once BEFORE UPDATE OR DELETE ON entries
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entries_not_truncated BEFORE TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_batches_written_once BEFORE UPDATE OR DELETE ON ledger_batches
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Writes one commit batch that the engine folded, after checking under lock that it was folded from the truth.
-- Lock order: keys, accounts, chain head. `key_claimed` is true when the caller's transaction inserted the keys before.
-- Refusals, all before anything is visible: TG001 a key is taken, TG002 an account has moved on, TG003 time has.
CREATE FUNCTION post_batch(
    key_claimed boolean, key_digest uuid[], key_fingerprint uuid[], key_status smallint[], key_transfer uuid[],
    key_body bytea[],
    account uuid[], account_expected bigint[], account_balance bigint[], account_seq bigint[],
    account_version bigint[],
    t_id uuid[], t_debit uuid[], t_credit uuid[], t_amount bigint[], t_currency text[], t_description text[],
    t_external_ref text[], t_metadata text[], t_by uuid[],
    t_debit_seq bigint[], t_debit_balance bigint[], t_credit_seq bigint[], t_credit_balance bigint[],
    now_micros bigint, content_digest bytea
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    touched bigint;
    base    bigint;
    count   bigint := cardinality(t_id);
    batch   bigint;
    link    bytea;
BEGIN
    IF key_claimed THEN
        UPDATE transfer_keys k SET status = u.status, transfer_id = u.transfer_id, body = u.body
        FROM unnest(key_digest, key_status, key_transfer, key_body) AS u (digest, status, transfer_id, body)
        WHERE k.digest = u.digest;
    ELSE
        INSERT INTO transfer_keys (digest, fingerprint, status, transfer_id, body)
        SELECT * FROM unnest(key_digest, key_fingerprint, key_status, key_transfer, key_body)
        ON CONFLICT DO NOTHING;
    END IF;
    GET DIAGNOSTICS touched = ROW_COUNT;
    IF touched <> cardinality(key_digest) THEN
        RAISE EXCEPTION 'a key is taken' USING ERRCODE = 'TG001';
    END IF;

    SELECT count(*) INTO touched FROM (
        SELECT 1 FROM accounts a
        JOIN unnest(account, account_expected) AS u (id, version) ON a.id = u.id AND a.version = u.version
        ORDER BY a.id FOR NO KEY UPDATE OF a
    ) AS locked;
    IF touched <> cardinality(account) THEN
        RAISE EXCEPTION 'an account has moved on' USING ERRCODE = 'TG002';
    END IF;
    IF count = 0 THEN
        RETURN 0;
    END IF;

    UPDATE accounts a SET balance = u.balance, seq = u.seq, version = u.version, updated_at = now_micros
    FROM unnest(account, account_expected, account_balance, account_seq, account_version)
        AS u (id, expected, balance, seq, version)
    WHERE a.id = u.id AND u.version <> u.expected;

    UPDATE ledger_head h
    SET batch_no = h.batch_no + 1, position = h.position + count, committed_at = now_micros,
        hash = sha256(h.hash || int8send(h.batch_no + 1) || content_digest)
    WHERE h.id = 1 AND h.committed_at < now_micros
    RETURNING h.batch_no, h.position - count, h.hash INTO batch, base, link;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the ledger is past this instant' USING ERRCODE = 'TG003';
    END IF;

    -- One statement for all four tables: half the cost of a small batch is starting statements.
    WITH t AS MATERIALIZED (
        SELECT base + u.n AS position, u.* FROM unnest(
            t_id, t_debit, t_credit, t_amount, t_currency, t_description, t_external_ref, t_metadata, t_by,
            t_debit_seq, t_debit_balance, t_credit_seq, t_credit_balance
        ) WITH ORDINALITY AS u (id, debit, credit, amount, currency, description, external_ref, metadata, by,
                                debit_seq, debit_balance, credit_seq, credit_balance, n)
    ), posted AS (
        INSERT INTO transfers (position, id, debit_account_id, credit_account_id, amount, currency, description,
                               external_ref, metadata, posted_at, created_at, created_by)
        SELECT t.position, t.id, t.debit, t.credit, t.amount, t.currency, t.description, t.external_ref, t.metadata,
               now_micros, now_micros, t.by
        FROM t
    ), sides AS (
        INSERT INTO entries (account_id, seq, position, transfer_id, amount, balance_after, posted_at)
        SELECT t.debit, t.debit_seq, t.position, t.id, -t.amount, t.debit_balance, now_micros FROM t
        UNION ALL
        SELECT t.credit, t.credit_seq, t.position, t.id, t.amount, t.credit_balance, now_micros FROM t
    ), chained AS (
        INSERT INTO ledger_batches (batch_no, first_position, last_position, posted_at, content, hash)
        VALUES (batch, base + 1, base + count, now_micros, content_digest, link)
    )
    INSERT INTO outbox_events (position, id, kind, subject, recorded_at)
    SELECT t.position, t.id, 'transfer.posted', t.id, now_micros FROM t;
    RETURN batch;
END $$;
