-- What each leader counted of a minute stands apart: after a restart the next one overwrote the first one's counts.

SET LOCAL lock_timeout = '5s';

ALTER TABLE decision_counts ADD COLUMN IF NOT EXISTS epoch bigint NOT NULL DEFAULT 0;
ALTER TABLE decision_counts DROP CONSTRAINT decision_counts_pkey;
ALTER TABLE decision_counts ADD CONSTRAINT decision_counts_pkey PRIMARY KEY (account, mode, minute, reason, epoch);
