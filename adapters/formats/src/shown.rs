//! Words of records that every format writes alike.

use samspor_domain::{Change, LisRecord, Pseudonym};

/// How the posting stands.
pub(crate) fn decision(change: Change) -> &'static str {
    match change {
        Change::Tag => "tagged",
        Change::Untag => "untagged",
    }
}

/// 32 digits in lower case.
pub(crate) fn hex(pseudonym: Pseudonym) -> String {
    format!("{:032x}", u128::from_be_bytes(pseudonym.0))
}

/// The month of a posting, `YYYY-MM`.
pub(crate) fn month(record: &LisRecord) -> String {
    format!("{:04}-{:02}", record.year, record.month)
}
