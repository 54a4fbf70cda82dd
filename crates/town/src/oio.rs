//! The job centre's messages: `Haendelsesbesked` envelopes with cases, grants and payments, as the schemas of the
//! national message distributor have them. Prefixes, layouts and the writing of UUIDs and times vary, as they do there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan};

use crate::message::{Message, Outcome, Stage};
use crate::person::uuid_writings;
use crate::seed::Dice;
use crate::source;

const KUVERT: &str = "urn:oio:besked:kuvert:1.0";
const SAGDOK: &str = "urn:oio:sagdok:3.0.0";
const GENERAL: &str = "urn:oio:sts:generelledefinitioner:6";

/// Which schema a payload follows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema {
    namespace: &'static str,
    message_type: &'static str,
}

/// `SagBesked`.
pub(crate) const CASE: Schema =
    Schema { namespace: "urn:oio:sts:sagdok:sag:6", message_type: source::CASE_TYPE };
/// `BevillingIndeks`.
pub(crate) const GRANT: Schema =
    Schema { namespace: "urn:oio:sts:ydelse:bevillingindeks:6", message_type: source::GRANT_TYPE };
/// `OekonomiskEffektueringIndeks`.
pub(crate) const PAYMENT: Schema = Schema {
    namespace: "urn:oio:sts:ydelse:oekonomiskeffektueringindeks:6",
    message_type: source::PAYMENT_TYPE,
};

/// The prefixes of one document, each with its colon or empty.
#[derive(Debug, Clone, Copy)]
struct Prefixes {
    kuvert: &'static str,
    sagdok: &'static str,
}

/// The prefixes of a payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payload {
    schema: Schema,
    own: &'static str,
    sagdok: &'static str,
    general: &'static str,
}

/// An element around what is already written.
fn element(prefix: &str, name: &str, inner: &str) -> String {
    format!("<{prefix}{name}>{inner}</{prefix}{name}>")
}

/// The declaration of a namespace under a prefix.
fn declare(prefix: &str, namespace: &str) -> String {
    match prefix.strip_suffix(':') {
        Some(prefix) => format!(" xmlns:{prefix}=\"{namespace}\""),
        None => format!(" xmlns=\"{namespace}\""),
    }
}

impl Payload {
    /// A payload with prefixes that the dice choose.
    pub(crate) fn new(schema: Schema, dice: &mut Dice) -> Self {
        let (own, sagdok, general) = dice.one_of(&[
            ("", "sd:", "gd:"),
            ("ns3:", "", "ns4:"),
            ("x:", "ns2:", ""),
            ("ns1:", "ns2:", "ns3:"),
        ]);
        Self { schema, own, sagdok, general }
    }

    pub(crate) fn own(self, name: &str, inner: &str) -> String {
        element(self.own, name, inner)
    }

    pub(crate) fn general(self, name: &str, inner: &str) -> String {
        element(self.general, name, inner)
    }

    fn sagdok(self, name: &str, inner: &str) -> String {
        element(self.sagdok, name, inner)
    }

    pub(crate) fn uuid(self, uuid: &str) -> String {
        self.sagdok("UUIDIdentifikator", uuid)
    }

    pub(crate) fn urn(self, urn: &str) -> String {
        self.sagdok("URNIdentifikator", urn)
    }

    /// When something holds. `from` is the beginning of a day.
    fn virkning(self, from: Date) -> String {
        let from =
            self.sagdok("FraTidspunkt", &self.sagdok("TidsstempelDatoTid", &format!("{from}T00:00:00")));
        let to = self.sagdok("TilTidspunkt", &self.sagdok("GraenseIndikator", "true"));
        let by = self.sagdok("AktoerRef", &self.urn("urn:oio:cvr-nr:12345678"));
        format!("{from}{to}{by}{}", self.sagdok("AktoerTypeKode", "Organisation"))
    }

    /// An attribute's or a state's `Virkning`, which the payload's own schema declares.
    pub(crate) fn own_virkning(self, from: Date) -> String {
        self.own("Virkning", &self.virkning(from))
    }

    /// A relation to an object: the schema's own element with inner elements of the general one.
    pub(crate) fn relation(self, name: &str, from: Date, reference: &str, more: &str) -> String {
        let virkning = self.general("Virkning", &self.virkning(from));
        let role = self.general("Rolle", &self.uuid("2a7c3d10-0b5e-4f67-8d21-9c0e1f2a3b4c"));
        let reference = self.general("ReferenceID", reference);
        self.own(name, &format!("{virkning}{role}{}{reference}{more}", self.general("Indeks", "1")))
    }

    /// The whole payload: a `RegistreringBesked` of the object, registered then.
    pub(crate) fn registered(self, uuid: &str, at: &str, cycle: &str, lists: [String; 3]) -> String {
        let [attributes, states, relations] = lists;
        let since = self.sagdok("FraTidspunkt", &self.sagdok("TidsstempelDatoTid", at));
        let registration = [
            since,
            self.sagdok("LivscyklusKode", cycle),
            self.sagdok("BrugerRef", &self.uuid("77d1f0a0-5a3b-4c1d-8e2f-0123456789ab")),
            self.own("AttributListe", &attributes),
            self.own("TilstandListe", &states),
            self.own("RelationListe", &relations),
        ];
        let Self { own, sagdok, general, schema } = self;
        let declared = [declare(own, schema.namespace), declare(sagdok, SAGDOK), declare(general, GENERAL)];
        format!(
            "<{own}RegistreringBesked{}>{}{}</{own}RegistreringBesked>",
            declared.concat(),
            self.uuid(uuid),
            self.own("Registrering", &registration.concat())
        )
    }

