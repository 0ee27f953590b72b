-- Sign-ins at OpenID Connect providers that are under way. Of the state only SHA-256 is kept; nonce and code
-- verifier follow from it and stand nowhere.
CREATE TABLE federated_requests (
  hash {BLOB} PRIMARY KEY,
  -- The organisation, where one is known before the person is.
  entity BIGINT,
  provider TEXT NOT NULL,
  -- `door`, `login` or `bind`.
  purpose TEXT NOT NULL,
  -- SHA-256 of what the browser carries.
  browser {BLOB} NOT NULL,
  deposit TEXT,
  recipient BIGINT,
  generation BIGINT,
  account BIGINT,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  used BIGINT,
  -- Backchannel: the digits on both screens, the provider's name of the request and what was learned (both sealed),
  -- when it may be asked about again and after how many seconds, and why it failed.
  binding TEXT,
  request {BLOB},
  poll_after BIGINT,
  pause BIGINT,
  person {BLOB},
  failed TEXT
);
CREATE INDEX federated_requests_end ON federated_requests (expires);

-- Whose account a provider's subject is. E-mail addresses change hands; subjects do not.
CREATE TABLE federated_subjects (
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  entity BIGINT NOT NULL,
  account BIGINT NOT NULL REFERENCES accounts (id),
  created BIGINT NOT NULL,
  PRIMARY KEY (issuer, subject)
);
CREATE INDEX federated_subjects_account ON federated_subjects (account);

-- What logging out at a provider takes: its token, sealed, found by a cookie's SHA-256.
CREATE TABLE federated_logouts (
  hash {BLOB} PRIMARY KEY,
  provider TEXT NOT NULL,
  token {BLOB} NOT NULL,
  expires BIGINT NOT NULL
);
CREATE INDEX federated_logouts_end ON federated_logouts (expires);
