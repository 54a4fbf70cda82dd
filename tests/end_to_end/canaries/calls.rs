//! Every method of the API, called with requests that are made of its descriptors: faulty ones, with a canary in every text, and
//! sensible ones, with names that the gateway knows.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use samspor_town::Town;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};

use super::{CPR, UUID};
use crate::deployment::Result;

/// Methods that show whom something is about: to registrars, what they put, and what is held on a citizen.
pub(crate) const SHOW: [&str; 4] = [
    "samspor.v1.CitizenService/ExportCitizen",
    "samspor.v1.RegistryService/GetFact",
    "samspor.v1.RegistryService/ListFactVersions",
    "samspor.v1.RegistryService/ListFacts",
];

/// A name that callers put in every text, and that no refusal quotes.
pub(crate) const NAMED: &str = "Solsorte Musvit";

/// The town has no control total.
const EMPTY: &str = "samspor.v1.ReconciliationService/ListControlLines";

/// Messages in which a consent is named.
const IN_NO_SOURCE: [&str; 3] = ["GetFactRequest", "ListFactVersionsRequest", "FactName"];

/// Messages of one answer that are looked at; a subscription has no end.
const ANSWERS: usize = 200;
/// How long the next message of an answer is waited for.
const SILENCE: Duration = Duration::from_secs(2);
/// How deep requests are filled.
const DEEP: usize = 8;

/// Names that the gateway knows.
pub(crate) struct Known {
    pub(crate) posting: String,
    pub(crate) consent: String,
    pub(crate) cpr: String,
}

impl Known {
    pub(crate) fn of(town: &Town) -> Result<Self> {
        let of_type = |kind: &str| {
            let said = town
                .messages()
                .filter_map(|message| serde_json::from_slice::<serde_json::Value>(&message.body).ok());
            let mut said = said.filter(|said| said["type"] == kind && said["citizen"]["cpr"].is_string());
            said.next().ok_or_else(|| format!("the town has a {kind}"))
        };
        let (posting, consent) = (of_type("posting")?, of_type("consent")?);
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let cpr = text(&consent["citizen"]["cpr"]);
        Ok(Self { posting: text(&posting["id"]), consent: text(&consent["id"]), cpr })
    }

    /// A value that makes sense in a field of that name.
    fn word(&self, field: &FieldDescriptor) -> String {
        match field.name() {
            "page_token" | "caller" | "action" | "from" | "before" | "path" | "reason" | "as_of" => {
                String::new()
            }
            // Consents are named across the municipality.
            "source" | "system" if IN_NO_SOURCE.contains(&field.parent_message().name()) => String::new(),
            "source" | "system" => "opus".into(),
            "posting" => self.posting.clone(),
            "id" if field.parent_message().name() == "PostingName" => self.posting.clone(),
            "id" | "consent" => self.consent.clone(),
            "cpr" => self.cpr.clone(),
            "uuid" => UUID.into(),
            "target" => "lis".into(),
            "solution" if field.parent_message().name() == "ListCorrectionsRequest" => "sb-familier".into(),
            "from_date" => "2026-01-01".into(),
            "to_date" => "2026-12-31".into(),
            _ => String::new(),
        }
    }
}

/// Bytes as they travel.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, into: &mut EncodeBuf<'_>) -> std::result::Result<(), Status> {
        bytes::BufMut::put_slice(into, &item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> std::result::Result<Option<Vec<u8>>, Status> {
        let length = bytes::Buf::remaining(from);
        Ok(Some(bytes::Buf::copy_to_bytes(from, length).to_vec()))
    }
}

