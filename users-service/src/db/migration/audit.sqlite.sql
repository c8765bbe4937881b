-- The audit: one row per security event, numbered without gaps and chained by hash, written once. What is about a person
-- (`detail`) and where a call came from (`origin`) are in the chain only as digests under a salt, so that a purge can
-- take text and salt and leave the chain whole.
CREATE TABLE audit_events (
    seq           integer PRIMARY KEY CHECK (seq >= 1),
    id            blob    NOT NULL UNIQUE,
    at            integer NOT NULL,
    kind          text    NOT NULL,
    outcome       text    NOT NULL CHECK (outcome IN ('succeeded', 'refused', 'failed')),
    actor_kind    text    NOT NULL,
    actor         text,
    subject_id    blob,
    session_id    blob,
    origin_salt   blob,
    origin        text,
    origin_digest blob    NOT NULL CHECK (length(origin_digest) = 32),
    detail_salt   blob,
    detail        text,
    detail_digest blob    NOT NULL CHECK (length(detail_digest) = 32),
    hash          blob    NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX audit_events_subject ON audit_events (subject_id, seq) WHERE subject_id IS NOT NULL;
CREATE INDEX audit_events_session ON audit_events (session_id, seq) WHERE session_id IS NOT NULL;
CREATE INDEX audit_events_actor ON audit_events (actor, seq);
CREATE INDEX audit_events_kind ON audit_events (kind, seq);
CREATE INDEX audit_events_at ON audit_events (at, seq);
-- What nobody's purge will ever take, and time therefore does.
CREATE INDEX audit_events_strangers ON audit_events (at)
    WHERE (actor_kind = 'external' OR (actor_kind = 'nobody' AND subject_id IS NULL)) AND detail_salt IS NOT NULL;

-- The last row's number and hash; written by whoever appends, as the last thing of a transaction.
CREATE TABLE audit_head (
    id   integer PRIMARY KEY CHECK (id = 1),
    seq  integer NOT NULL,
    hash blob    NOT NULL CHECK (length(hash) = 32)
) STRICT;
INSERT INTO audit_head VALUES (1, 0, zeroblob(32));

CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events WHEN NOT (
    (NEW.seq, NEW.id, NEW.at, NEW.kind, NEW.outcome, NEW.actor_kind, NEW.actor, NEW.subject_id, NEW.session_id, NEW.origin_digest, NEW.detail_digest, NEW.hash)
    IS (OLD.seq, OLD.id, OLD.at, OLD.kind, OLD.outcome, OLD.actor_kind, OLD.actor, OLD.subject_id, OLD.session_id, OLD.origin_digest, OLD.detail_digest, OLD.hash)
    AND ((NEW.origin_salt IS NULL AND NEW.origin IS NULL) OR (NEW.origin_salt, NEW.origin) IS (OLD.origin_salt, OLD.origin))
    AND ((NEW.detail_salt IS NULL AND NEW.detail IS NULL) OR (NEW.detail_salt, NEW.detail) IS (OLD.detail_salt, OLD.detail)))
BEGIN SELECT RAISE(ABORT, 'audit events are written once'); END;
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
BEGIN SELECT RAISE(ABORT, 'audit events are written once'); END;
CREATE TRIGGER audit_head_moves_on BEFORE UPDATE ON audit_head WHEN NOT (NEW.id = OLD.id AND NEW.seq > OLD.seq)
BEGIN SELECT RAISE(ABORT, 'the head of the audit only moves on'); END;
CREATE TRIGGER audit_head_stays BEFORE DELETE ON audit_head
BEGIN SELECT RAISE(ABORT, 'the head of the audit only moves on'); END;
-- REPLACE takes rows away without a word to the triggers above.
CREATE TRIGGER audit_events_no_replace BEFORE INSERT ON audit_events
WHEN NEW.seq <= (SELECT seq FROM audit_head) OR EXISTS (SELECT 1 FROM audit_events WHERE seq = NEW.seq OR id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'audit events are written once'); END;
CREATE TRIGGER audit_head_is_one BEFORE INSERT ON audit_head
BEGIN SELECT RAISE(ABORT, 'the head of the audit only moves on'); END;
