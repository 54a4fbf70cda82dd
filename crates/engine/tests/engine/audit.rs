//! The audit log against somebody who has the store's file and not the key: whatever is changed, removed, moved, added or
//! cut off is found, and the first broken link is named.

use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::Connection;
use samspor_domain::audit::{Action, AuditNo, Entry, Outcome, ReadAudit, Subject};
use samspor_engine::audit::{Break, Checkpoint, Damage, Proof, checkpoint, subject, verify};
use samspor_sqlite::Sqlite;

use crate::stage::{Stage, instant, text};

const START: &str = "2026-03-01T00:00:00Z";

fn entry(caller: &str, action: Action, subjects: Vec<Subject>) -> Entry {
    Entry { caller: text(caller), action, subjects, outcome: Outcome::Done }
}

fn posting(id: &str) -> Subject {
    Subject::Posting { source: text("opus"), id: text(id) }
}

fn day(days: i64) -> Timestamp {
    instant(START) + SignedDuration::from_hours(24 * days)
}

/// A log with an entry a day.
fn written(stage: &mut Stage, entries: i64, chance: &mut ChaCha8Rng) -> Checkpoint {
    stage.core().note_open(None, day(0)).expect("it is noted");
    for no in 1..entries {
        let mut subjects = vec![posting(&format!("P-{}", chance.random_range(0..5)))];
        if chance.random_bool(0.5) {
            subjects.push(Subject::Feed { from: no, to: no + chance.random_range(0..9) });
        }
        stage.core().note(entry("anna.and", Action::ReadFact, subjects), day(no));
        stage.core().keep_noted().expect("it is kept");
    }
    checkpoint(&mut reader(stage), day(entries)).expect("a checkpoint")
}

fn reader(stage: &Stage) -> Sqlite {
    Sqlite::open_reader(stage.dir.path()).expect("a reader")
}

fn proof(stage: &Stage, known: &[Checkpoint]) -> Result<Proof, Break> {
    verify(&mut reader(stage), &stage.vault, known, || {}).expect("the store is read")
}

fn file(stage: &Stage) -> Connection {
    Connection::open(stage.dir.path().join("samspor.sqlite")).expect("the file")
}

/// Does something to the log, and asserts what is found; then undoes it.
#[track_caller]
fn tampered(stage: &Stage, known: &Checkpoint, no: i64, damage: Damage, sql: &str) {
    let file = file(stage);
    let save = "CREATE TEMP TABLE a AS SELECT * FROM audit; CREATE TEMP TABLE s AS SELECT * FROM audit_subject; \
                CREATE TEMP TABLE r AS SELECT * FROM audit_range; CREATE TEMP TABLE t AS SELECT * FROM audit_start;";
    file.execute_batch(save).expect("it is kept");
    file.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert_eq!(proof(stage, std::slice::from_ref(known)), Err(Break { no: AuditNo(no), damage }), "{sql}");
    let back = "DELETE FROM audit; INSERT INTO audit SELECT * FROM a; DELETE FROM audit_subject; \
                INSERT INTO audit_subject SELECT * FROM s; DELETE FROM audit_range; INSERT INTO audit_range SELECT * FROM r; \
                DELETE FROM audit_start; INSERT INTO audit_start SELECT * FROM t;";
    file.execute_batch(back).expect("it is put back");
}

