//! Delivery against a receiver that refuses, breaks off and stalls: the rest goes on, nothing is lost, the books balance.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use samspor_domain::store::{PostingNo, Read};
use samspor_domain::{
    Charts, Clock, Confirms, Decode, LinkError, Outgoing, Publisher, Sent, Stage as Progress, Target, Why,
};
use samspor_engine::{
    Audience, Became, Books, Core, Gateway, Handle, Intake, Outlet, Permissions, Policy, Scribe, State,
    books, drill,
};
use samspor_formats::json;
use tokio_util::sync::CancellationToken;

use crate::released::released;
use crate::stage::{Stage, instant, text};

pub(crate) const THEN: &str = "2026-03-10T08:00:00Z";
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

struct Stands;

impl Clock for Stands {
    fn now(&self) -> jiff::Timestamp {
        instant("2026-03-20T08:00:00Z")
    }
}

/// What a receiver does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    Take,
    /// It takes it, and answers this, in which `{}` is the record's posting.
    Answer(&'static str),
    Refuse,
    /// It breaks on it, or of itself.
    Break,
    Later,
    /// The same, and it asks to be left alone for so many seconds.
    LaterIn(u64),
    /// The connection ends before it has the message.
    Lose,
    /// It has the message, and the connection ends before it says so.
    Forget,
}

/// A receiver, and all that it ever took, in order.
#[derive(Clone)]
pub(crate) struct Receiver(Arc<Mutex<Inner>>);

pub(crate) struct Inner {
    react: Box<dyn FnMut(&str) -> Reaction + Send>,
    pub(crate) took: Vec<(String, i64, bool)>,
    /// How often each message was tried.
    pub(crate) tries: BTreeMap<String, usize>,
    /// How long it takes to answer.
    pub(crate) slow: Duration,
}

impl Receiver {
    pub(crate) fn new(react: impl FnMut(&str) -> Reaction + Send + 'static) -> Self {
        let inner =
            Inner { react: Box::new(react), took: Vec::new(), tries: BTreeMap::new(), slow: Duration::ZERO };
        Self(Arc::new(Mutex::new(inner)))
    }

    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().expect("nobody panicked with it")
    }

    pub(crate) fn react(&self, react: impl FnMut(&str) -> Reaction + Send + 'static) {
        self.lock().react = Box::new(react);
    }

    /// The highest revision of each posting, and whether it is a tag.
    fn books(&self) -> BTreeMap<String, (i64, bool)> {
        let mut books = BTreeMap::new();
        for (posting, revision, tag) in &self.lock().took {
            let kept = books.entry(posting.clone()).or_insert((*revision, *tag));
            if kept.0 < *revision {
                *kept = (*revision, *tag);
            }
        }
        books
    }
}

#[async_trait::async_trait]
impl Target for Receiver {
    async fn connect(&self) -> Result<Box<dyn Publisher>, LinkError> {
        Ok(Box::new(Line { receiver: self.clone(), is_cut: false }))
    }
}

struct Line {
    receiver: Receiver,
    is_cut: bool,
}

fn cut() -> LinkError {
    LinkError { doing: "publishing to a receiver that hung up".into(), source: None }
}

