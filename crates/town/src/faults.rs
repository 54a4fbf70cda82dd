//! What systems send that cannot be understood, or that is there already: at least one for every reason.

use serde_json::{Value, json};

use jiff::civil::date;
use samspor_domain::Reason;

use crate::account::{self, Writing};
use crate::g69::{self, Line, Place};
use crate::message::{Message, Outcome, Stage};
use crate::oio::{self, Payload};
use crate::oracle;
use crate::person::{Person, Row, cpr_writings};
use crate::posting::{Citizen, Posting};
use crate::seed::{Dice, Purpose};
use crate::source::{self, REGISTRY_MAX_BYTES};
use crate::town::Town;

/// How many people the faulty messages are about.
pub(crate) const PEOPLE: u64 = 16;

/// Someone whom the faulty messages are about.
pub(crate) fn person(town: &Town, no: u64) -> Person {
    town.numbers.person(Row::Birth(no))
}

/// Numbers that are no CPR numbers, since their day does not exist; nobody can have them.
pub(crate) const IMPOSSIBLE: [&str; 3] = ["3102305123", "0013415123", "3104425987"];

fn bad(stage: Stage, source: &'static str, body: impl Into<Vec<u8>>, reason: Reason) -> Message {
    let content_type = if source == source::JOBCENTRE { "application/xml" } else { "application/json" };
    Message { stage, source, content_type, body: body.into(), outcomes: vec![Outcome::Quarantined(reason)] }
}

fn bad_json(stage: Stage, source: &'static str, body: &Value, reason: Reason) -> Message {
    bad(stage, source, body.to_string(), reason)
}

/// Faulty facts.
pub(crate) fn facts(town: &Town) -> Vec<Message> {
    let mut dice = Dice::new(town.settings().seed, Purpose::Faults, 0);
    let (a, b) = (person(town, 0), person(town, 1));
    let citizen = json!({"cpr": a.cpr});
    let fact = |source, message, reason| bad_json(Stage::Facts, source, &message, reason);
    let registry = |message, reason| fact(source::REGISTRY, message, reason);
    let dubu = |message, reason| fact(source::DUBU, message, reason);
    let mut messages = vec![
        registry(
            json!({"type": "solution", "id": "uden-navn", "version": 1, "priority": 5}),
            Reason::MissingField,
        ),
        registry(
            json!({"type": "enrolment", "id": "E-x1", "version": 1, "solution": "helhedsplan", "from": "2026-01-01"}),
            Reason::MissingField,
        ),
        registry(
            json!({"type": "enrolment", "id": "E-x2", "version": 1, "solution": "helhedsplan", "from": "2026-01-01",
                   "citizen": citizen, "family": format!("familien {}", cpr_writings(&a.cpr)[1])}),
            Reason::PersonalDataInId,
        ),
        registry(
            json!({"type": "split", "id": "S-x1", "version": 1, "solution": "helhedsplan",
                   "parts": [{"area": "health", "weight": 1}, {"area": "health", "weight": 2}]}),
            Reason::InvalidField,
        ),
        registry(
            json!({"type": "identity", "id": "I-x1", "version": 1, "kind": "cpr-change", "refs": [citizen]}),
            Reason::InvalidField,
        ),
        registry(
            json!({"type": "consent", "id": "C-x1", "version": 1, "citizen": citizen, "sources": [],
                   "covers_from": "2026-01-01"}),
            Reason::InvalidField,
        ),
        registry(
            json!({"type": "consent", "id": "C-x2", "version": 1, "citizen": {"cpr": IMPOSSIBLE[0]},
                   "sources": ["opus"], "covers_from": "2026-01-01"}),
            Reason::InvalidCpr,
        ),
        registry(
            json!({"type": "posting", "id": "x1", "date": "2026-03-01", "account": "5.28.21", "amount": "1.00"}),
            Reason::NotPermitted,
        ),
        registry(
            json!({"type": "solution", "id": "alt-for-lang", "version": 1, "name": "x",
                   "note": "æ".repeat(REGISTRY_MAX_BYTES / 2)}),
            Reason::TooLarge,
        ),
        dubu(
            json!({"type": "grant", "id": "B-x1", "version": 1, "offer": "Aflastning"}),
            Reason::MissingField,
        ),
        dubu(json!({"type": "case", "id": "D-x1", "version": 0, "citizen": citizen}), Reason::InvalidField),
        dubu(
            json!({"type": "grant", "id": "B-x2", "version": 1, "citizen": citizen, "total": "-1.00"}),
            Reason::InvalidAmount,
        ),
        dubu(
            json!({"type": "underretning", "id": "U-x1", "version": 1, "citizen": citizen}),
            Reason::UnknownType,
        ),
        dubu(
            json!({"type": "identity", "id": "I-x2", "version": 1, "kind": "same",
                   "refs": [citizen, {"uuid": b.uuid}]}),
            Reason::NotPermitted,
        ),
    ];
    messages.extend(job_centre(town, &mut dice));
    messages
}

