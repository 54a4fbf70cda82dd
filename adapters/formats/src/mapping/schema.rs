//! The fields that canonical messages have, and what may stand in each: what a mapping is held against when it is loaded.

use jiff::civil::Date;
use samspor_domain::{AccountString, Amount, Cpr, Grouping, Kind, MAX_TEXT_BYTES, PersonUuid};

use crate::calendar;

/// A field of a canonical message, or of an object in one.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) required: bool,
}

/// What may stand in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// 1–120 bytes.
    Text,
    /// A civil date.
    Date,
    /// An instant.
    Instant,
    /// A whole number from 1; an instant counts as its whole microseconds since 1970 UTC.
    Version,
    /// An amount of kroner.
    Amount,
    /// An account in any of its three writings.
    Account,
    /// Three digits.
    Grouping,
    /// A whole number.
    Integer,
    /// True or false.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A CPR number.
    Cpr,
    /// A person's UUID.
    Uuid,
    /// A text of up to 2,000 bytes.
    Long,
    /// Names.
    Names,
    /// An object of exactly one of the five forms of a reference.
    Reference,
    /// An object with a grant's number.
    Grant,
    /// An object with an amount and a period.
    Rate,
    /// References.
    References,
    /// A list of objects that no mapping makes.
    Refused,
}

const fn need(name: &'static str, form: Form) -> Field {
    Field { name, form, required: true }
}

const fn may(name: &'static str, form: Form) -> Field {
    Field { name, form, required: false }
}

const FACT: &[Field] = &[need("id", Form::Text), need("version", Form::Version), may("deleted", Form::Flag)];

const POSTING: &[Field] = &[
    need("id", Form::Text),
    need("date", Form::Date),
    need("account", Form::Account),
    need("amount", Form::Amount),
    may("citizen", Form::Reference),
    may("grant", Form::Grant),
    may("cost_centre", Form::Text),
    may("grouping", Form::Grouping),
    may("voucher", Form::Text),
    may("reverses", Form::Text),
];

const RECEIPT: &[Field] = &[
    need("id", Form::Text),
    need("source", Form::Text),
    need("posting", Form::Text),
    need("revision", Form::Integer),
    need("status", Form::Word(&["accepted", "rejected"])),
    need("at", Form::Instant),
    may("code", Form::Text),
    may("text", Form::Long),
];

const SIDES: Form = Form::Word(&["inside", "outside"]);
const COST: Form = Form::Word(&["service", "transfer"]);
const PERIOD: Form = Form::Word(&["day", "week", "month", "once"]);

/// What a fact has besides what every fact has.
fn own(kind: Kind) -> &'static [Field] {
    use Form::{
        Account, Amount, Date, Flag, Grant, Grouping, Integer, Names, Rate, Reference, References, Refused,
        Text, Word,
    };
    match kind {
        Kind::Case => {
            const {
                &[
                    need("citizen", Reference),
                    may("area", Text),
                    may("kle", Text),
                    may("status", Text),
                    may("from", Date),
                    may("to", Date),
                ]
            }
        }
        Kind::Grant => {
            const {
                &[
                    may("citizen", Reference),
                    may("case", Text),
                    may("account", Account),
                    may("offer", Text),
                    may("law", Text),
                    may("from", Date),
                    may("to", Date),
                    may("rate", Rate),
                    may("total", Amount),
                ]
            }
        }
        Kind::Payment => {
            const {
                &[
                    need("grant", Grant),
                    need("amount", Amount),
                    need("on", Date),
                    may("period_from", Date),
                    may("period_to", Date),
                ]
            }
        }
        Kind::Progress => {
            const { &[need("citizen", Reference), need("scale", Text), need("value", Text), need("on", Date)] }
        }
        Kind::Identity => const { &[need("kind", Word(&["same", "cpr-change"])), need("refs", References)] },
        Kind::Consent => {
            const {
                &[
                    need("citizen", Reference),
                    need("sources", Names),
                    need("covers_from", Date),
                    may("covers_to", Date),
                    may("given_on", Date),
                    may("given_by", Text),
                    may("basis", Word(&["consent", "law"])),
                    may("legal_reference", Text),
                    may("withdrawn", Flag),
                ]
            }
        }
        Kind::Enrolment => {
            const {
                &[
                    need("solution", Text),
                    need("citizen", Reference),
                    may("family", Text),
                    need("from", Date),
                    may("to", Date),
                ]
            }
        }
        Kind::Solution => {
            const {
                &[
                    need("name", Text),
                    may("priority", Integer),
                    may("from", Date),
                    may("to", Date),
                    may("baseline_days", Integer),
                    may("aftercare_days", Integer),
                    may("ceiling", Amount),
                    may("above_ceiling", Text),
                    may("sides", Refused),
                    may("default_side", SIDES),
                    may("powers", Refused),
                    may("default_powers", Refused),
                    may("claims", Refused),
                ]
            }
        }
        Kind::Split => {
            const {
                &[
                    need("solution", Text),
                    need("parts", Refused),
                    may("family", Text),
                    may("grant", Grant),
                    may("account", Text),
                    may("grouping", Grouping),
                    may("cost_centre", Text),
                    may("from", Date),
                    may("to", Date),
                ]
            }
        }
        Kind::Estimate => {
            const {
                &[
                    need("solution", Text),
                    need("account", Account),
                    need("amount", Amount),
                    need("per", Word(&["family", "citizen"])),
                    need("from", Date),
                    may("area", Text),
                    may("to", Date),
                ]
            }
        }
        Kind::Budget => {
            const {
                &[
                    need("solution", Text),
                    need("year", Integer),
                    need("amount", Amount),
                    may("area", Text),
                    may("kind", COST),
                    may("side", SIDES),
                    may("funding", Text),
                ]
            }
        }
        Kind::Target => {
            const {
                &[
                    need("solution", Text),
                    need("year", Integer),
                    need("amount", Amount),
                    may("area", Text),
                    may("kind", COST),
                    may("side", SIDES),
                    may("share", Refused),
                ]
            }
        }
        Kind::InvestmentCase => {
            const {
                &[
                    need("solution", Text),
                    need("from", Date),
                    need("to", Date),
                    need("expected", Refused),
                    may("activity", Text),
                    may("effect", Text),
                    may("uncertainty", Text),
                ]
            }
        }
        Kind::ControlTotal => {
            const {
                &[
                    need("source", Text),
                    need("from", Date),
                    need("to", Date),
                    need("count", Integer),
                    need("sum", Amount),
                ]
            }
        }
    }
}

