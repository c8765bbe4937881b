-- Networks that a user has signed in from, each as an HMAC over user and network: the table tells nobody where anybody was.
CREATE TABLE known_devices (
    user_id    blob    NOT NULL,
    digest     blob    NOT NULL CHECK (length(digest) = 32),
    first_seen integer NOT NULL,
    last_seen  integer NOT NULL,
    PRIMARY KEY (user_id, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX known_devices_age ON known_devices (last_seen);
