-- Organisations. Several live in one installation and never see one another.
CREATE TABLE entities (
  id {SERIAL},
  name TEXT NOT NULL UNIQUE,
  siren TEXT,
  created BIGINT NOT NULL
);

-- One accepted message, for all its recipients. meta and skeleton are under the deposit key.
CREATE TABLE deposits (
  id TEXT PRIMARY KEY,
  entity BIGINT NOT NULL REFERENCES entities (id),
  account BIGINT,
  submitter TEXT NOT NULL,
  sender TEXT NOT NULL,
  sender_key TEXT NOT NULL,
  reference TEXT NOT NULL,
  idempotency {BLOB} NOT NULL,
  message_id TEXT,
  created BIGINT NOT NULL,
  size BIGINT NOT NULL,
  sha256 TEXT NOT NULL,
  sha512 TEXT NOT NULL,
  wrapped_key {BLOB},
  key_week TEXT NOT NULL,
  meta {BLOB} NOT NULL,
  skeleton {BLOB},
  skeleton_blob TEXT
);
CREATE UNIQUE INDEX deposits_idempotency ON deposits (idempotency);
CREATE UNIQUE INDEX deposits_reference ON deposits (entity, reference);
CREATE INDEX deposits_created ON deposits (entity, created, id);
CREATE INDEX deposits_sender ON deposits (entity, sender_key, created, id);

-- Stored parts of a message: decoded, encrypted, in the row or in a blob.
CREATE TABLE parts (
  deposit TEXT NOT NULL REFERENCES deposits (id),
  part BIGINT NOT NULL,
  entity BIGINT NOT NULL,
  role TEXT NOT NULL,
  size BIGINT NOT NULL,
  sha256 TEXT NOT NULL,
  sha512 TEXT NOT NULL,
  meta {BLOB} NOT NULL,
  body {BLOB},
  blob TEXT,
  PRIMARY KEY (deposit, part)
);

-- One recipient of a deposit: what policy decided, and how far it went. Times say that it happened.
CREATE TABLE consignments (
  deposit TEXT NOT NULL REFERENCES deposits (id),
  recipient BIGINT NOT NULL,
  entity BIGINT NOT NULL,
  address TEXT NOT NULL,
  address_key TEXT NOT NULL,
  language TEXT NOT NULL,
  treatment TEXT NOT NULL,
  gate TEXT NOT NULL,
  expires BIGINT NOT NULL,
  retention BIGINT NOT NULL,
  rule TEXT NOT NULL,
  phone TEXT,
  hold TEXT,
  generation BIGINT NOT NULL,
  sendings BIGINT NOT NULL DEFAULT 0,
  first_sent BIGINT,
  last_sent BIGINT,
  failed BIGINT,
  failure TEXT,
  opened BIGINT,
  downloaded BIGINT,
  revoked BIGINT,
  expired BIGINT,
  PRIMARY KEY (deposit, recipient)
);
CREATE INDEX consignments_address ON consignments (entity, address_key);
CREATE INDEX consignments_expiry ON consignments (expires) WHERE expired IS NULL;

-- What happened: canonical entries, indexed later by the sequencer. bytes and openings are NULL once pruned.
CREATE TABLE journal (
  id TEXT PRIMARY KEY,
  time BIGINT NOT NULL,
  event TEXT NOT NULL,
  entity BIGINT NOT NULL,
  deposit TEXT,
  recipient BIGINT,
  idx BIGINT,
  leaf {BLOB} NOT NULL,
  bytes {BLOB},
  openings {BLOB}
);
CREATE INDEX journal_pending ON journal (time, id) WHERE idx IS NULL;
CREATE UNIQUE INDEX journal_index ON journal (idx) WHERE idx IS NOT NULL;
CREATE INDEX journal_deposit ON journal (deposit) WHERE deposit IS NOT NULL;
CREATE INDEX journal_time ON journal (entity, time);

-- ETSI evidence of journal entries, as rendered in the transaction of the event. Never edited.
CREATE TABLE evidence (
  id TEXT PRIMARY KEY REFERENCES journal (id),
  entity BIGINT NOT NULL,
  deposit TEXT,
  recipient BIGINT,
  event TEXT NOT NULL,
  time BIGINT NOT NULL,
  xml {BLOB} NOT NULL
);
CREATE INDEX evidence_deposit ON evidence (deposit);

-- Evidence that waits for its seal; kept small so that finding work stays cheap.
CREATE TABLE evidence_pending (
  id TEXT PRIMARY KEY
);

-- Seals (detached CAdES) of evidence. Never edited.
CREATE TABLE seals (
  id TEXT PRIMARY KEY REFERENCES evidence (id),
  entity BIGINT NOT NULL,
  time BIGINT NOT NULL,
  p7s {BLOB} NOT NULL
);

-- State of the Merkle log: one row.
CREATE TABLE log_state (
  log BIGINT PRIMARY KEY,
  size BIGINT NOT NULL,
  root {BLOB} NOT NULL,
  frontier {BLOB} NOT NULL,
  fence BIGINT NOT NULL
);

-- Hash tiles of the log (C2SP tlog-tiles). A partial tile is replaced by a wider one, never edited.
CREATE TABLE tiles (
  level BIGINT NOT NULL,
  n BIGINT NOT NULL,
  width BIGINT NOT NULL,
  hashes {BLOB} NOT NULL,
  PRIMARY KEY (level, n, width)
);

-- Signed checkpoints; stamp and seal are added once.
CREATE TABLE checkpoints (
  size BIGINT PRIMARY KEY,
  time BIGINT NOT NULL,
  root {BLOB} NOT NULL,
  note {BLOB} NOT NULL,
  tst {BLOB},
  p7s {BLOB}
);
CREATE INDEX checkpoints_bare ON checkpoints (size) WHERE tst IS NULL;

-- Background jobs: one holder at a time, over all nodes; fence grows with every change of holder.
CREATE TABLE jobs (
  name TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  until BIGINT NOT NULL,
  fence BIGINT NOT NULL
);
