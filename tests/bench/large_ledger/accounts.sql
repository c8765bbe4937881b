-- Payers 1 to 10,000 and the payee behind them, of one owner, all empty, with the system account that funds the payers: every
-- balance has to come from entries, or `verify` and `import` find it out.
INSERT INTO accounts (id, owner_id, name, kind, currency, status, floor, created_at, updated_at)
SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, '00000000-0000-7000-8000-000000000001', 'Bench', 'user',
       'USD', 'open', 0, 0, 0
FROM generate_series(1, 10001) AS n;
INSERT INTO accounts (id, owner_id, name, kind, currency, status, floor, created_at, updated_at)
VALUES ('00000000-0000-7000-8000-999999999999', '00000000-0000-7000-8000-000000000001', 'Bench', 'system', 'USD', 'open',
        NULL, 0, 0);
