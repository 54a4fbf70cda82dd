//! What of a mapping no message used, and what of the messages no rule reads, for those who write the mapping.

use std::fmt::Write;

use samspor_formats::mapping::Coverage;

/// The rules and the names that are told. Of more, how many they are.
const MAX_TOLD: usize = 20;

/// The rules that found no value in any of these, such as `example`, each by its line; nothing if there are none.
pub(super) fn rules(coverage: &Coverage, these: &str) -> String {
    let rules = coverage.unfilled();
    let mut text = String::new();
    if rules.is_empty() {
        return text;
    }
    let _ = writeln!(text, "in no {these}:");
    for rule in rules.iter().take(MAX_TOLD) {
        let _ = writeln!(text, "  mapping line {}: {}", rule.line, rule.what);
    }
    if rules.len() > MAX_TOLD {
        let _ = writeln!(text, "  and {} more", rules.len() - MAX_TOLD);
    }
    text
}

/// What no rule reads, by its path; nothing if there is none. Masked, only how much it is, since a message's own names may be
/// somebody's.
pub(super) fn names(coverage: &Coverage, is_masked: bool) -> String {
    let names = coverage.unread();
    let count = names.len();
    if count == 0 {
        return String::new();
    }
    if is_masked {
        return format!("no rule reads {count} of the names in it\n");
    }
    let mut text = String::from("no rule reads:\n");
    for name in names.take(MAX_TOLD) {
        let _ = writeln!(text, "  {name}");
    }
    if count > MAX_TOLD {
        let _ = writeln!(text, "  and {} more", count - MAX_TOLD);
    }
    text
}