fn job_centre(town: &Town, dice: &mut Dice) -> Vec<Message> {
    let person = person(town, 2);
    let case = |dice: &mut Dice, cycle: &str, at: &str, party: Option<(bool, &str)>| {
        let payload = Payload::new(oio::CASE, dice);
        let on = date(2026, 2, 2);
        let relations = party.map(|(is_number, id)| {
            let id = if is_number { payload.urn(&format!("urn:oio:cpr-nr:{id}")) } else { payload.uuid(id) };
            payload.relation("Sagspart", on, &id, "")
        });
        payload.registered(
            &dice.uuid(),
            at,
            cycle,
            [String::new(), String::new(), relations.unwrap_or_default()],
        )
    };
    const AT: &str = "2026-02-02T08:00:00Z";
    let known = Some((false, person.uuid.as_str()));
    let good = case(dice, "Opstaaet", AT, known);
    let whole = oio::envelope(source::CASE_TYPE, AT, &good, dice);
    let xml = |body: String, reason| bad(Stage::Facts, source::JOBCENTRE, body, reason);
    let sent = |dice: &mut Dice, payload: &str, reason| {
        xml(oio::envelope(source::CASE_TYPE, AT, payload, dice), reason)
    };
    let without_party = case(dice, "Opstaaet", AT, None);
    let with_impossible = case(dice, "Opstaaet", AT, Some((true, IMPOSSIBLE[1])));
    let with_one = case(dice, "Opstaaet", AT, Some((false, "1")));
    let with_cycle = case(dice, "Genoplivet", AT, known);
    let with_time = case(dice, "Opstaaet", "i går", known);
    let broken =
        "<Base64 xmlns=\"urn:besked:kuvert:1.0\" content-type=\"application/xml\">ikke base64!</Base64>";
    let doctype = "<!DOCTYPE Haendelsesbesked [<!ENTITY hvem SYSTEM \"file:///etc/hostname\">]>\n<";
    let mut messages = vec![
        sent(dice, &without_party, Reason::MissingField),
        sent(dice, &with_impossible, Reason::InvalidCpr),
        sent(dice, &with_one, Reason::InvalidField),
        sent(dice, &with_cycle, Reason::InvalidField),
        sent(dice, &with_time, Reason::InvalidField),
        xml(whole.replacen("?>\n<", &format!("?>\n{doctype}"), 1), Reason::Undecodable),
        xml(whole[..whole.len() / 2].to_owned(), Reason::Undecodable),
        xml(oio::envelope("6b1f0a52-3c7e-4d18-9a40-5e2d7c1b8fff", AT, &good, dice), Reason::UnknownType),
        xml("<Sag xmlns=\"urn:oio:sts:sagdok:sag:6\"/>".to_owned(), Reason::Undecodable),
    ];
    // The envelope may not put it into Base64 once more.
    let inline = format!(
        "<Haendelsesbesked xmlns=\"urn:oio:besked:kuvert:1.0\"><Beskedkuvert><Filtreringsdata><Beskedtype>\
         <s:UUIDIdentifikator xmlns:s=\"urn:oio:sagdok:3.0.0\">{}</s:UUIDIdentifikator></Beskedtype></Filtreringsdata>\
         </Beskedkuvert><Beskeddata>{broken}</Beskeddata></Haendelsesbesked>",
        source::CASE_TYPE
    );
    messages.push(xml(inline, Reason::Undecodable));
    let mut typed = xml(whole, Reason::UnsupportedContentType);
    typed.content_type = "application/json";
    messages.push(typed);
    messages
}

/// Faulty postings, and some that are there already.
pub(crate) fn postings(town: &Town) -> Vec<Message> {
    let mut messages = opus(town);
    messages.extend(again(town));
    messages.extend(files(town));
    messages
}

