//! The definitions in `proto/`: their style, and that a change of them breaks nobody.
//!
//! `proto/samspor.v1.txt` lists what callers rely on, a line each. Where something was added, the list is renewed with
//! `UPDATE_DOCS=1 cargo test -p samspor-grpc --test definitions`. Where something was taken away or changed, callers that
//! were made before break. Nothing has been released yet, so that may be; it takes `BREAK_DEFINITIONS=1` beside it, and a line
//! in the changelog.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use prost_reflect::prost_types::source_code_info::Location;
use prost_reflect::{Cardinality, DescriptorPool, FieldDescriptor, Kind};

fn pool() -> DescriptorPool {
    DescriptorPool::decode(samspor_grpc::DESCRIPTORS).expect("the descriptors decode")
}

const PACKAGE: &str = "samspor.v1";

/// What a field is: `optional string`, `repeated samspor.v1.Share`.
fn form(field: &FieldDescriptor) -> String {
    let kind = match field.kind() {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(words) => words.full_name().to_owned(),
        kind => format!("{kind:?}").to_lowercase(),
    };
    let oneof = field.containing_oneof().filter(|_| !field.field_descriptor_proto().proto3_optional());
    match oneof {
        Some(oneof) => format!("oneof {} {kind}", oneof.name()),
        None if field.cardinality() == Cardinality::Repeated => format!("repeated {kind}"),
        None if field.field_descriptor_proto().proto3_optional() => format!("optional {kind}"),
        None => kind,
    }
}

/// Everything that callers rely on: its name, and what it is.
fn listed(pool: &DescriptorPool) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut add = |name: String, is: String| {
        assert!(all.insert(name.clone(), is).is_none(), "{name} is there twice");
    };
    for message in pool.all_messages().filter(|message| message.package_name() == PACKAGE) {
        add(format!("message {}", message.full_name()), String::new());
        for field in message.fields() {
            // By number: that is what stands on the wire.
            add(
                format!("field {}.{}", message.full_name(), field.number()),
                format!("{} {}", form(&field), field.name()),
            );
        }
    }
    for words in pool.all_enums().filter(|words| words.package_name() == PACKAGE) {
        for word in words.values() {
            add(format!("value {}.{}", words.full_name(), word.number()), word.name().to_owned());
        }
    }
    for service in pool.services().filter(|service| service.package_name() == PACKAGE) {
        for method in service.methods() {
            let stream = |is: bool| if is { "stream " } else { "" };
            let is = format!(
                "{}{} -> {}{}",
                stream(method.is_client_streaming()),
                method.input().full_name(),
                stream(method.is_server_streaming()),
                method.output().full_name(),
            );
            add(format!("method {}/{}", service.full_name(), method.name()), is);
        }
    }
    all
}

fn written(all: &BTreeMap<String, String>) -> String {
    all.iter().map(|(name, is)| format!("{name} {is}").trim_end().to_owned() + "\n").collect()
}

/// What an earlier list has and this one does not, or has otherwise.
fn broken(before: &str, now: &BTreeMap<String, String>) -> Vec<String> {
    let now = written(now);
    let now: BTreeSet<&str> = now.lines().collect();
    before.lines().filter(|line| !now.contains(line)).map(str::to_owned).collect()
}

#[test]
fn nobody_who_was_made_by_these_definitions_before_is_broken() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../proto/samspor.v1.txt");
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let all = listed(&pool());
    #[expect(clippy::disallowed_methods, reason = "it is not a setting of the gateway's")]
    let is_set = |name| std::env::var_os(name).is_some();
    let broken = broken(&before, &all);
    assert!(
        broken.is_empty() || (is_set("UPDATE_DOCS") && is_set("BREAK_DEFINITIONS")),
        "these are gone or changed, which breaks callers: keep them, and add new ones beside them. Nothing is released yet, so \
         if it must be: UPDATE_DOCS=1 BREAK_DEFINITIONS=1, and a line in the changelog.\n{}",
        broken.join("\n"),
    );
    if is_set("UPDATE_DOCS") {
        std::fs::write(&path, written(&all)).expect("the list is written");
    } else {
        let is_renewed = before == written(&all);
        assert!(
            is_renewed,
            "something was added: UPDATE_DOCS=1 cargo test -p samspor-grpc --test definitions renews the list"
        );
    }
}

