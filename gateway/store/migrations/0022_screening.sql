-- What the antivirus said of a deposit's content, once for each recipient whose mail it let pass or held back.
-- held is when the recipient's mail was held for it; that it leaves all the same is then a person's decision.
CREATE TABLE scans (
  deposit TEXT NOT NULL REFERENCES deposits (id),
  recipient BIGINT NOT NULL,
  entity BIGINT NOT NULL,
  scanned BIGINT NOT NULL,
  finding TEXT NOT NULL,
  name TEXT,
  held BIGINT,
  PRIMARY KEY (deposit, recipient)
);
