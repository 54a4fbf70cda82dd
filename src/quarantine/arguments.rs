//! What `samspor quarantine` is asked.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use samspor_domain::{Reason, Text};
use samspor_grpc::v1;

use crate::cli::Configured;
use crate::recording;

/// What can be done with the quarantine.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// List the entries, oldest first: where each came from, the reason, the place and what is wrong.
    #[command(after_help = "Example: samspor quarantine list --config gateway.toml --source opus \
        --reason invalid-amount --newest")]
    List(List),
    /// Show an entry: what it is, why and where, and its body, masked.
    ///
    /// Structure and names of fields stay readable. In values every digit is shown as 9 and every letter as a or A, with
    /// length and punctuation kept, so that an amount is seen to have a comma, or a date to be the wrong way round.
    Show(Show),
    /// Count the entries by source, reason and place.
    Groups(Groups),
    /// Freeze a set of the open entries, and say what would become of them if they were released now.
    ///
    /// The running gateway decodes them again, as its sources' messages are decoded now, and changes nothing. The set has a
    /// number; what comes later is not in it. Do this when what was wrong is mended, by a configuration or by another
    /// version of the gateway.
    #[command(after_help = "Example: samspor quarantine preview --config gateway.toml --source jobcentre \
        --reason unknown-type\n         samspor quarantine preview --config gateway.toml --set 3")]
    Preview(Preview),
    /// Take in a frozen set, and nothing else.
    ///
    /// Each entry goes the way of a message that arrives now. What is still not understood stays. It may be done again, or
    /// by two at once, or cut off: each entry has its effect once.
    #[command(after_help = "Example: samspor quarantine release --config gateway.toml 3")]
    Release(Release),
    /// Discard an entry, or what is open of a frozen set, for good.
    ///
    /// Its bytes are erased. What it was is known when it comes again.
    #[command(after_help = "Example: samspor quarantine discard --config gateway.toml 17 \
        --reason \"a test message of the supplier\"")]
    Discard(Discard),
}

/// Where the entries are read.
#[derive(Debug, Args)]
pub(crate) struct Place {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// The store of a replay, instead of the configuration's own.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which entries are meant.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Those of this source.
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<Text>,
    /// Those for this reason.
    #[arg(long, value_name = "REASON", value_parser = reason())]
    pub(crate) reason: Option<Reason>,
    /// Those at this place, in which * stands for anything.
    #[arg(long, value_name = "PLACE")]
    pub(crate) path: Option<String>,
    /// Those that arrived then or later: a day, or an instant in RFC 3339; without an offset it is Danish time.
    #[arg(long, value_name = "WHEN", value_parser = from)]
    pub(crate) from: Option<Timestamp>,
    /// Those that arrived up to that day, or before that instant.
    #[arg(long, value_name = "WHEN", value_parser = to)]
    pub(crate) to: Option<Timestamp>,
}

impl Which {
    /// As a filter of those that stand so.
    pub(crate) fn filter(&self, state: v1::QuarantineState) -> v1::QuarantineFilter {
        v1::QuarantineFilter {
            source: self.source.as_ref().map(ToString::to_string),
            reason: self.reason.map(|reason| reason.word().to_owned()),
            path: self.path.clone(),
            from: self.from.map(|from| from.to_string()),
            before: self.to.map(|to| to.to_string()),
            state: state.into(),
        }
    }
}

/// How entries stand that are listed.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Stand {
    /// Nothing was done about them.
    Open,
    /// They were taken in.
    Released,
    /// Somebody discarded them.
    Discarded,
    /// Any.
    All,
}

/// What `quarantine list` lists.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) which: Which,
    /// Those that stand so.
    #[arg(long, value_enum, default_value_t = Stand::Open)]
    pub(crate) state: Stand,
    /// The newest first.
    #[arg(long)]
    pub(crate) newest: bool,
    /// Go on after the entry with this number, the last one of the page before.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) after: Option<i64>,
    /// How many at most.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
}

