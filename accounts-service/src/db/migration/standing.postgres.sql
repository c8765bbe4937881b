-- Standing orders: payments that are due by a rule of the calendar. Instants are microseconds since the Unix epoch, days
-- are ISO 8601 dates: what a rule says of them is said by the service, which knows the time zones.

CREATE TABLE standing_orders (
    id                uuid     PRIMARY KEY,
    owner_id          uuid     NOT NULL,
    debit_account_id  uuid     NOT NULL,
    credit_account_id uuid     NOT NULL,
    amount            bigint   NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740991),
    currency          text     NOT NULL,
    description       text,
    metadata          text,
    rule              text     NOT NULL,
    time_zone         text     NOT NULL,
    starts_on         text     NOT NULL,
    ends_on           text,
    most_runs         integer  CHECK (most_runs >= 1),
    retry_times       smallint NOT NULL CHECK (retry_times BETWEEN 0 AND 10),
    retry_after       integer  NOT NULL CHECK (retry_after >= 3600),
    status            text     NOT NULL CHECK (status IN ('active', 'paused', 'ended', 'cancelled')),
    ended_by          text,
    next_due_on       text,
    next_at           bigint,
    next_attempt      integer  NOT NULL DEFAULT 1 CHECK (next_attempt >= 1),
    runs              integer  NOT NULL DEFAULT 0 CHECK (runs >= 0),
    leased_until      bigint,
    version           bigint   NOT NULL DEFAULT 1 CHECK (version >= 1),
    created_at        bigint   NOT NULL,
    updated_at        bigint   NOT NULL,
    -- Whatever is active has a next date, and nothing else has.
    CONSTRAINT standing_orders_next CHECK (
        (status = 'active') = (next_at IS NOT NULL) AND (next_at IS NULL) = (next_due_on IS NULL)
    )
);
CREATE INDEX standing_orders_due ON standing_orders (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX standing_orders_owner ON standing_orders (owner_id, id);

-- What became of each date, attempt by attempt. At most one attempt of an order is under way, and its key among those of
-- transfers is made of this row's own: whoever carries it out, and however often, it pays at most once.
CREATE TABLE standing_order_runs (
    order_id    uuid    NOT NULL,
    due_on      text    NOT NULL,
    attempt     integer NOT NULL CHECK (attempt >= 1),
    state       text    NOT NULL CHECK (state IN ('running', 'posted', 'declined', 'skipped', 'withdrawn')),
    code        text,
    transfer_id uuid,
    started_at  bigint  NOT NULL,
    ended_at    bigint,
    PRIMARY KEY (order_id, due_on, attempt),
    CONSTRAINT standing_order_runs_posted CHECK ((state = 'posted') = (transfer_id IS NOT NULL))
);
CREATE UNIQUE INDEX standing_order_runs_running ON standing_order_runs (order_id) WHERE state = 'running';
