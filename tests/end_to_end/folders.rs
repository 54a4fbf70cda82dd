//! From folders to folders, without a broker: a town whose systems leave files, in pieces and slowly, and a gateway that is
//! killed over and over meanwhile. Every posting arrives, and every file ends where it should.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use samspor_harness::books::{self, Ledger, tagged};
use samspor_harness::client::Received;
use samspor_harness::gateway::{Program, Running};
use samspor_town::search::Search;
use samspor_town::{Expected, Settings, Town, source};
use serde_json::Value;

use crate::deployment::{LIMIT, Result};
use crate::samspor::samspor;

/// Sources that put a marker beside a file. The others give it its name when it is whole.
const MARKING: [&str; 3] = [source::DUBU, source::PRISME, source::REGISTRY];

/// How many files are being written at a time.
const AT_ONCE: usize = 30;

/// A file that is not written to its end yet.
struct File {
    source: &'static str,
    name: String,
    pieces: VecDeque<Vec<u8>>,
}

/// The town's systems.
struct Senders {
    dir: PathBuf,
    files: VecDeque<File>,
    chance: ChaCha8Rng,
}

impl Senders {
    fn new(dir: &Path, town: &Town, mut chance: ChaCha8Rng) -> Self {
        let mut files = VecDeque::new();
        for (no, message) in town.messages().enumerate() {
            let end = match message.content_type {
                of if of.contains("json") => "json",
                of if of.contains("xml") => "xml",
                _ => "g69",
            };
            let piece = message.body.len().div_ceil(chance.random_range(1..4)).max(1);
            let pieces = message.body.chunks(piece).map(<[u8]>::to_vec).collect();
            files.push_back(File { source: message.source, name: format!("{no:06}.{end}"), pieces });
        }
        Self { dir: dir.join("in"), files, chance }
    }

    /// Writes so many pieces. Files are whole in any order, and some stay half written for long.
    fn write(&mut self, pieces: usize) -> Result<()> {
        for _ in 0..pieces {
            let among = self.files.len().min(AT_ONCE);
            if among == 0 {
                break;
            }
            let at = self.chance.random_range(0..among);
            let file = &mut self.files[at];
            let dir = self.dir.join(file.source);
            let is_marking = MARKING.contains(&file.source);
            let whole = dir.join(&file.name);
            let growing = if is_marking { whole.clone() } else { dir.join(format!("{}.part", file.name)) };
            if let Some(piece) = file.pieces.pop_front() {
                fs::File::options().create(true).append(true).open(&growing)?.write_all(&piece)?;
            }
            if file.pieces.is_empty() {
                if is_marking {
                    fs::write(dir.join(format!("{}.done", file.name)), "")?;
                } else {
                    fs::rename(growing, whole)?;
                }
                self.files.remove(at);
            }
        }
        Ok(())
    }
}

/// A configuration of folders only, in a folder.
fn configure(dir: &Path) -> Result<PathBuf> {
    fs::write(dir.join("master.key"), "5a".repeat(32))?;
    let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/charts");
    let mut text = format!(
        "[charts]\ndir = {charts:?}\n[store]\ndir = \"store\"\n[vault]\nmaster_key_file = \"master.key\"\n"
    );
    // Formats and permissions are the demo's.
    let demo: toml::Table = fs::read_to_string(charts.with_file_name("demo.toml"))?.parse()?;
    for demo in demo["sources"].as_array().into_iter().flatten() {
        let name = demo["name"].as_str().ok_or("a name")?;
        let mut source = demo.as_table().ok_or("a table")?.clone();
        source.remove("amqp");
        let mut folder: toml::Table = format!("dir = \"in/{name}\"\npoll_s = 1").parse()?;
        if MARKING.contains(&name) {
            folder.insert("marker".into(), ".done".into());
        } else {
            folder.insert("settle_s".into(), 1.into());
        }
        source.insert("folder".into(), folder.into());
        let table = toml::Table::from_iter([("sources".to_owned(), toml::Value::Array(vec![source.into()]))]);
        text.push_str(&toml::to_string(&table)?);
        fs::create_dir_all(dir.join("in").join(name))?;
    }
    let targets = [("ledger", "ledger", "ndjson"), ("lis", "lis", "csv"), ("columns", "ledger", "parquet")];
    for (name, audience, format) in targets {
        let folder = format!("dir = \"out/{name}\", format = \"{format}\", max_records = 50, max_age_s = 1");
        text.push_str(&format!(
            "[[targets]]\nname = \"{name}\"\naudience = \"{audience}\"\nfolder = {{ {folder} }}\n"
        ));
        fs::create_dir_all(dir.join("out").join(name))?;
    }
    let path = dir.join("gateway.toml");
    fs::write(&path, text)?;
    Ok(path)
}

