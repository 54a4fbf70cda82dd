//! A queue, and what holds for it: its arguments and its policies together.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{Consumer, Version};

/// A queue.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Queue {
    /// `classic`, `quorum`, `stream` or what a plugin brings.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// Whether it outlives the broker.
    pub durable: bool,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// Whether it belongs to one connection.
    #[serde(default)]
    pub exclusive: bool,
    /// `running`, `live`, `down`, `minority`, …
    #[serde(default)]
    pub state: Option<String>,
    /// With what it was declared.
    #[serde(default, deserialize_with = "table")]
    pub arguments: Map<String, Value>,
    /// The policies of users and of operators that hold for it, in one. None: the interface does not know yet.
    #[serde(default, deserialize_with = "some_table")]
    pub effective_policy_definition: Option<Map<String, Value>>,
    /// The policy's name.
    #[serde(default)]
    pub policy: Option<String>,
    /// The operator policy's name.
    #[serde(default)]
    pub operator_policy: Option<String>,
    /// Who consumes from it.
    #[serde(default, deserialize_with = "or_default")]
    pub consumer_details: Vec<Consumer>,
}

/// The names of the policies of a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy(pub Vec<String>);

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The queue was declared with this argument, and keeps it as long as it is there.
    Argument(String),
    /// One of these policies says so under this key.
    Policy(String, Policy),
    /// Nobody says so: this version of the broker does.
    Default,
}

/// A setting that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// Its value.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}

/// Everything that holds for a queue and by which messages leave it other than through a consumer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effective {
    /// After how many milliseconds a message goes.
    pub message_ttl: Option<Setting<i64>>,
    /// After how many milliseconds without use the queue itself goes.
    pub expires: Option<Setting<i64>>,
    /// How many messages it holds at most.
    pub max_length: Option<Setting<i64>>,
    /// How many bytes of messages it holds at most.
    pub max_length_bytes: Option<Setting<i64>>,
    /// What happens beyond: `drop-head` unless said.
    pub overflow: Option<Setting<String>>,
    /// After how many deliveries a message goes; below 0 is never.
    pub delivery_limit: Option<Setting<i64>>,
    /// How many milliseconds a consumer may take to acknowledge.
    pub consumer_timeout: Option<Setting<i64>>,
    /// Where what goes is published.
    pub dead_letter_exchange: Option<Setting<String>>,
    /// Under which key; without it under the message's own.
    pub dead_letter_routing_key: Option<Setting<String>>,
}

/// RabbitMQ 4 gives every quorum queue this delivery limit.
const DELIVERY_LIMIT_OF_4: i64 = 20;

impl Queue {
    /// Whether the interface knows already which policies hold.
    #[must_use]
    pub fn policy_is_known(&self) -> bool {
        self.effective_policy_definition.is_some()
    }

    /// What holds: of two numbers the lesser, of two names the argument's.
    #[must_use]
    pub fn effective(&self, version: Option<Version>) -> Effective {
        let is_quorum = self.kind == "quorum";
        let default_limit = (is_quorum && version.is_some_and(|version| version.major >= 4))
            .then_some(Setting { value: DELIVERY_LIMIT_OF_4, origin: Origin::Default });
        Effective {
            message_ttl: self.number("message-ttl"),
            expires: self.number("expires"),
            max_length: self.number("max-length"),
            max_length_bytes: self.number("max-length-bytes"),
            overflow: self.text("overflow"),
            // Classic queues know none.
            delivery_limit: if is_quorum { self.number("delivery-limit").or(default_limit) } else { None },
            consumer_timeout: self.number("consumer-timeout"),
            dead_letter_exchange: self.text("dead-letter-exchange"),
            dead_letter_routing_key: self.text("dead-letter-routing-key"),
        }
    }

