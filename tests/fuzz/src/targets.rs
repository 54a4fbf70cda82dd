//! The targets: each decoder, each parser of the domain, and what must hold of it for any bytes.

use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::sync::LazyLock;

use samspor_domain::quarantine::Show as _;
use samspor_domain::{
    Account, AccountPrefix, AccountString, Amount, Cpr, Decode, Delivery, Grouping, Item, PersonUuid, Text,
};
use samspor_formats::{Masked, g68, g69, json, mapping, oio};
use samspor_town::source;

use crate::{Corpus, calls};

/// Something that reads bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    reads: Reads,
}

/// What inputs are made of.
pub(crate) enum Samples {
    /// The messages of these sources.
    Of(&'static [&'static str]),
    Calls,
    Texts,
    These(&'static [&'static [u8]]),
}

#[derive(Debug, Clone, Copy)]
enum Reads {
    /// A mapping's decoder, whose samples are the examples beside it.
    Mapped(&'static [&'static [u8]], fn(&Delivery) -> Vec<Item>),
    /// A decoder, whose samples are the messages of these sources.
    Bodies(&'static [&'static str], fn(&Delivery) -> Vec<Item>),
    /// Something that takes bodies of any format.
    Anything(fn(&Corpus, &[u8])),
    /// What callers put over gRPC.
    Calls,
    /// A parser of the domain. It answers whether the text is good, and panics where that makes no sense.
    Texts(fn(&str) -> bool),
}

/// Every target.
pub const TARGETS: [Target; 20] = [
    bodies("json", &[source::OPUS, source::DUBU, source::REGISTRY], |body| decode(&json::Decoder, body)),
    bodies("oio-case", &[source::JOBCENTRE], |body| decode(&oio(oio::Payload::Case), body)),
    bodies("oio-grant", &[source::JOBCENTRE], |body| decode(&oio(oio::Payload::Grant), body)),
    bodies("oio-payment", &[source::JOBCENTRE], |body| decode(&oio(oio::Payload::Payment), body)),
    bodies("g69-utf-8", &[source::PRISME], |body| decode(&g69(g69::Encoding::Utf8), body)),
    bodies("g69-iso-8859-1", &[source::OES], |body| decode(&g69(g69::Encoding::Latin1), body)),
    mapped(
        "g68",
        &[
            include_bytes!("../../../config/presets/g68/payments.g68"),
            include_bytes!("../../../config/presets/g68/error-return.csv"),
            b"000G6800001015101 1&0800000970000&09+&1002&116112801234&1220260601&1620260601004820000001&17B-12",
        ],
        |body| decode(&g68(), body),
    ),
    mapped(
        "mapping-xml",
        &[
            include_bytes!("../../../config/mappings/opus/daily.xml"),
            include_bytes!("../../../config/mappings/opus/a-day-without-postings.xml"),
        ],
        |body| decode(&*OPUS, body),
    ),
    mapped(
        "mapping-json",
        &[
            include_bytes!("../../../config/mappings/dubu/cases.json"),
            include_bytes!("../../../config/mappings/dubu/new-case.json"),
        ],
        |body| decode(&*DUBU, body),
    ),
    mapped(
        "mapping-csv",
        &[
            include_bytes!("../../../config/mappings/jobcentre/week.csv"),
            include_bytes!("../../../config/mappings/jobcentre/one-course.csv"),
        ],
        |body| decode(&*JOBCENTRE, body),
    ),
    mapped(
        "mapping-fixed",
        &[
            include_bytes!("../../../config/mappings/adults/month.txt"),
            include_bytes!("../../../config/mappings/adults/one-grant.txt"),
        ],
        |body| decode(&*ADULTS, body),
    ),
    Target { name: "grpc", reads: Reads::Calls },
    Target { name: "masked", reads: Reads::Anything(masked) },
    texts("cpr-number", |text| hidden(&Cpr::parse(text))),
    texts("person-uuid", |text| hidden(&PersonUuid::parse(text))),
    texts("amount", same_again::<Amount>),
    texts("account", same_again::<Account>),
    texts("account-string", |text| AccountString::from_str(text).is_ok()),
    texts("account-prefix", same_again::<AccountPrefix>),
    texts("grouping", same_again::<Grouping>),
];

