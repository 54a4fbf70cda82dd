//! What must hold in a simulated run, looked at from the outside: at any moment, and when all is quiet.

use std::collections::{BTreeMap, BTreeSet};

use samspor_conformance::evaluate::{Evaluation, Knowledge};
use samspor_domain::quarantine::{Entry, Filter, Order, Standing as Lies};
use samspor_domain::store::{
    FeedRow, Month, Outcome, PostingNo, PostingRow, Reach, Read, Scope, Seq, SourceNo, Standing, StoreError,
};
use samspor_domain::{
    Answer, Body, CitizenRef, Fact, FilterKey, Kind, Message, SourceName, Stage, State, Sum, Text, Why,
};
use samspor_engine::{Audience, Condition, Parts, books, held, newest_tag};
use samspor_vault::{Purpose, Vault};

use super::purging::{self, is_purged};
use super::receiver::{Came, FULL, Receiver};
use super::run::{Run, TRIES};
use super::tagged;
use super::town::{self, Letter, RECEIPTS, Sort};
use crate::stage::text;

/// What is wrong, if anything is.
pub(crate) type Checked<T = ()> = Result<T, String>;

pub(crate) fn failed(error: StoreError) -> String {
    format!("the store does not answer: {error:?}")
}

pub(crate) fn sources(read: &mut dyn Read) -> Checked<BTreeMap<SourceNo, SourceName>> {
    Ok(read.sources().map_err(failed)?.into_iter().collect())
}

/// The scope in which a fact is named.
fn scope(fact: &Fact, source: Option<SourceNo>) -> Option<Scope> {
    if fact.kind.is_named_in_source() { source.map(Scope::Source) } else { Some(Scope::Registry) }
}

/// What was acknowledged must be in the store, whatever happens next.
pub(crate) fn is_stored(read: &mut dyn Read, vault: &Vault, letter: &Letter) -> Checked {
    let name = letter.source_name();
    let no = sources(read)?.into_iter().find(|(_, known)| *known == name).map(|(no, _)| no);
    let found = match letter.message() {
        Some(Message::Posting(posting)) => match no {
            Some(no) => {
                read.find_posting(no, &posting.id).map_err(failed)?.is_some()
                    || is_purged(read, vault, &name, &posting.id).map_err(failed)?
            }
            None => false,
        },
        Some(Message::Fact(fact)) => match scope(&fact, no) {
            Some(scope) => {
                newest(read, vault, &name, scope, &fact)?.is_some_and(|version| version >= fact.version)
            }
            None => false,
        },
        Some(Message::Receipt(_)) | None => true,
    };
    let may_lie_in_quarantine = letter.sort != Sort::Good && no.is_some();
    if found || may_lie_in_quarantine {
        return Ok(());
    }
    Err(format!("{} of {name} was acknowledged and is not in the store", letter.name))
}

fn newest(
    read: &mut dyn Read,
    vault: &Vault,
    source: &SourceName,
    scope: Scope,
    fact: &Fact,
) -> Checked<Option<i64>> {
    let keys = match scope {
        Scope::Registry => vault.registry(),
        Scope::Source(_) => vault.source(source),
    };
    let row = read.find_fact(scope, fact.kind, &keys.id(fact.kind, &fact.id)).map_err(failed)?;
    Ok(row.map(|row| row.newest.version))
}

/// Everything that holds at every read.
pub(crate) fn meanwhile(run: &Run) -> Checked {
    let read = &mut **run.reader();
    balances(read, run)?;
    if run.settings.passes {
        purging::meanwhile(read, run)?;
    }
    for book in books(read, &run.vault).map_err(failed)?.targets {
        if !book.is_balanced() {
            return Err(format!("the books do not balance: {book:?}"));
        }
    }
    for receiver in &run.receivers {
        if let Some(wrong) = receiver.wrong() {
            return Err(wrong);
        }
        is_booked_with_its_answer(read, run, receiver)?;
        is_parked_for_a_reason(read, run, receiver)?;
    }
    match run.queues.iter().find_map(|queue| queue.lost()) {
        Some(lost) => Err(lost),
        None => Ok(()),
    }
}

