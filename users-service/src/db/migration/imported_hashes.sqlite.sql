-- Users brought over from another system, with the hashes that it made.

-- About how long a comparison with the hash takes, in microseconds, as long as it is another system's; none once it is ours.
ALTER TABLE users ADD COLUMN foreign_cost integer;
CREATE INDEX users_foreign_cost ON users (foreign_cost) WHERE foreign_cost IS NOT NULL;
