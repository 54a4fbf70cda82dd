//! Restoring a backup: whatever was lost after it, when the facts and postings are sent again all is as if nothing had been
//! lost, receivers too, and no consent that ended comes alive.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use samspor_conformance::evaluate::{Evaluation, Knowledge};
use samspor_conformance::{Chance, Content, Corpus, Script, Size, Step};
use samspor_domain::store::Standing;
use samspor_domain::{Answer, Kind, Message, Rank, Seq, SourceName, State, Tag, Text};
use samspor_engine::{
    Audience, Became, Condition, NotRead, Prepared, Reader, Subscription, WithdrawalLog, newest_tag,
};
use samspor_sqlite::Sqlite;

use crate::stage::{Stage, directory, instant, text};

type Id = (SourceName, Text);

/// A log of withdrawals that outlives the store, and that cannot always be written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<(String, bool)>>);

impl Log {
    fn text(&self) -> String {
        self.0.lock().expect("a log").0.clone()
    }

    fn is_away(&self, is_away: bool) {
        self.0.lock().expect("a log").1 = is_away;
    }
}

impl WithdrawalLog for Log {
    fn append(&mut self, lines: &str) -> std::io::Result<()> {
        let mut log = self.0.lock().expect("a log");
        if log.1 {
            // Some of it may get there.
            log.0.push_str(&lines[..lines.len() / 2]);
            log.0.push('\n');
            return Err(std::io::Error::other("the disk is away"));
        }
        log.0.push_str(lines);
        Ok(())
    }
}

/// One who is handed records and keeps the highest revision of each posting.
#[derive(Default)]
struct Receiver {
    has: BTreeMap<Id, (i64, Option<Tag>)>,
    cursor: i64,
}

impl Receiver {
    fn read(&mut self, stage: &mut Stage, limit: usize) {
        let vault = Arc::clone(&stage.vault);
        let store = stage.core().store();
        let names: BTreeMap<_, _> = store.sources().expect("sources").into_iter().collect();
        for (record, row) in store.newest_after(Seq(self.cursor), limit).expect("records") {
            let tag = newest_tag(&mut *store, &vault, row.no).expect("a record");
            let has = self.has.entry((names[&row.source].clone(), row.posting.id)).or_default();
            if record.revision > has.0 {
                *has = (record.revision, tag);
            }
            self.cursor = record.seq.0;
        }
    }
}

fn message(corpus: &Corpus, i: usize) -> Option<&Message> {
    match &corpus.items[i].content {
        Content::Message(message) => Some(message),
        Content::Broken(_) => None,
    }
}

fn take(stage: &mut Stage, corpus: &Corpus, items: &[usize], now: Timestamp) -> Vec<Became> {
    let prepare = |&i: &usize| {
        let said = message(corpus, i)?.clone();
        Some(Prepared::from_caller(corpus.items[i].source.clone(), said, Bytes::from(i.to_string())))
    };
    let prepared: Vec<Prepared> = items.iter().filter_map(prepare).collect();
    stage.core().take_in(&prepared, now).expect("they are taken in")
}

/// Whether it is a version of a consent that ends it.
fn ends_consent(corpus: &Corpus, i: usize) -> bool {
    let Some(Message::Fact(fact)) = message(corpus, i) else { return false };
    fact.kind == Kind::Consent && !matches!(fact.state, State::Live(_))
}

