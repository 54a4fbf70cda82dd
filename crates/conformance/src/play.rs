//! Takes the real engine through a script, and checks at every step what must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use samspor_domain::store::{self, Outcome, Store};
use samspor_domain::{Answer, Decode, Delivery, Fact, Fault, Kind, Message, Reason, SourceName, State};
use samspor_engine::{Became, Core, Intake, Permissions, Prepared};
use samspor_vault::{Master, Vault};

use crate::chance::Chance;
use crate::check::{self, Check, Checked, Failure, Newest, Seen, same};
use crate::evaluate::{Evaluation, Id, Knowledge, Novelty};
use crate::reader::{Filter, Reader};
use crate::script::{READERS, Script, Step};
use crate::{Content, Corpus, Item, tagged};

/// Opens the store: the first time empty, then with what it held.
pub type Open<'a> = dyn Fn() -> store::Result<Box<dyn Store>> + 'a;

/// Plays a script to its end. Answers the final state of every posting, a line each.
pub fn play(open: &Open<'_>, corpus: &Corpus, script: &Script) -> Result<String, Failure> {
    let whole = AssertUnwindSafe(|| Player::new(open, corpus, script)?.play(script));
    catch_unwind(whole).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        Err(Failure::new(Check::Panic, text.unwrap_or_default()))
    })
}

struct Player<'a> {
    open: &'a Open<'a>,
    corpus: &'a Corpus,
    slice: usize,
    vault: Arc<Vault>,
    /// None while the store is closed.
    core: Option<Core>,
    charts: usize,
    /// What the rules alone know.
    known: Knowledge,
    /// What lies in quarantine.
    quarantined: BTreeSet<(SourceName, Vec<u8>)>,
    counts: BTreeMap<(SourceName, Date, Outcome), i64>,
    newest: Newest,
    readers: Vec<Reader>,
    zone: TimeZone,
    clock: Timestamp,
    /// The latest that the clock has shown when something arrived.
    latest: Timestamp,
    arrived: BTreeSet<usize>,
}

impl<'a> Player<'a> {
    fn new(open: &'a Open<'a>, corpus: &'a Corpus, script: &Script) -> Checked<Self> {
        let master = Master::from_hex(&"5a".repeat(32)).unwrap_or_else(|error| panic!("{error}"));
        let chance = &mut Chance::new(corpus.seed, 0);
        let solutions = corpus.solutions();
        let mut readers = vec![Reader::default()];
        readers.extend((1..READERS).map(|_| Reader::new(Filter::random(&solutions, chance))));
        let clock = "2026-01-30T22:30:00Z".parse().unwrap_or_else(|error| panic!("{error}"));
        let mut player = Self {
            open,
            corpus,
            slice: script.slice,
            vault: Arc::new(Vault::new(&master)),
            core: None,
            charts: 0,
            known: Knowledge::default(),
            quarantined: BTreeSet::new(),
            counts: BTreeMap::new(),
            newest: Newest::default(),
            readers,
            zone: TimeZone::get("Europe/Copenhagen").unwrap_or_else(|error| panic!("{error}")),
            clock,
            latest: Timestamp::MIN,
            arrived: BTreeSet::new(),
        };
        player.reopen(0)?;
        Ok(player)
    }

    fn play(mut self, script: &Script) -> Checked<String> {
        for step in &script.steps {
            self.step(step)?;
        }
        self.finish()?;
        self.read_to_the_end()?;
        self.send_all_again()?;
        let state = self.state()?;
        self.reopen(self.charts)?;
        same(Check::Reopened, "state after opening again", &self.state()?, &state)?;
        self.reopen(1 - self.charts)?;
        self.finish()?;
        self.reopen(0)?;
        self.finish()?;
        self.read_to_the_end()?;
        let store = store_of(&mut self.core);
        check::revisions(&Seen::of(store)?, &self.newest, store)?;
        self.state()
    }

    fn step(&mut self, step: &Step) -> Checked {
        match step {
            Step::Take(items) => self.take(items),
            Step::Work(slices) => {
                for _ in 0..*slices {
                    self.work()?;
                }
                self.look()
            }
            Step::Finish => self.finish(),
            Step::Open(charts) => self.reopen(*charts),
            Step::Read(reader, limit) => {
                self.readers[*reader].read(store_of(&mut self.core), &self.vault, *limit)?;
                Ok(())
            }
            Step::Wait(seconds) => {
                self.clock = self.clock.saturating_add(seconds.seconds()).unwrap_or(self.clock);
                Ok(())
            }
        }
    }

    fn core(&mut self) -> &mut Core {
        self.core.as_mut().unwrap_or_else(|| panic!("the store is closed"))
    }

