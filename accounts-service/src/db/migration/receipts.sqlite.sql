-- Receipts: the keys that they are signed with. Instants are microseconds since the Unix epoch.
--
-- A key is published when it is made, signs from `signs_from` on until its successor does (`retired_at`, once that is known),
-- and is published for ever: a receipt is checked years later. What could sign is erased after that. `revoked_at` is since
-- when nothing is believed that it has signed. Both are whole seconds, as the times in receipts are.
CREATE TABLE receipt_keys (
    kid         text    PRIMARY KEY,
    algorithm   text    NOT NULL CHECK (algorithm = 'EdDSA'),
    public_key  blob    NOT NULL CHECK (length(public_key) = 32),
    -- PKCS#8, sealed.
    private_key blob,
    created_at  integer NOT NULL,
    signs_from  integer NOT NULL CHECK (signs_from % 1000000 = 0),
    retired_at  integer CHECK (retired_at % 1000000 = 0),
    revoked_at  integer CHECK (revoked_at % 1000000 = 0),
    -- Whoever may sign has something to do it with, and nobody else for long.
    CONSTRAINT receipt_keys_private CHECK (private_key IS NOT NULL OR retired_at IS NOT NULL),
    CONSTRAINT receipt_keys_revoked CHECK (revoked_at IS NULL OR private_key IS NULL)
) STRICT;
CREATE TRIGGER receipt_keys_kept BEFORE DELETE ON receipt_keys
    BEGIN SELECT RAISE(ABORT, 'receipt_keys are published for ever: receipts are checked by them'); END;

-- What seals private keys where the settings name nothing: one row.
CREATE TABLE receipt_seals (
    id     integer PRIMARY KEY CHECK (id = 1),
    secret blob    NOT NULL CHECK (length(secret) = 32)
) STRICT;