#[test]
fn with_all_sent_again_but_withdrawals_it_is_as_if_nothing_had_been_lost() {
    let (mut revived, mut differing) = (0, 0);
    for seed in 1..=60 {
        println!("seed {seed}");
        let corpus = Corpus::random(seed, Size { posting_conflicts: false, ..Size::of(100) });
        let chance = &mut Chance::new(seed, 77);
        let script = Script::random(&corpus, 0);
        let batches: Vec<&Vec<usize>> = script
            .steps
            .iter()
            .filter_map(|s| if let Step::Take(items) = s { Some(items) } else { None })
            .collect();
        let kept = chance.count(0, batches.len());
        let lost = chance.count(kept, batches.len());
        let mut now = instant("2026-01-30T22:30:00Z");
        let charts = corpus.charts[0].clone();

        let (mut stage, log) = (Stage::new(), Log::default());
        stage.open(charts.clone(), script.slice, None);
        stage.writing_down(Box::new(log.clone()));
        let (mut receiver, backup) = (Receiver::default(), directory());
        for (n, items) in batches[..lost].iter().enumerate() {
            if n == kept {
                Sqlite::copy(stage.dir.path(), backup.path()).expect("a backup");
            }
            now += SignedDuration::from_secs(1);
            take(&mut stage, &corpus, items, now);
            if chance.percent(60) {
                stage.finish(now);
            }
            receiver.read(&mut stage, chance.of(&[0, 1, 5, 1000]));
        }
        if kept == lost {
            Sqlite::copy(stage.dir.path(), backup.path()).expect("a backup");
        }
        // Most often the receiver has got more than the backup knows of.
        if chance.percent(70) {
            stage.finish(now);
            receiver.read(&mut stage, usize::MAX);
        }
        drop(stage);

        let mut stage = Stage::of(backup);
        stage.open(charts.clone(), script.slice, None);
        stage.writing_down(Box::new(log.clone()));
        let floor = stage.core().begin_epoch([7; 16], &[text("ledger")], now).expect("an epoch");
        stage.core().withdraw_again(&log.text(), now).expect("the log");
        stage.finish(now);
        let (mut restating, mut is_done) = (stage.core().restating().expect("the feed"), false);
        while !is_done {
            (restating, is_done) = stage.core().restate(restating, now).expect("records");
        }
        assert_eq!(
            stage.core().withdraw_again(&log.text(), now).expect("the log").ended,
            0,
            "once is enough"
        );

        // Everybody sends again what was lost, in another order; only nobody withdraws again.
        let mut again: Vec<usize> = batches[..lost].iter().flat_map(|items| items.iter().copied()).collect();
        let ended = again.iter().filter(|&&i| ends_consent(&corpus, i)).count();
        again.retain(|&i| !ends_consent(&corpus, i));
        chance.shuffle(&mut again);
        receiver.cursor = 0;
        for items in again.chunks(7).chain(batches[lost..].iter().map(|items| &items[..])) {
            now += SignedDuration::from_secs(1);
            take(&mut stage, &corpus, items, now);
            if chance.percent(30) {
                receiver.read(&mut stage, 5);
            }
        }
        stage.finish(now);
        receiver.read(&mut stage, usize::MAX);

        let mut known = Knowledge::default();
        for &i in batches.iter().flat_map(|items| items.iter()) {
            if let Some(message) = message(&corpus, i) {
                known.learn(&corpus.items[i].source, message);
            }
        }
        let expected = Evaluation::new(&known, &charts).answers();
        let names: BTreeMap<_, _> = stage.core().store().sources().expect("sources").into_iter().collect();
        let answers: BTreeMap<Id, Answer> = stage
            .journal()
            .into_iter()
            .map(|(row, tag)| {
                let answer = match (row.standing, tag) {
                    (Standing::Untagged(reason), _) => Answer::Untagged(reason),
                    (Standing::Tagged(_), tag) => Answer::Tagged(Box::new(tag.expect("a tag"))),
                };
                ((names[&row.source].clone(), row.posting.id), answer)
            })
            .collect();
        assert_eq!(answers, expected);
        // What only the lost store tagged, it takes off itself.
        receiver.has.retain(|_, (revision, _)| *revision > floor);
        for (id, (_, has)) in &receiver.has {
            assert_eq!(has.as_ref(), answers[id].tag(), "what the receiver has of {id:?}");
        }
        for (id, answer) in &answers {
            assert!(answer.tag().is_none() || receiver.has.contains_key(id), "{id:?} never arrived");
        }
        revived += ended;
        differing += usize::from(lost > kept);
    }
    assert!(revived > 50 && differing > 30, "{revived} withdrawals, {differing} losses");
}

const CONSENT: &str = r#"{"type":"consent","id":"C-1","version":1,"citizen":{"cpr":"6112801234"},"sources":["opus"],"covers_from":"2025-01-01"}"#;
const WITHDRAWN: &str = r#"{"type":"consent","id":"C-1","version":2,"withdrawn":true}"#;
const NOW: &str = "2026-03-10T08:00:00Z";

#[test]
fn a_withdrawal_that_cannot_be_written_down_is_not_taken() {
    let (mut stage, log) = (Stage::new(), Log::default());
    stage.writing_down(Box::new(log.clone()));
    assert_eq!(stage.send(NOW, "registry", CONSENT), Became::Fact);
    log.is_away(true);
    let items = crate::stage::prepare("registry", WITHDRAWN);
    let refused = stage.core().take_in(&items, instant(NOW)).expect_err("the log is away");
    let why = std::error::Error::source(&refused).map(ToString::to_string).unwrap_or_default();
    assert_eq!(why, "the log of withdrawals cannot be written: the disk is away");
    let newest = |stage: &mut Stage| stage.core().store().facts(Kind::Consent).expect("facts")[0].newest.rank;
    assert_eq!(newest(&mut stage), Rank::Live, "nothing of it is stored");
    log.is_away(false);
    assert_eq!(stage.send(NOW, "registry", WITHDRAWN), Became::Fact);
    assert_eq!(newest(&mut stage), Rank::Withdrawn);

    // Neither the consent nor the citizen can be told from it, and what was cut off does not spoil it.
    let written = log.text();
    assert!(!written.contains("C-1") && !written.contains("6112801234"), "{written}");
    let mut other = Stage::new();
    other.send(NOW, "registry", CONSENT);
    let again = other.core().withdraw_again(&written, instant(NOW)).expect("the log");
    assert_eq!((again.ended, again.cut_off.len()), (1, 1));
    assert_eq!(newest(&mut other), Rank::Withdrawn);
    assert_eq!(other.send(NOW, "registry", CONSENT), Became::Duplicate, "it stays withdrawn");
}

