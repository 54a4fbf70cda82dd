//! `docs/performance.md`: made of the figures that the last run of each kind left beside it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::contender::Contender;
use super::curves::{Line, Panel, curves};
use super::growth::{Growth, Point, What};
use super::plot;
use super::report::{Bench, HEAD, median};
use super::stages::Stages;
use crate::build;

/// What the figures say and where the limit is, in words that no run makes.
const LIMITS: &str = include_str!("limits.md");

fn dir() -> PathBuf {
    build::root().join("docs/performance")
}

/// Keeps the figures of a run beside the page, and makes the page anew.
pub(super) fn keep(name: &str, figures: &impl Serialize) -> Result<()> {
    std::fs::create_dir_all(dir())?;
    std::fs::write(dir().join(format!("{name}.json")), serde_json::to_string_pretty(figures)? + "\n")?;
    write()
}

fn kept<T: DeserializeOwned>(name: &str) -> Result<Option<T>> {
    let path = dir().join(format!("{name}.json"));
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
    serde_json::from_str(&text).map(Some).with_context(|| format!("{} cannot be read", path.display()))
}

/// Makes the page of what is kept.
pub(super) fn write() -> Result<()> {
    let (bench, growth, stages) =
        (kept::<Bench>("bench")?, kept::<Growth>("growth")?, kept::<Stages>("stages")?);
    let mut page = String::from(
        "# Performance\n\n<!-- Made by `cargo xtask bench`, `growth` and `stages`; change xtask/src/bench instead. -->\n\n\
         What it costs to do the gateway's work, beside what it costs to move the bytes. Read the ratios: they are of one \
         run, and machines differ.\n\n",
    );
    page += &aims(bench.as_ref(), growth.as_ref(), stages.as_ref());
    page += LIMITS;
    if let Some(bench) = &bench {
        page += &beside_others(bench, &dir())?;
    }
    if let Some(growth) = &growth {
        page += &growing(growth, &dir())?;
    }
    if let Some(stages) = &stages {
        page += &stages.section();
    }
    std::fs::write(build::root().join("docs/performance.md"), page)?;
    Ok(())
}

/// What was aimed for, and what came of it.
#[expect(clippy::float_arithmetic, reason = "measurements, not money")]
fn aims(bench: Option<&Bench>, growth: Option<&Growth>, stages: Option<&Stages>) -> String {
    let ratio = |of, to| bench.and_then(|bench| bench.ratio(of, to));
    let journal = |size: usize| {
        growth?.points.iter().find(|point| point.what == What::Journal.name() && point.size == size)
    };
    let (small, middle, large) = (journal(100_000), journal(1_000_000), journal(10_000_000));
    let p99 = |contender| bench.and_then(|bench| bench.delay(contender, |latency| latency.p99));
    let both = |a: Option<f64>, b: Option<f64>, f: fn(f64, f64) -> f64| a.zip(b).map(|(a, b)| f(a, b));
    let peak = bench.and_then(|bench| median(bench.of(Contender::Tagged, |round| round.peak_mib)));
    let each = both(
        small.map(|point| point.filled.bytes as f64),
        middle.map(|point| point.filled.bytes as f64),
        |small, middle| (middle - small) / 900_000.0,
    );
    let written = |point: Option<&Point>| point.map(|point| point.twentieth.written);
    let decides = stages.and_then(|stages| stages.per_second("decide-tagged"));
    let replayed = bench.filter(|bench| bench.load.before == 1_000_000).map(|bench| bench.filled.replay_s);
    // The figure, the aim, the unit, whether more is better, and what was measured.
    let rows: [(&str, f64, &str, bool, Option<f64>); 11] = [
        (
            "every posting tagged, against the bare forwarder",
            0.85,
            "",
            true,
            ratio(Contender::Tagged, Contender::Forwarder),
        ),
        (
            "every posting tagged, against the shovel",
            1.1,
            "",
            true,
            ratio(Contender::Tagged, Contender::Shovel),
        ),
        (
            "5 % tagged, against the bare forwarder",
            1.3,
            "",
            true,
            ratio(Contender::Twentieth, Contender::Forwarder),
        ),
        (
            "latency p99 at 1,000/s, against the bare forwarder's",
            3.0,
            "",
            false,
            both(p99(Contender::Tagged), p99(Contender::Forwarder), |a, b| a / b),
        ),
        ("`decide` with lookup, one core", 1_000_000.0, "/s", true, decides),
        ("`replay` of 1,000,000 canonical postings, whole process", 15.0, " s", false, replayed),
        (
            "late enrolment, 2,000 postings in a journal of 10 million, until they are at the target",
            0.2,
            " s",
            false,
            large.map(|point| point.late_enrolment_s),
        ),
        (
            "start with 10 million postings and 10,000 enrolled, until all parts are up",
            1.0,
            " s",
            false,
            large.map(|point| point.ready_s),
        ),
        ("resident memory, 10,000 enrolled, saturated, bodies of 900 bytes", 64.0, " MiB", false, peak),
        ("disk for an untagged posting, all indexes", 200.0, " bytes", false, each),
        (
            "bytes written for a posting, 5 % tagged, at 10 million against 1 million",
            1.2,
            "",
            false,
            both(written(large), written(middle), |large, middle| large / middle),
        ),
    ];
    let mut table = String::from("| figure | aimed for | measured | |\n|---|--:|--:|---|\n");
    for (figure, aim, unit, more, measured) in rows {
        let least = if more { "≥" } else { "≤" };
        let (said, met) = match measured {
            None => ("not yet".to_owned(), ""),
            Some(value) => {
                let met = if more { value >= aim } else { value <= aim };
                (format!("{}{unit}", number(value)), if met { "met" } else { "**missed**" })
            }
        };
        let _ = writeln!(table, "| {figure} | {least} {}{unit} | {said} | {met} |", number(aim));
    }
    table + "\n"
}

