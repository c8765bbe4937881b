-- The last seq of an account at or before a position; 0 when it had none. Months downwards, then a search over the key
-- within one statement, which opens the month's table once: a guess from where the position lies between those of the
-- ends, as the entries of a busy account are spread evenly, and halving in turn, so that the worst case is twice that of
-- halving alone (Perl, Itai, Avni: Interpolation search, a log log n search, CACM 21(7), 1978).
--
-- Planned once per connection, whoever's: what a place is never changes the plan, and planning over the months costs more than
-- it. A plan that was made while a month was empty must not read all of it later.
CREATE OR REPLACE FUNCTION seq_at(wanted uuid, place bigint) RETURNS bigint STABLE LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    base       bigint;
    bound      bigint;
    low        bigint;
    low_place  bigint;
    high       bigint;
    high_place bigint;
BEGIN
    FOR base, bound IN
        SELECT month_base(month), month_base(month + 1) FROM ledger_months WHERE month_base(month) <= place
        UNION ALL
        -- What is older than months.
        SELECT 0, coalesce(month_base(min(month)), 9223372036854775807) FROM ledger_months
        ORDER BY 1 DESC
    LOOP
        -- The usual question is about now: behind the last one.
        SELECT e.seq, e.position INTO high, high_place FROM entries e
        WHERE e.account_id = wanted AND e.position >= base AND e.position < bound
        ORDER BY e.seq DESC LIMIT 1;
        CONTINUE WHEN high IS NULL;
        IF high_place <= place THEN
            RETURN high;
        END IF;
        SELECT e.seq, e.position INTO low, low_place FROM entries e
        WHERE e.account_id = wanted AND e.position >= base AND e.position < bound
        ORDER BY e.seq LIMIT 1;
        IF low_place > place THEN
            RETURN low - 1;
        END IF;
        -- From here on everything up to low is at or before the place, the last of it is the answer, and high is behind it.
        -- A look takes the nearest entry at or below a number: where numbers are missing, which is for the proof to say, this
        -- comes to an end all the same, and at the right one.
        RETURN (
            WITH RECURSIVE search AS (
                SELECT low AS low, low_place AS low_place, low AS answer, high AS high, high_place AS high_place,
                       true AS guessing
                UNION ALL
                SELECT CASE WHEN e.position <= place THEN m.seq ELSE s.low END,
                       CASE WHEN e.position <= place THEN e.position ELSE s.low_place END,
                       CASE WHEN e.position <= place THEN e.seq ELSE s.answer END,
                       CASE WHEN e.position <= place THEN s.high ELSE e.seq END,
                       CASE WHEN e.position <= place THEN s.high_place ELSE e.position END,
                       NOT s.guessing
                FROM search s
                CROSS JOIN LATERAL (
                    SELECT CASE WHEN s.guessing THEN
                        greatest(s.low + 1, least(s.high - 1, s.low + ((s.high - s.low)
                            * least(0.999999, (place - s.low_place)::float8 / (s.high_place - s.low_place)))::bigint))
                        ELSE s.low + (s.high - s.low) / 2 END AS seq OFFSET 0) AS m
                CROSS JOIN LATERAL (
                    SELECT e.seq, e.position FROM entries e
                    WHERE e.account_id = wanted AND e.seq >= s.answer AND e.seq <= m.seq
                      AND e.position >= base AND e.position < bound ORDER BY e.seq DESC LIMIT 1) AS e
                WHERE s.low < s.high - 1)
            SELECT search.answer FROM search WHERE search.low >= search.high - 1);
    END LOOP;
    RETURN 0;
END $$;