fn balances(read: &mut dyn Read, run: &Run) -> Checked {
    let mut items: BTreeMap<(SourceNo, Month), i64> = BTreeMap::new();
    for count in read.counts().map_err(failed)? {
        let left = items.entry((count.source, count.month)).or_default();
        match count.outcome {
            Outcome::Received => *left += count.items,
            Outcome::IgnoredField | Outcome::Message => {}
            _ => *left -= count.items,
        }
    }
    if items.values().any(|left| *left != 0) {
        return Err(format!("items received are not the sum of what became of them: {items:?}"));
    }
    let mut postings: BTreeMap<_, (i64, i128)> = BTreeMap::new();
    for row in read.postings(&Reach::All, PostingNo(0), usize::MAX).map_err(failed)? {
        let standing = match row.standing {
            Standing::Tagged(_) => None,
            Standing::Untagged(reason) => Some(reason),
        };
        for standing in [None, Some(standing)] {
            let sum = postings.entry((row.source, row.posting.date.first_of_month(), standing)).or_default();
            *sum = (sum.0 + 1, sum.1 + i128::from(row.posting.amount.ore()));
        }
    }
    // What is purged stays counted; as what it was untagged, only the store knew.
    let purged = purging::purged(read, run)?;
    for ((source, _), (_, posting)) in &purged {
        let no = sources(read)?.into_iter().find(|(_, name)| name == source).map(|(no, _)| no);
        let key = (no.ok_or("a posting of nobody is purged")?, posting.date.first_of_month(), None);
        let sum = postings.entry(key).or_default();
        *sum = (sum.0 + 1, sum.1 + i128::from(posting.amount.ore()));
    }
    if !purged.is_empty() {
        postings.retain(|(.., standing), _| !matches!(standing, Some(Some(_))));
    }
    postings.retain(|_, sum| *sum != (0, 0));
    let kept = read.balances().map_err(failed)?.into_iter();
    let kept: BTreeMap<_, _> = kept
        .map(|balance| ((balance.source, balance.month, balance.standing), balance.sum))
        .map(|(key, sum)| (key, (sum.postings, sum.ore())))
        .filter(|(_, sum)| *sum != (0, 0))
        .filter(|((.., standing), _)| purged.is_empty() || !matches!(standing, Some(Some(_))))
        .collect();
    if kept != postings {
        return Err(format!("balances are {kept:?}, and add up to {postings:?}"));
    }
    tagged::sums(read, run)
}

/// The posting of a number with all of its records.
fn records(read: &mut dyn Read, no: PostingNo) -> Checked<Option<(PostingRow, Vec<FeedRow>)>> {
    let Some(row) = read.posting(no).map_err(failed)? else { return Ok(None) };
    Ok(Some((row, read.records_of(no).map_err(failed)?)))
}

/// What a receiver calls a posting.
pub(crate) fn called(run: &Run, receiver: &Receiver, source: &SourceName, posting: &Text) -> String {
    if run.settings.reader(receiver.name).0 == Audience::Ledger {
        return format!("{source}:{posting}");
    }
    let pseudonym = run.vault.target(&text(receiver.name)).text("posting", &format!("{source}\0{posting}"));
    let hex: String = pseudonym.0.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{source}:{hex}")
}

/// A record whose answer is its receipt never stands without it in the books, since nothing would bring it again.
fn is_booked_with_its_answer(read: &mut dyn Read, run: &Run, receiver: &Receiver) -> Checked {
    let names = sources(read)?;
    let stage = Some(Stage::Awaiting);
    let awaited = read.handed_in(&text(receiver.name), stage, PostingNo(0), usize::MAX).map_err(failed)?;
    for (no, handed) in awaited {
        let Some(row) = read.posting(no).map_err(failed)? else { continue };
        let id =
            format!("{}:{}", called(run, receiver, &names[&row.source], &row.posting.id), handed.revision);
        if receiver.answers_with(&id).is_some() {
            return Err(format!("{} answered {id} with its receipt, which is awaited", receiver.name));
        }
    }
    Ok(())
}

