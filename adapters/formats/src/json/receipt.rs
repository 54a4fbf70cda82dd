//! Receipts: what a target's books say of a record.

use samspor_domain::{Fault, Receipt, Verdict};

use super::fields::{Field, Object};

/// What a receipt may carry.
pub(super) const FIELDS: &[&str] =
    &["type", "id", "source", "posting", "revision", "status", "at", "code", "text"];
/// The longest text, in bytes.
const MAX_TEXT_BYTES: usize = 2_000;

pub(super) fn read(object: &Object<'_>) -> Result<Receipt, Fault> {
    let verdicts = [("accepted", Verdict::Accepted), ("rejected", Verdict::Rejected)];
    Ok(Receipt {
        id: object.required("id", Field::text)?,
        source: object.required("source", Field::text)?,
        posting: object.required("posting", Field::text)?,
        revision: object.required("revision", |field| field.integer(1..=i64::MAX))?,
        verdict: object.required("status", |field| field.word(&verdicts))?,
        at: object.required("at", Field::instant)?,
        code: object.optional("code", Field::text)?,
        text: object.optional("text", |field| {
            let text = field.string(samspor_domain::Reason::InvalidField)?;
            if text.len() > MAX_TEXT_BYTES {
                return Err(field.invalid(format!("must have {MAX_TEXT_BYTES} bytes at most")));
            }
            Ok(text.to_owned())
        })?,
    })
}
