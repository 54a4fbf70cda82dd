//! Why a message could not be understood. A fault quotes no personal data.

use std::fmt;

/// The quarantine's reasons, which scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the contract's words")]
pub enum Reason {
    Undecodable,
    UnsupportedContentType,
    TooLarge,
    MissingField,
    InvalidField,
    InvalidCpr,
    InvalidAccount,
    InvalidAmount,
    UnknownType,
    NotPermitted,
    PostingConflict,
    PersonalDataInId,
    Failed,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 13] = [
        Self::Undecodable,
        Self::UnsupportedContentType,
        Self::TooLarge,
        Self::MissingField,
        Self::InvalidField,
        Self::InvalidCpr,
        Self::InvalidAccount,
        Self::InvalidAmount,
        Self::UnknownType,
        Self::NotPermitted,
        Self::PostingConflict,
        Self::PersonalDataInId,
        Self::Failed,
    ];

    /// The contract's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::UnsupportedContentType => "unsupported-content-type",
            Self::TooLarge => "too-large",
            Self::MissingField => "missing-field",
            Self::InvalidField => "invalid-field",
            Self::InvalidCpr => "invalid-cpr",
            Self::InvalidAccount => "invalid-account",
            Self::InvalidAmount => "invalid-amount",
            Self::UnknownType => "unknown-type",
            Self::NotPermitted => "not-permitted",
            Self::PostingConflict => "posting-conflict",
            Self::PersonalDataInId => "personal-data-in-id",
            Self::Failed => "failed",
        }
    }

    /// The reason with that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Why one item went to quarantine: a reason, the field's path, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}{}: {message}", path.as_ref().map(|p| format!(" at {p}")).unwrap_or_default())]
pub struct Fault {
    /// The reason's code.
    pub reason: Reason,
    /// The field, such as `citizen.cpr` or `parts[2].weight`; for files `line 17`.
    pub path: Option<String>,
    /// What is wrong, in words that quote nothing of the message.
    pub message: String,
}

impl Fault {
    /// A fault of the message as a whole.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, path: None, message: message.into() }
    }

    /// A fault at a field.
    pub fn at(reason: Reason, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason, path: Some(path.into()), message: message.into() }
    }

    /// The same of a line that is read by itself, and in its file stood at the line that another path names.
    #[must_use]
    pub fn on_line_of(mut self, other: Option<&str>) -> Self {
        const ALONE: &str = "line 1";
        let line = other.filter(|other| other.starts_with("line ")).and_then(|other| other.split(',').next());
        if let (Some(line), Some(path)) = (line, &self.path)
            && (path == ALONE || path.starts_with("line 1,"))
        {
            self.path = Some(path.replacen(ALONE, line, 1));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_read_by_itself_keeps_its_number() {
        for (own, other, expected) in [
            ("line 1, field 112", Some("line 17, field 133"), "line 17, field 112"),
            ("line 1", Some("line 17"), "line 17"),
            ("line 12, field 1", Some("line 17"), "line 12, field 1"),
            ("line 1, field 112", Some("citizen.cpr"), "line 1, field 112"),
            ("line 1, field 112", None, "line 1, field 112"),
            ("type", Some("line 17"), "type"),
        ] {
            let fault = Fault::at(Reason::InvalidField, own, "why").on_line_of(other);
            assert_eq!(fault.path.as_deref(), Some(expected));
        }
        assert_eq!(Fault::new(Reason::Failed, "why").on_line_of(Some("line 2")).path, None);
    }
}
