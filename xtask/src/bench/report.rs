//! The figures of a run, and the table of them.

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::{Deserialize, Serialize};

use super::Options;
use super::arena::{Filled, Moved};
use super::contender::Contender;
use super::latency::Latency;
use super::load::Load;
use crate::soak::{commit, machine, now};

/// What came of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bench {
    /// When it began, in UTC.
    pub(super) began: String,
    pub(super) commit: String,
    /// Processors, and memory in GiB.
    pub(super) machine: (usize, u64),
    /// Postings a round.
    pub(super) postings: usize,
    pub(super) load: Load,
    /// Messages a second at which latency was measured.
    pub(super) rate: usize,
    /// What it took to fill the gateway's store before the run.
    pub(super) filled: Filled,
    pub(super) rounds: Vec<Round>,
    pub(super) delays: Vec<Delays>,
}

/// One contender in one round.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Round {
    pub(super) contender: String,
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
        Self {
            contender: contender.name().to_owned(),
            round,
            per_second,
            cpu_s,
            broker_cpu_s,
            peak_mib,
            written,
        }
    }
}

/// One contender's latency in one round.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Delays {
    pub(super) contender: String,
    pub(super) round: usize,
    pub(super) latency: Latency,
}

pub(super) const HEAD: [&str; 9] = [
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
    pub(super) fn of(&self, contender: Contender, figure: impl Fn(&Round) -> f64) -> Vec<f64> {
        self.rounds.iter().filter(|round| round.contender == contender.name()).map(figure).collect()
    }

    pub(super) fn rates(&self, contender: Contender) -> Vec<f64> {
        self.of(contender, |round| round.per_second)
    }

    /// The median of the rounds' ratios, since a machine may be slower in one round than in another.
    #[expect(clippy::float_arithmetic, reason = "rates are measurements, not money")]
    pub(super) fn ratio(&self, contender: Contender, to: Contender) -> Option<f64> {
        let pairs = self.rates(contender).into_iter().zip(self.rates(to));
        median(pairs.map(|(a, b)| a / b).collect())
    }

    pub(super) fn delay(&self, contender: Contender, figure: impl Fn(&Latency) -> u64) -> Option<f64> {
        let of = self.delays.iter().filter(|delays| delays.contender == contender.name());
        median(of.map(|delays| figure(&delays.latency) as f64).collect())
    }

    #[expect(clippy::float_arithmetic, reason = "latencies are measurements, not money")]
    pub(super) fn cells(&self, contender: Contender) -> Option<[String; 9]> {
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
}

/// The one in the middle; of none there is none.
pub(super) fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}
