-- The audit: one row per security event, numbered without gaps and chained by hash, written once. What is about a person
-- (`detail`) and where a call came from (`origin`) are in the chain only as digests under a salt, so that a purge can
-- take text and salt and leave the chain whole.
CREATE TABLE audit_events (
    seq           bigint PRIMARY KEY CHECK (seq >= 1),
    id            uuid   NOT NULL UNIQUE,
    at            bigint NOT NULL,
    kind          text   COLLATE "C" NOT NULL,
    outcome       text   NOT NULL CHECK (outcome IN ('succeeded', 'refused', 'failed')),
    actor_kind    text   NOT NULL,
    actor         text   COLLATE "C",
    subject_id    uuid,
    session_id    uuid,
    origin_salt   bytea,
    origin        text,
    origin_digest bytea  NOT NULL CHECK (length(origin_digest) = 32),
    detail_salt   bytea,
    detail        text,
    detail_digest bytea  NOT NULL CHECK (length(detail_digest) = 32),
    hash          bytea  NOT NULL CHECK (length(hash) = 32)
);
CREATE INDEX audit_events_subject ON audit_events (subject_id, seq) WHERE subject_id IS NOT NULL;
CREATE INDEX audit_events_session ON audit_events (session_id, seq) WHERE session_id IS NOT NULL;
CREATE INDEX audit_events_actor ON audit_events (actor, seq);
CREATE INDEX audit_events_kind ON audit_events (kind, seq);
CREATE INDEX audit_events_at ON audit_events (at, seq);
-- What nobody's purge will ever take, and time therefore does.
CREATE INDEX audit_events_strangers ON audit_events (at)
    WHERE (actor_kind = 'external' OR (actor_kind = 'nobody' AND subject_id IS NULL)) AND detail_salt IS NOT NULL;

-- The last row's number and hash; locked by whoever appends, as the last thing of a transaction.
CREATE TABLE audit_head (
    id   smallint PRIMARY KEY CHECK (id = 1),
    seq  bigint   NOT NULL,
    hash bytea    NOT NULL CHECK (length(hash) = 32)
) WITH (fillfactor = 10);
INSERT INTO audit_head VALUES (1, 0, decode(repeat('00', 32), 'hex'));

CREATE FUNCTION audit_is_written_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE'
        AND (NEW.seq, NEW.id, NEW.at, NEW.kind, NEW.outcome, NEW.actor_kind, NEW.origin_digest, NEW.detail_digest, NEW.hash)
          = (OLD.seq, OLD.id, OLD.at, OLD.kind, OLD.outcome, OLD.actor_kind, OLD.origin_digest, OLD.detail_digest, OLD.hash)
        AND (NEW.actor, NEW.subject_id, NEW.session_id)
            IS NOT DISTINCT FROM (OLD.actor, OLD.subject_id, OLD.session_id)
        AND ((NEW.origin_salt IS NULL AND NEW.origin IS NULL)
            OR (NEW.origin_salt, NEW.origin) IS NOT DISTINCT FROM (OLD.origin_salt, OLD.origin))
        AND ((NEW.detail_salt IS NULL AND NEW.detail IS NULL)
            OR (NEW.detail_salt, NEW.detail) IS NOT DISTINCT FROM (OLD.detail_salt, OLD.detail))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit events are written once' USING ERRCODE = 'TG010';
END $$;
CREATE TRIGGER audit_events_written_once BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION audit_is_written_once();
CREATE TRIGGER audit_events_not_truncated BEFORE TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_written_once();

CREATE FUNCTION audit_head_moves_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.id = OLD.id AND NEW.seq > OLD.seq THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the head of the audit only moves on' USING ERRCODE = 'TG010';
END $$;
CREATE TRIGGER audit_head_moves_on BEFORE UPDATE OR DELETE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION audit_head_moves_on();
CREATE TRIGGER audit_head_not_truncated BEFORE TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION audit_head_moves_on();
