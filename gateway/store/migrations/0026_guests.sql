-- People whom a sender writes to, in their own address book; a group is its members.
CREATE TABLE contacts (
  account BIGINT NOT NULL REFERENCES accounts (id),
  address_key TEXT NOT NULL,
  entity BIGINT NOT NULL,
  address TEXT NOT NULL,
  name TEXT,
  phone TEXT,
  identity TEXT,
  created BIGINT NOT NULL,
  changed BIGINT NOT NULL,
  PRIMARY KEY (account, address_key)
);
CREATE TABLE contact_groups (
  account BIGINT NOT NULL REFERENCES accounts (id),
  name_key TEXT NOT NULL,
  address_key TEXT NOT NULL,
  entity BIGINT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (account, name_key, address_key)
);

-- Somebody outside may deposit files for one of our people, once. The link is derived; its hash stands here.
CREATE TABLE invitations (
  id TEXT PRIMARY KEY,
  entity BIGINT NOT NULL,
  account BIGINT NOT NULL REFERENCES accounts (id),
  kind TEXT NOT NULL,
  token_hash {BLOB} NOT NULL UNIQUE,
  browser {BLOB},
  address TEXT NOT NULL,
  deposit TEXT,
  recipient BIGINT,
  language TEXT NOT NULL,
  most BIGINT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  kept BIGINT NOT NULL,
  ended BIGINT,
  made TEXT,
  wrapped_key {BLOB} NOT NULL,
  key_week TEXT NOT NULL,
  content {BLOB} NOT NULL
);
CREATE INDEX invitations_account ON invitations (account, created);
CREATE INDEX invitations_deposit ON invitations (deposit, recipient);
CREATE INDEX invitations_kept ON invitations (kept);

-- A guest's files belong to their invitation and count for it.
ALTER TABLE uploads ADD COLUMN invitation TEXT NOT NULL DEFAULT '';
CREATE INDEX uploads_invitation ON uploads (invitation);

-- Several drafts of an account, and for a while those that left: a form sent twice is known again.
ALTER TABLE drafts RENAME TO drafts_before;
DROP INDEX drafts_expiry;
CREATE TABLE drafts (
  id TEXT PRIMARY KEY,
  account BIGINT NOT NULL REFERENCES accounts (id),
  entity BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  wrapped_key {BLOB} NOT NULL,
  key_week TEXT NOT NULL,
  content {BLOB} NOT NULL,
  form {BLOB},
  sent TEXT
);
INSERT INTO drafts (id, account, entity, updated, expires, wrapped_key, key_week, content)
  SELECT '00000000-0000-7000-8000-' ||
    substr('000000000000' || CAST(account AS TEXT), length(CAST(account AS TEXT)) + 1),
    account, entity, updated, expires, wrapped_key, key_week, content FROM drafts_before;
DROP TABLE drafts_before;
CREATE INDEX drafts_account ON drafts (account, updated);
CREATE INDEX drafts_expiry ON drafts (expires);
