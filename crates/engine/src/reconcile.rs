//! Reconciliation with those outside: what each target has against what is tagged, and the finance system's control
//! totals against what came in. Everything is read as of one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use samspor_domain::store::{
    Day, FeedRow, Month, PostingNo, PostingRow, Read, Result, Seq, Standing, StoreError,
};
use samspor_domain::{
    Amount, Body, Change, Fit, Handed, Kind, Receipted, SourceName, SourceNo, Stage, Sum, TagFilter, Text,
    Why,
};
use samspor_vault::{Pseudonyms, Vault};
use tokio_util::sync::CancellationToken;

use crate::line_books::{self, LineBook};
use crate::{filter, kept};

/// Rows that are read at a time.
const PAGE: usize = 1_000;

/// All books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Books {
    /// By target, source and month of posting.
    pub targets: Vec<Book>,
    /// Of targets that forward, by target and month of posting.
    pub lines: Vec<LineBook>,
    /// The control totals that are live.
    pub controls: Vec<ControlSum>,
}

/// What a target has of one source's postings of one month, against what is tagged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book {
    /// The target.
    pub target: Text,
    /// The source.
    pub source: SourceName,
    /// The month of the postings' dates.
    pub month: Month,
    /// The postings that are tagged.
    pub tagged: Sum,
    /// Those of them of which the target has no tag yet, because it is behind or they are parked.
    pub coming: Sum,
    /// Those that are tagged no longer, of which the target does not know that yet.
    pub going: Sum,
    /// Those of which the target has an older tag.
    pub outdated: Sum,
    /// Records that are parked, of all the above.
    pub parked: i64,
    /// The postings of which the target has a tag, by how far their records have come.
    pub has: BTreeMap<Stage, Sum>,
    /// The postings of which the target has that the tag was taken off, by how far those records have come.
    pub untagged: BTreeMap<Stage, Sum>,
}

impl Book {
    /// What the target has a tag of.
    #[must_use]
    pub fn all(&self) -> Sum {
        self.has.values().copied().sum()
    }

    /// Whether what it has is what is tagged, but for what is on its way.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let mut right = self.tagged;
        right -= self.coming;
        right += self.going;
        right == self.all()
    }

    /// Whether everything is there, and in the target's books where those give receipts.
    #[must_use]
    pub fn is_reconciled(&self) -> bool {
        let is_open = |stages: &BTreeMap<Stage, Sum>| {
            [Stage::Awaiting, Stage::Rejected]
                .iter()
                .any(|stage| stages.get(stage).is_some_and(|sum| sum.postings > 0))
        };
        let is_behind = [self.coming, self.going, self.outdated].iter().any(|sum| sum.postings > 0);
        self.is_balanced() && !is_behind && !is_open(&self.has) && !is_open(&self.untagged)
    }
}

/// A control total of the finance system against what came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlSum {
    /// Its id.
    pub id: Text,
    /// The source that it is about.
    pub source: SourceName,
    /// The first and last date of the postings that it counts.
    pub dates: (Date, Date),
    /// How many the finance system counts.
    pub count: i64,
    /// Their sum there.
    pub sum: Amount,
    /// What came in.
    pub ours: Sum,
}

impl ControlSum {
    /// Whether both are the same.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.ours.postings == self.count && self.ours.ore() == i128::from(self.sum.ore())
    }
}

/// Reads all books.
pub fn books(read: &mut dyn Read, vault: &Arc<Vault>) -> Result<Books> {
    Reader::new(read, vault)?.books()
}

/// Reads the control totals that are live, held against what came in.
pub fn controls(read: &mut dyn Read, vault: &Arc<Vault>) -> Result<Vec<ControlSum>> {
    Reader::new(read, vault)?.controls()
}

/// Which postings of a target are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The target has not got their newest record yet.
    Waiting,
    /// Their record is parked.
    Parked,
    /// Their record has come so far.
    Stage(Stage),
    /// What the target has differs from what is tagged, and nothing is on its way: there should be none.
    Difference,
}

/// A posting of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The source.
    pub source: SourceName,
    /// The posting.
    pub posting: Text,
    /// Its date.
    pub date: Date,
    /// Its amount.
    pub amount: Amount,
    /// Whether it is tagged.
    pub is_tagged: bool,
    /// What the target has of it.
    pub handed: Option<Handed>,
    /// Why its record is parked.
    pub parked: Option<Why>,
}

