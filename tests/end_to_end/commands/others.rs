//! `samspor reconcile`, `samspor quarantine` and `samspor check`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use samspor_town::search::Search;
use samspor_town::{Settings, Town};
use serde_json::{Value, json};

use super::recordings::{charts_alone, line, of_town, write};
use crate::deployment::{Result, demo_config};
use crate::samspor::{Ran, samspor};

/// A town in a store.
struct Stored {
    town: Town,
    search: Search,
    dir: tempfile::TempDir,
    config: PathBuf,
}

impl Stored {
    fn new(seed: u64) -> Result<Self> {
        let town = Town::new(Settings { families: 4, background_citizens: 4, ..Settings::demo(seed) });
        let dir = tempfile::tempdir()?;
        let config = demo_config(dir.path())?;
        let lines = town.messages().enumerate().map(|(n, message)| of_town(n, &message));
        let recording = write(dir.path(), "town.ndjson", lines)?;
        let stored = Self { search: Search::new(town.personal_data())?, town, dir, config };
        let store = stored.store();
        let arguments = ["--data-dir".as_ref(), store.as_os_str(), recording.as_os_str()];
        let arguments =
            ["replay".as_ref(), "--config".as_ref(), stored.config.as_os_str()].into_iter().chain(arguments);
        samspor(arguments)?.ended(3)?.shows_none_of(&stored.search)?;
        Ok(stored)
    }

    /// Where the configuration has it.
    fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn ask(&self, verb: &[&str], more: &[&str], code: i32) -> Result<Ran> {
        let config = self.config.to_string_lossy();
        let configured = ["--config", &config];
        samspor(verb.iter().chain(&configured).chain(more))?.ended(code)?.shows_none_of(&self.search)
    }

    fn json(&self, verb: &[&str], code: i32) -> Result<Value> {
        Ok(serde_json::from_str(&self.ask(verb, &["--json"], code)?.stdout)?)
    }

    fn damage(&self, sql: &str) -> Result<()> {
        let changed = Connection::open(self.store().join("samspor.sqlite"))?.execute(sql, [])?;
        assert_eq!(changed, 1, "{sql}");
        Ok(())
    }
}

#[test]
fn the_balance_is_what_was_sent_and_what_does_not_balance_is_told() -> Result<()> {
    let stored = Stored::new(41)?;
    let expected = stored.town.expected();
    let balance = stored.json(&["reconcile"], 0)?;
    assert_eq!(balance["balanced"], true);
    for (source, counts) in &expected.counts {
        let rows = balance["items"].as_array().into_iter().flatten().filter(|row| row["source"] == *source);
        let sum = |word: &str| -> u64 { rows.clone().filter_map(|row| row["outcomes"][word].as_u64()).sum() };
        let quarantined: u64 = counts.quarantined.values().sum();
        let right =
            [counts.received, counts.facts, counts.stale, counts.postings, counts.duplicates, quarantined, 0];
        let words = ["received", "facts", "stale", "postings", "duplicates", "quarantined", "discarded"];
        assert_eq!(words.map(sum), right, "{source}");
    }
    for ((source, month), right) in &expected.balance {
        let month = month.strftime("%Y-%m").to_string();
        let mut rows = balance["postings"].as_array().into_iter().flatten();
        let row =
            rows.find(|row| row["source"] == *source && row["month"] == month).ok_or("a month is missing")?;
        for (sum, right) in [(&row["all"], right.all), (&row["tagged"], right.tagged)] {
            assert_eq!(
                (sum["postings"].as_u64(), sum["ore"].as_str()),
                (Some(right.postings), Some(&*right.ore.to_string()))
            );
        }
    }
    let table = stored.ask(&["reconcile"], &[], 0)?.stdout;
    assert!(table.contains("Everything balances."), "{table}");

    // One item too many received, by somebody's hand: nothing but that row is out of balance.
    stored.damage(
        "UPDATE count SET items = items + 1 WHERE (source, month, outcome) = \
         (SELECT source, month, outcome FROM count ORDER BY source, month, outcome LIMIT 1)",
    )?;
    let damaged = stored.json(&["reconcile"], 5)?;
    let unbalanced =
        |rows: &Value| rows.as_array().into_iter().flatten().filter(|row| row["balanced"] == false).count();
    assert_eq!(
        (&damaged["balanced"], unbalanced(&damaged["items"]), unbalanced(&damaged["postings"])),
        (&false.into(), 1, 0)
    );
    assert!(stored.ask(&["reconcile"], &[], 5)?.stdout.contains("NOT BALANCED"));
    Ok(())
}

