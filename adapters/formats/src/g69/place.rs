//! A line that passes on with its tag: the fields that the configuration names get what it says, and no other byte changes.
//!
//! Fields keep their ascending order. A value that does not fit is left out rather than cut, since half a code is another
//! code, and a posting is never held up for its tag. A field in which the line has something already keeps that.

use std::fmt;

use samspor_domain::Tag;

use super::Encoding;

/// The fields that can carry a tag, and how many characters each takes. The widths of 180 to 182 and 250 are known; the
/// configuration gives those of 300 to 306.
const FIELDS: [(u16, Option<usize>); 11] = [
    (180, Some(10)),
    (181, Some(10)),
    (182, Some(10)),
    (250, Some(20)),
    (300, None),
    (301, None),
    (302, None),
    (303, None),
    (304, None),
    (305, None),
    (306, None),
];

/// The words of a tag that a field can say, as they stand between braces.
pub const WORDS: [&str; 6] = ["solution", "family", "phase", "area", "side", "kind"];

/// A place that no line has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// A field that is not for this.
    #[error("field {0} is none that can carry a tag: there are 180, 181, 182, 250 and 300 to 306")]
    Field(u16),
    /// A field twice.
    #[error("field {0} is named twice")]
    Twice(u16),
    /// A field whose width is not known.
    #[error("the width of field {0} is not known: say how many characters it takes")]
    Width(u16),
    /// A field that takes less.
    #[error("field {0} takes {1} characters at most")]
    TooWide(u16, usize),
    /// A word that a tag does not have.
    #[error(
        "'{{{0}}}' is no word of a tag: there are {{solution}}, {{family}}, {{phase}}, {{area}}, {{side}} and {{kind}}"
    )]
    Word(String),
    /// A brace without its other half, or a character that no field takes.
    #[error("a field's text holds neither '&' nor control characters, and its braces come in pairs")]
    Text,
}

/// Where in a line the tag goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places(Vec<Place>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    field: u16,
    width: usize,
    says: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Word(&'static str),
}

/// A line as it passes on.
#[derive(Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its bytes.
    pub line: Vec<u8>,
    /// How many fields the tag was left out of, because it does not fit or the line has something there already.
    pub left_out: u32,
}

impl fmt::Debug for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Placed({} bytes, {} fields left out)", self.line.len(), self.left_out)
    }
}

impl Places {
    /// Places, each a field, what it says, such as `{solution}` or `{solution}-{phase}`, and how many characters it
    /// takes, where that is not known or is to be less.
    pub fn new<'p>(
        places: impl IntoIterator<Item = (u16, &'p str, Option<usize>)>,
    ) -> Result<Self, PlaceError> {
        let mut known: Vec<Place> = Vec::new();
        for (field, says, width) in places {
            let (_, most) =
                FIELDS.iter().find(|(number, _)| *number == field).ok_or(PlaceError::Field(field))?;
            let width = match (width, *most) {
                (None, None) => return Err(PlaceError::Width(field)),
                (Some(width), Some(most)) if width > most => return Err(PlaceError::TooWide(field, most)),
                (width, most) => width.or(most).unwrap_or_default(),
            };
            if known.iter().any(|place| place.field == field) {
                return Err(PlaceError::Twice(field));
            }
            known.push(Place { field, width, says: pieces(says)? });
        }
        known.sort_by_key(|place| place.field);
        Ok(Self(known))
    }

    /// Of each field its number, how many characters its text can have when each word has as many as `word` says, and how
    /// many it takes.
    pub fn lengths(&self, word: impl Fn(&str) -> usize) -> Vec<(u16, usize, usize)> {
        let length = |piece: &Piece| match piece {
            Piece::Text(text) => text.chars().count(),
            Piece::Word(said) => word(said),
        };
        let of = |place: &Place| (place.field, place.says.iter().map(length).sum(), place.width);
        self.0.iter().map(of).collect()
    }

