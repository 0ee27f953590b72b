-- Answers to requests with an Idempotency-Key, for a day. status is NULL while the request runs.
CREATE TABLE api_requests (
  account BIGINT NOT NULL,
  key_hash {BLOB} NOT NULL,
  entity BIGINT NOT NULL,
  request {BLOB} NOT NULL,
  started BIGINT NOT NULL,
  status BIGINT,
  answer TEXT,
  PRIMARY KEY (account, key_hash)
);
CREATE INDEX api_requests_age ON api_requests (started);

-- Files on their way in, before a deposit takes them. Content lies in segments under the upload's own key.
CREATE TABLE uploads (
  id TEXT PRIMARY KEY,
  entity BIGINT NOT NULL,
  account BIGINT NOT NULL,
  length BIGINT NOT NULL,
  received BIGINT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  wrapped_key {BLOB} NOT NULL,
  key_week TEXT NOT NULL,
  meta {BLOB} NOT NULL
);
CREATE INDEX uploads_account ON uploads (account, id);
CREATE INDEX uploads_expiry ON uploads (expires);
CREATE TABLE upload_segments (
  upload TEXT NOT NULL REFERENCES uploads (id),
  start BIGINT NOT NULL,
  entity BIGINT NOT NULL,
  size BIGINT NOT NULL,
  blob TEXT NOT NULL,
  PRIMARY KEY (upload, start)
);
CREATE INDEX upload_segments_blob ON upload_segments (blob);

-- The deposits of an account, newest first.
CREATE INDEX deposits_account ON deposits (entity, account, created, id);
