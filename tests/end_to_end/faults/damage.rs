//! A damaged store, and a second process on a store.

use std::path::PathBuf;
use std::time::Duration;

use samspor_harness::gateway::Program;
use samspor_town::{Settings, Town};

use super::binary;
use crate::commands::recordings::{of_town, write};
use crate::deployment::{Result, demo_config};
use crate::samspor::{Call, Ran};

/// How long a gateway may take to refuse.
const LIMIT: Duration = Duration::from_secs(60);

/// A store with a town in it, and a gateway's configuration on it. There is no broker: nothing here needs one.
struct Stored {
    dir: tempfile::TempDir,
    config: PathBuf,
}

impl Stored {
    fn new() -> Result<Self> {
        let town = Town::new(Settings { families: 4, background_citizens: 4, ..Settings::demo(71) });
        let dir = tempfile::tempdir()?;
        let config = demo_config(dir.path())?;
        let lines = town.messages().enumerate().map(|(n, message)| of_town(n, &message));
        let recording = write(dir.path(), "town.ndjson", lines)?;
        let stored = Self { dir, config };
        stored
            .samspor(
                "replay",
                &["--data-dir", &stored.store().to_string_lossy(), &recording.to_string_lossy()],
            )?
            .ended(3)?;
        Ok(stored)
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn database(&self) -> PathBuf {
        self.store().join("samspor.sqlite")
    }

    fn environment() -> Vec<(String, String)> {
        vec![
            ("SAMSPOR_AMQP_URL".into(), "amqp://nobody:nothing@127.0.0.1:1".into()),
            ("SAMSPOR_LOG".into(), "info".into()),
        ]
    }

    fn samspor(&self, verb: &str, more: &[&str]) -> Result<Ran> {
        let config = self.config.to_string_lossy();
        let arguments = [verb, "--config", &config].into_iter().chain(more.iter().copied());
        Call { environment: &Self::environment(), input: "" }.run(arguments)
    }

    fn program(&self) -> Program {
        Program { binary: binary().into(), config: self.config.clone(), environment: Self::environment() }
    }

    /// Starts the gateway on the store as it is, and waits until it refuses: its exit code and what it said.
    async fn refused(&self) -> Result<(Option<i32>, String)> {
        let log = self.dir.path().join("refused.log");
        let _ = std::fs::remove_file(&log);
        let status = self.program().start(&log)?.wait(LIMIT).await?;
        Ok((status.code(), std::fs::read_to_string(&log)?))
    }
}

/// Every way to damage a store's database, by name.
fn damages(good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let changed = |from: usize, to: usize, byte: u8| {
        let mut bytes = good.to_vec();
        bytes[from..to].fill(byte);
        bytes
    };
    let (page, pages) = (4096, good.len() / 4096);
    vec![
        ("a header of garbage", changed(0, 100, 0xa5)),
        ("a header of zeros", changed(0, 100, 0)),
        ("a schema of garbage", changed(200, page, 0xa5)),
        ("a page of garbage in the middle", changed(pages / 2 * page, (pages / 2 + 1) * page, 0xa5)),
        ("many pages of zeros", changed(pages / 4 * page, pages / 2 * page, 0)),
        ("half of it", good[..pages / 2 * page].to_vec()),
        ("its end cut off within a page", good[..good.len() - 1000].to_vec()),
        ("nothing but its first page", good[..page].to_vec()),
    ]
}

/// Whatever is wrong with its files: the gateway refuses to run on them, says what to do, and makes nothing worse.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_refused_and_left_as_it_is() -> Result<()> {
    let stored = Stored::new()?;
    let good = std::fs::read(stored.database())?;
    assert!(good.len() > 40 * 4096, "there is something to damage");
    let mut accepted = Vec::new();
    for (what, bytes) in damages(&good) {
        for side in ["samspor.sqlite-wal", "samspor.sqlite-shm"] {
            let _ = std::fs::remove_file(stored.store().join(side));
        }
        std::fs::write(stored.database(), &bytes)?;
        let Ok((code, said)) = stored.refused().await else {
            accepted.push(what);
            continue;
        };
        assert_eq!(code, Some(1), "{what}: {said}");
        assert!(said.contains("damaged") && said.contains("restore it from a backup"), "{what}: {said}");
        assert!(std::fs::read(stored.database())? == bytes, "{what}: the store was changed");
    }
    assert!(accepted.is_empty(), "the gateway runs on a store with {accepted:?}");
    std::fs::write(stored.database(), &good)?;
    stored.samspor("reconcile", &[])?.ended(0)?;
    Ok(())
}

