-- Exchanges: a payment in one currency and its worth in another, as two transfers of one commit. Instants are microseconds
-- since the Unix epoch.

-- Written once. In force is the newest of its pair in the order of commit, until it lapses; never an older one.
CREATE TABLE exchange_rates (
    id                  uuid   PRIMARY KEY,
    position            bigint NOT NULL UNIQUE,
    base                text   NOT NULL,
    quote               text   NOT NULL,
    rate                text   NOT NULL,
    base_account_id     uuid   NOT NULL,
    quote_account_id    uuid   NOT NULL,
    rounding_account_id uuid   NOT NULL,
    valid_until         bigint,
    created_by          uuid   NOT NULL,
    created_at          bigint NOT NULL,
    CONSTRAINT exchange_rates_two_currencies CHECK (base <> quote)
);
CREATE UNIQUE INDEX exchange_rates_pair ON exchange_rates (base, quote, position);
CREATE TRIGGER exchange_rates_written_once BEFORE UPDATE OR DELETE ON exchange_rates
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What rounding down has taken and is not booked yet, in 10^-18 of a minor unit: less than one. The sum of all remainders is
-- what was booked to the rounding account and this, to the last digit.
CREATE TABLE exchange_carries (
    rounding_account_id uuid   PRIMARY KEY,
    grains              bigint NOT NULL CHECK (grains BETWEEN 0 AND 999999999999999999)
) WITH (fillfactor = 50);

-- Written once. `position` is that of the event, right behind the transfers.
CREATE TABLE exchanges (
    id                   uuid   PRIMARY KEY,
    position             bigint NOT NULL UNIQUE,
    rate_id              uuid   NOT NULL,
    paid_transfer_id     uuid   NOT NULL UNIQUE,
    received_transfer_id uuid   NOT NULL UNIQUE,
    rounding_transfer_id uuid   UNIQUE,
    remainder            bigint NOT NULL CHECK (remainder BETWEEN 0 AND 999999999999999999),
    created_by           uuid   NOT NULL,
    created_at           bigint NOT NULL
);
CREATE INDEX exchanges_by ON exchanges (created_by, position);
CREATE TRIGGER exchanges_written_once BEFORE UPDATE OR DELETE ON exchanges
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
