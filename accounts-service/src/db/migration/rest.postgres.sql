-- What a commit batch changes besides accounts, transfers and entries: each part of `commit_batch`'s `rest` has the
-- function of its name here. Called with the lock on the chain's head held; `base` is the last position before the batch.

-- Holds: new ones, and what has become of others. The debit account's version, checked before, guards them.
CREATE FUNCTION rest_holds(part jsonb, base bigint, at bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO holds (transfer_id, debit_account_id, credit_account_id, amount, posted, released, expires_at,
                       slice_at, state, settled_at)
    SELECT h.id, h.debit, h.credit, h.amount, h.posted, h.released, h.expires_at, h.counted_at, h.state, h.settled_at
    FROM jsonb_to_recordset(part)
        AS h (id uuid, debit uuid, credit uuid, amount bigint, posted bigint, released bigint, expires_at bigint,
              counted_at bigint, state text, settled_at bigint)
    ON CONFLICT (transfer_id) DO UPDATE SET
        posted = excluded.posted, released = excluded.released, state = excluded.state,
        settled_at = excluded.settled_at
$$;

-- How much of a transfer was reversed. Its accounts' versions guard it.
CREATE FUNCTION rest_reversals(part jsonb, base bigint, at bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO reversals (transfer_id, amount, reversed)
    SELECT r.id, r.amount, r.reversed FROM jsonb_to_recordset(part) AS r (id uuid, amount bigint, reversed bigint)
    ON CONFLICT (transfer_id) DO UPDATE SET reversed = excluded.reversed
$$;

-- References. One that another process took meanwhile is refused by the table's key, and the batch is folded again.
CREATE FUNCTION rest_references(part jsonb, base bigint, at bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO external_refs (owner_id, reference, transfer_id)
    SELECT r.owner, r.reference, r.id FROM jsonb_to_recordset(part) AS r (owner uuid, reference text, id uuid)
$$;

-- Slices of velocity windows. Those that count no more go.
CREATE FUNCTION rest_slices(part jsonb, base bigint, at bigint) RETURNS void LANGUAGE sql AS $$
    DELETE FROM account_slices s
    USING jsonb_to_recordset(part) AS n (account uuid, seconds integer, oldest bigint)
    WHERE s.account_id = n.account AND s.window_seconds = n.seconds AND s.slice < n.oldest;
    INSERT INTO account_slices (account_id, window_seconds, slice, amount, count)
    SELECT n.account, n.seconds, n.number, n.amount, n.count
    FROM jsonb_to_recordset(part)
        AS n (account uuid, seconds integer, number bigint, amount bigint, count bigint)
    ON CONFLICT (account_id, window_seconds, slice) DO UPDATE SET amount = excluded.amount, count = excluded.count
$$;

-- Events that are not a transfer's own, at the `n`th position of the batch.
CREATE FUNCTION rest_events(part jsonb, base bigint, at bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO outbox_events (position, id, kind, subject, data, recorded_at)
    SELECT base + e.n, e.id, e.kind, e.subject, e.data, at
    FROM jsonb_to_recordset(part) AS e (n bigint, id uuid, kind text, subject uuid, data text)
$$;
