//! The open file: records as they come, one a line. What is in it survives a crash, and is found at the next start.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use samspor_domain::{Clock, LinkError, Outgoing};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::rows::Key;
use super::whose::{Bond, Name};
use super::{Format, Settings, chain, close};
use crate::{failed, place};

/// Whoever writes into the folder holds a lock on this.
const LOCK: &str = ".samspor.lock";

/// The time in a name, to the microsecond, so that names follow each other.
const TIME: &str = "%Y%m%dT%H%M%S%.6fZ";

/// The open file, if there is one, and what makes one.
pub(super) struct Spool {
    settings: Arc<Settings>,
    clock: Arc<dyn Clock>,
    open: Option<Open>,
    /// Held for as long as this lives: what somebody else still closes must not be written to.
    _lock: File,
}

struct Open {
    file: File,
    name: Name,
    /// What it is to be handed over in.
    format: Format,
    /// How much of it is whole and safe.
    length: u64,
    /// The records in it.
    records: BTreeSet<Known>,
    due: Instant,
}

/// By which a record is known: its message id, and a digest of its line. Under another filter another line may have the id.
type Known = (String, [u8; 32]);

fn line_length(record: &Outgoing) -> u64 {
    u64::try_from(record.body.len()).unwrap_or(u64::MAX).saturating_add(1)
}

fn known(message_id: String, line: &[u8]) -> Known {
    (message_id, Sha256::digest(line).into())
}

impl Spool {
    /// Begins with nothing: all records of the target come, those too that an earlier one of its name has left open.
    pub(super) fn anew(settings: Arc<Settings>, clock: Arc<dyn Clock>) -> Result<Self, LinkError> {
        let doing =
            format!("taking away what an earlier target left open in the folder {}", settings.dir.display());
        let _lock = lock(&settings.dir)?;
        let spool = Self { settings, clock, open: None, _lock };
        for name in spool.left_open().map_err(|error| failed(doing.clone(), error))? {
            if name.bond(&spool.settings) == Bond::Other {
                spool.leave();
                continue;
            }
            close::forget(&spool.settings, &name).map_err(|error| failed(doing.clone(), error))?;
            tracing::info!(folder = %spool.settings.dir.display(),
                "the target begins anew: an open file of an earlier one was taken away");
        }
        chain::forget(&spool.settings).map_err(|error| failed(doing, error))?;
        Ok(spool)
    }

    /// What an earlier run left open is gone on with, or closed if it is time.
    pub(super) fn recover(settings: Arc<Settings>, clock: Arc<dyn Clock>) -> Result<Self, LinkError> {
        let doing = format!("going on with the open file in the folder {}", settings.dir.display());
        let _lock = lock(&settings.dir)?;
        let mut spool = Self { settings, clock, open: None, _lock };
        let names = spool.left_open().map_err(|error| failed(doing.clone(), error))?;
        for name in names {
            let Bond::Own(format) = name.bond(&spool.settings) else {
                spool.leave();
                continue;
            };
            // One target writes one file at a time; of several, a prefix was changed or the clock set back.
            spool.close()?;
            if close::is_handed_over(&spool.settings, &name.stem)
                .map_err(|error| failed(doing.clone(), error))?
            {
                close::forget(&spool.settings, &name).map_err(|error| failed(doing.clone(), error))?;
                continue;
            }
            spool.open = spool.reopen(name, format).map_err(|error| failed(doing.clone(), error))?;
        }
        if spool.open.as_ref().is_some_and(|open| open.format != spool.settings.format) {
            spool.close()?;
        }
        spool.close_if_due()?;
        Ok(spool)
    }

    /// Leaves an open file alone that holds what was meant for others.
    fn leave(&self) {
        tracing::warn!(folder = %self.settings.dir.display(),
            "an open file lies here whose records are not this target's as it is now: another target's, or of another \
             audience or filter; it is left alone");
    }

    /// When the open file is to be closed.
    pub(super) fn due(&self) -> Option<Instant> {
        self.open.as_ref().map(|open| if self.is_full(open) { Instant::now() } else { open.due })
    }

    /// Closes the open file, if it is full or old enough.
    pub(super) fn close_if_due(&mut self) -> Result<(), LinkError> {
        if self.due().is_some_and(|due| due <= Instant::now()) { self.close() } else { Ok(()) }
    }

    /// Makes records safe in the open file. A record that is in it already, or that comes as several messages for several
    /// topics, is in it once. What comes together is in one file, as long as it fits in: were a part of it handed over and
    /// the rest not safe, that part would come again, in another file.
    pub(super) fn append(&mut self, messages: Vec<Outgoing>) -> Result<(), LinkError> {
        let mut last: Option<Outgoing> = None;
        let mut records = Vec::with_capacity(messages.len());
        for message in messages {
            // Of one record the last message is the one that holds now. Without topics each is a record of its own.
            let is_same = |last: &Outgoing| last.message_id == message.message_id && message.topic.is_some();
            records.extend(last.take().filter(|last| !is_same(last)));
            last = Some(message);
        }
        records.extend(last);
        if let Some(open) = &self.open {
            let is_new =
                |record: &Outgoing| !open.records.contains(&known(record.message_id.clone(), &record.body));
            records.retain(is_new);
            let bytes: u64 = records.iter().map(line_length).sum();
            if open.records.len() + records.len() > self.settings.max_records
                || open.length.saturating_add(bytes) > self.settings.max_bytes
            {
                self.close()?;
            }
        }
        let mut records = records.into_iter().peekable();
        while records.peek().is_some() {
            self.append_some(&mut records)?;
            self.close_if_due()?;
        }
        Ok(())
    }

