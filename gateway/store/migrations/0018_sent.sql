-- Deposits whose copy was put into their sender's Sent folder, once each, even if the sender deletes it there.
-- keywords is what was set on it so far, proof names the message that shows its evidence.
CREATE TABLE sent_copies (
  deposit TEXT PRIMARY KEY REFERENCES deposits (id),
  entity BIGINT NOT NULL,
  account BIGINT NOT NULL REFERENCES accounts (id),
  message_id TEXT,
  created BIGINT NOT NULL,
  keywords TEXT NOT NULL,
  proof TEXT
);
CREATE INDEX sent_copies_message ON sent_copies (account, message_id) WHERE message_id IS NOT NULL;

-- Up to when an account's deposits were looked through for copies.
CREATE TABLE sent_looked (
  account BIGINT PRIMARY KEY REFERENCES accounts (id),
  entity BIGINT NOT NULL,
  until BIGINT NOT NULL
);

-- How far in the log those who follow it have come.
CREATE TABLE followers (
  name TEXT PRIMARY KEY,
  position BIGINT NOT NULL
);
