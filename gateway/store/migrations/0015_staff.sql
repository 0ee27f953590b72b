-- Sessions of people who log in to the web application. Of the cookie only SHA-256 is kept.
CREATE TABLE staff_sessions (
  hash {BLOB} PRIMARY KEY,
  -- Names the session in lists, where its hash has no business.
  id TEXT NOT NULL UNIQUE,
  entity BIGINT NOT NULL,
  account BIGINT NOT NULL REFERENCES accounts (id),
  created BIGINT NOT NULL,
  seen BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  -- Methods passed, in order, separated by blanks; and when the last of them was.
  passed TEXT NOT NULL,
  proved BIGINT NOT NULL,
  network TEXT,
  agent TEXT
);
CREATE INDEX staff_sessions_account ON staff_sessions (account, seen);
CREATE INDEX staff_sessions_end ON staff_sessions (expires);

-- Codes on their way to a person of ours. The code itself is derived from the id and kept nowhere.
CREATE TABLE staff_challenges (
  id TEXT PRIMARY KEY,
  entity BIGINT NOT NULL,
  account BIGINT NOT NULL REFERENCES accounts (id),
  purpose TEXT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  max_tries BIGINT NOT NULL,
  sent BIGINT NOT NULL,
  sendings BIGINT NOT NULL,
  answered BIGINT
);
CREATE INDEX staff_challenges_live ON staff_challenges (account, purpose, created);

-- What is known of an account's person beside login and name. Without a row, mail about the account goes to
-- its login; with one whose contact is NULL, no address is on file.
CREATE TABLE account_profiles (
  account BIGINT PRIMARY KEY REFERENCES accounts (id),
  entity BIGINT NOT NULL,
  access_code TEXT,
  access_key TEXT UNIQUE,
  civility TEXT,
  contact TEXT,
  phone TEXT
);

-- Links to set a password. Derived from the id, used once, kept as SHA-256.
CREATE TABLE account_links (
  hash {BLOB} PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  entity BIGINT NOT NULL,
  account BIGINT NOT NULL REFERENCES accounts (id),
  purpose TEXT NOT NULL,
  address TEXT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  ended BIGINT
);
CREATE INDEX account_links_account ON account_links (account, created);

-- What a person asked for without being able to prove who they are: an administrator decides.
CREATE TABLE account_requests (
  id TEXT PRIMARY KEY,
  entity BIGINT NOT NULL,
  account BIGINT NOT NULL REFERENCES accounts (id),
  kind TEXT NOT NULL,
  contact TEXT,
  phone TEXT,
  created BIGINT NOT NULL,
  decided BIGINT,
  approved BOOLEAN,
  decider BIGINT
);
CREATE INDEX account_requests_open ON account_requests (entity, decided, created);

-- Codes on paper for the day the second factor is lost.
CREATE TABLE account_backup_codes (
  account BIGINT NOT NULL REFERENCES accounts (id),
  hash {BLOB} NOT NULL,
  entity BIGINT NOT NULL,
  created BIGINT NOT NULL,
  used BIGINT,
  PRIMARY KEY (account, hash)
);

-- Bearer tokens of programs that use the API.
CREATE TABLE api_tokens (
  id TEXT PRIMARY KEY,
  entity BIGINT NOT NULL,
  account BIGINT NOT NULL REFERENCES accounts (id),
  label TEXT NOT NULL,
  hash {BLOB} NOT NULL UNIQUE,
  scopes TEXT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT,
  last_used BIGINT
);
CREATE INDEX api_tokens_account ON api_tokens (account, created);

-- What an app password is good for, until when, and where it was used last.
ALTER TABLE app_passwords ADD COLUMN scope TEXT NOT NULL DEFAULT 'smtp imap';
ALTER TABLE app_passwords ADD COLUMN expires BIGINT;
ALTER TABLE app_passwords ADD COLUMN last_network TEXT;

-- The latest time step whose code was used (RFC 6238 section 5.2), and who goes on after a leaver.
ALTER TABLE accounts ADD COLUMN totp_step BIGINT;
ALTER TABLE accounts ADD COLUMN heir BIGINT;