/// What a lost store wrote after the backup that took its place is not in the log, and checkpoints tell of it: that is said, and
/// everything else is proven as before.
#[test]
fn a_restored_log_is_proven_with_the_checkpoints_of_the_store_that_was_lost() {
    let mut chance = ChaCha8Rng::seed_from_u64(7);
    let mut stage = Stage::new();
    let before = written(&mut stage, 5, &mut chance);
    let noted = |stage: &mut Stage, days: i64| {
        stage.core().note(entry("anna.and", Action::ReadFact, vec![posting("P-1")]), day(days));
        stage.core().keep_noted().expect("it is kept");
        checkpoint(&mut reader(stage), day(days)).expect("a checkpoint")
    };
    drop(stage.close());
    let backup = std::fs::read(stage.dir.path().join("samspor.sqlite")).expect("a backup");
    stage.open(Default::default(), 100, None);
    let lost = [noted(&mut stage, 6), noted(&mut stage, 7)];
    drop(stage.close());
    std::fs::write(stage.dir.path().join("samspor.sqlite"), &backup).expect("it takes its place");
    stage.open(Default::default(), 100, None);
    stage.core().note_restore(&[], day(8)).expect("it is noted");
    let short_lived = noted(&mut stage, 8);
    // That store is lost, too, and the same backup takes its place.
    drop(stage.close());
    std::fs::write(stage.dir.path().join("samspor.sqlite"), backup).expect("it takes its place");
    stage.open(Default::default(), 100, None);
    let published = [before.clone(), lost[1].clone(), short_lived.clone()];
    stage.core().note_restore(&published, day(8)).expect("it is noted");
    let after = noted(&mut stage, 9);
    assert!(after.store != before.store && after.store != short_lived.store);

    let known = [before.clone(), lost[0].clone(), lost[1].clone(), after.clone(), short_lived];
    let proof = proof(&stage, &known).expect("it is whole");
    assert_eq!((proof.proven, proof.lost, proof.last), (Some(AuditNo(7)), 3, AuditNo(7)));
    // What was published before the backup still holds it.
    let forged = Checkpoint { link: lost[0].link.clone(), ..before };
    assert_eq!(
        super::audit::proof(&stage, &[forged]),
        Err(Break { no: AuditNo(5), damage: Damage::Changed })
    );
    let stranger = Checkpoint { store: "00".repeat(16), ..after };
    let found = super::audit::proof(&stage, &[stranger]);
    assert_eq!(found, Err(Break { no: AuditNo(7), damage: Damage::OtherStore }));
    tampered(&stage, &known[3], 6, Damage::Missing, "DELETE FROM audit WHERE no = 6");
}

#[test]
fn whatever_is_done_to_the_log_is_found_and_the_first_broken_link_is_named() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut stage = Stage::new();
    let entries = 12;
    let known = written(&mut stage, entries, &mut chance);
    let whole = proof(&stage, std::slice::from_ref(&known)).expect("it is whole");
    assert_eq!((whole.entries, whole.proven), (12, Some(AuditNo(entries))));

    // Every byte of every column.
    let rows: Vec<(i64, Vec<u8>, Vec<u8>)> = file(&stage)
        .prepare("SELECT no, sealed, link FROM audit ORDER BY no")
        .and_then(|mut rows| rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect())
        .expect("rows");
    let flipped = |bytes: &[u8], at: usize, bit: u8| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1 << bit;
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    for (no, sealed, link) in &rows {
        for (column, bytes) in [("sealed", sealed), ("link", link)] {
            for at in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
                let hex = flipped(bytes, at, chance.random_range(0..8));
                let sql = format!("UPDATE audit SET {column} = x'{hex}' WHERE no = {no}");
                tampered(&stage, &known, *no, Damage::Changed, &sql);
            }
        }
        for byte in 0..8 {
            let change = 1_i64.rotate_left(8 * byte);
            let sql = format!("UPDATE audit SET at = (at | {change}) - (at & {change}) WHERE no = {no}");
            tampered(&stage, &known, *no, Damage::Changed, &sql);
        }
        let sql = format!("DELETE FROM audit_subject WHERE entry = {no}");
        tampered(&stage, &known, *no, Damage::Changed, &sql);
        let sql = format!("INSERT INTO audit_subject VALUES (randomblob(16), {no}, 1)");
        tampered(&stage, &known, *no, Damage::Changed, &sql);
        let sql = format!("INSERT INTO audit_range VALUES ({no}, 7, 70)");
        tampered(&stage, &known, *no, Damage::Changed, &sql);
    }
    for (no, ..) in &rows {
        let removed = if *no == entries { Damage::Cut } else { Damage::Missing };
        tampered(&stage, &known, *no, removed, &format!("DELETE FROM audit WHERE no = {no}"));
        tampered(&stage, &known, *no, Damage::Cut, &format!("DELETE FROM audit WHERE no >= {no}"));
        for other in no + 1..=entries {
            let swap = format!(
                "UPDATE audit SET no = -1 WHERE no = {no}; UPDATE audit SET no = {no} WHERE no = {other}; \
                 UPDATE audit SET no = {other} WHERE no = -1"
            );
            tampered(&stage, &known, *no, Damage::OutOfOrder, &swap);
        }
        // As if it had been pruned up to there.
        let prune = format!(
            "INSERT INTO audit_start SELECT no, link FROM audit WHERE no = {no}; DELETE FROM audit WHERE no <= {no}; \
             DELETE FROM audit_subject WHERE entry <= {no}; DELETE FROM audit_range WHERE entry <= {no}"
        );
        tampered(&stage, &known, 1, Damage::Missing, &prune);
    }
    let more = format!("INSERT INTO audit SELECT {entries} + 1, at, sealed, link FROM audit WHERE no = 3");
    tampered(&stage, &known, entries + 1, Damage::OutOfOrder, &more);
    tampered(
        &stage,
        &known,
        1,
        Damage::Changed,
        "INSERT INTO audit SELECT -5, at, sealed, link FROM audit WHERE no = 3",
    );
    tampered(
        &stage,
        &known,
        entries + 1,
        Damage::Changed,
        "INSERT INTO audit_subject VALUES (randomblob(16), 99, 1)",
    );
    let emptied =
        "DELETE FROM audit; DELETE FROM audit_subject; DELETE FROM audit_range; DELETE FROM audit_start";
    assert!(proof(&stage, &[known]).is_ok(), "everything was put back");
    file(&stage).execute_batch(emptied).expect("it is emptied");
    let broken = proof(&stage, &[]).map_err(|found| (found.no, found.damage));
    assert_eq!(broken.err(), Some((AuditNo(1), Damage::Cut)), "also where no checkpoint is at hand");
}

