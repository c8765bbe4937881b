-- Second factors. Instants are microseconds since the Unix epoch.

-- An authenticator app. `secret` is sealed: AES-256-GCM, bound to its user, under the key that its first byte names. `last_step`
-- is the step (RFC 6238) of the last code that was accepted: none at or before it is accepted again. `confirmed_at` is when
-- its user has shown that the app has the secret; until then nobody is asked for a code.
CREATE TABLE totp_factors (
    user_id      uuid PRIMARY KEY REFERENCES users (id),
    secret       bytea NOT NULL,
    last_step    bigint NOT NULL DEFAULT 0,
    created_at   bigint NOT NULL,
    confirmed_at bigint
);
CREATE INDEX totp_factors_waiting ON totp_factors (created_at) WHERE confirmed_at IS NULL;

-- What lets in who has lost the app, each once: a hash of 120 random bits.
CREATE TABLE recovery_codes (
    user_id    uuid NOT NULL REFERENCES users (id),
    digest     bytea NOT NULL,
    created_at bigint NOT NULL,
    used_at    bigint,
    PRIMARY KEY (user_id, digest)
);
