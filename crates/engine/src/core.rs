//! The heart: items go in, one transaction holds everything that they cause. No threads, no clock, no network; live
//! intake and `replay` run the very same.

use std::borrow::Borrow;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use samspor_domain::audit::Entry;
use samspor_domain::store::{Outcome, Quarantined, Reach, Result, Store, StoreError, WorkPhase};
use samspor_domain::{Cause, Charts, Fault, Message, Posting, RULES_VERSION, Reason, SourceName, SourceNo};
use samspor_vault::{Purpose, Vault};

use crate::books::Advance;
use crate::cursor::{self, Epoch};
use crate::forward::{self, Lines};
use crate::halve::{Tried, broke};
use crate::intake::Prepared;
use crate::kept;
use crate::keyring::Keyring;
use crate::registry::Registry;
use crate::rekey::{self, Rekeying};
use crate::replay::{self, Replayed, Turns};
use crate::restore;
use crate::retention::Retention;
use crate::scrub::Scrubbing;
use crate::silent::Silent;
use crate::tally::Tally;
use crate::trace::Noting;
use crate::withdrawals::Withdrawals;

/// What became of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Became {
    /// A fact's newest version.
    Fact,
    /// An older version of a fact.
    Stale,
    /// A new posting.
    Posting,
    /// A receipt that says more than was known.
    Receipt,
    /// Something known already.
    Duplicate,
    /// A message in which there is nothing, and rightly so.
    Empty,
    /// It lies in quarantine.
    Quarantined(Fault),
}

impl Became {
    /// As what it is counted.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Fact => Outcome::Fact,
            Self::Stale => Outcome::Stale,
            Self::Posting => Outcome::Posting,
            Self::Receipt => Outcome::Receipt,
            Self::Duplicate => Outcome::Duplicate,
            Self::Empty => Outcome::Empty,
            Self::Quarantined(_) => Outcome::Quarantined,
        }
    }
}

/// The store, the registry in memory, and the transaction between them.
pub struct Core {
    pub(crate) store: Box<dyn Store>,
    pub(crate) keyring: Keyring,
    pub(crate) registry: Registry,
    pub(crate) tally: Tally,
    pub(crate) retention: Retention,
    pub(crate) charts: Charts,
    /// How many postings one transaction decides again at most.
    pub(crate) slice: usize,
    /// The last registration instant; the next is never earlier.
    last: Timestamp,
    pub(crate) scrubbing: Scrubbing,
    pub(crate) silent: Silent,
    /// The targets that forward.
    pub(crate) lines: Lines,
    /// When targets began to get records again.
    pub(crate) replayed: Replayed,
    /// Counts how often they did since this was opened.
    pub(crate) turns: Turns,
    /// How many postings a fact may change without someone's consent.
    pub(crate) brake: Option<usize>,
    /// Deciding again panicked. It waits until a fact comes that may have been the cause, or for another start.
    pub(crate) stalled: bool,
    pub(crate) tracing: Noting,
    pub(crate) withdrawals: Withdrawals,
    /// Above which revision the first of a posting is.
    pub(crate) floor: i64,
    /// Which of the lives of the feed this is; cursors hold in one of them only.
    pub(crate) epoch: Epoch,
    /// How far replacing the keys has come.
    pub(crate) rekeying: Option<Rekeying>,
    /// The store may say that answers are by other charts than these. The next transaction says it again.
    pub(crate) charts_in_doubt: bool,
    /// Undoing failed, and what is in memory may never have been stored. Nothing is done before that is undone.
    must_undo: bool,
    /// What the next transaction writes to the audit log.
    pub(crate) noted: Vec<(Entry, Timestamp)>,
    /// For how many days the audit log is kept; none: for ever.
    pub(crate) audit_days: Option<u32>,
}

/// By how much a clock may be put back, as time services do.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(5);

/// Keys of the store's own values.
const CHARTS: &str = "charts";
const RULES: &str = "rules";
const LAST: &str = "last-instant";

