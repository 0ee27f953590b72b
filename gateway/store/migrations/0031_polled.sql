-- How far mailboxes elsewhere have been read, and since when one of them cannot be. They belong to the server, not to one
-- of its organisations: whose a message is, the address says that it came to.
CREATE TABLE polled_mailboxes (
  name TEXT PRIMARY KEY,
  uid_validity BIGINT NOT NULL,
  uid BIGINT NOT NULL,
  failing_since BIGINT,
  failure TEXT NOT NULL
);
