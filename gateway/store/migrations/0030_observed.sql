-- What policy would have done with each recipient's mail while rules were only observed (mode = "observe").
CREATE TABLE observed (
  deposit TEXT NOT NULL,
  recipient BIGINT NOT NULL,
  entity BIGINT NOT NULL,
  time BIGINT NOT NULL,
  treatment TEXT NOT NULL,
  rule TEXT NOT NULL,
  -- Why the message would have waited, in English and French.
  hold TEXT,
  hold_fr TEXT,
  -- When the administrator was told.
  told BIGINT,
  PRIMARY KEY (deposit, recipient)
);
CREATE INDEX observed_untold ON observed (time) WHERE told IS NULL;
CREATE INDEX observed_told ON observed (told) WHERE told IS NOT NULL;
CREATE INDEX observed_time ON observed (entity, time);
