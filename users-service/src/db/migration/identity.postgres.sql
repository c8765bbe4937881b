-- Identities on PostgreSQL. Instants are microseconds since the Unix epoch: the same exact integers as on SQLite.

CREATE TABLE users (
    id             uuid     PRIMARY KEY,
    email          text     NOT NULL,
    -- Compared by these: NFKC, full case folding, IDNA. A deleted user's stay taken until the purge.
    email_key      text     NOT NULL CONSTRAINT users_email_key UNIQUE,
    username       text     NOT NULL,
    username_key   text     NOT NULL CONSTRAINT users_username_key UNIQUE,
    name           text,
    phone          text,
    password_hash  text     NOT NULL,
    -- One bit a role, as in shared::domain::Roles.
    roles          smallint NOT NULL,
    status         text     NOT NULL CHECK (status IN ('active', 'disabled', 'deleted')),
    email_verified boolean  NOT NULL DEFAULT false,
    -- The tokens' `ver`: raised by whatever voids or weakens tokens.
    token_version  bigint   NOT NULL DEFAULT 1,
    -- The ETag's: raised by every visible change.
    version        bigint   NOT NULL DEFAULT 1,
    created_at     bigint   NOT NULL,
    updated_at     bigint   NOT NULL,
    deleted_at     bigint
);
CREATE INDEX users_created ON users (created_at, id);

CREATE TABLE sessions (
    id         uuid   PRIMARY KEY,
    user_id    uuid   NOT NULL REFERENCES users (id),
    -- How often the refresh token was rotated; the token names the count it is good for.
    counter    bigint NOT NULL DEFAULT 0,
    rotated_at bigint NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    ended_at   bigint,
    end_reason text
);
CREATE INDEX sessions_user ON sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE signing_keys (
    kid        text   PRIMARY KEY,
    algorithm  text   NOT NULL,
    state      text   NOT NULL CHECK (state IN ('standby', 'active', 'previous', 'revoked')),
    pkcs8      bytea  NOT NULL,
    created_at bigint NOT NULL
);
-- Of two processes that start at once on an empty database, one makes the key.
CREATE UNIQUE INDEX signing_keys_one_active ON signing_keys (algorithm) WHERE state = 'active';

-- Symmetric secrets of the service itself: the refresh tokens' MAC key, the idempotency fingerprints' key.
CREATE TABLE service_secrets (
    name       text   PRIMARY KEY,
    value      bytea  NOT NULL,
    created_at bigint NOT NULL
);

-- What ended before its tokens did, written with the change, published until it arrives.
CREATE TABLE revocations (
    id           bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    body         text     NOT NULL,
    expires_at   bigint   NOT NULL,
    published_at bigint
);
CREATE INDEX revocations_waiting ON revocations (id) WHERE published_at IS NULL;
CREATE INDEX revocations_expiry ON revocations (expires_at);

-- The keys of POSTs, claimed in the same transaction as their change, kept for 30 days.
CREATE TABLE idempotency_keys (
    digest      uuid     PRIMARY KEY,
    fingerprint uuid     NOT NULL,
    status      smallint NOT NULL,
    location    text,
    etag        text,
    body        bytea    NOT NULL,
    expires_at  bigint   NOT NULL
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

-- One row, locked by whoever changes who is an administrator, so that the last two cannot demote each other.
CREATE TABLE administrators_lock (
    id smallint PRIMARY KEY CHECK (id = 1)
);
INSERT INTO administrators_lock VALUES (1);
