-- Identities on SQLite. Instants are microseconds since the Unix epoch: the same exact integers as on PostgreSQL.

CREATE TABLE users (
    id             blob     PRIMARY KEY,
    email          text     NOT NULL,
    -- Compared by these: NFKC, full case folding, IDNA. A deleted user's stay taken until the purge.
    email_key      text     NOT NULL CONSTRAINT users_email_key UNIQUE,
    username       text     NOT NULL,
    username_key   text     NOT NULL CONSTRAINT users_username_key UNIQUE,
    name           text,
    phone          text,
    password_hash  text     NOT NULL,
    -- One bit a role, as in shared::domain::Roles.
    roles          integer NOT NULL,
    status         text     NOT NULL CHECK (status IN ('active', 'disabled', 'deleted')),
    email_verified integer  NOT NULL DEFAULT 0,
    -- The tokens' `ver`: raised by whatever voids or weakens tokens.
    token_version  integer   NOT NULL DEFAULT 1,
    -- The ETag's: raised by every visible change.
    version        integer   NOT NULL DEFAULT 1,
    created_at     integer   NOT NULL,
    updated_at     integer   NOT NULL,
    deleted_at     integer
) STRICT;
CREATE INDEX users_created ON users (created_at, id);

CREATE TABLE sessions (
    id         blob   PRIMARY KEY,
    user_id    blob   NOT NULL REFERENCES users (id),
    -- How often the refresh token was rotated; the token names the count it is good for.
    counter    integer NOT NULL DEFAULT 0,
    rotated_at integer NOT NULL,
    created_at integer NOT NULL,
    expires_at integer NOT NULL,
    ended_at   integer,
    end_reason text
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE signing_keys (
    kid        text   PRIMARY KEY,
    algorithm  text   NOT NULL,
    state      text   NOT NULL CHECK (state IN ('standby', 'active', 'previous', 'revoked')),
    pkcs8      blob  NOT NULL,
    created_at integer NOT NULL
) STRICT;
-- Of two processes that start at once on an empty database, one makes the key.
CREATE UNIQUE INDEX signing_keys_one_active ON signing_keys (algorithm) WHERE state = 'active';

-- Symmetric secrets of the service itself: the refresh tokens' MAC key, the idempotency fingerprints' key.
CREATE TABLE service_secrets (
    name       text   PRIMARY KEY,
    value      blob  NOT NULL,
    created_at integer NOT NULL
) STRICT;

-- What ended before its tokens did, written with the change, published until it arrives.
CREATE TABLE revocations (
    id           integer PRIMARY KEY AUTOINCREMENT,
    body         text     NOT NULL,
    expires_at   integer   NOT NULL,
    published_at integer
) STRICT;
CREATE INDEX revocations_waiting ON revocations (id) WHERE published_at IS NULL;
CREATE INDEX revocations_expiry ON revocations (expires_at);

-- The keys of POSTs, claimed in the same transaction as their change, kept for 30 days.
CREATE TABLE idempotency_keys (
    digest      blob     PRIMARY KEY,
    fingerprint blob     NOT NULL,
    status      integer NOT NULL,
    location    text,
    etag        text,
    body        blob    NOT NULL,
    expires_at  integer   NOT NULL
) STRICT;
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

-- One row, locked by whoever changes who is an administrator, so that the last two cannot demote each other.
CREATE TABLE administrators_lock (
    id integer PRIMARY KEY CHECK (id = 1)
) STRICT;
INSERT INTO administrators_lock VALUES (1);
