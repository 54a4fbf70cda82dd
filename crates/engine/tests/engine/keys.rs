//! Replacing the keys of a store: whatever it held stays known, its audit log stays provable at every step, and nothing as it
//! was under the old keys is left in its files.

use std::sync::Arc;

use rusqlite::types::Value;
use samspor_domain::audit::{Action, AuditNo, Entry, Outcome, Subject};
use samspor_domain::keys::{Covers, Generation};
use samspor_domain::store::Store as _;
use samspor_engine::audit::{checkpoint, subject, verify};
use samspor_engine::{Became, keys_held, open_keys};
use samspor_sqlite::Sqlite;
use samspor_vault::{Master, Vault};

use crate::stage::{Stage, instant, text};

const DAYS: u32 = 30;
const EARLY: &str = "2026-03-01T08:00:00Z";
const LATE: &str = "2026-06-01T08:00:00Z";
const SENT: [(&str, &str); 5] = [
    (
        "registry",
        r#"{"type":"solution","id":"sb","version":1,"name":"SB","priority":1,"from":"2025-01-01","baseline_days":0,"aftercare_days":0,"sides":[],"default_side":"inside","powers":[],"default_powers":{"grants":"area","pays":"area"},"claims":[]}"#,
    ),
    (
        "registry",
        r#"{"type":"consent","id":"C-1","version":1,"citizen":{"cpr":"6112801234"},"sources":["opus"],"covers_from":"2025-01-01","given_on":"2025-01-01","given_by":"x","basis":"law","legal_reference":"x"}"#,
    ),
    (
        "registry",
        r#"{"type":"enrolment","id":"E-1","version":1,"solution":"sb","citizen":{"cpr":"6112801234"},"family":"F-1","from":"2025-01-01"}"#,
    ),
    (
        "opus",
        r#"{"type":"posting","id":"P-1","date":"2026-02-01","account":"5.28.21.1","amount":"1.00","citizen":{"cpr":"6112801234"}}"#,
    ),
    ("opus", "rubbish"),
];
/// Nobody has consented to these, so they are purged. There are two, since the hash total of a single one is its id's hash.
const PURGED: [&str; 2] = [
    r#"{"type":"posting","id":"P-2","date":"2026-02-01","account":"5.28.21.1","amount":"2.00","citizen":{"cpr":"6212801234"}}"#,
    r#"{"type":"posting","id":"P-3","date":"2026-02-01","account":"5.28.21.1","amount":"2.00","citizen":{"cpr":"6212801234"}}"#,
];

/// Every keyed hash and all sealed bytes of the store.
fn kept(stage: &Stage) -> Vec<Vec<u8>> {
    let columns = [
        "SELECT pseudonym FROM person",
        "SELECT sealed FROM person",
        "SELECT id FROM fact",
        "SELECT content FROM fact_version",
        "SELECT body FROM fact_version",
        "SELECT payload FROM feed",
        "SELECT content FROM quarantine",
        "SELECT body FROM quarantine",
        "SELECT key FROM filter_key",
        "SELECT sealed FROM filter_key",
        "SELECT id FROM purged",
        "SELECT content FROM purged",
        "SELECT sealed FROM audit",
        "SELECT subject FROM audit_subject",
    ];
    let all = columns.into_iter().flat_map(|sql| {
        let rows = stage.sql(sql);
        assert!(!rows.is_empty(), "{sql} finds nothing");
        rows.into_iter().flatten()
    });
    all.filter_map(|value| if let Value::Blob(bytes) = value { Some(bytes) } else { None }).collect()
}

