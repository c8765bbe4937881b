-- What posting needs beside plain transfers: holds, reversals, references, limits, labels.

-- `next_expiry`: when the first open hold on the account lapses; none: no open hold ever does. `limited`: whether it has
-- rows in account_limits. `label_text`: its labels as the JSON object that is shown.
ALTER TABLE accounts ADD COLUMN next_expiry integer;
ALTER TABLE accounts ADD COLUMN limited integer NOT NULL DEFAULT 0 CHECK (limited IN (0, 1));
ALTER TABLE accounts ADD COLUMN label_text text;

-- A pending transfer's row never changes; what became of it stands here. Whatever changes a hold changes its debit
-- account's `held`, so that account's version guards it.
CREATE TABLE holds (
    transfer_id       blob   PRIMARY KEY,
    debit_account_id  blob   NOT NULL,
    credit_account_id blob   NOT NULL,
    amount            integer NOT NULL,
    posted            integer NOT NULL DEFAULT 0,
    released          integer NOT NULL DEFAULT 0,
    expires_at        integer,
    slice_at          integer NOT NULL,
    state             text   NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'posted', 'voided', 'expired')),
    settled_at        integer,
    CONSTRAINT holds_bounds CHECK (amount >= 1 AND posted >= 0 AND released >= 0 AND posted + released <= amount),
    CONSTRAINT holds_state CHECK ((state = 'open') = (posted + released < amount))
) STRICT;
-- What is held of an account at an instant, and what of it has lapsed.
CREATE INDEX holds_of ON holds (debit_account_id, expires_at) WHERE state = 'open';
-- The sweeper's.
CREATE INDEX holds_due ON holds (expires_at) WHERE state = 'open' AND expires_at IS NOT NULL;

-- How much of a transfer was reversed; no row: nothing. A reversal moves both of its accounts, so their versions guard
-- the sum; the check is the backstop.
CREATE TABLE reversals (
    transfer_id blob   PRIMARY KEY,
    amount      integer NOT NULL,
    reversed    integer NOT NULL,
    CONSTRAINT reversals_bound CHECK (reversed BETWEEN 1 AND amount)
) STRICT;

-- A client's reference is taken once for all transfers that debit one owner's accounts.
CREATE TABLE external_refs (
    owner_id    blob NOT NULL,
    reference   text NOT NULL,
    transfer_id blob NOT NULL,
    PRIMARY KEY (owner_id, reference)
) STRICT;
-- References of before were free to repeat: the oldest has it.
INSERT OR IGNORE INTO external_refs (owner_id, reference, transfer_id)
SELECT a.owner_id, t.external_ref, t.id FROM transfers t JOIN accounts a ON a.id = t.debit_account_id
WHERE t.external_ref IS NOT NULL ORDER BY t.position;

-- The most that may leave an account within any window of so many seconds.
CREATE TABLE account_limits (
    account_id     blob    NOT NULL,
    window_seconds integer NOT NULL CHECK (window_seconds BETWEEN 60 AND 31622400),
    most_amount    integer  CHECK (most_amount >= 0),
    most_count     integer  CHECK (most_count >= 0),
    PRIMARY KEY (account_id, window_seconds),
    CONSTRAINT account_limits_some CHECK (most_amount IS NOT NULL OR most_count IS NOT NULL)
) STRICT;
-- What has left an account with limits, by window and slice: a sixtieth of the window.
CREATE TABLE account_slices (
    account_id     blob    NOT NULL,
    window_seconds integer NOT NULL,
    slice          integer  NOT NULL,
    amount         integer  NOT NULL CHECK (amount >= 0),
    count          integer  NOT NULL CHECK (count >= 0),
    PRIMARY KEY (account_id, window_seconds, slice)
) STRICT;

-- Labels, as they are looked for.
CREATE TABLE account_labels (
    account_id blob NOT NULL,
    name       text NOT NULL,
    value      text NOT NULL,
    PRIMARY KEY (account_id, name)
) STRICT;
CREATE INDEX account_labels_value ON account_labels (name, value, account_id);
