-- Recipes stand apart from the queue: a row is changed five times on its way out, and each change would
-- write its recipe, several kilobytes, once more.
CREATE TABLE recipes (
    id TEXT PRIMARY KEY REFERENCES outbound (id),
    deposit TEXT,
    recipe {BLOB} NOT NULL
);
CREATE INDEX recipes_deposit ON recipes (deposit) WHERE deposit IS NOT NULL;
INSERT INTO recipes (id, deposit, recipe) SELECT id, deposit, recipe FROM outbound WHERE recipe IS NOT NULL;
ALTER TABLE outbound DROP COLUMN recipe;
-- Claims are looked for among rows that are due (queue/claim.rs).
DROP INDEX outbound_claims;