#[async_trait::async_trait]
impl Publisher for Line {
    async fn publish(&mut self, messages: Vec<Outgoing>) -> Result<Confirms, LinkError> {
        let mut sent = Vec::new();
        let mut inner = self.receiver.lock();
        for message in messages {
            if self.is_cut {
                break;
            }
            let record: serde_json::Value = serde_json::from_slice(&message.body).expect("JSON");
            let id = record["posting"].as_str().expect("an id").to_owned();
            *inner.tries.entry(id.clone()).or_default() += 1;
            let reaction = (inner.react)(&id);
            if matches!(reaction, Reaction::Take | Reaction::Answer(_) | Reaction::Forget) {
                let revision = record["revision"].as_i64().expect("a revision");
                inner.took.push((id.clone(), revision, record["change"] == "tag"));
            }
            match reaction {
                Reaction::Take => sent.push(Sent::Delivered),
                Reaction::Answer(body) => {
                    let body = body.replace("{}", &id).into();
                    let answer = samspor_domain::Delivery { body, ..samspor_domain::Delivery::default() };
                    sent.push(Sent::Answered(Ok(Box::new(answer))));
                }
                Reaction::LaterIn(seconds) => {
                    sent.push(Sent::Later("it is full".into(), Some(Duration::from_secs(seconds))));
                }
                Reaction::Refuse => sent.push(Sent::Refused("it is not to its taste".into())),
                Reaction::Break => sent.push(Sent::Broke("it answers 500".into())),
                Reaction::Later => sent.push(Sent::Later("it is full".into(), None)),
                Reaction::Lose | Reaction::Forget => self.is_cut = true,
            }
        }
        let answer = if self.is_cut { Err(cut()) } else { Ok(sent) };
        let slow = inner.slow;
        Ok(Box::pin(async move {
            if !slow.is_zero() {
                tokio::time::sleep(slow).await;
            }
            answer
        }))
    }
}

/// A store with a citizen in a solution, whose postings are all tagged.
fn enrolled() -> Stage {
    let mut stage = Stage::new();
    for body in [
        r#"{"type":"solution","id":"s","version":1,"name":"S"}"#,
        r#"{"type":"enrolment","id":"E-1","version":1,"solution":"s","family":"F-1","citizen":{"cpr":"6112801234"},"from":"2025-01-01"}"#,
        r#"{"type":"consent","id":"C-1","version":1,"citizen":{"cpr":"6112801234"},"sources":["opus"],"covers_from":"2025-01-01"}"#,
    ] {
        assert_eq!(stage.send(THEN, "registry", body), Became::Fact);
    }
    stage
}

pub(crate) fn posting(id: &str, date: &str) -> String {
    let amount = id.len();
    format!(
        r#"{{"type":"posting","id":"{id}","date":"{date}","account":"5.28.21.1","amount":"{amount}00.00","citizen":{{"cpr":"6112801234"}}}}"#
    )
}

pub(crate) fn with_postings(ids: impl IntoIterator<Item = usize>) -> Stage {
    let mut stage = enrolled();
    for i in ids {
        assert_eq!(stage.send(THEN, "opus", &posting(&format!("P-{i}"), "2026-03-05")), Became::Posting);
    }
    stage
}

pub(crate) fn policy() -> Policy {
    let waits = (Duration::from_millis(1), Duration::from_millis(5));
    Policy { tries: 3, failing: 4, waits, ..Policy::default() }
}

/// The gateway over a stage, with one target.
pub(crate) struct Running {
    pub(crate) stage: Stage,
    pub(crate) gateway: Gateway,
    pub(crate) handle: Handle,
}

pub(crate) fn run(mut stage: Stage, receiver: &Receiver, policy: Policy) -> Running {
    let core = stage.close();
    run_core(core, stage, receiver, policy)
}

/// The gateway over a core, of a store that a stage keeps.
pub(crate) fn run_core(core: Core, stage: Stage, receiver: &Receiver, policy: Policy) -> Running {
    let scribe = Scribe::new(stage.vault.clone(), &text("ledger"), Audience::Ledger, Arc::new(json::Encoder));
    let target = Arc::new(receiver.clone());
    let answers: Option<Arc<dyn Decode>> = Some(Arc::new(json::Decoder));
    let answers = answers.filter(|_| policy.receipt_within.is_some());
    let outlet = Outlet { name: text("ledger"), target, scribe, window: 16, policy, answers };
    let gateway = Gateway::start(core, Arc::new(Stands), Vec::new(), vec![outlet]).expect("it starts");
    let handle = gateway.handle();
    Running { stage, gateway, handle }
}

