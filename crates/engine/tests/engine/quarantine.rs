//! The quarantine as a tool: frozen sets, releases that have each effect once, discards, and the balance throughout.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use samspor_domain::quarantine::{Filter, Order, Standing, State};
use samspor_domain::store::Outcome;
use samspor_domain::{Decode, Delivery, EntryNo, Fault, Item, Reason, SetNo, SourceName};
use samspor_engine::quarantine::{Fate, Fates, Ready, Slice, preview, ready};
use samspor_engine::{Became, Core, Intake, Intakes, Permissions};
use samspor_formats::json;

use crate::stage::{Stage, instant, text};

const THEN: &str = "2026-01-31T22:30:00Z";
/// In Denmark it is another month by now.
const LATER: &str = "2026-02-10T08:00:00Z";

/// Reads bodies as a test says: a body is a word, for which the test has what its items are.
#[derive(Clone, Default)]
struct Words(Arc<Mutex<Known>>);

type Known = BTreeMap<String, Vec<Result<String, &'static str>>>;

impl Words {
    fn say(&self, word: &str, items: &[Result<&str, &'static str>]) {
        let items = items.iter().map(|item| item.map(str::to_owned)).collect();
        self.0.lock().expect("no panic").insert(word.to_owned(), items);
    }

    fn intake(&self, source: &str) -> Intake {
        Intake {
            source: text(source),
            decoder: Arc::new(self.clone()),
            may_send: Permissions::all(),
            max_body_bytes: 1_000,
        }
    }
}

impl Decode for Words {
    fn decode(&self, source: &SourceName, delivery: &Delivery) -> Vec<Item> {
        let word = std::str::from_utf8(&delivery.body).expect("a word");
        let known = self.0.lock().expect("no panic");
        let undecodable = vec![Err("")];
        let items = known.get(word).unwrap_or(&undecodable).iter().map(|item| match item {
            Ok(id) => {
                let body = format!(
                    r#"{{"type":"posting","id":"{id}","date":"2026-01-05","account":"5.28.21","amount":"1.00"}}"#
                );
                let delivery = Delivery { body: body.into(), ..Delivery::default() };
                json::Decoder.decode(source, &delivery).remove(0)
            }
            Err(path) => {
                let fault = Fault::at(Reason::InvalidField, *path, "is wrong");
                Item { content: Err(fault), excerpt: None, ignored_fields: 0 }
            }
        });
        items.collect()
    }

