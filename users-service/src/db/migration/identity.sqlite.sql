-- Users, sessions, keys and what belongs to them. Instants are microseconds since the Unix epoch, the same exact
-- integers as on PostgreSQL.

CREATE TABLE counters (
    name  text   PRIMARY KEY,
    value integer NOT NULL
) STRICT;
INSERT INTO counters (name, value) VALUES ('setup', 0), ('administrators', 0), ('users', 0);

-- `seq` is the order of commit. `ver` goes up when tokens issued before must lose something, `revision` with every change.
-- The `_norm` columns are the normal forms that uniqueness goes by; `search` is what `q` looks into.
CREATE TABLE users (
    id             blob   PRIMARY KEY,
    seq            integer NOT NULL UNIQUE,
    email          text   NOT NULL,
    email_norm     text   NOT NULL,
    username       text   NOT NULL,
    username_norm  text   NOT NULL,
    name           text  ,
    phone          text,
    search         text   NOT NULL,
    password_hash  text   NOT NULL,
    roles          text   NOT NULL,
    email_verified integer NOT NULL DEFAULT 0,
    ver            integer NOT NULL DEFAULT 1,
    revision       integer NOT NULL DEFAULT 1,
    created_at     integer NOT NULL,
    updated_at     integer NOT NULL,
    disabled_at    integer,
    deleted_at     integer,
    purged_at      integer
) STRICT;
CREATE UNIQUE INDEX users_email_norm ON users (email_norm);
CREATE UNIQUE INDEX users_username_norm ON users (username_norm);
CREATE INDEX users_created ON users (created_at, id);
CREATE INDEX users_deleted ON users (deleted_at) WHERE deleted_at IS NOT NULL AND purged_at IS NULL;

-- `counter` is the number in the refresh token that is good now, `rotated_at` when it became so.
CREATE TABLE sessions (
    id         blob   PRIMARY KEY,
    user_id    blob   NOT NULL REFERENCES users (id),
    scope      text   NOT NULL,
    counter    integer NOT NULL,
    rotated_at integer NOT NULL,
    created_at integer NOT NULL,
    expires_at integer NOT NULL,
    ended_at   integer,
    client_ip  text
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE signing_keys (
    kid         text   PRIMARY KEY,
    algorithm   text   NOT NULL,
    private_key blob   NOT NULL,
    public_key  blob   NOT NULL,
    created_at  integer NOT NULL
) STRICT;

CREATE TABLE secrets (
    name       text   PRIMARY KEY,
    value      blob   NOT NULL,
    created_at integer NOT NULL
) STRICT;

-- Written with the change that revokes; published afterwards, and again whenever the store may have lost it.
CREATE TABLE revocations (
    id           blob   PRIMARY KEY,
    kind         text   NOT NULL,
    session_id   blob,
    user_id      blob,
    ver          integer,
    roles        text,
    expires_at   integer NOT NULL,
    published_at integer
) STRICT;
CREATE INDEX revocations_unpublished ON revocations (id) WHERE published_at IS NULL;
CREATE INDEX revocations_expiry ON revocations (expires_at);

-- Claimed and answered in the transaction of the change, so a row that can be seen has its answer. `password_hash`
-- stands for a password in the request: the fingerprint leaves it out, or it would be a fast hash of it.
CREATE TABLE idempotency_keys (
    scope         text   NOT NULL,
    route         text   NOT NULL,
    key           text   NOT NULL,
    fingerprint   blob   NOT NULL,
    password_hash text,
    status        integer NOT NULL,
    headers       text   NOT NULL,
    body          blob   NOT NULL,
    created_at    integer NOT NULL,
    PRIMARY KEY (scope, route, key)
) STRICT;
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