impl Core {
    /// Opens the core over a store: checks that the keys are its own, loads the registry, and puts what other charts or rules decided on
    /// the work list.
    pub fn open(mut store: Box<dyn Store>, vault: Arc<Vault>, charts: Charts, slice: usize) -> Result<Self> {
        let ring = rekey::take(&mut *store, &vault)?;
        let (keyring, registry) = load(&mut *store, &vault, &charts)?;
        let (tally, retention) = (Tally::new(), Retention::load(&mut *store, None)?);
        let last = last_instant(&mut *store)?;
        let (scrubbing, lines) = (Scrubbing::load(&mut *store)?, forward::lines(&mut *store)?);
        let floor = restore::floor(&mut *store)?;
        let epoch = cursor::epoch(&mut *store)?;
        let rekeying = rekey::load(&mut *store, &vault)?;
        let replayed = replay::load(&mut *store)?;
        let (brake, stalled, charts_in_doubt, must_undo) = (None, false, false, false);
        let mut core = Self {
            store,
            keyring,
            registry,
            tally,
            retention,
            charts,
            slice,
            last,
            scrubbing,
            silent: Silent::default(),
            lines,
            replayed,
            turns: Turns::default(),
            brake,
            stalled,
            tracing: Noting::default(),
            withdrawals: Withdrawals::default(),
            floor,
            epoch,
            rekeying,
            charts_in_doubt,
            must_undo,
            noted: Vec::new(),
            audit_days: None,
        };
        core.transaction(|core| {
            ring.iter().try_for_each(|ring| rekey::keep_ring(&mut *core.store, ring))?;
            cursor::note_epoch(&mut *core.store, epoch)?;
            core.add_up_tagged()?;
            core.note_charts_and_rules()
        })?;
        Ok(core)
    }

    /// Answers that other charts made, or other rules, are decided again.
    pub(crate) fn note_charts_and_rules(&mut self) -> Result<()> {
        let charts = serde_json::to_vec(&self.charts).map_err(|error| StoreError::Failed(Box::new(error)))?;
        let charts = self.keyring.scope(samspor_domain::Scope::Registry).content(&charts).0;
        let rules = RULES_VERSION.to_be_bytes();
        let (known_charts, known_rules) = (self.store.meta(CHARTS)?, self.store.meta(RULES)?);
        let has_other_rules = known_rules.as_deref().is_some_and(|known| known != rules);
        if has_other_rules || known_charts.as_deref().is_some_and(|known| known != charts) {
            let reach = if has_other_rules { Reach::All } else { Reach::Tagged };
            self.store.add_work(&reach, Cause::Start, WorkPhase::Decide)?;
            self.weigh_anew()?;
        }
        self.store.set_meta(CHARTS, &charts)?;
        self.store.set_meta(RULES, &rules)
    }

    /// Takes in items in order, in one transaction, and decides again what they change, up to the slice. Where it
    /// fails nothing of it was done, and the registry in memory is the store's again.
    pub fn take_in(&mut self, items: &[Prepared], now: Timestamp) -> Result<Vec<Became>> {
        Ok(self.take_in_group(&[items], &[], now)?.into_iter().flatten().collect())
    }

    /// Takes in several batches in one transaction, and moves targets' cursors. Where that panics, in as many
    /// transactions as it takes to find the item that did, which goes to quarantine.
    pub(crate) fn take_in_group(
        &mut self,
        batches: &[impl AsRef<[Prepared]>],
        advances: &[Advance],
        now: Timestamp,
    ) -> Result<Vec<Vec<Became>>> {
        let mut working = false;
        let whole = self.attempt(|core| {
            core.transaction(|core| {
                let became = batches
                    .iter()
                    .map(|items| core.take_in_all(items.as_ref(), now, said))
                    .collect::<Result<Vec<_>>>()?;
                core.advance_all(advances, now)?;
                working = true;
                if !core.stalled {
                    core.work_slice(core.last)?;
                }
                Ok(became)
            })
        })?;
        if let Tried::Done(done) = whole {
            return done;
        }
        self.stalled |= working;
        self.transaction(|core| core.advance_all(advances, now))?;
        let items: Vec<&Prepared> = batches.iter().flat_map(AsRef::as_ref).collect();
        let mut became = self
            .halving(
                &items,
                // Each part is a transaction, and balances by itself.
                &|core, items| core.take_in_all(items, now, <[_]>::len),
                &|core, item| {
                    let broken = Prepared { content: Err(broke()), ..(*item).clone() };
                    core.take_in_all(&[broken], now, <[_]>::len).map(|mut became| became.remove(0))
                },
            )?
            .into_iter();
        Ok(batches.iter().map(|items| became.by_ref().take(items.as_ref().len()).collect()).collect())
    }