/// The postings of a target in a state, at most `limit`. It ends with an error where it is told to stop.
pub fn drill(
    read: &mut dyn Read,
    vault: &Arc<Vault>,
    target: &Text,
    state: State,
    limit: usize,
    stop: &CancellationToken,
) -> Result<Vec<Line>> {
    Reader::until(read, vault, stop)?.drill(target, state, limit)
}

/// What stands behind a control total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlLines {
    /// The control total against what came in.
    pub total: ControlSum,
    /// What came in by date, whether it is purged or not.
    pub days: Vec<Day>,
    /// The postings that came in and are not purged, by id, at most as many as asked for; of what targets have of them
    /// they say nothing.
    pub lines: Vec<Line>,
}

/// What came in of what a control total counts, by day and, at most `limit`, by posting; none if there is no such total. It ends
/// with an error where it is told to stop.
pub fn control_lines(
    read: &mut dyn Read,
    vault: &Arc<Vault>,
    id: &Text,
    limit: usize,
    stop: &CancellationToken,
) -> Result<Option<ControlLines>> {
    Reader::until(read, vault, stop)?.control(id, limit)
}

/// Reads as of one moment, as long as it lives.
pub(crate) struct Reader<'a> {
    pub(crate) read: &'a mut dyn Read,
    vault: &'a Arc<Vault>,
    names: BTreeMap<SourceNo, (SourceName, Pseudonyms)>,
    /// Nobody waits for the answer any more.
    stop: CancellationToken,
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let _ = self.read.release(); // It changed nothing, so nothing depends on it.
    }
}

/// A posting whose newest record a target has not got.
struct Way {
    row: PostingRow,
    handed: Option<Handed>,
    /// Whether it is tagged, as far as the target is to know.
    is_tagged: bool,
    is_parked: bool,
}

fn sum_of(names: &BTreeMap<SourceNo, (SourceName, Pseudonyms)>, row: &PostingRow) -> Sum {
    let id = names.get(&row.source).map(|(_, keys)| keys.text("posting", row.posting.id.as_str()));
    id.map(|id| Sum::of(row.posting.amount, &id)).unwrap_or_default()
}

/// A source and a month.
type Key = (SourceNo, Month);

impl<'a> Reader<'a> {
    fn new(read: &'a mut dyn Read, vault: &'a Arc<Vault>) -> Result<Self> {
        Self::until(read, vault, &CancellationToken::new())
    }

    /// The same until told to stop.
    pub(crate) fn until(
        read: &'a mut dyn Read,
        vault: &'a Arc<Vault>,
        stop: &CancellationToken,
    ) -> Result<Self> {
        read.hold()?;
        let mut reader = Self { read, vault, names: BTreeMap::new(), stop: stop.clone() };
        let sources = reader.read.sources()?;
        let keyed = |(no, name): (SourceNo, SourceName)| {
            let keys = vault.source(&name);
            (no, (name, keys))
        };
        reader.names = sources.into_iter().map(keyed).collect();
        Ok(reader)
    }

    /// An error where nobody waits any more.
    fn goes_on(&self) -> Result<()> {
        let stopped = self.stop.is_cancelled();
        if stopped { Err(StoreError::Failed("nobody waits for the answer any more".into())) } else { Ok(()) }
    }

    /// All books.
    pub(crate) fn books(&mut self) -> Result<Books> {
        let (targets, controls) = (self.targets()?, self.controls()?);
        let stop = self.stop.clone();
        let (names, read) = (&self.names, &mut *self.read);
        let known = names.iter().map(|(no, (name, _))| (*no, name)).collect();
        let lines = line_books::read(read, known, &stop, |row| sum_of(names, row))?;
        self.goes_on()?;
        Ok(Books { targets, lines, controls })
    }

    pub(crate) fn name(&self, source: SourceNo) -> SourceName {
        match self.names.get(&source) {
            Some((name, _)) => name.clone(),
            None => unreachable!("every source that the store names is one of its sources"),
        }
    }

