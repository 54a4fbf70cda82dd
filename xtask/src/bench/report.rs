//! The figures of a run: as a table, as JSON, and as `docs/performance.md` with its plots.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;

use super::arena::{Filled, Moved};
use super::contender::Contender;
use super::latency::Latency;
use super::load::Load;
use super::{Options, plot};
use crate::soak::{commit, machine, now};

/// What came of a run.
#[derive(Debug, Serialize)]
pub(super) struct Bench {
    /// When it began, in UTC.
    began: String,
    commit: String,
    /// Processors, and memory in GiB.
    machine: (usize, u64),
    /// Postings a round.
    postings: usize,
    load: Load,
    /// Messages a second at which latency was measured.
    rate: usize,
    /// What it took to fill the gateway's store before the run.
    filled: Filled,
    pub(super) rounds: Vec<Round>,
    pub(super) delays: Vec<Delays>,
}

/// One contender in one round.
#[derive(Debug, Serialize)]
pub(super) struct Round {
    pub(super) contender: &'static str,
    pub(super) round: usize,
    pub(super) per_second: f64,
    /// Seconds of its processor time, and of the broker's, for 100,000 messages.
    pub(super) cpu_s: f64,
    pub(super) broker_cpu_s: f64,
    /// The most memory that it had.
    pub(super) peak_mib: f64,
    /// Bytes that it had written to disk, for a message.
    pub(super) written: f64,
}

impl Round {
    pub(super) fn of(contender: Contender, round: usize, moved: Moved) -> Self {
        let Moved { per_second, cpu_s, broker_cpu_s, peak_mib, written } = moved;
        Self { contender: contender.name(), round, per_second, cpu_s, broker_cpu_s, peak_mib, written }
    }
}

/// One contender's latency in one round.
#[derive(Debug, Serialize)]
pub(super) struct Delays {
    pub(super) contender: &'static str,
    pub(super) round: usize,
    pub(super) latency: Latency,
}

const HEAD: [&str; 9] = [
    "contender",
    "messages/s, median (least – most)",
    "of the forwarder",
    "of the shovel",
    "its CPU s per 100,000",
    "the broker's",
    "peak MiB",
    "bytes written a message",
    "latency p50 / p99, ms",
];

impl Bench {
    pub(super) fn new(options: &Options, load: Load, filled: Filled) -> Self {
        let Options { postings, rate, .. } = *options;
        let (rounds, delays) = Default::default();
        Self {
            began: now(),
            commit: commit(),
            machine: machine(),
            postings,
            load,
            rate,
            filled,
            rounds,
            delays,
        }
    }

    /// What one contender's rounds gave, in order of the rounds.
    fn of(&self, contender: Contender, figure: impl Fn(&Round) -> f64) -> Vec<f64> {
        self.rounds.iter().filter(|round| round.contender == contender.name()).map(figure).collect()
    }

    fn rates(&self, contender: Contender) -> Vec<f64> {
        self.of(contender, |round| round.per_second)
    }

    /// The median of the rounds' ratios, since a machine may be slower in one round than in another.
    #[expect(clippy::float_arithmetic, reason = "rates are measurements, not money")]
    fn ratio(&self, contender: Contender, to: Contender) -> Option<f64> {
        let pairs = self.rates(contender).into_iter().zip(self.rates(to));
        median(pairs.map(|(a, b)| a / b).collect())
    }

    fn delay(&self, contender: Contender, figure: impl Fn(&Latency) -> u64) -> Option<f64> {
        let of = self.delays.iter().filter(|delays| delays.contender == contender.name());
        median(of.map(|delays| figure(&delays.latency) as f64).collect())
    }

