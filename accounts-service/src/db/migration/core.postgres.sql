-- What posting needs beside plain transfers: holds, reversals, references, limits, labels.

-- `next_expiry`: when the first open hold on the account lapses; none: no open hold ever does. `limited`: whether it has
-- rows in account_limits. `label_text`: its labels as the JSON object that is shown.
ALTER TABLE accounts
    ADD COLUMN next_expiry bigint,
    ADD COLUMN limited boolean NOT NULL DEFAULT false,
    ADD COLUMN label_text text;

-- A pending transfer's row never changes; what became of it stands here. Whatever changes a hold changes its debit
-- account's `held`, so that account's version guards it.
CREATE TABLE holds (
    transfer_id       uuid   PRIMARY KEY,
    debit_account_id  uuid   NOT NULL,
    credit_account_id uuid   NOT NULL,
    amount            bigint NOT NULL,
    posted            bigint NOT NULL DEFAULT 0,
    released          bigint NOT NULL DEFAULT 0,
    expires_at        bigint,
    slice_at          bigint NOT NULL,
    state             text   NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'posted', 'voided', 'expired')),
    settled_at        bigint,
    CONSTRAINT holds_bounds CHECK (amount >= 1 AND posted >= 0 AND released >= 0 AND posted + released <= amount),
    CONSTRAINT holds_state CHECK ((state = 'open') = (posted + released < amount))
) WITH (fillfactor = 70);
-- What is held of an account at an instant, and what of it has lapsed.
CREATE INDEX holds_of ON holds (debit_account_id, expires_at) WHERE state = 'open';
-- The sweeper's.
CREATE INDEX holds_due ON holds (expires_at) WHERE state = 'open' AND expires_at IS NOT NULL;

-- How much of a transfer was reversed; no row: nothing. A reversal moves both of its accounts, so their versions guard
-- the sum; the check is the backstop.
CREATE TABLE reversals (
    transfer_id uuid   PRIMARY KEY,
    amount      bigint NOT NULL,
    reversed    bigint NOT NULL,
    CONSTRAINT reversals_bound CHECK (reversed BETWEEN 1 AND amount)
);

-- A client's reference is taken once for all transfers that debit one owner's accounts.
CREATE TABLE external_refs (
    owner_id    uuid NOT NULL,
    reference   text COLLATE "C" NOT NULL,
    transfer_id uuid NOT NULL,
    PRIMARY KEY (owner_id, reference)
);
-- References of before were free to repeat: the oldest has it.
INSERT INTO external_refs (owner_id, reference, transfer_id)
SELECT a.owner_id, t.external_ref, t.id FROM transfers t JOIN accounts a ON a.id = t.debit_account_id
WHERE t.external_ref IS NOT NULL ORDER BY t.position
ON CONFLICT DO NOTHING;

-- The most that may leave an account within any window of so many seconds.
CREATE TABLE account_limits (
    account_id     uuid    NOT NULL,
    window_seconds integer NOT NULL CHECK (window_seconds BETWEEN 60 AND 31622400),
    most_amount    bigint  CHECK (most_amount >= 0),
    most_count     bigint  CHECK (most_count >= 0),
    PRIMARY KEY (account_id, window_seconds),
    CONSTRAINT account_limits_some CHECK (most_amount IS NOT NULL OR most_count IS NOT NULL)
);
-- What has left an account with limits, by window and slice: a sixtieth of the window.
CREATE TABLE account_slices (
    account_id     uuid    NOT NULL,
    window_seconds integer NOT NULL,
    slice          bigint  NOT NULL,
    amount         bigint  NOT NULL CHECK (amount >= 0),
    count          bigint  NOT NULL CHECK (count >= 0),
    PRIMARY KEY (account_id, window_seconds, slice)
);

-- Labels, as they are looked for.
CREATE TABLE account_labels (
    account_id uuid NOT NULL,
    name       text COLLATE "C" NOT NULL,
    value      text COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, name)
);
CREATE INDEX account_labels_value ON account_labels (name, value, account_id);
