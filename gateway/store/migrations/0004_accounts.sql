-- People who log in: senders, auditors, administrators, and the demo's outside mailboxes.
-- A login names one account in the whole installation; everything else is per entity.
CREATE TABLE accounts (
  id {SERIAL},
  entity BIGINT NOT NULL REFERENCES entities (id),
  login TEXT NOT NULL,
  login_key TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL,
  name TEXT NOT NULL,
  password TEXT,
  totp {BLOB},
  disabled BIGINT,
  created BIGINT NOT NULL,
  last_used BIGINT
);
CREATE INDEX accounts_entity ON accounts (entity, id);

-- Addresses an account may write as: its own, or those of others it acts for.
CREATE TABLE account_addresses (
  account BIGINT NOT NULL REFERENCES accounts (id),
  address_key TEXT NOT NULL,
  entity BIGINT NOT NULL,
  address TEXT NOT NULL,
  standing TEXT NOT NULL,
  PRIMARY KEY (account, address_key)
);
-- Mail for an address reaches one account.
CREATE UNIQUE INDEX account_addresses_own ON account_addresses (address_key) WHERE standing = 'own';

-- Generated passwords of mail programs. hash is keyed (pepper outside the database) over login and password.
CREATE TABLE app_passwords (
  id TEXT PRIMARY KEY,
  entity BIGINT NOT NULL,
  account BIGINT NOT NULL REFERENCES accounts (id),
  label TEXT NOT NULL,
  hash {BLOB} NOT NULL,
  scram_iterations BIGINT NOT NULL,
  scram_stored {BLOB} NOT NULL,
  scram_server {BLOB} NOT NULL,
  created BIGINT NOT NULL,
  last_used BIGINT
);
CREATE UNIQUE INDEX app_passwords_hash ON app_passwords (hash);
CREATE INDEX app_passwords_account ON app_passwords (account);

-- Folders of accounts. modseq is the highest in use (RFC 7162).
CREATE TABLE folders (
  id {SERIAL},
  entity BIGINT NOT NULL,
  account BIGINT NOT NULL REFERENCES accounts (id),
  name TEXT NOT NULL,
  special TEXT,
  subscribed BOOLEAN NOT NULL,
  uidvalidity BIGINT NOT NULL,
  uidnext BIGINT NOT NULL,
  modseq BIGINT NOT NULL,
  UNIQUE (account, name)
);

-- Messages in folders, narrow, because all of a folder's rows are read at each SELECT.
CREATE TABLE mails (
  folder BIGINT NOT NULL REFERENCES folders (id),
  uid BIGINT NOT NULL,
  entity BIGINT NOT NULL,
  modseq BIGINT NOT NULL,
  flags TEXT NOT NULL,
  seen BOOLEAN NOT NULL,
  internal_date BIGINT NOT NULL,
  size BIGINT NOT NULL,
  deposit TEXT,
  origin TEXT,
  wrapped_key {BLOB} NOT NULL,
  key_week TEXT NOT NULL,
  PRIMARY KEY (folder, uid)
);
CREATE INDEX mails_changes ON mails (folder, modseq);
CREATE INDEX mails_week ON mails (key_week);
CREATE INDEX mails_deposit ON mails (deposit) WHERE deposit IS NOT NULL;
-- Delivered once, however often it is tried.
CREATE UNIQUE INDEX mails_origin ON mails (folder, origin) WHERE origin IS NOT NULL;

-- Header block and cached structure, under the mail's key.
CREATE TABLE mail_headers (
  folder BIGINT NOT NULL,
  uid BIGINT NOT NULL,
  entity BIGINT NOT NULL,
  header {BLOB} NOT NULL,
  structure {BLOB},
  PRIMARY KEY (folder, uid)
);

-- The whole message, in the row or in a blob, under the mail's key.
CREATE TABLE mail_bodies (
  folder BIGINT NOT NULL,
  uid BIGINT NOT NULL,
  entity BIGINT NOT NULL,
  body {BLOB},
  blob TEXT,
  PRIMARY KEY (folder, uid)
);
CREATE INDEX mail_bodies_blob ON mail_bodies (blob) WHERE blob IS NOT NULL;

-- Which messages are gone, and since when, for clients that ask what changed.
CREATE TABLE mail_expunged (
  folder BIGINT NOT NULL,
  uid BIGINT NOT NULL,
  entity BIGINT NOT NULL,
  modseq BIGINT NOT NULL,
  PRIMARY KEY (folder, uid)
);
CREATE INDEX mail_expunged_changes ON mail_expunged (folder, modseq);
