//! Messages of the API as JSON, by their descriptors: for who shows them, or hands them on.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, Value as Given};
use serde_json::Value;

static POOL: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(crate::DESCRIPTORS).ok());

/// A message of `samspor.v1`, by its name there, as Protobuf writes JSON: fields in `camelCase`, those that are not given left out.
/// Null where the message has another name.
#[must_use]
pub fn as_json(name: &str, message: &impl Message) -> Value {
    let kind = POOL.as_ref().and_then(|pool| pool.get_message_by_name(&format!("samspor.v1.{name}")));
    let read = kind.and_then(|kind| DynamicMessage::decode(kind, &*message.encode_to_vec()).ok());
    read.as_ref().map_or(Value::Null, object)
}

/// The fields that are given, by their names in JSON.
fn object(message: &DynamicMessage) -> Value {
    let fields =
        message.fields().map(|(field, value)| (field.json_name().to_owned(), json(&field.kind(), value)));
    Value::Object(fields.collect())
}

fn json(kind: &Kind, value: &Given) -> Value {
    match value {
        Given::Bool(value) => (*value).into(),
        Given::I32(value) => (*value).into(),
        Given::U32(value) => (*value).into(),
        // Readers of JSON lose digits of longer numbers.
        Given::I64(value) => value.to_string().into(),
        Given::U64(value) => value.to_string().into(),
        Given::F32(value) => (*value).into(),
        Given::F64(value) => (*value).into(),
        Given::String(value) => value.clone().into(),
        Given::EnumNumber(number) => {
            let known = kind.as_enum().and_then(|known| known.get_value(*number));
            known.map_or_else(|| (*number).into(), |known| known.name().into())
        }
        Given::Message(message) => object(message),
        Given::List(items) => items.iter().map(|item| json(kind, item)).collect(),
        // Nothing that is shown has any.
        Given::Bytes(_) | Given::Map(_) => Value::Null,
    }
}