/// A request with every field filled, and of each choice the alternative with that number.
fn filled(
    kind: &MessageDescriptor,
    choice: usize,
    word: &dyn Fn(&FieldDescriptor) -> String,
    depth: usize,
) -> DynamicMessage {
    let mut message = DynamicMessage::new(kind.clone());
    if depth == 0 {
        return message;
    }
    for field in kind.fields() {
        if let Some(oneof) = field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) {
            let alternatives = oneof.fields().len();
            let chosen = oneof.fields().nth(choice % alternatives);
            if chosen.as_ref() != Some(&field) {
                continue;
            }
        }
        let value = match field.kind() {
            Kind::String => match word(&field) {
                text if text.is_empty() => continue,
                text => Value::String(text),
            },
            Kind::Message(inner) => Value::Message(filled(&inner, choice, word, depth - 1)),
            Kind::Enum(known) => {
                // Facts are looked for by the kind that the known one has.
                let consent = known.values().find(|value| value.name() == "FACT_KIND_CONSENT");
                Value::EnumNumber(consent.map_or(1, |value| value.number()))
            }
            Kind::Bool => Value::Bool(true),
            Kind::Bytes => continue,
            Kind::Float => Value::F32(1.0),
            Kind::Double => Value::F64(1.0),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(1),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(1),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(1),
            _ => Value::I32(if field.name() == "page_size" { 100 } else { 1 }),
        };
        if field.is_map() {
            continue;
        }
        message.set_field(&field, if field.is_list() { Value::List(vec![value]) } else { value });
    }
    message
}

/// Calls every method, and gives what each answered, whether well or not.
pub(crate) async fn all(url: &str, known: &Known) -> Result<BTreeMap<String, Told>> {
    let pool = DescriptorPool::decode(samspor_grpc::DESCRIPTORS)?;
    let channel = samspor_grpc::client::connect(url).await?;
    let mut told = BTreeMap::new();
    for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
        let name = format!("{}/{}", method.parent_service().full_name(), method.name());
        let mut requests = Vec::new();
        for choice in 0..6 {
            // A name or a UUID in the place of an id is an id, and shown as that; nothing may quote it where it is refused.
            for (canary, uuid) in [(CPR, UUID), ("611280-1234", UUID), (NAMED, NAMED)] {
                let faulty = |field: &FieldDescriptor| match (field.name(), field.parent_message().name()) {
                    // Else nothing of it would be read.
                    ("source", "SubmitMessageRequest" | "SubmitMessagesRequest") => "portal".to_owned(),
                    ("uuid", _) => uuid.to_owned(),
                    _ => canary.to_owned(),
                };
                requests.push(filled(&method.input(), choice, &faulty, DEEP));
            }
            if is_look(method.name()) {
                requests.push(filled(&method.input(), choice, &|field| known.word(field), DEEP));
            }
        }
        requests.dedup();
        let mut all = Told::default();
        for request in requests {
            call(&channel, &name, request.encode_to_vec(), &mut all).await?;
        }
        told.insert(name, all);
    }
    Ok(told)
}

/// Whether a method changes nothing that a later call needs.
pub(crate) fn is_look(method: &str) -> bool {
    if method == EMPTY {
        return false;
    }
    let method = method.rsplit('/').next().unwrap_or_default();
    ["Get", "List", "Group", "Preview", "Explain", "Export", "Subscribe"]
        .iter()
        .any(|verb| method.starts_with(verb))
}

/// What a method answered.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Every message of its answers.
    pub(crate) answers: Vec<Vec<u8>>,
    /// How they ended that did not end well: words, details and metadata.
    pub(crate) refusals: Vec<Vec<u8>>,
}

async fn call(
    channel: &samspor_grpc::client::Channel,
    method: &str,
    request: Vec<u8>,
    told: &mut Told,
) -> Result<()> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await?;
    let path = format!("/{method}").parse()?;
    let ended = match grpc.streaming(Request::new(stream::iter([request])), path, Raw).await {
        Err(status) => Some(status),
        Ok(answer) => {
            let mut messages = answer.into_inner().take(ANSWERS);
            loop {
                match timeout(SILENCE, messages.next()).await {
                    Ok(Some(Ok(message))) => told.answers.push(message),
                    Ok(Some(Err(status))) => break Some(status),
                    Ok(None) | Err(_) => break None,
                }
            }
        }
    };
    if let Some(status) = ended {
        told.refusals.push(status.message().as_bytes().to_vec());
        told.refusals.push(status.details().to_vec());
        told.refusals.push(format!("{:?}", status.metadata()).into_bytes());
    }
    Ok(())
}