/// Nothing is parked but what failed as often as that says, the last time after something else got through.
fn is_parked_for_a_reason(read: &mut dyn Read, run: &Run, receiver: &Receiver) -> Checked {
    let names = sources(read)?;
    let tries = receiver.tries();
    let parked = read.parked(&text(receiver.name), PostingNo(0), usize::MAX).map_err(failed)?;
    for parked in parked {
        let Some((row, records)) = records(read, parked.posting)? else {
            return Err("a posting that is not there is parked".into());
        };
        let Why::Refused(made, why) = &parked.why else {
            if run.ever_closed.contains(&row.posting.date.first_of_month()) {
                continue;
            }
            return Err("its month was never closed".into());
        };
        let Some(record) = records.iter().find(|record| record.seq == parked.seq) else {
            return Err("a record that is not there is parked".into());
        };
        let id =
            format!("{}:{}", called(run, receiver, &names[&row.source], &row.posting.id), record.revision);
        let failed = |(other, came): &(String, Came)| *other == id && *came != Came::Confirmed;
        let fails: Vec<usize> = (0..tries.len()).filter(|&place| failed(&tries[place])).collect();
        let (Some(first), Some(last)) = (fails.first(), fails.last()) else {
            return Err(format!("{} parks a record that never failed", receiver.name));
        };
        // What may be chance is given up only after more of it; where others were refused so, a few tries were enough before.
        let may_be_chance = why == FULL || why.starts_with("the connection ended");
        if may_be_chance && !parked.is_released && *made <= 3 * TRIES {
            return Err(format!("{} gives a record up after {made} tries: {why}", receiver.name));
        }
        let got_through = tries[*first..*last].iter().any(|(_, came)| *came == Came::Confirmed);
        if fails.len() < usize::try_from(*made).unwrap_or(usize::MAX) || !got_through {
            return Err(format!(
                "{} parks a record as refused {made} times; it failed {} times, and between that {}",
                receiver.name,
                fails.len(),
                if got_through { "others got through" } else { "nothing got through" }
            ));
        }
    }
    Ok(())
}

/// What a run still waits for once nothing goes wrong any more, if there is anything, before everything is decided.
pub(crate) fn undecided(run: &Run) -> Checked<Option<String>> {
    let read = &mut **run.reader();
    for (source, queue) in run.queues.iter().enumerate() {
        if queue.left() > 0 {
            return Ok(Some(format!("{} messages of {}", queue.left(), town::SOURCES[source])));
        }
    }
    let work = read.pending_work().map_err(failed)?;
    let holds = held(read, &run.vault).map_err(failed)?.len();
    if work > 0 || holds > 0 {
        return Ok(Some(format!("{work} work items and {holds} held changes")));
    }
    Ok(is_understandable(read, run).then(|| "what lies in quarantine".into()))
}

/// And what before everything is delivered.
pub(crate) fn undelivered(run: &Run, parts: &Parts, may_miss: bool) -> Checked<Option<String>> {
    let read = &mut **run.reader();
    for receiver in &run.receivers {
        let name = text(receiver.name);
        let at = read.cursor(&name).map_err(failed)?;
        let left = read.count_newest_after(at).map_err(failed)?;
        if left > 0 {
            return Ok(Some(format!("{left} records of {name}")));
        }
        if let Some(why) = wrongly_parked(read, run, receiver)? {
            return Ok(Some(why));
        }
    }
    // Receipts are missing when days have passed without them; and of an answer that was none it is told until the next one.
    let may_miss = |part: &str| (may_miss || run.settings.answers) && part.starts_with("receipts ");
    let down = parts.iter().find(|(part, report)| report.condition != Condition::Up && !may_miss(part));
    if down.is_none()
        && let Some(left) = purging::left(read, run)?.filter(|_| run.is_purging_due())
    {
        return Ok(Some(left));
    }
    Ok(down.map(|(part, report)| format!("{part}, which is {:?}", report.condition)))
}

