-- By an entry, the sets that it was released or discarded with.
CREATE INDEX quarantine_set_entry_entry ON quarantine_set_entry (entry);
