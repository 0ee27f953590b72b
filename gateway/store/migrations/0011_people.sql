-- What is remembered of the people who receive, per organisation: where codes may go, and who they are.
CREATE TABLE people (
  entity BIGINT NOT NULL,
  address_key TEXT NOT NULL,
  address TEXT NOT NULL,
  name TEXT,
  -- E.164.
  phone TEXT,
  -- Who said so: a sender's hint, an administrator.
  phone_source TEXT,
  -- The person said on the page that the number is not theirs: nothing is sent to it until it is given again.
  phone_refused BIGINT,
  -- Number of a health professional, as a rule names it: `rpps:10001234567`.
  identity TEXT,
  language TEXT,
  -- Several people read this mailbox.
  shared BOOLEAN NOT NULL,
  created BIGINT NOT NULL,
  changed BIGINT NOT NULL,
  PRIMARY KEY (entity, address_key)
);

-- OATH tokens and apps of people who receive. Secrets are sealed by a key of the key store.
CREATE TABLE otp_tokens (
  id TEXT PRIMARY KEY,
  entity BIGINT NOT NULL,
  kind TEXT NOT NULL,
  serial TEXT,
  label TEXT NOT NULL,
  algorithm TEXT NOT NULL,
  digits BIGINT NOT NULL,
  period BIGINT NOT NULL,
  secret {BLOB} NOT NULL,
  -- The least counter, or time step, whose code is still worth something.
  counter BIGINT NOT NULL,
  -- Steps by which its clock is ahead.
  drift BIGINT NOT NULL,
  -- Whose it is; without one it lies in the drawer.
  address_key TEXT,
  -- Set once a code of it was typed: before, it opens nothing.
  confirmed BIGINT,
  created BIGINT NOT NULL,
  last_used BIGINT
);
CREATE UNIQUE INDEX otp_tokens_serial ON otp_tokens (entity, serial) WHERE serial IS NOT NULL;
CREATE INDEX otp_tokens_owner ON otp_tokens (entity, address_key);

-- Codes by SMS on their way. The code is derived from the challenge and kept nowhere.
CREATE TABLE sms_messages (
  id TEXT PRIMARY KEY,
  entity BIGINT NOT NULL,
  challenge TEXT NOT NULL,
  deposit TEXT NOT NULL,
  recipient BIGINT NOT NULL,
  phone TEXT NOT NULL,
  language TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  -- The gateway's own identifier, and what it said last.
  provider_id TEXT,
  detail TEXT
);
CREATE INDEX sms_messages_due ON sms_messages (state, next_at);
CREATE INDEX sms_messages_end ON sms_messages (expires);

-- Proofs of work that were shown, until they expire: each counts once.
CREATE TABLE spent_work (
  hash {BLOB} PRIMARY KEY,
  expires BIGINT NOT NULL
);
CREATE INDEX spent_work_end ON spent_work (expires);

-- What the passed methods said about the person, JSON.
ALTER TABLE access_grant ADD COLUMN facts TEXT NOT NULL DEFAULT '[]';
