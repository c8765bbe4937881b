-- Whether a standing order's pause is an officer's, which only officers lift.
ALTER TABLE standing_orders ADD COLUMN officers_pause integer NOT NULL DEFAULT 0 CHECK (officers_pause IN (0, 1));
