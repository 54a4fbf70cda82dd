//! Retention by chance: corpora arrive in any order and are purged at any moment. Nothing in use is lost, what is purged
//! is in no file, and a full extract sent again changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use rusqlite::types::Value;
use samspor_conformance::evaluate::{Evaluation, Knowledge};
use samspor_conformance::{Content, Corpus, Item, Script, Size, Step};
use samspor_domain::store::{Count, PostingRow, Standing};
use samspor_domain::{
    Answer, Decode, Delivery, Fault, Message, PostingNo, Reason, Seq, SourceName, Tag, Text, Untagged,
    follows,
};
use samspor_engine::{Became, Intake, Permissions, Prepared};

use crate::stage::{Stage, instant, text};

const DAYS: u32 = 30;
const TARGET: &str = "ledger";

/// A corpus whose postings' ids are found in no other text.
fn corpus(seed: u64, posting_conflicts: bool) -> Corpus {
    let mut corpus = Corpus::random(seed, Size { posting_conflicts, ..Size::of(150) });
    let long = |id: &Text| text(&format!("posting {id} by chance"));
    for item in &mut corpus.items {
        if let Content::Message(message) = &mut item.content
            && let Message::Posting(posting) = &mut **message
        {
            posting.id = long(&posting.id);
            posting.reverses = posting.reverses.as_ref().map(long);
        }
    }
    corpus
}

/// What the journal holds, by posting.
type Journal = BTreeMap<PostingNo, (PostingRow, Option<Tag>)>;

struct Player<'a> {
    stage: Stage,
    corpus: &'a Corpus,
    slice: usize,
    days: u32,
    clock: Timestamp,
    arrived: BTreeSet<usize>,
    /// Up to where the target has everything.
    passed: i64,
    /// Bytes that were purged.
    gone: Vec<Vec<u8>>,
    purged_postings: usize,
    /// How many postings came to the journal, and their sum in øre.
    came: (i64, i128),
}

impl<'a> Player<'a> {
    fn new(corpus: &'a Corpus, slice: usize, days: u32) -> Self {
        let clock = instant("2026-01-30T22:30:00Z");
        let (stage, arrived, gone) = (Stage::new(), BTreeSet::new(), Vec::new());
        let mut player = Self {
            stage,
            corpus,
            slice,
            days,
            clock,
            arrived,
            passed: 0,
            gone,
            purged_postings: 0,
            came: (0, 0),
        };
        player.open(0);
        player.stage.advance(TARGET, 0);
        player
    }

    fn open(&mut self, charts: usize) {
        self.stage.open(self.corpus.charts[charts].clone(), self.slice, Some(self.days));
    }

