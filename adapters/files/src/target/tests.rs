//! What stands in the files, read back by others' readers where there are any: Python's for CSV, the crate's own and, where it is
//! installed, pyarrow for Parquet.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use ::parquet::record::{Field, RowAccessor as _};
use bytes::Bytes;
use jiff::Timestamp;
use samspor_domain::{Clock, Outgoing, Target as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::*;

pub(super) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

pub(super) struct At(pub(super) Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn target(dir: &Path, format: Format, max_records: usize, at: Timestamp) -> Target {
    Target::new(settings(dir, format, max_records), Arc::new(At(at)))
}

pub(super) fn settings(dir: &Path, format: Format, max_records: usize) -> Settings {
    Settings {
        target: name("t"),
        filter: TagFilter::default(),
        dir: dir.to_owned(),
        prefix: Prefix::default(),
        format,
        columns: Columns::Ledger,
        max_records,
        max_bytes: 1 << 20,
        max_age: Duration::from_secs(3_600),
    }
}

pub(super) fn name(text: &str) -> Text {
    Text::new(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A posting of so many øre, in two parts where they are many.
pub(super) fn record(no: i64, ore: i64) -> Outgoing {
    let kroner =
        |ore: i64| samspor_domain::Amount::from_ore(ore).map(|amount| amount.to_string()).unwrap_or_default();
    let posting = format!("=P;\"{no}\"\næøå");
    let mut body = json!({"source": "opus", "posting": posting, "revision": 1, "change": "tag", "decision": "tagged",
        "date": "2026-03-14", "account": "5.28.21.1", "amount": kroner(ore), "voucher": null});
    if no % 5 == 0 {
        body["change"] = json!("untag");
    } else {
        let mut parts = vec![json!({"area": "a", "weight": 1, "amount": kroner(ore)})];
        if no % 2 == 0 {
            parts = vec![
                json!({"area": "a", "weight": 1, "amount": kroner(ore / 3)}),
                json!({"area": "b", "weight": 2, "amount": kroner(ore - ore / 3)}),
            ];
        }
        body["tag"] = json!({"solution": "sb", "family": "F-1", "enrolment": null, "phase": "during", "basis": "citizen",
            "area": "a", "kind": "service", "side": "inside", "grants": "solution", "pays": "area", "parts": parts,
            "split": null, "flags": ["over-ceiling", "other-solution"], "other": ["E-2"]});
    }
    Outgoing {
        message_id: format!("opus:{posting}:1"),
        topic: None,
        content_type: "application/json",
        body: Bytes::from(body.to_string()),
        trace: None,
    }
}

/// The names of the files that a reader sees, with what they hold.
pub(super) fn visible(dir: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            files.push((name, fs::read(entry.path())?));
        }
    }
    files.sort();
    Ok(files)
}

/// Every manifest, each held against the file that it names.
pub(super) fn manifests(dir: &Path) -> Result<Vec<Value>> {
    let files = visible(dir)?;
    let mut manifests = Vec::new();
    for (name, text) in &files {
        if name.ends_with(".manifest.json") {
            let manifest: Value = serde_json::from_slice(text)?;
            let (_, data) =
                files.iter().find(|(name, _)| manifest["file"] == **name).ok_or("its file is there")?;
            assert_eq!(manifest["bytes"], data.len());
            assert_eq!(manifest["sha256"], hex::encode(Sha256::digest(data)));
            manifests.push(manifest);
        }
    }
    assert_eq!(manifests.len() * 2, files.len(), "nothing else is there");
    Ok(manifests)
}

/// Records that fill one file.
async fn write(dir: &Path, format: Format, count: i64) -> Result<Value> {
    let records: Vec<Outgoing> = (1..=count).map(|no| record(no, no * 7_919 - 100_000)).collect();
    let target = target(dir, format, records.len(), Timestamp::UNIX_EPOCH);
    let mut publisher = target.connect().await?;
    let sent = publisher.publish(records).await?.await?;
    assert!(sent.iter().all(Sent::is_delivered) && sent.len() == usize::try_from(count)?);
    let mut manifests = manifests(dir)?;
    assert_eq!(manifests.len(), 1);
    Ok(manifests.remove(0))
}

fn sums(count: i64) -> (i64, i64) {
    let ore = |no: i64| no * 7_919 - 100_000;
    ((1..=count).map(ore).sum(), (1..=count).filter(|no| no % 5 != 0).map(ore).sum())
}

fn python(script: &str, file: &Path) -> Result<Value> {
    let output = Command::new("python3").arg("-c").arg(script).arg(file).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_is_read_by_another_reader_to_the_same_sums() -> Result {
    const SCRIPT: &str = r"
import csv, json, sys
from decimal import Decimal
kroner = lambda text: int(Decimal(text.replace(',', '.')) * 100)
rows = list(csv.DictReader(open(sys.argv[1], encoding='utf-8-sig', newline=''), delimiter=';', strict=True))
print(json.dumps({
    'rows': len(rows), 'columns': list(rows[0]), 'first': rows[0],
    'all': sum(kroner(row['amount']) for row in rows if row['part'] == '1'),
    'tag': sum(kroner(row['part_amount']) for row in rows if row['part_amount']),
    'harmless': all(row['posting'].startswith(chr(39) + '=P;') for row in rows),
}))";
    let dir = tempfile::tempdir()?;
    let manifest = write(dir.path(), Format::Csv, 100).await?;
    let file = dir.path().join(manifest["file"].as_str().unwrap_or_default());
    let bytes = fs::read(&file)?;
    assert!(bytes.starts_with(b"\xef\xbb\xbfsource;posting;") && bytes.ends_with(b"\r\n"));
    let read = python(SCRIPT, &file)?;
    let (all, tag) = sums(100);
    assert_eq!((&read["all"], &read["tag"], &read["harmless"]), (&json!(all), &json!(tag), &json!(true)));
    assert_eq!(
        (&manifest["all"]["ore"], &manifest["tag"]["ore"]),
        (&json!(all.to_string()), &json!(tag.to_string()))
    );
    assert_eq!((&manifest["rows"], &manifest["all"]["records"]), (&read["rows"], &json!(100)));
    let columns = manifest["columns"].as_array().into_iter().flatten().map(|column| column["name"].clone());
    assert_eq!(read["columns"], Value::from_iter(columns));
    assert_eq!(read["first"]["posting"], "'=P;\"1\"\næøå");
    assert_eq!(
        (&read["first"]["amount"], &read["first"]["flags"]),
        (&json!("-920,81"), &json!("over-ceiling,other-solution"))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_is_read_to_the_same_sums_with_its_types() -> Result {
    const SCRIPT: &str = r"
import json, sys
try:
    import pyarrow.parquet as parquet
except ImportError:
    print('null')
    sys.exit()
table = parquet.read_table(sys.argv[1])
rows = table.to_pylist()
print(json.dumps({
    'rows': len(rows), 'types': {field.name: str(field.type) for field in table.schema},
    'all': int(sum(row['amount'] for row in rows if row['part'] == 1) * 100),
    'tag': int(sum(row['part_amount'] for row in rows if row['part_amount'] is not None) * 100),
    'date': str(rows[0]['date']), 'posting': rows[0]['posting'],
}))";
    let dir = tempfile::tempdir()?;
    let manifest = write(dir.path(), Format::Parquet, 100).await?;
    let path = dir.path().join(manifest["file"].as_str().unwrap_or_default());
    let (all, tag) = sums(100);
    let reader = SerializedFileReader::new(fs::File::open(&path)?)?;
    let (mut rows, mut sum, mut parts) = (0, 0, 0);
    for row in reader.get_row_iter(None)? {
        let row = row?;
        let field = |name: &str| {
            row.get_column_iter().find(|(column, _)| *column == name).map(|(_, field)| field.clone())
        };
        let ore = |field: Option<Field>| match field {
            Some(Field::Decimal(decimal)) => {
                decimal.data().iter().fold(i64::from(decimal.data()[0].cast_signed() >> 7), |sum, byte| {
                    sum << 8 | i64::from(*byte)
                })
            }
            _ => 0,
        };
        rows += 1;
        if field("part") == Some(Field::Long(1)) {
            sum += ore(field("amount"));
        }
        parts += ore(field("part_amount"));
        assert_eq!(field("date"), Some(Field::Date(20_526)), "2026-03-14");
        assert_eq!(row.get_string(0)?, "opus");
    }
    assert_eq!((sum, parts, json!(rows)), (all, tag, manifest["rows"].clone()));

    let read = python(SCRIPT, &path)?;
    if read.is_null() {
        println!("pyarrow is not installed: only the crate's own reader has read the file");
        return Ok(());
    }
    assert_eq!((&read["all"], &read["tag"], &read["rows"]), (&json!(all), &json!(tag), &manifest["rows"]));
    assert_eq!(read["types"]["amount"], "decimal128(15, 2)");
    assert_eq!(
        (&read["types"]["date"], &read["types"]["posting"]),
        (&json!("date32[day]"), &json!("string"))
    );
    assert_eq!((&read["date"], &read["posting"]), (&json!("2026-03-14"), &json!("=P;\"1\"\næøå")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_closed_when_they_are_full_and_what_comes_twice_is_in_them_once() -> Result {
    let dir = tempfile::tempdir()?;
    let target = target(dir.path(), Format::Ndjson, 4, Timestamp::UNIX_EPOCH);
    let mut publisher = target.connect().await?;
    drop(publisher.publish((1..=3).map(|no| record(no, no)).collect()).await?);
    assert!(visible(dir.path())?.is_empty(), "it is open");
    assert!(target.connect().await.is_err(), "two do not write into one folder");
    drop(publisher);
    // The answer was lost, and they come again, with more.
    let mut publisher = target.connect().await?;
    let mut more: Vec<Outgoing> = (1..=10).map(|no| record(no, no)).collect();
    more.insert(6, record(6, 6)); // For two topics.
    assert_eq!(publisher.publish(more).await?.await?.len(), 11);
    let manifests = manifests(dir.path())?;
    let records: Vec<&Value> = manifests.iter().map(|manifest| &manifest["all"]["records"]).collect();
    assert_eq!(
        records,
        [&json!(3), &json!(4)],
        "what comes together is not put in two files that could be one"
    );
    let lines: Vec<String> = visible(dir.path())?
        .into_iter()
        .filter(|(name, _)| name.ends_with(".ndjson"))
        .flat_map(|(_, text)| String::from_utf8_lossy(&text).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let expected: Vec<String> =
        (1..=7).map(|no| String::from_utf8_lossy(&record(no, no).body).into_owned()).collect();
    assert_eq!(lines, expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_closed_when_it_has_its_bytes() -> Result {
    let dir = tempfile::tempdir()?;
    let one = u64::try_from(record(1, 1).body.len() + 1)?;
    let target = |max_bytes| {
        let settings = Settings { max_bytes, ..settings(dir.path(), Format::Ndjson, 100) };
        Target::new(settings, Arc::new(At(Timestamp::UNIX_EPOCH)))
    };
    // Of records that are alike: three make a file full, since two are not, and one that is too large is a file alone.
    for (max_bytes, expected) in [(3 * one - 1, &[3, 3][..]), (1, &[1, 1, 1, 1, 1, 1])] {
        let records = vec![1, 3, 7, 9, 11, 13].into_iter().map(|no| record(no, 1)).collect();
        drop(target(max_bytes).connect().await?.publish(records).await?);
        let handed = manifests(dir.path())?;
        let counts: Vec<&Value> = handed.iter().map(|manifest| &manifest["all"]["records"]).collect();
        assert_eq!(
            counts,
            expected.iter().map(|count| json!(count)).collect::<Vec<_>>().iter().collect::<Vec<_>>()
        );
        for (name, _) in visible(dir.path())? {
            fs::remove_file(dir.path().join(name))?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_closed_when_it_is_old_enough_also_while_nothing_comes() -> Result {
    let dir = tempfile::tempdir()?;
    let now = Timestamp::UNIX_EPOCH;
    let mut publisher = target(dir.path(), Format::Ndjson, 100, now).connect().await?;
    drop(publisher.publish(vec![record(1, 1)]).await?);
    drop(publisher);
    // An hour less a moment later it is still open, and closes by itself.
    let later = now + Duration::from_millis(3_599_900);
    let mut publisher = target(dir.path(), Format::Ndjson, 100, later).connect().await?;
    assert!(visible(dir.path())?.is_empty());
    let wait = async {
        while visible(dir.path())?.len() < 2 {
            // Whoever waits may stop waiting at any time.
            let _ = tokio::time::timeout(Duration::from_millis(5), publisher.changed()).await;
        }
        Result::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await??;
    assert_eq!(manifests(dir.path())?[0]["all"], json!({"records": 1, "ore": "1", "kr": "0.01"}));
    Ok(())
}

/// Every state in which a crash can leave the folder: the next start makes the same file of it, and no reader ever sees a
/// manifest without its whole file.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_step_leaves_nothing_half_and_loses_nothing() -> Result {
    for format in [Format::Ndjson, Format::Csv, Format::Parquet] {
        let dir = tempfile::tempdir()?;
        let mut publisher = target(dir.path(), format, 100, Timestamp::UNIX_EPOCH).connect().await?;
        drop(publisher.publish((1..=20).map(|no| record(no, no)).collect()).await?);
        drop(publisher);
        let mut files = fs::read_dir(dir.path())?.filter_map(|entry| Some(entry.ok()?.path()));
        let open =
            files.find(|path| path.extension().is_some_and(|end| end == "open")).ok_or("the open file")?;
        let whole = fs::read(&open)?;
        let later = Timestamp::UNIX_EPOCH + Duration::from_secs(3_600);
        drop(target(dir.path(), format, 100, later).connect().await?);
        assert!(!open.exists());
        let right = visible(dir.path())?;
        assert_eq!(manifests(dir.path())?[0]["all"]["records"], 20);

        let [data, manifest] =
            [0, 1].map(|no| right.iter().find(|(name, _)| name.contains(".manifest.") == (no == 1)));
        let (data, manifest) = data.zip(manifest).ok_or("both are there")?;
        let hidden = |what: &str| {
            format!(".{}.{what}.tmp", data.0.trim_end_matches(&format!(".{}", format.extension())))
        };
        let (hidden_data, hidden_manifest) = (hidden("data"), hidden("manifest"));
        let half = &data.1[..data.1.len() / 2];
        // What there is beside the open file when it dies.
        let states: [Vec<(&str, &[u8])>; 6] = [
            vec![],
            vec![(&hidden_data, half)],
            vec![(&hidden_data, &data.1), (&hidden_manifest, b"{")],
            vec![(&data.0, &data.1), (&hidden_manifest, &manifest.1)],
            vec![(&data.0, &data.1)],
            vec![(&data.0, &data.1), (&manifest.0, &manifest.1)],
        ];
        for (no, state) in states.iter().enumerate() {
            for entry in fs::read_dir(dir.path())? {
                fs::remove_file(entry?.path())?;
            }
            // The last line may be torn, and nobody was told that it is there.
            let torn = if no == 0 { [&whole[..], b"{\"source\":\"op"].concat() } else { whole.clone() };
            fs::write(&open, torn)?;
            for (name, content) in state {
                fs::write(dir.path().join(name), content)?;
            }
            drop(target(dir.path(), format, 100, later).connect().await?);
            assert_eq!(visible(dir.path())?, right, "{format}, state {no}");
            assert!(!open.exists(), "{format}, state {no}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_an_lis_have_months_and_pseudonyms() -> Result {
    let line = json!({"source": "opus", "posting": "ab", "revision": 2, "change": "tag", "decision": "tagged", "month": "2026-03",
        "account": "5.28.21", "amount": "10.00", "family": "01", "citizen": null, "tag": {"solution": "sb", "phase": "during",
        "basis": "account", "area": "a", "kind": null, "side": "inside", "grants": "area", "pays": "area",
        "parts": [{"area": "a", "weight": 1, "amount": "10.00"}], "split": null, "flags": []}});
    let record = rows::Record::read(line.to_string().as_bytes())?;
    let mut out = Vec::new();
    let rows = csv::write(&mut out, Columns::Lis, std::iter::once(io::Result::Ok((String::new(), record))))?;
    let text = String::from_utf8(out)?;
    let expected = "\u{feff}source;posting;revision;change;month;account;amount;solution;family;citizen;phase;basis;area;\
                    kind;side;grants;pays;split;flags;parts;part;part_area;part_weight;part_amount\r\n\
                    opus;ab;2;tag;2026-03;5.28.21;10,00;sb;01;;during;account;a;;inside;area;area;;;1;1;a;1;10,00\r\n";
    assert_eq!((rows, text.as_str()), (1, expected));
    Ok(())
}
