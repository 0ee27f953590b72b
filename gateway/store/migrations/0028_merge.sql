-- An organisation that has become part of another: nothing more is written under its number, and its name is not taken
-- again. Entries of the journal keep the number they were written with; their rows belong to the successor.
ALTER TABLE entities ADD COLUMN merged_into BIGINT;
