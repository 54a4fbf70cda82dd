//! What targets get of a town, as a tag and as its end: for whoever writes records.

use samspor_domain::{Cause, Change, LedgerRecord, LisRecord, PostingNo, Pseudonym, Record, Text};

use crate::{Expectation, Expected};

impl Expected {
    /// Of every posting that must be tagged what a ledger and an LIS get, and what they get when the tag is taken off.
    /// Vouchers and pseudonyms are made up, and every third record has none where it may have none.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let tagged = self.tagged().enumerate();
        tagged.flat_map(|(no, (source, expectation))| {
            let (ledger, lis) = (ledger(no, source, expectation), lis(no, source, expectation));
            let no_ledger = LedgerRecord { change: Change::Untag, tag: None, revision: 2, ..ledger.clone() };
            let no_lis = LisRecord {
                change: Change::Untag,
                tag: None,
                revision: 2,
                family: None,
                citizen: None,
                ..lis.clone()
            };
            [Record::Ledger(ledger), Record::Ledger(no_ledger), Record::Lis(lis), Record::Lis(no_lis)]
        })
    }
}

fn ledger(no: usize, source: &str, expectation: &Expectation) -> LedgerRecord {
    LedgerRecord {
        source: text(source),
        posting: text(&expectation.id),
        revision: 1,
        change: Change::Tag,
        date: expectation.date,
        account: expectation.account,
        amount: expectation.amount,
        voucher: (!no.is_multiple_of(3)).then(|| text(&format!("2026-{no:06}"))),
        tag: expectation.answer.tag().cloned(),
        cause: Cause::Posting(PostingNo(1)),
        registered: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn lis(no: usize, source: &str, expectation: &Expectation) -> LisRecord {
    let pseudonym = |what: u128| Pseudonym((what << 64 | no as u128).to_be_bytes());
    LisRecord {
        source: text(source),
        posting: pseudonym(1),
        family: (!no.is_multiple_of(3)).then(|| pseudonym(2)),
        citizen: (!no.is_multiple_of(3)).then(|| pseudonym(3)),
        revision: 1,
        change: Change::Tag,
        year: expectation.date.year(),
        month: expectation.date.month(),
        account: expectation.account,
        amount: expectation.amount,
        tag: expectation.answer.tag().cloned(),
    }
}

fn text(text: &str) -> Text {
    Text::new(text).unwrap_or_else(|error| unreachable!("the town's ids are short: {error}"))
}