    /// The line with its tag. Without a tag, and where it is no line of G69, it is what it was.
    #[must_use]
    pub fn put(&self, line: &[u8], encoding: Encoding, tag: Option<&Tag>) -> Placed {
        let unchanged = Placed { line: line.to_vec(), left_out: 0 };
        let Some(tag) = tag else { return unchanged };
        let end = line.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
        let (text, line_end) = line.split_at(end);
        let mut parts = text.split(|byte| *byte == b'&');
        let header = parts.next().unwrap_or_default();
        let Some(mut fields) =
            parts.map(numbered).collect::<Option<Vec<_>>>().filter(|fields| !fields.is_empty())
        else {
            // What is no line of G69 has no place for a tag at all.
            return Placed { left_out: u32::try_from(self.0.len()).unwrap_or(u32::MAX), ..unchanged };
        };
        let values: Vec<(u16, Option<Vec<u8>>)> =
            self.0.iter().map(|place| (place.field, place.value(tag, encoding))).collect();
        let mut left_out = 0;
        for (number, value) in &values {
            let at = fields.partition_point(|(other, _)| other < number);
            let there = fields.get(at).filter(|(other, _)| other == number).map(|(_, there)| *there);
            let is_free = there.is_none_or(|there| there[3..].trim_ascii().is_empty());
            match value {
                Some(value) if value.len() > 3 && is_free => {
                    if there.is_some() {
                        fields[at].1 = value;
                    } else {
                        fields.insert(at, (*number, value));
                    }
                }
                // The tag has no such word, which is no fault.
                Some(value) if value.len() == 3 => {}
                _ => left_out += 1,
            }
        }
        let mut placed = Vec::with_capacity(line.len() + 64);
        placed.extend_from_slice(header);
        for (_, field) in fields {
            placed.push(b'&');
            placed.extend_from_slice(field);
        }
        placed.extend_from_slice(line_end);
        Placed { line: placed, left_out }
    }
}

impl Place {
    /// The field's number and what it says; none where that does not fit.
    fn value(&self, tag: &Tag, encoding: Encoding) -> Option<Vec<u8>> {
        let mut value = String::new();
        for piece in &self.says {
            value.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Word(word) => said(tag, word),
            });
        }
        // A text with a word that the tag does not have would be half a code.
        let lacks_a_word = self.says.iter().any(|piece| match piece {
            Piece::Text(_) => false,
            Piece::Word(word) => said(tag, word).is_empty(),
        });
        if lacks_a_word {
            value.clear();
        }
        let fits = value.chars().count() <= self.width && value.chars().all(is_allowed);
        let number = format!("{:03}", self.field);
        let written = match encoding {
            Encoding::Utf8 => value.into_bytes(),
            Encoding::Latin1 => value
                .chars()
                .map(|character| u8::try_from(u32::from(character)).ok())
                .collect::<Option<_>>()?,
        };
        fits.then(|| [number.into_bytes(), written].concat())
    }
}

/// What a tag says by a word; nothing where it has none.
fn said<'t>(tag: &'t Tag, word: &str) -> &'t str {
    match word {
        "solution" => tag.solution.as_str(),
        "family" => tag.family.as_ref().map_or("", |family| family.as_str()),
        "phase" => tag.phase.word(),
        "area" => tag.area.as_str(),
        "side" => tag.side.word(),
        "kind" => tag.kind.map_or("", |kind| kind.word()),
        _ => "",
    }
}

/// A field with its number.
fn numbered(field: &[u8]) -> Option<(u16, &[u8])> {
    let digits = field.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, field))
}

fn pieces(says: &str) -> Result<Vec<Piece>, PlaceError> {
    let mut pieces = Vec::new();
    let mut rest = says;
    while let Some(open) = rest.find(['{', '}']) {
        let (text, from) = rest.split_at(open);
        let inner = from.strip_prefix('{').ok_or(PlaceError::Text)?;
        let (word, after) = inner.split_once('}').ok_or(PlaceError::Text)?;
        let known = WORDS.into_iter().find(|known| *known == word);
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
        pieces.push(Piece::Word(known.ok_or_else(|| PlaceError::Word(word.to_owned()))?));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    let is_good = |piece: &Piece| match piece {
        Piece::Text(text) => text.chars().all(is_allowed),
        Piece::Word(_) => true,
    };
    if pieces.iter().all(is_good) { Ok(pieces) } else { Err(PlaceError::Text) }
}

/// Whether a value may hold a character: `&` begins the next field.
fn is_allowed(character: char) -> bool {
    character != '&' && !character.is_control()
}
