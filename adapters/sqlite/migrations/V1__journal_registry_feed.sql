-- Dates are integers YYYYMMDD, months YYYYMM01, instants microseconds since 1970 in UTC, amounts øre.
-- Pseudonyms and keyed hashes have 16 bytes; sealed columns hold authenticated encryption.

CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE source (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

-- scope: 0 for the registry's key, else the source's number. key: the generation of that key.
CREATE TABLE person (
    no INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL,
    key INTEGER NOT NULL DEFAULT 1,
    pseudonym BLOB NOT NULL,
    sealed BLOB NOT NULL,
    UNIQUE (scope, pseudonym)
);

-- A fact is known by the pseudonym of its id. version, content and rank are those of its newest version.
CREATE TABLE fact (
    no INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    id BLOB NOT NULL,
    version INTEGER,
    content BLOB,
    rank INTEGER,
    UNIQUE (scope, kind, id)
);
CREATE INDEX fact_kind ON fact (kind);

-- Every version seen. became: the order in which it became its fact's newest, null if it never did.
CREATE TABLE fact_version (
    fact INTEGER NOT NULL,
    version INTEGER NOT NULL,
    content BLOB NOT NULL,
    rank INTEGER,
    became INTEGER,
    registered INTEGER,
    body BLOB,
    PRIMARY KEY (fact, version, content)
) WITHOUT ROWID;
CREATE INDEX fact_version_registered ON fact_version (registered, fact) WHERE body IS NOT NULL;

-- Which facts ever held a reference.
CREATE TABLE holds (person INTEGER NOT NULL, fact INTEGER NOT NULL, PRIMARY KEY (person, fact)) WITHOUT ROWID;
CREATE INDEX holds_fact ON holds (fact);

-- standing: 0 tagged, else the reason; solution: the fact that it is tagged with. No number is given twice, purged or not.
CREATE TABLE posting (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    source INTEGER NOT NULL,
    id TEXT NOT NULL,
    date INTEGER NOT NULL,
    account INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    registered INTEGER NOT NULL,
    standing INTEGER NOT NULL,
    citizen INTEGER,
    granted INTEGER,
    solution INTEGER,
    grouping INTEGER,
    cost_centre TEXT,
    voucher TEXT,
    reverses TEXT,
    UNIQUE (source, id)
);
-- By person, and by account where there is none: one segment of 2^14 postings after the other, so that what arrives
-- touches the few pages of the newest segment, however many postings there are. An index by person alone would write a
-- page for each posting.
CREATE INDEX posting_person ON posting (no >> 14, coalesce(citizen, granted)) WHERE coalesce(citizen, granted) IS NOT NULL;
CREATE INDEX posting_granted ON posting (no >> 14, granted) WHERE citizen IS NOT NULL AND granted IS NOT NULL;
CREATE INDEX posting_unreferenced ON posting (no >> 14, account) WHERE coalesce(citizen, granted) IS NULL;
CREATE INDEX posting_solution ON posting (solution, no) WHERE solution IS NOT NULL;
CREATE INDEX posting_reverses ON posting (source, reverses) WHERE reverses IS NOT NULL;

-- What stays of a purged posting: keyed hashes of its id and of what it said.
CREATE TABLE purged (
    source INTEGER NOT NULL,
    id BLOB NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (source, id)
) WITHOUT ROWID;

-- cause: 0 a posting, 1 a fact and its version, 2 the start, 3 a withdrawal.
CREATE TABLE feed (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    posting INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    cause INTEGER NOT NULL,
    cause_no INTEGER,
    cause_version INTEGER,
    registered INTEGER NOT NULL,
    payload BLOB
);
CREATE UNIQUE INDEX feed_posting ON feed (posting, revision);

-- No number is given twice, so that nothing of a forgotten target is taken for another's.
CREATE TABLE target (no INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, cursor INTEGER NOT NULL);

-- The newest record of a posting that a target has. change: 0 a tag, 1 an untag. stage: 0 delivered, 1 awaiting its
-- receipt, 2 accepted, 3 rejected; given: when the receipt was; receipt: what else it says, sealed.
CREATE TABLE handed (
    posting INTEGER NOT NULL,
    target INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    change INTEGER NOT NULL,
    at INTEGER NOT NULL,
    stage INTEGER NOT NULL,
    given INTEGER,
    receipt BLOB,
    PRIMARY KEY (posting, target)
) WITHOUT ROWID;
CREATE INDEX handed_awaiting ON handed (target, change, at) WHERE stage = 1;

-- Sums of what targets have. debit, credit: 128-bit sums; hash: keyed hashes of the postings' ids, added up.
CREATE TABLE shelf (
    target INTEGER NOT NULL,
    source INTEGER NOT NULL,
    month INTEGER NOT NULL,
    change INTEGER NOT NULL,
    stage INTEGER NOT NULL,
    postings INTEGER NOT NULL,
    debit BLOB NOT NULL,
    credit BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (target, source, month, change, stage)
) WITHOUT ROWID;

-- A posting's newest record that a target does not get for now. tries: how often it was refused; 0: its month is closed.
CREATE TABLE parked (
    target INTEGER NOT NULL,
    posting INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    why TEXT NOT NULL,
    since INTEGER NOT NULL,
    released INTEGER NOT NULL,
    PRIMARY KEY (target, posting)
) WITHOUT ROWID;
CREATE INDEX parked_posting ON parked (posting);
CREATE INDEX parked_refused ON parked (target, released, posting, tries) WHERE tries > 0;

-- reach: 0 a person, 1 unreferenced accounts, 2 a solution, 3 all tagged, 4 all.
CREATE TABLE work (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    reach INTEGER NOT NULL,
    a INTEGER,
    b INTEGER,
    from_date INTEGER,
    to_date INTEGER,
    cause INTEGER NOT NULL,
    cause_no INTEGER,
    cause_version INTEGER,
    after INTEGER NOT NULL DEFAULT 0,
    -- 0 decide, 1 weigh, 2 held.
    phase INTEGER NOT NULL
);
CREATE INDEX work_cause ON work (cause_no) WHERE cause = 1;

-- What facts would change that are weighed or held.
CREATE TABLE held_change (
    fact INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    since INTEGER NOT NULL,
    held INTEGER NOT NULL,
    preview BLOB NOT NULL
);

CREATE TABLE count (
    source INTEGER NOT NULL,
    month INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    items INTEGER NOT NULL,
    PRIMARY KEY (source, month, outcome)
) WITHOUT ROWID;

-- standing: -1 all as received, 0 tagged, else the reason. debit, credit, hash: as of a shelf.
CREATE TABLE balance (
    source INTEGER NOT NULL,
    month INTEGER NOT NULL,
    standing INTEGER NOT NULL,
    postings INTEGER NOT NULL,
    debit BLOB NOT NULL,
    credit BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (source, month, standing)
) WITHOUT ROWID;

-- All postings as received, by their date; it stays when they are purged. debit, credit, hash: as of a shelf.
CREATE TABLE day (
    source INTEGER NOT NULL,
    date INTEGER NOT NULL,
    postings INTEGER NOT NULL,
    debit BLOB NOT NULL,
    credit BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (source, date)
) WITHOUT ROWID;

-- body: null once it is purged; the rest stays, so that a second arrival is known.
CREATE TABLE quarantine (
    no INTEGER PRIMARY KEY,
    source INTEGER NOT NULL,
    registered INTEGER NOT NULL,
    reason TEXT NOT NULL,
    path TEXT,
    message TEXT NOT NULL,
    content BLOB NOT NULL,
    body BLOB,
    UNIQUE (source, content)
);
CREATE INDEX quarantine_registered ON quarantine (registered) WHERE body IS NOT NULL;
