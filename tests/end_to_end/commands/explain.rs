//! `samspor explain`, now and as of the instants of a recording.

use std::path::{Path, PathBuf};

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use samspor_town::search::Search;
use samspor_town::{Message, Settings, Town};
use serde_json::{Value, json};

use super::recordings::{charts_alone, consent, enrolment, facts, instant, line, of_town, posting, write};
use crate::deployment::{Result, demo_config};
use crate::samspor::{Ran, samspor};

/// A store that a replay made, to ask.
struct Kept {
    dir: tempfile::TempDir,
    config: PathBuf,
}

impl Kept {
    fn new(config: impl FnOnce(&Path) -> Result<PathBuf>) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let config = config(dir.path())?;
        Ok(Self { dir, config })
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("kept")
    }

    /// Plays more into the store, and prints the states.
    fn play(&self, lines: impl IntoIterator<Item = impl AsRef<str>>) -> Result<String> {
        self.play_into(&self.store(), lines)
    }

    /// Plays into another store.
    fn play_into(&self, store: &Path, lines: impl IntoIterator<Item = impl AsRef<str>>) -> Result<String> {
        let recording = write(self.dir.path(), "recording.ndjson", lines)?;
        let arguments =
            ["replay", "--config", path(&self.config), "--data-dir", path(store), path(&recording)];
        Ok(samspor(arguments)?.ended(0)?.stdout)
    }

    fn explain(&self, source: &str, posting: &str, as_of: Option<&str>) -> Result<Ran> {
        let store = self.store();
        let mut arguments = vec!["explain", "--config", path(&self.config), "--data-dir", path(&store)];
        arguments.extend([source, posting]);
        if let Some(instant) = as_of {
            arguments.extend(["--as-of", instant]);
        }
        samspor(arguments)
    }

    /// What it says of the contract's posting.
    fn said(&self, as_of: Option<&str>) -> Result<String> {
        let ran = self.explain("opus", "P-1", as_of)?.ended(0)?;
        assert!(!ran.stdout.contains("12801234"), "{}", ran.stdout);
        Ok(ran.stdout.lines().next().unwrap_or_default().to_owned())
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a temporary folder has a plain name")
}

fn field(state: &str, field: &str) -> Value {
    let state: Value = serde_json::from_str(state).unwrap_or_else(|error| panic!("{state}: {error}"));
    state.pointer(field).cloned().unwrap_or_default()
}

fn withdrawn(version: i64) -> Value {
    json!({"type": "consent", "id": "C-1", "version": version, "withdrawn": true})
}

/// The contract's facts at instants 0 to 3 and its posting at 5.
fn beginning() -> Vec<String> {
    let mut lines: Vec<String> =
        facts().iter().enumerate().map(|(n, (source, message))| line(n, source, message)).collect();
    lines.push(line(5, "opus", &posting("P-1")));
    lines
}