    fn said<T>(
        &self,
        key: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> (Option<Setting<T>>, Option<Setting<T>>) {
        let argument = format!("x-{key}");
        let by_argument = self.arguments.get(&argument).and_then(&read);
        let by_policy = self.effective_policy_definition.iter().find_map(|policy| policy.get(key));
        let policies = || Policy(self.policy.iter().chain(&self.operator_policy).cloned().collect());
        (
            by_argument.map(|value| Setting { value, origin: Origin::Argument(argument) }),
            by_policy
                .and_then(read)
                .map(|value| Setting { value, origin: Origin::Policy(key.to_owned(), policies()) }),
        )
    }

    fn number(&self, key: &str) -> Option<Setting<i64>> {
        match self.said(key, Value::as_i64) {
            (Some(argument), Some(policy)) => {
                // A negative delivery limit is none, and yields to one that is.
                let is_without = argument.value < 0 || policy.value < 0;
                let argument_wins = (argument.value <= policy.value) != is_without;
                Some(if argument_wins { argument } else { policy })
            }
            (argument, policy) => argument.or(policy),
        }
    }

    fn text(&self, key: &str) -> Option<Setting<String>> {
        let (argument, policy) = self.said(key, |value| value.as_str().map(str::to_owned));
        argument.or(policy)
    }
}

/// The interface writes an empty table as `[]` in places, and what it does not know as `null` or `""`.
pub(super) fn table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    Ok(some_table(deserializer)?.unwrap_or_default())
}

fn some_table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Map<String, Value>>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Object(table) => Some(table),
        Value::Array(_) => Some(Map::new()),
        _ => None,
    })
}

/// What cannot be read is as if it were not there: the interface writes what it does not know in many ways.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + serde::de::DeserializeOwned,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn queue(kind: &str, arguments: Value, policy: Value) -> Queue {
        let written = json!({
            "type": kind, "durable": true, "auto_delete": false, "exclusive": false, "arguments": arguments,
            "effective_policy_definition": policy, "policy": "mine", "operator_policy": "theirs", "consumer_details": []
        });
        serde_json::from_value(written).unwrap_or_else(|e| panic!("{e}"))
    }

    const FOUR: Option<Version> = Some(Version { major: 4, minor: 0 });
    const THREE: Option<Version> = Some(Version { major: 3, minor: 13 });

    #[test]
    fn of_two_numbers_the_lesser_holds_and_of_two_names_the_arguments() {
        let arguments = json!({"x-message-ttl": 5, "x-max-length": 9, "x-overflow": "reject-publish", "x-dead-letter-exchange": "a"});
        let policy = json!({"message-ttl": 7, "max-length": 8, "overflow": "drop-head", "dead-letter-exchange": "b", "expires": 3});
        let holds = queue("classic", arguments, policy).effective(THREE);
        let ttl = holds.message_ttl.unwrap_or_else(|| panic!("there is one"));
        assert_eq!((ttl.value, ttl.origin), (5, Origin::Argument("x-message-ttl".into())));
        let length = holds.max_length.unwrap_or_else(|| panic!("there is one"));
        let policies = Policy(vec!["mine".into(), "theirs".into()]);
        assert_eq!((length.value, length.origin), (8, Origin::Policy("max-length".into(), policies)));
        assert_eq!(holds.expires.map(|expires| expires.value), Some(3));
        assert_eq!(holds.overflow.map(|overflow| overflow.value).as_deref(), Some("reject-publish"));
        assert_eq!(holds.dead_letter_exchange.map(|exchange| exchange.value).as_deref(), Some("a"));
    }

    #[test]
    fn the_delivery_limit_is_that_of_arguments_policies_and_version() {
        let limit = |kind, argument: Option<i64>, policy: Option<i64>, version| {
            let arguments = argument.map_or(json!({}), |limit| json!({"x-delivery-limit": limit}));
            let policy = policy.map_or(json!({}), |limit| json!({"delivery-limit": limit}));
            queue(kind, arguments, policy).effective(version).delivery_limit.map(|limit| limit.value)
        };
        for (kind, argument, policy, version, expected) in [
            ("quorum", None, None, THREE, None),
            ("quorum", None, None, FOUR, Some(20)),
            ("quorum", None, None, None, None),
            ("classic", Some(3), None, FOUR, None),
            ("quorum", Some(3), Some(5), FOUR, Some(3)),
            ("quorum", Some(5), Some(3), FOUR, Some(3)),
            ("quorum", Some(-1), None, FOUR, Some(-1)),
            ("quorum", Some(-1), Some(3), FOUR, Some(3)),
            ("quorum", Some(3), Some(-1), FOUR, Some(3)),
            ("quorum", None, Some(-1), FOUR, Some(-1)),
        ] {
            assert_eq!(limit(kind, argument, policy, version), expected, "{kind} {argument:?} {policy:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_told_from_what_is_empty() {
        assert!(!queue("quorum", json!({}), json!(null)).policy_is_known());
        assert!(!queue("quorum", json!({}), json!("")).policy_is_known());
        assert!(queue("quorum", json!([]), json!({})).policy_is_known());
        assert!(queue("quorum", json!([]), json!([])).policy_is_known());
    }
}
