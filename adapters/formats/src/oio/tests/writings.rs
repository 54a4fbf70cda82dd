//! Envelopes by the schema, however they are written: whichever optional parts, prefixes and forms of time a writer uses, the
//! facts are the same. The parts and their order are those of the common public Beskedkuvert.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

/// The instant that [`START`] names, in every form that says it: with `Z`, with offsets, and as the clock stands in
/// Copenhagen.
const SINCE: [&str; 5] = [
    "2026-03-14T12:00:00Z",
    "2026-03-14T13:00:00",
    "2026-03-14T13:00:00.000+01:00",
    "2026-03-14T06:30:00-05:30",
    "2026-03-15T02:00:00.0+14:00",
];
/// When the case's attributes begin to hold: the same instant in every form.
const HOLDS_FROM: [&str; 4] = [
    "2026-01-05T08:00:00",
    "2026-01-05T07:00:00Z",
    "2026-01-05T08:00:00+01:00",
    "2026-01-04T20:00:00.000-11:00",
];
/// The end of what does not end.
const NO_END: [&str; 4] = ["limit", "absent", "9999-12-31T00:00:00", "9999-12-31T23:59:59Z"];

/// The namespaces of a message, and the prefixes that the writer gives them; an empty one is the default.
const SPACES: [&str; 4] =
    ["urn:oio:besked:kuvert:1.0", "urn:oio:sagdok:3.0.0", "urn:oio:sts:sagdok:sag:6", GENERAL];
const GENERAL: &str = "urn:oio:sts:generelledefinitioner:6";
const PREFIXES: [[&str; 4]; 6] = [
    ["", "ns2", "ns3", "ns4"],
    ["k", "", "sag", "gen"],
    ["a", "b", "", "c"],
    ["ns0", "ns1", "ns2", ""],
    // Those that others give to other namespaces.
    ["sagdok", "kuvert", "gd", "sag"],
    ["x", "X", "x1", "_x"],
];

/// What a writer chooses of.
#[derive(Debug, Clone)]
struct Writer {
    prefixes: [&'static str; 4],
    /// Which optional parts it writes.
    parts: [bool; 24],
    /// How many of those that may be many.
    many: usize,
    /// Its identifiers, UUIDs or URNs.
    is_urn: bool,
    /// The form of times within the envelope, `limit` for one without end.
    time: &'static str,
    since: &'static str,
    holds_from: &'static str,
    no_end: &'static str,
    is_pushed: bool,
    is_base64: bool,
}

fn writer() -> impl Strategy<Value = Writer> {
    let times = prop::sample::select([&SINCE[..], &["limit"]].concat());
    (
        (prop::sample::select(&PREFIXES[..]), any::<[bool; 24]>(), 1..4_usize, any::<bool>()),
        (times, prop::sample::select(&SINCE[..]), prop::sample::select(&HOLDS_FROM[..])),
        (prop::sample::select(&NO_END[..]), any::<bool>(), any::<bool>()),
    )
        .prop_map(|(first, (time, since, holds_from), (no_end, is_pushed, is_base64))| {
            let (prefixes, parts, many, is_urn) = first;
            Writer { prefixes, parts, many, is_urn, time, since, holds_from, no_end, is_pushed, is_base64 }
        })
}

impl Writer {
    /// An element of one of the [`SPACES`].
    fn element(&self, space: usize, name: &str, inside: &str) -> String {
        let name = match self.prefixes[space] {
            "" => name.to_owned(),
            prefix => format!("{prefix}:{name}"),
        };
        format!("<{name}>{inside}</{name}>")
    }

    /// Of the envelope.
    fn k(&self, name: &str, inside: &str) -> String {
        self.element(0, name, inside)
    }

    /// The same, where the writer writes it.
    fn k_if(&self, part: usize, name: &str, inside: &str) -> String {
        if self.parts[part] { self.k(name, inside) } else { String::new() }
    }

    fn identifier(&self, uuid: &str) -> String {
        if self.is_urn {
            self.element(1, "URNIdentifikator", &format!("urn:oio:test:{uuid}"))
        } else {
            self.element(1, "UUIDIdentifikator", uuid)
        }
    }

    fn time(&self, time: &str) -> String {
        match time {
            "limit" => self.element(1, "GraenseIndikator", "true"),
            _ => self.element(1, "TidsstempelDatoTid", time),
        }
    }

    /// What nobody reads: an object that the event is about.
    fn related(&self) -> String {
        let one = self.k("ObjektId", &self.identifier(PERSON))
            + &self.k("ObjektType", &self.identifier(CASE_TYPE))
            + &self.k_if(0, "ObjektRolle", &self.identifier(OBJECT));
        self.k("RelateretObjekt", &one)
    }

    fn object_registration(&self) -> String {
        let of = |part: usize, name: &str| self.k_if(part, name, &self.identifier(OBJECT));
        let all = of(1, "ObjektRegistreringId")
            + &of(2, "RegistreringsAktoer")
            + &self.k_if(3, "Registreringstidspunkt", &self.time(self.time))
            + &of(4, "ObjektAnsvarligMyndighed")
            + &of(5, "ObjektId")
            + &of(6, "ObjektType")
            + &of(7, "ObjektHandling")
            + &of(8, "OpgaveEmne")
            + &self.k_if(9, "ObjektRegistreringLokalUdvidelse", "<u xmlns=\"urn:x\">1</u>");
        self.k("ObjektRegistrering", &all)
    }