#[test]
fn it_says_what_replay_says_and_by_which_steps() -> Result<()> {
    let kept = Kept::new(charts_alone)?;
    let state = kept.play(beginning())?;
    let ran = kept.explain("opus", "P-1", None)?.ended(0)?;
    assert_eq!(ran.stdout.lines().next(), state.lines().next());
    for step in [
        "The posting",
        "Whose it is",
        "consent C-1",
        "Enrolments",
        "enrolment E-1",
        "Rules",
        "Feed",
        "revision 1",
    ] {
        assert!(ran.stdout.contains(step), "{step} is missing: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("12801234"));
    for (source, posting) in [("opus", "P-2"), ("dubu", "P-1"), ("nowhere", "P-1")] {
        let ran = kept.explain(source, posting, None)?.ended(4)?;
        assert!(
            ran.stdout.is_empty() && ran.stderr.contains("no posting of that source and id is known"),
            "{}",
            ran.stderr
        );
    }
    let ran = kept.explain("opus", "P-1", Some("yesterday"))?.ended(1)?;
    assert!(ran.stderr.contains("--as-of"), "{}", ran.stderr);
    // Without a store there is nothing to ask.
    let arguments = ["explain", "--config", path(&kept.config), "opus", "P-1"];
    assert!(samspor(arguments)?.ended(1)?.stderr.contains("--data-dir"));
    Ok(())
}

#[test]
fn as_of_an_instant_it_says_what_was_known_then() -> Result<()> {
    let kept = Kept::new(charts_alone)?;
    kept.play(beginning())?;
    // Both in one transaction: what the first changed was said at its own instant even so.
    kept.play([
        line(7, "registry", &enrolment(2, "2026-02-01", "F-18")),
        line(9, "registry", &enrolment(3, "2026-04-01", "F-18")),
    ])?;

    let as_of = |n: usize| kept.said(Some(&instant(n).to_string()));
    for n in [0, 4] {
        kept.explain("opus", "P-1", Some(&instant(n).to_string()))?.ended(4)?;
    }
    for (n, family, phase) in [
        (5, "F-17", "during"),
        (6, "F-17", "during"),
        (7, "F-18", "during"),
        (8, "F-18", "during"),
        (9, "F-18", "before"),
    ] {
        let state = as_of(n)?;
        assert_eq!(field(&state, "/tag/family"), family, "{n}");
        assert_eq!(field(&state, "/tag/phase"), phase, "{n}");
    }
    assert_eq!(kept.said(None)?, as_of(9)?);
    // Without an offset it is Danish time, an hour ahead in winter.
    let danish = instant(6).to_zoned(jiff::tz::TimeZone::get("Europe/Copenhagen")?).datetime().to_string();
    assert_eq!(kept.said(Some(&danish))?, as_of(6)?);
    Ok(())
}

#[test]
fn after_a_withdrawal_what_was_said_under_the_consent_is_erased_for_good() -> Result<()> {
    let kept = Kept::new(charts_alone)?;
    kept.play(beginning())?;
    kept.play([line(20, "registry", &withdrawn(2))])?;
    let as_of = |n: usize| kept.said(Some(&instant(n).to_string()));
    assert!(as_of(6)?.starts_with("erased"), "{}", as_of(6)?);
    assert_eq!(field(&kept.said(None)?, "/reason"), "not-consented");
    assert_eq!(field(&as_of(20)?, "/reason"), "not-consented");
    // A new consent tags again, and brings nothing back.
    kept.play([line(30, "registry", &consent(3))])?;
    assert_eq!(field(&kept.said(None)?, "/decision"), "tagged");
    assert_eq!(field(&as_of(29)?, "/reason"), "not-consented");
    assert!(as_of(6)?.starts_with("erased"), "{}", as_of(6)?);
    Ok(())
}

/// Whether a message ends a consent, after which earlier answers are erased.
fn ends_a_consent(message: &Message) -> bool {
    let said: Value = serde_json::from_slice(&message.body).unwrap_or_default();
    said["type"] == "consent" && (said["withdrawn"] == true || said["deleted"] == true)
}

/// As of any instant the answer is the state of a replay that ends there, whatever came later and in however many parts
/// it was played; and what is told with it is the same before and after that came.
#[test]
fn as_of_any_instant_it_says_what_a_replay_to_there_says_and_later_messages_change_nothing() -> Result<()> {
    let seed = 31;
    let settings = Settings { families: 16, background_citizens: 4, faulty: false, ..Settings::demo(seed) };
    let town = Town::new(settings);
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let (mut messages, mut rest): (Vec<_>, Vec<_>) = town.messages().partition(ends_a_consent);
    // These come first, since nothing can be asked as of an instant before them.
    rest.shuffle(&mut chance);
    messages.extend(rest);
    let lines: Vec<String> = messages.iter().enumerate().map(|(n, message)| of_town(n, message)).collect();
    let search = Search::new(town.personal_data())?;

    let kept = Kept::new(demo_config)?;
    let mut played = 0;
    let mut told: Vec<(String, String, String, String)> = Vec::new();
    for round in 0..3 {
        // An instant in the middle of what is played together, so that more comes after it in the same transaction.
        let end = played + (lines.len() - played) / (3 - round);
        let k = chance.random_range(played + (end - played) / 2..end - 1);
        kept.play(&lines[played..end])?;
        played = end;
        let until = kept.play_into(&kept.dir.path().join(format!("until-{k}")), &lines[..=k])?;
        let states: Vec<&str> = until.lines().collect();
        let tagged: Vec<&str> = states.iter().copied().filter(|state| state.contains("\"tagged\"")).collect();
        let as_of = instant(k).to_string();
        for state in states.sample(&mut chance, 6).chain(tagged.sample(&mut chance, 9)) {
            let (source, posting) = (field(state, "/source"), field(state, "/posting"));
            let (source, posting) =
                (source.as_str().unwrap_or_default(), posting.as_str().unwrap_or_default());
            let ran = kept.explain(source, posting, Some(&as_of))?.ended(0)?.shows_none_of(&search)?;
            assert_eq!(
                ran.stdout.lines().next(),
                Some(*state),
                "seed {seed}, as of line {k}:\n{}",
                ran.stdout
            );
            told.push((source.to_owned(), posting.to_owned(), as_of.clone(), ran.stdout));
        }
    }
    for (source, posting, as_of, before) in told {
        let after = kept.explain(&source, &posting, Some(&as_of))?.ended(0)?;
        assert_eq!(after.stdout, before, "seed {seed}: {source} {posting} as of {as_of}");
    }
    Ok(())
}