/// Something parked that the receiver takes, or that was released and is still to be tried.
fn wrongly_parked(read: &mut dyn Read, run: &Run, receiver: &Receiver) -> Checked<Option<String>> {
    let names = sources(read)?;
    for parked in read.parked(&text(receiver.name), PostingNo(0), usize::MAX).map_err(failed)? {
        let Some(row) = read.posting(parked.posting).map_err(failed)? else { continue };
        let id = called(run, receiver, &names[&row.source], &row.posting.id);
        if parked.is_released || parked.why == Why::ClosedMonth || !receiver.is_bad(&format!("{id}:")) {
            return Ok(Some(format!("a record that is parked of {}", receiver.name)));
        }
    }
    Ok(None)
}

/// What is parked for good that its receiver takes.
pub(crate) fn wrongly_refused(run: &Run) -> Vec<(&'static str, SourceName, Text, Seq)> {
    let read = &mut **run.reader();
    let names = sources(read).unwrap_or_default();
    let mut refused = Vec::new();
    for receiver in &run.receivers {
        let parked = read.parked(&text(receiver.name), PostingNo(0), usize::MAX).unwrap_or_default();
        for parked in parked.into_iter().filter(|p| !p.is_released && p.why != Why::ClosedMonth) {
            let Ok(Some(row)) = read.posting(parked.posting) else { continue };
            let source = &names[&row.source];
            if !receiver.is_bad(&format!("{}:", called(run, receiver, source, &row.posting.id))) {
                refused.push((receiver.name, source.clone(), row.posting.id, parked.seq));
            }
        }
    }
    refused
}

/// Whether anything open lies in quarantine that is understood by now.
pub(crate) fn holds_understandable(run: &Run) -> bool {
    is_understandable(&mut **run.reader(), run)
}

fn is_understandable(read: &mut dyn Read, run: &Run) -> bool {
    let rubbish = run.sent.keys().filter(|&&letter| run.letters[letter].sort == Sort::Rubbish).count();
    let never = rubbish + run.conflicting.values().sum::<usize>();
    let filter = Filter { standing: Some(Lies::Open), ..Filter::default() };
    let open = read.entries(&filter, Order::OldestFirst, None, usize::MAX);
    // A receipt that comes again when its posting is purged stays there.
    let names = sources(read).unwrap_or_default();
    let is_other =
        |entry: &&Entry| names.get(&entry.source).is_none_or(|name| name.as_str() != town::SOURCES[RECEIPTS]);
    open.is_ok_and(|open| open.iter().filter(is_other).count() > never)
}

/// Everything that holds when all is quiet.
pub(crate) fn at_the_end(run: &Run) -> Checked {
    meanwhile(run)?;
    let read = &mut **run.reader();
    let known = known(read, run)?;
    let names = sources(read)?;
    answers(read, run, &known, &names)?;
    facts(read, run, &names)?;
    counts(read, run, &names)?;
    withdrawn(read, run, &names)?;
    for receiver in &run.receivers {
        delivered(read, run, receiver, &names)?;
        in_order(read, run, receiver, &names)?;
    }
    for book in books(read, &run.vault).map_err(failed)?.targets {
        if !book.is_reconciled() && book.parked == 0 {
            return Err(format!("the books are not reconciled: {book:?}"));
        }
    }
    Ok(())
}

/// All that was sent and says something.
fn messages(run: &Run) -> impl Iterator<Item = (SourceName, Message)> {
    run.sent.keys().filter_map(|&letter| {
        let letter = &run.letters[letter];
        Some((letter.source_name(), letter.message()?))
    })
}

/// All that the gateway has been told and still knows: a grant that no consent reached may be purged.
fn known(read: &mut dyn Read, run: &Run) -> Checked<Knowledge> {
    let mut known = Knowledge::default();
    let names = sources(read)?;
    for (source, message) in messages(run) {
        if let Message::Fact(fact) = &message
            && fact.kind == Kind::Grant
            && let Some(no) = names.iter().find(|(_, name)| **name == source).map(|(no, _)| *no)
        {
            let key = run.vault.source(&source).id(fact.kind, &fact.id);
            let row = read.find_fact(Scope::Source(no), fact.kind, &key).map_err(failed)?;
            if row.is_some_and(|row| row.newest.body.is_none()) {
                continue;
            }
        }
        known.learn(&source, &message);
    }
    Ok(known)
}

