//! Lines of G69 that pass on with their tags.

use samspor_domain::{Carried, Carry, Delivery, Tag, Text};

use super::{Encoding, Placed, Places, Settings};

/// Puts tags into the lines of one source: into the fields that are named, and not a byte elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carrier {
    settings: Settings,
    places: Places,
}

impl Carrier {
    /// For the lines of a source that writes so.
    #[must_use]
    pub fn new(settings: Settings, places: Places) -> Self {
        Self { settings, places }
    }
}

impl Carry for Carrier {
    fn content_type(&self) -> &'static str {
        match self.settings.encoding {
            Encoding::Utf8 => "text/plain; charset=utf-8",
            Encoding::Latin1 => "text/plain; charset=iso-8859-1",
        }
    }

    fn carry(&self, posting: &Delivery, tag: Option<&Tag>) -> Carried {
        // What a decoder made a posting of has an encoding; a line that is left as it is needs none.
        let encoding =
            super::encoding(posting, self.settings.encoding, &super::TYPES).unwrap_or(self.settings.encoding);
        let Placed { line, left_out } = self.places.put(&posting.body, encoding, tag);
        Carried { body: line.into(), left_out }
    }

    fn has_room_for(&self, solution: &Text) -> bool {
        // Of what else a field says, only that it has a character is sure.
        let length = |word: &str| if word == "solution" { solution.as_str().chars().count() } else { 1 };
        self.places.lengths(length).into_iter().all(|(_, needed, width)| needed <= width)
    }
}
