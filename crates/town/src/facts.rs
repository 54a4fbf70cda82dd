//! The facts: what the registry, DUBU and the job centre send about solutions, families and their cases.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use serde_json::{Value, json};

use crate::family::{COMMON_SPLITS, Consent, Enrolment, Family, Fate, Member, Split, Twist};
use crate::json;
use crate::measure::{Measure, first_day};
use crate::message::{Message, Outcome, Stage};
use crate::oio::{self, Payload};
use crate::posting::Citizen;
use crate::seed::{Dice, Purpose};
use crate::town::Town;
use crate::{solution, source};

/// Facts of one item of the town, in the order in which their sources send them.
struct Facts {
    dice: Dice,
    messages: Vec<Message>,
}

/// The solutions and the split keys that hold for all their families.
pub(crate) fn of_town(town: &Town) -> Vec<Message> {
    let mut facts = Facts::new(town, u64::from(u32::MAX));
    for solution in &solution::ALL {
        facts.json(source::REGISTRY, solution.message(2), Outcome::Fact);
        // What it looked like when it was planned comes late, and changes nothing.
        let mut planned = solution.message(1);
        planned["priority"] = json!(1);
        facts.json(source::REGISTRY, planned, Outcome::Stale);
    }
    for split in &*COMMON_SPLITS {
        facts.split(split, 1);
    }
    facts.messages
}

/// Everything about a family.
pub(crate) fn of_family(town: &Town, family: &Family) -> Vec<Message> {
    let mut facts = Facts::new(town, family.no.into());
    for member in &family.members {
        facts.identities(member);
        for consent in &member.consents {
            facts.consent(family, member, consent);
        }
        for (nth, enrolment) in member.enrolments.iter().enumerate() {
            facts.enrolment(family, member, enrolment, nth == 0);
        }
        if member.is_adult {
            facts.job_centre(family, member);
        } else {
            facts.dubu(family, member);
        }
        facts.progress(member);
    }
    for split in &family.splits {
        // First agreed otherwise.
        let draft = Split { parts: vec![("employment", 7), ("vulnerable-children", 3)], ..split.clone() };
        facts.split(&draft, 1);
        facts.split(split, 2);
    }
    if town.settings().faulty && facts.dice.once_in(3) {
        let again = facts.messages[facts.dice.below(facts.messages.len())].again();
        facts.messages.push(again);
    }
    facts.messages
}

/// What the job centre knows of a citizen who is in no solution.
pub(crate) fn of_stranger(town: &Town, no: u32) -> Vec<Message> {
    let mut facts = Facts::new(town, (1 << 40) + u64::from(no));
    if facts.dice.once_in(4) {
        let person = town.outsider(no).person;
        let opened = facts.dice.day_of(date(2025, 3, 1));
        let case = facts.dice.uuid();
        let party = facts.party(&person.uuid);
        facts.case(&case, opened, "Opstaaet", "Oplyst", &party, &person.name);
    }
    facts.messages
}

/// The job centre's payments of a family's benefits in a month. They are facts that decide nothing.
pub(crate) fn payments(town: &Town, family: &Family, month: u32) -> Vec<Message> {
    let mut facts = Facts::new(town, (2 << 40) + u64::from(family.no) * 32 + u64::from(month));
    for member in &family.members {
        for measure in member.measures.iter().filter(|m| m.runs(month) && m.offer.steady) {
            if let Some(grant) = measure.grant.as_ref().filter(|grant| grant.system == source::JOBCENTRE) {
                facts.payment(member, measure, &grant.id, first_day(month));
            }
        }
    }
    facts.messages
}

impl Facts {
    fn new(town: &Town, no: u64) -> Self {
        Self { dice: Dice::new(town.settings().seed, Purpose::Facts, no), messages: Vec::new() }
    }

    fn json(&mut self, source: &'static str, message: Value, outcome: Outcome) {
        let (content_type, body) = json::body(message, &mut self.dice);
        self.messages.push(Message {
            stage: Stage::Facts,
            source,
            content_type,
            body,
            outcomes: vec![outcome],
        });
    }

    fn registry(&mut self, message: Value) {
        self.json(source::REGISTRY, message, Outcome::Fact);
    }

