-- Who looked at or changed what: each entry sealed, and tied to all before it by its link. Numbers have no gaps.
CREATE TABLE audit (no INTEGER PRIMARY KEY, at INTEGER NOT NULL, sealed BLOB NOT NULL, link BLOB NOT NULL);

-- The entry before the first that is kept, once some were pruned, and its link. One row.
CREATE TABLE audit_start (no INTEGER NOT NULL, link BLOB NOT NULL);

-- Keyed hashes of what entries are about.
CREATE TABLE audit_subject (
    subject BLOB NOT NULL,
    entry INTEGER NOT NULL,
    PRIMARY KEY (subject, entry)
) WITHOUT ROWID;
CREATE INDEX audit_subject_entry ON audit_subject (entry);

-- Ranges of the feed that entries are about, both ends included.
CREATE TABLE audit_range (
    entry INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (entry, first, last)
) WITHOUT ROWID;
CREATE INDEX audit_range_last ON audit_range (last, first);
