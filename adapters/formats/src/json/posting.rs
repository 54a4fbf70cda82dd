//! Postings.

use samspor_domain::{Fault, Posting, Reason, Text};

use super::fields::{Field, Object};
use super::reference;

/// What a posting may carry; `text` is known, and never read.
pub(super) const FIELDS: &[&str] = &[
    "type",
    "id",
    "date",
    "account",
    "amount",
    "citizen",
    "grant",
    "cost_centre",
    "grouping",
    "voucher",
    "reverses",
    "text",
];

/// Reads a posting. An explicit cost centre or grouping goes before what the account holds.
pub(super) fn read(object: &Object<'_>) -> Result<Posting, Fault> {
    let id = object.required("id", Field::text)?;
    let date = object.required("date", Field::date)?;
    let (account, of_account) = object.required("account", |field| {
        let string = field.account_string()?;
        let cost_centre = string.cost_centre.map(|centre| Text::new(&centre)).transpose();
        let cost_centre =
            cost_centre.map_err(|error| field.fault(Reason::InvalidAccount, error.to_string()))?;
        Ok((string.account, (cost_centre, string.grouping)))
    })?;
    Ok(Posting {
        id,
        date,
        account,
        amount: object.required("amount", Field::amount)?,
        citizen: object.optional("citizen", reference::any)?,
        grant: object.optional("grant", reference::grant)?,
        cost_centre: object.optional("cost_centre", Field::text)?.or(of_account.0),
        grouping: object.optional("grouping", Field::grouping)?.or(of_account.1),
        voucher: object.optional("voucher", Field::text)?,
        reverses: object.optional("reverses", Field::text)?,
    })
}