    /// The message with a payload in it.
    pub(crate) fn sent(
        self,
        stage: Stage,
        at: &str,
        payload: &str,
        outcome: Outcome,
        dice: &mut Dice,
    ) -> Message {
        let body = envelope(&type_writing(self.schema.message_type, dice), at, payload, dice);
        let content_type = dice.one_of(&["application/xml", "text/xml; charset=utf-8"]);
        Message {
            stage,
            source: source::JOBCENTRE,
            content_type,
            body: body.into_bytes(),
            outcomes: vec![outcome],
        }
    }
}

fn type_writing(uuid: &str, dice: &mut Dice) -> String {
    if dice.once_in(3) { uuid.to_uppercase() } else { uuid.to_owned() }
}

/// An envelope around a payload, inline or in Base64, sometimes in the push variant's wrapper.
pub(crate) fn envelope(message_type: &str, at: &str, payload: &str, dice: &mut Dice) -> String {
    // The default namespace is often the second one.
    let (kuvert, sagdok) = dice.one_of(&[("", "ns2:"), ("besked:", ""), ("b:", "sd:")]);
    let prefixes = Prefixes { kuvert, sagdok };
    let payload = if dice.once_in(3) { base64(payload, dice) } else { payload.to_owned() };
    let message = [
        prefixes.kuvert("BeskedId", &prefixes.uuid(&dice.uuid())),
        prefixes.kuvert("BeskedVersion", "1.0"),
        prefixes.kuvert("Beskedkuvert", &prefixes.kuvert_data(message_type, at, dice)),
        prefixes.kuvert("Beskeddata", &payload),
    ];
    let message = format!(
        "<{kuvert}Haendelsesbesked{}{}>{}</{kuvert}Haendelsesbesked>",
        declare(kuvert, KUVERT),
        declare(sagdok, SAGDOK),
        message.concat()
    );
    let message = if dice.once_in(6) {
        format!("<ModtagBeskedInput xmlns=\"urn:oio:sts:1.0.0\">{message}</ModtagBeskedInput>")
    } else {
        message
    };
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{message}\n")
}

impl Prefixes {
    fn kuvert(self, name: &str, inner: &str) -> String {
        element(self.kuvert, name, inner)
    }

    fn uuid(self, uuid: &str) -> String {
        element(self.sagdok, "UUIDIdentifikator", uuid)
    }

    fn time(self, at: &str) -> String {
        element(self.sagdok, "TidsstempelDatoTid", at)
    }

    fn kuvert_data(self, message_type: &str, at: &str, dice: &mut Dice) -> String {
        let urn = |urn| element(self.sagdok, "URNIdentifikator", urn);
        let registration = [
            self.kuvert("ObjektRegistreringId", &self.uuid(&dice.uuid())),
            self.kuvert("Registreringstidspunkt", &self.time(at)),
            self.kuvert("ObjektAnsvarligMyndighed", &urn("urn:oio:cvr-nr:12345678")),
            self.kuvert("OpgaveEmne", &urn("urn:oio:kle:32.24.04")),
        ];
        let filter = [
            self.kuvert("Beskedtype", &self.uuid(message_type)),
            self.kuvert("ObjektRegistrering", &registration.concat()),
        ];
        let delivery = [
            self.kuvert("Dannelsestidspunkt", &self.time(at)),
            self.kuvert("TransaktionsId", &self.uuid(&dice.uuid())),
        ];
        [
            self.kuvert("Filtreringsdata", &filter.concat()),
            self.kuvert("Leveranceinformation", &delivery.concat()),
            self.kuvert("GyldighedTil", &element(self.sagdok, "GraenseIndikator", "true")),
        ]
        .concat()
    }
}

fn base64(payload: &str, dice: &mut Dice) -> String {
    let declaration = if dice.once_in(2) { "<?xml version=\"1.0\" encoding=\"UTF-8\"?>" } else { "" };
    let coded = STANDARD.encode(format!("{declaration}{payload}"));
    // Some writers break lines.
    let lines: Vec<&str> = if dice.once_in(2) {
        (0..coded.len()).step_by(76).map(|at| &coded[at..coded.len().min(at + 76)]).collect()
    } else {
        vec![&coded]
    };
    format!(
        "<Base64 xmlns=\"urn:besked:kuvert:1.0\" content-type=\"application/xml\" encoding=\"UTF-8\" file-type=\"xml\">{}</Base64>",
        lines.join("\n")
    )
}

/// An instant of registration: on that day, at a moment that the dice choose, in one of the writings of a time. Of one
/// object later days are later versions.
pub(crate) fn instant(day: Date, dice: &mut Dice) -> String {
    let micros = dice.between(6 * 3600 * 1_000_000, 18 * 3600 * 1_000_000);
    let civil = DateTime::from(day).saturating_add(micros.microseconds());
    let copenhagen = TimeZone::get("Europe/Copenhagen").unwrap_or(TimeZone::UTC);
    let instant = copenhagen.to_timestamp(civil).unwrap_or(Timestamp::UNIX_EPOCH);
    match dice.below(3) {
        0 => civil.to_string(),
        1 => instant.to_string(),
        _ => {
            let there = Offset::constant(2).to_datetime(instant);
            format!("{there}+02:00")
        }
    }
}

/// A UUID in one of its writings.
pub(crate) fn loose_uuid(uuid: &str, dice: &mut Dice) -> String {
    uuid_writings(uuid)[dice.one_of(&[0, 0, 1, 2, 3])].clone()
}
