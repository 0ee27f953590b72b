-- Cards: one row for each time somebody goes to the card listener, until they are back. Tickets and the browser's
-- cookie only as SHA-256.
CREATE TABLE card_tickets (
  start {BLOB} PRIMARY KEY,
  entity BIGINT NOT NULL,
  -- The consignment whose gate is taken …
  deposit TEXT,
  recipient BIGINT,
  generation BIGINT,
  -- … or the account that binds a card; with neither, somebody of ours logs in.
  account BIGINT,
  browser {BLOB} NOT NULL,
  -- Cards refused so far.
  refused BIGINT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  -- Once a card was accepted: the ticket that leads back, what the card said, and the end of that ticket.
  back {BLOB},
  facts TEXT,
  back_expires BIGINT,
  used BIGINT
);
CREATE UNIQUE INDEX card_tickets_back ON card_tickets (back);
CREATE INDEX card_tickets_end ON card_tickets (expires);

-- National identifiers with which people of ours log in. Cards are renewed, identifiers stay.
CREATE TABLE account_cards (
  entity BIGINT NOT NULL,
  identity TEXT NOT NULL,
  account BIGINT NOT NULL,
  name TEXT NOT NULL,
  bound BIGINT NOT NULL,
  PRIMARY KEY (entity, identity)
);
CREATE INDEX account_cards_account ON account_cards (account);

-- Identity that the rule wants the gate to establish: `rpps:10001234567`.
ALTER TABLE consignments ADD COLUMN identity TEXT;
