//! The canonical JSON as a careless system writes it: in several layouts, with fields that nobody asked for.

use serde_json::{Value, json};

use crate::account::Written;
use crate::seed::Dice;

/// The content types that come with it.
const CONTENT_TYPES: [&str; 3] =
    ["application/json", "application/json; charset=utf-8", "application/json;charset=\"UTF-8\""];

/// An amount in kroner as the contract wants it.
pub(crate) fn amount(ore: i64) -> String {
    let whole = ore.unsigned_abs();
    format!("{}{}.{:02}", if ore < 0 { "-" } else { "" }, whole / 100, whole % 100)
}

/// The same amount in one of the writings that the contract allows.
pub(crate) fn loose_amount(ore: i64, dice: &mut Dice) -> String {
    let exact = amount(ore);
    match dice.below(4) {
        0 => exact.strip_suffix(".00").map_or(exact.clone(), str::to_owned),
        1 if ore % 10 == 0 => exact[..exact.len() - 1].to_owned(),
        _ => exact,
    }
}

/// Puts an account string into a message, with grouping and cost centre beside it where the string lacks them.
pub(crate) fn put_account(message: &mut Value, account: &Written) {
    message["account"] = account.text.clone().into();
    if account.beside {
        message["grouping"] = json!(account.grouping);
        message["cost_centre"] = json!(account.centre);
    }
}

/// A message's bytes, in a layout that the dice choose, and its content type.
pub(crate) fn body(mut message: Value, dice: &mut Dice) -> (&'static str, Vec<u8>) {
    if dice.once_in(9) {
        message["x_system"] = json!({"run": 17, "ratio": "0,5", "tags": [null, true]});
    }
    let bytes =
        if dice.once_in(5) { serde_json::to_vec_pretty(&message) } else { serde_json::to_vec(&message) };
    (dice.one_of(&CONTENT_TYPES), bytes.unwrap_or_else(|_| unreachable!("a JSON value is always written")))
}
