-- What issuers elsewhere said last of certificates that seals and timestamps here rely on. One row a certificate, by the
-- SHA-256 of its DER; kind is crl or ocsp. The newest replaces the one before: it holds for every earlier use.
CREATE TABLE revocation_values (
  certificate TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  value {BLOB} NOT NULL,
  this_update BIGINT NOT NULL,
  next_update BIGINT NOT NULL,
  fetched BIGINT NOT NULL
);
