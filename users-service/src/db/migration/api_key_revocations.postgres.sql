-- An API key may be revoked too: `kind` is then `api_key`.
ALTER TABLE revocations ADD COLUMN api_key_id uuid;
