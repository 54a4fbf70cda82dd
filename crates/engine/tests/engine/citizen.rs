//! What is held on a citizen is found, all of it and nobody else's; who looked at it can be told; and the end of a consent
//! is proven.

use std::collections::BTreeSet;

use samspor_domain::audit::{Action, AuditNo, Entry, Outcome, Subject};
use samspor_domain::{Change, CitizenRef, Cpr, Handed, Kind, Parked, Rank, Receipted, SourceNo, State, Why};
use samspor_engine::audit::{About, Page, Wanted, about, citizen, list};
use samspor_engine::{Holdings, NotWithdrawn, StoredFact, Withdrawal, withdrawal};

use crate::stage::{Stage, instant, text};

const THEN: &str = "2026-01-10T08:00:00Z";
const LATER: &str = "2026-01-20T08:00:00Z";
const ANNA: &str = "6112801234";
const BENT: &str = "0101305001";
const CARL: &str = "0201305001";
const UUID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

fn cpr(number: &str) -> CitizenRef {
    CitizenRef::Cpr(Cpr::parse(number).expect("a number"))
}

fn held(stage: &mut Stage, reference: &CitizenRef) -> Holdings {
    let vault = stage.vault.clone();
    Holdings::find(stage.core().store(), &vault, reference).expect("the store is read")
}

