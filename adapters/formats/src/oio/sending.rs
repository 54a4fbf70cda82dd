//! Sending: a record in an envelope of the message distributor, and what that answers.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use quick_xml::escape::escape;
use samspor_domain::{Encode, Record};
use uuid::Uuid;

use super::xml::{self, Element};

/// What stands on every envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Within what the ids of records are told apart, as [`message_id`] has it.
    pub scope: String,
    /// The message type (*Beskedtype*): a UUID or a URN.
    pub message_type: String,
    /// The system that sends (*Kildesystem*): a UUID or a URN.
    pub system: Option<String>,
    /// The authority that answers for the message (*BeskedAnsvarligAktoer*): a UUID or a URN.
    pub responsible: Option<String>,
    /// Who alone may get it (*TilladtModtager*), UUIDs or URNs; nobody here: whoever subscribes to its type.
    pub recipients: Vec<String>,
}

/// Writes records into envelopes: a `Haendelsesbesked` whose `Beskeddata` holds, in `{urn:besked:kuvert:1.0}Base64`, what
/// another encoder makes of the record. `BeskedId` is made from the record's id as its revision has it, so that the same
/// record has the same one whenever it is sent; `Dannelsestidspunkt` is when the gateway registered the change, which an LIS
/// is not told.
pub struct Encoder {
    content: Arc<dyn Encode>,
    sender: Sender,
}

impl Encoder {
    /// Of what another encoder writes.
    #[must_use]
    pub fn new(content: Arc<dyn Encode>, sender: Sender) -> Self {
        Self { content, sender }
    }
}

impl Encode for Encoder {
    fn content_type(&self) -> &'static str {
        "application/xml"
    }

    fn encode(&self, record: &Record) -> Bytes {
        let (id, registered) = match record {
            Record::Ledger(of) => {
                (format!("{}:{}:{}", of.source, of.posting, of.revision), Some(of.registered))
            }
            Record::Lis(of) => {
                let posting = format!("{:032x}", u128::from_be_bytes(of.posting.0));
                (format!("{}:{posting}:{}", of.source, of.revision), None)
            }
        };
        let made = registered.map_or_else(String::new, |at| {
            let at = format!("<s:TidsstempelDatoTid>{at}</s:TidsstempelDatoTid>");
            format!("<Dannelsestidspunkt>{at}</Dannelsestidspunkt>")
        });
        let sender = &self.sender;
        let of = |name: &str, id: &String| format!("<{name}>{}</{name}>", identifier(id));
        let system = sender.system.as_ref().map_or_else(String::new, |id| of("Kildesystem", id));
        let responsible = sender.responsible.as_ref();
        let responsible = responsible.map_or_else(String::new, |id| of("BeskedAnsvarligAktoer", id));
        let recipients: String = sender.recipients.iter().map(|id| of("TilladtModtager", id)).collect();
        let content_type = self.content.content_type();
        let encoding = if is_text(content_type) { " encoding=\"UTF-8\"" } else { "" };
        let content = BASE64_STANDARD.encode(self.content.encode(record));
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <Haendelsesbesked xmlns=\"urn:oio:besked:kuvert:1.0\" xmlns:s=\"urn:oio:sagdok:3.0.0\">\
             <BeskedId>{id}</BeskedId><BeskedVersion>1.0</BeskedVersion><Beskedkuvert>\
             <Filtreringsdata><Beskedtype>{kind}</Beskedtype>{responsible}{recipients}</Filtreringsdata>\
             <Leveranceinformation>{made}{system}</Leveranceinformation></Beskedkuvert>\
             <Beskeddata><Base64 xmlns=\"urn:besked:kuvert:1.0\" content-type=\"{content_type}\"{encoding}>\
             {content}</Base64></Beskeddata></Haendelsesbesked>\n",
            id = identifier(&message_id(&sender.scope, &id)),
            kind = identifier(&sender.message_type),
            content_type = escape(content_type),
        );
        Bytes::from(text)
    }
}

/// Whether what is of this type is text, which the gateway writes in UTF-8.
fn is_text(content_type: &str) -> bool {
    ["text/", "application/json", "application/xml"].iter().any(|text| content_type.starts_with(text))
}

/// A choice of UUID or URN.
fn identifier(id: &str) -> String {
    let name = if id.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn:")) {
        "URNIdentifikator"
    } else {
        "UUIDIdentifikator"
    };
    format!("<s:{name}>{}</s:{name}>", escape(id))
}

/// The id of an envelope: the UUID (version 5, in the namespace of URLs) of `urn:samspor:message:`, a scope, a colon and a
/// message's id. The distributor serves the whole country, and other gateways have sources, postings and revisions of the
/// same names; so the scope says for which authority it is sent, and by which target.
#[must_use]
pub fn message_id(scope: &str, text: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("urn:samspor:message:{scope}:{text}").as_bytes()).to_string()
}

/// The status code of the distributor's answer: `StatusKode` of the first `StandardRetur`, of whatever namespace, as which
/// one it is depends on the schema's version. Its text is not read, for it may quote the message.
#[must_use]
pub fn status(answer: &[u8]) -> Option<u16> {
    fn find(element: &Element) -> Option<&Element> {
        if element.name == "StandardRetur" {
            return Some(element);
        }
        element.children.iter().find_map(find)
    }
    let root = xml::parse(answer, None, None).ok()?;
    let code = find(&root)?.children.iter().find(|child| child.name == "StatusKode")?;
    code.own_text()?.parse().ok()
}
