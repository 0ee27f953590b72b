-- What became of TLS with domains' own servers, until the day's report (RFC 8460): sessions of one kind, counted.
-- They belong to the server, not to one of its organisations; so does what follows.
CREATE TABLE tls_results (
  day BIGINT NOT NULL,
  domain TEXT NOT NULL,
  policy TEXT NOT NULL,
  fault TEXT NOT NULL,
  mx TEXT NOT NULL,
  ip TEXT NOT NULL,
  sessions BIGINT NOT NULL,
  PRIMARY KEY (day, domain, policy, fault, mx, ip)
);

-- Troubles that last, and when the administrator was last told of each.
CREATE TABLE alerts (
  trouble TEXT PRIMARY KEY,
  since BIGINT NOT NULL,
  told BIGINT NOT NULL
);

-- When something that has to be done now and then was done last.
CREATE TABLE chores (
  name TEXT PRIMARY KEY,
  done BIGINT NOT NULL
);