/// Anna consented in `opus` and `dubu`, Bent did not; both have cases there, and Anna has one in `other`.
fn town() -> Stage {
    let mut stage = Stage::new();
    let registry = [
        r#"{"type":"solution","id":"s","version":1,"name":"S"}"#.to_owned(),
        format!(
            r#"{{"type":"enrolment","id":"E-A","version":1,"solution":"s","family":"F-1","citizen":{{"cpr":"{ANNA}"}},"from":"2025-01-01"}}"#
        ),
        format!(
            r#"{{"type":"identity","id":"I-A","version":1,"kind":"same","refs":[{{"cpr":"{ANNA}"}},{{"uuid":"{UUID}"}}]}}"#
        ),
        format!(
            r#"{{"type":"consent","id":"C-A","version":1,"citizen":{{"cpr":"{ANNA}"}},"sources":["opus","dubu"],"covers_from":"2025-01-01"}}"#
        ),
    ];
    for body in &registry {
        stage.send(THEN, "registry", body);
    }
    for (source, id, citizen) in [
        ("dubu", "J-A", format!(r#"{{"uuid":"{UUID}"}}"#)),
        ("dubu", "J-B", format!(r#"{{"cpr":"{BENT}"}}"#)),
        ("other", "J-O", format!(r#"{{"cpr":"{ANNA}"}}"#)),
        ("other", "J-M", format!(r#"{{"cpr":"{ANNA}"}}"#)),
    ] {
        stage.send(
            THEN,
            source,
            &format!(r#"{{"type":"case","id":"{id}","version":1,"citizen":{citizen}}}"#),
        );
    }
    // Bent has a grant in Anna's case, and she has one that names nobody.
    for (id, more) in [("B-B", format!(r#","citizen":{{"cpr":"{BENT}"}}"#)), ("B-A", String::new())] {
        stage.send(
            THEN,
            "other",
            &format!(r#"{{"type":"grant","id":"{id}","version":1,"case":"J-O"{more}}}"#),
        );
    }
    // Somebody tied Carl to Bent, so that his consent is nobody's.
    stage.send(THEN, "registry", &format!(r#"{{"type":"identity","id":"I-X","version":1,"kind":"same","refs":[{{"cpr":"{CARL}"}},{{"cpr":"{BENT}"}}]}}"#));
    stage.send(THEN, "registry", &format!(r#"{{"type":"consent","id":"C-C","version":1,"citizen":{{"cpr":"{CARL}"}},"sources":["opus"],"covers_from":"2025-01-01"}}"#));
    // What was Anna's by mistake is Bent's.
    let mended = format!(r#"{{"type":"case","id":"J-M","version":2,"citizen":{{"cpr":"{BENT}"}}}}"#);
    stage.send(THEN, "other", &mended);
    for (source, id, citizen) in [
        ("opus", "P-A", format!(r#"{{"cpr":"{ANNA}"}}"#)),
        ("opus", "P-U", format!(r#"{{"uuid":"{UUID}"}}"#)),
        ("opus", "P-B", format!(r#"{{"cpr":"{BENT}"}}"#)),
        ("opus", "P-J", r#"{"case":"J-A","system":"dubu"}"#.to_owned()),
        ("other", "P-O", r#"{"case":"J-O","system":"other"}"#.to_owned()),
        ("other", "P-M", r#"{"case":"J-M","system":"other"}"#.to_owned()),
        ("other", "P-X", format!(r#"{{"uuid":"{UUID}"}}"#)),
    ] {
        let posting = format!(
            r#"{{"type":"posting","id":"{id}","date":"2026-01-05","account":"5.28.21.1","amount":"100.00","citizen":{citizen}}}"#
        );
        stage.send(THEN, source, &posting);
    }
    for number in ["611280-1234", "010130-5001", "6112801235"] {
        stage.send(THEN, "opus", &format!(r#"{{"type":"nonsense","about":"{number}"}}"#));
    }
    stage
}

fn postings(held: &Holdings) -> Vec<String> {
    held.postings.iter().map(|held| format!("{} {}", held.source, held.row.posting.id)).collect()
}

fn facts(held: &Holdings) -> BTreeSet<String> {
    let name = |versions: &Vec<StoredFact>| {
        let newest = versions.last().expect("a version");
        format!("{} {} v{}", newest.kind, newest.id.as_ref().map_or("", |id| id.as_str()), newest.version)
    };
    held.facts.iter().map(name).collect()
}

fn set<const N: usize>(items: [&str; N]) -> BTreeSet<String> {
    items.into_iter().map(str::to_owned).collect()
}

/// A child in a mother's case, who has no number but the system's own; a grant of another's that ended; and a posting that takes
/// one of hers back and names nobody.
#[test]
fn what_names_others_by_other_numbers_or_names_nobody_is_whose_it_is() {
    let mut stage = town();
    let child =
        r#"{"type":"grant","id":"B-C","version":1,"case":"J-O","citizen":{"system":"other","id":"77"}}"#;
    stage.send(THEN, "other", child);
    stage.send(THEN, "other", r#"{"type":"grant","id":"B-B","version":2,"deleted":true}"#);
    let of_child = r#"{"type":"posting","id":"P-C","date":"2026-01-05","account":"5.28.21.1","amount":"100.00","citizen":{"grant":"B-C","system":"other"}}"#;
    stage.send(THEN, "other", of_child);
    for (id, reversed, amount) in
        [("P-A-", "P-A", "-100.00"), ("P-A--", "P-A-", "100.00"), ("P-B-", "P-B", "-100.00")]
    {
        let reversal = format!(
            r#"{{"type":"posting","id":"{id}","date":"2026-01-06","account":"5.28.21.1","amount":"{amount}","reverses":"{reversed}"}}"#
        );
        stage.send(THEN, "opus", &reversal);
    }
    let anna = held(&mut stage, &cpr(ANNA));
    assert_eq!(postings(&anna), ["opus P-A", "opus P-U", "opus P-J", "other P-O", "opus P-A-", "opus P-A--"]);
    let facts = facts(&anna);
    assert!(facts.contains("grant B-A v1"), "{facts:?}");
    assert!(!facts.iter().any(|fact| fact.contains("B-B") || fact.contains("B-C")), "{facts:?}");
}

#[test]
fn everything_about_a_citizen_is_found_and_nothing_about_another() {
    let mut stage = town();
    let anna = held(&mut stage, &cpr(ANNA));
    assert_eq!(anna.consents, [text("C-A")].into());
    assert_eq!(postings(&anna), ["opus P-A", "opus P-U", "opus P-J", "other P-O"]);
    assert_eq!(
        facts(&anna),
        set([
            "enrolment E-A v1",
            "identity I-A v1",
            "consent C-A v1",
            "case J-A v1",
            "case J-O v1",
            "grant B-A v1",
            "case J-M v1"
        ])
    );
    // A version says whom it is about, and only hers are shown.
    for version in anna.facts.iter().flatten() {
        if let (Kind::Case, Some(State::Live(samspor_domain::Body::Case(case)))) =
            (version.kind, &version.state)
        {
            assert!(anna.references.contains(&case.citizen));
        }
    }
    assert_eq!(anna.quarantined.iter().map(|entry| entry.no.0).collect::<Vec<_>>(), [1]);
    let tagged = anna.postings.iter().filter(|held| !held.records.is_empty()).count();
    assert_eq!(tagged, 3, "those in the sources of the consent");

    // By the other reference too, but where nothing ties the two together.
    let uuid = CitizenRef::Uuid(samspor_domain::PersonUuid::parse(UUID).expect("one"));
    let by_uuid = held(&mut stage, &uuid);
    assert_eq!(by_uuid.consents, anna.consents);
    assert_eq!(postings(&by_uuid), ["opus P-A", "opus P-U", "opus P-J", "other P-X"]);

    let bent = held(&mut stage, &cpr(BENT));
    assert_eq!(bent.consents, [text("C-C")].into(), "it reaches him, and nothing is followed");
    assert_eq!(postings(&bent), ["opus P-B", "other P-M"]);
    assert_eq!(facts(&bent), set(["case J-B v1", "case J-M v2", "grant B-B v1", "identity I-X v1"]));
    let carl = held(&mut stage, &cpr(CARL));
    assert_eq!((carl.consents.len(), postings(&carl).len()), (1, 0));
    assert_eq!(carl.references, [cpr(CARL)].into());
    assert_eq!(bent.quarantined.iter().map(|entry| entry.no.0).collect::<Vec<_>>(), [2]);
    let nobody = held(&mut stage, &cpr("6112801236"));
    assert_eq!(nobody, Holdings { references: [cpr("6112801236")].into(), ..Holdings::default() });
}

#[test]
fn who_looked_at_a_citizen_is_told_and_who_looked_at_another_is_not() {
    let mut stage = town();
    let vault = stage.vault.clone();
    let seq = |stage: &mut Stage, id: &str| {
        let anna = held(stage, &cpr(ANNA));
        let held = anna.postings.iter().find(|held| held.row.posting.id.as_str() == id).expect("it is held");
        held.records[0].seq.0
    };
    let tagged = seq(&mut stage, "P-U");
    let fact = |id: &str| Subject::Fact { kind: Kind::Consent, id: text(id), source: None };
    let posting = |id: &str| Subject::Posting { source: text("opus"), id: text(id) };
    let (of_anna, of_bent) = (citizen(&vault, &cpr(ANNA)), citizen(&vault, &cpr(BENT)));
    let looks = [
        ("a", Action::ReadFact, vec![fact("C-A")], true),
        ("b", Action::ReadFact, vec![fact("C-B")], false),
        ("c", Action::Explain, vec![posting("P-J")], true),
        ("d", Action::Explain, vec![posting("P-B")], false),
        ("e", Action::SubscribeFeed, vec![Subject::Feed { from: tagged, to: tagged }], true),
        ("f", Action::SubscribeFeed, vec![Subject::Feed { from: tagged + 9, to: tagged + 99 }], false),
        ("g", Action::WhoLooked, vec![of_anna], true),
        ("h", Action::WhoLooked, vec![of_bent], false),
        ("i", Action::ShowQuarantined, vec![Subject::Quarantined(1)], true),
        ("j", Action::ShowQuarantined, vec![Subject::Quarantined(2)], false),
        ("k", Action::Reload, vec![], false),
    ];
    let first = list(stage.core().store(), &vault, &Wanted::default(), AuditNo(i64::MAX), 1).expect("a page");
    assert_eq!(first, Page::default(), "nothing was noted yet");
    for (caller, action, subjects, _) in looks.clone() {
        let entry = Entry { caller: text(caller), action, subjects, outcome: Outcome::Done };
        stage.core().note(entry, instant(LATER));
        stage.core().keep_noted().expect("it is kept");
    }
    let expected: Vec<&str> = looks.iter().rev().filter(|look| look.3).map(|look| look.0).collect();
    // Whatever the pages' size, each is told once, the newest first.
    for size in 1..=looks.len() {
        let asked = About::Citizen(cpr(ANNA));
        let told = paged(size, |before| about(stage.core().store(), &vault, &asked, before, size));
        assert_eq!(told, expected, "pages of {size}");
        let all = paged(size, |before| list(stage.core().store(), &vault, &Wanted::default(), before, size));
        assert_eq!(all, looks.iter().rev().map(|look| look.0).collect::<Vec<_>>(), "pages of {size}");
    }
    let asked = About::Named(Subject::Posting { source: text("opus"), id: text("P-U") });
    assert_eq!(paged(9, |before| about(stage.core().store(), &vault, &asked, before, 9)), ["e"]);
    for (wanted, expected) in [
        (Wanted { caller: Some(text("d")), ..Wanted::default() }, vec!["d"]),
        (Wanted { action: Some(Action::Explain), ..Wanted::default() }, vec!["d", "c"]),
        (Wanted { until: Some(instant(LATER)), ..Wanted::default() }, vec![]),
        (Wanted { from: Some(instant("2026-01-20T08:00:01Z")), ..Wanted::default() }, vec![]),
    ] {
        assert_eq!(paged(2, |before| list(stage.core().store(), &vault, &wanted, before, 2)), expected);
    }
}

#[test]
fn a_long_log_is_listed_whole_whatever_the_pages() {
    let mut stage = Stage::new();
    let vault = stage.vault.clone();
    for _ in 0..1_203 {
        let entry =
            Entry { caller: text("a"), action: Action::Reload, subjects: vec![], outcome: Outcome::Done };
        stage.core().note(entry, instant(LATER));
        stage.core().keep_noted().expect("it is kept");
    }
    for size in [1, 499, 500, 501, 1_203, 2_000] {
        let (mut told, mut before) = (Vec::new(), AuditNo(i64::MAX));
        loop {
            let page = list(stage.core().store(), &vault, &Wanted::default(), before, size).expect("a page");
            told.extend(page.entries.iter().map(|said| said.no.0));
            let Some(next) = page.next else { break };
            before = next;
        }
        assert!(told.iter().copied().eq((1..=1_203).rev()), "pages of {size}");
    }
}

/// The callers of all pages.
fn paged(size: usize, mut page: impl FnMut(AuditNo) -> samspor_domain::store::Result<Page>) -> Vec<String> {
    let (mut told, mut before) = (Vec::new(), AuditNo(i64::MAX));
    loop {
        let Page { entries, next } = page(before).expect("a page");
        assert!(entries.len() <= size);
        told.extend(entries.into_iter().map(|said| said.entry.expect("it opens").caller.to_string()));
        match next {
            Some(next) => before = next,
            None => return told,
        }
    }
}

fn proof(stage: &mut Stage) -> Result<Withdrawal, NotWithdrawn> {
    let vault = stage.vault.clone();
    withdrawal(stage.core().store(), &vault, &text("C-A")).expect("the store is read")
}

#[test]
fn the_end_of_a_consent_is_proven_step_by_step_and_not_before() {
    let mut stage = town();
    stage.advance("ledger", 0);
    stage.advance("lis", 3);
    assert_eq!(proof(&mut stage), Err(NotWithdrawn::Live));
    let vault = stage.vault.clone();
    assert_eq!(
        withdrawal(stage.core().store(), &vault, &text("C-Z")).expect("read"),
        Err(NotWithdrawn::Unknown)
    );
    stage.send(LATER, "registry", r#"{"type":"consent","id":"C-A","version":2,"withdrawn":true}"#);
    let told = proof(&mut stage).expect("it is withdrawn");
    assert_eq!((told.rank, told.version, told.registered), (Rank::Withdrawn, 2, instant(LATER)));
    assert_eq!((told.records, told.is_erased, told.gone), (Some(3), true, None), "the files have it yet");
    let at = |told: &Withdrawal| {
        told.targets.iter().map(|at| (at.target.to_string(), at.waiting)).collect::<Vec<_>>()
    };
    assert_eq!(at(&told), [("ledger".into(), 3), ("lis".into(), 3)], "each is still to be told");

    // What others do later changes nothing about what this one has to wait for.
    stage.send(LATER, "registry", &format!(r#"{{"type":"consent","id":"C-B","version":1,"citizen":{{"cpr":"{BENT}"}},"sources":["opus"],"covers_from":"2025-01-01"}}"#));
    stage.send(LATER, "registry", &format!(r#"{{"type":"enrolment","id":"E-B","version":1,"solution":"s","citizen":{{"cpr":"{BENT}"}},"from":"2025-01-01"}}"#));
    stage.advance("ledger", 6);
    stage.advance("lis", 5);
    let told = proof(&mut stage).expect("it is withdrawn");
    assert_eq!(at(&told), [("ledger".into(), 0), ("lis".into(), 1)]);
    assert_eq!(told.targets.iter().map(|at| at.is_confirmed()).collect::<Vec<_>>(), [true, false]);

    // Nor does it prove anything that a new consent has the same said of the same postings once more, while a target waits.
    stage.advance("paused", 3);
    stage.send(LATER, "registry", &format!(r#"{{"type":"consent","id":"C-A2","version":1,"citizen":{{"cpr":"{ANNA}"}},"sources":["opus","dubu"],"covers_from":"2025-01-01"}}"#));
    let told = proof(&mut stage).expect("it is withdrawn");
    assert_eq!(at(&told), [("ledger".into(), 0), ("lis".into(), 1), ("paused".into(), 1)]);
    assert!(!told.targets.iter().any(|at| at.target.as_str() == "paused" && at.is_confirmed()));

    // Nor does it for a target that refused to take the tag off, whatever it is to be told now.
    let (posting, seq) = {
        let store = stage.core().store();
        let row = store.find_posting(SourceNo(1), &text("P-A")).expect("read");
        let row = row.or(store.find_posting(SourceNo(2), &text("P-A")).expect("read")).expect("the posting");
        (row.no, store.newest_record(row.no).expect("read").expect("a record").seq)
    };
    let had = Handed { revision: 1, change: Change::Tag, at: instant(THEN), receipt: Receipted::NotAsked };
    let parked = Parked {
        target: text("refusing"),
        posting,
        seq,
        why: Why::Refused(5, "no".into()),
        since: instant(LATER),
        is_released: false,
    };
    stage.advance("refusing", 9);
    let store = stage.core().store();
    store.begin().expect("begins");
    store.set_handed(&text("refusing"), posting, &had).expect("it has the tag");
    store.park(&parked).expect("it is parked");
    store.commit().expect("commits");
    let told = proof(&mut stage).expect("it is withdrawn");
    let refusing = told.targets.iter().find(|at| at.target.as_str() == "refusing").expect("the target");
    assert_eq!((refusing.waiting, refusing.parked, refusing.is_confirmed()), (0, 1, false));
    let store = stage.core().store();
    store.begin().expect("begins");
    assert!(store.unpark(&text("refusing"), posting).expect("it takes it"));
    store.commit().expect("commits");

    let gone = instant("2026-01-21T00:00:00Z");
    while !stage.core().scrub(gone).expect("the files are scrubbed") {}
    assert_eq!(proof(&mut stage).expect("it is withdrawn").gone, Some(gone));
    // What is erased later is another matter.
    stage.send(LATER, "registry", r#"{"type":"consent","id":"C-B","version":2,"deleted":true}"#);
    while !stage.core().scrub(instant("2026-01-22T00:00:00Z")).expect("the files are scrubbed") {}
    assert_eq!(proof(&mut stage).expect("it is withdrawn").gone, Some(gone));
    // One that ended before anything was known of it has nothing to take back.
    stage.send(LATER, "registry", r#"{"type":"consent","id":"C-N","version":1,"withdrawn":true}"#);
    let never = withdrawal(stage.core().store(), &vault, &text("C-N")).expect("read").expect("it has ended");
    assert_eq!((never.records, never.is_erased, never.gone), (None, true, Some(instant(LATER))));
    assert!(never.targets.iter().all(samspor_engine::WithdrawnAt::is_confirmed));
    stage.open(samspor_domain::Charts::default(), 1_000, None);
    let told = proof(&mut stage).expect("it is withdrawn");
    assert_eq!((told.records, told.gone), (Some(3), Some(gone)), "also after a restart");
}

#[test]
fn of_what_is_still_to_pass_on_the_targets_are_named() {
    let mut stage = town();
    let store = stage.core().store();
    let sources = store.sources().expect("sources");
    let opus = sources.into_iter().find(|(_, name)| name.as_str() == "opus").expect("it sent").0;
    store.begin().expect("a transaction");
    store.begin_forwarding(&text("line"), opus).expect("it begins");
    store.commit().expect("it is written");
    stage.open(samspor_domain::Charts::default(), 1_000, None);
    for (source, id, number) in [("opus", "P-1", ANNA), ("opus", "P-2", BENT), ("other", "P-3", ANNA)] {
        let posting = format!(
            r#"{{"type":"posting","id":"{id}","date":"2026-01-06","account":"5.28.21.1","amount":"1.00","citizen":{{"cpr":"{number}"}}}}"#
        );
        stage.send(LATER, source, &posting);
    }
    let mut waits = |number: &str| -> Vec<String> {
        let postings = held(&mut stage, &cpr(number)).postings.into_iter();
        let waits = postings.filter(|held| held.passes_on_to == [text("line")]);
        waits.map(|held| held.row.posting.id.to_string()).collect()
    };
    assert_eq!((waits(ANNA), waits(BENT)), (vec!["P-1".to_owned()], vec!["P-2".to_owned()]));
}
