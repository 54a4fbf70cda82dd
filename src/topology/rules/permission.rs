//! Whether a user may do what the gateway does.

use regex::Regex;
use samspor_http::management::Permissions;

use super::Seen;
use crate::topology::report::Finding;

/// What the gateway does with a queue or exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    Configure,
    Write,
    Read,
}

/// The name by which permissions know the default exchange.
pub(super) const DEFAULT_EXCHANGE: &str = "amq.default";

/// Holds what the gateway needs against what the user may.
pub(super) fn permission(user: &str, permissions: &Seen<Permissions>, needs: &[(Right, &str)]) -> Finding {
    const CHECK: &str = "permission";
    let permissions = match permissions {
        Ok(Some(permissions)) => permissions,
        Ok(None) => {
            let says = format!("the broker's own list of users does not say what '{user}' may do");
            return Finding::notice(CHECK, says, "see to it where the users are kept (LDAP, OAuth)");
        }
        Err(why) => {
            let says = format!("what '{user}' may do was not seen: {why}");
            return Finding::notice(
                CHECK,
                says,
                "to see it, let the management user have the tag administrator",
            );
        }
    };
    let mut unknown = Vec::new();
    for (right, name) in needs {
        let (word, pattern) = match right {
            Right::Configure => ("configure", &permissions.configure),
            Right::Write => ("write", &permissions.write),
            Right::Read => ("read", &permissions.read),
        };
        match allows(pattern, name) {
            Some(true) => {}
            Some(false) => {
                let says = format!("'{user}' has no {word} permission for '{name}': it has '{pattern}'");
                let advice = "`rabbitmqctl set_permissions -p VHOST USER CONFIGURE WRITE READ` gives it";
                return Finding::fault(CHECK, says, advice);
            }
            None => unknown.push(word),
        }
    }
    if unknown.is_empty() {
        return Finding::good(CHECK, format!("'{user}' may do what it needs"));
    }
    let says = format!("the pattern of the {} permission cannot be read here", unknown.join(" and "));
    Finding::notice(CHECK, says, "see whether it allows what the gateway needs")
}

/// Whether a pattern allows a name, as the broker decides it: anywhere in the name, and the empty pattern nothing. None
/// where the pattern has something that only the broker's own patterns have.
fn allows(pattern: &str, name: &str) -> Option<bool> {
    let pattern = if pattern.is_empty() { "^$" } else { pattern };
    Regex::new(pattern).ok().map(|pattern| pattern.is_match(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_as_the_broker_reads_them() {
        for (pattern, name, expected) in [
            (".*", "q", Some(true)),
            ("", "q", Some(false)),
            ("^samspor\\.", "samspor.opus", Some(true)),
            ("^samspor\\.", "other.samspor.opus", Some(false)),
            ("opus", "samspor.opus.in", Some(true)),
            ("^(?!x)", "q", None),
        ] {
            assert_eq!(allows(pattern, name), expected, "{pattern} {name}");
        }
    }
}
