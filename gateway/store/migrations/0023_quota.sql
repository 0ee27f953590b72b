-- Octets of a folder's own messages; copies of deposits lie with their deposit and take none.
ALTER TABLE folders ADD COLUMN stored BIGINT NOT NULL DEFAULT 0;
UPDATE folders SET stored = COALESCE(
  (SELECT SUM(m.size) FROM mails m JOIN mail_bodies b ON b.folder = m.folder AND b.uid = m.uid
   WHERE m.folder = folders.id AND (b.body IS NOT NULL OR b.blob IS NOT NULL)), 0);
