//! `samspor vouchers`: proposals of correction vouchers, from what the feed says now or from a list of moves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use jiff::civil::Date;
use samspor_domain::voucher::{About, Entry, LINES, MAX_RUN, Move, Name, Voucher};
use samspor_domain::{Part, Text};
use samspor_engine::Correction;
use samspor_formats::{csv, g69};
use samspor_grpc::v1;

use crate::answers::Answers;
use crate::cli::Configured;
use crate::reconcile::{kroner, table};
use crate::{FAULTY, config};

/// The store knows no such solution.
const UNKNOWN: u8 = 4;

/// What `vouchers` proposes.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Arguments {
    #[command(flatten)]
    configured: Configured,
    /// The store of a replay, instead of the configuration's own.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The solution's id.
    #[arg(long, value_name = "ID")]
    solution: Text,
    /// For the ledger of this source, where the solution's `[[vouchers]]` are told apart by their `sources`.
    #[arg(long, value_name = "NAME")]
    source: Option<Text>,
    /// Of the postings of this month.
    #[arg(long, value_name = "YYYY-MM", value_parser = month, group = "what")]
    month: Option<Date>,
    /// Of the postings of this year, a voucher for each month.
    #[arg(long, value_name = "YYYY", value_parser = clap::value_parser!(i16).range(1900..=2200), group = "what")]
    year: Option<i16>,
    /// Of the moves in this CSV file, whose columns are `from`, `to`, `amount` and `text`; the accounts as the ledger writes them.
    #[arg(long, value_name = "FILE", requires = "date", group = "what")]
    moves: Option<PathBuf>,
    /// Book them on this date, instead of the last day of each month. A month's voucher is booked within a year of its
    /// beginning.
    #[arg(long, value_name = "DATE", conflicts_with = "year")]
    date: Option<Date>,
    /// How often something was booked for the same month or date: 2 when a voucher was taken back and is proposed anew, or
    /// for a second list of one date. Each run has numbers of its own, since a ledger refuses one that it has.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_RUN)))]
    run: u8,
    /// What they are written in.
    #[arg(long)]
    format: Format,
    /// Write to this file, which must not be there yet, and which only you may read. Without it: to standard output.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What vouchers are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines of the finance format G69.
    G69,
    /// A table for a Danish spreadsheet.
    Csv,
}

fn month(text: &str) -> Result<Date, String> {
    let first = (text.len() == 7).then(|| format!("{text}-01").parse().ok()).flatten();
    first.ok_or_else(|| "expected a month such as 2026-03".to_owned())
}