/// The newest record of every posting is what the rules say, evaluated a second time.
fn answers(
    read: &mut dyn Read,
    run: &Run,
    known: &Knowledge,
    names: &BTreeMap<SourceNo, SourceName>,
) -> Checked {
    let charts = town::charts(run.charts);
    let mut expected = Evaluation::new(known, &charts).answers();
    for row in read.postings(&Reach::All, PostingNo(0), usize::MAX).map_err(failed)? {
        let id = (names[&row.source].clone(), row.posting.id.clone());
        let tag = newest_tag(read, &run.vault, row.no).map_err(failed)?;
        let answer = match (row.standing, tag) {
            (Standing::Untagged(reason), None) => Answer::Untagged(reason),
            (Standing::Tagged(_), Some(tag)) => Answer::Tagged(Box::new(tag)),
            (standing, _) => {
                return Err(format!("{id:?} stands {standing:?}, and its newest record does not"));
            }
        };
        match expected.remove(&id) {
            Some(right) if right == answer => {}
            right => return Err(format!("{id:?} is {answer:?}, and should be {right:?}")),
        }
        let records = read.records_of(row.no).map_err(failed)?;
        let revisions = records.iter().map(|record| record.revision);
        if !revisions.eq(1..=i64::try_from(records.len()).unwrap_or_default()) {
            return Err(format!("the revisions of {id:?} do not count 1, 2, …"));
        }
    }
    let purged = purging::purged(read, run)?;
    match expected.into_keys().find(|id| !purged.contains_key(id)) {
        Some(id) => Err(format!("{id:?} was acknowledged, and is not in the journal")),
        None => Ok(()),
    }
}

/// The newest version of every fact is what was sent.
fn facts(read: &mut dyn Read, run: &Run, names: &BTreeMap<SourceNo, SourceName>) -> Checked {
    for (source, message) in messages(run) {
        let Message::Fact(fact) = message else { continue };
        let no = names.iter().find(|(_, name)| **name == source).map(|(no, _)| *no);
        let kept = match scope(&fact, no) {
            Some(scope) => newest(read, &run.vault, &source, scope, &fact)?,
            None => None,
        };
        if kept.is_none_or(|version| version < fact.version) {
            return Err(format!("{} {} version {} is not in the store", fact.kind, fact.id, fact.version));
        }
    }
    Ok(())
}

/// What was received is at least what was acknowledged and at most what was delivered, and each thing is what it is once.
fn counts(read: &mut dyn Read, run: &Run, names: &BTreeMap<SourceNo, SourceName>) -> Checked {
    let counts = read.counts().map_err(failed)?;
    for (no, name) in names {
        let count = |outcome: Outcome| -> i64 {
            counts.iter().filter(|c| c.source == *no && c.outcome == outcome).map(|c| c.items).sum()
        };
        let Some(source) = town::SOURCES.iter().position(|other| *other == name.as_str()) else { continue };
        let queue = &run.queues[source];
        let received = count(Outcome::Received);
        let accepted = i64::try_from(queue.accepted().len()).unwrap_or(i64::MAX);
        if received > queue.delivered() || received < accepted {
            return Err(format!(
                "{received} items of {name} were counted; {accepted} were acknowledged, {} delivered",
                queue.delivered()
            ));
        }
        let postings =
            messages(run).filter(|(of, message)| of == name && matches!(message, Message::Posting(_)));
        let postings = i64::try_from(postings.count()).unwrap_or(i64::MAX);
        if count(Outcome::Posting) != postings {
            return Err(format!(
                "{} postings of {name} were counted, and {postings} sent",
                count(Outcome::Posting)
            ));
        }
        let filter = Filter { source: Some(name.clone()), ..Filter::default() };
        let entries = read.entries(&filter, Order::OldestFirst, None, usize::MAX).map_err(failed)?;
        let open = entries.iter().filter(|entry| entry.state.standing() == Lies::Open).count();
        let of = |sort: &dyn Fn(Sort) -> bool| {
            run.sent.keys().filter(|&&l| run.letters[l].source == source && sort(run.letters[l].sort)).count()
        };
        if source == RECEIPTS && run.settings.passes {
            continue; // Of what was purged.
        }
        let conflicting = run.conflicting.get(&source).copied().unwrap_or_default();
        if open != of(&|sort| sort == Sort::Rubbish) + conflicting
            || entries.len() > of(&|sort| sort != Sort::Good) + conflicting
        {
            return Err(format!(
                "{} entries of {name} lie in quarantine, {open} of them open",
                entries.len()
            ));
        }
        if source == RECEIPTS && !entries.is_empty() {
            return Err("a receipt lies in quarantine".into());
        }
    }
    Ok(())
}

