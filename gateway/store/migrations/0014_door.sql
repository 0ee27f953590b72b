-- What recipients say at the door.
ALTER TABLE consignments ADD COLUMN declined BIGINT;
ALTER TABLE consignments ADD COLUMN acknowledged BIGINT;
-- Reminders that were queued.
ALTER TABLE consignments ADD COLUMN reminders BIGINT NOT NULL DEFAULT 0;

-- One word of a recipient to the sender. What was written is sealed under the deposit's key.
CREATE TABLE recipient_notes (
  id TEXT PRIMARY KEY,
  entity BIGINT NOT NULL,
  deposit TEXT NOT NULL REFERENCES deposits (id),
  recipient BIGINT NOT NULL,
  -- not-for-me, declined, extension, colleague, acknowledged
  kind TEXT NOT NULL,
  sealed {BLOB} NOT NULL,
  created BIGINT NOT NULL,
  -- Where the sender may answer by a link of the mail: SHA-256 of its token, its end, the answer.
  hash {BLOB},
  expires BIGINT,
  answered BIGINT,
  answer TEXT
);
CREATE UNIQUE INDEX recipient_notes_hash ON recipient_notes (hash);
CREATE INDEX recipient_notes_consignment ON recipient_notes (deposit, recipient, kind, created);

-- When to remind a recipient who has not opened. `after` is in microseconds, from the deposit on, or, where it is
-- negative, back from the end of access.
CREATE TABLE reminders (
  deposit TEXT NOT NULL REFERENCES deposits (id),
  recipient BIGINT NOT NULL,
  place BIGINT NOT NULL,
  entity BIGINT NOT NULL,
  after BIGINT NOT NULL,
  due BIGINT NOT NULL,
  -- Queued, or found to be no longer needed.
  done BIGINT,
  PRIMARY KEY (deposit, recipient, place)
);
CREATE INDEX reminders_due ON reminders (due) WHERE done IS NULL;

-- Telephones that answer QR codes (tiqr): one for each person at most. `subject` says whose: an address or an
-- account. The secret is sealed by the key store.
CREATE TABLE tiqr_phones (
  id TEXT PRIMARY KEY,
  entity BIGINT NOT NULL,
  subject TEXT NOT NULL,
  secret {BLOB} NOT NULL,
  enrolled BIGINT NOT NULL,
  -- By which methods the person had shown who they are.
  vouched TEXT NOT NULL,
  failures BIGINT NOT NULL,
  blocks BIGINT NOT NULL,
  blocked BIGINT,
  used BIGINT
);
CREATE UNIQUE INDEX tiqr_phones_subject ON tiqr_phones (entity, subject);

-- Enrolments under way. Keys only as keyed hashes.
CREATE TABLE tiqr_enrolments (
  key {BLOB} PRIMARY KEY,
  secret {BLOB},
  browser {BLOB} NOT NULL,
  entity BIGINT NOT NULL,
  subject TEXT NOT NULL,
  name TEXT NOT NULL,
  phone TEXT NOT NULL,
  vouched TEXT NOT NULL,
  -- The address for the QR code, sealed, until a phone has fetched it.
  sealed {BLOB},
  status BIGINT NOT NULL,
  expires BIGINT NOT NULL
);
CREATE UNIQUE INDEX tiqr_enrolments_secret ON tiqr_enrolments (secret);
CREATE INDEX tiqr_enrolments_browser ON tiqr_enrolments (browser);

-- Challenges under way.
CREATE TABLE tiqr_sessions (
  key {BLOB} PRIMARY KEY,
  browser {BLOB} NOT NULL,
  entity BIGINT NOT NULL,
  -- Whose phone must answer; NULL where the phone says whose it is.
  subject TEXT,
  -- Session key and challenge, sealed; gone once answered.
  sealed {BLOB},
  -- At whose door, where it is a recipient's.
  deposit TEXT,
  recipient BIGINT,
  phone TEXT,
  passed BIGINT,
  expires BIGINT NOT NULL
);
CREATE INDEX tiqr_sessions_browser ON tiqr_sessions (browser);

-- What became of a code's mail: which host took it or refused it, and when.
CREATE TABLE code_deliveries (
  challenge TEXT PRIMARY KEY,
  accepted BIGINT NOT NULL,
  host TEXT NOT NULL,
  at BIGINT NOT NULL
);
