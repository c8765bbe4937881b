-- What the engine commits through, beside `post_batch`, which the release before still calls.

-- Writes one commit batch that the engine folded, after checking under lock that it was folded from the truth.
--
-- Lock order: keys by digest, user accounts by id, system accounts by id, chain head, the rest. Accounts that are added to
-- are system accounts, and last among those too unless another has to have its version: then `looked` has all. The arrays
-- come sorted, and the statements lock in the order of their arrays: the engine's connection allows nested loops only,
-- and conditions that are always true have the planner expect few rows, so that even of a small table it never reads the
-- whole first (the plan would stay when the table has grown).
-- `key_claimed` is true when the caller's transaction inserted the keys before. Arrays that would hold nothing but nulls
-- are null.
--
-- The instant and the place are the database's: `at` is `asked`, or just after the batch before, and the position is the
-- next of the month. Nothing folded depends on either, but for what was decided by time, which holds before `not_after`.
--
-- Refusals, all before anything is visible: 23505 a key is taken; TG002 an account has moved on; TG003 time has.
CREATE FUNCTION commit_batch(
    key_claimed boolean, key_digest uuid[], key_fingerprint uuid[], key_status smallint[], key_transfer uuid[],
    key_body bytea[],
    account uuid[], expected bigint[], new_balance bigint[], new_held bigint[], new_expiry bigint[], new_seq bigint[],
    new_version bigint[],
    open_account uuid[], open_balance bigint[], open_seq bigint[], open_by bigint[], open_steps bigint[],
    looked uuid[], looked_version bigint[],
    t_id uuid[], t_debit uuid[], t_credit uuid[], t_amount bigint[], t_currency text[], t_by uuid[],
    t_description text[], t_external_ref text[], t_metadata text[],
    t_status text[], t_pending_of uuid[], t_reversal_of uuid[], t_expires_at bigint[],
    t_debit_seq bigint[], t_debit_balance bigint[], t_credit_seq bigint[], t_credit_balance bigint[],
    events bigint, asked bigint, month_start bigint, not_after bigint, digest_of_content bytea, rest jsonb,
    OUT at bigint, OUT moved jsonb
) LANGUAGE plpgsql AS $$
DECLARE
    touched bigint;
    count   bigint := cardinality(t_id);
    total   bigint := cardinality(t_id) + events;
    batch   bigint;
    base    bigint;
    link    bytea;
    part    record;
