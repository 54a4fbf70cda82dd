//! The systems of the town that send, as `config/demo.toml` names them.

/// Benefits, wages and bills: canonical JSON postings.
pub const OPUS: &str = "opus";
/// Suppliers' invoices: G69 in UTF-8, a line a message or a whole file.
pub const PRISME: &str = "prisme";
/// The old finance system, closed at the end of June 2026: G69 files in ISO-8859-1.
pub const OES: &str = "oes";
/// The job centre: cases, grants and payments in OIO envelopes.
pub const JOBCENTRE: &str = "jobcentre";
/// Children's cases: canonical JSON facts.
pub const DUBU: &str = "dubu";
/// Solutions, enrolments, consents, identities, splits: canonical JSON facts.
pub const REGISTRY: &str = "registry";

/// Every source.
pub const ALL: [&str; 6] = [OPUS, PRISME, OES, JOBCENTRE, DUBU, REGISTRY];

/// The message types of the job centre's envelopes, and what they carry.
pub const MESSAGE_TYPES: [(&str, &str); 3] =
    [(CASE_TYPE, "case"), (GRANT_TYPE, "grant"), (PAYMENT_TYPE, "payment")];

pub(crate) const CASE_TYPE: &str = "6b1f0a52-3c7e-4d18-9a40-5e2d7c1b8f01";
pub(crate) const GRANT_TYPE: &str = "6b1f0a52-3c7e-4d18-9a40-5e2d7c1b8f02";
pub(crate) const PAYMENT_TYPE: &str = "6b1f0a52-3c7e-4d18-9a40-5e2d7c1b8f03";

/// The longest body that the registry may send, in bytes; the town sends a longer one.
pub(crate) const REGISTRY_MAX_BYTES: usize = 65_536;
