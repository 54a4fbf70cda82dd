//! The targets: each decoder, each parser of the domain, and what must hold of it for any bytes.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::str::FromStr;

use anyhow::Result;
use samspor_domain::{
    Account, AccountPrefix, AccountString, Amount, Cpr, Decode, Delivery, Fault, Grouping, Item, Message,
    PersonUuid, Text,
};
use samspor_formats::{g69, json, oio};
use samspor_town::{Settings, Town, source};

use crate::faults;
use crate::search::Search;

/// Something that reads bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    reads: Reads,
}

#[derive(Debug, Clone, Copy)]
enum Reads {
    /// A decoder, whose samples are the messages of these sources.
    Bodies(&'static [&'static str], fn(&Delivery) -> Vec<Item>),
    /// A parser of the domain. It answers whether the text is good, and panics where that makes no sense.
    Texts(fn(&str) -> bool),
}

/// Every target.
pub const TARGETS: [Target; 13] = [
    bodies("json", &[source::OPUS, source::DUBU, source::REGISTRY], |body| decode(&json::Decoder, body)),
    bodies("oio case", &[source::JOBCENTRE], |body| decode(&oio(oio::Payload::Case), body)),
    bodies("oio grant", &[source::JOBCENTRE], |body| decode(&oio(oio::Payload::Grant), body)),
    bodies("oio payment", &[source::JOBCENTRE], |body| decode(&oio(oio::Payload::Payment), body)),
    bodies("g69 in UTF-8", &[source::PRISME], |body| decode(&g69(g69::Encoding::Utf8), body)),
    bodies("g69 in ISO-8859-1", &[source::OES], |body| decode(&g69(g69::Encoding::Latin1), body)),
    texts("cpr number", |text| hidden(&Cpr::parse(text))),
    texts("person uuid", |text| hidden(&PersonUuid::parse(text))),
    texts("amount", same_again::<Amount>),
    texts("account", same_again::<Account>),
    texts("account string", |text| AccountString::from_str(text).is_ok()),
    texts("account prefix", same_again::<AccountPrefix>),
    texts("grouping", same_again::<Grouping>),
];

const fn bodies(
    name: &'static str,
    sources: &'static [&'static str],
    decode: fn(&Delivery) -> Vec<Item>,
) -> Target {
    Target { name, reads: Reads::Bodies(sources, decode) }
}

const fn texts(name: &'static str, read: fn(&str) -> bool) -> Target {
    Target { name, reads: Reads::Texts(read) }
}

fn decode(decoder: &dyn Decode, delivery: &Delivery) -> Vec<Item> {
    let source = Text::new("source").unwrap_or_else(|error| unreachable!("{error}"));
    decoder.decode(&source, delivery)
}

/// The message types of the demo's configuration, all for one payload, so that each sample reaches each reader.
fn oio(payload: oio::Payload) -> oio::Decoder {
    let types = (1..=3).map(|n| (format!("6b1f0a52-3c7e-4d18-9a40-5e2d7c1b8f0{n}"), payload));
    oio::Decoder::new(oio::Settings { message_types: types.collect() })
}

fn g69(encoding: g69::Encoding) -> g69::Decoder {
    g69::Decoder::new(g69::Settings { encoding })
}

/// Whether it is good; nothing of it shows.
fn hidden(read: &std::result::Result<impl Debug, impl Display>) -> bool {
    let shown = match read {
        Ok(value) => format!("{value:?}"),
        Err(error) => error.to_string(),
    };
    let digits = shown.bytes().filter(u8::is_ascii_digit).count();
    assert!(digits < 6, "it shows digits: {shown}");
    read.is_ok()
}

/// Whether it is good; written and read again, it is the same.
fn same_again<T: FromStr<Err: Display> + Display + PartialEq + Debug>(text: &str) -> bool {
    match text.parse::<T>() {
        Ok(value) => {
            let again = value.to_string().parse::<T>();
            assert!(again.is_ok_and(|again| again == value), "{value:?} is not what it says it is");
            true
        }
        Err(error) => {
            assert!(error.to_string().len() < 400, "it quotes what it read");
            false
        }
    }
}

impl Target {
    /// Gives it an input. Panics where something does not hold; answers whether the input is good.
    #[must_use]
    pub fn run(&self, corpus: &Corpus, input: &[u8]) -> bool {
        let decode = match self.reads {
            Reads::Texts(read) => return read(&String::from_utf8_lossy(input)),
            Reads::Bodies(_, decode) => decode,
        };
        let delivery = Delivery { body: input.to_vec().into(), ..Delivery::default() };
        let (first, again) = (decode(&delivery), decode(&delivery));
        assert!(!first.is_empty(), "a body became nothing");
        assert_eq!(first.len(), again.len(), "read again, it is something else");
        let mut good = true;
        for (item, again) in first.iter().zip(&again) {
            assert!(
                item.content == again.content && item.excerpt == again.excerpt,
                "read again, it is something else"
            );
            match &item.content {
                Ok(message) => corpus.shows_nobody(message),
                Err(fault) => {
                    corpus.quotes_nothing(fault);
                    good = false;
                }
            }
        }
        good
    }
}

/// What the town sends, and what of it must not show.
pub struct Corpus {
    /// By source.
    bodies: BTreeMap<&'static str, Vec<Vec<u8>>>,
    texts: Vec<Vec<u8>>,
    search: Search,
}

impl Corpus {
    /// The messages of a small town, and the crafted rubbish.
    pub fn new(seed: u64) -> Result<Self> {
        let town = Town::new(Settings { families: 3, background_citizens: 3, ..Settings::demo(seed) });
        let mut bodies: BTreeMap<&'static str, Vec<Vec<u8>>> = BTreeMap::new();
        for message in town.messages().chain(faults::crafted()) {
            // What is large for its size alone says nothing new, and takes long.
            if message.body.len() < 20_000 {
                bodies.entry(message.source).or_default().push(message.body);
            }
        }
        let texts = [
            "6112801234",
            "611280-1234",
            "311257 6234",
            "0f8fad5b-d9cb-469f-a165-70867728950e",
            "12450.00",
            "-0.01",
            "9999999999999.99",
            "5.28.21.1",
            "5.28.21",
            "01005-528211003-015031-529CPR---",
            "5282110417003499",
            "003",
            "5",
        ];
        let texts = texts.into_iter().map(|text| text.as_bytes().to_vec()).collect();
        Ok(Self { bodies, texts, search: Search::new(town.personal_data())? })
    }

    /// What a target's inputs are made of.
    #[must_use]
    pub fn samples(&self, target: &Target) -> Vec<Vec<u8>> {
        match target.reads {
            Reads::Texts(_) => self.texts.clone(),
            Reads::Bodies(sources, _) => {
                sources.iter().filter_map(|source| self.bodies.get(source)).flatten().cloned().collect()
            }
        }
    }

    /// What is known of a person is not shown, ids apart, which systems make of what they like.
    fn shows_nobody(&self, message: &Message) {
        assert!(samspor_domain::check_names(message).is_ok(), "a name holds the message's own CPR number");
    }

    fn quotes_nothing(&self, fault: &Fault) {
        let shown = fault.to_string();
        assert!(self.search.find(shown.as_bytes()).is_none(), "a fault shows a person");
        assert!(shown.len() < 600, "a fault quotes its message: {} bytes", shown.len());
        assert!(shown.chars().all(|c| !c.is_control()), "a fault holds control characters");
    }
}