/// A control total that is one posting and one krone too high for the days that it names.
#[test]
fn behind_a_control_total_are_its_days_and_postings() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = demo_config(dir.path())?;
    let text = std::fs::read_to_string(&config)?;
    std::fs::write(&config, text.replace(r#""split"]"#, r#""split", "control-total"]"#))?;
    let posting = |n: usize, date: &str| {
        let said = json!({"type": "posting", "id": format!("P-{n}"), "date": date, "account": "5.28.21.1", "amount": "100.00"});
        line(n, "opus", &said)
    };
    let total = json!({"type": "control-total", "id": "KT-1", "version": 1, "source": "opus", "from": "2026-03-02",
                       "to": "2026-03-03", "count": 4, "sum": "301.00"});
    let lines = [
        posting(1, "2026-03-01"),
        posting(2, "2026-03-02"),
        posting(3, "2026-03-02"),
        posting(4, "2026-03-03"),
    ];
    let lines = lines.into_iter().chain([line(5, "registry", &total)]);
    let recording = write(dir.path(), "few.ndjson", lines)?;
    let store = dir.path().join("store");
    let configured = ["--config".as_ref(), config.as_os_str()];
    let place = ["--data-dir".as_ref(), store.as_os_str(), recording.as_os_str()];
    samspor(["replay".as_ref()].into_iter().chain(configured).chain(place))?.ended(0)?;
    let ask = |more: &[&str], code| {
        let more = more.iter().map(|word| word.as_ref());
        samspor(["reconcile".as_ref()].into_iter().chain(configured).chain(more))?.ended(code)
    };
    assert!(ask(&[], 5)?.stdout.contains("DIFFERS"));
    let shown: Value = serde_json::from_str(&ask(&["--control", "KT-1", "--json"], 5)?.stdout)?;
    let sums = shown["days"].as_array().into_iter().flatten();
    let sums: Vec<_> =
        sums.map(|day| (&day["date"], &day["ours"]["postings"], &day["ours"]["ore"])).collect();
    let day = |date: &str, postings: i64, ore: &str| (json!(date), json!(postings), json!(ore));
    let right = [day("2026-03-02", 2, "20000"), day("2026-03-03", 1, "10000")];
    assert_eq!(sums, right.each_ref().map(|(date, postings, ore)| (date, postings, ore)));
    let postings = shown["postings"].as_array().into_iter().flatten();
    assert_eq!(postings.map(|posting| &posting["posting"]).collect::<Vec<_>>(), ["P-2", "P-3", "P-4"]);
    let table = ask(&["--control", "KT-1"], 5)?.stdout;
    assert!(table.contains("2026-03-03") && table.contains("P-4") && table.contains("300,00"), "{table}");
    assert!(ask(&["--control", "KT-2"], 1)?.stderr.contains("no control total of that id"));
    Ok(())
}

#[test]
fn an_ore_too_many_is_told() -> Result<()> {
    let stored = Stored::new(42)?;
    let connection = Connection::open(stored.store().join("samspor.sqlite"))?;
    let (source, month, debit): (i64, i64, [u8; 16]) = connection.query_row(
        "SELECT source, month, debit FROM balance WHERE standing = 0 ORDER BY source, month LIMIT 1",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let more = (i128::from_be_bytes(debit) + 1).to_be_bytes();
    let sql = "UPDATE balance SET debit = ? WHERE standing = 0 AND source = ? AND month = ?";
    assert_eq!(connection.execute(sql, rusqlite::params![more, source, month])?, 1);
    drop(connection);
    let damaged = stored.json(&["reconcile"], 5)?;
    let rows = damaged["postings"].as_array().into_iter().flatten();
    assert_eq!(rows.filter(|row| row["balanced"] == false).count(), 1);
    Ok(())
}

#[test]
fn the_quarantine_is_listed_by_source_and_reason_without_a_word_of_the_messages() -> Result<()> {
    let stored = Stored::new(43)?;
    let listed = stored.json(&["quarantine", "list"], 0)?;
    let entries = listed.as_array().ok_or("not a list")?;
    let mut found: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for entry in entries {
        let text = |field: &str| entry[field].as_str().unwrap_or_default();
        assert!(!text("message").is_empty() && text("arrived").ends_with('Z'), "{entry}");
        *found.entry((text("source"), text("reason"))).or_default() += 1;
    }
    let expected = stored.town.expected();
    let right = expected.counts.iter().flat_map(|(source, counts)| {
        counts.quarantined.iter().map(|(reason, count)| ((*source, reason.word()), *count))
    });
    assert_eq!(found, right.collect());
    let table = stored.ask(&["quarantine", "list"], &["--limit", "3"], 0)?.stdout;
    assert!(table.contains("3 shown"), "{table}");
    Ok(())
}

#[test]
fn a_configuration_is_explained_or_its_faults_are_shown_at_their_places() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = demo_config(dir.path())?;
    let check = |config: &Path| samspor(["check".as_ref(), "--config".as_ref(), config.as_os_str()]);
    // It needs neither broker nor secret.
    let good = check(&config)?.ended(0)?;
    assert!(good.stderr.is_empty(), "{}", good.stderr);
    for source in samspor_town::source::ALL {
        assert!(good.stdout.contains(&format!("source {source}")), "{}", good.stdout);
    }
    let least = check(&charts_alone(dir.path())?)?.ended(0)?;
    assert!(least.stdout.contains("can serve"), "{}", least.stdout);

    let text = std::fs::read_to_string(&config)?;
    let line =
        text.lines().position(|line| line.starts_with("format = \"json\"")).ok_or("the demo has one")? + 1;
    let faulty = dir.path().join("faulty.toml");
    let twice = text.replacen("format = \"json\"", "format = \"jason\"", 1).replacen(
        "prefetch = 200",
        "prefetch = 0",
        1,
    );
    std::fs::write(&faulty, twice)?;
    let bad = check(&faulty)?.ended(2)?;
    assert!(bad.stdout.is_empty(), "{}", bad.stdout);
    assert!(bad.stderr.contains(&format!("faulty.toml:{line}:10")), "{}", bad.stderr);
    for command in ["serve", "reconcile", "record"] {
        samspor([command.as_ref(), "--config".as_ref(), faulty.as_os_str()])?.ended(2)?;
    }
    Ok(())
}

#[test]
fn fields_that_the_contract_does_not_know_are_counted_once_and_are_no_part_of_the_sum() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = charts_alone(dir.path())?;
    let message = serde_json::json!({
        "type": "posting", "id": "P-1", "date": "2026-03-14", "account": "5.28.21.1", "amount": "10.00",
        "colour": "red", "shape": null, "smell": "good", "text": "known, and never stored"
    });
    let recording =
        write(dir.path(), "twice.ndjson", [line(0, "opus", &message), line(1, "opus", &message)])?;
    let (config, recording, store) = (config.as_os_str(), recording.as_os_str(), dir.path().join("store"));
    let place = ["--config".as_ref(), config, "--data-dir".as_ref(), store.as_os_str()];
    samspor(["replay".as_ref()].into_iter().chain(place).chain([recording]))?.ended(0)?;
    let ran =
        samspor(["reconcile".as_ref()].into_iter().chain(place).chain(["--json".as_ref()]))?.ended(0)?;
    let balance: Value = serde_json::from_str(&ran.stdout)?;
    let outcomes = &balance["items"][0]["outcomes"];
    assert_eq!((&outcomes["received"], &outcomes["duplicates"]), (&Value::from(2), &Value::from(1)));
    assert_eq!(outcomes["ignored_fields"], 2, "absent fields are not there to be ignored");
    Ok(())
}

