-- OAuth clients, what they have asked for, what they were allowed, and the keys of ID tokens. Instants are microseconds
-- since the Unix epoch.

INSERT INTO counters (name, value) VALUES ('clients', 0);

-- `seq` is the order of commit. `session_id` is the `sid` of the client's own tokens: another one ends them. Of a secret
-- there is only its SHA-256, which is enough for 256 random bits; the one before is good until `previous_until`.
-- `grants` and `scopes` are words with a blank between, `redirect_uris` is a JSON list.
CREATE TABLE oauth_clients (
    id              uuid    PRIMARY KEY,
    seq             bigint  NOT NULL UNIQUE,
    session_id      uuid    NOT NULL,
    name            text    NOT NULL,
    kind            text    NOT NULL CHECK (kind IN ('confidential', 'public')),
    secret_digest   bytea   CHECK (length(secret_digest) = 32),
    previous_digest bytea   CHECK (length(previous_digest) = 32),
    previous_until  bigint,
    grants          text    NOT NULL,
    scopes          text    NOT NULL,
    redirect_uris   text    NOT NULL,
    trusted         boolean NOT NULL,
    revision        bigint  NOT NULL,
    created_at      bigint  NOT NULL,
    updated_at      bigint  NOT NULL,
    disabled_at     bigint,
    CHECK ((kind = 'confidential') = (secret_digest IS NOT NULL))
);

-- One request for a user's leave, through its life: asked for by a client, proven by a user who signs in, decided, and
-- redeemed for the session `session_id`, once. `browser` is the SHA-256 of the cookie that it is bound to, `code_digest`
-- that of its code. No foreign keys: their checks would lock clients and users.
CREATE TABLE authorizations (
    id               uuid    PRIMARY KEY,
    client_id        uuid    NOT NULL,
    redirect_uri     text    NOT NULL,
    scope            text    NOT NULL,
    state            text,
    nonce            text,
    code_challenge   text    NOT NULL,
    ask_consent      boolean NOT NULL,
    browser          bytea   NOT NULL,
    created_at       bigint  NOT NULL,
    expires_at       bigint  NOT NULL,
    user_id          uuid,
    session_id       uuid,
    parent_id        uuid,
    authenticated_at bigint,
    amr              text,
    decided_at       bigint,
    code_digest      bytea   UNIQUE,
    code_expires_at  bigint,
    used_at          bigint,
    opened_at        bigint
);
CREATE INDEX authorizations_user ON authorizations (user_id) WHERE user_id IS NOT NULL AND used_at IS NULL;
CREATE INDEX authorizations_client ON authorizations (client_id) WHERE used_at IS NULL;
CREATE INDEX authorizations_expiry ON authorizations (expires_at);

-- What a user has allowed a client, so that they are not asked again.
CREATE TABLE oauth_consents (
    user_id    uuid   NOT NULL,
    client_id  uuid   NOT NULL,
    scope      text   NOT NULL,
    granted_at bigint NOT NULL,
    PRIMARY KEY (user_id, client_id)
);
CREATE INDEX oauth_consents_client ON oauth_consents (client_id);

CREATE INDEX sessions_client ON sessions (client_id) WHERE ended_at IS NULL AND client_id IS NOT NULL;

-- The keys of ID tokens, as `signing_keys` holds those of access tokens. A table of their own, because a release that knows
-- nothing of them would sign access tokens with the newest of all it finds there.
CREATE TABLE id_token_keys (
    kid          text   PRIMARY KEY,
    algorithm    text   NOT NULL,
    private_key  bytea  NOT NULL,
    public_key   bytea  NOT NULL,
    created_at   bigint NOT NULL,
    state        text   NOT NULL CHECK (state IN ('standby', 'active', 'previous', 'revoked')),
    published_at bigint NOT NULL,
    activated_at bigint,
    gone_at      bigint
);
CREATE UNIQUE INDEX id_token_keys_active ON id_token_keys (state) WHERE state = 'active';
CREATE UNIQUE INDEX id_token_keys_standby ON id_token_keys (state) WHERE state = 'standby';