impl Running {
    /// Waits until a question to the store is answered with yes.
    pub(crate) async fn until(
        &self,
        what: &str,
        ask: impl Fn(&mut dyn Read) -> bool + Send + Clone + 'static,
    ) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let ask = ask.clone();
            if self.handle.read(move |read, _| Ok(ask(read))).await.expect("it answers") {
                return;
            }
            assert!(Instant::now() < deadline, "waited too long until {what}");
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn books(&self) -> Books {
        self.handle.read(books).await.expect("books")
    }

    pub(crate) async fn stop(self) -> Stage {
        drop(self.handle);
        self.gateway.stop(LIMIT).await.expect("it stops");
        let mut stage = self.stage;
        stage.open(Charts::default(), 1_000, None);
        stage
    }
}

pub(crate) fn has_all(read: &mut dyn Read) -> bool {
    let last = read.last_seq().expect("a number");
    read.cursor(&text("ledger")).expect("a cursor") == last
}

pub(crate) fn parked(read: &mut dyn Read) -> Vec<(String, Why)> {
    let parked = read.parked(&text("ledger"), PostingNo(0), 1_000).expect("what is parked");
    let mut id = |no| read.posting(no).expect("it reads").expect("a posting").posting.id.to_string();
    parked.into_iter().map(|parked| (parked.posting, parked.why)).map(|(no, why)| (id(no), why)).collect()
}