    fn cpr(&mut self, cpr: &str) -> Value {
        Citizen::Cpr(cpr.to_owned()).json(&mut self.dice)
    }

    fn uuid(&mut self, uuid: &str) -> Value {
        Citizen::Uuid(uuid.to_owned()).json(&mut self.dice)
    }

    fn identities(&mut self, member: &Member) {
        let key = &member.key;
        let mut same = vec![self.cpr(&member.person.cpr)];
        if member.uuid_known {
            same.push(self.uuid(&member.person.uuid));
        }
        if let Some(id) = &member.local_id {
            same.push(json!({"system": source::OPUS, "id": id}));
        }
        if same.len() > 1 {
            self.registry(json!({"type": "identity", "id": format!("I-{key}"), "version": 1, "kind": "same", "refs": same}));
        }
        if let Some(earlier) = &member.earlier_number {
            let refs = [self.cpr(earlier), self.cpr(&member.person.cpr)];
            self.registry(json!({
                "type": "identity", "id": format!("I-{key}-nr"), "version": 1, "kind": "cpr-change", "refs": refs,
            }));
        }
        if let Some(foreign) = &member.foreign_number {
            let refs = [self.uuid(&member.person.uuid), self.cpr(foreign)];
            self.registry(json!({
                "type": "identity", "id": format!("I-{key}-fejl"), "version": 1, "kind": "same", "refs": refs,
            }));
        }
    }

    fn consent(&mut self, family: &Family, member: &Member, consent: &Consent) {
        let citizen = if member.uuid_known && self.dice.once_in(4) {
            self.uuid(&member.person.uuid)
        } else {
            self.cpr(&member.person.cpr)
        };
        let mut message = json!({
            "type": "consent", "id": consent.id, "version": 1, "citizen": citizen, "sources": consent.sources,
            "covers_from": consent.covers.0.to_string(), "covers_to": consent.covers.1.map(|to| to.to_string()),
            "given_on": "2025-12-01", "given_by": "Borgerens sagsbehandler",
        });
        if family.solution.id == "helhedsplan" {
            message["basis"] = "law".into();
            message["legal_reference"] = "Frikommuneloven".into();
        }
        self.registry(message);
        let end = match consent.fate {
            Fate::Live => return,
            Fate::Withdrawn => "withdrawn",
            Fate::Deleted => "deleted",
        };
        self.registry(json!({"type": "consent", "id": consent.id, "version": 2, end: true}));
    }

    fn enrolment(&mut self, family: &Family, member: &Member, enrolment: &Enrolment, is_first: bool) {
        let citizen = self.cpr(&member.person.cpr);
        let mut message = json!({
            "type": "enrolment", "id": enrolment.id, "version": 3, "solution": enrolment.solution.id,
            "family": family.id, "citizen": citizen, "from": enrolment.from.to_string(),
            "to": enrolment.to.map(|to| to.to_string()),
        });
        if family.twist == Twist::Left && is_first {
            // The end was known before the message without it came.
            self.registry(message.clone());
            message["version"] = 2.into();
            message["to"] = Value::Null;
            self.json(source::REGISTRY, message, Outcome::Stale);
            return;
        }
        self.registry(message);
        if family.twist == Twist::Plain && member.place == 1 {
            // Enrolled by mistake, and taken back.
            let id = format!("{}-fejl", enrolment.id);
            let citizen = self.cpr(&member.person.cpr);
            self.registry(json!({
                "type": "enrolment", "id": id, "version": 1, "solution": solution::ALL[0].id, "family": family.id,
                "citizen": citizen, "from": "2025-01-01",
            }));
            self.registry(json!({"type": "enrolment", "id": id, "version": 2, "deleted": true}));
        }
    }

    fn split(&mut self, split: &Split, version: i64) {
        let parts: Vec<Value> =
            split.parts.iter().map(|(area, weight)| json!({"area": area, "weight": weight})).collect();
        let mut message = json!({
            "type": "split", "id": split.id, "version": version, "solution": split.solution, "parts": parts,
        });
        if let Some(family) = &split.family {
            message["family"] = family.as_str().into();
        }
        if let Some(grant) = &split.grant {
            message["grant"] = json!({"system": source::DUBU, "grant": grant});
        }
        split.when.put(&mut message, &[]);
        self.registry(message);
    }