    /// A word of which a test says that it has no items.
    fn may_be_empty(&self) -> bool {
        true
    }
}

fn deliver(core: &mut Core, intake: &Intake, body: &str) -> Vec<Became> {
    let items = intake.prepare(&Delivery { body: body.to_owned().into(), ..Delivery::default() });
    core.take_in(&items, instant(THEN)).expect("it is taken in")
}

pub(crate) fn open() -> Filter {
    Filter { standing: Some(Standing::Open), ..Filter::default() }
}

pub(crate) fn freeze(core: &mut Core, filter: &Filter) -> SetNo {
    core.freeze(filter, 1_000, instant(LATER)).expect("frozen")
}

/// Decodes a whole set again.
fn decode(stage: &mut Stage, intakes: &Intakes, set: SetNo, after: EntryNo) -> Ready {
    let vault = Arc::clone(&stage.vault);
    ready(stage.core().store(), &vault, intakes, set, after).expect("reads").expect("a set")
}

fn sum(slices: impl IntoIterator<Item = Slice>) -> Fates {
    let mut sum = Fates::new();
    for (fate, items) in slices.into_iter().flat_map(|slice| slice.entries).flat_map(|(_, fates)| fates) {
        *sum.entry(fate).or_default() += items;
    }
    sum
}

/// Releases a set, slice by slice.
pub(crate) fn release(stage: &mut Stage, intakes: &Intakes, set: SetNo) -> Fates {
    let (mut slices, mut after) = (Vec::new(), EntryNo::default());
    loop {
        let ready = decode(stage, intakes, set, after);
        let slice = stage.core().release(ready, instant(LATER)).expect("released");
        let next = slice.next;
        slices.push(slice);
        match next {
            Some(next) => after = next,
            None => return sum(slices),
        }
    }
}

fn previewed(stage: &mut Stage, intakes: &Intakes, set: SetNo) -> Fates {
    let vault = Arc::clone(&stage.vault);
    let (mut slices, mut after) = (Vec::new(), EntryNo::default());
    loop {
        let slice =
            preview(stage.core().store(), &vault, intakes, set, after).expect("reads").expect("a set");
        let next = slice.next;
        slices.push(slice);
        match next {
            Some(next) => after = next,
            None => return sum(slices),
        }
    }
}

pub(crate) fn intakes(all: &[&Intake]) -> Intakes {
    let intakes = Intakes::default();
    intakes.set(all.iter().map(|&intake| intake.clone()));
    intakes
}

/// Items by outcome, over all months; in each of which they must balance, and none be fewer than none.
fn balanced(core: &mut Core) -> BTreeMap<Outcome, i64> {
    let mut sums = BTreeMap::new();
    let mut months: BTreeMap<_, i64> = BTreeMap::new();
    for count in core.store().counts().expect("counts") {
        assert!(count.items >= 0, "{count:?}");
        *sums.entry(count.outcome).or_default() += count.items;
        let sign = match count.outcome {
            Outcome::Received => 1,
            Outcome::IgnoredField | Outcome::Message => 0,
            _ => -1,
        };
        *months.entry((count.source, count.month)).or_default() += sign * count.items;
    }
    assert!(months.values().all(|difference| *difference == 0), "{months:?}");
    let open = core.store().entries(&open(), Order::OldestFirst, None, usize::MAX).expect("entries").len();
    assert_eq!(sums.get(&Outcome::Quarantined).copied().unwrap_or(0), i64::try_from(open).expect("few"));
    // What is released or discarded arrived in a message that is counted once.
    sums.retain(|outcome, items| *items != 0 && *outcome != Outcome::Message);
    sums
}

#[test]
fn a_frozen_set_is_released_once_whoever_asks_and_nothing_but_it() {
    let mut stage = Stage::new();
    let words = Words::default();
    let intake = words.intake("opus");
    for word in ["a", "b", "c", "d"] {
        assert!(matches!(deliver(stage.core(), &intake, word)[..], [Became::Quarantined(_)]));
    }
    assert_eq!(deliver(stage.core(), &intake, "a"), [Became::Duplicate]);
    let set = freeze(stage.core(), &open());
    // Came later, so it is not in the set, though the filter means it too.
    deliver(stage.core(), &intake, "late");
    let before = balanced(stage.core());

    // Nothing is mended yet, and then all but one.
    let all = intakes(&[&intake]);
    assert_eq!(previewed(&mut stage, &all, set), Fates::from([(Fate::Quarantined(Reason::InvalidField), 4)]));
    assert_eq!(release(&mut stage, &all, set), Fates::from([(Fate::Quarantined(Reason::InvalidField), 4)]));
    assert_eq!(balanced(stage.core()), before);
    for word in ["a", "b", "d", "late"] {
        words.say(word, &[Ok(word)]);
    }
    words.say("c", &[Err("elsewhere")]);
    let right = Fates::from([(Fate::Posting, 3), (Fate::Quarantined(Reason::InvalidField), 1)]);
    assert_eq!(previewed(&mut stage, &all, set), right);
    assert_eq!(balanced(stage.core()), before, "a preview changes nothing");

    // Two callers decode at the same time; then the one is released, and the other, and once more after a kill.
    let (one, other) = (decode(&mut stage, &all, set, EntryNo(0)), decode(&mut stage, &all, set, EntryNo(0)));
    let released = stage.core().release(one, instant(LATER)).expect("released");
    assert_eq!(sum([released]), right);
    let known = Fates::from([(Fate::Settled, 3), (Fate::Quarantined(Reason::InvalidField), 1)]);
    let released = stage.core().release(other, instant(LATER)).expect("released");
    assert_eq!(sum([released]), known);
    stage.open(Default::default(), 1_000, None);
    assert_eq!(release(&mut stage, &all, set), known);
    assert_eq!(stage.ids().into_iter().collect::<Vec<_>>(), ["a", "b", "d"]);
    let outcomes =
        [(Outcome::Received, 6), (Outcome::Posting, 3), (Outcome::Duplicate, 1), (Outcome::Quarantined, 2)];
    assert_eq!(balanced(stage.core()), outcomes.into());

    // What is left says why it is, and what was released as what it ended.
    let entries =
        stage.core().store().entries(&Filter::default(), Order::NewestFirst, None, 9).expect("entries");
    let told: Vec<_> =
        entries.iter().map(|entry| (entry.no.0, entry.path.as_deref(), entry.erased)).collect();
    let right = [(5, Some(""), false), (4, Some(""), true), (3, Some("elsewhere"), false)];
    assert_eq!(told[..3], right);
    let as_posting = |state: &State| matches!(state, State::Released { became, .. } if *became == BTreeMap::from([(Outcome::Posting, 1)]));
    assert!(as_posting(&entries[1].state) && as_posting(&entries[4].state), "{entries:?}");
    // Sent again they are known: what was taken in, and what is here for another reason by now.
    for word in ["a", "b", "c", "d"] {
        assert_eq!(deliver(stage.core(), &intake, word), [Became::Duplicate], "{word}");
    }
    balanced(stage.core());
    assert!(
        ready(stage.core().store(), &stage_vault(), &all, SetNo(99), EntryNo(0)).expect("reads").is_none()
    );
}

#[test]
fn what_turns_out_to_hold_nothing_leaves_the_quarantine_as_that() {
    let mut stage = Stage::new();
    let words = Words::default();
    let intake = words.intake("opus");
    deliver(stage.core(), &intake, "sunday");
    let set = freeze(stage.core(), &open());
    words.say("sunday", &[]);
    let (all, right) = (intakes(&[&intake]), Fates::from([(Fate::Empty, 1)]));
    assert_eq!(previewed(&mut stage, &all, set), right);
    assert_eq!(release(&mut stage, &all, set), right);
    assert_eq!(balanced(stage.core()), [(Outcome::Received, 1), (Outcome::Empty, 1)].into());
    assert_eq!(deliver(stage.core(), &intake, "sunday"), [Became::Empty]);
    balanced(stage.core());
}

fn stage_vault() -> Arc<samspor_vault::Vault> {
    let master = samspor_vault::Master::from_hex(&"5a".repeat(32)).expect("64 digits");
    Arc::new(samspor_vault::Vault::new(&master))
}

#[test]
fn months_stay_those_of_arrival() {
    let mut stage = Stage::new();
    let words = Words::default();
    let intake = words.intake("opus");
    deliver(stage.core(), &intake, "a");
    let set = freeze(stage.core(), &open());
    words.say("a", &[Ok("a")]);
    release(&mut stage, &intakes(&[&intake]), set);
    let counts = stage.core().store().counts().expect("counts");
    let months: Vec<String> = counts.iter().map(|count| count.month.to_string()).collect();
    // It arrived at 23:30 Danish time on the last of January.
    assert!(months.iter().all(|month| month == "2026-01-01"), "{months:?}");
    assert_eq!(stage.journal()[0].0.registered, instant(LATER), "it is learnt when it is released");
}

#[test]
fn discarded_means_erased_counted_and_known() {
    let mut stage = Stage::new();
    let words = Words::default();
    let intake = words.intake("opus");
    for word in ["a", "b", "c"] {
        deliver(stage.core(), &intake, word);
    }
    let set = freeze(stage.core(), &open());
    let why = text("sent by mistake");
    let done = stage.core().discard(&[EntryNo(1), EntryNo(9)], &why, instant(LATER)).expect("discarded");
    assert_eq!((done.discarded, done.settled), (1, 1));
    let again = stage.core().discard(&[EntryNo(1)], &why, instant(LATER)).expect("discarded");
    assert_eq!((again.discarded, again.settled), (0, 1));
    assert_eq!(stage.sql("SELECT no FROM quarantine WHERE body IS NULL").len(), 1);
    assert_eq!(stage.sql("SELECT value FROM meta WHERE key = 'scrub-owed' AND length(value) > 0").len(), 1);
    let entry = stage.core().store().entry(EntryNo(1)).expect("reads").expect("it is there");
    assert_eq!(entry.state, State::Discarded { at: instant(LATER), why });
    let outcomes = [(Outcome::Received, 3), (Outcome::Quarantined, 2), (Outcome::Discarded, 1)];
    assert_eq!(balanced(stage.core()), outcomes.into());
    assert_eq!(deliver(stage.core(), &intake, "a"), [Became::Duplicate]);

    // What was discarded meanwhile is skipped by a release, and what was released by a discard.
    for word in ["a", "b", "c"] {
        words.say(word, &[Ok(word)]);
    }
    let all = intakes(&[&intake]);
    assert_eq!(release(&mut stage, &all, set), Fates::from([(Fate::Settled, 1), (Fate::Posting, 2)]));
    let entries = [1, 2, 3].map(EntryNo);
    let late = stage.core().discard(&entries, &text("late"), instant(LATER)).expect("discarded");
    assert_eq!((late.discarded, late.settled), (0, 3));
    balanced(stage.core());
}

#[test]
fn what_retention_has_erased_can_only_be_discarded_and_who_has_no_decoder_waits() {
    let mut stage = Stage::purging(30);
    let words = Words::default();
    let intake = words.intake("opus");
    deliver(stage.core(), &intake, "a");
    let set = freeze(stage.core(), &open());
    words.say("a", &[Ok("a")]);
    let nobody = intakes(&[]);
    assert_eq!(previewed(&mut stage, &nobody, set), Fates::from([(Fate::NoDecoder, 1)]));
    assert_eq!(release(&mut stage, &nobody, set), Fates::from([(Fate::NoDecoder, 1)]));
    stage.purge(instant("2026-06-01T00:00:00Z"));
    let all = intakes(&[&intake]);
    assert_eq!(previewed(&mut stage, &all, set), Fates::from([(Fate::Erased, 1)]));
    assert_eq!(release(&mut stage, &all, set), Fates::from([(Fate::Erased, 1)]));
    let entry = stage.core().store().entry(EntryNo(1)).expect("reads").expect("it is there");
    assert!(entry.erased && entry.state == State::Open);
    balanced(stage.core());
    let done = stage.core().discard(&[EntryNo(1)], &text("too old"), instant(LATER)).expect("discarded");
    assert_eq!(done.discarded, 1);
    balanced(stage.core());
}

#[test]
fn a_conflict_stays_while_it_is_one() {
    let mut stage = Stage::new();
    let words = Words::default();
    let (opus, prisme) = (words.intake("opus"), words.intake("prisme"));
    let posting = |amount: &str| {
        format!(
            r#"{{"type":"posting","id":"P","date":"2026-01-05","account":"5.28.21","amount":"{amount}"}}"#
        )
    };
    assert_eq!(stage.send(THEN, "opus", &posting("2.00")), Became::Posting);
    assert!(matches!(stage.send(THEN, "opus", &posting("1.00")), Became::Quarantined(_)));
    let set = freeze(stage.core(), &open());
    // As the sources' own decoder has it, and as one that reads it as what is known.
    let conflict = Fates::from([(Fate::Quarantined(Reason::PostingConflict), 1)]);
    let real = Intake { decoder: Arc::new(json::Decoder), ..opus.clone() };
    let all = intakes(&[&real, &prisme]);
    assert_eq!(previewed(&mut stage, &all, set), conflict);
    assert_eq!(release(&mut stage, &all, set), conflict);
    words.say(&posting("1.00"), &[Ok("Q")]);
    let mended = intakes(&[&opus]);
    assert_eq!(previewed(&mut stage, &mended, set), Fates::from([(Fate::Posting, 1)]));
    assert_eq!(release(&mut stage, &mended, set), Fates::from([(Fate::Posting, 1)]));
    balanced(stage.core());
}

#[test]
fn of_a_body_with_several_items_each_entry_is_its_own() {
    let mut stage = Stage::new();
    let words = Words::default();
    let intake = words.intake("jobcentre");
    let all = intakes(&[&intake]);
    // Two of three are wrong; one is mended, then the other.
    words.say("three", &[Ok("1"), Err("b"), Err("c")]);
    deliver(stage.core(), &intake, "three");
    let set = freeze(stage.core(), &open());
    words.say("three", &[Ok("1"), Err("b"), Ok("3")]);
    let right = Fates::from([(Fate::Quarantined(Reason::InvalidField), 1), (Fate::Posting, 1)]);
    assert_eq!(release(&mut stage, &all, set), right);
    words.say("three", &[Ok("1"), Ok("2"), Ok("3")]);
    assert_eq!(release(&mut stage, &all, set), Fates::from([(Fate::Posting, 1), (Fate::Settled, 1)]));
    assert_eq!(balanced(stage.core()), [(Outcome::Received, 3), (Outcome::Posting, 3)].into());

    // One fault that turns out to be several items, one of which is wrong: that is an entry of its own.
    deliver(stage.core(), &intake, "whole");
    let set = freeze(stage.core(), &open());
    words.say("whole", &[Ok("4"), Err("e"), Ok("5")]);
    let right = Fates::from([(Fate::Quarantined(Reason::InvalidField), 1), (Fate::Posting, 2)]);
    assert_eq!(previewed(&mut stage, &all, set), right);
    assert_eq!(release(&mut stage, &all, set), right);
    let outcomes = [(Outcome::Received, 6), (Outcome::Posting, 5), (Outcome::Quarantined, 1)];
    assert_eq!(balanced(stage.core()), outcomes.into());
    words.say("whole", &[Ok("4"), Ok("6"), Ok("5")]);
    let set = freeze(stage.core(), &open());
    assert_eq!(release(&mut stage, &all, set), Fates::from([(Fate::Posting, 1)]));
    assert_eq!(balanced(stage.core()), [(Outcome::Received, 6), (Outcome::Posting, 6)].into());
}

#[test]
fn a_large_set_goes_in_slices() {
    let mut stage = Stage::new();
    let words = Words::default();
    let intake = words.intake("opus");
    for n in 0..450 {
        deliver(stage.core(), &intake, &format!("w{n}"));
        words.say(&format!("w{n}"), &[Ok(&format!("p{n}"))]);
    }
    let set = stage.core().freeze(&open(), 440, instant(LATER)).expect("frozen");
    let all = intakes(&[&intake]);
    let first = decode(&mut stage, &all, set, EntryNo(0));
    let first = stage.core().release(first, instant(LATER)).expect("released");
    assert!(first.entries.len() < 440 && first.next == Some(EntryNo(200)), "{:?}", first.next);
    let settled = first.entries.len() as u64;
    let right = Fates::from([(Fate::Posting, 440 - settled), (Fate::Settled, settled)]);
    assert_eq!(release(&mut stage, &all, set), right);
    assert_eq!(balanced(stage.core())[&Outcome::Quarantined], 10);
}

#[test]
fn entries_are_found_by_what_they_are_and_grouped() {
    let mut stage = Stage::new();
    let words = Words::default();
    let (opus, prisme) = (words.intake("opus"), words.intake("prisme"));
    words.say("x", &[Err("line 3, field 112")]);
    words.say("y", &[Err("line 17, field 112")]);
    words.say("z", &[Err("parts[0].50%_")]);
    for (intake, word) in [(&opus, "x"), (&opus, "y"), (&opus, "z"), (&prisme, "x"), (&prisme, "q")] {
        deliver(stage.core(), intake, word);
    }
    let mut find = |filter: &Filter| {
        let entries = stage.core().store().entries(filter, Order::OldestFirst, None, 9).expect("entries");
        entries.iter().map(|entry| entry.no.0).collect::<Vec<_>>()
    };
    let path = |path: &str| Filter { path: Some(path.into()), ..Filter::default() };
    assert_eq!(find(&Filter::default()), [1, 2, 3, 4, 5]);
    assert_eq!(find(&Filter { source: Some(text("prisme")), ..Filter::default() }), [4, 5]);
    assert_eq!(find(&Filter { source: Some(text("nobody")), ..Filter::default() }), [0; 0]);
    assert_eq!(find(&Filter { reason: Some(Reason::TooLarge), ..Filter::default() }), [0; 0]);
    assert_eq!(find(&path("line *, field 112")), [1, 2, 4]);
    assert_eq!(find(&path("parts[*].50%_")), [3]);
    assert_eq!(find(&path("parts[*].50__")), [0; 0]);
    assert_eq!(find(&path("line 3, field 112")), [1, 4]);
    assert_eq!(find(&Filter { from: Some(instant(THEN)), ..Filter::default() }).len(), 5);
    assert_eq!(find(&Filter { before: Some(instant(THEN)), ..Filter::default() }), [0; 0]);
    assert_eq!(find(&Filter { standing: Some(Standing::Released), ..Filter::default() }), [0; 0]);
    let store = stage.core().store();
    let page = store.entries(&Filter::default(), Order::NewestFirst, Some(EntryNo(4)), 2).expect("entries");
    assert_eq!(page.iter().map(|entry| entry.no.0).collect::<Vec<_>>(), [3, 2]);
    let groups = store.groups(&open()).expect("groups");
    let told: Vec<_> = groups.iter().map(|group| (group.path.as_deref(), group.entries)).collect();
    assert_eq!(told[0], (Some("line *, field 112"), 2));
    assert_eq!((told.len(), told.iter().map(|(_, entries)| entries).sum::<i64>()), (4, 5));
}

/// What a test does by chance.
#[derive(Debug, Clone)]
enum Step {
    Deliver(usize),
    /// From now on the items of a word are these: an id, or a fault.
    Say(usize, Vec<Option<u8>>),
    Freeze,
    Release(usize),
    Discard(i64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4usize).prop_map(Step::Deliver),
        3 => (0..4usize, prop::collection::vec(prop::option::weighted(0.7, 0..6u8), 1..4))
            .prop_map(|(word, items)| Step::Say(word, items)),
        1 => Just(Step::Freeze),
        3 => (0..4usize).prop_map(Step::Release),
        1 => (1..9i64).prop_map(Step::Discard),
        1 => Just(Step::Reopen),
    ]
}