#[test]
fn what_breaks_callers_is_found_and_what_is_added_does_not() {
    let now = listed(&pool());
    assert_eq!(broken(&written(&now), &now), Vec::<String>::new());
    let field = "field samspor.v1.Enrolment.5".to_owned();
    let mut without = now.clone();
    let was = without.remove(&field).expect("it is there");
    assert_eq!(broken(&written(&now), &without), [format!("{field} {was}")]);
    assert_eq!(broken(&written(&without), &now), Vec::<String>::new(), "one more breaks nobody");
    let mut other = now.clone();
    for (name, is) in [
        (field.as_str(), "optional int64 family"),
        ("value samspor.v1.Outcome.1", "OUTCOME_OTHER"),
        (
            "method samspor.v1.IntakeService/SubmitMessages",
            "samspor.v1.SubmitMessagesRequest -> samspor.v1.SubmitMessagesResponse",
        ),
    ] {
        assert_ne!(other.insert(name.to_owned(), is.to_owned()).as_deref(), Some(is));
    }
    assert_eq!(broken(&written(&now), &other).len(), 3);
}

fn is_snake(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.contains("__")
}

fn is_pascal(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(|c| c.is_ascii_alphanumeric())
}

fn shouted(name: &str) -> String {
    let mut shouted = String::new();
    for (n, c) in name.chars().enumerate() {
        if n > 0 && c.is_ascii_uppercase() {
            shouted.push('_');
        }
        shouted.push(c.to_ascii_uppercase());
    }
    shouted
}

/// The verbs with which methods begin.
const VERBS: [&str; 23] = [
    "Check",
    "Delete",
    "Describe",
    "Discard",
    "Drain",
    "End",
    "Explain",
    "Export",
    "Forget",
    "Get",
    "Group",
    "List",
    "Pause",
    "Preview",
    "Put",
    "Release",
    "Reload",
    "Replay",
    "Resume",
    "Rotate",
    "Submit",
    "Subscribe",
    "Withdraw",
];

/// What is wrong with the style of the definitions.
fn faults(pool: &DescriptorPool) -> Vec<String> {
    let mut faults = Vec::new();
    let mut must = |holds: bool, name: &str, what: &str| {
        if !holds {
            faults.push(format!("{name}: {what}"));
        }
    };
    let mut asked = BTreeSet::new();
    for service in pool.services().filter(|service| service.package_name() == PACKAGE) {
        must(service.name().ends_with("Service"), service.full_name(), "a service's name ends with Service");
        for method in service.methods() {
            let name = method.full_name();
            let verb = VERBS.iter().find(|verb| method.name().starts_with(*verb));
            must(verb.is_some() && is_pascal(method.name()), name, "a method's name begins with a verb");
            must(
                method.input().name() == format!("{}Request", method.name()),
                name,
                "its request is named after it",
            );
            must(
                method.output().name() == format!("{}Response", method.name()),
                name,
                "its response is named after it",
            );
            must(asked.insert(method.input().full_name().to_owned()), name, "its request is its own");
        }
    }
    for message in pool.all_messages().filter(|message| message.package_name() == PACKAGE) {
        must(is_pascal(message.name()), message.full_name(), "a message's name is in PascalCase");
        for field in message.fields() {
            must(is_snake(field.name()), field.full_name(), "a field's name is in snake_case");
        }
        for oneof in message.oneofs() {
            must(
                is_snake(oneof.name().trim_start_matches('_')),
                oneof.full_name(),
                "a oneof's name is in snake_case",
            );
        }
    }
    for words in pool.all_enums().filter(|words| words.package_name() == PACKAGE) {
        let prefix = format!("{}_", shouted(words.name()));
        for word in words.values() {
            must(word.name().starts_with(&prefix), word.full_name(), "a value's name begins with its enum's");
            let is_zero = word.name() == format!("{prefix}UNSPECIFIED");
            must(is_zero == (word.number() == 0), word.full_name(), "0 is UNSPECIFIED, and nothing else is");
        }
    }
    for file in pool.files().filter(|file| file.package_name().starts_with("samspor")) {
        let version = file.package_name().rsplit('.').next().unwrap_or_default();
        let is_version = version.strip_prefix('v').is_some_and(|number| number.parse::<u32>().is_ok());
        must(is_version, file.name(), "its package ends with a version");
        let folder = file.package_name().replace('.', "/");
        must(file.name().starts_with(&format!("{folder}/")), file.name(), "it lies in its package's folder");
        let info = &file.file_descriptor_proto().source_code_info;
        for location in info.iter().flat_map(|info| &info.location).filter(|location| is_element(location)) {
            let comment = location.leading_comments.as_deref().map(str::trim).unwrap_or_default();
            let place = format!("{}:{}", file.name(), location.span.first().map_or(0, |line| line + 1));
            must(!comment.is_empty(), &place, "everything has a comment before it");
            must(comment.is_empty() || comment.ends_with(['.', ':', '`']), &place, "a comment is a sentence");
        }
    }
    faults
}

