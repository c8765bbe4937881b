-- The tables of months are for whoever the whole is for. Queries of the whole need no rights on its parts, but the proof and
-- the export read the parts by name; and rights on the whole are not handed down.
CREATE FUNCTION hand_down_rights() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    held record;
BEGIN
    FOR held IN
        SELECT part.relname AS part, a.privilege_type AS what,
               CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS who
        FROM pg_class whole CROSS JOIN aclexplode(whole.relacl) AS a LEFT JOIN pg_roles r ON r.oid = a.grantee
        JOIN pg_inherits i ON i.inhparent = whole.oid JOIN pg_class part ON part.oid = i.inhrelid
        WHERE whole.oid = ANY (ARRAY['transfers', 'entries', 'ledger_batches', 'outbox_events']::regclass[])
          AND a.grantee <> whole.relowner
          AND NOT EXISTS (SELECT FROM aclexplode(part.relacl) AS b
                          WHERE b.grantee = a.grantee AND b.privilege_type = a.privilege_type)
    LOOP
        EXECUTE format('GRANT %s ON %I TO %s', held.what, held.part, held.who);
    END LOOP;
END $$;

-- `open_month` runs as the owner of the tables, for anybody: who may write no transfer has no month to open. Whoever calls
-- it is told by the role that they have set, if any, which the function's owner does not hide.
CREATE FUNCTION month_opened() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    caller text := coalesce(nullif(current_setting('role'), 'none'), session_user);
BEGIN
    IF NOT has_table_privilege(caller, 'transfers', 'INSERT') THEN
        RAISE EXCEPTION 'months are opened by who may write transfers' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM hand_down_rights();
    RETURN NEW;
END $$;

CREATE TRIGGER ledger_months_opened BEFORE INSERT ON ledger_months
    FOR EACH ROW EXECUTE FUNCTION month_opened();

SELECT hand_down_rights();