const WORDS: [&str; 4] = ["w0", "w1", "w2", "w3"];
const PATHS: [&str; 3] = ["p0", "p1", "p2"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// The balance holds after every step, each posting is in the journal once, and nothing that is open is lost: said
    /// rightly in the end, all of it can be released.
    #[test]
    fn whatever_is_mended_released_and_discarded_the_books_balance(steps in prop::collection::vec(step(), 1..40)) {
        let mut stage = Stage::new();
        let words = Words::default();
        let intake = words.intake("opus");
        let all = intakes(&[&intake]);
        let mut sets = Vec::new();
        for step in &steps {
            match step {
                Step::Deliver(word) => drop(deliver(stage.core(), &intake, WORDS[*word])),
                Step::Say(word, items) => {
                    let ids: Vec<_> = items.iter().map(|id| id.map(|id| format!("id{id}"))).collect();
                    let items: Vec<_> = ids.iter().zip(PATHS).map(|(id, path)| id.as_deref().ok_or(path)).collect();
                    words.say(WORDS[*word], &items);
                }
                Step::Freeze => sets.push(freeze(stage.core(), &open())),
                Step::Release(set) => {
                    if let Some(set) = sets.get(*set) {
                        let told = previewed(&mut stage, &all, *set);
                        let done = release(&mut stage, &all, *set);
                        let entries = |fates: &Fates| fates.values().sum::<u64>();
                        prop_assert_eq!(entries(&told), entries(&done));
                        let again = release(&mut stage, &all, *set);
                        prop_assert!(again.keys().all(|fate| matches!(fate, Fate::Settled | Fate::Quarantined(_))), "{:?}", again);
                    }
                }
                Step::Discard(no) => {
                    let why = text("by chance");
                    stage.core().discard(&[EntryNo(*no)], &why, instant(LATER)).expect("discarded");
                }
                Step::Reopen => stage.open(Default::default(), 1_000, None),
            }
            let outcomes = balanced(stage.core());
            let posted = outcomes.get(&Outcome::Posting).copied().unwrap_or(0);
            prop_assert_eq!(posted as usize, stage.ids().len());
        }
        for word in WORDS {
            words.say(word, &[Ok("end")]);
        }
        let set = freeze(stage.core(), &open());
        release(&mut stage, &all, set);
        let outcomes = balanced(stage.core());
        prop_assert_eq!(outcomes.get(&Outcome::Quarantined), None);
    }
}