    #[expect(clippy::float_arithmetic, reason = "latencies are measurements, not money")]
    fn cells(&self, contender: Contender) -> Option<[String; 9]> {
        let rates = self.rates(contender);
        let number =
            |figure: Option<f64>, digits: usize| figure.map_or("–".to_owned(), |f| format!("{f:.digits$}"));
        let (least, most) =
            (rates.iter().copied().reduce(f64::min)?, rates.iter().copied().reduce(f64::max)?);
        let rate = median(rates)?;
        let own =
            |figure: Option<f64>, digits| number(figure.filter(|_| contender != Contender::Shovel), digits);
        let delays =
            self.delay(contender, |latency| latency.p50).zip(self.delay(contender, |latency| latency.p99));
        let delays = delays.map(|(half, most)| format!("{:.1} / {:.1}", half / 1e3, most / 1e3));
        Some([
            contender.title().to_owned(),
            format!("{rate:.0} ({least:.0} – {most:.0})"),
            number(self.ratio(contender, Contender::Forwarder), 2),
            number(self.ratio(contender, Contender::Shovel), 2),
            own(median(self.of(contender, |round| round.cpu_s)), 2),
            number(median(self.of(contender, |round| round.broker_cpu_s)), 2),
            own(median(self.of(contender, |round| round.peak_mib)), 0),
            own(median(self.of(contender, |round| round.written)), 0),
            delays.unwrap_or_else(|| "–".to_owned()),
        ])
    }

    /// For a terminal.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_header(HEAD);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for contender in Contender::ALL {
            if let Some(cells) = self.cells(contender) {
                table.add_row(cells);
            }
        }
        table
    }

    /// Writes the page, its plots and the figures beside them.
    pub(super) fn write(&self, docs: &Path) -> Result<()> {
        let dir = docs.join("performance");
        std::fs::create_dir_all(&dir)?;
        std::fs::write(dir.join("bench.json"), serde_json::to_string_pretty(self)? + "\n")?;
        let shown: Vec<Contender> =
            Contender::ALL.into_iter().filter(|contender| !self.rates(*contender).is_empty()).collect();
        let rates: Vec<plot::Bar> =
            shown.iter().map(|contender| plot::Bar::of(contender.title(), self.rates(*contender))).collect();
        plot::bars(&dir.join("throughput.svg"), "messages a second", &rates)?;
        std::fs::write(docs.join("performance.md"), self.page())?;
        Ok(())
    }

    #[expect(clippy::float_arithmetic, reason = "sizes are measurements, not money")]
    fn page(&self) -> String {
        let mut page = String::from(
            "# Performance\n\n<!-- Made by `cargo xtask bench`; change xtask/src/bench/report.rs instead. -->\n\n\
             What it costs to do the gateway's work, beside what it costs to move the bytes. Every contender takes the same \
             messages from a full queue and hands them to another one, on the same private RabbitMQ node, in turn; quorum \
             queues, persistent, mandatory, confirmed, prefetch 1,000. Read the ratios: they are of one run, the median of \
             the rounds' own ratios, and machines differ.\n\n",
        );
        let (processors, memory) = self.machine;
        let _ = writeln!(
            page,
            "{}, commit {}, {processors} processors shared with the broker, {memory} GiB of memory. {} postings a round, \
             bodies of {} bytes, {} enrolled citizens, {} postings in the gateway's store before each round. Latency at {} \
             messages a second, from when a message was due until it arrived.\n",
            self.began,
            self.commit,
            self.postings,
            self.load.body,
            self.load.enrolled,
            self.load.before,
            self.rate
        );
        let _ = writeln!(page, "| {} |\n|---|{}", HEAD.join(" | "), "--:|".repeat(HEAD.len() - 1));
        for cells in Contender::ALL.into_iter().filter_map(|contender| self.cells(contender)) {
            let _ = writeln!(page, "| {} |", cells.join(" | "));
        }
        let _ = write!(
            page,
            "\n![Messages a second of each contender](performance/throughput.svg)\n\n\
             `samspor replay` of the {} postings, as a whole process: {:.1} s, with at most {:.0} MiB of memory; the store then \
             has {:.0} bytes a posting, all indexes and the registry included.\n\n\
             The figures of every round are in [performance/bench.json](performance/bench.json).\n",
            self.load.before,
            self.filled.replay_s,
            self.filled.peak_mib,
            self.filled.bytes as f64 / self.load.before as f64
        );
        page
    }
}

/// The one in the middle; of none there is none.
pub(super) fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}
