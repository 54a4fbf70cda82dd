//! Lines of G69 as the gateway writes them: a header as configured, then fields by ascending numbers, each within its width.
//!
//! The widths are those of the published interface (*Snitflade til finansposter i Prisme (G69)*, after KMD's GQ311001Q) and
//! of two writers in use. Lines end in CRLF.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::Encoding;

/// The fields and how many characters each takes. Of 111 each ledger has its own form.
const WIDTHS: [(u16, usize); 43] = [
    (101, 10),
    (102, 5),
    (103, 5),
    (104, 7),
    (110, 8),
    (111, 120),
    (112, 13),
    (113, 1),
    (114, 4),
    (116, 255),
    (117, 20),
    (118, 8),
    (130, 2),
    (131, 10),
    (132, 2),
    (133, 10),
    (134, 2),
    (135, 10),
    (136, 1),
    (150, 5),
    (151, 5),
    (152, 5),
    (153, 35),
    (170, 10),
    (171, 1),
    (180, 10),
    (181, 10),
    (182, 10),
    (185, 2),
    (200, 1),
    (201, 5),
    (202, 200),
    (203, 5),
    (210, 60),
    (211, 1024),
    (250, 20),
    (300, 20),
    (301, 10),
    (302, 10),
    (303, 13),
    (304, 10),
    (305, 10),
    (306, 10),
];

/// Where the line's number stands in a header.
const LINE: &str = "{line}";
/// The greatest line number, of five digits.
const MAX_LINES: usize = 99_999;

/// Something that no line of G69 can hold. What it was is not quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// No field that is written.
    #[error("field {0} is none of G69's")]
    Field(u16),
    /// Too long.
    #[error("field {0} takes {1} characters at most")]
    TooLong(u16, usize),
    /// It would end the field, or the line.
    #[error("field {0} takes neither '&' nor control characters")]
    Forbidden(u16),
    /// A character that is not in ISO-8859-1.
    #[error("field {0} holds a character that ISO-8859-1 does not have")]
    Encoding(u16),
    /// More than the five digits of a line's number can count.
    #[error("a file of G69 has {MAX_LINES} lines at most")]
    Lines,
    /// More than twelve digits of øre.
    #[error("field 112 takes twelve digits of øre at most")]
    Amount,
}

/// A text is no header of G69.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// `G69` does not follow three digits, or `{line}` does not stand behind it, once.
    #[error(
        "is no header of G69: expected three digits, 'G69', and '{{line}}' where the line's number stands"
    )]
    Start,
    /// It would begin a field, or end the line.
    #[error("is no header of G69: it holds ASCII characters only, and neither '&' nor control characters")]
    Forbidden,
}

/// How each line begins, such as `000G69{line}099901NORFLYD`: place of registration 3, `G69`, line number 5, organisation 4,
/// organisation type 2, `NOR`, `PRI` or `SUP`, and `FLYD`. Known writers disagree on what stands behind `G69`, so the
/// configuration says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header(String);

impl FromStr for Header {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        if !text.chars().all(|c| c.is_ascii() && !c.is_control() && c != '&') {
            return Err(HeaderError::Forbidden);
        }
        let starts = text.get(..3).is_some_and(|place| place.bytes().all(|b| b.is_ascii_digit()));
        let rest = text.get(3..).and_then(|rest| rest.strip_prefix("G69")).filter(|_| starts);
        let (before, after) = rest.and_then(|rest| rest.split_once(LINE)).ok_or(HeaderError::Start)?;
        if [before, after].iter().any(|text| text.contains(['{', '}'])) {
            return Err(HeaderError::Start);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Whether a character ends a field or, to some reader, a line: U+2028 and U+2029 do beside the control characters.
#[must_use]
pub fn ends_field(c: char) -> bool {
    c == '&' || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// The fields of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<u16, String>);

impl Fields {
    /// Sets a field. A value of no characters leaves it out.
    pub fn set(&mut self, number: u16, value: &str) -> Result<&mut Self, WriteError> {
        let (_, width) =
            WIDTHS.iter().find(|(known, _)| *known == number).ok_or(WriteError::Field(number))?;
        if value.chars().count() > *width {
            return Err(WriteError::TooLong(number, *width));
        }
        if value.chars().any(ends_field) {
            return Err(WriteError::Forbidden(number));
        }
        self.0.remove(&number);
        if !value.is_empty() {
            self.0.insert(number, value.to_owned());
        }
        Ok(self)
    }
}

/// A file of G69 as it is written.
#[derive(Debug)]
pub struct Writer<'h> {
    header: &'h Header,
    encoding: Encoding,
    lines: usize,
    bytes: Vec<u8>,
}

impl<'h> Writer<'h> {
    /// A file without lines.
    #[must_use]
    pub fn new(header: &'h Header, encoding: Encoding) -> Self {
        Self { header, encoding, lines: 0, bytes: Vec::new() }
    }

    /// Whether a value can be written in this file's encoding.
    #[must_use]
    pub fn can_write(&self, value: &str) -> bool {
        self.encoding == Encoding::Utf8 || encoding_rs::mem::is_str_latin1(value)
    }

    /// Adds a line.
    pub fn line(&mut self, fields: &Fields) -> Result<(), WriteError> {
        if self.lines == MAX_LINES {
            return Err(WriteError::Lines);
        }
        if let Some((number, _)) = fields.0.iter().find(|(_, value)| !self.can_write(value)) {
            return Err(WriteError::Encoding(*number));
        }
        self.lines += 1;
        let mut line = self.header.0.replacen(LINE, &format!("{:05}", self.lines), 1);
        for (number, value) in &fields.0 {
            line.push_str(&format!("&{number:03}{value}"));
        }
        line.push_str("\r\n");
        match self.encoding {
            Encoding::Utf8 => self.bytes.extend_from_slice(line.as_bytes()),
            Encoding::Latin1 => self.bytes.extend_from_slice(&encoding_rs::mem::encode_latin1_lossy(&line)),
        }
        Ok(())
    }

    /// The file.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