#[test]
fn an_older_copy_of_the_store_and_another_store_are_found() {
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let mut stage = Stage::new();
    let older = written(&mut stage, 5, &mut chance);
    drop(stage.close());
    let copy = Stage::new();
    std::fs::copy(stage.dir.path().join("samspor.sqlite"), stage.dir.path().join("copy")).expect("a copy");
    stage.open(samspor_domain::Charts::default(), 1_000, None);
    stage.core().note_open(None, day(9)).expect("it is noted");
    let newer = checkpoint(&mut reader(&stage), day(9)).expect("a checkpoint");
    assert!(proof(&stage, &[older.clone(), newer.clone()]).is_ok());
    drop(stage.close());
    std::fs::rename(stage.dir.path().join("copy"), stage.dir.path().join("samspor.sqlite"))
        .expect("put back");
    assert!(proof(&stage, std::slice::from_ref(&older)).is_ok());
    assert_eq!(proof(&stage, &[older, newer.clone()]), Err(Break { no: AuditNo(6), damage: Damage::Cut }));
    assert_eq!(proof(&copy, &[newer]).map_err(|found| found.damage), Err(Damage::OtherStore));
}

#[test]
fn what_is_pruned_leaves_the_rest_provable_and_is_told() {
    let mut chance = ChaCha8Rng::seed_from_u64(2);
    let mut stage = Stage::new();
    let known = written(&mut stage, 10, &mut chance);
    let core = stage.close();
    let mut core = core.keeping_audit_for(8);
    assert_eq!(core.prune_audit(day(9)).expect("it is kept"), 0, "one is too old, by no more than a day");
    let mut core = core.keeping_audit_for(5);
    assert_eq!(core.prune_audit(day(9)).expect("it is pruned"), 4);
    assert_eq!(core.prune_audit(day(9)).expect("it is pruned"), 0);
    let proven = proof(&stage, std::slice::from_ref(&known)).expect("it is whole");
    assert_eq!((proven.entries, proven.last, proven.proven), (7, AuditNo(11), Some(AuditNo(10))));
    tampered(&stage, &known, 5, Damage::Missing, "DELETE FROM audit WHERE no = 5");
}