#[test]
fn whatever_was_known_stays_known_and_nothing_is_left_under_the_old_keys() {
    let mut stage = Stage::purging(DAYS);
    let first = |became: &Became| matches!(became, Became::Fact | Became::Posting | Became::Quarantined(_));
    for (source, body) in SENT {
        assert!(first(&stage.send(EARLY, source, body)), "{body}");
    }
    for body in PURGED {
        assert_eq!(stage.send(EARLY, "opus", body), Became::Posting);
    }
    stage.purge(instant(LATE));
    assert_eq!(stage.ids(), ["P-1".to_owned()].into());
    let about = Subject::Posting { source: text("opus"), id: text("P-1") };
    stage.core().note_open(None, instant(LATE)).expect("it is noted");
    let entry = Entry {
        caller: text("anna"),
        action: Action::ReadFact,
        subjects: vec![about.clone()],
        outcome: Outcome::Done,
    };
    stage.core().note(entry, instant(LATE));
    stage.core().keep_noted().expect("it is kept");
    let journal = stage.journal();
    assert!(journal[0].1.is_some(), "it is tagged");
    let known = checkpoint(stage.core().store(), instant(LATE)).expect("a checkpoint");
    let before = kept(&stage);

    stage.open(Default::default(), 1, Some(DAYS));
    let begun = stage.core().rotate_keys(instant(LATE)).expect("the store takes it").expect("it begins");
    assert_eq!(begun.generation, 2);
    assert!(stage.core().rotate_keys(instant(LATE)).expect("it answers").is_err(), "one at a time");
    let vault = Arc::clone(&stage.vault);
    let mut slices = 0;
    loop {
        let left = stage.core().rekey(instant(LATE)).expect("it goes on");
        let proof = verify(stage.core().store(), &vault, std::slice::from_ref(&known), || {});
        let proof = proof.expect("the store is read").expect("it is whole");
        assert_eq!(proof.proven, Some(AuditNo(2)), "slice {slices}");
        let about = subject(&vault, &about).expect("a hash");
        let found = stage.core().store().audit_about(&about, AuditNo(i64::MAX), 10).expect("it is read");
        assert_eq!(found, [AuditNo(2)], "slice {slices}");
        assert_eq!(stage.journal(), journal, "slice {slices}");
        slices += 1;
        if !left {
            break;
        }
    }
    assert!(slices > before.len() / 2, "one row at a time: {slices}");
    while !stage.core().scrub(jiff::Timestamp::UNIX_EPOCH).expect("the files are scrubbed") {}
    drop(stage.close());
    stage.holds_none_of(&before);

    // With what the store keeps now, and nothing else.
    let master = Master::from_hex(&"5a".repeat(32)).expect("64 digits");
    let mut reader = Sqlite::open_reader(stage.dir.path()).expect("a reader");
    stage.vault = open_keys(&mut reader, &master, None).expect("they open");
    let held = keys_held(&mut reader, &stage.vault).expect("it is read");
    assert_eq!((held.generation, held.rekeying), (Generation(2), None));
    assert_eq!(stage.vault.oldest(), Generation(2));
    drop(reader);
    stage.open(Default::default(), 1_000, Some(DAYS));
    assert_eq!(stage.journal(), journal);
    for (source, body) in SENT.into_iter().chain(PURGED.map(|body| ("opus", body))) {
        assert_eq!(stage.send(LATE, source, body), Became::Duplicate, "{body}");
    }
    let withdrawn = r#"{"type":"consent","id":"C-1","version":2,"withdrawn":true}"#;
    assert_eq!(stage.send(LATE, "registry", withdrawn), Became::Fact);
    assert!(stage.journal()[0].1.is_none(), "what a consent covered is still found by it");
}

/// A key that is being replaced, since somebody has it perhaps, opens nothing that is begun now.
#[test]
fn a_new_store_is_under_the_new_master_key_alone() {
    let (old, new) = ("5a", "6b");
    let [old, new] = [old, new].map(|byte| Master::from_hex(&byte.repeat(32)).expect("64 digits"));
    let directory = tempfile::tempdir().expect("a directory");
    let mut store = Sqlite::open(directory.path()).expect("a store");
    let vault = open_keys(&mut store, &new, Some(&old)).expect("they open");
    assert_eq!(vault.fingerprint(), Vault::new(&new).fingerprint());
    // One that was made before there were rings is under the key before, as its mark tells.
    store.begin().expect("a transaction");
    store.set_meta("key-fingerprint", &Vault::new(&old).fingerprint()).expect("the mark");
    store.commit().expect("it is kept");
    let vault = open_keys(&mut store, &new, Some(&old)).expect("they open");
    assert_eq!(vault.fingerprint(), Vault::new(&old).fingerprint());
    assert!(open_keys(&mut store, &new, None).is_err());
}