    fn take(&mut self, items: &[usize]) -> Vec<Became> {
        let prepared: Vec<Prepared> = items.iter().map(|&i| prepare(i, &self.corpus.items[i])).collect();
        let clock = self.clock;
        self.arrived.extend(items);
        let became = self.stage.core().take_in(&prepared, clock).expect("they are taken in");
        for (i, became) in items.iter().zip(&became) {
            if let (Became::Posting, Some(Message::Posting(posting))) =
                (became, message(&self.corpus.items[*i]))
            {
                self.came = (self.came.0 + 1, self.came.1 + i128::from(posting.amount.ore()));
            }
        }
        became
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Take(items) => {
                self.take(items);
            }
            Step::Work(slices) => {
                for _ in 0..*slices {
                    self.stage.core().work(self.clock).expect("work goes on");
                    self.purge_a_slice();
                }
            }
            Step::Finish => {
                self.stage.finish(self.clock);
                self.purge();
            }
            Step::Open(charts) => self.open(*charts),
            Step::Read(_, limit) => {
                let records =
                    self.stage.core().store().newest_after(Seq(self.passed), *limit).expect("records");
                self.passed = records.last().map_or(self.passed, |(record, _)| record.seq.0);
                self.stage.advance(TARGET, self.passed);
            }
            Step::Wait(seconds) => self.clock += SignedDuration::from_secs(*seconds),
        }
    }

    fn journal(&mut self) -> Journal {
        self.stage.journal().into_iter().map(|(row, tag)| (row.no, (row, tag))).collect()
    }

    /// What was registered up to then has been kept for long enough.
    fn until(&self) -> Timestamp {
        match self.days {
            0 => Timestamp::MAX,
            days => self.clock - SignedDuration::from_hours(24 * i64::from(days)),
        }
    }

    /// Purges one slice, and looks at what that did.
    fn purge_a_slice(&mut self) {
        let (clock, has_work) = (self.clock, self.stage.core().store().pending_work().expect("work") > 0);
        self.watch(|stage| {
            let left = stage.core().purge(clock).expect("purging goes on");
            while !stage.core().scrub(jiff::Timestamp::UNIX_EPOCH).expect("the files are scrubbed") {}
            assert!(!(left && has_work), "it waits for the work list");
        });
    }

    /// Purges all that is due, and looks at what that did and did not do.
    fn purge(&mut self) {
        let (clock, until) = (self.clock, self.until());
        self.watch(|stage| {
            stage.purge(clock);
        });
        let journal = self.journal();
        let goes = |row: &PostingRow| {
            row.standing == Standing::Untagged(Untagged::NotConsented) && row.registered <= until
        };
        for chain in chains(&journal) {
            let passed = chain.iter().all(|row| self.newest(row.no) <= self.passed);
            let is_somebodys = chain.iter().any(|row| row.posting.reference().is_some());
            let should_be_gone = is_somebodys && passed && chain.iter().all(goes);
            assert!(!should_be_gone, "{:?} is still there", chain[0].posting.id);
        }
        let store = self.stage.core().store();
        let kept = store.quarantine(usize::MAX).expect("quarantine");
        assert!(kept.iter().all(|entry| entry.registered > until), "what lies in quarantine is purged too");
    }

    fn newest(&mut self, no: PostingNo) -> i64 {
        let record = self.stage.core().store().newest_record(no).expect("a record");
        record.map_or(0, |record| record.seq.0)
    }

    /// Lets something be purged, and looks at what that did.
    fn watch(&mut self, purge: impl FnOnce(&mut Stage)) {
        let until = self.until();
        let (journal, bytes, sums) = (self.journal(), self.bytes(), self.sums());
        let newest: BTreeMap<PostingNo, i64> = journal.keys().map(|no| (*no, self.newest(*no))).collect();
        let seq = self.stage.core().store().last_seq().expect("seq");
        purge(&mut self.stage);

        let after = self.journal();
        for (no, posting) in &after {
            assert_eq!(journal.get(no), Some(posting), "what is left stands as it stood");
        }
        let whole = chains(&journal);
        let gone = |row: &PostingRow| !after.contains_key(&row.no);
        for chain in whole.iter().filter(|chain| chain.iter().any(gone)) {
            assert!(chain.iter().any(|row| row.posting.reference().is_some()), "nobody's postings stay");
            for row in chain {
                assert_eq!(
                    row.standing,
                    Standing::Untagged(Untagged::NotConsented),
                    "nothing in use is purged"
                );
                assert!(row.registered <= until, "nothing young is purged");
                assert!(newest[&row.no] <= self.passed, "nothing is purged that the target has not got");
                // Only what is longer than a slice goes bit by bit.
                assert!(gone(row) || chain.len() > self.slice, "what takes one answer goes together");
            }
        }
        self.purged_postings += journal.len() - after.len();
        assert_eq!(self.sums(), sums, "balances and counts survive");
        assert_eq!(self.stage.core().store().last_seq().expect("seq"), seq, "no number is given twice");

        // What is gone is in no file.
        let mut needles: Vec<Vec<u8>> = bytes.difference(&self.bytes()).cloned().collect();
        self.gone.extend(needles.iter().filter(|bytes| bytes.len() > 16).cloned());
        let named: BTreeSet<&Text> =
            after.values().filter_map(|(row, _)| row.posting.reverses.as_ref()).collect();
        let ids = journal.values().map(|(row, _)| row).filter(|row| gone(row)).map(|row| &row.posting.id);
        let elsewhere: BTreeSet<&Text> = after.values().map(|(row, _)| &row.posting.id).collect();
        let ids = ids.filter(|id| !named.contains(id) && !elsewhere.contains(id));
        needles.extend(ids.map(|id| id.as_str().as_bytes().to_vec()));
        self.stage.holds_none_of(&needles);

        let unused = "SELECT no FROM person WHERE no NOT IN (SELECT person FROM holds) AND no NOT IN \
                      (SELECT coalesce(citizen, 0) FROM posting UNION SELECT coalesce(granted, 0) FROM posting)";
        assert!(self.stage.sql(unused).is_empty(), "persons whom nothing uses");
    }

    /// All pseudonyms of persons, and all sealed bytes.
    fn bytes(&self) -> BTreeSet<Vec<u8>> {
        let all = "SELECT pseudonym FROM person UNION ALL SELECT sealed FROM person \
                   UNION ALL SELECT body FROM fact_version UNION ALL SELECT payload FROM feed \
                   UNION ALL SELECT body FROM quarantine";
        let blob = |mut row: Vec<Value>| match row.pop() {
            Some(Value::Blob(bytes)) => Some(bytes),
            _ => None,
        };
        self.stage.sql(all).into_iter().filter_map(blob).collect()
    }

    fn sums(&mut self) -> (BTreeSet<Count>, BTreeSet<samspor_domain::store::Balance>) {
        let store = self.stage.core().store();
        let (counts, balances) = (store.counts().expect("counts"), store.balances().expect("balances"));
        (counts.into_iter().collect(), balances.into_iter().collect())
    }

    /// Everything that arrived, sent again, changes nothing; nor does purging once more.
    fn send_all_again(&mut self) {
        self.stage.finish(self.clock);
        self.purge();
        let before = (self.journal(), self.bytes(), self.stage.core().store().last_seq().expect("seq"));
        let arrived: Vec<usize> = self.arrived.iter().copied().collect();
        for items in arrived.rchunks(100) {
            for (i, became) in items.iter().zip(self.take(items)) {
                assert_eq!(became, Became::Duplicate, "item {i}, sent again");
            }
        }
        assert_eq!(self.stage.core().store().pending_work().expect("work"), 0);
        self.purge();
        let after = (self.journal(), self.bytes(), self.stage.core().store().last_seq().expect("seq"));
        assert!(before == after, "what is sent again changes nothing");
    }

    fn look_for_all_that_is_gone(&mut self) {
        while !self.stage.core().scrub(jiff::Timestamp::UNIX_EPOCH).expect("the files are scrubbed") {}
        self.stage.holds_none_of(&self.gone);
    }

    /// The balance says what came, purged or not.
    fn check_balance(&mut self) {
        let balances = self.stage.core().store().balances().expect("balances");
        let sum = |all: bool| {
            let some = balances.iter().filter(|balance| balance.standing.is_none() == all);
            some.fold((0, 0), |(count, ore), balance| (count + balance.sum.postings, ore + balance.sum.ore()))
        };
        assert_eq!((sum(true), sum(false)), (self.came, self.came), "all that came is tagged or untagged");
    }
}