/// Whether a place in a file is a message, field, oneof, enum, value, service or method: the numbers of their fields in
/// `descriptor.proto`, each with an index behind it.
fn is_element(location: &Location) -> bool {
    let steps: Vec<i32> = location.path.iter().step_by(2).copied().collect();
    location.path.len().is_multiple_of(2)
        && matches!(steps[..], [4] | [4, 2] | [4, 8] | [5] | [5, 2] | [6] | [6, 2])
}

#[test]
fn the_definitions_are_in_one_style() {
    let faults = faults(&pool());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let elements = pool()
        .files()
        .filter(|file| file.package_name() == PACKAGE)
        .flat_map(|file| {
            file.file_descriptor_proto()
                .source_code_info
                .clone()
                .map(|info| info.location)
                .unwrap_or_default()
        })
        .filter(is_element)
        .count();
    assert!(elements > 400, "only {elements} elements were looked at");
}

/// What is wrong with a request in JSON: a field or a word that there is not.
fn wrong(message: &prost_reflect::MessageDescriptor, json: &serde_json::Value, faults: &mut Vec<String>) {
    let Some(fields) = json.as_object() else {
        return faults.push(format!("{json} is no {}", message.name()));
    };
    for (name, value) in fields {
        let field = message.get_field_by_json_name(name).or_else(|| message.get_field_by_name(name));
        let Some(field) = field else {
            faults.push(format!("{} has no {name}", message.name()));
            continue;
        };
        let values = match value {
            serde_json::Value::Array(values) if field.is_list() => values.iter().collect(),
            value => vec![value],
        };
        for value in values {
            match field.kind() {
                Kind::Message(inner) => wrong(&inner, value, faults),
                Kind::Enum(words) => {
                    let word = value.as_str().unwrap_or_default();
                    if words.get_value_by_name(word).is_none() {
                        faults.push(format!("{} has no {word}", words.name()));
                    }
                }
                Kind::Bool if !value.is_boolean() => faults.push(format!("{name} is no bool")),
                Kind::String if !value.is_string() => faults.push(format!("{name} is no text")),
                _ => {}
            }
        }
    }
}

/// Every line of the pages that calls a method calls one that there is, with fields that it has; and each service has one.
#[test]
fn the_lines_of_the_pages_call_what_there_is() {
    let pool = pool();
    let (mut faults, mut called, mut lines) = (Vec::new(), BTreeSet::new(), 0);
    for page in ["api.md", "feed.md"] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
        let text = std::fs::read_to_string(path).expect("the page");
        // A call may go over several lines, and ends with its method. In a table it stands in backticks.
        for call in text.split(" -d '").skip(1) {
            let Some((json, rest)) = call.split_once('\'') else { continue };
            let mut words = rest.split_whitespace().map(|word| word.trim_matches(['`', '\\']));
            let method = words.find(|word| word.contains('/') && word.contains('.') && !word.contains(':'));
            let Some(method) = method.filter(|method| method.starts_with(PACKAGE)) else {
                continue; // A call of a service that is not ours.
            };
            let (service, name) = method.split_once('/').expect("both");
            let known = pool.get_service_by_name(service);
            let known = known.and_then(|service| service.methods().find(|method| method.name() == name));
            let Some(known) = known else {
                faults.push(format!("{page}: there is no {method}"));
                continue;
            };
            lines += 1;
            called.insert(service.to_owned());
            let requests = serde_json::Deserializer::from_str(json).into_iter::<serde_json::Value>();
            for request in requests {
                match request {
                    Ok(request) => wrong(&known.input(), &request, &mut faults),
                    Err(error) => faults.push(format!("{page}: {method}: {error}")),
                }
            }
        }
    }
    let services = pool.services().filter(|service| service.package_name() == PACKAGE);
    let missing =
        services.map(|service| service.full_name().to_owned()).filter(|name| !called.contains(name));
    faults.extend(missing.map(|name| format!("api.md shows no call of {name}")));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(lines >= 15, "only {lines} calls were found");
}