#[test]
fn a_log_that_was_changed_is_refused_whole() {
    let (mut stage, log) = (Stage::new(), Log::default());
    stage.writing_down(Box::new(log.clone()));
    for id in ["C-1", "C-2"] {
        stage.send(NOW, "registry", &CONSENT.replace("C-1", id));
        stage.send(NOW, "registry", &WITHDRAWN.replace("C-1", id));
    }
    let mut other = Stage::new();
    other.send(NOW, "registry", CONSENT);
    let bad = log.text().replacen("\"version\":2", "\"version\":3", 2);
    let second = bad.lines().next_back().expect("two lines").to_owned();
    let first = log.text().lines().next().expect("two lines").to_owned();
    // Neither what was changed nor what a disk damaged is passed over.
    let damaged =
        [second.replacen('"', "'", 1), "\0".repeat(second.len()), second.replace("}", "x}"), second];
    for second in damaged {
        let log = format!("{first}\n{second}\n");
        let error = other.core().withdraw_again(&log, instant(NOW)).expect_err("changed");
        assert!(error.to_string().starts_with("line 2 of the log"), "{error}");
    }
    let live = other.core().store().facts(Kind::Consent).expect("facts")[0].newest.rank;
    assert_eq!(live, Rank::Live, "nothing of it was done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_the_feed_wait_after_a_restore_until_somebody_lets_them_read_on() {
    let mut stage = Stage::new();
    stage.core().begin_epoch([7; 16], &[], instant(NOW)).expect("it begins anew");
    let gateway = crate::supervision::start(&mut stage, vec![], vec![]);
    let (control, handle) = (gateway.control(), gateway.handle());
    let reader = || Reader {
        name: text("town"),
        audience: Audience::Ledger,
        filter: samspor_domain::TagFilter::default(),
    };
    let waits = Subscription::begin(&handle, reader(), "").await;
    assert!(matches!(waits, Err(NotRead::Paused)), "nothing is read before the facts are in again");
    assert!(
        control.parts().get(samspor_engine::FEED).is_some_and(|feed| feed.condition == Condition::Paused)
    );
    assert!(control.pause_feed(false).await.expect("it is taken"), "it was paused");
    let mut reading = Subscription::begin(&handle, reader(), "").await.expect("it reads");
    reading.next(1).await.expect("a page");
    // Paused while it reads, it gets nothing more, and stays where it is.
    assert!(control.pause_feed(true).await.expect("it is taken"));
    assert!(matches!(reading.next(1).await, Err(NotRead::Paused)));
    assert!(!control.pause_feed(true).await.expect("it is taken"), "it is paused already");
    assert!(control.pause_feed(false).await.expect("it is taken"));
    reading.next(1).await.expect("a page");
    drop((control, handle, reading));
    gateway.stop(crate::fakes::LIMIT).await.expect("it stops");
}

/// Of a store that was restored and lost again nothing is known to the next one of the same backup; yet it says nothing that the
/// other said.
#[test]
fn what_two_stores_of_one_backup_say_has_no_revision_in_common() {
    let mut stage = Stage::new();
    stage.send(NOW, "registry", CONSENT);
    let backup = || {
        let copy = tempfile::tempdir().expect("a directory");
        Sqlite::copy(stage.dir.path(), copy.path()).expect("a backup");
        let mut restored = Stage::of(copy);
        restored.open(crate::supervision::charts("children"), 100, None);
        restored
    };
    let mut floors = Vec::new();
    let instants = ["2026-06-10T08:00:00Z", "2026-06-10T08:00:01Z", "2026-06-11T08:00:00Z"];
    for at in instants {
        floors.push(backup().core().begin_epoch([7; 16], &[], instant(at)).expect("an epoch"));
    }
    // No posting changes a thousand times in a second.
    assert!(floors.windows(2).all(|two| two[0] + 1_000 <= two[1]), "{floors:?}");
    // Where the clock was set back, it goes on above what this store knows of.
    let mut restored = backup();
    let first = restored.core().begin_epoch([7; 16], &[], instant(instants[2])).expect("an epoch");
    let second = restored.core().begin_epoch([8; 16], &[], instant(instants[0])).expect("an epoch");
    assert!(second > first + 1_000);
}
