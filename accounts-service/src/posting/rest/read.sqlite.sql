-- Everything that decisions of one commit batch rest on besides accounts: an object of ids in, an object of rows out.
SELECT json_object(
    'originals', (
        SELECT json_group_array(json_object(
            'id', hex(t.id), 'debit', hex(t.debit_account_id), 'credit', hex(t.credit_account_id), 'amount', t.amount,
            'currency', t.currency, 'by', hex(t.created_by), 'status', t.status,
            'pending_of', iif(t.pending_of IS NULL, NULL, hex(t.pending_of)),
            'reversal_of', iif(t.reversal_of IS NULL, NULL, hex(t.reversal_of)), 'expires_at', t.expires_at,
            'description', t.description, 'external_ref', t.external_ref, 'metadata', t.metadata))
        FROM json_each($1, '$.originals') AS wanted JOIN transfers t ON t.id = unhex(wanted.value)),
    'holds', (
        SELECT json_group_array(json_object('id', hex(h.transfer_id), 'debit', hex(h.debit_account_id), 'credit', hex(h.credit_account_id),
        'amount', h.amount, 'posted', h.posted, 'released', h.released, 'expires_at', h.expires_at, 'counted_at', h.slice_at,
        'state', h.state, 'settled_at', h.settled_at))
        FROM json_each($1, '$.holds') AS wanted JOIN holds h ON h.transfer_id = unhex(wanted.value)),
    'reversals', (
        SELECT json_group_array(json_array(hex(r.transfer_id), r.amount, r.reversed))
        FROM json_each($1, '$.reversals') AS wanted JOIN reversals r ON r.transfer_id = unhex(wanted.value)),
    'references', (
        SELECT json_group_array(json_array(hex(e.owner_id), e.reference, hex(e.transfer_id)))
        FROM json_each($1, '$.references') AS wanted
        JOIN external_refs e ON e.owner_id = unhex(wanted.value->>0) AND e.reference = wanted.value->>1),
    'windows', (
        SELECT json_group_array(json_object(
            'account', hex(l.account_id), 'seconds', l.window_seconds, 'amount', l.most_amount, 'count', l.most_count,
            'slices', (SELECT json_group_array(json_array(s.slice, s.amount, s.count)) FROM account_slices s
                       WHERE s.account_id = l.account_id AND s.window_seconds = l.window_seconds)))
        FROM json_each($1, '$.windows') AS wanted JOIN account_limits l ON l.account_id = unhex(wanted.value)),
    'lapsed', (
        SELECT json_group_array(json_object(
            'account', wanted.value,
            -- What lapsed before `next_expiry` counts no more in `held`, whether or not its row says so.
            'sum', (SELECT coalesce(sum(h.amount - h.posted - h.released), 0)
                    FROM accounts a JOIN holds h ON h.debit_account_id = a.id AND h.state = 'open'
                     AND h.expires_at >= a.next_expiry AND h.expires_at <= $1->>'now'
                    WHERE a.id = unhex(wanted.value)),
            'next', (SELECT min(h.expires_at) FROM holds h
                     WHERE h.debit_account_id = unhex(wanted.value) AND h.state = 'open'
                       AND h.expires_at > $1->>'now'),
            'holds', (SELECT json_group_array(json_object('id', hex(h.transfer_id), 'debit', hex(h.debit_account_id), 'credit', hex(h.credit_account_id),
        'amount', h.amount, 'posted', h.posted, 'released', h.released, 'expires_at', h.expires_at, 'counted_at', h.slice_at,
        'state', h.state, 'settled_at', h.settled_at))
                      FROM (SELECT * FROM holds
                            WHERE debit_account_id = unhex(wanted.value) AND state = 'open'
                              AND expires_at <= $1->>'now'
                            ORDER BY debit_account_id, expires_at LIMIT $1->>'most') AS h)))
        FROM json_each($1, '$.lapsed') AS wanted)
)
