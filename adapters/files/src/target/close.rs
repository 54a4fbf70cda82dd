//! Closing a file: from the open one to one in the wanted format, with a manifest. First the file gets its name, then the
//! manifest gets its own: whoever sees a manifest finds the whole file that it tells of.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::chain::Link;
use super::manifest::{Manifest, Totals};
use super::rows::Record;
use super::whose::Name;
use super::{Format, Settings, csv, parquet};
use crate::place;

/// Hands an open file over. Done again after a crash in the middle, it does the same under the same names.
pub(super) fn hand_over(settings: &Settings, open: &Name, format: Format, now: Timestamp) -> io::Result<()> {
    let stem = open.stem.as_str();
    let hidden = |what: &str| settings.dir.join(format!(".{stem}.{what}.tmp"));
    let name = format!("{stem}.{}", format.extension());
    let mut records = Records {
        lines: BufReader::new(File::open(open.path(&settings.dir))?).lines(),
        totals: Totals::default(),
    };
    let mut out =
        Counted { inner: BufWriter::new(File::create(hidden("data"))?), hash: Sha256::new(), bytes: 0 };
    let rows = match format {
        Format::Ndjson => {
            for record in records.by_ref() {
                out.write_all(record?.0.as_bytes())?;
                out.write_all(b"\n")?;
            }
            None
        }
        Format::Csv => Some(csv::write(&mut out, settings.columns, &mut records)?),
        Format::Parquet => Some(parquet::write(&mut out, settings.columns, &mut records)?),
    };
    out.inner.into_inner()?.sync_all()?;
    let link = Link::next(settings, stem)?;
    let manifest = Manifest {
        link: &link,
        file: &name,
        format,
        columns: rows.map(|_| settings.columns),
        rows,
        bytes: out.bytes,
        sha256: hex::encode(out.hash.finalize()),
        totals: &records.totals,
        begun: super::open::begun(stem),
        closed: now,
    };
    let manifest = manifest.to_json()?;
    let mut file = File::create(hidden("manifest"))?;
    file.write_all(&manifest)?;
    file.sync_all()?;
    link.keep(settings, &manifest)?;
    fs::rename(hidden("data"), settings.dir.join(&name))?;
    place::sync(&settings.dir)?;
    fs::rename(hidden("manifest"), manifest_path(settings, stem))?;
    place::sync(&settings.dir)?;
    forget(settings, open)
}

/// Whether a file of that name was handed over, as far as can be seen: its reader may have taken it away.
pub(super) fn is_handed_over(settings: &Settings, stem: &str) -> io::Result<bool> {
    Ok(place::look_at(&manifest_path(settings, stem))?.is_some())
}

/// Takes the open file away, whose records are handed over.
pub(super) fn forget(settings: &Settings, open: &Name) -> io::Result<()> {
    fs::remove_file(open.path(&settings.dir))?;
    place::sync(&settings.dir)
}

fn manifest_path(settings: &Settings, stem: &str) -> PathBuf {
    settings.dir.join(format!("{stem}.manifest.json"))
}

/// The records of an open file: each as its line and as what that says. They are added up as they pass.
pub(super) struct Records {
    lines: io::Lines<BufReader<File>>,
    totals: Totals,
}

impl Iterator for Records {
    type Item = io::Result<(String, Record)>;
    fn next(&mut self) -> Option<Self::Item> {
        let line = self.lines.next()?;
        Some(line.and_then(|line| {
            let record = Record::read(line.as_bytes())?;
            self.totals.add(&record);
            Ok((line, record))
        }))
    }
}

/// Counts and hashes what is written.
pub(super) struct Counted {
    inner: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += u64::try_from(written).unwrap_or(u64::MAX);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