/// Of a consent that is withdrawn nothing is left, and of those who had it no record but the newest tells anything.
fn withdrawn(read: &mut dyn Read, run: &Run, names: &BTreeMap<SourceNo, SourceName>) -> Checked {
    let mut consents: BTreeMap<Text, Fact> = BTreeMap::new();
    let mut citizens: BTreeMap<Text, CitizenRef> = BTreeMap::new();
    for (_, message) in messages(run) {
        let Message::Fact(fact) = message else { continue };
        if fact.kind == Kind::Enrolment
            && let State::Live(Body::Enrolment(enrolment)) = &fact.state
        {
            // E-1 is the enrolment of whom C-1 is the consent.
            citizens.insert(text(&fact.id.as_str().replace('E', "C")), enrolment.citizen.clone());
        }
        if fact.kind == Kind::Consent
            && consents.get(&fact.id).is_none_or(|known| known.version < fact.version)
        {
            consents.insert(fact.id.clone(), fact);
        }
    }
    for (id, fact) in consents.into_iter().filter(|(_, fact)| !matches!(fact.state, State::Live(_))) {
        let key = run.vault.registry().id(Kind::Consent, &id);
        let row = read.find_fact(Scope::Registry, Kind::Consent, &key).map_err(failed)?;
        let versions = row.map_or(Ok(Vec::new()), |row| read.versions(row.no)).map_err(failed)?;
        for sealed in versions.iter().filter_map(|version| version.body.as_ref()) {
            let plain = run.vault.open(Purpose::Fact, sealed).map_err(|error| error.to_string())?;
            // Its id may be there, and nothing else.
            if !plain.ends_with(br#""body":null}"#) {
                return Err(format!(
                    "version {} ended {id}, and the store still tells what it said",
                    fact.version
                ));
            }
        }
        let citizen = citizens.get(&id);
        for row in read.postings(&Reach::All, PostingNo(0), usize::MAX).map_err(failed)? {
            let of = citizen.map(|citizen| run.vault.source(&names[&row.source]).reference(citizen));
            if of.is_none() || row.posting.citizen != of {
                continue;
            }
            let records = read.records_of(row.no).map_err(failed)?;
            let earlier = records.split_last().map(|(_, earlier)| earlier).unwrap_or_default();
            if earlier.iter().any(|record| record.payload.is_some()) {
                return Err(format!("{id} was withdrawn, and {} still tells what it was", row.posting.id));
            }
        }
    }
    Ok(())
}

