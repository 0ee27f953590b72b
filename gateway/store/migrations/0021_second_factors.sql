-- Codes by SMS go to people of ours too: such a text belongs to an account, and to no consignment.
DROP INDEX sms_messages_due;
DROP INDEX sms_messages_end;
ALTER TABLE sms_messages RENAME TO sms_messages_former;
CREATE TABLE sms_messages (
  id TEXT PRIMARY KEY,
  entity BIGINT NOT NULL,
  challenge TEXT NOT NULL,
  deposit TEXT,
  recipient BIGINT,
  account BIGINT,
  phone TEXT NOT NULL,
  language TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  -- The gateway's own identifier, and what it said last.
  provider_id TEXT,
  detail TEXT
);
INSERT INTO sms_messages (id, entity, challenge, deposit, recipient, phone, language, state, attempts, next_at,
  created, expires, provider_id, detail)
  SELECT id, entity, challenge, deposit, recipient, phone, language, state, attempts, next_at, created, expires,
    provider_id, detail FROM sms_messages_former;
DROP TABLE sms_messages_former;
CREATE INDEX sms_messages_due ON sms_messages (state, next_at);
CREATE INDEX sms_messages_end ON sms_messages (expires);