fn opus(town: &Town) -> Vec<Message> {
    let person = person(town, 3);
    let good = |id: &str| {
        json!({"type": "posting", "id": id, "date": "2026-03-14", "account": "5.57.73.1", "amount": "12450.00",
               "citizen": {"cpr": person.cpr}})
    };
    let with = |id: &str, key: &str, value: Value| {
        let mut message = good(id);
        message[key] = value;
        message
    };
    let opus = |message: Value, reason| bad_json(Stage::Postings, source::OPUS, &message, reason);
    let raw = |body: Vec<u8>, reason| bad(Stage::Postings, source::OPUS, body, reason);
    let text = good("x-1").to_string();
    let mut not_utf8 = text.replace("x-1", "x-4").into_bytes();
    not_utf8.extend_from_slice(b" \xff");
    let number = cpr_writings(&person.cpr);
    let mut messages = vec![
        raw(text.as_bytes()[..text.len() - 2].to_vec(), Reason::Undecodable),
        raw(text.replacen('{', "{\"id\":\"x-2\",", 1).into_bytes(), Reason::Undecodable),
        raw(b"[\"posting\", \"x-3\"]".to_vec(), Reason::Undecodable),
        raw(not_utf8, Reason::Undecodable),
        raw(text.replace("\"12450.00\"", "12450.00").into_bytes(), Reason::InvalidAmount),
        opus(with("x-5", "amount", "12.450,00".into()), Reason::InvalidAmount),
        opus(with("x-6", "amount", "10000000000000.00".into()), Reason::InvalidAmount),
        opus(with("x-7", "date", Value::Null), Reason::MissingField),
        opus(with("x-8", "id", Value::Null), Reason::MissingField),
        opus(with("x-9", "type", Value::Null), Reason::MissingField),
        opus(with("x-10", "date", "2026-02-30".into()), Reason::InvalidField),
        opus(with("x-11", "citizen", json!({"cpr": person.cpr, "uuid": person.uuid})), Reason::InvalidField),
        opus(with("x-12", "citizen", json!({"uuid": "1"})), Reason::InvalidField),
        opus(with("x-13", "citizen", json!({"cpr": IMPOSSIBLE[2]})), Reason::InvalidCpr),
        opus(with("x-14", "citizen", json!({"cpr": &person.cpr[..9]})), Reason::InvalidCpr),
        opus(with("x-15", "account", "5.28".into()), Reason::InvalidAccount),
        opus(with("x-16", "account", "557731".into()), Reason::InvalidAccount),
        opus(with("x-17", "grant", json!({"system": "dubu", "case": "D-0001-2"})), Reason::InvalidField),
        opus(with("x-18", "type", "faktura".into()), Reason::UnknownType),
        opus(with(&number[0], "voucher", "2026-x".into()), Reason::PersonalDataInId),
        opus(with("x-19", "voucher", format!("Bilag {}", number[1]).into()), Reason::PersonalDataInId),
        opus(with("x-20", "reverses", format!("{}-1", number[2]).into()), Reason::PersonalDataInId),
        opus(
            json!({"type": "consent", "id": "C-x3", "version": 1, "citizen": {"cpr": person.cpr},
                   "sources": ["opus"], "covers_from": "2026-01-01"}),
            Reason::NotPermitted,
        ),
    ];
    let mut typed = opus(good("x-21"), Reason::UnsupportedContentType);
    typed.content_type = "application/pdf";
    messages.push(typed);
    messages
}

/// One posting three times over: once more as another system would write it, and once with another amount.
fn again(town: &Town) -> Vec<Message> {
    let person = person(town, 4);
    let account = account::CASH_BENEFIT.write(Writing::Sixteen, "");
    let posting = Posting {
        date: date(2026, 3, 14),
        ore: 1_245_000,
        citizen: Some(Citizen::Cpr(person.cpr.clone())),
        grant: None,
        voucher: Some("2026-x22".to_owned()),
        reverses: None,
        text: String::new(),
        answer: oracle::about_stranger(),
        account,
    };
    let message = |account: Value, amount: &str, text: &str, outcome| {
        let mut body = json!({
            "type": "posting", "id": "x-22", "date": "2026-03-14", "amount": amount, "voucher": "2026-x22",
            "citizen": {"cpr": person.cpr}, "text": text,
        });
        for (key, value) in account.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        let body = body.to_string().into_bytes();
        let content_type = "application/json";
        Message { stage: Stage::Postings, source: source::OPUS, content_type, body, outcomes: vec![outcome] }
    };
    let digits = json!({"account": posting.account.text});
    let words = json!({"account": "5.57.73.1", "grouping": "007", "cost_centre": "7010"});
    vec![
        message(digits.clone(), "12450.00", "Kontanthjælp", posting.expectation("x-22")),
        message(words, "12450", "kontanthjælp for marts", Outcome::Duplicate),
        message(digits, "12460.00", "Kontanthjælp", Outcome::Quarantined(Reason::PostingConflict)),
    ]
}