fn ids(range: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
    range.into_iter().map(|i| format!("P-{i}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_record_is_parked_and_the_rest_goes_on_until_it_is_released() {
    let receiver = Receiver::new(|id| if id == "P-20" { Reaction::Refuse } else { Reaction::Take });
    let running = run(with_postings(0..60), &receiver, policy());
    running.until("everything is delivered or parked", has_all).await;
    assert_eq!(receiver.books().into_keys().collect::<BTreeSet<_>>(), ids((0..60).filter(|i| *i != 20)));
    let is_parked = running.handle.read(|read, _| Ok(parked(read))).await.expect("it answers");
    // Once with the others, then as often as the policy says, and once more after another got through.
    let why = Why::Refused(4, "it is not to its taste".into());
    assert_eq!(is_parked, [("P-20".to_owned(), why)]);
    assert_eq!(receiver.lock().tries["P-20"], 5);
    let book = &running.books().await.targets[0];
    assert!(book.is_balanced() && !book.is_reconciled(), "{book:?}");
    assert_eq!((book.coming.postings, book.parked, book.all().postings), (1, 1, 59));

    // It refuses it, and once more after it took something that it had already.
    assert_eq!(running.handle.release_parked(text("ledger"), None).await.expect("released"), 1);
    running
        .until("it is parked again", |read| matches!(parked(read).as_slice(), [(_, Why::Refused(6, _))]))
        .await;
    receiver.react(|_| Reaction::Take);
    let one = Some((text("opus"), text("P-20")));
    assert_eq!(running.handle.release_parked(text("ledger"), one.clone()).await.expect("released"), 1);
    running.until("nothing is parked", |read| parked(read).is_empty()).await;
    assert_eq!(running.handle.release_parked(text("ledger"), one).await.expect("released"), 0);
    assert_eq!(receiver.books().len(), 60);
    let book = &running.books().await.targets[0];
    assert!(book.is_reconciled() && book.all().postings == 60, "{book:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_ends_every_connection_is_found_and_parked() {
    let receiver = Receiver::new(|id| if id == "P-7" { Reaction::Lose } else { Reaction::Take });
    let running = run(with_postings(0..30), &receiver, policy());
    running.until("everything is delivered or parked", |read| has_all(read) && released(read) == 0).await;
    assert_eq!(receiver.books().into_keys().collect::<BTreeSet<_>>(), ids((0..30).filter(|i| *i != 7)));
    let is_parked = running.handle.read(|read, _| Ok(parked(read))).await.expect("it answers");
    // Four times as often as the policy says, and once more.
    assert!(matches!(is_parked.as_slice(), [(id, Why::Refused(13.., _))] if id == "P-7"), "{is_parked:?}");
    running.stop().await;
}

/// A receiver that breaks on one record and now and then of itself: that one is parked, and no other has fewer tries
/// because it ended in the same words.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_the_receiver_breaks_on_is_parked_and_says_nothing_of_others() {
    let mut breaks = 3;
    let receiver = Receiver::new(move |id| match id {
        "P-5" => Reaction::Break,
        "P-20" if breaks > 0 => {
            breaks -= 1;
            Reaction::Break
        }
        _ => Reaction::Take,
    });
    let running = run(with_postings(0..60), &receiver, policy());
    running.until("everything is delivered or parked", has_all).await;
    assert_eq!(receiver.books().into_keys().collect::<BTreeSet<_>>(), ids((0..60).filter(|i| *i != 5)));
    let is_parked = running.handle.read(|read, _| Ok(parked(read))).await.expect("it answers");
    assert_eq!(is_parked, [("P-5".to_owned(), Why::Refused(4, "it answers 500".into()))]);
    running.stop().await;
}

/// One that the receiver puts off for ever (403, 404, 429 and 503 over HTTP), while it takes the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_always_put_off_is_parked_and_the_rest_goes_on_until_it_is_released() {
    for put_off in [Reaction::Later, Reaction::LaterIn(1)] {
        let receiver = Receiver::new(move |id| if id == "P-5" { put_off } else { Reaction::Take });
        let running = run(with_postings(0..60), &receiver, policy());
        running.until("everything is delivered or parked", |read| has_all(read) && released(read) == 0).await;
        assert_eq!(receiver.books().into_keys().collect::<BTreeSet<_>>(), ids((0..60).filter(|i| *i != 5)));
        let is_parked = running.handle.read(|read, _| Ok(parked(read))).await.expect("it answers");
        // Once with the others, then four times as often as the policy says, and once more after another got through.
        assert_eq!(is_parked, [("P-5".to_owned(), Why::Refused(13, "it is full".into()))]);
        assert_eq!(receiver.lock().tries["P-5"], 14);
        receiver.react(|_| Reaction::Take);
        assert_eq!(running.handle.release_parked(text("ledger"), None).await.expect("released"), 1);
        running.until("nothing is parked", |read| parked(read).is_empty()).await;
        assert!(running.books().await.targets[0].is_reconciled());
        running.stop().await;
    }
}

/// A receiver that is out of order costs no record its place, however long it is so.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_parked_while_the_receiver_takes_nothing() {
    for broken in [
        Reaction::Refuse,
        Reaction::Break,
        Reaction::Later,
        Reaction::LaterIn(1),
        Reaction::Lose,
        Reaction::Forget,
    ] {
        println!("{broken:?}");
        let receiver = Receiver::new(move |_| broken);
        let running = run(with_postings(0..40), &receiver, policy());
        let deadline = Instant::now() + LIMIT;
        while receiver.lock().tries.values().sum::<usize>() < 100 {
            assert!(Instant::now() < deadline, "it goes on trying");
            tokio::task::yield_now().await;
        }
        let tried = receiver.lock().tries.len();
        assert!(tried <= 16, "no more than a window is tried, and {tried} were");
        assert!(running.handle.read(|read, _| Ok(parked(read))).await.expect("it answers").is_empty());
        receiver.lock().took.clear();
        receiver.react(|_| Reaction::Take);
        running.until("everything is delivered", has_all).await;
        assert!(running.handle.read(|read, _| Ok(parked(read))).await.expect("it answers").is_empty());
        if broken != Reaction::Forget {
            let took: Vec<String> = receiver.lock().took.iter().map(|(id, ..)| id.clone()).collect();
            let order: Vec<String> = (0..40).map(|i| format!("P-{i}")).collect();
            // Those that were suspected may change places; what comes after them is in the order of the feed.
            assert_eq!(took[5..], order[5..]);
            assert_eq!(took.iter().collect::<BTreeSet<_>>().len(), took.len(), "each once");
        }
        let book = &running.books().await.targets[0];
        assert!(book.is_reconciled(), "{book:?}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_month_waits_until_it_is_open_again() {
    let mut stage = with_postings(0..5);
    for i in 5..10 {
        stage.send(THEN, "opus", &posting(&format!("P-{i}"), "2026-02-05"));
    }
    let receiver = Receiver::new(|_| Reaction::Take);
    let february = "2026-02-01".parse().expect("a date");
    let closed = Policy { closed_months: [february].into(), ..policy() };
    let running = run(stage, &receiver, closed.clone());
    running.until("everything is delivered or parked", has_all).await;
    assert_eq!(receiver.books().into_keys().collect::<BTreeSet<_>>(), ids(0..5));
    let is_parked = running.handle.read(|read, _| Ok(parked(read))).await.expect("it answers");
    assert_eq!(is_parked.len(), 5);
    assert!(is_parked.iter().all(|(_, why)| *why == Why::ClosedMonth));
    // Nobody but the configuration opens a month.
    assert_eq!(running.handle.release_parked(text("ledger"), None).await.expect("released"), 0);
    let books = running.books().await;
    assert!(books.targets.iter().all(|book| book.is_balanced()), "{books:?}");
    let mut stage = running.stop().await;

    // What changes meanwhile is delivered as it is then.
    let gone = r#"{"type":"solution","id":"s","version":2,"name":"S","from":"2026-02-05","to":"2026-02-05"}"#;
    stage.send(THEN, "registry", gone);
    let running = run(stage, &receiver, closed);
    running.until("everything is delivered or parked", has_all).await;
    let stage = running.stop().await;
    assert_eq!(receiver.books().values().filter(|(_, tag)| *tag).count(), 0);
    let running = run(stage, &receiver, policy());
    running.until("the month is open", |read| parked(read).is_empty()).await;
    let books = running.books().await;
    assert!(books.targets.iter().all(|book| book.is_reconciled()), "{books:?}");
    let got = receiver.books();
    assert_eq!(got.values().filter(|(_, tag)| *tag).count(), 5, "{got:?}");
    running.stop().await;
}

pub(crate) fn receipt(posting: &str, revision: u8, status: &str, at: &str) -> String {
    format!(
        r#"{{"type":"receipt","id":"R-{posting}-{at}","source":"opus","posting":"{posting}","revision":{revision},"status":"{status}","at":"{at}","code":"K7","text":"Kontoen er lukket"}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_move_records_on_in_any_order_and_missing_ones_raise_an_alarm() {
    let receiver = Receiver::new(|_| Reaction::Take);
    let policy = Policy { receipt_within: Some(Duration::from_secs(60)), ..policy() };
    let running = run(with_postings(0..6), &receiver, policy);
    running.until("everything is delivered", has_all).await;
    let intake = Intake {
        source: text("receipts"),
        decoder: Arc::new(json::Decoder),
        may_send: Permissions { postings: false, facts: BTreeSet::new(), receipts_of: Some(text("ledger")) },
        max_body_bytes: 10_000,
    };
    let send = async |body: String| {
        let delivery = samspor_domain::Delivery { body: body.into(), ..samspor_domain::Delivery::default() };
        running.handle.take_in(intake.prepare(&delivery)).await.expect("it is taken in").remove(0)
    };
    let (early, late) = ("2026-03-11T08:00:00Z", "2026-03-12T08:00:00Z");
    assert_eq!(send(receipt("P-0", 1, "accepted", early)).await, Became::Receipt);
    assert_eq!(send(receipt("P-0", 1, "accepted", early)).await, Became::Duplicate);
    // The later word counts, in either order.
    assert_eq!(send(receipt("P-1", 1, "rejected", early)).await, Became::Receipt);
    assert_eq!(send(receipt("P-1", 1, "accepted", late)).await, Became::Receipt);
    assert_eq!(send(receipt("P-2", 1, "accepted", late)).await, Became::Receipt);
    assert_eq!(send(receipt("P-2", 1, "rejected", early)).await, Became::Stale);
    assert_eq!(send(receipt("P-3", 1, "rejected", late)).await, Became::Receipt);
    assert!(matches!(send(receipt("P-4", 2, "accepted", late)).await, Became::Quarantined(_)));
    assert!(matches!(send(receipt("unknown", 1, "accepted", late)).await, Became::Quarantined(_)));
    assert!(matches!(send(posting("P-9", "2026-03-05")).await, Became::Quarantined(_)));

    let book = running.books().await.targets.remove(0);
    let stages: Vec<(Progress, i64)> = book.has.iter().map(|(stage, sum)| (*stage, sum.postings)).collect();
    assert_eq!(
        stages.into_iter().filter(|(_, count)| *count > 0).collect::<Vec<_>>(),
        [(Progress::Awaiting, 2), (Progress::Accepted, 3), (Progress::Rejected, 1)]
    );
    assert!(book.is_balanced() && !book.is_reconciled());
    let rejected = running
        .handle
        .read(|read, vault| {
            let lines = drill(
                read,
                vault,
                &text("ledger"),
                State::Stage(Progress::Rejected),
                10,
                &CancellationToken::new(),
            )?;
            let line = &lines[0];
            let said = samspor_engine::wording(vault, line.handed.as_ref().expect("a record"));
            Ok((lines.len(), line.posting.to_string(), said.and_then(|said| said.text)))
        })
        .await
        .expect("it answers");
    assert_eq!(rejected, (1, "P-3".to_owned(), Some("Kontoen er lukket".to_owned())));
    // What the books say may be personal, so no file holds it in clear.
    running.stage.holds_none_of(&[b"Kontoen er lukket".to_vec()]);

    // The records were handed over at an instant, and the clock stands still: nothing is missing yet.
    let awaited = |until: &'static str| {
        running.handle.read(move |read, _| read.awaited(&text("ledger"), instant(until)))
    };
    assert_eq!(awaited("2026-03-20T07:59:59Z").await.expect("it answers"), 0);
    assert_eq!(awaited("2026-03-20T08:00:00Z").await.expect("it answers"), 2);
    running.stop().await;
}

/// A receipt may be quicker than what notes that its record was confirmed.
#[test]
fn a_receipt_that_comes_before_the_confirm_is_not_forgotten() {
    let mut stage = with_postings(0..1);
    stage.advance("ledger", 0);
    let became = stage.core().take_in(
        &{
            let intake = Intake {
                source: text("receipts"),
                decoder: Arc::new(json::Decoder),
                may_send: Permissions { receipts_of: Some(text("ledger")), ..Permissions::default() },
                max_body_bytes: 10_000,
            };
            let body = receipt("P-0", 1, "accepted", "2026-03-11T08:00:00Z").into();
            intake.prepare(&samspor_domain::Delivery { body, ..samspor_domain::Delivery::default() })
        },
        instant(THEN),
    );
    assert_eq!(became.expect("it is taken in"), [Became::Receipt]);
    let receiver = Receiver::new(|_| Reaction::Take);
    let policy = Policy { receipt_within: Some(Duration::from_secs(60)), ..policy() };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let running = run(stage, &receiver, policy);
        running.until("everything is delivered", has_all).await;
        let book = running.books().await.targets.remove(0);
        assert_eq!(book.has.get(&Progress::Accepted).map(|sum| sum.postings), Some(1), "{book:?}");
        assert!(book.is_reconciled());
        running.stop().await;
    });
}