/// A second process on a store is refused and told what to do; the first goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_a_store_is_refused() -> Result<()> {
    let stored = Stored::new()?;
    let log = stored.dir.path().join("first.log");
    let mut first = stored.program().start(&log)?;
    let deadline = tokio::time::Instant::now() + LIMIT;
    while !std::fs::read_to_string(&log)?.contains("the gateway runs") {
        first.still_runs()?;
        assert!(tokio::time::Instant::now() < deadline, "it does not start");
        tokio::task::yield_now().await;
    }
    let before = std::fs::read(stored.database())?;
    let (code, said) = stored.refused().await?;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("another process uses the store") && said.contains("another data directory"),
        "{said}"
    );
    let empty = stored.dir.path().join("empty.ndjson");
    std::fs::write(&empty, "")?;
    let store = stored.store();
    let replay =
        stored.samspor("replay", &["--data-dir", &store.to_string_lossy(), &empty.to_string_lossy()])?;
    assert!(replay.ended(1)?.stderr.contains("another process uses the store"));
    assert!(std::fs::read(stored.database())? == before, "the second process changed the store");
    // Reading beside it is allowed.
    stored.samspor("reconcile", &[])?.ended(0)?;
    first.still_runs()?;
    assert!(first.stop().await?.success());
    Ok(())
}

/// A wrong master key is found at the start, and by every command that reads the store, and what it says is which key is needed.
/// With the right one beside it, the other one takes its place, and then the right one is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_master_key_is_named_and_another_one_takes_its_place_by_the_one_before() -> Result<()> {
    let stored = Stored::new()?;
    let text = std::fs::read_to_string(&stored.config)?;
    let mut config: toml::Table = text.parse()?;
    let mut with = |keys: &[(&str, &str)]| -> Result<()> {
        let keys = keys.iter().map(|(name, file)| ((*name).to_owned(), (*file).into()));
        config.insert("vault".into(), keys.collect::<toml::Table>().into());
        Ok(std::fs::write(&stored.config, toml::to_string(&config)?)?)
    };
    let id = |said: &str| said.split_whitespace().last().map(str::to_owned).unwrap_or_default();
    let make = |name: &str| -> Result<String> {
        let path = stored.dir.path().join(name);
        let said = Call { environment: &Stored::environment(), input: "" }.run([
            "keys",
            "new",
            &path.to_string_lossy(),
        ])?;
        Ok(id(&said.ended(0)?.stdout))
    };
    let new = make("new.key")?;
    let again = stored.dir.path().join("new.key");
    let again = Call { environment: &Stored::environment(), input: "" }
        .run(["keys", "new", &again.to_string_lossy()])?
        .ended(1)?;
    assert!(again.stderr.contains("never overwritten"), "{}", again.stderr);

    with(&[("master_key_file", "new.key")])?;
    let (code, said) = stored.refused().await?;
    assert_eq!(code, Some(1), "{said}");
    let needed =
        said.split("under the master key ").nth(1).and_then(|rest| rest.get(..8)).unwrap_or_default();
    assert!(said.contains(&format!("the one given is {new}")) && needed.len() == 8, "{said}");
    let refused = stored.samspor("conflicts", &[])?.ended(1)?;
    assert!(refused.stderr.contains(needed), "{}", refused.stderr);

    // Reading beside the gateway needs the one before until the gateway has started with the new one; so does the restart.
    with(&[("master_key_file", "new.key"), ("previous_master_key_file", "master.key")])?;
    stored.samspor("conflicts", &[])?.ended(0)?;
    let data_dir = stored.store().to_string_lossy().into_owned();
    let nothing = write(stored.dir.path(), "nothing.ndjson", std::iter::empty::<String>())?;
    stored.samspor("replay", &["--data-dir", &data_dir, &nothing.to_string_lossy()])?.ended(3)?;
    with(&[("master_key_file", "new.key")])?;
    stored.samspor("conflicts", &[])?.ended(0)?;
    with(&[("master_key_file", "master.key")])?;
    let refused = stored.samspor("conflicts", &[])?.ended(1)?;
    assert!(refused.stderr.contains(&format!("under the master key {new}")), "{}", refused.stderr);
    Ok(())
}

/// An audit log that does not hold what was published of it is refused before anything is written to it.
#[tokio::test(flavor = "multi_thread")]
async fn an_audit_log_that_was_cut_off_is_refused_by_its_checkpoints() -> Result<()> {
    let stored = Stored::new()?;
    let config = std::fs::read_to_string(&stored.config)?;
    std::fs::write(
        &stored.config,
        format!("{config}\n[audit]\ncheckpoints_file = \"checkpoints.ndjson\"\n"),
    )?;
    let checkpoints = stored.dir.path().join("checkpoints.ndjson");
    for round in 0..2 {
        let log = stored.dir.path().join(format!("ran-{round}.log"));
        let mut running = stored.program().start(&log)?;
        while !std::fs::read_to_string(&log)?.contains("the gateway runs") {
            running.still_runs()?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let status = running.stop().await?;
        assert!(status.success(), "{status}: {}", std::fs::read_to_string(&log)?);
    }
    let cut =
        |sql: &str| -> Result<()> { Ok(rusqlite::Connection::open(stored.database())?.execute_batch(sql)?) };
    // A line that a crash cut off is passed over.
    let published = std::fs::read_to_string(&checkpoints)?;
    std::fs::write(&checkpoints, format!("{published}{{\"format\":1,\"sto"))?;
    cut("DELETE FROM audit WHERE no = (SELECT max(no) FROM audit)")?;
    let (code, said) = stored.refused().await?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("it was changed or cut off"), "{said}");
    Ok(())
}