    fn targets(&mut self) -> Result<Vec<Book>> {
        let shelves = self.read.shelves()?;
        let mut books = Vec::new();
        for (target, cursor) in self.read.cursors()? {
            let mut of: BTreeMap<Key, Book> = BTreeMap::new();
            let filter = filter::filter(&mut *self.read, self.vault, &target)?;
            for (key, sum) in filter::tagged(&mut *self.read, self.vault, &filter)? {
                self.book(&mut of, &target, key).tagged = sum;
            }
            for shelf in shelves.iter().filter(|shelf| shelf.target == target) {
                let book = self.book(&mut of, &target, (shelf.source, shelf.month));
                let stages = if shelf.change == Change::Tag { &mut book.has } else { &mut book.untagged };
                stages.insert(shelf.stage, shelf.sum);
            }
            self.on_its_way(&target, &filter, cursor, |reader, way| {
                let Way { row, handed, is_tagged, is_parked } = way;
                let key = (row.source, row.posting.date.first_of_month());
                let sum = reader.sum(&row);
                let book = reader.book(&mut of, &target, key);
                book.parked += i64::from(is_parked);
                let has_tag = handed.as_ref().is_some_and(|handed| handed.change == Change::Tag);
                match (is_tagged, has_tag) {
                    (true, false) => book.coming += sum,
                    (false, true) => book.going += sum,
                    (true, true) => book.outdated += sum,
                    (false, false) => {}
                }
                true
            })?;
            let is_empty = |book: &Book| {
                book.tagged.postings == 0
                    && book.parked == 0
                    && book.has.values().chain(book.untagged.values()).all(|sum| sum.postings == 0)
            };
            books.extend(of.into_values().filter(|book| !is_empty(book)));
        }
        Ok(books)
    }