    fn filtering(&self) -> String {
        let kind = self.element(1, "UUIDIdentifikator", CASE_TYPE);
        let all = self.k("Beskedtype", &kind)
            + &self.k_if(10, "BeskedAnsvarligAktoer", &self.identifier(PERSON))
            + &self.k_if(11, "TilladtModtager", &self.identifier(GRANT_TYPE)).repeat(self.many)
            + &if self.parts[12] { self.related().repeat(self.many) } else { String::new() }
            + &if self.parts[13] { self.object_registration().repeat(self.many) } else { String::new() }
            + &self.k_if(14, "TvaergaaendeProces", &self.identifier(OBJECT)).repeat(self.many);
        self.k("Filtreringsdata", &all)
    }

    fn delivery(&self) -> String {
        let all = self.k_if(15, "Dannelsestidspunkt", &self.time(self.time))
            + &self.k_if(16, "TransaktionsId", &self.identifier(OBJECT))
            + &self.k_if(17, "Kildesystem", &self.identifier(PERSON))
            + &self.k_if(18, "KildesystemIPAdresse", "192.0.2.1")
            + &self.k_if(18, "KildesystemAkkreditiver", "akkreditiv")
            + &self.k_if(19, "Sikkerhedsklassificering", "Fortroligt")
            + &self.k_if(20, "Leveranceruter", &self.k("Leverancerute", &self.identifier(PERSON)))
            + &self.k_if(20, "LeveranceinformationLokalUdvidelse", "<u xmlns=\"urn:x\"/>");
        self.k("Leveranceinformation", &all)
    }

    /// The case of [`case_besked`].
    fn payload(&self) -> String {
        let s = |name: &str, inside: &str| self.element(1, name, inside);
        let p = |name: &str, inside: &str| self.element(2, name, inside);
        let g = |name: &str, inside: &str| self.element(3, name, inside);
        let to = match self.no_end {
            "absent" => String::new(),
            end => s("TilTidspunkt", &self.time(end)),
        };
        let holds = g("Virkning", &(s("FraTidspunkt", &self.time(self.holds_from)) + &to));
        let number = p("Sagsnummer", "26/17") + &p("Titel", "Anna");
        let attributes = p("AttributListe", &p("Egenskaber", &format!("{holds}{number}")));
        let status = p("Fremdrift", &format!("{holds}{}", p("FremdriftStatusKode", "Oplyst")));
        let urn = |urn: &str| g("ReferenceID", &s("URNIdentifikator", urn));
        let relations = p("Sagsklasse", &urn("urn:oio:kle:32.24.04"))
            + &p("Sagspart", &urn(&format!("urn:oio:cpr-nr:{CPR}")));
        let registration = s("FraTidspunkt", &self.time(self.since))
            + &s("LivscyklusKode", "Opstaaet")
            + &attributes
            + &p("TilstandListe", &status)
            + &p("RelationListe", &relations);
        p("RegistreringBesked", &(s("UUIDIdentifikator", OBJECT) + &p("Registrering", &registration)))
    }

    /// A document's element with the namespaces in it declared.
    fn declaring(&self, element: &str) -> String {
        let declared: String = SPACES
            .iter()
            .zip(self.prefixes)
            .map(|(space, prefix)| match prefix {
                "" => format!(" xmlns=\"{space}\""),
                prefix => format!(" xmlns:{prefix}=\"{space}\""),
            })
            .collect();
        let end = element.find('>').unwrap_or_default();
        format!("{}{declared}{}", &element[..end], &element[end..])
    }

    fn message(&self) -> String {
        let data = if self.is_base64 {
            let inner = STANDARD.encode(self.declaring(&self.payload()));
            let said = if self.parts[21] { " content-type=\"application/xml\"" } else { "" };
            format!("<b:Base64 xmlns:b=\"urn:besked:kuvert:1.0\"{said}>{inner}</b:Base64>")
        } else {
            self.payload()
        };
        let envelope = self.filtering()
            + &self.delivery()
            + &self.k_if(22, "Modtagerhandling", &self.identifier(PERSON))
            + &self.k_if(23, "GyldighedFra", &self.time(self.time))
            + &self.k_if(23, "GyldighedTil", &self.time(self.no_end.replace("absent", "limit").as_str()));
        let message = self.k("BeskedId", &self.identifier(OBJECT))
            + &self.k("BeskedVersion", "1.0")
            + &self.k("Beskedkuvert", &envelope)
            + &self.k("Beskeddata", &data);
        let message = self.declaring(&self.k("Haendelsesbesked", &message));
        if self.is_pushed {
            let context = if self.parts[0] { "<w:Kontekst/>" } else { "" };
            format!(
                "<w:ModtagBeskedInput xmlns:w=\"urn:oio:sts:1.0.0\">{context}{message}</w:ModtagBeskedInput>"
            )
        } else {
            message
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn an_envelope_says_the_same_however_it_is_written(writer in writer()) {
        let expected = facts(&message(CASE_TYPE, &case_besked()));
        prop_assert_eq!(facts(&writer.message()), expected, "{}", writer.message());
    }
}
