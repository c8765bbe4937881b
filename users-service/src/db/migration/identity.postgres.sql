-- Users, sessions, keys and what belongs to them. Instants are microseconds since the Unix epoch, the same exact
-- integers as on SQLite. Text that is compared or sorted has the "C" collation, so that both back-ends agree.

CREATE TABLE counters (
    name  text   PRIMARY KEY,
    value bigint NOT NULL
);
INSERT INTO counters (name, value) VALUES ('setup', 0), ('administrators', 0), ('users', 0);

-- `seq` is the order of commit. `ver` goes up when tokens issued before must lose something, `revision` with every change.
-- The `_norm` columns are the normal forms that uniqueness goes by; `search` is what `q` looks into.
CREATE TABLE users (
    id             uuid   PRIMARY KEY,
    seq            bigint NOT NULL UNIQUE,
    email          text   COLLATE "C" NOT NULL,
    email_norm     text   COLLATE "C" NOT NULL,
    username       text   COLLATE "C" NOT NULL,
    username_norm  text   COLLATE "C" NOT NULL,
    name           text   COLLATE "C",
    phone          text,
    search         text   COLLATE "C" NOT NULL,
    password_hash  text   NOT NULL,
    roles          text   NOT NULL,
    email_verified boolean NOT NULL DEFAULT false,
    ver            bigint NOT NULL DEFAULT 1,
    revision       bigint NOT NULL DEFAULT 1,
    created_at     bigint NOT NULL,
    updated_at     bigint NOT NULL,
    disabled_at    bigint,
    deleted_at     bigint,
    purged_at      bigint
);
CREATE UNIQUE INDEX users_email_norm ON users (email_norm);
CREATE UNIQUE INDEX users_username_norm ON users (username_norm);
CREATE INDEX users_created ON users (created_at, id);
CREATE INDEX users_deleted ON users (deleted_at) WHERE deleted_at IS NOT NULL AND purged_at IS NULL;

-- `counter` is the number in the refresh token that is good now, `rotated_at` when it became so.
CREATE TABLE sessions (
    id         uuid   PRIMARY KEY,
    user_id    uuid   NOT NULL REFERENCES users (id),
    scope      text   NOT NULL,
    counter    bigint NOT NULL,
    rotated_at bigint NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    ended_at   bigint,
    client_ip  text
);
CREATE INDEX sessions_user ON sessions (user_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE signing_keys (
    kid         text   PRIMARY KEY,
    algorithm   text   NOT NULL,
    private_key bytea  NOT NULL,
    public_key  bytea  NOT NULL,
    created_at  bigint NOT NULL
);

CREATE TABLE secrets (
    name       text   PRIMARY KEY,
    value      bytea  NOT NULL,
    created_at bigint NOT NULL
);

-- Written with the change that revokes; published afterwards, and again whenever the store may have lost it.
CREATE TABLE revocations (
    id           uuid   PRIMARY KEY,
    kind         text   NOT NULL,
    session_id   uuid,
    user_id      uuid,
    ver          bigint,
    roles        text,
    expires_at   bigint NOT NULL,
    published_at bigint
);
CREATE INDEX revocations_unpublished ON revocations (id) WHERE published_at IS NULL;
CREATE INDEX revocations_expiry ON revocations (expires_at);

-- Claimed and answered in the transaction of the change, so a row that can be seen has its answer. `password_hash`
-- stands for a password in the request: the fingerprint leaves it out, or it would be a fast hash of it.
CREATE TABLE idempotency_keys (
    scope         text   NOT NULL,
    route         text   NOT NULL,
    key           text   NOT NULL,
    fingerprint   bytea  NOT NULL,
    password_hash text,
    status        integer NOT NULL,
    headers       text   NOT NULL,
    body          bytea  NOT NULL,
    created_at    bigint NOT NULL,
    PRIMARY KEY (scope, route, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
