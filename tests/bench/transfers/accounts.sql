-- Accounts 1 to 10,000 of one owner, each funded by one system account, so that all balances add up to zero.
INSERT INTO accounts (id, owner_id, name, kind, currency, status, balance, floor, created_at, updated_at)
SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, '00000000-0000-7000-8000-000000000001', 'Bench', 'user',
       'USD', 'open', 100000000000, 0, 0, 0
FROM generate_series(1, 10000) AS n;
INSERT INTO accounts (id, owner_id, name, kind, currency, status, balance, floor, created_at, updated_at)
VALUES ('00000000-0000-7000-8000-999999999999', '00000000-0000-7000-8000-000000000001', 'Bench', 'system', 'USD', 'open',
        -1000000000000000, NULL, 0, 0);
ANALYZE;