const fn bodies(
    name: &'static str,
    sources: &'static [&'static str],
    decode: fn(&Delivery) -> Vec<Item>,
) -> Target {
    Target { name, reads: Reads::Bodies(sources, decode) }
}

const fn mapped(
    name: &'static str,
    examples: &'static [&'static [u8]],
    decode: fn(&Delivery) -> Vec<Item>,
) -> Target {
    Target { name, reads: Reads::Mapped(examples, decode) }
}

/// A mapping's decoder, loaded once.
type Preset = LazyLock<mapping::Decoder>;

static OPUS: Preset = LazyLock::new(|| preset(include_str!("../../../config/mappings/opus.toml")));
static DUBU: Preset = LazyLock::new(|| preset(include_str!("../../../config/mappings/dubu.toml")));
static JOBCENTRE: Preset = LazyLock::new(|| preset(include_str!("../../../config/mappings/jobcentre.toml")));
static ADULTS: Preset = LazyLock::new(|| preset(include_str!("../../../config/mappings/adults.toml")));

fn preset(text: &str) -> mapping::Decoder {
    let mapping = mapping::Mapping::load(text);
    mapping::Decoder::new(mapping.unwrap_or_else(|flaws| panic!("a preset has flaws: {flaws:?}")))
}

const fn texts(name: &'static str, read: fn(&str) -> bool) -> Target {
    Target { name, reads: Reads::Texts(read) }
}

fn decode(decoder: &dyn Decode, delivery: &Delivery) -> Vec<Item> {
    let source = Text::new("source").unwrap_or_else(|error| unreachable!("{error}"));
    let items = decoder.decode(&source, delivery);
    assert!(!items.is_empty() || decoder.may_be_empty(), "a body became nothing");
    items
}

/// The message types of the demo's configuration, all for one payload, so that each sample reaches each reader.
fn oio(payload: oio::Payload) -> oio::Decoder {
    let types = (1..=3).map(|n| (format!("6b1f0a52-3c7e-4d18-9a40-5e2d7c1b8f0{n}"), payload));
    oio::Decoder::new(oio::Settings { message_types: types.collect() })
}

fn g69(encoding: g69::Encoding) -> g69::Decoder {
    g69::Decoder::new(g69::Settings { encoding })
}

fn g68() -> g68::Decoder {
    let system = Text::new("dubu").unwrap_or_else(|error| unreachable!("{error}"));
    let encoding = g69::Encoding::Utf8;
    g68::Decoder::new(g68::Settings { encoding, reference: 16, grant: 17, system })
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

/// What is shown of a body that is masked shows nobody.
fn masked(corpus: &Corpus, input: &[u8]) {
    let (shown, again) = (Masked.show(None, input), Masked.show(None, input));
    assert_eq!(shown.text, again.text, "shown again, it is something else");
    corpus.quotes_nobody(&shown.text);
}

impl Target {
    /// What its inputs are made of.
    pub(crate) fn samples(&self) -> Samples {
        match self.reads {
            Reads::Bodies(sources, _) => Samples::Of(sources),
            Reads::Anything(_) => Samples::Of(&source::ALL),
            Reads::Mapped(examples, _) => Samples::These(examples),
            Reads::Calls => Samples::Calls,
            Reads::Texts(_) => Samples::Texts,
        }
    }

    /// Gives it an input. Panics where something does not hold; answers whether the input is good.
    #[must_use]
    pub fn run(&self, corpus: &Corpus, input: &[u8]) -> bool {
        let decode = match self.reads {
            Reads::Texts(read) => return read(&String::from_utf8_lossy(input)),
            Reads::Anything(take) => {
                take(corpus, input);
                return true;
            }
            Reads::Calls => return calls::put(corpus, input),
            Reads::Bodies(_, decode) | Reads::Mapped(_, decode) => decode,
        };
        let delivery = Delivery { body: input.to_vec().into(), ..Delivery::default() };
        let (first, again) = (decode(&delivery), decode(&delivery));
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