    fn book<'b>(&self, of: &'b mut BTreeMap<Key, Book>, target: &Text, key: Key) -> &'b mut Book {
        of.entry(key).or_insert_with(|| Book {
            target: target.clone(),
            source: self.name(key.0),
            month: key.1,
            tagged: Sum::default(),
            coming: Sum::default(),
            going: Sum::default(),
            outdated: Sum::default(),
            parked: 0,
            has: BTreeMap::new(),
            untagged: BTreeMap::new(),
        })
    }

    fn sum(&self, row: &PostingRow) -> Sum {
        sum_of(&self.names, row)
    }

    /// What a posting's newest record is to a target with that filter; without one, nothing is unsealed for it.
    fn fit(&mut self, filter: &TagFilter, row: &PostingRow, newest: &FeedRow) -> Result<Fit> {
        if filter.is_everything() {
            let is_tagged = matches!(row.standing, Standing::Tagged(_));
            return Ok(if is_tagged { Fit::Tag } else { Fit::Untag });
        }
        let revision = kept::open_revision(self.vault, newest)?;
        Ok(revision.map_or(Fit::Nothing, |revision| filter.fit(&revision)))
    }

    /// Goes through the postings whose newest record a target has not got: those after its cursor, and those parked. What
    /// is not for it is not among them.
    fn on_its_way(
        &mut self,
        target: &Text,
        filter: &TagFilter,
        cursor: Seq,
        mut each: impl FnMut(&mut Self, Way) -> bool,
    ) -> Result<()> {
        let mut after = PostingNo::default();
        loop {
            self.goes_on()?;
            let page = self.read.parked(target, after, PAGE)?;
            let Some(last) = page.last() else { break };
            after = last.posting;
            for parked in page {
                let newest = self.read.newest_record(parked.posting)?.filter(|record| record.seq <= cursor);
                let Some((newest, row)) = newest.zip(self.read.posting(parked.posting)?) else { continue };
                let is_tagged = self.fit(filter, &row, &newest)? == Fit::Tag;
                let handed = self.read.handed(target, row.no)?;
                if !each(self, Way { row, handed, is_tagged, is_parked: true }) {
                    return Ok(());
                }
            }
        }
        let mut after = cursor;
        loop {
            self.goes_on()?;
            let page = self.read.newest_after(after, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = last.seq;
            for (newest, row) in page {
                let fit = self.fit(filter, &row, &newest)?;
                if fit == Fit::Nothing {
                    continue;
                }
                let handed = self.read.handed(target, row.no)?;
                if !each(self, Way { row, handed, is_tagged: fit == Fit::Tag, is_parked: false }) {
                    return Ok(());
                }
            }
        }
    }

    fn controls(&mut self) -> Result<Vec<ControlSum>> {
        let mut controls = Vec::new();
        for fact in self.read.facts(Kind::ControlTotal)? {
            let Some((id, Body::ControlTotal(total))) = kept::open_live(self.vault, &fact)? else { continue };
            let no = self.names.iter().find(|(_, (name, _))| *name == total.source).map(|(no, _)| *no);
            let (Some(from), Some(to)) = (total.span.from, total.span.to) else { continue };
            let days = no.map(|no| self.read.days(no, from, to)).transpose()?.unwrap_or_default();
            let ours = days.into_iter().map(|day| day.sum).sum();
            let (count, sum) = (total.count, total.sum);
            controls.push(ControlSum { id, source: total.source, dates: (from, to), count, sum, ours });
        }
        controls.sort_by(|a, b| (&a.source, a.dates, &a.id).cmp(&(&b.source, b.dates, &b.id)));
        Ok(controls)
    }

    fn control(&mut self, id: &Text, limit: usize) -> Result<Option<ControlLines>> {
        let Some(total) = self.controls()?.into_iter().find(|control| control.id == *id) else {
            return Ok(None);
        };
        let (from, to) = total.dates;
        let no = self.names.iter().find(|(_, (name, _))| *name == total.source).map(|(no, _)| *no);
        let (mut days, mut lines) = (Vec::new(), Vec::new());
        if let Some(no) = no {
            days = self.read.days(no, from, to)?;
            let mut after = None;
            while lines.len() < limit {
                self.goes_on()?;
                let page = self.read.postings_by_id(no, after.as_ref(), PAGE)?;
                let Some(last) = page.last() else { break };
                after = Some(last.posting.id.clone());
                for row in page.iter().filter(|row| (from..=to).contains(&row.posting.date)) {
                    lines.push(self.line(&TagFilter::default(), row, None, None)?);
                }
            }
            lines.truncate(limit);
        }
        Ok(Some(ControlLines { total, days, lines }))
    }

    fn drill(&mut self, target: &Text, state: State, limit: usize) -> Result<Vec<Line>> {
        let cursor = self.read.cursor(target)?;
        let filter = filter::filter(&mut *self.read, self.vault, target)?;
        let mut lines = Vec::new();
        match state {
            State::Waiting | State::Parked => {
                let is_parked = state == State::Parked;
                let mut found = Vec::new();
                self.on_its_way(target, &filter, cursor, |_, way| {
                    if way.is_parked == is_parked {
                        found.push((way.row, way.handed));
                    }
                    // What is parked comes first.
                    found.len() < limit && (way.is_parked || !is_parked)
                })?;
                for (row, handed) in found {
                    let parked = if is_parked { self.parked(target, row.no)? } else { None };
                    lines.push(self.line(&filter, &row, handed, parked)?);
                }
            }
            State::Stage(stage) => {
                let handed = self.read.handed_in(target, Some(stage), PostingNo::default(), limit)?;
                for (no, handed) in handed {
                    if let Some(row) = self.read.posting(no)? {
                        lines.push(self.line(&filter, &row, Some(handed), None)?);
                    }
                }
            }
            State::Difference => {
                let mut after = PostingNo::default();
                while lines.len() < limit {
                    self.goes_on()?;
                    let page = self.read.postings(&samspor_domain::store::Reach::All, after, PAGE)?;
                    let Some(last) = page.last() else { break };
                    after = last.no;
                    for row in page {
                        let newest = self.read.newest_record(row.no)?;
                        let is_passed = newest.as_ref().is_none_or(|record| record.seq <= cursor);
                        let handed = self.read.handed(target, row.no)?;
                        let has_tag = handed.as_ref().is_some_and(|handed| handed.change == Change::Tag);
                        let fit = newest.map(|newest| self.fit(&filter, &row, &newest)).transpose()?;
                        let is_tagged = fit == Some(Fit::Tag);
                        let differs = is_tagged != has_tag && is_passed;
                        if differs && self.parked(target, row.no)?.is_none() {
                            lines.push(self.line(&filter, &row, handed, None)?);
                        }
                    }
                }
            }
        }
        lines.truncate(limit);
        Ok(lines)
    }

    /// Why a posting's record is parked, if it is.
    fn parked(&mut self, target: &Text, posting: PostingNo) -> Result<Option<Why>> {
        let next = self.read.parked(target, PostingNo(posting.0 - 1), 1)?.pop();
        Ok(next.filter(|parked| parked.posting == posting).map(|parked| parked.why))
    }

    fn line(
        &mut self,
        filter: &TagFilter,
        row: &PostingRow,
        handed: Option<Handed>,
        parked: Option<Why>,
    ) -> Result<Line> {
        let newest = self.read.newest_record(row.no)?;
        let fit = newest.map(|newest| self.fit(filter, row, &newest)).transpose()?;
        Ok(Line {
            source: self.name(row.source),
            posting: row.posting.id.clone(),
            date: row.posting.date,
            amount: row.posting.amount,
            is_tagged: fit == Some(Fit::Tag),
            handed,
            parked,
        })
    }
}

impl Line {
    /// How far the target's record has come.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        self.handed.as_ref().map(|handed| handed.receipt.stage())
    }

    /// When its receipt was given.
    #[must_use]
    pub fn receipt_given(&self) -> Option<jiff::Timestamp> {
        match self.handed.as_ref()?.receipt {
            Receipted::Given(_, at, _) => Some(at),
            _ => None,
        }
    }
}
