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

    /// The same fault at its place in the whole body, where what was read is a part of it: another path, of something in the
    /// same part, says at which line of the body that was, and which one of its like each element was.
    ///
    /// `line 3, column "Dato"` beside `line 17` is `line 17, column "Dato"`, and `Bilag/Linje/Dato` beside
    /// `Bilag[2]/Linje[7]/Konto` is `Bilag[2]/Linje[7]/Dato`. A path that says this itself is left as it is.
    #[must_use]
    pub fn in_place_of(mut self, other: Option<&str>) -> Self {
        if let (Some(path), Some(other)) = (&self.path, other) {
            self.path = Some(on_line_of(path, other).unwrap_or_else(|| among_like(path, other)));
        }
        self
    }
}

/// The number of a line, and what follows it.
fn line(path: &str) -> Option<(usize, &str)> {
    let rest = path.strip_prefix("line ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some((rest[..end].parse().ok()?, &rest[end..]))
}

/// A path on the line of another. What stands before the line in its own part stood before it in the whole body, so there its
/// number was no smaller.
fn on_line_of(path: &str, other: &str) -> Option<String> {
    let ((own, rest), (line, _)) = (line(path)?, line(other)?);
    Some(if own <= line { format!("line {line}{rest}") } else { path.to_owned() })
}

/// A path with the numbers that elements of the same names have in another.
fn among_like(path: &str, other: &str) -> String {
    // Of a list of documents, each is read by itself.
    if let Some((document, rest)) =
        other.split_once('/').filter(|_| other.starts_with('[') && !path.starts_with('['))
    {
        return format!("{document}/{}", among_like(path, rest));
    }
    let mut others = other.split('/');
    let mut is_same = true;
    let steps = path.split('/').map(|step| {
        let like = others.next().filter(|_| is_same).unwrap_or_default();
        let (name, number) = like.find('[').map_or((like, ""), |at| like.split_at(at));
        let own = step.find('[').map_or(step, |at| &step[..at]);
        is_same &= own == name && (own == step || step == like);
        if is_same && own == step { format!("{step}{number}") } else { step.to_owned() }
    });
    steps.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_by_itself_keeps_its_place_in_the_body() {
        for (own, other, expected) in [
            ("line 1, field 112", Some("line 17, field 133"), "line 17, field 112"),
            ("line 1", Some("line 17"), "line 17"),
            ("line 3, column \"a/b\"", Some("line 17, column \"c\""), "line 17, column \"a/b\""),
            ("line 2, column \"x\"", Some("line 1"), "line 2, column \"x\""),
            ("line 1, field 112", Some("citizen.cpr"), "line 1, field 112"),
            ("line 1, field 112", None, "line 1, field 112"),
            ("type", Some("line 17"), "type"),
            ("a/b/c", Some("a[1]/b[2]/c"), "a[1]/b[2]/c"),
            ("a/b/d[1]/e", Some("a[1]/b[2]/d[3]/e"), "a[1]/b[2]/d[1]/e"),
            ("a/x/c", Some("a[1]/b[2]/c[3]"), "a[1]/x/c"),
            ("a/b/c/d", Some("a[1]/b"), "a[1]/b/c/d"),
            ("a/b", Some("[3]/a[2]/b"), "[3]/a[2]/b"),
            ("[1]/a/b", Some("[3]/a[2]/b"), "[1]/a/b"),
            ("parts[0].weight", Some("parts[1].weight"), "parts[0].weight"),
            ("", Some(""), ""),
        ] {
            let fault = Fault::at(Reason::InvalidField, own, "why").in_place_of(other);
            assert_eq!(fault.path.as_deref(), Some(expected));
        }
        assert_eq!(Fault::new(Reason::Failed, "why").in_place_of(Some("line 2")).path, None);
    }
}