    fn append_some(&mut self, records: &mut impl Iterator<Item = Outgoing>) -> Result<(), LinkError> {
        let doing = |settings: &Settings| {
            let dir = settings.dir.display();
            format!("writing to the open file in the folder {dir} (is there room?)")
        };
        let max_records = self.settings.max_records.max(1);
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let begun = begin(&self.settings, self.clock.now());
                none.insert(begun.map_err(|error| failed(doing(&self.settings), error))?)
            }
        };
        let (mut lines, mut added) = (Vec::new(), Vec::new());
        let mut length = open.length;
        while open.records.len() < max_records
            && (length < self.settings.max_bytes || open.records.is_empty())
            && let Some(record) = records.next()
        {
            length = length.saturating_add(line_length(&record));
            let known = known(record.message_id, &record.body);
            if open.records.insert(known.clone()) {
                added.push(known);
                lines.extend_from_slice(&record.body);
                lines.push(b'\n');
            }
        }
        let written = open.file.write_all(&lines).and_then(|()| open.file.sync_data());
        written.map_err(|error| {
            // None of them counts, so none of them stays. Where that fails too, those that are whole are found again.
            let _ = open.file.set_len(open.length).and_then(|()| open.file.sync_data());
            for known in added {
                open.records.remove(&known);
            }
            failed(doing(&self.settings), error)
        })?;
        open.length += u64::try_from(lines.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Closes the open file, if there is one: it is handed over in its format, with a manifest.
    fn close(&mut self) -> Result<(), LinkError> {
        let Some(open) = &self.open else { return Ok(()) };
        let dir = self.settings.dir.display();
        close::hand_over(&self.settings, &open.name, open.format, self.clock.now())
            .map_err(|error| failed(format!("closing a file in the folder {dir} (is there room?)"), error))?;
        self.open = None;
        Ok(())
    }

    fn is_full(&self, open: &Open) -> bool {
        open.records.len() >= self.settings.max_records.max(1) || open.length >= self.settings.max_bytes
    }

    /// The names of all that is open, the oldest first.
    fn left_open(&self) -> io::Result<BTreeSet<Name>> {
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(&self.settings.dir)? {
            names.extend(Name::read(&entry?.file_name()));
        }
        Ok(names)
    }

    /// Goes on with an open file. One without a record is taken away.
    fn reopen(&self, name: Name, format: Format) -> io::Result<Option<Open>> {
        let path = name.path(&self.settings.dir);
        let file = OpenOptions::new().read(true).append(true).open(&path)?;
        let (mut lines, mut line) = (BufReader::new(&file), Vec::new());
        let (mut records, mut length) = (BTreeSet::new(), 0);
        // A crash may have left a piece of a line at the end, which nobody was told is there.
        while lines.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            records.insert(known(Key::of(&line)?.message_id(), &line[..line.len() - 1]));
            length += u64::try_from(line.len()).unwrap_or(u64::MAX);
            line.clear();
        }
        if records.is_empty() {
            close::forget(&self.settings, &name)?;
            return Ok(None);
        }
        file.set_len(length)?;
        file.sync_all()?;
        place::sync(&self.settings.dir)?;
        // A clock that was set back does not hold it open for longer.
        let age = begun(&name.stem).map_or(self.settings.max_age, |begun| {
            Duration::try_from(self.clock.now().duration_since(begun)).unwrap_or_default()
        });
        let due = Instant::now() + self.settings.max_age.saturating_sub(age);
        Ok(Some(Open { file, name, format, length, records, due }))
    }
}

/// Sees to it that nobody else writes into a folder: another gateway, or what is left of an earlier connection.
fn lock(dir: &Path) -> Result<File, LinkError> {
    let doing = || format!("locking the folder {} (does another gateway put files there?)", dir.display());
    let lock = File::options().create(true).append(true).open(dir.join(LOCK));
    let lock = lock.map_err(|error| failed(doing(), error))?;
    lock.try_lock().map_err(|error| failed(doing(), error))?;
    Ok(lock)
}

/// Begins a file under a name that no other has or had.
fn begin(settings: &Settings, now: Timestamp) -> io::Result<Open> {
    let mut at = now;
    let (name, file) = loop {
        let name = Name::new(settings, format!("{}-{}", settings.prefix.0, at.strftime(TIME)));
        if !close::is_handed_over(settings, &name.stem)? {
            let made = OpenOptions::new().append(true).create_new(true).open(name.path(&settings.dir));
            match made {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => break (name, made?),
            }
        }
        at = at.checked_add(Duration::from_micros(1)).map_err(io::Error::other)?;
    };
    place::sync(&settings.dir)?;
    let due = Instant::now() + settings.max_age;
    Ok(Open { file, name, format: settings.format, length: 0, records: BTreeSet::new(), due })
}

/// When a file was begun, by its name.
pub(super) fn begun(stem: &str) -> Option<Timestamp> {
    let (_, time) = stem.rsplit_once('-')?;
    let time = jiff::civil::DateTime::strptime(TIME, time).ok()?;
    time.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}
