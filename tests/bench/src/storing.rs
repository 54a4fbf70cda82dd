//! Taking postings in with all that they cause, in one transaction a batch over the real store, and what delivery reads.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use samspor_domain::store::{PostingNo, PostingRow, Reach, Seq};
use samspor_domain::{Charts, Delivery, Encode as _, LedgerRecord, Record, Text};
use samspor_engine::{Became, Core, Intake, Permissions, Prepared, newest_tag};
use samspor_formats::json;
use samspor_sqlite::Sqlite;
use samspor_vault::{Master, Vault};
use tempfile::TempDir;

use crate::{Listed, Round, Work};

pub(crate) const STAGES: [Listed; 4] = [
    ("take-in-untagged", || taking_in(Whom::Others)),
    ("take-in-tagged", || taking_in(Whom::Enrolled)),
    ("read-feed", reading),
    ("encode-record", encoding),
];

/// Postings in one batch, as the broker hands them over.
const BATCH: usize = 500;
/// Citizens who are enrolled, and others.
const ENROLLED: usize = 1_000;
const OTHERS: usize = 20_000;

/// About whom postings are.
#[derive(Clone, Copy)]
pub(crate) enum Whom {
    Enrolled,
    Others,
}

/// What receives, decides and stores, without queues.
pub(crate) struct Gateway {
    pub(crate) core: Core,
    vault: Arc<Vault>,
    intake: Intake,
    /// Batches that are decoded, the next one last.
    batches: Vec<Vec<Prepared>>,
    /// How many postings there have been.
    count: usize,
    // Dropped last.
    _dir: TempDir,
}

pub(crate) fn vault() -> Result<Arc<Vault>> {
    Ok(Arc::new(Vault::new(&Master::from_hex(&"5a".repeat(32))?)))
}

impl Gateway {
    /// One with a solution, in which some citizens are enrolled.
    pub(crate) fn open() -> Result<Self> {
        let (dir, vault) = (tempfile::tempdir()?, vault()?);
        let store = Box::new(Sqlite::open(dir.path())?);
        let core = Core::open(store, Arc::clone(&vault), Charts::default(), BATCH)?;
        let intake = Intake {
            source: Text::new("opus")?,
            decoder: Arc::new(json::Decoder),
            may_send: Permissions::all(),
            max_body_bytes: 100_000,
        };
        let mut gateway = Self { core, vault, intake, batches: Vec::new(), count: 0, _dir: dir };
        let solution = r#"{"type":"solution","id":"bench","version":1,"name":"Bench","ceiling":"25000.00"}"#;
        let facts = std::iter::once(solution.to_owned()).chain((0..ENROLLED).flat_map(enrolled));
        let facts = facts.flat_map(|body| gateway.decode(body)).collect();
        gateway.batches.push(facts);
        gateway.take_in()?;
        Ok(gateway)
    }

    fn decode(&self, body: String) -> Vec<Prepared> {
        self.intake.prepare(&Delivery { body: body.into(), ..Delivery::default() })
    }

    pub(crate) fn prepare(&mut self, whom: Whom, batches: usize) -> Result<()> {
        self.batches.clear();
        for _ in 0..batches {
            let batch =
                (self.count..self.count + BATCH).flat_map(|i| self.decode(posting(whom, i))).collect();
            self.batches.push(batch);
            self.count += BATCH;
        }
        self.batches.reverse();
        Ok(())
    }

    pub(crate) fn take_in(&mut self) -> Result<()> {
        let batch = self.batches.pop().context("no batch is prepared")?;
        let became = self.core.take_in(&batch, Timestamp::UNIX_EPOCH)?;
        ensure!(became.iter().all(|became| matches!(became, Became::Posting | Became::Fact)), "{became:?}");
        Ok(())
    }

    pub(crate) fn postings(&mut self) -> Result<Vec<PostingRow>> {
        Ok(self.core.store().postings(&Reach::All, PostingNo(0), BATCH)?)
    }
}

fn taking_in(whom: Whom) -> Result<Work> {
    struct TakingIn(Gateway, Whom);
    impl Round for TakingIn {
        fn prepare(&mut self, rounds: usize) -> Result<()> {
            self.0.prepare(self.1, rounds)
        }
        fn run(&mut self) -> Result<()> {
            self.0.take_in()
        }
    }
    Ok(Work::new(BATCH, None, TakingIn(Gateway::open()?, whom)))
}

fn reading() -> Result<Work> {
    let mut gateway = Gateway::open()?;
    gateway.prepare(Whom::Enrolled, 1)?;
    gateway.take_in()?;
    let mut reader = gateway.core.store().reader()?;
    Ok(Work::new(BATCH, None, move || {
        let read = reader.newest_after(Seq(0), BATCH)?;
        ensure!(read.len() == BATCH, "only {} records were read", read.len());
        black_box((&gateway.count, read));
        Ok(())
    }))
}

fn encoding() -> Result<Work> {
    let mut gateway = Gateway::open()?;
    gateway.prepare(Whom::Enrolled, 1)?;
    gateway.take_in()?;
    let mut records = Vec::new();
    for (row, posting) in gateway.core.store().newest_after(Seq(0), BATCH)? {
        let tag = newest_tag(gateway.core.store(), &gateway.vault, posting.no)?;
        let said = posting.posting;
        records.push(Record::Ledger(LedgerRecord {
            source: gateway.intake.source.clone(),
            posting: said.id,
            revision: row.revision,
            change: samspor_domain::Change::Tag,
            date: said.date,
            account: said.account,
            amount: said.amount,
            voucher: said.voucher,
            tag,
            cause: row.cause,
            registered: row.registered,
        }));
    }
    let bytes = records.iter().map(|record| json::Encoder.encode(record).len()).sum();
    Ok(Work::new(records.len(), Some(bytes), move || {
        for record in &records {
            black_box(json::Encoder.encode(black_box(record)));
        }
        Ok(())
    }))
}

/// A replacement number, which nobody has: day + 60, born in the twentieth century.
fn cpr(citizen: usize) -> String {
    let (day, month, year) = (61 + citizen % 28, 1 + citizen / 28 % 12, citizen / 336 % 100);
    format!("{day:02}{month:02}{year:02}{:04}", citizen / 33_600 % 4_000)
}

fn enrolled(i: usize) -> [String; 2] {
    let cpr = cpr(i);
    [
        format!(
            r#"{{"type":"consent","id":"C-{i}","version":1,"citizen":{{"cpr":"{cpr}"}},"sources":["opus"],"covers_from":"2020-01-01"}}"#
        ),
        format!(
            r#"{{"type":"enrolment","id":"E-{i}","version":1,"solution":"bench","family":"F-{i}","citizen":{{"cpr":"{cpr}"}},"from":"2025-01-01"}}"#
        ),
    ]
}

fn posting(whom: Whom, i: usize) -> String {
    let citizen = match whom {
        Whom::Enrolled => i * 7 % ENROLLED,
        // They come again as they do over months, and not one after the other.
        Whom::Others => ENROLLED + i * 7_919 % OTHERS,
    };
    let (day, amount, cpr, fill) = (1 + i % 28, 100 + i % 9_000, cpr(citizen), "x".repeat(650));
    format!(
        r#"{{"type":"posting","id":"P-{i:07}","date":"2026-03-{day:02}","account":"01005-528211003-015031-529CPR---","amount":"{amount}.50","citizen":{{"cpr":"{cpr}"}},"voucher":"V-{i:07}","text":"{fill}"}}"#
    )
}