    /// Takes in items in order. What arrived is counted before any of it is looked at, by source and instant; what
    /// became of it is counted where that happens, so that the one can be held against the other.
    fn take_in_all<P: Borrow<Prepared>>(
        &mut self,
        items: &[P],
        now: Timestamp,
        arrived: impl Fn(&[P]) -> usize,
    ) -> Result<Vec<Became>> {
        let mut became = Vec::with_capacity(items.len());
        for alike in items.chunk_by(|a, b| is_alike(a.borrow(), b.borrow())) {
            let Some(first) = alike.first().map(Borrow::borrow) else { continue };
            if let Some(recorded) = first.registered {
                self.catch_up(recorded)?;
            }
            let now = self.instant(first.registered.unwrap_or(now));
            let source = self.keyring.enter(&mut *self.store, &first.source)?;
            let count = i64::try_from(arrived(alike)).unwrap_or(i64::MAX);
            self.tally.count(source, now, Outcome::Received, count);
            let messages = alike.iter().filter(|item| (*item).borrow().arrives_as > 0).count();
            self.tally.count(source, now, Outcome::Message, i64::try_from(messages).unwrap_or(i64::MAX));
            for item in alike {
                became.push(self.item(source, item.borrow(), now)?);
            }
        }
        Ok(became)
    }

    fn advance_all(&mut self, advances: &[Advance], now: Timestamp) -> Result<()> {
        // By the clock, and not by what was registered: how long receipts are missing is told by the clock as well.
        advances.iter().try_for_each(|advance| self.advance(advance, now))
    }

    /// Decides all that is on the work list before a replay's time goes on, so that what was said at an instant comes of
    /// what was known then, however long the recording is and however many items one transaction takes.
    fn catch_up(&mut self, recorded: Timestamp) -> Result<()> {
        while !self.stalled && recorded > self.last && self.store.next_work()?.is_some() {
            self.work_slice(self.last)?;
        }
        Ok(())
    }

    /// Decides a slice of the work list again. Answers whether any is left.
    pub fn work(&mut self, now: Timestamp) -> Result<bool> {
        if self.stalled || self.store.pending_work()? == 0 {
            return Ok(false);
        }
        let tried = self.attempt(|core| {
            core.transaction(|core| {
                let now = core.instant(now);
                core.work_slice(now)
            })
        })?;
        match tried {
            Tried::Done(done) => done?,
            Tried::Broke => self.stalled = true,
        }
        Ok(!self.stalled && self.store.pending_work()? > 0)
    }

    /// The store, for its readers' questions.
    pub fn store(&mut self) -> &mut dyn Store {
        &mut *self.store
    }

