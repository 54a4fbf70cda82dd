//! `samspor replay`.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use samspor_formats::json;
use samspor_town::search::Search;
use samspor_town::{Expected, Settings, Town};
use serde_json::{Value, json};

use super::recordings::{charts_alone, facts, line, of_town, posting, write};
use crate::deployment::{Result, demo_config};
use crate::samspor::{Ran, samspor};

/// Replays recordings into a temporary store.
fn replay(config: &Path, recordings: &[&PathBuf]) -> Result<Ran> {
    replay_with(config, recordings, None)
}

fn replay_with(config: &Path, recordings: &[&PathBuf], data_dir: Option<&Path>) -> Result<Ran> {
    let mut arguments = vec!["replay".as_ref(), "--config".as_ref(), config.as_os_str()];
    if let Some(dir) = data_dir {
        arguments.extend(["--data-dir".as_ref(), dir.as_os_str()]);
    }
    arguments.extend(recordings.iter().map(|path| path.as_os_str()));
    samspor(arguments)
}

/// The two lines of the contract under "State of one posting", to the letter.
const TAGGED: &str = r#"{"source":"opus","posting":"2026-000123-1","decision":"tagged","tag":{"solution":"sb-familier","family":"F-17","enrolment":"E-1","phase":"during","basis":"citizen","area":"vulnerable-children","kind":"service","side":"inside","grants":"solution","pays":"solution","parts":[{"area":"vulnerable-children","weight":1,"amount":"12450.00"}],"split":null,"flags":[],"other":[]}}"#;
const UNTAGGED: &str =
    r#"{"source":"opus","posting":"2026-000124-1","decision":"untagged","reason":"not-enrolled"}"#;

/// The messages behind the contract's two lines.
fn contract() -> Vec<(&'static str, Value)> {
    let mut messages = facts();
    messages.push(("opus", posting("2026-000123-1")));
    // Long before the solution's baseline, and the consent covers that.
    let mut early = posting("2026-000124-1");
    early["date"] = "2020-03-14".into();
    messages.push(("opus", early));
    messages.push((
        "registry",
        json!({"type": "consent", "id": "C-2", "version": 1, "citizen": {"cpr": "6112801234"},
               "sources": ["opus"], "covers_from": "2019-01-01", "covers_to": "2020-12-31"}),
    ));
    messages
}

fn lines(messages: &[(&str, Value)]) -> Vec<String> {
    messages.iter().enumerate().map(|(n, (source, message))| line(n, source, message)).collect()
}

#[test]
fn charts_alone_are_enough_and_states_are_as_the_contract_writes_them() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let recording = write(dir.path(), "march.ndjson", lines(&contract()))?;
    let ran = replay(&charts_alone(dir.path())?, &[&recording])?.ended(0)?;
    assert_eq!(ran.stdout, format!("{TAGGED}\n{UNTAGGED}\n"));
    assert!(ran.stderr.contains("registry") && ran.stderr.contains("quarantined"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("6112801234"));
    // Without a data directory nothing is left, neither where it ran nor beside the recording.
    assert_eq!(std::fs::read_dir(dir.path())?.count(), 2);
    Ok(())
}

#[test]
fn states_are_ordered_by_the_bytes_of_source_and_posting() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let names = [
        ("ø", "1"),
        ("opus", "9"),
        ("opus", "ø"),
        ("Opus", "z"),
        ("opus", "10"),
        ("opus", "a"),
        ("opus", "Z"),
    ];
    let recording =
        write(dir.path(), "r.ndjson", names.iter().enumerate().map(|(n, (s, id))| line(n, s, &posting(id))))?;
    let ran = replay(&charts_alone(dir.path())?, &[&recording])?.ended(0)?;
    let mut sorted = names.map(|(source, id)| {
        format!(r#"{{"source":"{source}","posting":"{id}","decision":"untagged","reason":"not-consented"}}"#)
    });
    sorted.sort();
    // No name begins as another one ends, so whole lines sort as their names do.
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), sorted);
    Ok(())
}

#[test]
fn what_goes_to_quarantine_is_told_by_the_exit_code_and_holds_up_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut lines = lines(&contract());
    let mut float = posting("x-1");
    float["amount"] = json!(12450.00);
    lines.insert(2, line(2, "opus", &float));
    let recording = write(dir.path(), "march.ndjson", lines)?;
    let ran = replay(&charts_alone(dir.path())?, &[&recording])?.ended(3)?;
    assert_eq!(ran.stdout, format!("{TAGGED}\n{UNTAGGED}\n"));
    let counts: Vec<&str> =
        ran.stderr.lines().filter(|line| line.contains("opus")).flat_map(str::split_whitespace).collect();
    // source, messages, received, facts, stale, postings, receipts, duplicates, empty, quarantined, discarded, ignored fields
    assert_eq!(counts, ["opus", "3", "3", "0", "0", "2", "0", "0", "0", "1", "0", "0"]);
    Ok(())
}