/// The word of a type, and its fields in the order of the contract.
pub(super) fn of(word: &str) -> Option<(&'static str, Vec<&'static Field>)> {
    match word {
        "posting" => Some(("posting", POSTING.iter().collect())),
        "receipt" => Some(("receipt", RECEIPT.iter().collect())),
        _ => {
            let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word)?;
            Some((kind.word(), FACT.iter().chain(own(kind)).collect()))
        }
    }
}

/// The words of all types.
pub(super) fn types() -> impl Iterator<Item = &'static str> {
    ["posting", "receipt"].into_iter().chain(Kind::ALL.map(Kind::word))
}

const REFERENCE: &[Field] = &[
    may("cpr", Form::Cpr),
    may("uuid", Form::Uuid),
    may("system", Form::Text),
    may("case", Form::Text),
    may("grant", Form::Text),
    may("id", Form::Text),
];
const GRANT: &[Field] = &[may("system", Form::Text), need("grant", Form::Text)];
const RATE: &[Field] = &[need("amount", Form::Amount), need("per", PERIOD)];

impl Form {
    /// The fields of the object that it is, or of the objects in its list.
    pub(super) fn fields(self) -> Option<&'static [Field]> {
        match self {
            Self::Reference | Self::References => Some(REFERENCE),
            Self::Grant => Some(GRANT),
            Self::Rate => Some(RATE),
            _ => None,
        }
    }

    /// What it is called.
    pub(super) fn name(self) -> String {
        match self {
            Self::Text => format!("a text of 1 to {MAX_TEXT_BYTES} bytes"),
            Self::Date => "a date".into(),
            Self::Instant => "an instant".into(),
            Self::Version => "a version".into(),
            Self::Amount => "an amount".into(),
            Self::Account => "an account".into(),
            Self::Grouping => "a grouping".into(),
            Self::Integer => "a whole number".into(),
            Self::Flag => "true or false".into(),
            Self::Word(words) => format!("one of {}", words.join(", ")),
            Self::Cpr => "a CPR number".into(),
            Self::Uuid => "a UUID".into(),
            Self::Long => "a text of up to 2,000 bytes".into(),
            Self::Names => "a list of names".into(),
            Self::Reference => "a reference".into(),
            Self::Grant => "a reference to a grant".into(),
            Self::Rate => "an amount and a period".into(),
            Self::References => "a list of references".into(),
            Self::Refused => "a list of objects".into(),
        }
    }

    /// Whether a canonical value fits. What messages bring is checked by the reader of the canonical JSON.
    pub(super) fn check(self, text: &str) -> Result<(), String> {
        let good = match self {
            Self::Text | Self::Names => (1..=MAX_TEXT_BYTES).contains(&text.len()),
            Self::Long => text.len() <= 2_000,
            Self::Date => calendar::date(text).is_some_and(|_: Date| true),
            Self::Instant => calendar::Moment::parse(text).is_some(),
            Self::Version => text.parse::<i64>().is_ok_and(|version| version >= 1),
            Self::Amount => return text.parse::<Amount>().map(drop).map_err(|error| error.to_string()),
            Self::Account => {
                return text.parse::<AccountString>().map(drop).map_err(|error| error.to_string());
            }
            Self::Grouping => return text.parse::<Grouping>().map(drop).map_err(|error| error.to_string()),
            Self::Integer => text.parse::<i64>().is_ok(),
            Self::Flag => matches!(text, "true" | "false"),
            Self::Word(words) => words.contains(&text),
            Self::Cpr => return Cpr::parse(text).map(drop).map_err(|error| error.to_string()),
            Self::Uuid => return PersonUuid::parse(text).map(drop).map_err(|error| error.to_string()),
            Self::Reference | Self::Grant | Self::Rate | Self::References | Self::Refused => false,
        };
        if good { Ok(()) } else { Err(format!("is not {}", self.name())) }
    }
}
