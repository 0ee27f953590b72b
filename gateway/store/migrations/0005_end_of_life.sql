-- What the end of content looks for (store/src/endoflife.rs): living content by week, access that ends
-- (instead of all that has no expiry recorded, which grows for ever), and who names a blob.
CREATE INDEX deposits_week ON deposits (key_week, id) WHERE wrapped_key IS NOT NULL;
CREATE INDEX deposits_blob ON deposits (skeleton_blob) WHERE skeleton_blob IS NOT NULL;
CREATE INDEX parts_blob ON parts (blob) WHERE blob IS NOT NULL;
DROP INDEX consignments_expiry;
CREATE INDEX consignments_ending ON consignments (expires, deposit, recipient)
  WHERE expired IS NULL AND revoked IS NULL AND treatment IN ('link', 'notify');