    fn work(&mut self) -> Checked<bool> {
        let clock = self.clock;
        Ok(self.core().work(clock)?)
    }

    fn finish(&mut self) -> Checked {
        while self.work()? {}
        same(Check::Store, "work left", &self.core().store().pending_work()?, &0)?;
        self.look()
    }

    fn reopen(&mut self, charts: usize) -> Checked {
        self.core = None; // The store lets one in at a time.
        let (vault, content) = (Arc::clone(&self.vault), self.corpus.charts[charts].clone());
        self.core = Some(Core::open((self.open)()?, vault, content, self.slice)?);
        self.charts = charts;
        self.look()
    }

    fn take(&mut self, items: &[usize]) -> Checked {
        let told = self.told_by_ending(items)?;
        let prepared: Vec<Prepared> = items.iter().map(|&i| prepare(i, &self.corpus.items[i])).collect();
        let clock = self.clock;
        let became = self.core().take_in(&prepared, clock)?;
        self.latest = self.latest.max(clock);
        let arrived = self.latest.to_zoned(self.zone.clone()).date();
        let month = jiff::civil::date(arrived.year(), arrived.month(), 1);
        for (&i, became) in items.iter().zip(became) {
            self.arrived.insert(i);
            let item = &self.corpus.items[i];
            let (expected, certain) = self.learn(i);
            let outcome = outcome(&became);
            if certain {
                same(Check::Outcome, "what became of an item", &outcome, &expected)?;
            }
            for outcome in [Outcome::Message, Outcome::Received, outcome] {
                *self.counts.entry((item.source.clone(), month, outcome)).or_default() += 1;
            }
        }
        self.look()?;
        if let Some(told) = told {
            let store = store_of(&mut self.core);
            check::erased(&told, &Seen::of(store)?, store)?;
        }
        Ok(())
    }

    /// What an item is by the rules alone, and whether they say it for certain.
    fn learn(&mut self, i: usize) -> (Outcome, bool) {
        let item = &self.corpus.items[i];
        let (novelty, is_fact) = match &item.content {
            Content::Broken(_) => (Novelty::Conflict, false),
            Content::Message(message) => {
                (self.known.learn(&item.source, message), matches!(**message, Message::Fact(_)))
            }
        };
        let outcome = match novelty {
            Novelty::Fact => Outcome::Fact,
            Novelty::Stale => Outcome::Stale,
            Novelty::Posting => Outcome::Posting,
            Novelty::Duplicate => Outcome::Duplicate,
            Novelty::Conflict if self.quarantined.insert((item.source.clone(), bytes(i, item))) => {
                Outcome::Quarantined
            }
            Novelty::Conflict => Outcome::Duplicate,
        };
        (outcome, !(is_fact && self.corpus.size.version_conflicts))
    }

    /// If this one item ends a live consent: the postings of which no earlier record may then tell anything.
    fn told_by_ending(&mut self, items: &[usize]) -> Checked<Option<BTreeSet<Id>>> {
        let [i] = items else { return Ok(None) };
        if self.corpus.size.version_conflicts {
            return Ok(None); // The rules do not say which facts hold.
        }
        let Content::Message(message) = &self.corpus.items[*i].content else { return Ok(None) };
        let Message::Fact(Fact { kind: Kind::Consent, id, state, .. }) = &**message else { return Ok(None) };
        if matches!(state, State::Live(_)) || self.core().store().pending_work()? > 0 {
            return Ok(None);
        }
        let mut after = self.known.clone();
        after.learn(&self.corpus.items[*i].source, message);
        let charts = &self.corpus.charts[self.charts];
        let before = Evaluation::new(&self.known, charts);
        let ends = before.consents().contains(id) && !Evaluation::new(&after, charts).consents().contains(id);
        Ok(ends.then(|| before.belonging(id)))
    }

    /// Everything that must hold after every transaction; and where there is no work left, every answer.
    fn look(&mut self) -> Checked {
        let store = store_of(&mut self.core);
        self.newest.read_on(store, &self.vault)?;
        let seen = Seen::of(store)?;
        seen.agrees_with_feed(&self.newest, store, &self.vault)?;
        seen.balances(store)?;
        tagged::sums(&seen, &self.newest, store, &self.vault)?;
        let counted = store.counts()?.into_iter();
        let counted: BTreeMap<_, _> = counted
            .map(|count| ((seen.names[&count.source].clone(), count.month, count.outcome), count.items))
            .collect();
        same(Check::Counts, "counts", &counted, &self.counts)?;
        if store.pending_work()? == 0 && !self.corpus.size.version_conflicts {
            let evaluation = Evaluation::new(&self.known, &self.corpus.charts[self.charts]);
            seen.agrees_with(&self.newest, &evaluation)?;
        }
        Ok(())
    }

