-- Everything that decisions of one commit batch rest on besides accounts: an object of ids in, an object of rows out.
SELECT jsonb_build_object(
    'originals', (
        SELECT jsonb_agg(jsonb_build_object(
            'id', t.id, 'debit', t.debit_account_id, 'credit', t.credit_account_id, 'amount', t.amount,
            'currency', t.currency, 'by', t.created_by, 'status', t.status, 'pending_of', t.pending_of,
            'reversal_of', t.reversal_of, 'expires_at', t.expires_at, 'description', t.description,
            'external_ref', t.external_ref, 'metadata', t.metadata))
        FROM transfers t WHERE t.id = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb->'originals')::uuid))),
    'holds', (
        SELECT jsonb_agg(jsonb_build_object('id', h.transfer_id, 'debit', h.debit_account_id, 'credit', h.credit_account_id, 'amount', h.amount,
        'posted', h.posted, 'released', h.released, 'expires_at', h.expires_at, 'counted_at', h.slice_at, 'state', h.state,
        'settled_at', h.settled_at))
        FROM holds h WHERE h.transfer_id = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb->'holds')::uuid))),
    'reversals', (
        SELECT jsonb_agg(jsonb_build_array(r.transfer_id, r.amount, r.reversed)) FROM reversals r
        WHERE r.transfer_id = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb->'reversals')::uuid))),
    'references', (
        SELECT jsonb_agg(jsonb_build_array(e.owner_id, e.reference, e.transfer_id))
        FROM jsonb_array_elements($1::jsonb->'references') AS wanted
        JOIN external_refs e ON e.owner_id = (wanted->>0)::uuid AND e.reference = wanted->>1),
    'windows', (
        SELECT jsonb_agg(jsonb_build_object(
            'account', l.account_id, 'seconds', l.window_seconds, 'amount', l.most_amount, 'count', l.most_count,
            'slices', (SELECT jsonb_agg(jsonb_build_array(s.slice, s.amount, s.count)) FROM account_slices s
                       WHERE s.account_id = l.account_id AND s.window_seconds = l.window_seconds)))
        FROM account_limits l
        WHERE l.account_id = ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb->'windows')::uuid))),
    'lapsed', (
        SELECT jsonb_agg(jsonb_build_object(
            'account', wanted,
            -- What lapsed before `next_expiry` counts no more in `held`, whether or not its row says so.
            'sum', (SELECT coalesce(sum(h.amount - h.posted - h.released), 0)::bigint
                    FROM accounts a JOIN holds h ON h.debit_account_id = a.id AND h.state = 'open'
                     AND h.expires_at >= a.next_expiry AND h.expires_at <= ($1::jsonb->>'now')::bigint
                    WHERE a.id = wanted::uuid),
            'next', (SELECT min(h.expires_at) FROM holds h
                     WHERE h.debit_account_id = wanted::uuid AND h.state = 'open'
                       AND h.expires_at > ($1::jsonb->>'now')::bigint),
            'holds', (SELECT jsonb_agg(jsonb_build_object('id', h.transfer_id, 'debit', h.debit_account_id, 'credit', h.credit_account_id, 'amount', h.amount,
        'posted', h.posted, 'released', h.released, 'expires_at', h.expires_at, 'counted_at', h.slice_at, 'state', h.state,
        'settled_at', h.settled_at))
                      FROM (SELECT * FROM holds
                            WHERE debit_account_id = wanted::uuid AND state = 'open'
                              AND expires_at <= ($1::jsonb->>'now')::bigint
                            ORDER BY debit_account_id, expires_at LIMIT ($1::jsonb->>'most')::bigint) AS h)))
        FROM jsonb_array_elements_text($1::jsonb->'lapsed') AS wanted)
)::text
