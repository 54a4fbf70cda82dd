-- Targets to which the postings of a source pass on as they came.
CREATE TABLE forwarding (target INTEGER PRIMARY KEY, source INTEGER NOT NULL);

-- What is to pass on, until the receiver has it. body: content type and bytes as they came, sealed. tag: the tag on
-- arrival, sealed; null without one, or when the consent that it rests on was withdrawn. No number is given twice.
CREATE TABLE forward (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    target INTEGER NOT NULL,
    posting INTEGER NOT NULL,
    body BLOB NOT NULL,
    tag BLOB,
    UNIQUE (posting, target)
);
CREATE INDEX forward_target ON forward (target, no);

-- passed: 0 all that arrived since the target began, 1 what the receiver has, 2 of that what lacks a part of its tag. debit, credit, hash: as of a shelf.
CREATE TABLE forwarded (
    target INTEGER NOT NULL,
    month INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    postings INTEGER NOT NULL,
    debit BLOB NOT NULL,
    credit BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (target, month, passed)
) WITHOUT ROWID;
