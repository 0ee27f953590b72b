-- Reports and answers that came back for a recipient, as received, under the deposit's key.
-- kind: delivery, read or other. The same bytes for the same recipient stand here once.
CREATE TABLE returned (
  id TEXT PRIMARY KEY,
  entity BIGINT NOT NULL,
  deposit TEXT NOT NULL REFERENCES deposits (id),
  recipient BIGINT NOT NULL,
  received BIGINT NOT NULL,
  kind TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  size BIGINT NOT NULL,
  body {BLOB},
  blob TEXT,
  UNIQUE (deposit, recipient, sha256)
);
CREATE INDEX returned_blob ON returned (blob) WHERE blob IS NOT NULL;