/// What a start asks: the newest checkpoint, without walking the log.
#[test]
fn a_log_that_lacks_what_was_published_last_is_found_before_it_is_written_to() {
    let mut chance = ChaCha8Rng::seed_from_u64(3);
    let mut stage = Stage::new();
    let known = written(&mut stage, 10, &mut chance);
    let lacks = |stage: &mut Stage, known: &[Checkpoint]| {
        stage
            .core()
            .lacks_published(known)
            .expect("the store is read")
            .map(|found| (found.no.0, found.damage))
    };
    let all = [known.clone()];
    assert_eq!(lacks(&mut stage, &all), None);
    assert_eq!(lacks(&mut stage, &[]), None);
    for (sql, found) in [
        ("DELETE FROM audit WHERE no = 10", Damage::Cut),
        ("UPDATE audit SET link = zeroblob(32) WHERE no = 10", Damage::Changed),
        ("UPDATE meta SET value = zeroblob(16) WHERE key = 'store-id'", Damage::OtherStore),
        // As if everything that is known had been kept for long enough.
        ("INSERT INTO audit_start VALUES (4096, zeroblob(32))", Damage::Missing),
    ] {
        let file = file(&stage);
        let keep = "CREATE TEMP TABLE a AS SELECT * FROM audit; CREATE TEMP TABLE m AS SELECT * FROM meta";
        file.execute_batch(keep).expect("it is kept");
        assert_eq!(file.execute_batch(sql).map(|()| file.changes()), Ok(1), "{sql}");
        assert_eq!(lacks(&mut stage, &all), Some((10, found)), "{sql}");
        let back = "DELETE FROM audit; INSERT INTO audit SELECT * FROM a; DELETE FROM meta; INSERT INTO meta SELECT * FROM m; \
                    DELETE FROM audit_start";
        file.execute_batch(back).expect("it is put back");
    }
    assert_eq!(lacks(&mut stage, &all), None, "everything was put back");

    // Pruned past it, as the log tells itself.
    let core = stage.close();
    let mut core = core.keeping_audit_for(5);
    core.note_open(None, day(30)).expect("it is noted");
    assert_eq!(core.prune_audit(day(30)).expect("it is pruned"), 10);
    assert_eq!(core.lacks_published(&all).expect("the store is read"), None);
    // And a restored store says whose place it took.
    core.note_restore(&all, day(31)).expect("it is noted");
    assert_eq!(core.lacks_published(&all).expect("the store is read"), None);
}

#[test]
fn an_entry_is_found_by_what_it_is_about_and_by_nothing_else_and_names_nobody_in_clear() {
    let mut stage = Stage::new();
    for (no, id) in ["6112801234", "P-2", "6112801234"].into_iter().enumerate() {
        let subjects = vec![posting(id), Subject::Feed { from: 10 * no as i64, to: 10 * no as i64 + 5 }];
        stage.core().note(entry("canary.caller", Action::Explain, subjects), day(no as i64));
        stage.core().keep_noted().expect("it is kept");
    }
    let key = |id| subject(&stage.vault, &posting(id)).expect("it has a hash");
    let (all, mut read) = (AuditNo(i64::MAX), reader(&stage));
    assert_eq!(read.audit_about(&key("6112801234"), all, 9).expect("read"), [AuditNo(3), AuditNo(1)]);
    assert_eq!(read.audit_about(&key("P-2"), all, 9).expect("read"), [AuditNo(2)]);
    assert_eq!(read.audit_about(&key("P-3"), all, 9).expect("read"), []);
    assert_eq!(read.audit_about_record(12, all, 9).expect("read"), [AuditNo(2)]);
    assert_eq!(read.audit_about_record(6, all, 9).expect("read"), []);
    for (_, path) in samspor_sqlite::files(stage.dir.path()) {
        let bytes = std::fs::read(path).expect("a file");
        for canary in ["6112801234", "canary.caller"] {
            assert!(!bytes.windows(canary.len()).any(|found| found == canary.as_bytes()), "{canary}");
        }
    }
}