/// What `quarantine show` shows.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The entry's number.
    #[arg(value_name = "NUMBER")]
    pub(crate) number: i64,
}

/// What `quarantine groups` counts.
#[derive(Debug, Args)]
pub(crate) struct Groups {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) which: Which,
    /// Those that stand so.
    #[arg(long, value_enum, default_value_t = Stand::Open)]
    pub(crate) state: Stand,
}

/// What `quarantine preview` tries.
#[derive(Debug, Args)]
pub(crate) struct Preview {
    #[command(flatten)]
    pub(crate) configured: Configured,
    #[command(flatten)]
    pub(crate) which: Which,
    /// How many entries the set has at most; the oldest are taken.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(i32).range(1..=100_000))]
    pub(crate) limit: i32,
    /// Try a set again that was frozen before.
    #[arg(long, value_name = "SET", conflicts_with_all = ["source", "reason", "path", "from", "to"])]
    pub(crate) set: Option<i64>,
    /// Tell of each entry, and not only how many there are of a kind.
    #[arg(long)]
    pub(crate) each: bool,
    /// Print JSON, which tells of each entry.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `quarantine release` takes in.
#[derive(Debug, Args)]
pub(crate) struct Release {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// The set's number, as `preview` gave it.
    #[arg(value_name = "SET")]
    pub(crate) set: i64,
    /// Tell of each entry, and not only how many there are of a kind.
    #[arg(long)]
    pub(crate) each: bool,
    /// Print JSON, which tells of each entry.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `quarantine discard` discards.
#[derive(Debug, Args)]
pub(crate) struct Discard {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// The entry's number.
    #[arg(value_name = "NUMBER", required_unless_present = "set")]
    pub(crate) number: Option<i64>,
    /// What is open of this set, as `preview` gave it.
    #[arg(long, value_name = "SET", conflicts_with = "number")]
    pub(crate) set: Option<i64>,
    /// Why, in 1 to 120 bytes. It is kept in clear, so it must not say whom it is about.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

fn reason() -> impl clap::builder::TypedValueParser<Value = Reason> {
    use clap::builder::TypedValueParser;
    clap::builder::PossibleValuesParser::new(Reason::ALL.map(Reason::word))
        .try_map(|word| Reason::from_word(&word).ok_or("is no reason"))
}

fn from(text: &str) -> Result<Timestamp, String> {
    when(text, false)
}

fn to(text: &str) -> Result<Timestamp, String> {
    when(text, true)
}

/// An instant; of a day its beginning, or the end.
fn when(text: &str, end: bool) -> Result<Timestamp, String> {
    let expected =
        || "expected a day such as 2026-03-15, or an instant such as 2026-03-15T06:00:00Z".to_owned();
    let Some(day) = text.parse::<Date>().ok().filter(|_| text.len() == 10) else {
        return recording::instant(text).map_err(|_| expected());
    };
    let day = if end { day.tomorrow().map_err(|_| expected())? } else { day };
    let zone = TimeZone::get("Europe/Copenhagen").map_err(|error| error.to_string())?;
    Ok(day.to_zoned(zone).map_err(|_| expected())?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_danish_and_the_last_one_is_meant_whole() {
        let shown = |text: &str, end| when(text, end).map(|instant| instant.to_string()).ok();
        assert_eq!(shown("2026-03-15", false).as_deref(), Some("2026-03-14T23:00:00Z"));
        assert_eq!(shown("2026-03-29", true).as_deref(), Some("2026-03-29T22:00:00Z"));
        for end in [false, true] {
            assert_eq!(shown("2026-03-15T06:00:00Z", end).as_deref(), Some("2026-03-15T06:00:00Z"));
            assert_eq!(shown("15-03-2026", end), None);
            assert_eq!(shown("2026-02-30", end), None);
        }
    }
}
