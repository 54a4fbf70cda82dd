-- item, items: which of how many items of the body an entry is. state: 0 open, 1 released, 2 discarded; settled: when.
-- outcome: what it became, as `word:number` with spaces between, or why it was discarded.
ALTER TABLE quarantine ADD COLUMN item INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarantine ADD COLUMN items INTEGER NOT NULL DEFAULT 1;
ALTER TABLE quarantine ADD COLUMN state INTEGER NOT NULL DEFAULT 0;
ALTER TABLE quarantine ADD COLUMN settled INTEGER;
ALTER TABLE quarantine ADD COLUMN outcome TEXT;
CREATE INDEX quarantine_open ON quarantine (source, reason) WHERE state = 0;

-- Entries that were frozen for release. What is in a set never changes.
CREATE TABLE quarantine_set (no INTEGER PRIMARY KEY AUTOINCREMENT, made INTEGER NOT NULL);
CREATE TABLE quarantine_set_entry (
    no INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    PRIMARY KEY (no, entry)
) WITHOUT ROWID;
