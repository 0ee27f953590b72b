-- Where words of the journal occur, in blocks of 1024 places of the log. A word is known by a keyed number only; those
-- of a deposit's content by one under the key of its week, so that they end with it.
CREATE TABLE journal_words (
  word BIGINT NOT NULL,
  block BIGINT NOT NULL,
  places {BLOB} NOT NULL,
  PRIMARY KEY (word, block)
){CLUSTERED};

-- Deposits whose key moved to a later week: their words are entered again.
CREATE TABLE journal_words_again (
  deposit TEXT PRIMARY KEY
);

-- Pruned places, whose words are still to be taken out.
CREATE TABLE journal_words_gone (
  first BIGINT PRIMARY KEY,
  last BIGINT NOT NULL
);
