//! Short texts with a bound: ids, names, families. They are compared byte by byte.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest id, name or family, in bytes.
pub const MAX_TEXT_BYTES: usize = 120;

/// A string of 1–120 bytes, compared byte by byte: an id, a name, a family, an area.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(Arc<str>);

/// The name of a source, as the configuration gives it.
pub type SourceName = Text;

/// A text was empty or longer than [`MAX_TEXT_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_TEXT_BYTES} bytes long, and has {bytes}")]
pub struct TextError {
    /// How many bytes it had.
    pub bytes: usize,
}

impl Text {
    /// Takes a text of 1–120 bytes.
    pub fn new(text: &str) -> Result<Self, TextError> {
        match text.len() {
            1..=MAX_TEXT_BYTES => Ok(Self(text.into())),
            bytes => Err(TextError { bytes }),
        }
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl std::str::FromStr for Text {
    type Err = TextError;
    fn from_str(text: &str) -> Result<Self, TextError> {
        Self::new(text)
    }
}

impl std::borrow::Borrow<str> for Text {
    fn borrow(&self) -> &str {
        &self.0
    }
}