/// The postings in groups that take each other's answers.
fn chains(journal: &Journal) -> Vec<Vec<PostingRow>> {
    let by_id: BTreeMap<_, _> =
        journal.values().map(|(row, _)| ((row.source, &row.posting.id), row)).collect();
    let mut group: BTreeMap<PostingNo, PostingNo> = journal.keys().map(|no| (*no, *no)).collect();
    for (row, _) in journal.values() {
        let reversed = row.posting.reverses.as_ref().and_then(|id| by_id.get(&(row.source, id)));
        if let Some(reversed) = reversed.filter(|reversed| follows(&row.posting, &reversed.posting)) {
            let (one, other) = (group[&row.no], group[&reversed.no]);
            group.values_mut().filter(|no| **no == one).for_each(|no| *no = other);
        }
    }
    let mut chains: BTreeMap<PostingNo, Vec<PostingRow>> = BTreeMap::new();
    for (no, group) in group {
        chains.entry(group).or_default().push(journal[&no].0.clone());
    }
    chains.into_values().collect()
}

fn message(item: &Item) -> Option<&Message> {
    match &item.content {
        Content::Message(message) => Some(message),
        Content::Broken(_) => None,
    }
}

fn prepare(i: usize, item: &Item) -> Prepared {
    match &item.content {
        Content::Message(message) => {
            Prepared::from_caller(item.source.clone(), (**message).clone(), Bytes::from(i.to_string()))
        }
        Content::Broken(bytes) => {
            let (decoder, may_send) = (Arc::new(Refuses), Permissions::all());
            let intake = Intake { source: item.source.clone(), decoder, may_send, max_body_bytes: 10_000 };
            let body = Bytes::from(bytes.clone());
            intake.prepare(&Delivery { body, ..Delivery::default() }).remove(0)
        }
    }
}

