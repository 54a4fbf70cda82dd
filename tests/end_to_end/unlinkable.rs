//! Without the keys, the store joins no two systems: not before a consent, and not after its withdrawal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::types::Value;
use samspor_domain::{Chart, Charts, Decode, Delivery};
use samspor_engine::{Core, Intake, Permissions};
use samspor_formats::json;
use samspor_sqlite::Sqlite;
use samspor_vault::{Master, Vault};

use crate::deployment::Result;

/// One person, known to four sources by different references, and to the registry.
const CPR: &str = r#"{"cpr":"6112801234"}"#;
const UUID: &str = r#"{"uuid":"0f8fad5b-d9cb-469f-a165-70867728950e"}"#;
const OTHER: &str = r#"{"cpr":"6212801234"}"#;

fn messages() -> Vec<(&'static str, String)> {
    vec![
        (
            "registry",
            format!(r#"{{"type":"identity","id":"I-1","version":1,"kind":"same","refs":[{CPR},{UUID}]}}"#),
        ),
        ("registry", r#"{"type":"solution","id":"s","version":1,"name":"S"}"#.into()),
        (
            "registry",
            format!(
                r#"{{"type":"enrolment","id":"E-1","version":1,"solution":"s","family":"F-1","citizen":{CPR},"from":"2026-01-01"}}"#
            ),
        ),
        ("dubu", format!(r#"{{"type":"case","id":"D-4","version":1,"citizen":{CPR}}}"#)),
        ("dubu", r#"{"type":"grant","id":"B-12","version":1,"case":"D-4","total":"100.00"}"#.into()),
        ("jobcentre", format!(r#"{{"type":"case","id":"J-77","version":1,"citizen":{UUID}}}"#)),
        ("opus", posting("1", &format!(r#""citizen":{CPR}"#))),
        ("opus", posting("2", r#""grant":{"system":"dubu","grant":"B-12"}"#)),
        ("prisme", posting("3", &format!(r#""citizen":{CPR}"#))),
        ("jobcentre", posting("4", &format!(r#""citizen":{UUID}"#))),
        ("dubu", posting("5", r#""citizen":{"case":"D-4"}"#)),
    ]
}

fn posting(id: &str, whose: &str) -> String {
    format!(
        r#"{{"type":"posting","id":"P-{id}","date":"2026-03-14","account":"5.28.21.1","amount":"1{id}.00",{whose}}}"#
    )
}

fn consent(id: &str, citizen: &str) -> String {
    format!(
        r#"{{"type":"consent","id":"{id}","version":1,"citizen":{citizen},"sources":["opus","prisme","dubu","jobcentre"],"covers_from":"2025-01-01"}}"#
    )
}

struct Store {
    dir: tempfile::TempDir,
    core: Core,
}

impl Store {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let vault = Arc::new(Vault::new(&Master::from_hex(&"5a".repeat(32))?));
        let charts = Charts(BTreeMap::from([(2026, Chart::default())]));
        let core = Core::open(Box::new(Sqlite::open(dir.path())?), vault, charts, 1_000)?;
        Ok(Self { dir, core })
    }

    fn send(&mut self, source: &str, body: &str) -> Result<()> {
        let decoder: Arc<dyn Decode> = Arc::new(json::Decoder);
        let may_send = Permissions::all();
        let intake = Intake { source: source.parse()?, decoder, may_send, max_body_bytes: 10_000 };
        let items = intake.prepare(&Delivery { body: body.to_owned().into(), ..Delivery::default() });
        let became = self.core.take_in(&items, "2026-04-01T00:00:00Z".parse()?)?;
        assert!(
            !became.iter().any(|b| matches!(b, samspor_engine::Became::Quarantined(_))),
            "{body}: {became:?}"
        );
        while self.core.work("2026-04-01T00:00:00Z".parse()?)? {}
        Ok(())
    }

    fn sql(&self) -> Result<Connection> {
        Ok(Connection::open(self.dir.path().join("samspor.sqlite"))?)
    }

    fn tagged(&self) -> Result<i64> {
        Ok(self.sql()?.query_row("SELECT count(*) FROM posting WHERE standing = 0", [], |row| row.get(0))?)
    }
}

/// Everything in the store by which rows could be joined, by the scope (0: the registry) that it belongs to: every blob,
/// every text and every number of a row elsewhere.
fn identifiers(sql: &Connection) -> Result<BTreeMap<i64, BTreeSet<Vec<u8>>>> {
    // The scope of each row, and what in it could be shared. Columns that hold amounts, dates, words and counts are not
    // here: they are content, and the protection's own page says what content can tell.
    let queries = [
        "SELECT scope, 'person', no, pseudonym, sealed FROM person",
        "SELECT scope, 'fact', no, id, content FROM fact",
        "SELECT f.scope, 'fact', f.no, v.content, v.body FROM fact_version v JOIN fact f ON f.no = v.fact",
        "SELECT p.scope, 'fact', h.fact, NULL, NULL FROM holds h JOIN person p ON p.no = h.person",
        "SELECT source, 'person', citizen, NULL, NULL FROM posting WHERE citizen IS NOT NULL",
        "SELECT source, 'person', granted, NULL, NULL FROM posting WHERE granted IS NOT NULL",
        "SELECT source, 'posting', no, id, voucher FROM posting",
        "SELECT source, 'posting', f.posting, f.payload, NULL FROM feed f JOIN posting p ON p.no = f.posting",
        "SELECT source, 'fact', f.cause_no, NULL, NULL FROM feed f JOIN posting p ON p.no = f.posting WHERE cause = 1",
        "SELECT source, 'posting', f.cause_no, NULL, NULL FROM feed f JOIN posting p ON p.no = f.posting WHERE cause = 0",
        "SELECT -1, 'fact', cause_no, NULL, NULL FROM work WHERE cause = 1",
        "SELECT source, 'quarantine', no, content, body FROM quarantine",
    ];
    let mut found: BTreeMap<i64, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for query in queries {
        let mut statement = sql.prepare(query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let values = found.entry(row.get(0)?).or_default();
            values.insert(format!("{}:{}", row.get::<_, String>(1)?, row.get::<_, i64>(2)?).into_bytes());
            for column in [3, 4] {
                match row.get::<_, Value>(column)? {
                    Value::Blob(bytes) => values.insert(bytes),
                    Value::Text(text) => values.insert(text.into_bytes()),
                    _ => false,
                };
            }
        }
    }
    Ok(found)
}

fn nothing_is_shared(sql: &Connection) -> Result<()> {
    let found = identifiers(sql)?;
    assert!(found.len() >= 5, "the registry and four sources are there: {:?}", found.keys());
    for (a, in_a) in &found {
        for (b, in_b) in found.range(a + 1..) {
            let shared: Vec<_> =
                in_a.intersection(in_b).map(|bytes| String::from_utf8_lossy(bytes)).collect();
            assert!(shared.is_empty(), "scopes {a} and {b} share {shared:?}");
        }
    }
    Ok(())
}

fn files_hold(dir: &Path, bytes: &[u8]) -> Result<bool> {
    for entry in std::fs::read_dir(dir)? {
        if std::fs::read(entry?.path())?.windows(bytes.len()).any(|window| window == bytes) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[test]
fn without_keys_no_two_sources_share_anything_before_consent_and_after_withdrawal() -> Result<()> {
    let mut store = Store::new()?;
    for (source, body) in messages() {
        store.send(source, &body)?;
    }
    nothing_is_shared(&store.sql()?)?;
    assert_eq!(store.tagged()?, 0);

    // One consent that shares its reference with other facts, one that alone knows of someone.
    store.send("registry", &consent("C-1", CPR))?;
    store.send("registry", &consent("C-2", OTHER))?;
    assert_eq!(store.tagged()?, 5, "the consent reaches all of them");
    let blobs = |sql: &str| -> Result<Vec<Vec<u8>>> {
        let sql_connection = store.sql()?;
        let mut statement = sql_connection.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    };
    let tags = blobs("SELECT payload FROM feed")?;
    let consents = blobs("SELECT body FROM fact_version v JOIN fact f ON f.no = v.fact WHERE f.kind = 5")?;
    let own = blobs(
        "SELECT sealed FROM person p WHERE scope = 0 AND NOT EXISTS (SELECT 1 FROM holds h JOIN fact f ON f.no = h.fact \
         WHERE h.person = p.no AND f.kind <> 5)",
    )?;
    assert_eq!((tags.len(), consents.len(), own.len()), (5, 2, 1));
    for bytes in tags.iter().chain(&consents).chain(&own) {
        assert!(files_hold(store.dir.path(), bytes)?, "it is there, so that its absence means something");
    }

    for id in ["C-1", "C-2"] {
        store
            .send("registry", &format!(r#"{{"type":"consent","id":"{id}","version":2,"withdrawn":true}}"#))?;
    }
    assert_eq!(store.tagged()?, 0, "every tag is retracted");
    while !store.core.scrub(jiff::Timestamp::UNIX_EPOCH)? {}
    nothing_is_shared(&store.sql()?)?;
    for bytes in tags.iter().chain(&consents).chain(&own) {
        assert!(!files_hold(store.dir.path(), bytes)?, "what was erased is in no file, the log included");
    }
    Ok(())
}

/// The check finds what it is there to find: a reference kept under one key for all.
#[test]
fn a_shared_identifier_is_found() -> Result<()> {
    let mut store = Store::new()?;
    for (source, body) in messages() {
        store.send(source, &body)?;
    }
    let sql = store.sql()?;
    sql.execute(
        "UPDATE person SET pseudonym = x'00112233445566778899aabbccddeeff' WHERE no IN (SELECT min(no) FROM person GROUP BY scope)",
        [],
    )?;
    let found = identifiers(&sql)?;
    let holding =
        found.values().filter(|values| values.contains(&hex_bytes("00112233445566778899aabbccddeeff")));
    assert!(holding.count() > 1);
    Ok(())
}

fn hex_bytes(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).filter_map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok()).collect()
}
