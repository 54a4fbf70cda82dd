//! G69 as the town's finance systems write it: a posting a line, in UTF-8 or ISO-8859-1.

use std::fmt::Write;

use crate::message::{Message, Outcome, Stage};
use crate::posting::{Citizen, Posting};
use crate::seed::Dice;
use crate::source;

/// Where a line stands: machine number and serial number; with the date they are its id.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Five digits.
    pub(crate) machine: u32,
    /// Seven digits.
    pub(crate) serial: u32,
}

/// One line, and what must come of it.
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) outcome: Outcome,
}

impl Place {
    /// The id of the posting in the line.
    pub(crate) fn id(self, posting: &Posting) -> String {
        format!("{:05}-{:07}-{}", self.machine, self.serial, posting.date.strftime("%Y%m%d"))
    }
}

impl Line {
    /// Writes a posting, whose citizen is a CPR number or none.
    pub(crate) fn new(posting: &Posting, place: Place, number: usize, dice: &mut Dice) -> Self {
        let date = posting.date.strftime("%Y%m%d");
        let ore = posting.ore.unsigned_abs();
        // A credit is said by the letter or by the sign.
        let (sign, letter) = match posting.ore {
            0.. => (' ', 'D'),
            _ if dice.once_in(2) => (' ', 'K'),
            _ => ('-', 'D'),
        };
        let mut text = format!("012G69{:05}003401NORFLYD", number % 100_000);
        let mut field = |number: u16, value: &dyn std::fmt::Display| {
            write!(text, "&{number:03}{value}").unwrap_or_else(|_| unreachable!("a string takes everything"));
        };
        field(101, &"PROEVEKOMMUNEN");
        field(103, &format_args!("{:05}", place.machine));
        field(104, &format_args!("{:07}", place.serial));
        field(110, &date);
        field(111, &posting.account.text);
        field(112, &format_args!("{ore:012}{sign}"));
        field(113, &letter);
        field(114, &posting.date.year());
        match &posting.citizen {
            Some(Citizen::Cpr(cpr)) => {
                field(132, &"02");
                field(133, cpr);
            }
            // A company, which is no citizen.
            _ if dice.once_in(2) => {
                field(132, &"03");
                field(133, &"12345678");
            }
            _ => {}
        }
        if dice.once_in(3) {
            field(150, &"Bilag fra leverandør");
        }
        field(153, &posting.text.chars().take(35).collect::<String>());
        Self { text, outcome: posting.expectation(&place.id(posting)) }
    }
}

/// A message with these lines.
pub(crate) fn message(source: &'static str, lines: Vec<Line>, ends_in_newline: bool) -> Message {
    let (texts, outcomes): (Vec<String>, Vec<Outcome>) =
        lines.into_iter().map(|l| (l.text, l.outcome)).unzip();
    let mut text = texts.join("\r\n");
    if ends_in_newline {
        text.push_str("\r\n");
    }
    Message {
        stage: Stage::Postings,
        source,
        content_type: content_type(source),
        body: encode(source, &text),
        outcomes,
    }
}

fn content_type(source: &str) -> &'static str {
    if source == source::OES { "text/plain; charset=iso-8859-1" } else { "text/plain; charset=utf-8" }
}

/// The bytes of a text as the source writes them.
fn encode(source: &str, text: &str) -> Vec<u8> {
    if source != source::OES {
        return text.as_bytes().to_vec();
    }
    // The first 256 characters are ISO-8859-1.
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}
