-- Networks that a user has signed in from, each as an HMAC over user and network: the table tells nobody where anybody was.
CREATE TABLE known_devices (
    user_id    uuid   NOT NULL,
    digest     bytea  NOT NULL CHECK (length(digest) = 32),
    first_seen bigint NOT NULL,
    last_seen  bigint NOT NULL,
    PRIMARY KEY (user_id, digest)
);
CREATE INDEX known_devices_age ON known_devices (last_seen);

-- A refresh changes no column of an index: with room on its page, the new row stands beside the old one.
ALTER TABLE sessions SET (fillfactor = 80);