/// The names of files in a folder, if it is there.
fn names(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    if dir.is_dir() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
    }
    Ok(names)
}

/// How many files were taken so far.
fn done(dir: &Path) -> Result<usize> {
    let mut count = 0;
    for source in source::ALL {
        let names = names(&dir.join("in").join(source).join("done"))?;
        count += names.iter().filter(|name| !name.ends_with(".done")).count();
    }
    Ok(count)
}

/// What a reader who goes by the manifests finds in a folder: the manifests, and the lines of the files that they name.
fn read(dir: &Path) -> Result<(Vec<Value>, Vec<Received>)> {
    let (mut manifests, mut lines) = (Vec::new(), Vec::new());
    for name in names(dir)?.iter().filter(|name| name.ends_with(".manifest.json")) {
        let manifest: Value = serde_json::from_slice(&fs::read(dir.join(name))?)?;
        let bytes = fs::read(dir.join(manifest["file"].as_str().ok_or("a file")?))?;
        assert_eq!(manifest["bytes"], bytes.len(), "{name}");
        if manifest["format"] == "ndjson" {
            let text = String::from_utf8(bytes)?;
            assert_eq!(manifest["all"]["records"], text.lines().count(), "{name}");
            lines.extend(text.lines().map(|line| Received { body: line.into(), ..Received::default() }));
        }
        manifests.push(manifest);
    }
    Ok((manifests, lines))
}

/// Of each posting its newest revision, with the rows that parts of it are: solution, date, area and amount.
type Rows = BTreeMap<(String, String), (i64, BTreeSet<[String; 4]>)>;

/// What the Parquet files say that a reader finds by the manifests. A record may be in two of them.
fn rows(dir: &Path) -> Result<Rows> {
    let mut rows = Rows::new();
    for manifest in read(dir)?.0 {
        let file = fs::File::open(dir.join(manifest["file"].as_str().ok_or("a file")?))?;
        for row in SerializedFileReader::new(file)?.get_row_iter(None)? {
            let row = row?;
            let fields: BTreeMap<&str, &Field> =
                row.get_column_iter().map(|(name, field)| (name.as_str(), field)).collect();
            let text = |name: &str| match fields.get(name) {
                Some(Field::Str(text)) => text.clone(),
                Some(field @ (Field::Decimal(_) | Field::Date(_))) => field.to_string(),
                _ => String::new(),
            };
            let Some(Field::Long(revision)) = fields.get("revision") else { return Err("a revision".into()) };
            let kept = rows.entry((text("source"), text("posting"))).or_default();
            if kept.0 < *revision {
                *kept = (*revision, BTreeSet::new());
            }
            if kept.0 == *revision {
                kept.1.insert(["solution", "date", "part_area", "part_amount"].map(text));
            }
        }
    }
    Ok(rows)
}

/// The rows that records in JSON would be.
fn rows_of(ledger: &Ledger) -> Rows {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |record: &Value| {
        let row = |part: &Value| {
            [&record["tag"]["solution"], &record["date"], &part["area"], &part["amount"]].map(text)
        };
        let mut rows: BTreeSet<_> =
            record["tag"]["parts"].as_array().into_iter().flatten().map(row).collect();
        if rows.is_empty() {
            rows.insert(row(&Value::Null));
        }
        (record["revision"].as_i64().unwrap_or_default(), rows)
    };
    ledger.0.iter().map(|(key, record)| (key.clone(), of(record))).collect()
}

