-- What the service looks at by itself it looks at part by part: each has its own times, and fails by itself.

-- `tried_at`: when it was begun last. `done_at`: when it came to its end last; 0: never. `failing_since`: the first failure
-- after that; none: it does not fail. `place`: where its tour has come to.
CREATE TABLE invariant_parts (
    part          text   PRIMARY KEY,
    tried_at      bigint NOT NULL,
    done_at       bigint NOT NULL,
    failing_since bigint,
    place         uuid
) WITH (fillfactor = 50);

-- `fault`: what tells this fault from another one of the same row. `clean_at`: when the same was looked at last and held: what
-- is found after that is found anew, whatever somebody has acted on before.
ALTER TABLE invariant_violations
    ADD COLUMN fault text NOT NULL DEFAULT '',
    ADD COLUMN clean_at bigint;
