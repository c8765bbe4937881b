-- Passkeys (WebAuthn). Instants are microseconds since the Unix epoch.

-- `credential_id` is what the authenticator calls it, and no two have the same, whosever they are. `public_key` is a COSE_Key
-- (RFC 9052), `algorithm` what it signs with (RFC 9053). `sign_count` is how often it has signed, as it said last: one that counts and comes with no more has a twin.
-- `backup_eligible`: it may be on several devices of its user's; `backed_up`: it was, when it was last used.
CREATE TABLE passkeys (
    id              blob PRIMARY KEY,
    user_id         blob NOT NULL REFERENCES users (id),
    credential_id   blob NOT NULL UNIQUE CHECK (length(credential_id) BETWEEN 1 AND 1023),
    public_key      blob NOT NULL,
    algorithm       integer NOT NULL,
    sign_count      integer NOT NULL CHECK (sign_count >= 0),
    backup_eligible integer NOT NULL,
    backed_up       integer NOT NULL,
    transports      text NOT NULL,
    name            text NOT NULL,
    created_at      integer NOT NULL,
    last_used_at    integer
) STRICT;
CREATE INDEX passkeys_user ON passkeys (user_id);

-- Challenges that were answered, until they end: none is answered twice. One that nobody has answered has no row.
CREATE TABLE answered_challenges (
    nonce      blob PRIMARY KEY,
    expires_at integer NOT NULL
) STRICT;
CREATE INDEX answered_challenges_expiry ON answered_challenges (expires_at);

-- User names that are held for a registration of which nobody was told, for whoever frees them.
CREATE INDEX users_held ON users (purged_at) WHERE email_norm LIKE 'held %';
