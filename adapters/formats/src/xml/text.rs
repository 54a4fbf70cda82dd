//! Texts that others gave, as XML 1.0 can carry them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A text as it stands between two tags, and whether that is Base64: XML 1.0 has no way to write most control characters,
/// U+FFFE and U+FFFF. What a reader would normalise is written by its number.
pub(super) fn carried(text: &str) -> (String, bool) {
    let is_carried =
        |c: char| matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'));
    if !text.chars().all(is_carried) {
        return (STANDARD.encode(text), true);
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\t' => escaped.push_str("&#9;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            c => escaped.push(c),
        }
    }
    (escaped, false)
}