/// Writes the proposals.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let file = arguments.configured.config.display();
    let solution = &arguments.solution;
    let settings = match section(&config.vouchers, solution, arguments.source.as_ref()) {
        Ok(settings) => settings,
        Err(told) => {
            eprintln!("{file} {told}");
            return Ok(ExitCode::from(FAULTY));
        }
    };
    if arguments.format == Format::G69 && settings.header.is_none() {
        eprintln!(
            "{file} does not say how lines of G69 begin: add `header` to [[vouchers]] of {}, such as \"000G69{{line}}015101NORFLYD\"",
            printed(solution)
        );
        return Ok(ExitCode::from(FAULTY));
    }
    let vouchers = if let (Some(moves), Some(date)) = (&arguments.moves, arguments.date) {
        let moves = listed(moves, settings)?;
        let name = Name::of_list(settings.machine_number, date, arguments.run);
        vec![Voucher::new(name.number, name.date, name.first_serial, moves)]
    } else {
        let (from, to) = match (arguments.month, arguments.year) {
            (Some(month), _) => (month, month.last_of_month()),
            (None, Some(year)) => (Date::new(year, 1, 1)?, Date::new(year, 12, 31)?),
            (None, None) => unreachable!("one of them is required"),
        };
        if let (Some(month), Some(date)) = (arguments.month, arguments.date)
            && Name::of_month(settings.machine_number, month, date, arguments.run).is_none()
        {
            eprintln!(
                "{date} is before the month, or a year after its beginning or more: there its lines would have the names of another month's"
            );
            return Ok(ExitCode::from(FAULTY));
        }
        let request = v1::ListCorrectionsRequest {
            solution: solution.to_string(),
            from_date: from.to_string(),
            to_date: to.to_string(),
            sources: settings.sources.iter().map(ToString::to_string).collect(),
            machine_numbers: config.vouchers.iter().map(|one| one.machine_number).collect(),
        };
        let found = Answers::of(&config, arguments.data_dir.as_deref())?.find(request)?;
        let Ok(found) = found else {
            eprintln!("the store knows no solution {}", printed(solution));
            return Ok(ExitCode::from(UNKNOWN));
        };
        let postings = found.corrections.iter().map(told).collect::<Result<Vec<_>>>();
        let postings = postings.context("what the gateway says of a posting cannot be read")?;
        let months = match proposals(&postings, settings) {
            Ok((months, in_place)) if found.unmapped.is_empty() => {
                if in_place > 0 {
                    eprintln!("{in_place} parts lie on their area's account already, and are not moved.");
                }
                months
            }
            proposed => {
                for missing in proposed.err().unwrap_or_default() {
                    eprintln!("{missing}");
                }
                for v1::UnmappedAccount { account, postings } in found.unmapped {
                    eprintln!(
                        "{postings} split postings lie on {account}, which the chart does not know, so what of them belongs elsewhere is not known: put it into the chart"
                    );
                }
                return Ok(ExitCode::from(FAULTY));
            }
        };
        if found.own_lines > 0 {
            eprintln!(
                "{} postings are lines of vouchers, and are passed over: what was moved is not shared once more.",
                found.own_lines
            );
        }
        if found.pending_work > 0 || found.held_changes > 0 {
            eprintln!(
                "Postings are still being decided again ({} steps), and {} changes of facts are held: what is proposed may change.",
                found.pending_work, found.held_changes
            );
        }
        let voucher = |(month, moves): (Date, Vec<Move>)| {
            let date = arguments.date.unwrap_or(month.last_of_month());
            let name = Name::of_month(settings.machine_number, month, date, arguments.run)?;
            Some(Voucher::new(name.number, name.date, name.first_serial, moves))
        };
        months.into_iter().filter_map(voucher).collect()
    };
    let vouchers: Vec<Voucher> = vouchers.into_iter().filter(|voucher| !voucher.lines().is_empty()).collect();
    if let Some(long) = vouchers.iter().find(|voucher| voucher.lines().len() > LINES) {
        eprintln!(
            "the voucher {} has {} lines, and there are names for {LINES}: ask for one `--source` at a time, or share the list over \
             several dates",
            long.number(),
            long.lines().len()
        );
        return Ok(ExitCode::from(FAULTY));
    }
    if vouchers.is_empty() {
        eprintln!("There is nothing to correct.");
        return Ok(ExitCode::SUCCESS);
    }
    let bytes = match (arguments.format, &settings.header) {
        (Format::G69, Some(header)) => {
            let (encoding, machine_number) = (settings.encoding, settings.machine_number);
            match g69::voucher::file(g69::voucher::Settings { header, encoding, machine_number }, &vouchers) {
                Ok(bytes) => bytes,
                Err(wrong) => {
                    for wrong in wrong {
                        eprintln!("{wrong}");
                    }
                    eprintln!(
                        "These vouchers cannot be written as G69: --format csv shows the lines by their numbers."
                    );
                    return Ok(ExitCode::from(FAULTY));
                }
            }
        }
        _ => csv::voucher::file(&vouchers),
    };
    write(arguments.out.as_deref(), &bytes)?;
    tell(&vouchers);
    Ok(ExitCode::SUCCESS)
}

/// How the vouchers of a solution, and of a source, are written; or what the configuration does not say.
fn section<'c>(
    all: &'c [config::Voucher],
    solution: &Text,
    source: Option<&Text>,
) -> Result<&'c config::Voucher, String> {
    let of: Vec<_> = all.iter().filter(|voucher| voucher.solution == *solution).collect();
    let is_for = |voucher: &&&config::Voucher| {
        source.is_none_or(|source| voucher.sources.is_empty() || voucher.sources.contains(source))
    };
    let fit: Vec<_> = of.iter().filter(is_for).collect();
    let shown = printed(solution);
    match (fit.as_slice(), source) {
        ([one], _) => Ok(one),
        ([], Some(source)) if !of.is_empty() => Err(format!(
            "does not say how vouchers of {shown} are written for {}: add it to the `sources` of its ledger's [[vouchers]]",
            printed(source)
        )),
        ([], _) => Err(format!(
            "does not say how vouchers of {shown} are written: add [[vouchers]] with solution = \"{shown}\""
        )),
        _ => Err(format!(
            "has [[vouchers]] of {shown} for several ledgers: name one of its sources with --source"
        )),
    }
}