fn beside_others(bench: &Bench, dir: &Path) -> Result<String> {
    let shown: Vec<Contender> =
        Contender::ALL.into_iter().filter(|contender| !bench.rates(*contender).is_empty()).collect();
    let rates: Vec<plot::Bar> =
        shown.iter().map(|contender| plot::Bar::of(contender.title(), bench.rates(*contender))).collect();
    plot::bars(&dir.join("throughput.svg"), "messages a second", &rates)?;
    let (processors, memory) = bench.machine;
    let mut page = format!(
        "## Beside others\n\nEvery contender takes the same messages from a full queue and hands them to another one, on the same \
         private RabbitMQ node, in turn; quorum queues, persistent, mandatory, confirmed, prefetch 1,000. Ratios are the \
         median of the rounds' own ratios.\n\n\
         {}, commit {}, {processors} processors shared with the broker, {memory} GiB of memory. {} postings a round, bodies of \
         {} bytes, {} enrolled citizens, {} postings in the gateway's store before each round. Latency at {} messages a \
         second, from when a message was due until it arrived.\n\n",
        bench.began,
        bench.commit,
        bench.postings,
        bench.load.body,
        bench.load.enrolled,
        bench.load.before,
        bench.rate
    );
    let _ = writeln!(page, "| {} |\n|---|{}", HEAD.join(" | "), "--:|".repeat(HEAD.len() - 1));
    for cells in Contender::ALL.into_iter().filter_map(|contender| bench.cells(contender)) {
        let _ = writeln!(page, "| {} |", cells.join(" | "));
    }
    let _ = write!(
        page,
        "\n![Messages a second of each contender](performance/throughput.svg)\n\n\
         `samspor replay` of the {} postings, as a whole process: {:.1} s, with at most {:.0} MiB of memory.\n\n\
         The figures of every round: [performance/bench.json](performance/bench.json). Again: `cargo xtask bench`.\n\n",
        bench.load.before, bench.filled.replay_s, bench.filled.peak_mib,
    );
    Ok(page)
}

fn growing(growth: &Growth, dir: &Path) -> Result<String> {
    let (processors, memory) = growth.machine;
    let mut page = format!(
        "## Growth\n\nThe gateway alone, on the same kind of queues; what does not grow stays at 100,000 postings in the journal, \
         10,000 enrolled citizens, one source, one target and bodies of 900 bytes. {}, commit {}, {processors} processors \
         shared with the broker, {memory} GiB of memory.\n\n",
        growth.began, growth.commit,
    );
    let mut of: BTreeMap<&str, Vec<&Point>> = BTreeMap::new();
    for point in &growth.points {
        of.entry(&point.what).or_default().push(point);
    }
    for what in What::ALL {
        let Some(points) = of.get(what.name()) else { continue };
        let figures = |name, figure: &dyn Fn(&Point) -> f64| Line {
            name,
            points: points.iter().map(|point| (point.size as f64, figure(point))).collect(),
        };
        let panels = [
            Panel {
                unit: "postings a second",
                lines: vec![
                    figures("all tagged", &|point| point.tagged.per_second),
                    figures("5 % tagged", &|point| point.twentieth.per_second),
                ],
            },
            Panel {
                unit: "bytes written a posting",
                lines: vec![
                    figures("all tagged", &|point| point.tagged.written),
                    figures("5 % tagged", &|point| point.twentieth.written),
                ],
            },
            Panel {
                unit: "peak memory, MiB",
                lines: vec![figures("all tagged", &|point| point.tagged.peak_mib)],
            },
        ];
        curves(&dir.join(format!("{}.svg", what.name())), what.title(), &panels)?;
        let _ = writeln!(
            page,
            "### By {}\n\n![By {}](performance/{}.svg)\n",
            what.title(),
            what.title(),
            what.name()
        );
        page += &format!(
            "| {} | all tagged, /s | 5 % tagged, /s | CPU s per 100,000, all tagged | bytes written, 5 % tagged | peak MiB | \
             start, s | late enrolment, s | store, MiB |\n|--:|{}\n",
            what.title(),
            "--:|".repeat(8)
        );
        for point in points {
            let Point { size, filled, tagged, twentieth, ready_s, late_enrolment_s, .. } = point;
            let _ = writeln!(
                page,
                "| {} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} | {ready_s:.2} | {late_enrolment_s:.2} | {} |",
                number(*size as f64),
                tagged.per_second,
                twentieth.per_second,
                tagged.cpu_s,
                twentieth.written,
                tagged.peak_mib,
                filled.bytes >> 20,
            );
        }
        page.push('\n');
    }
    page +=
        "The figures: [performance/growth.json](performance/growth.json). Again: `cargo xtask growth`.\n\n";
    Ok(page)
}

/// With commas between thousands, or two digits behind the point where it is small.
pub(super) fn number(number: f64) -> String {
    if number.abs() < 100.0 {
        return format!("{number:.2}").trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
