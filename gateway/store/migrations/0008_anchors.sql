-- Timestamps of an authority outside over checkpoints. time is what the authority says, obtained our clock.
-- Never edited; sizes and times ascend together.
CREATE TABLE anchors (
  size BIGINT PRIMARY KEY REFERENCES checkpoints (size),
  time BIGINT NOT NULL,
  obtained BIGINT NOT NULL,
  authority TEXT NOT NULL,
  token {BLOB} NOT NULL
);
