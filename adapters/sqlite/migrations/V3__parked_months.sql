-- month: of the posting, where its books are closed, so that what stays closed is passed over without being read.
ALTER TABLE parked ADD COLUMN month INTEGER;
UPDATE parked SET month = (SELECT date / 100 * 100 + 1 FROM posting WHERE no = parked.posting) WHERE tries = 0;
CREATE INDEX parked_month ON parked (target, month, posting) WHERE month IS NOT NULL;
CREATE INDEX parked_released ON parked (target, posting) WHERE released;