    fn read_to_the_end(&mut self) -> Checked {
        let store = store_of(&mut self.core);
        let from_the_start = self.readers.iter().map(|reader| Reader::new(reader.filter().clone()));
        self.readers.extend(from_the_start.collect::<Vec<_>>());
        for reader in &mut self.readers {
            while reader.read(store, &self.vault, 97)? {}
            check::holds_its_part(reader, &self.newest)?;
        }
        self.readers.truncate(READERS);
        Ok(())
    }

    /// A full extract sent again changes nothing but the counts of what was received and known.
    fn send_all_again(&mut self) -> Checked {
        let (state, seq) = (self.state()?, self.core().store().last_seq()?);
        let (arrived, clock) = (Vec::from_iter(self.arrived.clone()), self.clock);
        for items in arrived.rchunks(100) {
            let prepared: Vec<Prepared> = items.iter().map(|&i| prepare(i, &self.corpus.items[i])).collect();
            let became = self.core().take_in(&prepared, clock)?;
            if let Some((i, became)) =
                items.iter().zip(became).find(|(_, became)| *became != Became::Duplicate)
            {
                return Err(Failure::new(Check::Again, format!("item {i}, sent again, became {became:?}")));
            }
            self.latest = self.latest.max(clock);
            let date = self.latest.to_zoned(self.zone.clone()).date();
            let month = jiff::civil::date(date.year(), date.month(), 1);
            for i in items {
                for outcome in [Outcome::Message, Outcome::Received, Outcome::Duplicate] {
                    let key = (self.corpus.items[*i].source.clone(), month, outcome);
                    *self.counts.entry(key).or_default() += 1;
                }
            }
        }
        self.look()?;
        same(Check::Again, "work", &self.core().store().pending_work()?, &0)?;
        same(Check::Again, "last seq", &self.core().store().last_seq()?, &seq)?;
        same(Check::Again, "state", &self.state()?, &state)
    }

    /// The state of every posting, a line each, in order of source and id.
    fn state(&mut self) -> Checked<String> {
        let seen = Seen::of(self.core().store())?;
        let answers = seen.rows.iter().map(|row| (seen.id(row), seen.answer(&self.newest, row)));
        let answers: BTreeMap<_, _> = answers.collect();
        let line = |(id, answer): (Id, Answer)| {
            let answer = serde_json::to_string(&answer).unwrap_or_else(|error| panic!("{error}"));
            format!("{} {} {answer}\n", id.0, id.1)
        };
        Ok(answers.into_iter().map(line).collect())
    }
}

fn store_of(core: &mut Option<Core>) -> &mut dyn Store {
    core.as_mut().unwrap_or_else(|| panic!("the store is closed")).store()
}

fn outcome(became: &Became) -> Outcome {
    match became {
        Became::Fact => Outcome::Fact,
        Became::Stale => Outcome::Stale,
        Became::Posting => Outcome::Posting,
        Became::Duplicate => Outcome::Duplicate,
        Became::Receipt => Outcome::Receipt,
        Became::Empty => Outcome::Empty,
        Became::Quarantined(_) => Outcome::Quarantined,
    }
}

/// What stands for an item in quarantine.
fn bytes(i: usize, item: &Item) -> Vec<u8> {
    match &item.content {
        Content::Broken(bytes) => bytes.clone(),
        Content::Message(_) => i.to_string().into_bytes(),
    }
}

fn prepare(i: usize, item: &Item) -> Prepared {
    let body = Bytes::from(bytes(i, item));
    match &item.content {
        Content::Message(message) => Prepared::from_caller(item.source.clone(), (**message).clone(), body),
        Content::Broken(_) => {
            let intake = Intake {
                source: item.source.clone(),
                decoder: Arc::new(Refuses),
                may_send: Permissions::all(),
                max_body_bytes: usize::MAX,
            };
            let mut items = intake.prepare(&Delivery { body, ..Delivery::default() });
            items.pop().unwrap_or_else(|| panic!("every delivery gives one item"))
        }
    }
}

/// A decoder to which everything is undecodable.
struct Refuses;

impl Decode for Refuses {
    fn decode(&self, _: &SourceName, _: &Delivery) -> Vec<samspor_domain::Item> {
        let fault = Fault::new(Reason::Undecodable, "it is not meant to be decoded");
        vec![samspor_domain::Item { content: Err(fault), excerpt: None, ignored_fields: 0 }]
    }
}