#[test]
fn a_reader_that_has_enough_is_no_fault() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = demo_config(dir.path())?;
    let (reader, writer) = std::io::pipe()?;
    // As `head` does, and before anything is written.
    drop(reader);
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_samspor"))
        .args(["check".as_ref(), "--config".as_ref(), config.as_os_str()])
        .stdout(writer)
        .output()?;
    assert_eq!(String::from_utf8(ran.stderr)?, "");
    Ok(())
}

#[test]
fn a_store_is_for_nobody_else() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let stored = Stored::new(2_027)?;
    assert_eq!(std::fs::metadata(stored.store())?.permissions().mode() & 0o777, 0o700);
    Ok(())
}

#[test]
fn check_tells_of_a_key_that_anyone_can_read_and_of_files_whose_folder_is_not_there() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir()?;
    let config = demo_config(dir.path())?;
    let key = dir.path().join("master.key");
    let text =
        std::fs::read_to_string(&config)? + "\n[audit]\ncheckpoints_file = \"elsewhere/checkpoints\"\n";
    std::fs::write(&config, text)?;
    let check = || samspor([Path::new("check"), Path::new("--config"), &config])?.ended(0);
    for (mode, is_told) in [(0o644, true), (0o640, false), (0o600, false)] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode))?;
        let told = check()?.stdout;
        assert_eq!(told.contains("anyone on this machine can read it"), is_told, "{mode:o}: {told}");
        assert!(told.contains("elsewhere/checkpoints (now: its folder is not there)"), "{told}");
    }
    std::fs::create_dir(dir.path().join("elsewhere"))?;
    let told = check()?.stdout;
    assert!(!told.contains("not there)") && told.contains("reach the gateway at http://127.0.0.1"), "{told}");
    Ok(())
}
