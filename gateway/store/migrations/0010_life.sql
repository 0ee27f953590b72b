-- Legal holds: content under one is not destroyed. A hold that was lifted stays on record.
CREATE TABLE legal_holds (
  deposit TEXT NOT NULL REFERENCES deposits (id),
  entity BIGINT NOT NULL,
  placed BIGINT NOT NULL,
  reason TEXT NOT NULL,
  released BIGINT,
  PRIMARY KEY (deposit, placed)
);
CREATE UNIQUE INDEX legal_holds_live ON legal_holds (deposit) WHERE released IS NULL;

-- Name of the log, once it no longer follows from the key: after a restore, or when the key was replaced.
ALTER TABLE log_state ADD COLUMN origin TEXT;

-- Checkpoints of logs that a restore ended. `first` is the place, in the log of today, of the entry that was
-- their log's first: their trees are recomputed from there.
CREATE TABLE former_checkpoints (
  origin TEXT NOT NULL,
  size BIGINT NOT NULL,
  first BIGINT NOT NULL,
  time BIGINT NOT NULL,
  root {BLOB} NOT NULL,
  note {BLOB} NOT NULL,
  tst {BLOB},
  p7s {BLOB},
  PRIMARY KEY (origin, size)
);
CREATE INDEX former_checkpoints_end ON former_checkpoints (first, size);
-- Their timestamps of an authority outside (0008).
CREATE TABLE former_anchors (
  origin TEXT NOT NULL,
  size BIGINT NOT NULL,
  time BIGINT NOT NULL,
  obtained BIGINT NOT NULL,
  authority TEXT NOT NULL,
  token {BLOB} NOT NULL,
  PRIMARY KEY (origin, size)
);
