-- Exchanges: a payment in one currency and its worth in another, as two transfers of one commit. Instants are microseconds
-- since the Unix epoch.

-- Written once. In force is the newest of its pair in the order of commit, until it lapses; never an older one.
CREATE TABLE exchange_rates (
    id                  blob   PRIMARY KEY,
    position            integer NOT NULL UNIQUE,
    base                text   NOT NULL,
    quote               text   NOT NULL,
    rate                text   NOT NULL,
    base_account_id     blob   NOT NULL,
    quote_account_id    blob   NOT NULL,
    rounding_account_id blob   NOT NULL,
    valid_until         integer,
    created_by          blob   NOT NULL,
    created_at          integer NOT NULL,
    CONSTRAINT exchange_rates_two_currencies CHECK (base <> quote)
) STRICT;
CREATE UNIQUE INDEX exchange_rates_pair ON exchange_rates (base, quote, position);
CREATE TRIGGER exchange_rates_no_update BEFORE UPDATE ON exchange_rates
    BEGIN SELECT RAISE(ABORT, 'exchange_rates are written once'); END;
CREATE TRIGGER exchange_rates_no_delete BEFORE DELETE ON exchange_rates
    BEGIN SELECT RAISE(ABORT, 'exchange_rates are written once'); END;

-- What rounding down has taken and is not booked yet, in 10^-18 of a minor unit: less than one. The sum of all remainders is
-- what was booked to the rounding account and this, to the last digit.
CREATE TABLE exchange_carries (
    rounding_account_id blob   PRIMARY KEY,
    grains              integer NOT NULL CHECK (grains BETWEEN 0 AND 999999999999999999)
) STRICT;

-- Written once. `position` is that of the event, right behind the transfers.
CREATE TABLE exchanges (
    id                   blob   PRIMARY KEY,
    position             integer NOT NULL UNIQUE,
    rate_id              blob   NOT NULL,
    paid_transfer_id     blob   NOT NULL UNIQUE,
    received_transfer_id blob   NOT NULL UNIQUE,
    rounding_transfer_id blob   UNIQUE,
    remainder            integer NOT NULL CHECK (remainder BETWEEN 0 AND 999999999999999999),
    created_by           blob   NOT NULL,
    created_at           integer NOT NULL
) STRICT;
CREATE INDEX exchanges_by ON exchanges (created_by, position);
CREATE TRIGGER exchanges_no_update BEFORE UPDATE ON exchanges
    BEGIN SELECT RAISE(ABORT, 'exchanges are written once'); END;
CREATE TRIGGER exchanges_no_delete BEFORE DELETE ON exchanges
    BEGIN SELECT RAISE(ABORT, 'exchanges are written once'); END;
