-- Outgoing mail: one row per message to one recipient, codes and receipts included.
-- States: compose -> ready -> sent | failed; held and dropped by a person or for want of a route.
-- A claim is a lease: whoever holds it works on the row until claimed_until.
CREATE TABLE outbound (
    id            TEXT PRIMARY KEY,
    entity        BIGINT NOT NULL,
    deposit       TEXT,
    recipient     INTEGER,
    priority      INTEGER NOT NULL,
    spec          TEXT NOT NULL,
    envelope_from TEXT NOT NULL,
    rcpt          TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('compose', 'ready', 'sent', 'failed', 'held', 'dropped')),
    attempts      INTEGER NOT NULL DEFAULT 0,
    next_at       BIGINT NOT NULL,
    created       BIGINT NOT NULL,
    claimed_by    TEXT,
    claimed_until BIGINT,
    recipe        {BLOB},
    size          BIGINT,
    sha256        TEXT,
    last_reply    TEXT
);
-- What is due, in the order it leaves; finished rows are not in it.
CREATE INDEX outbound_due ON outbound (state, priority, next_at) WHERE state IN ('compose', 'ready');
CREATE INDEX outbound_deposit ON outbound (deposit, recipient);
CREATE INDEX outbound_claims ON outbound (claimed_by) WHERE claimed_by IS NOT NULL;
