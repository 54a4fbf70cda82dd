-- key, generation: the generation of keys whose cover lies over the keyed hashes of a row (of a fact, also over those of its versions).
ALTER TABLE fact ADD COLUMN key INTEGER NOT NULL DEFAULT 1;
ALTER TABLE purged ADD COLUMN key INTEGER NOT NULL DEFAULT 1;
ALTER TABLE quarantine ADD COLUMN key INTEGER NOT NULL DEFAULT 1;
ALTER TABLE filter_key ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;
ALTER TABLE audit_subject ADD COLUMN key INTEGER NOT NULL DEFAULT 1;
