-- The journal read by people, newest first, for one kind of event.
CREATE INDEX journal_event ON journal (entity, event, time);

-- A message that somebody has begun to write: one per account, under a key of its own.
CREATE TABLE drafts (
  account BIGINT PRIMARY KEY REFERENCES accounts (id),
  entity BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  wrapped_key {BLOB} NOT NULL,
  key_week TEXT NOT NULL,
  content {BLOB} NOT NULL
);
CREATE INDEX drafts_expiry ON drafts (expires);
