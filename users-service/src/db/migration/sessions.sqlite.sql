-- What a session was opened with, so that it can be listed, and asked to prove itself again before what matters most.
-- `authenticated_at` is when its user last proved who they are, 0 where that is not known: they have to do it again.
-- `amr` are RFC 8176's words for how, separated by spaces. `carrier` is `token` or `cookie`. `client_id` is the OAuth client
-- that it was opened for, `parent_id` the browser's session that it came from and ends with.
ALTER TABLE sessions ADD COLUMN authenticated_at integer NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN amr text NOT NULL DEFAULT 'pwd';
ALTER TABLE sessions ADD COLUMN carrier text NOT NULL DEFAULT 'token' CHECK (carrier IN ('token', 'cookie'));
ALTER TABLE sessions ADD COLUMN user_agent text;
ALTER TABLE sessions ADD COLUMN last_ip text;
ALTER TABLE sessions ADD COLUMN client_id blob;
ALTER TABLE sessions ADD COLUMN parent_id blob;
CREATE INDEX sessions_parent ON sessions (parent_id) WHERE ended_at IS NULL AND parent_id IS NOT NULL;
