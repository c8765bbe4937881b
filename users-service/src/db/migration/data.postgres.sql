-- What a user tells about themselves. `birth_date` is `YYYY-MM-DD`; of the address either all four are there or none.
-- The skeletons (UTS #39) are what a user name looks like, written small and written large. Rows of before, and those that
-- the release before adds, have none until the service fills them in: that is none of SQL's business.
ALTER TABLE users
    ADD COLUMN username_skeleton text COLLATE "C",
    ADD COLUMN username_skeleton_upper text COLLATE "C",
    ADD COLUMN first_name text,
    ADD COLUMN last_name text,
    ADD COLUMN birth_date text,
    ADD COLUMN street text,
    ADD COLUMN city text,
    ADD COLUMN state text,
    ADD COLUMN zip_code text;
CREATE INDEX users_username_skeleton ON users (username_skeleton);
CREATE INDEX users_username_skeleton_upper ON users (username_skeleton_upper);
CREATE INDEX users_without_skeleton ON users (seq) WHERE username_skeleton IS NULL AND purged_at IS NULL;

-- Whom the answer under a key is about, where that is somebody else than the caller: a purge takes it too.
ALTER TABLE idempotency_keys ADD COLUMN subject_id uuid;
CREATE INDEX idempotency_keys_subject ON idempotency_keys (subject_id) WHERE subject_id IS NOT NULL;

-- A purge looks for what was written to an address without knowing whose it is.
CREATE INDEX mails_recipient ON mails (recipient) WHERE recipient IS NOT NULL;
