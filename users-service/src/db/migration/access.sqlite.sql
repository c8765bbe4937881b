-- API keys, and custom roles. Instants are microseconds since the Unix epoch.

-- What is shown of a key is its `prefix`; `digest` is the SHA-256 of all of it, which is long and random, so that no copy of
-- this table opens anything.
CREATE TABLE api_keys (
    id           blob    PRIMARY KEY,
    user_id      blob    NOT NULL,
    name         text    NOT NULL,
    prefix       text    NOT NULL,
    digest       blob    NOT NULL UNIQUE CHECK (length(digest) = 32),
    scopes       text    NOT NULL,
    created_at   integer NOT NULL,
    expires_at   integer,
    last_used_at integer,
    revoked_at   integer
) STRICT;
CREATE UNIQUE INDEX api_keys_name ON api_keys (user_id, name) WHERE revoked_at IS NULL;
CREATE INDEX api_keys_revoked ON api_keys (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX api_keys_expiry ON api_keys (expires_at) WHERE expires_at IS NOT NULL;

-- A custom role is a name for permissions. Both are words with a blank between, as in `users.roles`.
CREATE TABLE custom_roles (
    id          blob    PRIMARY KEY,
    name        text    NOT NULL UNIQUE,
    description text    NOT NULL,
    permissions text    NOT NULL,
    revision    integer NOT NULL DEFAULT 1,
    created_at  integer NOT NULL,
    updated_at  integer NOT NULL
) STRICT;
CREATE TABLE user_custom_roles (
    user_id    blob    NOT NULL,
    role_id    blob    NOT NULL REFERENCES custom_roles (id),
    granted_by blob    NOT NULL,
    granted_at integer NOT NULL,
    PRIMARY KEY (user_id, role_id)
) STRICT;
CREATE INDEX user_custom_roles_role ON user_custom_roles (role_id);

-- What follows from these rows for each user, kept with them, so that a token takes no join: the names of their custom roles
-- and all that these permit. Not in `roles`, whose readers know a closed list of words.
ALTER TABLE users ADD COLUMN custom_roles text NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN permissions text NOT NULL DEFAULT '';

-- What of that is left, beside the roles that are left. A release that knew none left it out: nothing.
ALTER TABLE revocations ADD COLUMN permissions text;
