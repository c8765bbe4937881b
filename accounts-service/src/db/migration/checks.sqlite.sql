-- What the service itself has looked at of what has to hold of the ledger, and what it found. Nothing here is part of the
-- ledger: the tables may be emptied, and it looks again from the beginning.

-- One row: how far it is, and which process looks. `hash` is the link of the last batch that was looked at; `account` the
-- last account of the round through all of them.
CREATE TABLE invariant_watch (
    id           integer PRIMARY KEY CHECK (id = 1),
    batch_no     integer NOT NULL,
    position     integer NOT NULL,
    at           integer NOT NULL,
    hash         blob   NOT NULL CHECK (length(hash) = 32),
    account      blob,
    sums_at      integer NOT NULL,
    round_at     integer NOT NULL,
    holder       blob,
    leased_until integer
) STRICT;
INSERT INTO invariant_watch VALUES (1, 0, 0, 0, zeroblob(32), NULL, 0, 0, NULL, NULL);

CREATE TABLE invariant_checks (
    invariant  text   PRIMARY KEY,
    checked    integer NOT NULL,
    checked_at integer NOT NULL,
    batch_no   integer NOT NULL,
    position   integer NOT NULL
) STRICT;

-- A violation stays until somebody has acted on it, and then remains as what it was. Its id is made of what it says and where.
CREATE TABLE invariant_violations (
    id              blob   PRIMARY KEY,
    invariant       text   NOT NULL,
    says            text   NOT NULL,
    batch_no        integer,
    position        integer,
    at              integer,
    account_id      blob,
    transfer_id     blob,
    found_at        integer NOT NULL,
    seen_at         integer NOT NULL,
    acknowledged_at integer,
    acknowledged_by blob,
    note            text,
    CONSTRAINT invariant_violations_acknowledged CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL))
) STRICT;
CREATE INDEX invariant_violations_open ON invariant_violations (found_at) WHERE acknowledged_at IS NULL;
