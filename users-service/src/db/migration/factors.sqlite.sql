-- Second factors. Instants are microseconds since the Unix epoch.

-- An authenticator app. `secret` is sealed: AES-256-GCM, bound to its user, under the key that its first byte names. `last_step`
-- is the step (RFC 6238) of the last code that was accepted: none at or before it is accepted again. `confirmed_at` is when
-- its user has shown that the app has the secret; until then nobody is asked for a code.
CREATE TABLE totp_factors (
    user_id      blob PRIMARY KEY REFERENCES users (id),
    secret       blob NOT NULL,
    last_step    integer NOT NULL DEFAULT 0,
    created_at   integer NOT NULL,
    confirmed_at integer
) STRICT;
CREATE INDEX totp_factors_waiting ON totp_factors (created_at) WHERE confirmed_at IS NULL;

-- What lets in who has lost the app, each once: a hash of 120 random bits.
CREATE TABLE recovery_codes (
    user_id    blob NOT NULL REFERENCES users (id),
    digest     blob NOT NULL,
    created_at integer NOT NULL,
    used_at    integer,
    PRIMARY KEY (user_id, digest)
) STRICT;
