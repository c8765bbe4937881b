-- What the service itself has looked at of what has to hold of the ledger, and what it found. Nothing here is part of the
-- ledger: the tables may be emptied, and it looks again from the beginning.

-- One row: how far it is, and which process looks. `hash` is the link of the last batch that was looked at; `account` the
-- last account of the round through all of them.
CREATE TABLE invariant_watch (
    id           smallint PRIMARY KEY CHECK (id = 1),
    batch_no     bigint NOT NULL,
    position     bigint NOT NULL,
    at           bigint NOT NULL,
    hash         bytea  NOT NULL CHECK (length(hash) = 32),
    account      uuid,
    sums_at      bigint NOT NULL,
    round_at     bigint NOT NULL,
    holder       uuid,
    leased_until bigint
) WITH (fillfactor = 10);
INSERT INTO invariant_watch VALUES (1, 0, 0, 0, decode(repeat('00', 32), 'hex'), NULL, 0, 0, NULL, NULL);

CREATE TABLE invariant_checks (
    invariant  text   PRIMARY KEY,
    checked    bigint NOT NULL,
    checked_at bigint NOT NULL,
    batch_no   bigint NOT NULL,
    position   bigint NOT NULL
) WITH (fillfactor = 50);

-- A violation stays until somebody has acted on it, and then remains as what it was. Its id is made of what it says and where.
CREATE TABLE invariant_violations (
    id              uuid   PRIMARY KEY,
    invariant       text   NOT NULL,
    says            text   NOT NULL,
    batch_no        bigint,
    position        bigint,
    at              bigint,
    account_id      uuid,
    transfer_id     uuid,
    found_at        bigint NOT NULL,
    seen_at         bigint NOT NULL,
    acknowledged_at bigint,
    acknowledged_by uuid,
    note            text,
    CONSTRAINT invariant_violations_acknowledged CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
);
CREATE INDEX invariant_violations_open ON invariant_violations (found_at) WHERE acknowledged_at IS NULL;
