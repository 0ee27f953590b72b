-- Links, challenges and sessions of recipients. No token, code or cookie is ever stored: only SHA-256.

CREATE TABLE tokens (
    hash {BLOB} PRIMARY KEY,
    entity BIGINT NOT NULL,
    deposit TEXT NOT NULL,
    recipient BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    created BIGINT NOT NULL,
    -- Set when this link alone was withdrawn; the consignment's own state is kept beside it.
    revoked BIGINT
);
CREATE UNIQUE INDEX tokens_generation ON tokens (deposit, recipient, generation);

-- Last minute in which a fetch of this link was journaled (fetches are coalesced per link and minute).
CREATE TABLE access_fetch (
    hash {BLOB} PRIMARY KEY,
    minute BIGINT NOT NULL
);

CREATE TABLE access_challenge (
    id TEXT PRIMARY KEY,
    entity BIGINT NOT NULL,
    deposit TEXT NOT NULL,
    recipient BIGINT NOT NULL,
    method TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    max_tries BIGINT NOT NULL,
    answered BIGINT,
    -- What the recipient's mail server (or the SMS gateway) said to the last sending.
    reply TEXT
);
CREATE INDEX access_challenge_live ON access_challenge (deposit, recipient, method, created);

-- One row per sending, for the limit of sendings per hour and the pause between two.
CREATE TABLE access_sending (
    id TEXT PRIMARY KEY,
    entity BIGINT NOT NULL,
    challenge TEXT NOT NULL,
    deposit TEXT NOT NULL,
    recipient BIGINT NOT NULL,
    method TEXT NOT NULL,
    sent BIGINT NOT NULL
);
CREATE INDEX access_sending_recent ON access_sending (deposit, recipient, method, sent);

-- Verifiers that a method keeps for one consignment (the message's password, as Argon2id).
CREATE TABLE access_secret (
    deposit TEXT NOT NULL,
    recipient BIGINT NOT NULL,
    method TEXT NOT NULL,
    entity BIGINT NOT NULL,
    verifier TEXT NOT NULL,
    PRIMARY KEY (deposit, recipient, method)
);

-- A browser that passed a step of the gate, for one consignment.
CREATE TABLE access_grant (
    hash {BLOB} PRIMARY KEY,
    entity BIGINT NOT NULL,
    deposit TEXT NOT NULL,
    recipient BIGINT NOT NULL,
    -- Methods passed, in order, separated by blanks.
    passed TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    opened BIGINT,
    closed BIGINT
);
CREATE INDEX access_grant_consignment ON access_grant (deposit, recipient);

-- Bytes of a file that were sent under one grant: disjoint spans, coalesced.
CREATE TABLE access_span (
    hash {BLOB} NOT NULL,
    part BIGINT NOT NULL,
    first BIGINT NOT NULL,
    past BIGINT NOT NULL,
    PRIMARY KEY (hash, part, first)
);

-- What was journaled of a file under one grant: looked at, handed over whole.
CREATE TABLE access_file (
    hash {BLOB} NOT NULL,
    part BIGINT NOT NULL,
    entity BIGINT NOT NULL,
    tracked BIGINT,
    completed BIGINT,
    PRIMARY KEY (hash, part)
);

-- Counters against floods, per key and window (addresses only as keyed hashes).
CREATE TABLE access_rate (
    key {BLOB} NOT NULL,
    start BIGINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (key, start)
);
CREATE INDEX access_rate_start ON access_rate (start);