BEGIN
    IF key_claimed THEN
        UPDATE transfer_keys k SET status = u.status, transfer_id = u.transfer_id, body = u.body
        FROM unnest(key_digest, key_status, key_transfer, key_body) AS u (digest, status, transfer_id, body)
        WHERE k.digest = u.digest;
    ELSE
        INSERT INTO transfer_keys (digest, fingerprint, status, transfer_id, body)
        SELECT * FROM unnest(key_digest, key_fingerprint, key_status, key_transfer, key_body);
    END IF;

    -- When something was decided on an account that does not change, all accounts that have to have their version are
    -- locked in one order first, and 0 is any version. Else `looked` is null, and the UPDATEs lock in the same order.
    IF looked IS NOT NULL THEN
        SELECT count(*) INTO touched FROM (
            SELECT FROM accounts a
            JOIN unnest(looked, looked_version) AS u (id, version) ON a.id = u.id AND (a.version = u.version OR u.version = 0)
            WHERE u.version >= 0 AND u.version < 9223372036854775807
            ORDER BY a.kind = 'system', a.id FOR NO KEY UPDATE OF a
        ) AS locked;
        IF touched <> cardinality(looked) THEN
            RAISE EXCEPTION 'an account has moved on' USING ERRCODE = 'TG002';
        END IF;
    END IF;
    UPDATE accounts a SET balance = u.balance, seq = u.seq, version = u.version, updated_at = asked,
        held = coalesce(u.held, a.held),
        next_expiry = CASE WHEN new_expiry IS NULL THEN a.next_expiry ELSE nullif(u.expiry, 0) END
    FROM unnest(account, expected, new_balance, new_seq, new_version, new_held, new_expiry)
        AS u (id, expected, balance, seq, version, held, expiry)
    WHERE a.id = u.id AND a.version = u.expected AND u.version > u.expected AND u.seq >= 0;
    GET DIAGNOSTICS touched = ROW_COUNT;
    IF touched <> cardinality(account) THEN
        RAISE EXCEPTION 'an account has moved on' USING ERRCODE = 'TG002';
    END IF;

    -- Accounts without bounds on which nothing was decided are added to as they are; where that is not as they were
    -- folded, their entries follow.
    IF open_account IS NOT NULL THEN
        WITH added AS (
            UPDATE accounts a SET balance = a.balance + u.by, seq = a.seq + u.steps, version = a.version + u.steps,
                updated_at = asked
            FROM unnest(open_account, open_balance, open_seq, open_by, open_steps) AS u (id, balance, seq, by, steps)
            WHERE a.id = u.id AND u.steps > 0 AND u.seq >= 0 AND a.status = 'open' AND a.floor IS NULL AND a.ceiling IS NULL AND NOT a.limited
            RETURNING a.id, a.balance, a.held, a.next_expiry, a.seq, a.version, a.balance - u.by - u.balance AS more,
                a.seq - u.steps - u.seq AS later
        )
        SELECT count(*), jsonb_agg(to_jsonb(added)) FILTER (WHERE later <> 0 OR more <> 0) INTO touched, moved
        FROM added;
        IF touched <> cardinality(open_account) THEN
            RAISE EXCEPTION 'an account has moved on' USING ERRCODE = 'TG002';
        END IF;
    END IF;
    IF total = 0 AND rest IS NULL THEN
        RETURN;
    END IF;

    -- Only transfers make a link; events without one take their places and leave the chain alone.
    UPDATE ledger_head h SET position = greatest(h.position, month_start) + total,
        committed_at = greatest(asked, h.committed_at + 1), batch_no = h.batch_no + least(count, 1),
        hash = CASE WHEN count = 0 THEN h.hash ELSE
            sha256(h.hash || int8send(h.batch_no + 1) || int8send(greatest(h.position, month_start) + 1)
                || int8send(greatest(asked, h.committed_at + 1)) || digest_of_content) END
    WHERE h.id = 1
    RETURNING h.batch_no, h.position - total, h.committed_at, h.hash INTO batch, base, at, link;
    IF at >= not_after THEN
        RAISE EXCEPTION 'what was decided has lapsed' USING ERRCODE = 'TG003';
    END IF;

    IF moved IS NOT NULL THEN
        SELECT array_agg(t.debit_seq + coalesce(d.later, 0) ORDER BY t.n),
               array_agg(t.debit_balance + coalesce(d.more, 0) ORDER BY t.n),
               array_agg(t.credit_seq + coalesce(c.later, 0) ORDER BY t.n),
               array_agg(t.credit_balance + coalesce(c.more, 0) ORDER BY t.n)
        INTO t_debit_seq, t_debit_balance, t_credit_seq, t_credit_balance
        FROM unnest(t_debit, t_credit, t_debit_seq, t_debit_balance, t_credit_seq, t_credit_balance) WITH ORDINALITY
            AS t (debit, credit, debit_seq, debit_balance, credit_seq, credit_balance, n)
        LEFT JOIN jsonb_to_recordset(moved) AS d (id uuid, more bigint, later bigint) ON d.id = t.debit
        LEFT JOIN jsonb_to_recordset(moved) AS c (id uuid, more bigint, later bigint) ON c.id = t.credit;
    END IF;

    IF count > 0 THEN
        -- One statement for all tables: half the cost of a small batch is starting statements.
        WITH t AS MATERIALIZED (
            SELECT base + u.n AS position, u.* FROM unnest(
                t_id, t_debit, t_credit, t_amount, t_currency, t_by, t_description, t_external_ref,
                t_metadata, t_status, t_pending_of, t_reversal_of, t_expires_at, t_debit_seq, t_debit_balance,
                t_credit_seq, t_credit_balance
            ) WITH ORDINALITY AS u (
                id, debit, credit, amount, currency, by, description, external_ref, metadata, status,
                pending_of, reversal_of, expires_at, debit_seq, debit_balance, credit_seq, credit_balance, n)
        ), recorded AS (
            INSERT INTO transfers (position, id, debit_account_id, credit_account_id, amount, currency, status,
                                   description, external_ref, metadata, pending_of, reversal_of, expires_at,
                                   posted_at, created_at, created_by)
            SELECT t.position, t.id, t.debit, t.credit, t.amount, t.currency, coalesce(t.status, 'posted'),
                   t.description, t.external_ref, t.metadata, t.pending_of, t.reversal_of, t.expires_at,
                   CASE WHEN t.status IS NULL THEN at END, at, t.by
            FROM t
        ), sides AS (
            INSERT INTO entries (account_id, seq, position, transfer_id, amount, balance_after, posted_at)
            SELECT t.debit, t.debit_seq, t.position, t.id, -t.amount, t.debit_balance, at FROM t
            WHERE t.status IS NULL
            UNION ALL
            SELECT t.credit, t.credit_seq, t.position, t.id, t.amount, t.credit_balance, at FROM t
            WHERE t.status IS NULL
        ), chained AS (
            INSERT INTO ledger_batches (batch_no, first_position, last_position, posted_at, content, hash, format)
            VALUES (batch, base + 1, base + total, at, digest_of_content, link, 2)
        )
        INSERT INTO outbox_events (position, id, kind, subject, recorded_at)
        SELECT t.position, t.id, 'transfer.' || coalesce(t.status, 'posted'), t.id, at FROM t;
    END IF;

    -- What only some batches have: each part has a function of its own, `rest_<part>`, so that a feature adds one and
    -- changes nothing. Events of a part take the places after the transfers'.
    IF rest IS NOT NULL THEN
        FOR part IN SELECT key, value FROM jsonb_each(rest) LOOP
            EXECUTE format('SELECT %I($1, $2, $3)', 'rest_' || part.key) USING part.value, base, at;
        END LOOP;
    END IF;
END $$;
