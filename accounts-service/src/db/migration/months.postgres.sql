-- Months: what is written once lies in a table of its own per calendar month (UTC), so that a month can be vacuumed,
-- backed up or taken away alone, and what is asked of one month reads one.
--
-- Positions name their month: (month << 40) + n, with month = 12 * (year - 1970) + month of the year - 1. The order of
-- commit stays the order of position, and a range of positions is a range of months: no column is added to any key.
-- Positions of before (1, 2, 3 ...) lie below every month, in the tables as they were.
--
-- Indexes are made on each month and none on the whole: uniqueness without the position in it (a transfer's id, an
-- entry's seq) cannot be declared on the whole, and the tables of before attach as they are. That an id or a seq is
-- unique over all months is the engine's: ids are random, and an account's next seq follows from its row, under lock.

-- Those of the table of before would collide with what the whole hands down.
DROP TRIGGER transfers_written_once ON transfers;
DROP TRIGGER transfers_not_truncated ON transfers;
DROP TRIGGER entries_written_once ON entries;
DROP TRIGGER entries_not_truncated ON entries;
DROP TRIGGER ledger_batches_written_once ON ledger_batches;
-- `seq_at` finds a place by halving over the key; an index less on entries is a tenth of a transfer's cost.
DROP INDEX entries_position;

-- How `content` and `hash` are computed; 1 is the format of before.
ALTER TABLE ledger_batches ADD COLUMN format smallint NOT NULL DEFAULT 1;

-- The months that have tables.
CREATE TABLE ledger_months (
    month     integer PRIMARY KEY,
    opened_at bigint  NOT NULL
);

-- The position that a month begins above.
CREATE FUNCTION month_base(month integer) RETURNS bigint IMMUTABLE PARALLEL SAFE LANGUAGE sql
AS $$ SELECT month::bigint << 40 $$;

-- The month of an instant in microseconds.
CREATE FUNCTION month_at(micros bigint) RETURNS integer IMMUTABLE PARALLEL SAFE LANGUAGE sql AS $$
    SELECT (extract(year FROM t)::integer - 1970) * 12 + extract(month FROM t)::integer - 1
    FROM (SELECT to_timestamp(micros / 1000000.0) AT TIME ZONE 'UTC' AS t) AS x
$$;

-- The place that the newest month with tables begins above, up to the month wanted. Whoever's clock is in a month that
-- nobody has opened yet goes on in the last one that somebody has.
CREATE FUNCTION open_base(wanted integer) RETURNS bigint STABLE LANGUAGE sql
AS $$ SELECT coalesce(max(month), 0)::bigint << 40 FROM ledger_months WHERE month <= wanted $$;

-- Gives the table of one month what its whole does not hand down: partial indexes, and the ban on TRUNCATE.
CREATE FUNCTION dress_month(name text, place text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CASE place
    WHEN 'transfers' THEN
        -- Plain transfers are found through their entries, and are in none of these.
        EXECUTE format('CREATE INDEX %1$I ON %2$I (debit_account_id, position) WHERE status <> ''posted''',
                       name || '_debit', name);
        EXECUTE format('CREATE INDEX %1$I ON %2$I (credit_account_id, position) WHERE status <> ''posted''',
                       name || '_credit', name);
        EXECUTE format('CREATE INDEX %1$I ON %2$I (pending_of, position) WHERE pending_of IS NOT NULL',
                       name || '_pending', name);
        EXECUTE format('CREATE INDEX %1$I ON %2$I (reversal_of, position) WHERE reversal_of IS NOT NULL',
                       name || '_reversal', name);
        EXECUTE format('CREATE INDEX %1$I ON %2$I (status, position) WHERE status IN (''pending'', ''voided'')',
                       name || '_status', name);
    WHEN 'ledger_batches' THEN
        EXECUTE format('CREATE UNIQUE INDEX %1$I ON %2$I (first_position)', name || '_first_position', name);
        EXECUTE format('CREATE INDEX %1$I ON %2$I (posted_at)', name || '_posted_at', name);
    WHEN 'outbox_events' THEN
        -- Events of transfers keep no data and are found through the transfer.
        EXECUTE format('CREATE INDEX %1$I ON %2$I (subject, position) WHERE data IS NOT NULL',
                       name || '_subject', name);
        -- What time has ended has no transfer of its own, and names its accounts.
        EXECUTE format('CREATE INDEX %1$I ON %2$I ((data::jsonb ->> ''debit_account_id''), position)
                        WHERE kind = ''transfer.expired''', name || '_expired_debit', name);
        EXECUTE format('CREATE INDEX %1$I ON %2$I ((data::jsonb ->> ''credit_account_id''), position)
                        WHERE kind = ''transfer.expired''', name || '_expired_credit', name);
    WHEN 'entries' THEN
        NULL;
    END CASE;
    EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()',
                   name || '_not_truncated', name);
END $$;

DO $$
DECLARE
    place text;
    this  integer := month_at((extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
BEGIN
    FOREACH place IN ARRAY ARRAY['transfers', 'entries', 'ledger_batches', 'outbox_events'] LOOP
        EXECUTE format('ALTER TABLE %I RENAME TO %I', place, place || '_first');
        EXECUTE format('CREATE TABLE %1$I (LIKE %2$I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
                        PARTITION BY RANGE (%3$I)',
                       place, place || '_first', CASE place WHEN 'ledger_batches' THEN 'first_position'
                                                            ELSE 'position' END);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%s)',
                       place, place || '_first', month_base(this));
        PERFORM dress_month(place || '_first', place);
    END LOOP;
END $$;

-- Each month gets its clone.
CREATE TRIGGER transfers_written_once BEFORE UPDATE OR DELETE ON transfers
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entries_written_once BEFORE UPDATE OR DELETE ON entries
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_batches_written_once BEFORE UPDATE OR DELETE ON ledger_batches
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Makes the tables of a month, unless they are there or the first tables reach so far. ATTACH locks out other changes of
-- the schema and nobody who reads or writes; making a table as a partition at once would lock out everybody. Runs as the
-- owner of the tables, so that the service's role need not be.
CREATE FUNCTION open_month(wanted integer) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    place text;
    name  text;
    part  text;
BEGIN
    IF EXISTS (SELECT FROM ledger_months WHERE month = wanted)
        OR wanted < (SELECT min(month) FROM ledger_months) THEN
        RETURN false;
    END IF;
    -- "tollgmo", so that two processes do not make one table.
    PERFORM pg_advisory_xact_lock(x'746f6c6c676d6f'::bigint);
    IF EXISTS (SELECT FROM ledger_months WHERE month = wanted) THEN
        RETURN false;
    END IF;
    part := format('%s_%s', 1970 + wanted / 12, lpad((wanted % 12 + 1)::text, 2, '0'));
    FOREACH place IN ARRAY ARRAY['transfers', 'entries', 'ledger_batches', 'outbox_events'] LOOP
        name := place || '_' || part;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name, place);
        CASE place
        WHEN 'transfers' THEN
            EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (position), ADD UNIQUE (id)', name);
            EXECUTE format('CREATE INDEX ON %I (external_ref, position) WHERE external_ref IS NOT NULL', name);
        WHEN 'entries' THEN
            EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (account_id, seq)', name);
        WHEN 'ledger_batches' THEN
            EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (batch_no)', name);
        WHEN 'outbox_events' THEN
            EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (position)', name);
        END CASE;
        PERFORM dress_month(name, place);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                       place, name, month_base(wanted), month_base(wanted + 1));
    END LOOP;
    INSERT INTO ledger_months VALUES (wanted, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
    RETURN true;
END $$;

-- The last seq of an account at or before a position; 0 when it had none. Months downwards, then halving.
CREATE FUNCTION seq_at(wanted uuid, place bigint) RETURNS bigint STABLE LANGUAGE plpgsql AS $$
DECLARE
    low    bigint;
    high   bigint;
    middle bigint;
    at     bigint;
    base   bigint;
BEGIN
    FOR base IN
        (SELECT month_base(month) FROM ledger_months WHERE month_base(month) <= place ORDER BY month DESC)
    LOOP
        -- The usual question is about now: behind the last one.
        SELECT e.seq, e.position INTO high, at FROM entries e
        WHERE e.account_id = wanted AND e.position >= base AND e.position < base + (1::bigint << 40)
        ORDER BY e.seq DESC LIMIT 1;
        CONTINUE WHEN high IS NULL;
        IF at <= place THEN
            RETURN high;
        END IF;
        SELECT e.seq, e.position INTO low, at FROM entries e
        WHERE e.account_id = wanted AND e.position >= base AND e.position < base + (1::bigint << 40)
        ORDER BY e.seq LIMIT 1;
        IF at > place THEN
            RETURN low - 1;
        END IF;
        WHILE low < high LOOP
            middle := (low + high + 1) / 2;
            SELECT e.position INTO at FROM entries e
            WHERE e.account_id = wanted AND e.seq = middle
              AND e.position >= base AND e.position < base + (1::bigint << 40);
            IF at <= place THEN
                low := middle;
            ELSE
                high := middle - 1;
            END IF;
        END LOOP;
        RETURN low;
    END LOOP;
    -- What is older than months, or of one before the first. Its index on positions is gone; so halve likewise.
    SELECT month_base(min(month)) INTO base FROM ledger_months;
    SELECT e.seq INTO low FROM entries e WHERE e.account_id = wanted AND e.position < base ORDER BY e.seq LIMIT 1;
    SELECT e.seq INTO high FROM entries e WHERE e.account_id = wanted AND e.position < base ORDER BY e.seq DESC LIMIT 1;
    IF low IS NULL THEN
        RETURN 0;
    END IF;
    low := low - 1;
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        SELECT e.position INTO at FROM entries e
        WHERE e.account_id = wanted AND e.seq = middle AND e.position < base;
        IF at <= place THEN
            low := middle;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN low;
END $$;

DO $$
DECLARE
    this integer := month_at((extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
BEGIN
    -- Whoever calls it must not choose what its names mean.
    EXECUTE format('ALTER FUNCTION open_month(integer) SET search_path = %I, pg_temp', current_schema());
    -- The first table ends where this month begins: what it holds of this month lies below, by its position.
    PERFORM open_month(this), open_month(this + 1);
END $$;
