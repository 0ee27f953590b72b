-- Evidence waits by organisation, so that one whose key fails keeps nobody else's from its seal.
CREATE TABLE evidence_waiting (
  entity BIGINT NOT NULL,
  id TEXT NOT NULL,
  PRIMARY KEY (entity, id)
);
INSERT INTO evidence_waiting (entity, id) SELECT e.entity, e.id FROM evidence_pending p JOIN evidence e ON e.id = p.id;
DROP TABLE evidence_pending;

-- How far the clock is believed: one row. Until an installation has journaled something it has none.
CREATE TABLE believed_time (
  one BIGINT PRIMARY KEY,
  time BIGINT NOT NULL
);
INSERT INTO believed_time (one, time) SELECT 1, MAX(time) FROM journal HAVING COUNT(*) > 0;