/// A decoder to which everything is undecodable.
struct Refuses;

impl Decode for Refuses {
    fn decode(&self, _: &SourceName, _: &Delivery) -> Vec<samspor_domain::Item> {
        let content = Err(Fault::new(Reason::Undecodable, "the test says so"));
        vec![samspor_domain::Item { content, excerpt: None, ignored_fields: 0 }]
    }
}

#[test]
fn whatever_arrives_and_whenever_it_is_purged_nothing_in_use_is_lost_and_nothing_purged_is_left() {
    let mut purged = 0;
    for seed in 1..=40 {
        println!("seed {seed}");
        let corpus = corpus(seed, seed % 3 == 0);
        let script = Script::random(&corpus, 0);
        let mut player = Player::new(&corpus, script.slice, DAYS);
        for step in &script.steps {
            player.step(step);
        }
        player.clock += SignedDuration::from_hours(24 * 31);
        player.send_all_again();
        player.check_balance();
        player.open(0);
        player.send_all_again();
        player.look_for_all_that_is_gone();
        purged += player.purged_postings;
    }
    assert!(purged > 500, "{purged} postings were purged");
}

#[test]
fn once_all_facts_are_known_purging_changes_no_answer() {
    let mut purged = 0;
    for seed in 101..=130 {
        println!("seed {seed}");
        let corpus = corpus(seed, false);
        let script = Script::random(&corpus, 0);
        let mut player = Player::new(&corpus, script.slice, DAYS);
        let arriving = script
            .steps
            .iter()
            .filter_map(|step| if let Step::Take(items) = step { Some(items) } else { None });
        let is_fact = |i: &usize| matches!(message(&corpus.items[*i]), Some(Message::Fact(_)));
        let (facts, postings): (Vec<usize>, Vec<usize>) = arriving.flatten().partition(|i| is_fact(i));
        let mut known = Knowledge::default();
        for items in facts.chunks(50).chain(postings.chunks(20)) {
            player.take(items);
            player.clock += SignedDuration::from_hours(24 * 8);
            if !is_fact(&items[0]) {
                // What is known now is what the files hold.
                player.open(0);
                player.step(&Step::Finish);
            }
            for &i in items {
                if let Some(message) = message(&corpus.items[i]) {
                    known.learn(&corpus.items[i].source, message);
                }
            }
        }
        let mut expected = Evaluation::new(&known, &corpus.charts[0]).answers();
        let names: BTreeMap<_, _> =
            player.stage.core().store().sources().expect("sources").into_iter().collect();
        let journal = player.journal();
        let left: BTreeSet<_> =
            journal.values().map(|(row, _)| (names[&row.source].clone(), row.posting.id.clone())).collect();
        for (row, tag) in journal.into_values() {
            let answer = match (row.standing, tag) {
                (Standing::Untagged(reason), _) => Answer::Untagged(reason),
                (Standing::Tagged(_), tag) => Answer::Tagged(Box::new(tag.expect("a tag"))),
            };
            let mut id = (names[&row.source].clone(), row.posting.id);
            let expected = expected.remove(&id);
            // A reversal that came after what it reverses was purged reverses nothing that is known.
            let mut been = BTreeSet::new();
            while left.contains(&id)
                && been.insert(id.clone())
                && let Some(reversed) = &known.postings()[&id].reverses
            {
                id.1 = reversed.clone();
            }
            if left.contains(&id) || !known.postings().contains_key(&id) {
                assert_eq!(expected, Some(answer), "{id:?}");
            }
        }
        expected.retain(|_, answer| *answer != Answer::Untagged(Untagged::NotConsented));
        assert_eq!(expected, BTreeMap::new(), "nothing else is gone");
        purged += player.purged_postings;
    }
    assert!(purged > 500, "{purged} postings were purged");
}

#[test]
fn where_nothing_is_kept_for_a_day_nothing_unreached_is_left_after_any_step() {
    for seed in 201..=215 {
        println!("seed {seed}");
        let corpus = corpus(seed, seed % 3 == 0);
        let script = Script::random(&corpus, 0);
        let mut player = Player::new(&corpus, script.slice, 0);
        for step in &script.steps {
            player.step(step);
            player.stage.finish(player.clock);
            player.purge();
        }
        player.send_all_again();
        player.check_balance();
        player.look_for_all_that_is_gone();
    }
}
