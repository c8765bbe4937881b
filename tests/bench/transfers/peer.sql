-- The rows that our ledger writes, in tables of their own with the same columns, keys and indexes: those of a month. That
-- ours are spread over months is left out, in the favour of this side.
CREATE SCHEMA peer;
CREATE TABLE peer.accounts (LIKE accounts INCLUDING ALL);
ALTER TABLE peer.accounts SET (fillfactor = 60);
CREATE TABLE peer.transfers (LIKE transfers_first INCLUDING ALL);
CREATE TABLE peer.entries (LIKE entries_first INCLUDING ALL);
CREATE TABLE peer.keys (LIKE transfer_keys INCLUDING ALL);
CREATE TABLE peer.events (LIKE outbox_events_first INCLUDING ALL);
-- Only the proof searches by it: left out, in the favour of this side.
DROP INDEX peer.entries_position_idx;
ALTER TABLE peer.transfers SET (autovacuum_analyze_scale_factor = 0.5);
ALTER TABLE peer.entries SET (autovacuum_analyze_scale_factor = 0.5);
ALTER TABLE peer.keys SET (autovacuum_analyze_scale_factor = 0.5);
ALTER TABLE peer.events SET (autovacuum_analyze_scale_factor = 0.5);
-- Position in commit order is ours alone; a sequence is what one would take without it, and cheaper.
CREATE SEQUENCE peer.position CACHE 100;
INSERT INTO peer.accounts SELECT * FROM accounts;
