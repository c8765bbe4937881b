-- A signing key is published before it signs (standby), signs (active), verifies what it has signed (previous), or is not
-- to be believed (revoked: without its private half, kept for a while to be seen). What the release before made, and still
-- makes, is active: it knows one key. `activated_at` is then empty until a service notes when it first saw the key.
ALTER TABLE signing_keys ADD COLUMN state text NOT NULL DEFAULT 'active'
    CHECK (state IN ('standby', 'active', 'previous', 'revoked'));
ALTER TABLE signing_keys ADD COLUMN published_at integer NOT NULL DEFAULT 0;
ALTER TABLE signing_keys ADD COLUMN activated_at integer;
ALTER TABLE signing_keys ADD COLUMN gone_at integer;
UPDATE signing_keys SET state = 'previous'
    WHERE kid <> (SELECT kid FROM signing_keys ORDER BY created_at DESC, kid LIMIT 1);
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (state) WHERE state = 'active';
CREATE UNIQUE INDEX signing_keys_standby ON signing_keys (state) WHERE state = 'standby';

-- A signing key may be revoked too: `kind` is then `signing_key`.
ALTER TABLE revocations ADD COLUMN kid text;