#[test]
fn recordings_go_one_after_the_other_and_a_data_directory_goes_on() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = charts_alone(dir.path())?;
    let all = lines(&contract());
    let (first, second) = all.split_at(3);
    let (first, second) = (write(dir.path(), "1.ndjson", first)?, write(dir.path(), "2.ndjson", second)?);
    let whole = format!("{TAGGED}\n{UNTAGGED}\n");
    assert_eq!(replay(&config, &[&first, &second])?.ended(0)?.stdout, whole);
    assert_eq!(replay(&config, &[&second, &first])?.ended(0)?.stdout, whole);

    let kept = dir.path().join("kept");
    let go_on = |recordings: &[&PathBuf]| replay_with(&config, recordings, Some(&kept))?.ended(0);
    assert_eq!(go_on(&[&first])?.stdout, "", "no posting yet");
    assert_eq!(go_on(&[&second])?.stdout, whole);
    // The same again is known: states stay, and everything is counted as a duplicate.
    let again = go_on(&[&first, &second, &first])?;
    assert_eq!(again.stdout, whole);
    let counts: Vec<&str> =
        again.stderr.lines().filter(|line| line.contains("opus")).flat_map(str::split_whitespace).collect();
    assert_eq!(counts, ["opus", "4", "4", "0", "0", "2", "0", "2", "0", "0", "0", "0"]);
    // The key beside the store is nobody else's to read.
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(kept.join("master.key"))?.permissions().mode() & 0o777, 0o600);
    Ok(())
}

#[test]
fn base64_is_the_same_body_and_may_hold_any_bytes() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = charts_alone(dir.path())?;
    let in_base64 = |line: String| -> Result<String> {
        let mut line: Value = serde_json::from_str(&line)?;
        let body = line["body"].take();
        line["body_base64"] = BASE64_STANDARD.encode(body.as_str().unwrap_or_default()).into();
        line.as_object_mut().map(|line| line.remove("body"));
        Ok(line.to_string())
    };
    let encoded = lines(&contract()).into_iter().map(in_base64).collect::<Result<Vec<_>>>()?;
    let recording = write(dir.path(), "base64.ndjson", encoded)?;
    assert_eq!(replay(&config, &[&recording])?.ended(0)?.stdout, format!("{TAGGED}\n{UNTAGGED}\n"));

    let any = json!({"source": "opus", "received_at": "2026-03-15T06:00:00Z",
                     "body_base64": BASE64_STANDARD.encode([0xff, 0, b'{'])});
    let recording = write(dir.path(), "any.ndjson", [any.to_string()])?;
    assert_eq!(replay(&config, &[&recording])?.ended(3)?.stdout, "");
    Ok(())
}

#[test]
fn a_line_that_is_none_is_named_by_file_and_number() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let config = charts_alone(dir.path())?;
    let good = write(dir.path(), "good.ndjson", lines(&contract()))?;
    for (name, bad) in [
        ("text.ndjson", "\"6112801234\"".to_owned()),
        ("cut.ndjson", line(1, "opus", &posting("x"))[..90].to_owned()),
        ("bodies.ndjson", r#"{"source":"opus","received_at":"2026-03-15T06:00:00Z"}"#.to_owned()),
    ] {
        let lines = [line(1, "opus", &posting("y")), String::new(), bad, line(2, "opus", &posting("z"))];
        let bad = write(dir.path(), name, lines)?;
        let ran = replay(&config, &[&good, &bad])?.ended(1)?;
        assert_eq!(ran.stdout, "");
        assert!(ran.stderr.contains(&format!("{}, line 3: ", bad.display())), "{}", ran.stderr);
        assert!(!ran.stderr.contains("6112801234"), "{}", ran.stderr);
    }
    let ran = replay(&config, &[&dir.path().join("none.ndjson")])?.ended(1)?;
    assert!(ran.stderr.contains("none.ndjson"), "{}", ran.stderr);
    let ran = replay(&dir.path().join("none.toml"), &[&good])?.ended(2)?;
    assert!(ran.stdout.is_empty() && ran.stderr.contains("none.toml"), "{}", ran.stderr);
    Ok(())
}

fn states(expected: &Expected) -> String {
    let state = |((source, id), posting): (&(&str, String), &samspor_town::Expectation)| {
        json::state(source, id, &posting.answer) + "\n"
    };
    expected.postings.iter().map(state).collect()
}

#[test]
fn the_whole_town_ends_as_its_generator_knows_and_nothing_shown_tells_of_its_people() -> Result<()> {
    let town = Town::new(Settings { families: 12, background_citizens: 10, ..Settings::demo(21) });
    let dir = tempfile::tempdir()?;
    let config = demo_config(dir.path())?;
    let recording = write(
        dir.path(),
        "town.ndjson",
        town.messages().enumerate().map(|(n, message)| of_town(n, &message)),
    )?;
    let ran = replay(&config, &[&recording])?.ended(3)?.shows_none_of(&Search::new(town.personal_data())?)?;
    assert!(ran.stdout == states(&town.expected()), "the states are the generator's");
    Ok(())
}

/// Facts after postings, corrections before what they correct, and much of it twice: to the byte the same.
#[test]
fn any_order_of_the_towns_messages_prints_the_same() -> Result<()> {
    let seed = 22;
    let settings = Settings { families: 12, background_citizens: 10, faulty: false, ..Settings::demo(seed) };
    let town = Town::new(settings);
    let states = states(&town.expected());
    let dir = tempfile::tempdir()?;
    let config = demo_config(dir.path())?;
    let lines: Vec<String> = town.messages().enumerate().map(|(n, message)| of_town(n, &message)).collect();
    for round in 0..4 {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        chance.set_stream(round);
        let mut lines = lines.clone();
        for _ in 0..lines.len() / 10 {
            lines.push(lines[chance.random_range(0..lines.len())].clone());
        }
        lines.shuffle(&mut chance);
        let (first, second) = lines.split_at(chance.random_range(0..lines.len()));
        let (first, second) = (write(dir.path(), "1.ndjson", first)?, write(dir.path(), "2.ndjson", second)?);
        let ran = replay(&config, &[&first, &second])?.ended(0)?;
        assert!(ran.stdout == states, "seed {seed}, round {round}: another state");
    }
    Ok(())
}
