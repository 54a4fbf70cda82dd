-- By what readers filter: a keyed hash of it, and itself, sealed. A row stays when nothing is tagged so any more.
CREATE TABLE filter_key (no INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, sealed BLOB NOT NULL);

-- Sums of the postings that are tagged now, by what readers filter them by; no row where there are none. debit, credit, hash: as of a shelf.
CREATE TABLE tagged (
    source INTEGER NOT NULL,
    month INTEGER NOT NULL,
    filter_key INTEGER NOT NULL,
    postings INTEGER NOT NULL,
    debit BLOB NOT NULL,
    credit BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (source, month, filter_key)
) WITHOUT ROWID;
