-- Entries of a stretch of positions are found where they lie: a month's are appended as they are committed, so that the
-- least and the greatest position of each 128 blocks (BRIN) tell where to look. It costs a posting half a microsecond an
-- entry, and has a row for 11,000 of them; an index by position would be half as large as the table. It is not unique, so
-- it can be the whole's: a month gets its own when it is attached.
CREATE INDEX entries_places ON entries USING brin (position) WITH (pages_per_range = 128);

-- Sums up what was appended since the last time, in the tables of the months from that of a position to that of the head:
-- blocks that are in no sum are read by every search. Only ranges that are full: each later entry of any other would
-- change its sum. The newest first, as far as the last time and no further than 256 MB: what is left by that, as after an
-- import, VACUUM sums up. It keeps no one from writing; who keeps it from its lock is vacuum, which would be cancelled if it
-- were waited for longer. Runs as the owner of the tables, so that the service's role need not be.
CREATE FUNCTION sum_up_places(since bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET lock_timeout = '100ms' AS $$
DECLARE
    caller text := coalesce(nullif(current_setting('role'), 'none'), session_user);
    part   regclass;
    whole  bigint;
BEGIN
    IF NOT has_table_privilege(caller, 'transfers', 'INSERT') THEN
        RAISE EXCEPTION 'places are summed up for who may write transfers' USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOR part, whole IN
        SELECT x.indexrelid, pg_relation_size(x.indrelid) / current_setting('block_size')::bigint / 128
        FROM pg_inherits p JOIN pg_index x ON x.indexrelid = p.inhrelid
        WHERE p.inhparent = 'entries_places'::regclass AND x.indrelid IN (
            SELECT to_regclass(pg_catalog.format('entries_%s_%s', 1970 + m.month / 12, lpad((m.month % 12 + 1)::text, 2, '0')))
            FROM ledger_months m, ledger_head h WHERE h.id = 1 AND m.month BETWEEN since >> 40 AND h.position >> 40
            UNION ALL
            SELECT 'entries_first'::regclass WHERE since < (SELECT month_base(min(month)) FROM ledger_months))
    LOOP
        BEGIN
            FOR place IN REVERSE whole - 1 .. greatest(0, whole - 256) LOOP
                EXIT WHEN brin_summarize_range(part, place * 128) = 0;
            END LOOP;
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        END;
    END LOOP;
END $$;

DO $$
BEGIN
    -- Whoever calls it must not choose what its names mean.
    EXECUTE format('ALTER FUNCTION sum_up_places(bigint) SET search_path = %I, pg_temp', current_schema());
END $$;

-- What is only appended to does not change its statistics by growing: a month is analysed anew when it is half as large
-- again, and not with each tenth. While a month is young that would be at each look of autovacuum, 0.3 to 0.6 s of CPU.
CREATE FUNCTION calm_month(month integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    place text;
BEGIN
    FOREACH place IN ARRAY ARRAY['transfers', 'entries', 'ledger_batches', 'outbox_events'] LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %I SET (autovacuum_analyze_scale_factor = 0.5)',
                       pg_catalog.format('%s_%s_%s', place, 1970 + month / 12, lpad((month % 12 + 1)::text, 2, '0')));
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION month_opened() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    caller text := coalesce(nullif(current_setting('role'), 'none'), session_user);
BEGIN
    IF NOT has_table_privilege(caller, 'transfers', 'INSERT') THEN
        RAISE EXCEPTION 'months are opened by who may write transfers' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM hand_down_rights(), calm_month(NEW.month);
    RETURN NEW;
END $$;

SELECT calm_month(month) FROM ledger_months;
ALTER TABLE transfer_keys SET (autovacuum_analyze_scale_factor = 0.5);
