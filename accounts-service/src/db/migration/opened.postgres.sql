-- A month's tables are for whoever the whole is for. Queries of the whole need no rights on its parts, but the proof and
-- the export read the parts by name; and rights on the whole are not handed down.
CREATE FUNCTION hand_down_rights(month integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    place text;
    held  record;
BEGIN
    FOREACH place IN ARRAY ARRAY['transfers', 'entries', 'ledger_batches', 'outbox_events'] LOOP
        FOR held IN
            SELECT a.privilege_type AS what, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS who
            FROM pg_class c CROSS JOIN aclexplode(c.relacl) AS a LEFT JOIN pg_roles r ON r.oid = a.grantee
            WHERE c.oid = place::regclass AND a.grantee <> c.relowner
        LOOP
            EXECUTE format('GRANT %s ON %I TO %s', held.what,
                           format('%s_%s_%s', place, 1970 + month / 12, lpad((month % 12 + 1)::text, 2, '0')), held.who);
        END LOOP;
    END LOOP;
END $$;

-- `open_month` runs as the owner of the tables, for anybody: who may write no transfer has no month to open.
CREATE FUNCTION month_opened() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT has_table_privilege(session_user, 'transfers', 'INSERT') THEN
        RAISE EXCEPTION 'months are opened by who may write transfers' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM hand_down_rights(NEW.month);
    RETURN NEW;
END $$;

CREATE TRIGGER ledger_months_opened BEFORE INSERT ON ledger_months
    FOR EACH ROW EXECUTE FUNCTION month_opened();

DO $$ BEGIN PERFORM hand_down_rights(month) FROM ledger_months; END $$;