    /// Runs one transaction; what fails is undone in the store and in memory.
    pub(crate) fn transaction<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.must_undo {
            self.undo()?;
        }
        let before = self.last;
        self.store.begin()?;
        let said = if self.charts_in_doubt { self.note_charts_and_rules() } else { Ok(()) };
        let outcome = said.and_then(|()| body(self)).and_then(|value| {
            self.write_noted()?;
            self.tally.flush(&mut *self.store, &self.keyring.vault)?;
            if self.last != before {
                self.store.set_meta(LAST, &self.last.as_microsecond().to_be_bytes())?;
            }
            // Before the commit, since what is committed may be delivered at once.
            self.tracing.keep();
            self.withdrawals.write()?;
            self.store.commit()?;
            self.tracing.kept();
            self.withdrawals.clear();
            Ok(value)
        });
        if outcome.is_err() {
            self.undo()?;
        } else {
            self.charts_in_doubt = false;
            self.noted.clear();
        }
        outcome
    }

    /// Rolls back, and takes the registry from the store again.
    pub(crate) fn undo(&mut self) -> Result<()> {
        self.must_undo = true;
        self.store.rollback();
        self.tracing.undo();
        self.withdrawals.clear();
        self.tally.clear();
        let vault = Arc::clone(&self.keyring.vault);
        (self.keyring, self.registry) = load(&mut *self.store, &vault, &self.charts)?;
        self.retention = Retention::load(&mut *self.store, self.retention.days)?;
        self.scrubbing = Scrubbing::load(&mut *self.store)?;
        self.lines = forward::lines(&mut *self.store)?;
        self.last = last_instant(&mut *self.store)?;
        self.rekeying = rekey::load(&mut *self.store, &vault)?;
        self.must_undo = false;
        Ok(())
    }

    /// Registration instants never go back, so that what was known at an instant stays known.
    pub(crate) fn instant(&mut self, now: Timestamp) -> Timestamp {
        self.last = self.last.max(now);
        self.last
    }

    /// The last registration, if it is further ahead of the clock than clocks that are set right ever are.
    pub(crate) fn is_ahead_of(&self, now: Timestamp) -> Option<Timestamp> {
        (self.last.duration_since(now) > CLOCKS_DIFFER).then_some(self.last)
    }

    pub(crate) fn slice(&self) -> usize {
        self.slice
    }

    fn item(&mut self, source: SourceNo, item: &Prepared, now: Timestamp) -> Result<Became> {
        let became = match self.decided(source, item, now)? {
            Became::Quarantined(fault) => self.quarantine(source, item, fault, now)?,
            other => other,
        };
        // Sent again, they are nothing new either.
        let ignored_fields = if became == Became::Duplicate { 0 } else { item.ignored_fields };
        self.tally.item(source, now, became.outcome(), ignored_fields);
        Ok(became)
    }

    /// Does all that an item causes but for counting it. One with a fault is not put in quarantine yet.
    pub(crate) fn decided(&mut self, source: SourceNo, item: &Prepared, now: Timestamp) -> Result<Became> {
        match &item.content {
            _ if item.is_empty => Ok(Became::Empty),
            Ok(Message::Posting(posting)) => {
                let became = self.posting(source, posting, now, item.trace)?;
                if !self.lines.is_empty() && became == Became::Posting {
                    self.pass_on(source, posting, item)?;
                }
                Ok(became)
            }
            Ok(Message::Fact(fact)) => {
                let became = self.fact(source, &item.source, fact, now)?;
                // It may have mended what deciding again broke on.
                self.stalled &= became != Became::Fact;
                Ok(became)
            }
            Ok(Message::Receipt(receipt)) => match &item.receipts_of {
                Some(target) => self.receipt(target, receipt, now),
                None => Ok(Became::Quarantined(not_permitted(&item.source, "receipt"))),
            },
            Err(fault) => Ok(Became::Quarantined(fault.clone())),
        }
    }

    /// Puts an item in quarantine, as one that arrived then.
    pub(crate) fn quarantine(
        &mut self,
        source: SourceNo,
        item: &Prepared,
        fault: Fault,
        now: Timestamp,
    ) -> Result<Became> {
        let whole = kept::whole(item.content_type.as_deref(), &item.bytes);
        let line = kept::whole_line(item.content_type.as_deref(), &item.bytes, &item.line_end);
        let keys = self.keyring.scope(samspor_domain::Scope::Source(source));
        let new = self.store.put_in_quarantine(&Quarantined {
            source,
            registered: now,
            reason: fault.reason,
            path: fault.path.clone(),
            message: fault.message.clone(),
            content: kept::known_by(keys, &whole, &fault, (item.item, item.items)),
            body: self.keyring.vault.seal(Purpose::Quarantine, &line),
            item: item.item,
            items: item.items,
        })?;
        Ok(if new { Became::Quarantined(fault) } else { Became::Duplicate })
    }
}

fn is_alike(a: &Prepared, b: &Prepared) -> bool {
    a.source == b.source && a.registered == b.registered
}

/// How many items their decoders said that there are.
fn said(items: &[Prepared]) -> usize {
    items.iter().map(|item| usize::try_from(item.arrives_as).unwrap_or(usize::MAX)).sum()
}

fn last_instant(store: &mut dyn Store) -> Result<Timestamp> {
    let last = store.meta(LAST)?.and_then(|bytes| Some(i64::from_be_bytes(bytes.try_into().ok()?)));
    Ok(last.and_then(|last| Timestamp::from_microsecond(last).ok()).unwrap_or(Timestamp::MIN))
}

fn load(store: &mut dyn Store, vault: &Arc<Vault>, charts: &Charts) -> Result<(Keyring, Registry)> {
    let keyring = Keyring::load(Arc::clone(vault), &mut *store)?;
    let registry = Registry::load(store, &keyring, charts.clone(), None)?;
    Ok((keyring, registry))
}

/// The fault of a posting whose source and id are known with other content.
pub(crate) fn conflict() -> Fault {
    Fault::at(
        Reason::PostingConflict,
        "id",
        "a posting with this id is known with other content, and stays; a correction is a new posting that reverses it",
    )
}

/// Whether two postings are the same content.
pub(crate) fn same<R: PartialEq>(a: &Posting<R>, b: &Posting<R>) -> bool {
    a == b
}

/// Who may send what is decided when an item is prepared; this names the source for messages.
pub(crate) fn not_permitted(source: &SourceName, word: &str) -> Fault {
    Fault::at(
        Reason::NotPermitted,
        "type",
        format!("source {source} may not send messages of type {word}; its `may_send` lists what it may"),
    )
}
