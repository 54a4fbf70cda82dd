//! Canonical JSON written as Protobuf by the names of the definition, field by field, faults included. Nothing of the front
//! has a part in it, so that agreement between the two means something.

use std::sync::LazyLock;

use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value as Field,
};
use serde_json::{Map, Value};

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(samspor_grpc::DESCRIPTORS).expect("the descriptors decode"));

/// The bytes of a `SourceMessage` that say what an object of JSON says. None where a value is of a type that the field does
/// not have, so that Protobuf cannot say it.
pub(crate) fn bytes(object: &Map<String, Value>) -> Option<Vec<u8>> {
    let descriptor = POOL.get_message_by_name("samspor.v1.SourceMessage").expect("it is there");
    let word = object.get("type")?.as_str()?.replace('-', "_");
    let mut of_fact = Map::from_iter([("kind".to_owned(), object["type"].clone())]);
    of_fact.extend(
        object
            .iter()
            .filter(|(key, _)| ["id", "version"].contains(&key.as_str()))
            .map(|(k, v)| (k.clone(), v.clone())),
    );
    let (word, object) = if object.get("deleted") == Some(&Value::Bool(true)) {
        ("deletion".to_owned(), &of_fact)
    } else if word == "consent" && object.get("withdrawn") == Some(&Value::Bool(true)) {
        ("withdrawal".to_owned(), &of_fact)
    } else {
        (word, object)
    };
    let field = descriptor.get_field_by_name(&word)?;
    let mut message = DynamicMessage::new(descriptor.clone());
    message.set_field(&field, Field::Message(self::message(&inner(&field), object)?));
    Some(message.encode_to_vec())
}

fn inner(field: &FieldDescriptor) -> MessageDescriptor {
    field.kind().as_message().expect("it is a message").clone()
}

fn message(descriptor: &MessageDescriptor, object: &Map<String, Value>) -> Option<DynamicMessage> {
    if descriptor.name() == "CitizenReference" {
        return reference(descriptor, object);
    }
    let mut message = DynamicMessage::new(descriptor.clone());
    for (key, value) in object {
        let name = match (key.as_str(), descriptor.name()) {
            ("from", _) => "from_date",
            ("to", _) => "to_date",
            ("case", "Grant") => "case_id",
            ("grant", "SystemId") => "id",
            (key, _) => key,
        };
        let Some(field) = descriptor.get_field_by_name(name).filter(|_| !value.is_null()) else { continue };
        let value = match value {
            Value::Array(items) if field.is_list() => {
                Field::List(items.iter().map(|item| one(&field, item)).collect::<Option<_>>()?)
            }
            _ if field.is_list() => return None,
            value => one(&field, value)?,
        };
        message.set_field(&field, value);
    }
    Some(message)
}

fn reference(descriptor: &MessageDescriptor, object: &Map<String, Value>) -> Option<DynamicMessage> {
    let mut message = DynamicMessage::new(descriptor.clone());
    let mut forms = object.keys().filter(|key| *key != "system");
    let (form, further) = (forms.next(), forms.next());
    if further.is_some() {
        return None;
    }
    match form.map(String::as_str) {
        None => {}
        Some(form @ ("cpr" | "uuid")) if !object.contains_key("system") => {
            message.set_field_by_name(form, Field::String(object[form].as_str()?.to_owned()));
        }
        Some(form @ ("case" | "grant" | "id")) => {
            let name = if form == "id" { "person_id".to_owned() } else { format!("{form}_id") };
            let field = descriptor.get_field_by_name(&name)?;
            let mut named = Map::from_iter([("id".to_owned(), object[form].clone())]);
            named.extend(object.get("system").map(|system| ("system".to_owned(), system.clone())));
            message.set_field(&field, Field::Message(self::message(&inner(&field), &named)?));
        }
        Some(_) => return None,
    }
    Some(message)
}

fn one(field: &FieldDescriptor, value: &Value) -> Option<Field> {
    Some(match field.kind() {
        Kind::String => Field::String(value.as_str()?.to_owned()),
        // What does not fit is further out of every range than the field can say.
        Kind::Int32 => Field::I32(i32::try_from(value.as_i64()?).unwrap_or(i32::MAX)),
        Kind::Int64 => Field::I64(value.as_i64()?),
        Kind::Enum(words) => {
            let wanted = format!("_{}", value.as_str()?.replace('-', "_").to_uppercase());
            let prefix = words.get_value(0)?.name().strip_suffix("_UNSPECIFIED")?.to_owned();
            let found = words.values().find(|word| *word.name() == format!("{prefix}{wanted}"));
            Field::EnumNumber(found.map_or(999, |word| word.number()))
        }
        Kind::Message(descriptor) => Field::Message(message(&descriptor, value.as_object()?)?),
        other => panic!("{other:?} is new here"),
    })
}
