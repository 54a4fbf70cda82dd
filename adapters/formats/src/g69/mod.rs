//! G69: postings of a finance system, one a line, one line or a whole file a message.
//!
//! A line is a header, in which `G69` stands after the three digits of the place of registration, and then fields
//! `&NNNvalue` with ascending numbers. Known writers disagree on the rest of the header, so it is not read. The fields
//! become a posting so:
//!
//! | of the posting | from |
//! |---|---|
//! | id | 103 machine number, 104 serial number and 110 date, joined by `-`: `00123-0000001-20220311`. The numbers are filled up with zeros to their 5 and 7 digits, so that a writer's padding does not matter |
//! | date | 110, `YYYYMMDD` |
//! | account, cost centre, grouping | 111, an account string: 16 digits, or one of its other writings |
//! | amount | 112, twelve digits of øre and then a space or `-`, and 113: `D` (debit) is an expense and positive, `K` (credit) negative. A `-` turns the sign round, so `K` with `-` is positive again |
//! | citizen | 133 as a CPR number where 132 is `02`. Any other kind, such as `03` (CVR), is no citizen |
//! | voucher | 116 where it is given |
//! | grant, reverses | none: no field of the format is known to carry them |
//!
//! Values are taken without the spaces that fill them up. An empty value is none. Lines end in LF or CRLF; a byte order
//! mark before a line, as files put together have it, and blank lines are passed over. Every line is an item of its own,
//! so a bad line holds up nothing but itself; the path of its fault begins with `line N`, counted from 1 with blank lines
//! counted too. A file with far more lines than postings can stand in its bytes is no G69, and is one item: else a few
//! million bytes of line ends would become as many items.

mod carry;
#[cfg(test)]
mod carry_tests;
mod line;
mod place;
#[cfg(test)]
pub(crate) mod place_tests;
#[cfg(test)]
mod tests;
pub mod voucher;
pub mod write;
#[cfg(test)]
mod write_tests;

use std::borrow::Cow;

use bytes::Bytes;
use samspor_domain::{Decode, Delivery, Excerpt, Fault, Item, Message, Reason, SourceName};

use crate::content_type;
pub use carry::Carrier;
pub(crate) use line::{is_frame, is_known};
pub use place::{PlaceError, Placed, Places, WORDS};

/// How one source writes G69.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The encoding of its lines, where the content type names none.
    pub encoding: Encoding,
}

/// The encodings in which G69 occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// ISO-8859-1.
    Latin1,
}

/// Reads G69.
#[derive(Debug, Clone, Copy)]
pub struct Decoder {
    settings: Settings,
}

impl Decoder {
    /// A decoder for a source that writes so.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

/// The content types of G69.
const TYPES: [&str; 2] = ["text/plain", "application/octet-stream"];

/// The encoding of a delivery: what its content type says, else the source's.
fn encoding(delivery: &Delivery, own: Encoding, types: &[&str]) -> Result<Encoding, Fault> {
    match content_type::check(delivery, types)? {
        None => Ok(own),
        Some(charset) if content_type::is_utf8(charset) => Ok(Encoding::Utf8),
        Some(charset) if charset.eq_ignore_ascii_case("iso-8859-1") => Ok(Encoding::Latin1),
        Some(_) => Err(content_type::unsupported_charset("utf-8 or iso-8859-1")),
    }
}

/// Bytes that a line with a posting has at least: header, machine and serial number, date, account, amount, letter.
const SHORTEST: usize = 60;
/// Lines that a file may have beyond that, such as titles and sums.
const FEW: usize = 1_000;

impl Decode for Decoder {
    fn decode(&self, _: &SourceName, delivery: &Delivery) -> Vec<Item> {
        each_line(
            delivery,
            self.settings.encoding,
            &TYPES,
            |_| false,
            |line, encoding| decode(line, encoding),
        )
    }
}

/// An item for each line of a body that is neither blank nor passed over.
pub(crate) fn each_line(
    delivery: &Delivery,
    own: Encoding,
    types: &[&str],
    is_passed: impl Fn(&[u8]) -> bool,
    decode: impl Fn(&Bytes, Encoding) -> Result<(Message, u32), Fault>,
) -> Vec<Item> {
    let encoding = match encoding(delivery, own, types) {
        Ok(encoding) => encoding,
        Err(fault) => return vec![Item { content: Err(fault), excerpt: None, ignored_fields: 0 }],
    };
    let whole = |message| {
        let content = Err(Fault::new(Reason::Undecodable, message));
        vec![Item { content, excerpt: None, ignored_fields: 0 }]
    };
    let lines = || lines(&delivery.body).filter(|(_, line)| !is_passed(line));
    if lines().count() > FEW + delivery.body.len() / SHORTEST {
        return whole("the body has more lines than postings can stand in its bytes");
    }
    let lines: Vec<_> = lines().collect();
    if lines.is_empty() {
        return whole("the body holds no line, or none but those that begin and end a file");
    }
    let is_file = lines.len() > 1;
    let item = |(number, line): (usize, Bytes)| {
        let (content, ignored_fields) = match decode(&line, encoding) {
            Ok((message, ignored)) => (Ok(message), ignored),
            Err(fault) => (Err(on_line(number, fault)), 0),
        };
        Item { content, excerpt: is_file.then_some(line).map(Excerpt::alone), ignored_fields }
    };
    lines.into_iter().map(item).collect()
}

/// The lines that are not blank, without their ends, and their numbers from 1.
fn lines(body: &Bytes) -> impl Iterator<Item = (usize, Bytes)> {
    let told = body.split(|byte| *byte == b'\n').map(bare).enumerate();
    let told = told.filter(|(_, line)| !line.trim_ascii().is_empty());
    told.map(|(index, line)| (index + 1, body.slice_ref(line)))
}

/// A line without byte order marks before it and carriage returns after it. Of what is left nothing more is taken away,
/// so that a line which is read again by itself is the same line.
fn bare(mut line: &[u8]) -> &[u8] {
    while let Some(rest) = line.strip_prefix(b"\xEF\xBB\xBF") {
        line = rest;
    }
    while let Some(rest) = line.strip_suffix(b"\r") {
        line = rest;
    }
    line
}

/// The characters of a line.
pub(crate) fn text(line: &[u8], encoding: Encoding) -> Result<Cow<'_, str>, Fault> {
    let text = match encoding {
        Encoding::Utf8 => std::str::from_utf8(line).map(Cow::Borrowed),
        Encoding::Latin1 => Ok(encoding_rs::mem::decode_latin1(line)),
    };
    text.map_err(|_| Fault::new(Reason::Undecodable, "is not UTF-8"))
}

/// The posting that a line of G69 is, and how many of its fields are passed over.
pub(crate) fn decode(line: &[u8], encoding: Encoding) -> Result<(Message, u32), Fault> {
    let text = text(line, encoding)?;
    let fields = line::Fields::read(&text)?;
    let message = Message::Posting(fields.posting()?);
    samspor_domain::check_names(&message)?;
    Ok((message, fields.ignored()))
}

fn on_line(number: usize, fault: Fault) -> Fault {
    let path = match fault.path {
        Some(path) => format!("line {number}, {path}"),
        None => format!("line {number}"),
    };
    Fault { path: Some(path), ..fault }
}
