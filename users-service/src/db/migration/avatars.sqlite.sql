-- Avatars: a row for whoever has sent one. Instants are microseconds since the Unix epoch.

-- `version` names what was sent last and `shown` what is shown, which stays until the last is ready. `due_at` is when it is
-- worked on next; whoever works on it moves it past the time that takes, so that it is nobody else's meanwhile, and
-- everybody's again if they die. No foreign key: its check would lock the user's row.
CREATE TABLE avatars (
    user_id      blob PRIMARY KEY,
    version      blob NOT NULL,
    status       text NOT NULL CHECK (status IN ('processing', 'ready', 'failed')),
    content_type text NOT NULL,
    original     blob,
    shown        blob,
    shown_type   text,
    thumb        blob,
    medium       blob,
    large        blob,
    attempts     integer NOT NULL DEFAULT 0,
    due_at       integer NOT NULL,
    updated_at   integer NOT NULL
) STRICT;
CREATE INDEX avatars_due ON avatars (due_at) WHERE status = 'processing';
