//! Proving the audit log whole: every link from the pruned start to the end, held against checkpoints that lie elsewhere.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use jiff::Timestamp;
use samspor_domain::audit::{Action, AuditLink, AuditNo, AuditRow, Entry, Subject};
use samspor_domain::store::{Read, Result};
use samspor_vault::{Purpose, Vault};
use serde::{Deserialize, Serialize};

use super::{PAGE, beside, read_entry, store_name};

/// How far the log reached once: a line of JSON that is kept out of the gateway's reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The form of this line: 1.
    pub format: u32,
    /// The store's random name, in hexadecimal digits.
    pub store: String,
    /// The last entry then.
    pub no: i64,
    /// When the checkpoint was made.
    pub at: Timestamp,
    /// The entry's link, in hexadecimal digits.
    pub link: String,
}

/// What is wrong where the log is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// The entry, or what stands beside it, is not what was written.
    Changed,
    /// The entry is not there, though later ones are.
    Missing,
    /// Another entry stands in its place.
    OutOfOrder,
    /// A checkpoint tells of the entry, and the log ends before it.
    Cut,
    /// The checkpoint of the entry is another store's.
    OtherStore,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::OutOfOrder => "out of order",
            Self::Cut => "cut off",
            Self::OtherStore => "told of by a checkpoint of another store",
        })
    }
}

/// The first broken link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Break {
    /// Of which entry.
    pub no: AuditNo,
    /// How.
    pub damage: Damage,
}

/// What was proven of a log that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proof {
    /// How many entries there are.
    pub entries: u64,
    /// The first one's instant and the last one's; none where there are none.
    pub span: Option<(Timestamp, Timestamp)>,
    /// How far the log reaches.
    pub last: AuditNo,
    /// The last checkpoint that holds: nothing up to it can have been forged, even by who has the key.
    pub proven: Option<AuditNo>,
    /// How many checkpoints tell of what a store wrote that was lost, after the backup that took its place.
    pub lost: usize,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// How far the log reaches now.
pub fn checkpoint(read: &mut dyn Read, now: Timestamp) -> Result<Checkpoint> {
    let store = hex(&store_name(read)?);
    let (no, link) = read.audit_head()?;
    Ok(Checkpoint { format: 1, store, no: no.0, at: now, link: hex(&link.0) })
}

/// Walks the log and names the first broken link. `walked` is told of each entry. An error is the store's; a row that
/// cannot be read is a broken link, and no error.
pub fn verify(
    read: &mut dyn Read,
    vault: &Vault,
    checkpoints: &[Checkpoint],
    mut walked: impl FnMut(),
) -> Result<std::result::Result<Proof, Break>> {
    let broken = |no: i64, damage| Ok(Err(Break { no: AuditNo(no), damage }));
    let names = names(read, vault)?;
    // Up to which entry each name that the store had holds: as long as it had it.
    let until = |store: &str| names.iter().find(|(name, _)| name == store).map(|(_, until)| *until);
    if let Some(other) = checkpoints.iter().find(|known| until(&known.store).is_none()) {
        return broken(other.no, Damage::OtherStore);
    }
    let mut told: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
    let mut lost = 0;
    for known in checkpoints {
        if until(&known.store).is_some_and(|until| known.no > until) {
            lost += 1; // The chain that holds it is gone with that store.
        } else {
            told.entry(known.no).or_default().push(&known.link);
        }
    }
    let differs = |no: AuditNo, link: &AuditLink| {
        told.get(&no.0).is_some_and(|links| links.iter().any(|known| *known != hex(&link.0)))
    };
    let Ok((start, link)) = read.audit_start() else { return broken(0, Damage::Changed) };
    let (mut last, mut before) = (start, link);
    let (mut proof, mut pruned, mut besides) = (Proof::default(), 0, (0, 0));
    if differs(start, &before) {
        return broken(start.0, Damage::Changed);
    }
    // From below the start, so that nothing hides there.
    let mut after = AuditNo(i64::MIN);
    loop {
        let page = match read.audit_entries(after, PAGE) {
            Ok(page) => page,
            // The one that cannot be read is found by itself.
            Err(_) => match read.audit_entries(after, 1) {
                Ok(one) => one,
                Err(_) => return broken(last.0 + 1, Damage::Changed),
            },
        };
        let Some(end) = page.last().map(|row| row.no) else { break };
        for row in &page {
            let entry = match next(vault, (last, &before), row) {
                Ok(entry) => entry,
                Err(damage) => return broken(last.0 + 1, damage),
            };
            let (subjects, ranges) = beside(vault, &entry);
            let stand = read.audit_subjects(row.no).ok().zip(read.audit_ranges(row.no).ok());
            if differs(row.no, &row.link)
                || stand.is_none_or(|stand| stand != (subjects.clone(), ranges.clone()))
            {
                return broken(row.no.0, Damage::Changed);
            }
            besides = (besides.0 + subjects.len() as i64, besides.1 + ranges.len() as i64);
            if let (Action::PruneAudit, [Subject::AuditUpTo(up_to)]) = (entry.action, &*entry.subjects) {
                pruned = up_to.0;
            }
            proof.entries += 1;
            proof.span = Some((proof.span.map_or(row.at, |(first, _)| first), row.at));
            (last, before) = (row.no, row.link);
            walked();
        }
        after = end;
    }
    // Only a pruning that the log itself tells of may take entries from its beginning.
    if pruned != start.0 {
        return broken(pruned.min(start.0) + 1, Damage::Missing);
    }
    if told.range(last.0 + 1..).next().is_some() {
        return broken(last.0 + 1, Damage::Cut);
    }
    // Beside entries that are not there.
    // A store that has a name got it with its first entry.
    if last.0 == 0 && names.first().is_some_and(|(name, _)| !name.is_empty()) {
        return broken(1, Damage::Cut);
    }
    if read.count_audit_subjects()? != besides {
        return broken(last.0 + 1, Damage::Changed);
    }
    (proof.last, proof.lost) = (last, lost);
    proof.proven = told.range(start.0..).next_back().map(|(no, _)| AuditNo(*no));
    Ok(Ok(proof))
}