/// G69 files in which some lines are good.
fn files(town: &Town) -> Vec<Message> {
    let mut dice = Dice::new(town.settings().seed, Purpose::Faults, 1);
    let mut messages = Vec::new();
    for (source, machine, writing) in
        [(source::PRISME, 90_001, Writing::Prisme), (source::OES, 90_002, Writing::Sixteen)]
    {
        let mut number = 0;
        let mut line = |town: &Town, dice: &mut Dice| {
            number += 1;
            let posting = Posting {
                date: date(2026, 5, 29),
                account: account::MENTOR.write(writing, "CPR"),
                ore: 400_000 + i64::from(number) * 12_525,
                citizen: Some(Citizen::Cpr(person(town, 5 + u64::from(number) % (PEOPLE - 5)).cpr)),
                grant: None,
                voucher: None,
                reverses: None,
                text: "Mentorstøtte, ærø".to_owned(),
                answer: oracle::about_stranger(),
            };
            Line::new(&posting, Place { machine, serial: number }, number as usize, dice)
        };
        let bad = |line: Line, from: &str, to: &str, reason| {
            assert!(line.text.contains(from), "the line holds what is to be broken");
            Line { text: line.text.replacen(from, to, 1), outcome: Outcome::Quarantined(reason) }
        };
        let mut lines = vec![line(town, &mut dice)];
        let breaks: [(&str, &str, Reason); 8] = [
            ("&112000000", "&11200000", Reason::InvalidAmount),
            ("&11020260529", "&11020260230", Reason::InvalidField),
            ("&11020260529", "", Reason::MissingField),
            ("&113D", "&113X", Reason::InvalidField),
            ("&103", "&113D&103", Reason::Undecodable),
            ("G69", "G68", Reason::Undecodable),
            ("&153", "&15é", Reason::Undecodable),
            ("&13202", "", Reason::MissingField),
        ];
        for (from, to, reason) in breaks {
            lines.push(bad(line(town, &mut dice), from, to, reason));
            lines.push(line(town, &mut dice));
        }
        let mut broken = line(town, &mut dice);
        broken.text = match broken.text.split_once("&133") {
            Some((before, after)) => format!("{before}&133{}{}", IMPOSSIBLE[0], &after[10..]),
            None => broken.text,
        };
        broken.outcome = Outcome::Quarantined(Reason::InvalidCpr);
        lines.push(broken);
        let mut broken = line(town, &mut dice);
        broken.text = broken.text.replacen("&111", "&111X", 1);
        broken.outcome = Outcome::Quarantined(Reason::InvalidAccount);
        lines.push(broken);
        let mut file = g69::message(source, lines, true);
        // Blank lines are passed over.
        file.body.extend_from_slice(b"\r\n  \r\n");
        messages.push(file);

        let mut blank = g69::message(source, Vec::new(), true);
        blank.outcomes = vec![Outcome::Quarantined(Reason::Undecodable)];
        messages.push(blank);
        let mut typed = g69::message(source, vec![line(town, &mut dice)], false);
        (typed.content_type, typed.outcomes) =
            ("application/json", vec![Outcome::Quarantined(Reason::UnsupportedContentType)]);
        messages.push(typed);
    }
    // ISO-8859-1 where UTF-8 was promised: the line is lost on its own.
    if let [file, ..] = &messages[..] {
        let text = String::from_utf8_lossy(&file.body).into_owned();
        if let Some(first) = text.lines().next() {
            let bytes =
                first.replace("&1040000001", "&1040000099").chars().map(|c| u32::from(c) as u8).collect();
            let body = Vec::from_iter([bytes, b"\r\n".to_vec()].concat());
            let outcomes = vec![Outcome::Quarantined(Reason::Undecodable)];
            messages.push(Message { body, outcomes, ..file.clone() });
        }
    }
    messages
}
