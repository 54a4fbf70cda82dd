//! The references by which systems know a citizen, and the pseudonyms that stand for them at rest.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Cpr, SourceName, Text};

/// A person's UUID, in any of its writings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PersonUuid(u128);

/// The text is no UUID: 32 hexadecimal digits in either case, with all four hyphens or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a UUID: expected 32 hexadecimal digits, with hyphens in their four places or with none")]
pub struct UuidError;

impl PersonUuid {
    /// Reads 32 hexadecimal digits in either case, with the hyphens in their four places or with none.
    pub fn parse(text: &str) -> Result<Self, UuidError> {
        let hyphens = match text.len() {
            32 => false,
            36 => true,
            _ => return Err(UuidError),
        };
        let mut value = 0u128;
        for (i, byte) in text.bytes().enumerate() {
            if hyphens && matches!(i, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return Err(UuidError);
                }
                continue;
            }
            let digit = char::from(byte).to_digit(16).ok_or(UuidError)?;
            value = value << 4 | u128::from(digit);
        }
        Ok(Self(value))
    }

    /// The 32 digits in lower case, for pseudonyms and sealing.
    #[must_use]
    pub fn reveal(self) -> String {
        format!("{:032x}", self.0)
    }
}

impl fmt::Debug for PersonUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonUuid(…)")
    }
}

/// How one system refers to a citizen: directly, or by something of that citizen's in a system.
///
/// Its `Debug` shows the form only. It is serialised for sealing, never for a log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CitizenRef {
    /// A CPR number.
    Cpr(Cpr),
    /// A person UUID.
    Uuid(PersonUuid),
    /// A case, by its number in a system.
    Case(SourceName, Text),
    /// A grant, by its number in a system.
    Grant(SourceName, Text),
    /// A system's own id of the person.
    Local(SourceName, Text),
}

impl CitizenRef {
    /// The form's name: `cpr`, `uuid`, `case`, `grant` or `id`.
    #[must_use]
    pub fn form(&self) -> &'static str {
        match self {
            Self::Cpr(_) => "cpr",
            Self::Uuid(_) => "uuid",
            Self::Case(..) => "case",
            Self::Grant(..) => "grant",
            Self::Local(..) => "id",
        }
    }

    /// The CPR number, if it is one.
    #[must_use]
    pub fn cpr(&self) -> Option<Cpr> {
        if let Self::Cpr(cpr) = self { Some(*cpr) } else { None }
    }

    /// One unambiguous writing of the reference, for keyed hashes.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let (system, value) = match self {
            Self::Cpr(cpr) => ("", cpr.reveal()),
            Self::Uuid(uuid) => ("", uuid.reveal()),
            Self::Case(system, id) | Self::Grant(system, id) | Self::Local(system, id) => {
                (system.as_str(), id.as_str().to_owned())
            }
        };
        // Lengths first, so that no two references share a writing whatever bytes their parts hold.
        let mut bytes = Vec::with_capacity(16 + system.len() + value.len());
        bytes.extend_from_slice(self.form().as_bytes());
        bytes.push(b':');
        bytes.push(system.len() as u8);
        bytes.extend_from_slice(system.as_bytes());
        bytes.extend_from_slice(value.as_bytes());
        bytes
    }
}

impl fmt::Debug for CitizenRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CitizenRef({} …)", self.form())
    }
}

/// A keyed hash that stands for a reference or an id: the same for the same key and text, and nothing without the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pseudonym(pub [u8; 16]);

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonym(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_in_other_writing_are_the_same() {
        let a = PersonUuid::parse("0F8FAD5B-D9CB-469F-A165-70867728950E");
        assert!(a.is_ok());
        assert_eq!(a, PersonUuid::parse("0f8fad5bd9cb469fa16570867728950e"));
        for text in [
            "1",
            "0f8fad5b-d9cb469fa16570867728950e",
            "{0f8fad5bd9cb469fa1657086772895}",
            "0f8fad5b-d9cb-469f-a165-70867728950",
            "0f8fad5b-d9cb-469f-a16570867-728950e",
        ] {
            assert_eq!(PersonUuid::parse(text), Err(UuidError), "{text}");
        }
    }

    #[test]
    fn no_two_references_share_a_writing() -> Result<(), crate::TextError> {
        let refs = [
            CitizenRef::Case(Text::new("a")?, Text::new("bc")?),
            CitizenRef::Case(Text::new("ab")?, Text::new("c")?),
            CitizenRef::Grant(Text::new("a")?, Text::new("bc")?),
            CitizenRef::Local(Text::new("a")?, Text::new("bc")?),
        ];
        let writings: std::collections::BTreeSet<_> = refs.iter().map(CitizenRef::canonical).collect();
        assert_eq!(writings.len(), refs.len());
        assert!(!format!("{refs:?}").contains("bc"));
        Ok(())
    }
}