    /// A child's case and grants.
    fn dubu(&mut self, family: &Family, member: &Member) {
        let citizen = self.cpr(&member.person.cpr);
        self.json(
            source::DUBU,
            json!({
                "type": "case", "id": member.case, "version": 1, "citizen": citizen, "area": "vulnerable-children",
                "kle": "27.24.00", "status": "open", "from": "2024-11-04", "to": null,
            }),
            Outcome::Fact,
        );
        for measure in &member.measures {
            let Some(grant) = measure.grant.as_ref().filter(|grant| grant.system == source::DUBU) else {
                continue;
            };
            let mut message = json!({
                "type": "grant", "id": grant.id, "version": 1, "case": grant.case,
                "account": format!("{}.{}", measure.offer.account.function, measure.offer.account.dranst),
                "offer": measure.offer.name, "law": measure.offer.law, "from": first_day(measure.months.0).to_string(),
                "rate": {"amount": json::amount(measure.ore), "per": "month"},
                "total": grant.total.map(json::amount),
            });
            if self.dice.once_in(3) {
                message["citizen"] = self.cpr(&member.person.cpr);
            }
            self.json(source::DUBU, message, Outcome::Fact);
        }
        if family.twist == Twist::Left {
            let citizen = self.cpr(&member.person.cpr);
            self.json(
                source::DUBU,
                json!({"type": "case", "id": member.case, "version": 2, "citizen": citizen, "status": "closed",
                       "from": "2024-11-04", "to": "2026-05-31"}),
                Outcome::Fact,
            );
        }
    }

    /// Where an adult stands on the ladder towards work (*driftstrappen*).
    fn progress(&mut self, member: &Member) {
        if member.is_adult && self.dice.once_in(2) {
            let citizen = self.cpr(&member.person.cpr);
            let (step, on) =
                (self.dice.between(1, 3).to_string(), self.dice.day_of(date(2026, 4, 1)).to_string());
            let id = format!("P-{}", member.key);
            self.json(
                source::DUBU,
                json!({"type": "progress", "id": id, "version": 1, "citizen": citizen, "scale": "driftstrappe",
                       "value": step, "on": on}),
                Outcome::Fact,
            );
        }
    }

    /// An adult's case and grants.
    fn job_centre(&mut self, family: &Family, member: &Member) {
        let opened = self.dice.day_of(date(2024, 11, 1));
        let party = self.party(&member.person.uuid);
        self.case(&member.case, opened, "Opstaaet", "Oplyst", &party, &member.person.name);
        for measure in &member.measures {
            let Some(grant) = measure.grant.as_ref().filter(|grant| grant.system == source::JOBCENTRE) else {
                continue;
            };
            // Where no identity fact ties number and UUID, the grant names the one and its case the other.
            let party =
                if member.uuid_known { party.clone() } else { Party::Number(member.person.cpr.clone()) };
            self.grant(measure, &grant.id, &grant.case, &party);
        }
        if family.twist == Twist::Left {
            self.case(&member.case, date(2026, 6, 1), "Rettet", "Afsluttet", &party, &member.person.name);
        }
    }

    fn party(&mut self, uuid: &str) -> Party {
        Party::Uuid(oio::loose_uuid(uuid, &mut self.dice))
    }

    fn case(&mut self, case: &str, on: Date, cycle: &str, status: &str, party: &Party, name: &str) {
        let payload = Payload::new(oio::CASE, &mut self.dice);
        let at = oio::instant(on, &mut self.dice);
        let attributes = [
            payload.own_virkning(on),
            payload.own("BrugervendtNoegle", "JC"),
            payload.own("Titel", &format!("Indsats for {name}")),
        ];
        let state = format!("{}{}", payload.own_virkning(on), payload.own("FremdriftStatusKode", status));
        let relations = [
            payload.relation("Sagsklasse", on, &payload.urn("urn:oio:kle:32.24.04"), ""),
            payload.relation("Sagspart", on, &party.identifier(payload), ""),
        ];
        let lists = [
            payload.own("Egenskaber", &attributes.concat()),
            payload.own("Fremdrift", &state),
            relations.concat(),
        ];
        let uuid = oio::loose_uuid(case, &mut self.dice);
        let body = payload.registered(&uuid, &at, cycle, lists);
        self.messages.push(payload.sent(Stage::Facts, &at, &body, Outcome::Fact, &mut self.dice));
    }