/// What a log lacks of the newest checkpoint, without walking all of it; none where it lacks nothing. It is asked before a store is
/// written to, since what is written then is proven by later checkpoints.
pub(super) fn lacks(read: &mut dyn Read, vault: &Vault, published: &[Checkpoint]) -> Result<Option<Break>> {
    let Some(newest) = published.last() else { return Ok(None) };
    let own = hex(&store_name(read)?);
    // Where another store told last, this one must say that it took that one's place.
    let names = if newest.store == own { vec![(own, i64::MAX)] } else { names(read, vault)? };
    let until = |store: &str| names.iter().find(|(name, _)| name == store).map(|(_, until)| *until);
    if until(&newest.store).is_none() {
        return Ok(Some(Break { no: AuditNo(newest.no), damage: Damage::OtherStore }));
    }
    let held = published.iter().rfind(|known| until(&known.store).is_some_and(|until| known.no <= until));
    let Some(known) = held else { return Ok(None) };
    let no = AuditNo(known.no);
    let (start, start_link) = read.audit_start()?;
    let link = if no < start {
        return Ok((!tells_of_pruning(read, vault, start)?).then_some(Break { no, damage: Damage::Missing }));
    } else if no == start {
        Some(start_link)
    } else {
        let row = read.audit_entries(AuditNo(known.no - 1), 1)?.into_iter().next();
        row.filter(|row| row.no == no).map(|row| row.link)
    };
    Ok(match link {
        Some(link) if hex(&link.0) == known.link => None,
        Some(_) => Some(Break { no, damage: Damage::Changed }),
        None => Some(Break { no, damage: Damage::Cut }),
    })
}

/// Whether the log says that it was pruned up to where it starts.
fn tells_of_pruning(read: &mut dyn Read, vault: &Vault, start: AuditNo) -> Result<bool> {
    let mut after = start;
    loop {
        let page = read.audit_entries(after, PAGE)?;
        let Some(last) = page.last() else { return Ok(false) };
        after = last.no;
        let entries = page.iter().filter_map(|row| super::open_entry(vault, row).ok());
        let mut prunings = entries.filter(|(_, entry)| entry.action == Action::PruneAudit);
        if prunings.any(|(_, entry)| entry.subjects == [Subject::AuditUpTo(start)]) {
            return Ok(true);
        }
    }
}

/// The names that the store has had, each with the last entry that it had under it, as its own log tells; what the log tells is
/// held against its links all the same.
pub(super) fn names(read: &mut dyn Read, vault: &Vault) -> Result<Vec<(String, i64)>> {
    let mut names = vec![(hex(&store_name(read)?), i64::MAX)];
    let mut after = AuditNo(i64::MIN);
    loop {
        let Ok(page) = read.audit_entries(after, PAGE) else { return Ok(names) }; // That is found by who walks the log.
        let Some(last) = page.last() else { return Ok(names) };
        after = last.no;
        for row in &page {
            let Ok((_, entry)) = super::open_entry(vault, row) else { continue };
            if let (Action::Restore, [Subject::AuditUpTo(until), lost @ ..]) =
                (entry.action, &*entry.subjects)
            {
                names.extend(lost.iter().filter_map(|store| match store {
                    Subject::Part(name) => Some((name.to_string(), until.0)),
                    _ => None,
                }));
            }
        }
    }
}

/// What the next entry says, if it is the next.
fn next(
    vault: &Vault,
    (last, before): (AuditNo, &AuditLink),
    row: &AuditRow,
) -> std::result::Result<Entry, Damage> {
    if row.no.0 > last.0 + 1 {
        return Err(Damage::Missing);
    }
    if row.no.0 != last.0 + 1 {
        return Err(Damage::Changed); // Something was put before the start.
    }
    let plain = vault.open(Purpose::Audit, &row.sealed).map_err(|_| Damage::Changed)?;
    let (no, entry) = read_entry(&plain).map_err(|_| Damage::Changed)?;
    if no != row.no {
        return Err(Damage::OutOfOrder);
    }
    let link = vault.chain().link(before, row.no, row.at.as_microsecond(), &plain);
    if link == row.link { Ok(entry) } else { Err(Damage::Changed) }
}
