//! What a process has used, from `/proc`.

use std::fs;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// What a process has used since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Usage {
    /// Processor time in seconds, of all its threads.
    pub(super) cpu_s: f64,
    /// Bytes that it caused to be written to disk.
    pub(super) written: u64,
    /// The most memory that it ever had, in KiB.
    pub(super) peak_kib: u64,
}

impl Usage {
    /// Of a process that runs.
    #[expect(clippy::float_arithmetic, reason = "processor time is a measurement, not money")]
    pub(super) fn of(process: u32) -> Result<Self> {
        let read = |what: &str| {
            let file = format!("/proc/{process}/{what}");
            fs::read_to_string(&file).with_context(|| format!("cannot read {file}: has it ended?"))
        };
        let (stat, io, status) = (read("stat")?, read("io")?, read("status")?);
        // Its name, which may hold anything, ends with the last parenthesis; the third field comes next.
        let fields: Vec<&str> = stat.rsplit_once(')').context("a stat line")?.1.split_whitespace().collect();
        let ticks = |field: usize| -> Result<f64> {
            Ok(fields.get(field - 3).context("a stat line")?.parse::<f64>()?)
        };
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        Ok(Self {
            cpu_s: (ticks(14)? + ticks(15)?) / per_second,
            written: number(&io, "write_bytes:").context("bytes written")?,
            // The broker's machine may leave it out of the picture; then there is none.
            peak_kib: number(&status, "VmHWM:").unwrap_or(0),
        })
    }

    /// What was used since an earlier look; the peak is of the whole time.
    #[expect(clippy::float_arithmetic, reason = "processor time is a measurement, not money")]
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            cpu_s: self.cpu_s - earlier.cpu_s,
            written: self.written.saturating_sub(earlier.written),
            peak_kib: self.peak_kib,
        }
    }
}

fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