    fn grant(&mut self, measure: &Measure, id: &str, case: &str, party: &Party) {
        let payload = Payload::new(oio::GRANT, &mut self.dice);
        let from = first_day(measure.months.0);
        let at = oio::instant(from, &mut self.dice);
        let (uuid, benefit) = id.split_once(':').unwrap_or((id, "1"));
        let plan = [
            payload.own("Id", "1"),
            payload.own("EffektueringsplanStartdato", &format!("{from}T00:00:00")),
            payload.own("Beregningsfrekvens", "Måned"),
            payload.own("Ydelsesbeloeb", &json::amount(measure.ore)),
        ];
        let granted = [
            payload.own("Id", benefit),
            payload.own("Navn", measure.offer.name),
            payload.own("BevilgetYdelseStartdato", &format!("{from}T00:00:00")),
            payload.own("OekonomiskEffektueringsplan", &plan.concat()),
        ];
        let attributes = [
            payload.own(
                "Egenskaber",
                &format!("{}{}", payload.own_virkning(from), payload.own("Begrundelse", measure.offer.law)),
            ),
            payload.own("BevilgetYdelse", &granted.concat()),
        ];
        let case = payload.uuid(&oio::loose_uuid(case, &mut self.dice));
        let relations = [
            payload.relation("Bevillingssag", from, &case, ""),
            payload.relation("Bevillingspart", from, &party.identifier(payload), ""),
        ];
        let uuid = oio::loose_uuid(uuid, &mut self.dice);
        let body = payload.registered(
            &uuid,
            &at,
            "Opstaaet",
            [attributes.concat(), String::new(), relations.concat()],
        );
        self.messages.push(payload.sent(Stage::Facts, &at, &body, Outcome::Fact, &mut self.dice));
    }

    fn payment(&mut self, member: &Member, measure: &Measure, grant: &str, month: Date) {
        let payload = Payload::new(oio::PAYMENT, &mut self.dice);
        let paid_on = month.saturating_add(27.days());
        let at = oio::instant(paid_on, &mut self.dice);
        let (uuid, benefit) = grant.split_once(':').unwrap_or((grant, "1"));
        let amount = json::amount(measure.ore);
        let attributes = [
            payload.own_virkning(month),
            payload.own("Startdato", &format!("{month}T00:00:00")),
            payload.own("Slutdato", &format!("{}T00:00:00", month.last_of_month())),
            payload.own("SamletBruttobeloeb", &amount),
            payload.own("Dispositionsdato", &format!("{paid_on}T00:00:00")),
        ];
        let reference = payload.own(
            "BevilgetYdelseRef",
            &format!(
                "{}{}",
                payload.uuid(&oio::loose_uuid(uuid, &mut self.dice)),
                payload.own("BevilgetYdelseId", benefit)
            ),
        );
        let paid = payload.own("Ydelsesbeloeb", &amount);
        let name = payload.own("FuldtNavn", &member.person.name);
        let person = payload.uuid(&oio::loose_uuid(&member.person.uuid, &mut self.dice));
        let relations = [
            payload.relation(
                "OekonomiskYdelseEffektueringRelation",
                month,
                &payload.urn("urn:oio:kle:32.24.04"),
                &format!("{paid}{reference}"),
            ),
            payload.relation("OekonomiskEffektueringPart", month, &person, &name),
        ];
        let body = payload.registered(
            &self.dice.uuid(),
            &at,
            "Opstaaet",
            [payload.own("Egenskaber", &attributes.concat()), String::new(), relations.concat()],
        );
        self.messages.push(payload.sent(Stage::Postings, &at, &body, Outcome::Fact, &mut self.dice));
    }
}

/// How the job centre names a party.
#[derive(Clone)]
enum Party {
    /// In one of its writings.
    Uuid(String),
    /// A CPR number.
    Number(String),
}

impl Party {
    fn identifier(&self, payload: Payload) -> String {
        match self {
            Self::Uuid(uuid) => payload.uuid(uuid),
            Self::Number(cpr) => payload.urn(&format!("urn:oio:cpr-nr:{cpr}")),
        }
    }
}
