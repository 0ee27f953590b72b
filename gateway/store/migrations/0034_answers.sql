-- A reply is treated as what it answers, found by its Message-ID.
CREATE INDEX deposits_message ON deposits (message_id) WHERE message_id IS NOT NULL;
