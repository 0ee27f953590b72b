-- Where an account comes from, when another system rules it: `directory:NAME`, or `scim`.
ALTER TABLE accounts ADD COLUMN source TEXT;
-- Its identifier there.
ALTER TABLE accounts ADD COLUMN external_id TEXT;
-- The person who answers for an application or a copier.
ALTER TABLE accounts ADD COLUMN owner BIGINT;
CREATE INDEX accounts_source ON accounts (entity, source, id) WHERE source IS NOT NULL;

-- Groups that another system keeps here. Some of them give a role.
CREATE TABLE provisioned_groups (
  id TEXT PRIMARY KEY,
  entity BIGINT NOT NULL,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  external_id TEXT,
  created BIGINT NOT NULL,
  changed BIGINT NOT NULL,
  UNIQUE (entity, name_key)
);
CREATE TABLE provisioned_members (
  team TEXT NOT NULL REFERENCES provisioned_groups (id),
  account BIGINT NOT NULL REFERENCES accounts (id),
  entity BIGINT NOT NULL,
  PRIMARY KEY (team, account)
);
CREATE INDEX provisioned_members_account ON provisioned_members (account);