/// A text of a fact or an argument, without what a terminal would obey.
fn printed(text: &Text) -> String {
    let seen = |c: char| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { '·' } else { c };
    text.as_str().chars().map(seen).collect()
}

/// A posting of an answer.
fn told(correction: &v1::Correction) -> Result<Correction> {
    let text = |text: &String| Ok::<_, anyhow::Error>(Text::new(text)?);
    let part = |part: &v1::RecordPart| {
        Ok(Part { area: text(&part.area)?, weight: part.weight, amount: part.amount.parse()? })
    };
    Ok(Correction {
        source: text(&correction.source)?,
        posting: text(&correction.posting)?,
        date: correction.date.parse()?,
        account: correction.account.parse()?,
        cost_centre: correction.cost_centre.as_ref().map(text).transpose()?,
        grouping: correction.grouping.as_ref().map(|grouping| grouping.parse()).transpose()?,
        area: text(&correction.area)?,
        parts: correction.parts.iter().map(part).collect::<Result<_>>()?,
    })
}

/// The moves by month, and how many parts lie where they belong.
type Proposed = (BTreeMap<Date, Vec<Move>>, usize);

/// What is to be moved; or everything that the configuration or the postings do not say.
fn proposals(postings: &[Correction], settings: &config::Voucher) -> Result<Proposed, Vec<String>> {
    let (mut months, mut in_place) = (BTreeMap::<Date, Vec<Move>>::new(), 0);
    let mut areas: BTreeMap<&Text, usize> = BTreeMap::new();
    let mut unsaid: BTreeSet<String> = BTreeSet::new();
    for posting in postings {
        let booked = settings.booked.fill(posting.account, posting.cost_centre.as_ref(), posting.grouping);
        let from = booked.unwrap_or_else(|error| {
            unsaid.insert(format!(
                "a split posting of {} on {} {error}",
                printed(&posting.source),
                posting.account
            ));
            String::new()
        });
        for part in &posting.parts {
            let Some(to) = settings.accounts.get(&part.area) else {
                *areas.entry(&part.area).or_default() += 1;
                continue;
            };
            in_place += usize::from(*to == from);
            let about = About {
                source: posting.source.clone(),
                posting: posting.posting.clone(),
                from: posting.area.clone(),
                to: part.area.clone(),
            };
            months.entry(posting.date.first_of_month()).or_default().push(Move {
                from: from.clone(),
                to: to.clone(),
                amount: part.amount,
                text: settings.text.clone(),
                about: Some(about),
            });
        }
    }
    let missing = areas.into_iter().map(|(area, parts)| {
        format!(
            "{parts} parts belong to {}, for which [[vouchers]] of {} names no account: add it to `accounts`",
            printed(area),
            printed(&settings.solution)
        )
    });
    let missing: Vec<String> = missing.chain(unsaid).collect();
    if missing.is_empty() { Ok((months, in_place)) } else { Err(missing) }
}

/// The moves of a list.
fn listed(path: &Path, settings: &config::Voucher) -> Result<Vec<Move>> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let moves = samspor_files::moves::read(file).with_context(|| path.display().to_string())?;
    let moves = moves.into_iter().enumerate().map(|(index, one)| {
        let text = if one.text.is_empty() { settings.text.clone() } else { one.text };
        ensure!(
            !samspor_domain::may_identify(&text),
            "{}, row {}: its text may name a person, and a voucher names none",
            path.display(),
            index + 1
        );
        Ok(Move { from: one.from, to: one.to, amount: one.amount, text, about: None })
    });
    moves.collect()
}

fn write(out: Option<&Path>, bytes: &[u8]) -> Result<()> {
    let Some(path) = out else {
        return std::io::stdout().lock().write_all(bytes).context("cannot write the vouchers");
    };
    // A file that is there already may be a voucher that was booked, or be readable by others.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("cannot make {}", path.display()))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a voucher looks like one, and would be in the way of the next try.
        let _ = std::fs::remove_file(path);
    }
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Says what was proposed, beside the vouchers.
fn tell(vouchers: &[Voucher]) {
    let mut shown = table(["voucher", "date", "lines", "debit", "credit"].into_iter(), 2);
    for voucher in vouchers {
        shown.add_row([
            voucher.number().to_owned(),
            voucher.date().to_string(),
            voucher.lines().len().to_string(),
            kroner(voucher.sum(Entry::Debit)),
            kroner(voucher.sum(Entry::Credit)),
        ]);
    }
    eprintln!("{}\n\nThese are proposals: nothing was sent, and nothing is kept of them.", shown.trim_fmt());
}
