//! A folder on a full disk: nothing is confirmed that is not there, and nothing half is seen.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use samspor_domain::{Clock, Outgoing, TagFilter, Target as _};
use samspor_files::target::{Columns, Format, Prefix, Settings, Target};
use samspor_harness::faults::SmallDisk;
use serde_json::{Value, json};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

struct Epoch;

impl Clock for Epoch {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

fn record(no: usize) -> Outgoing {
    let body = json!({"source": "opus", "posting": format!("P-{no}"), "revision": 1, "change": "untag",
        "date": "2026-03-14", "account": "5.28.21", "amount": "10.00", "voucher": "x".repeat(2_000)});
    Outgoing {
        message_id: format!("opus:P-{no}:1"),
        topic: None,
        content_type: "application/json",
        body: body.to_string().into(),
        trace: None,
    }
}

/// The postings in the files of which there are manifests.
fn handed_over(dir: &Path) -> Result<Vec<String>> {
    let mut postings = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(".manifest.json") {
            let manifest: Value = serde_json::from_slice(&fs::read(entry.path())?)?;
            let text = fs::read_to_string(dir.join(manifest["file"].as_str().ok_or("a file")?))?;
            for line in text.lines() {
                let record: Value = serde_json::from_str(line)?;
                postings.push(record["posting"].to_string());
            }
        }
    }
    Ok(postings)
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_nothing_is_confirmed_that_is_not_there_and_nothing_is_lost() -> Result {
    const WINDOW: usize = 7;
    const WINDOWS: usize = 30;
    let Some(disk) = SmallDisk::mount(1)? else {
        println!("no file system can be mounted here: nothing was tested");
        return Ok(());
    };
    let settings = Settings {
        target: samspor_domain::Text::new("t")?,
        filter: TagFilter::default(),
        dir: disk.path().to_owned(),
        prefix: Prefix::default(),
        format: Format::Ndjson,
        columns: Columns::Ledger,
        max_records: 50,
        max_bytes: 1 << 30,
        max_age: Duration::from_secs(3_600),
    };
    let target = Target::new(settings, Arc::new(Epoch));
    let (mut refused, mut connected) = (0, None);
    for no in 0..WINDOWS {
        let records: Vec<Outgoing> = (no * WINDOW..(no + 1) * WINDOW).map(record).collect();
        if no % 5 > 1 {
            let taken = disk.fill()?;
            if no % 5 > 2 {
                // There is room for some records, and none for the file that they make full.
                fs::File::options().write(true).open(disk.path().join("filler"))?.set_len(taken - 60_000)?;
            }
        }
        let mut is_free = no % 5 < 2;
        loop {
            if connected.is_none() {
                connected = target.connect().await.ok();
            }
            let sent = match &mut connected {
                Some(publisher) => publisher.publish(records.clone()).await.is_ok(),
                None => false,
            };
            let handed = handed_over(disk.path())?;
            assert_eq!(handed.iter().collect::<BTreeSet<_>>().len(), handed.len(), "none came twice");
            if sent {
                break;
            }
            assert!(!is_free, "there is room again");
            (connected, refused) = (None, refused + 1);
            if refused % 3 == 0 {
                disk.free()?;
                is_free = true;
            }
        }
        if !is_free {
            disk.free()?;
        }
    }
    println!("refused {refused} times");
    assert!(refused >= 20, "the disk was full for {refused} tries");
    drop(connected);
    drop(target.connect().await?);
    let handed: BTreeSet<String> = handed_over(disk.path())?.into_iter().collect();
    // Seven windows to a file; the rest is in the open one.
    let expected: BTreeSet<String> = (0..28 * WINDOW).map(|no| format!("\"P-{no}\"")).collect();
    assert_eq!(handed, expected);
    Ok(())
}
