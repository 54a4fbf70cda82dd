//! What of a solution's postings other areas bear than those that they were booked in: from this, correction vouchers are
//! proposed. Everything is read as of one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use samspor_domain::store::{PostingNo, PostingRow, Reach, Read, Result, Scope, StoreError};
use samspor_domain::{Account, Grouping, Kind, Part, Phase, SourceName, SourceNo, Text, UNMAPPED, voucher};
use samspor_vault::Vault;
use tokio_util::sync::CancellationToken;

use crate::kept;

/// Rows that are read at a time.
const PAGE: usize = 1_000;

/// What lies elsewhere than it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corrections {
    /// By source, date and id.
    pub postings: Vec<Correction>,
    /// Postings with parts of several areas whose accounts the chart does not know, so that nobody can say what of them
    /// lies right: which accounts, and how many on each.
    pub unmapped: BTreeMap<Account, usize>,
    /// Lines of vouchers that were booked and came back, of which the solution's splits would share something once more.
    /// They are passed over.
    pub own_lines: usize,
    /// How much work there is to decide postings again: until it is done, something of this may change.
    pub pending_work: i64,
    /// How many changes of facts are held, or are still weighed.
    pub held: usize,
}

/// A posting of which other areas bear a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// Its source.
    pub source: SourceName,
    /// Its id.
    pub posting: Text,
    /// Its date.
    pub date: Date,
    /// What it was booked on.
    pub account: Account,
    /// The cost centre, if known.
    pub cost_centre: Option<Text>,
    /// The grouping, if known.
    pub grouping: Option<Grouping>,
    /// The area that its account belongs to.
    pub area: Text,
    /// The other areas' parts, by area.
    pub parts: Vec<Part>,
}

/// Which postings are asked about.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The solution that they are tagged with.
    pub solution: &'a Text,
    /// From this date to that one.
    pub dates: (Date, Date),
    /// Of these sources; of all, where none is named.
    pub sources: &'a BTreeSet<SourceName>,
    /// The machine numbers under which vouchers are made, whose lines are no postings to correct.
    pub machines: &'a BTreeSet<u32>,
}

/// What of the postings that are tagged with a solution belongs to other areas; none if there is no such solution. It ends with
/// an error where it is told to stop.
pub fn corrections(
    read: &mut dyn Read,
    vault: &Arc<Vault>,
    asked: Asked<'_>,
    stop: &CancellationToken,
) -> Result<Option<Corrections>> {
    read.hold()?;
    let found = find(read, vault, asked, stop);
    read.release()?;
    found
}

fn find(
    read: &mut dyn Read,
    vault: &Vault,
    asked: Asked<'_>,
    stop: &CancellationToken,
) -> Result<Option<Corrections>> {
    let (from, to) = asked.dates;
    let key = vault.registry().id(Kind::Solution, asked.solution);
    let Some(fact) = read.find_fact(Scope::Registry, Kind::Solution, &key)? else { return Ok(None) };
    let sources: BTreeMap<SourceNo, SourceName> = read.sources()?.into_iter().collect();
    let (mut postings, mut unmapped, mut own_lines) = (Vec::new(), BTreeMap::<Account, usize>::new(), 0);
    let (reach, mut after) = (Reach::Solution(fact.no), PostingNo::default());
    loop {
        if stop.is_cancelled() {
            return Err(StoreError::Failed("nobody waits for the answer any more".into()));
        }
        let page = read.postings(&reach, after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = last.no;
        for row in page.into_iter().filter(|row| (from..=to).contains(&row.posting.date)) {
            let Some(source) = sources.get(&row.source) else {
                unreachable!("every source that the store names is one of its sources")
            };
            if !asked.sources.is_empty() && !asked.sources.contains(source) {
                continue;
            }
            let Some(tag) = kept::newest_tag(read, vault, row.no)? else { continue };
            let parts: Vec<Part> = voucher::elsewhere(&tag).cloned().collect();
            // What was booked before and after the enrolment is followed for comparison; nobody shares it.
            if parts.is_empty() || tag.phase != Phase::During {
                continue;
            }
            if voucher::is_line(asked.machines, &row.posting.id, row.posting.voucher.as_ref()) {
                own_lines += 1;
                continue;
            }
            if tag.area.as_str() == UNMAPPED {
                *unmapped.entry(row.posting.account).or_default() += 1;
                continue;
            }
            postings.push(correction(source.clone(), row, tag.area, parts));
        }
    }
    postings.sort_by(|a, b| (&a.source, a.date, &a.posting).cmp(&(&b.source, b.date, &b.posting)));
    let (pending_work, held) = (read.pending_work()?, read.held_changes()?.len());
    Ok(Some(Corrections { postings, unmapped, own_lines, pending_work, held }))
}

fn correction(source: SourceName, row: PostingRow, area: Text, parts: Vec<Part>) -> Correction {
    let posting = row.posting;
    Correction {
        source,
        posting: posting.id,
        date: posting.date,
        account: posting.account,
        cost_centre: posting.cost_centre,
        grouping: posting.grouping,
        area,
        parts,
    }
}