async fn wait_for(running: &mut Running, what: &str, is_so: impl Fn() -> Result<bool>) -> Result<()> {
    let deadline = tokio::time::Instant::now() + LIMIT;
    while !is_so()? {
        running.still_runs()?;
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_whole_and_once_however_slowly_they_are_written_and_whenever_it_dies() -> Result<()> {
    const KILLS: usize = 4;
    let seed = 0xf01d_0001;
    println!("seed {seed:#x}");
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let town =
        Town::new(Settings { families: 6, background_citizens: 6, faulty: false, ..Settings::demo(seed) });
    let mut expected = Expected::default();
    town.messages().for_each(|message| expected.add(&message));
    let dir = tempfile::tempdir()?;
    let config = configure(dir.path())?;
    let checked = samspor([Path::new("check"), Path::new("--config"), &config])?.ended(0)?.stdout;
    assert!(checked.contains("CSV files in") && !checked.contains("now:"), "{checked}");
    let look = || samspor([Path::new("check"), Path::new("--broker"), Path::new("--config"), &config]);
    let looked = look()?.ended(0)?.stdout;
    assert!(looked.contains("target lis") && looked.contains("files can be made there"), "{looked}");
    fs::remove_dir(dir.path().join("out/lis"))?;
    let looked = look()?.ended(2)?.stdout;
    assert!(looked.contains("is not there: make it"), "{looked}");
    fs::create_dir(dir.path().join("out/lis"))?;
    let environment = vec![("SAMSPOR_LOG".into(), "trace".into())];
    let program = Program { binary: env!("CARGO_BIN_EXE_samspor").into(), config, environment };
    let log = dir.path().join("gateway.log");
    let mut senders = Senders::new(dir.path(), &town, ChaCha8Rng::seed_from_u64(seed + 1));
    let total = senders.files.len();

    let mut running = program.start(&log)?;
    for kill in 1..=KILLS {
        let goal = total * kill / (KILLS + 1);
        while total - senders.files.len() < goal {
            senders.write(20)?;
            tokio::task::yield_now().await;
        }
        let written = total - senders.files.len();
        let moment = chance.random_range(done(dir.path())?..=written);
        wait_for(&mut running, "files are taken", || Ok(done(dir.path())? >= moment)).await?;
        println!("kill {kill}: {} of {written} files are done", done(dir.path())?);
        running.kill().await?;
        running = program.start(&log)?;
    }
    senders.write(usize::MAX)?;
    wait_for(&mut running, "every file is done", || Ok(done(dir.path())? == total)).await?;
    let out = dir.path().join("out");
    let has_all = || {
        let ledger = Ledger::of(&read(&out.join("ledger"))?.1)?;
        Ok(ledger.0.values().filter(|record| record["change"] == "tag").count() == tagged(&expected))
    };
    wait_for(&mut running, "every tagged posting is in the ledger's files", has_all).await?;
    let of_lis = || {
        let records =
            read(&out.join("lis"))?.0.iter().filter_map(|m| m["tag"]["records"].as_u64()).sum::<u64>();
        Ok(records >= tagged(&expected) as u64)
    };
    wait_for(&mut running, "and in those of the LIS", of_lis).await?;
    // Which revisions a target is handed is chance, but not which is the newest of what is tagged.
    let tagged_rows = |rows: Rows| -> Rows {
        rows.into_iter().filter(|(_, (_, parts))| parts.iter().all(|part| !part[0].is_empty())).collect()
    };
    let newest = tagged_rows(rows_of(&Ledger::of(&read(&out.join("ledger"))?.1)?));
    assert_eq!(newest.len(), tagged(&expected));
    let of_columns = || Ok(tagged_rows(rows(&out.join("columns"))?) == newest);
    wait_for(&mut running, "the Parquet files say the same of them", of_columns).await?;
    let balance = program.balance().await?;
    assert!(running.stop().await?.success());

    let (_, lines) = read(&out.join("ledger"))?;
    let mut differences = books::differences(&expected, &Ledger::of(&lines)?, &balance);
    // A file that was stored and not put away yet when the gateway died came again; and in which order files are whole is
    // chance.
    let may_differ =
        ["received", "duplicates", "facts", "stale"].map(|word| format!(" {word}, and should have "));
    differences.retain(|difference| !may_differ.iter().any(|may| difference.contains(may)));
    assert!(differences.is_empty(), "seed {seed:#x}: {differences:#?}");
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for line in &lines {
        let record: Value = serde_json::from_slice(&line.body)?;
        *times
            .entry(format!("{}:{}:{}", record["source"], record["posting"], record["revision"]))
            .or_default() += 1;
    }
    println!(
        "{} records, of which {} came twice",
        times.len(),
        times.values().filter(|times| **times > 1).count()
    );
    for source in source::ALL {
        let left = names(&dir.path().join("in").join(source))?;
        let failed = names(&dir.path().join("in").join(source).join("failed"))?;
        assert!(left.is_empty() && failed.is_empty(), "{source}: {left:?} {failed:?}");
    }
    let search = Search::new(town.personal_data())?;
    for place in [dir.path().join("store"), log, out.join("lis")] {
        let (found, searched) = search.files(&place)?;
        assert!(found.is_empty() && searched > 1_000, "{}: {found:?}", place.display());
    }
    Ok(())
}