/// A receiver that keeps the highest revision has the newest record of every posting, and nothing else.
fn delivered(
    read: &mut dyn Read,
    run: &Run,
    receiver: &Receiver,
    names: &BTreeMap<SourceNo, SourceName>,
) -> Checked {
    let (_, filter) = run.settings.reader(receiver.name);
    let mut kept = receiver.books();
    let mut has: BTreeMap<SourceNo, Sum> = BTreeMap::new();
    for row in read.postings(&Reach::All, PostingNo(0), usize::MAX).map_err(failed)? {
        let id = called(run, receiver, &names[&row.source], &row.posting.id);
        let newest = read.newest_record(row.no).map_err(failed)?;
        let is_bad = receiver.is_bad(&format!("{id}:"));
        let got = kept.remove(&id);
        if is_bad && got.is_none() {
            continue;
        }
        let revision = newest.map(|record| record.revision);
        let tag = newest_tag(read, &run.vault, row.no).map_err(failed)?;
        let tag = tag.filter(|tag| filter.holds(&FilterKey::from(tag)));
        // It need not have heard of what is not for it; what it heard of before it was told again.
        if got.is_none() && tag.is_none() && !filter.is_everything() {
            continue;
        }
        if got.as_ref().map(|(revision, ..)| *revision) != revision {
            return Err(format!(
                "{} has {:?} of {id}, and revision {revision:?} is newest",
                receiver.name, got
            ));
        }
        let Some((_, is_tag, said)) = got else { continue };
        let solution = tag.as_ref().map(|tag| tag.solution.as_str());
        let area = tag.as_ref().map(|tag| tag.area.as_str());
        let says = |field: &str| said["tag"][field].as_str();
        if is_tag != tag.is_some() || says("solution") != solution || says("area") != area {
            return Err(format!("{} has {said} of {id}, and {tag:?} is newest", receiver.name));
        }
        if is_tag {
            let keys = run.vault.source(&names[&row.source]);
            *has.entry(row.source).or_default() +=
                Sum::of(row.posting.amount, &keys.text("posting", row.posting.id.as_str()));
        }
    }
    for id in purging::purged(read, run)?.keys() {
        kept.remove(&called(run, receiver, &id.0, &id.1));
    }
    if let Some(id) = kept.keys().next() {
        return Err(format!("{} has {id}, which nobody sent", receiver.name));
    }
    let mut shelves: BTreeMap<SourceNo, Sum> = BTreeMap::new();
    for shelf in read.shelves().map_err(failed)? {
        if shelf.target.as_str() == receiver.name && shelf.change == samspor_domain::Change::Tag {
            *shelves.entry(shelf.source).or_default() += shelf.sum;
        }
    }
    shelves.retain(|_, sum| *sum != Sum::default());
    if shelves == has {
        Ok(())
    } else {
        Err(format!("the books say that {} has {shelves:?}, and it has {has:?}", receiver.name))
    }
}

/// Records are handed over in the order of the feed, where it is for the first time.
fn in_order(
    read: &mut dyn Read,
    run: &Run,
    receiver: &Receiver,
    names: &BTreeMap<SourceNo, SourceName>,
) -> Checked {
    let mut seqs: BTreeMap<String, Seq> = BTreeMap::new();
    for row in read.postings(&Reach::All, PostingNo(0), usize::MAX).map_err(failed)? {
        let id = called(run, receiver, &names[&row.source], &row.posting.id);
        for record in read.records_of(row.no).map_err(failed)? {
            seqs.insert(format!("{id}:{}", record.revision), record.seq);
        }
    }
    // What a closed month holds up comes later; what is purged has no place any more.
    let mut late: BTreeSet<String> =
        purging::purged(read, run)?.keys().map(|id| called(run, receiver, &id.0, &id.1)).collect();
    for row in read.postings(&Reach::All, PostingNo(0), usize::MAX).map_err(failed)? {
        if run.ever_closed.contains(&row.posting.date.first_of_month()) {
            late.insert(called(run, receiver, &names[&row.source], &row.posting.id));
        }
    }
    let (mut before, mut seen) = (Seq::default(), BTreeSet::new());
    let tries = receiver.tries().into_iter();
    let is_late = |id: &str| id.rsplit_once(':').is_some_and(|(posting, _)| late.contains(posting));
    for (id, _) in tries.filter(|(id, _)| !is_late(id)) {
        let Some(seq) = seqs.get(&id) else {
            return Err(format!("{} was handed {id}, which is no record", receiver.name));
        };
        if seen.insert(id.clone()) && std::mem::replace(&mut before, *seq) > *seq {
            return Err(format!("{} was first handed {id} after what comes after it", receiver.name));
        }
    }
    Ok(())
}
