-- Mail that is owed, and the links in it. Instants are microseconds since the Unix epoch.

-- The token in a mail is the row's id and a MAC that is made when the mail is rendered: no row here opens anything.
-- `email` is the address that the link proves. No foreign key: its check would lock the user's row.
CREATE TABLE links (
    id         blob   PRIMARY KEY,
    purpose    text   NOT NULL CHECK (purpose IN ('verify_email', 'change_email', 'reset_password')),
    user_id    blob   NOT NULL,
    email      text   NOT NULL,
    email_norm text   NOT NULL,
    created_at integer NOT NULL,
    expires_at integer NOT NULL,
    used_at    integer
) STRICT;
CREATE INDEX links_user ON links (user_id) WHERE used_at IS NULL;
CREATE INDEX links_expiry ON links (expires_at);

-- Written with the change that causes it. `due_at` is when it is sent next; whoever sends it moves it past the time that
-- takes, so that it is nobody else's meanwhile, and everybody's again if the sender dies. A row that was sent holds no
-- address any more.
CREATE TABLE mails (
    id         blob    PRIMARY KEY,
    template   text    NOT NULL,
    recipient  text,
    user_id    blob,
    link_id    blob,
    about      text,
    status     text    NOT NULL CHECK (status IN ('waiting', 'sent', 'dropped', 'dead')),
    attempts   integer NOT NULL DEFAULT 0,
    due_at     integer  NOT NULL,
    last_error text,
    created_at integer  NOT NULL,
    ended_at   integer
) STRICT;
CREATE INDEX mails_due ON mails (due_at) WHERE status = 'waiting';
CREATE INDEX mails_user ON mails (user_id);
CREATE INDEX mails_ended ON mails (ended_at) WHERE ended_at IS NOT NULL;
