-- Whether a standing order's pause is an officer's, which only officers lift.
ALTER TABLE standing_orders ADD COLUMN officers_pause boolean NOT NULL DEFAULT false;
