//! Cases, grants and payments: the mapping, its choices, and what is not guessed.

use samspor_domain::{CitizenRef, Cpr, Kind, Period, PersonUuid, Rank, Reason, Span};

use super::*;

fn text(text: &str) -> Text {
    Text::new(text).unwrap_or_else(|e| panic!("{e}"))
}

fn day(text: &str) -> Option<jiff::civil::Date> {
    Some(text.parse().unwrap_or_else(|e| panic!("{e}")))
}

fn cpr(number: &str) -> CitizenRef {
    CitizenRef::Cpr(Cpr::parse(number).unwrap_or_else(|e| panic!("{e}")))
}

fn case(besked: &str) -> samspor_domain::Case {
    match body(&facts(&message(CASE_TYPE, besked))[0]) {
        Body::Case(case) => case.clone(),
        other => panic!("{other:?}"),
    }
}

fn grants(besked: &str) -> Vec<samspor_domain::Grant> {
    let grant = |fact: &Fact| match body(fact) {
        Body::Grant(grant) => grant.clone(),
        other => panic!("{other:?}"),
    };
    facts(&message(GRANT_TYPE, besked)).iter().map(grant).collect()
}

fn case_fault(besked: &str) -> (Reason, String) {
    let fault = fault(&message(CASE_TYPE, besked));
    let path = fault.path.unwrap_or_default();
    (fault.reason, path.replace("Beskeddata[0].RegistreringBesked", "§"))
}

#[test]
fn a_case() {
    let fact = &facts(&message(CASE_TYPE, &case_besked()))[0];
    assert_eq!((fact.kind, fact.id.as_str(), fact.version), (Kind::Case, OBJECT_ID, VERSION));
    let case = case(&case_besked());
    assert!(case.citizen == cpr(CPR));
    assert_eq!((case.area, case.kle, case.status), (None, Some(text("32.24.04")), Some(text("Oplyst"))));
    assert_eq!(case.span, Span { from: day("2026-01-05"), to: None });
    let shown = format!("{fact:?}");
    assert!(!shown.contains("Anna") && !shown.contains(CPR), "{shown}");
}

#[test]
fn the_version_is_the_registrations_instant_in_microseconds() {
    let at = |time: &str| case_besked().replace("2026-03-14T12:00:00Z", time);
    for (time, version) in [
        ("2026-03-14T12:00:00Z", VERSION),
        ("2026-03-14T13:00:00+01:00", VERSION),
        ("2026-03-14T13:00:00", VERSION),
        ("2026-03-14T12:00:00.000001Z", VERSION + 1),
        ("2026-03-14T12:00:00.0000019Z", VERSION + 1),
        ("1970-01-01T00:00:00.000001Z", 1),
    ] {
        assert_eq!(facts(&message(CASE_TYPE, &at(time)))[0].version, version, "{time}");
    }
    for time in
        ["1970-01-01T00:00:00Z", "1969-12-31T00:00:00Z", "2026-03-14", "14-03-2026", "9999-12-31T23:59:59Z"]
    {
        assert_eq!(
            case_fault(&at(time)),
            (Reason::InvalidField, "§.Registrering.FraTidspunkt".into()),
            "{time}"
        );
    }
    let boundless = case_besked().replace(
        "<s:TidsstempelDatoTid>2026-03-14T12:00:00Z</s:TidsstempelDatoTid>",
        "<s:GraenseIndikator>true</s:GraenseIndikator>",
    );
    assert_eq!(case_fault(&boundless).0, Reason::MissingField);
}

#[test]
fn only_slettet_is_a_deletion() {
    let with = |code: &str| case_besked().replace(">Opstaaet</s:Livs", &format!(">{code}</s:Livs"));
    for (code, rank) in [
        ("Opstaaet", Rank::Live),
        ("Importeret", Rank::Live),
        ("Rettet", Rank::Live),
        ("Passiveret", Rank::Live),
        ("Slettet", Rank::Deleted),
    ] {
        assert_eq!(facts(&message(CASE_TYPE, &with(code)))[0].state.rank(), rank, "{code}");
    }
    assert_eq!(case_fault(&with("slettet")), (Reason::InvalidField, "§.Registrering.LivscyklusKode".into()));
    assert_eq!(case_fault(&with("")), (Reason::MissingField, "§.Registrering.LivscyklusKode".into()));
    // A deletion needs nothing more.
    let bare = with("Slettet").replace("p:RelationListe", "p:X").replace("p:AttributListe", "p:Y");
    let fact = &facts(&message(CASE_TYPE, &bare))[0];
    assert_eq!((fact.state.rank(), fact.id.as_str(), fact.version), (Rank::Deleted, OBJECT_ID, VERSION));
}

#[test]
fn objects_have_one_writing_of_their_id() {
    for written in
        [OBJECT.to_owned(), OBJECT.to_lowercase(), OBJECT.replace('-', ""), format!("\n {OBJECT} ")]
    {
        let fact = &facts(&message(CASE_TYPE, &case_besked().replace(OBJECT, &written)))[0];
        assert_eq!(fact.id.as_str(), OBJECT_ID, "{written}");
    }
    assert_eq!(facts(&message(CASE_TYPE, &case_besked().replace(OBJECT, "1")))[0].id.as_str(), "1");
    assert_eq!(
        case_fault(&case_besked().replace(OBJECT, "")),
        (Reason::MissingField, "§.UUIDIdentifikator".into())
    );
    assert_eq!(case_fault(&case_besked().replace(OBJECT, &"1".repeat(121))).0, Reason::InvalidField);
    assert_eq!(case_fault(&case_besked().replace(OBJECT, "611280-1234")).0, Reason::PersonalDataInId);
}

#[test]
fn references_to_a_citizen() {
    let party = |id: &str| case_besked().replace(&reference("urn:oio:cpr-nr:6112801234"), &reference(id));
    for id in ["urn:oio:cpr-nr:6112801234", "URN:OIO:CPR-NR:611280-1234", "urn:oio:cpr-nr:611280 1234"] {
        let besked = party("").replace(
            "<g:ReferenceID><s:UUIDIdentifikator></s:UUIDIdentifikator></g:ReferenceID>",
            &format!("<g:ReferenceID><s:URNIdentifikator>{id}</s:URNIdentifikator></g:ReferenceID>"),
        );
        assert!(case(&besked).citizen == cpr(CPR), "{id}");
    }
    let uuid = CitizenRef::Uuid(PersonUuid::parse(PERSON).unwrap_or_else(|e| panic!("{e}")));
    for id in [PERSON.to_owned(), PERSON.to_uppercase(), format!("urn:uuid:{PERSON}")] {
        assert!(case(&party(&id)).citizen == uuid, "{id}");
    }
    assert_eq!(case(&party("urn:oio:us:personid:17")).citizen, CitizenRef::Local(source(), text("17")));
    let path = "§.Registrering.RelationListe.Sagspart.ReferenceID".to_owned();
    assert_eq!(case_fault(&party("urn:oio:cpr-nr:6012801234")), (Reason::InvalidCpr, path.clone()));
    assert_eq!(case_fault(&party("1")), (Reason::InvalidField, path));
    for nobody in ["urn:oio:cvr-nr:12345678", "urn:oio:cvr:12345678", "urn:x", ""] {
        let missing = (Reason::MissingField, "§.Registrering.RelationListe.Sagspart".to_owned());
        assert_eq!(case_fault(&party(nobody)), missing, "{nobody}");
    }
}

#[test]
fn of_several_parties_none_is_guessed() {
    let part = |index: &str, id: &str, when: &str| {
        let index = if index.is_empty() { String::new() } else { format!("<g:Indeks>{index}</g:Indeks>") };
        format!("<p:Sagspart>{when}{index}{}</p:Sagspart>", reference(id))
    };
    let (a, b) = ("urn:oio:cpr-nr:6112801234", "urn:oio:cpr-nr:7005902345");
    let with = |parts: &[String]| case_besked().replace(&part("", a, ""), &parts.concat());
    let ambiguous = (Reason::InvalidField, "§.Registrering.RelationListe.Sagspart".to_owned());
    for parts in [
        [part("", a, ""), part("", b, "")],
        [part("1", a, ""), part("1", b, "")],
        [part("x", a, ""), part("", PERSON, "")],
    ] {
        assert_eq!(case_fault(&with(&parts)), ambiguous, "{parts:?}");
    }
    for parts in [
        [part("1", a, ""), part("2", b, "")],
        [part("2", b, ""), part("1", a, "")],
        [part("", b, ""), part("7", a, "")],
        [part("", a, ""), part("", a, "")],
        [part("", "urn:oio:cvr-nr:12345678", ""), part("", a, "")],
        [part("1", "urn:oio:cvr-nr:12345678", ""), part("2", a, "")],
        // By valid time: of those that hold at the registration.
        [
            part("", a, &virkning("2026-01-01T00:00:00", "∞")),
            part("", b, &virkning("2020-01-01T00:00:00", "2026-01-01T00:00:00")),
        ],
        [part("", a, ""), part("1", b, &virkning("2026-03-14T12:00:00.1Z", ""))],
        [
            part("", a, &virkning("", "2026-03-14T12:00:00.1Z")),
            part("1", b, &virkning("∞", "2026-03-14T12:00:00Z")),
        ],
        [
            part("", a, &virkning("2026-03-14T12:00:00Z", "9999-12-31T23:59:59Z")),
            part("1", b, &virkning("9999-01-01T00:00:00", "")),
        ],
    ] {
        assert!(case(&with(&parts)).citizen == cpr(CPR), "{parts:?}");
    }
    // One that begins after the registration is better than none.
    assert!(case(&with(&[part("", a, &virkning("2027-01-01T00:00:00", ""))])).citizen == cpr(CPR));
    let (reason, path) = case_fault(&with(&[part("", a, &virkning("soon", ""))]));
    assert_eq!(reason, Reason::InvalidField);
    assert_eq!(path, "§.Registrering.RelationListe.Sagspart.Virkning.FraTidspunkt");
}

#[test]
fn the_progress_of_a_case() {
    let state = |from: &str, to: &str, code: &str| {
        format!(
            "<p:Fremdrift>{}<p:FremdriftStatusKode>{code}</p:FremdriftStatusKode></p:Fremdrift>",
            virkning(from, to)
        )
    };
    let old = state("2026-01-05T08:00:00", "∞", "Oplyst");
    let with = |states: &str| {
        let case = case(&case_besked().replace(&old, states));
        (
            case.status.map(|s| s.to_string()),
            case.span.from.map(|d| d.to_string()),
            case.span.to.map(|d| d.to_string()),
        )
    };
    let shown = |status: &str, from: &str, to: Option<&str>| {
        (Some(status.to_owned()), Some(from.to_owned()), to.map(str::to_owned))
    };
    let begun = state("2025-06-30T22:30:00Z", "2026-02-01T00:00:00", "Opstaaet");
    let ended = state("2026-02-01T00:00:00", "∞", "Afsluttet");
    assert_eq!(
        with(&[begun.clone(), ended.clone()].concat()),
        shown("Afsluttet", "2025-07-01", Some("2026-02-01"))
    );
    assert_eq!(with(&[ended, begun.clone()].concat()), shown("Afsluttet", "2025-07-01", Some("2026-02-01")));
    // An end that lies ahead is no end yet.
    let begun = begun.replace("2026-02-01", "2026-06-01");
    let later = state("2026-06-01T00:00:00", "", "Afsluttet");
    assert_eq!(with(&[begun, later].concat()), shown("Opstaaet", "2025-07-01", None));
    assert_eq!(with(""), (None, Some("2026-01-05".into()), None));
}

#[test]
fn grants_of_one_registration() {
    let facts = facts(&message(GRANT_TYPE, &grant_besked()));
    let ids: Vec<&str> = facts.iter().map(|fact| fact.id.as_str()).collect();
    assert_eq!(ids, [format!("{OBJECT_ID}:1"), format!("{OBJECT_ID}:AB-2")]);
    assert!(facts.iter().all(|fact| fact.version == VERSION && fact.kind == Kind::Grant));
    let grants = grants(&grant_besked());
    let uuid = CitizenRef::Uuid(PersonUuid::parse(PERSON).unwrap_or_else(|e| panic!("{e}")));
    for grant in &grants {
        assert!(grant.citizen.as_ref() == Some(&uuid));
        assert_eq!(grant.case, Some(text("11111111-2222-3333-4444-555555555555")));
        assert!(grant.account.is_none() && grant.law.is_none() && grant.total.is_none());
    }
    assert_eq!(grants[0].offer, Some(text("Mentor")));
    assert_eq!(grants[0].span, Span { from: day("2026-01-05"), to: day("2026-12-31") });
    assert_eq!(grants[0].rate.map(|rate| (rate.amount.ore(), rate.per)), Some((1_245_050, Period::Month)));
    assert_eq!((&grants[1].offer, grants[1].rate), (&Some(text("Bolig")), None));
    assert_eq!(grants[1].span, Span { from: day("2026-01-01"), to: None });
}

#[test]
fn a_grant_needs_a_citizen_or_a_case() {
    let without = |name: &str| grant_besked().replace(&format!("p:{name}>"), "p:Andet>");
    assert!(
        grants(&without("Bevillingspart"))
            .iter()
            .all(|grant| grant.citizen.is_none() && grant.case.is_some())
    );
    assert!(
        grants(&without("Bevillingssag")).iter().all(|grant| grant.citizen.is_some() && grant.case.is_none())
    );
    let neither = without("Bevillingspart").replace("p:Bevillingssag>", "p:Andet>");
    for result in results(&message(GRANT_TYPE, &neither)) {
        let fault = result.err().unwrap_or_else(|| panic!("no fault"));
        assert_eq!(fault.reason, Reason::MissingField);
        assert!(fault.path.is_some_and(|path| path.ends_with("Registrering.RelationListe.Bevillingspart")));
    }
}

#[test]
fn one_bad_grant_spoils_no_other() {
    let bad = grant_besked().replace("12450.50", "12450.505");
    let results = results(&message(GRANT_TYPE, &bad));
    let fault = results[0].as_ref().err().unwrap_or_else(|| panic!("no fault"));
    assert_eq!(fault.reason, Reason::InvalidAmount);
    let path = "Beskeddata[0].RegistreringBesked.Registrering.AttributListe.BevilgetYdelse.OekonomiskEffektueringsplan.Ydelsesbeloeb";
    assert_eq!(fault.path.as_deref(), Some(path));
    assert!(results[1].is_ok());
    for amount in ["", "1,5", "1e3", "+1", "99999999999999"] {
        let results = self::results(&message(GRANT_TYPE, &grant_besked().replace("12450.50", amount)));
        let reason = results[0].as_ref().err().map(|fault| fault.reason);
        assert_eq!(reason, (!amount.is_empty()).then_some(Reason::InvalidAmount), "{amount}");
    }
}

#[test]
fn frequencies_that_are_not_known_give_no_rate() {
    for (word, period) in [
        ("Månedlig", Some(Period::Month)),
        ("MAANED", Some(Period::Month)),
        ("Ugentligt", Some(Period::Week)),
        ("dag", Some(Period::Day)),
        ("Engangs", Some(Period::Once)),
        ("14. dag", None),
        ("Kvartal", None),
        ("", None),
    ] {
        let grants = grants(&grant_besked().replace(">Månedlig<", &format!(">{word}<")));
        assert_eq!(grants[0].rate.map(|rate| rate.per), period, "{word}");
    }
}

#[test]
fn of_several_plans_the_one_that_runs_counts() {
    let plan = |from: &str, to: &str, amount: &str| {
        format!(
            "<p:OekonomiskEffektueringsplan><p:EffektueringsplanStartdato>{from}T00:00:00</p:EffektueringsplanStartdato>\
             <p:EffektueringsplanSlutdato>{to}T00:00:00</p:EffektueringsplanSlutdato><p:Beregningsfrekvens>Uge\
             </p:Beregningsfrekvens><p:Ydelsesbeloeb>{amount}</p:Ydelsesbeloeb></p:OekonomiskEffektueringsplan>"
        )
    };
    let (start, end) = ("<p:OekonomiskEffektueringsplan>", "</p:OekonomiskEffektueringsplan>");
    let whole = grant_besked();
    let old = &whole[whole.find(start).unwrap_or(0)..whole.find(end).map_or(0, |at| at + end.len())];
    let with =
        |plans: &[String]| grants(&whole.replace(old, &plans.concat()))[0].rate.map(|rate| rate.amount.ore());
    let (past, now, future) = (
        plan("2025-01-01", "2025-12-31", "1"),
        plan("2026-01-01", "2026-03-14", "2"),
        plan("2026-03-15", "2026-12-31", "3"),
    );
    assert_eq!(with(&[past.clone(), now.clone(), future.clone()]), Some(200));
    assert_eq!(with(&[future.clone(), now, past.clone()]), Some(200));
    assert_eq!(with(&[future, past]), Some(300));
}

#[test]
fn benefits_that_cannot_be_told_apart_are_not_guessed() {
    let unnamed = grant_besked().replace("<p:Id>1</p:Id>", "");
    let ids: Vec<String> =
        facts(&message(GRANT_TYPE, &unnamed)).iter().map(|fact| fact.id.to_string()).collect();
    assert_eq!(ids, [OBJECT_ID.to_owned(), format!("{OBJECT_ID}:AB-2")]);
    let both = unnamed.replace("<p:Id>AB-2</p:Id>", "");
    assert_eq!(fault(&message(GRANT_TYPE, &both)).reason, Reason::MissingField);
    // The same id with other valid times is one grant: the one that holds.
    let same = grant_besked()
        .replace(
            "<p:Id>1</p:Id>",
            &format!("{}<p:Id>1</p:Id>", virkning("2020-01-01T00:00:00", "2026-01-01T00:00:00")),
        )
        .replace("<p:Id>AB-2</p:Id>", &format!("{}<p:Id>1</p:Id>", virkning("2026-01-01T00:00:00", "∞")));
    let grants = grants(&same);
    assert_eq!((grants.len(), &grants[0].offer), (1, &Some(text("Bolig"))));
    let none = grant_besked().replace("p:BevilgetYdelse>", "p:Andet>");
    assert_eq!(fault(&message(GRANT_TYPE, &none)).reason, Reason::MissingField);
}

#[test]
fn a_deleted_grant_deletes_what_it_lists() {
    let deleted = grant_besked()
        .replace("Opstaaet", "Slettet")
        .replace("12450.50", "x")
        .replace("p:RelationListe", "p:X");
    let facts = facts(&message(GRANT_TYPE, &deleted));
    assert!(facts.len() == 2 && facts.iter().all(|fact| fact.state.rank() == Rank::Deleted));
    let none = deleted.replace("p:BevilgetYdelse>", "p:Andet>");
    assert_eq!(fault(&message(GRANT_TYPE, &none)).reason, Reason::MissingField);
}

#[test]
fn long_names_are_cut() {
    let long = "æ".repeat(100);
    let grants = grants(&grant_besked().replace("Mentor", &long));
    assert_eq!(grants[0].offer, Some(text(&"æ".repeat(60))));
}

fn payments(relations: &str) -> Vec<(String, samspor_domain::Payment)> {
    let payment = |fact: &Fact| match body(fact) {
        Body::Payment(payment) => (fact.id.to_string(), payment.clone()),
        other => panic!("{other:?}"),
    };
    facts(&message(PAYMENT_TYPE, &payment_besked(relations))).iter().map(payment).collect()
}

const AMOUNT: &str = "<p:Ydelsesbeloeb>-450.5</p:Ydelsesbeloeb>";

#[test]
fn payments_name_the_grants_as_the_grants_name_themselves() {
    let granted: Vec<Text> =
        facts(&message(GRANT_TYPE, &grant_besked())).into_iter().map(|fact| fact.id).collect();
    let paid = payments(&[payment_relation(AMOUNT, "1"), payment_relation(AMOUNT, " AB-2 ")].concat());
    let named: Vec<Text> = paid
        .iter()
        .map(|(_, payment)| match &payment.grant {
            CitizenRef::Grant(system, id) if *system == source() => id.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(named, granted);
    let bare = payments(&payment_relation(AMOUNT, ""));
    assert_eq!(bare[0].1.grant, CitizenRef::Grant(source(), text(OBJECT_ID)));
}

#[test]
fn a_payment_field_by_field() {
    let paid = payments(
        &[payment_relation(AMOUNT, "1"), payment_relation("<p:Ydelsesbeloeb>7</p:Ydelsesbeloeb>", "2")]
            .concat(),
    );
    let ids: Vec<&str> = paid.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, [OBJECT_ID.to_owned(), format!("{OBJECT_ID}:2")]);
    let (_, first) = &paid[0];
    assert_eq!((first.amount.ore(), Some(first.on)), (-45_050, day("2026-03-31")));
    assert_eq!(first.period, Span { from: day("2026-03-01"), to: day("2026-03-31") });
    assert_eq!(paid[1].1.amount.ore(), 700);
    // The sum of all stands for the only one.
    assert_eq!(payments(&payment_relation("", "1"))[0].1.amount.ore(), 90_000);
    let periodless = payment_relation(AMOUNT, "1").replace("Ydelsesperiode", "X");
    assert_eq!(payments(&periodless)[0].1.period, Span::default());
    let shared = payment_besked(&periodless).replace(
        "<p:SamletBruttobeloeb>",
        "<p:Startdato>2026-02-28T23:00:00Z</p:Startdato><p:Slutdato>2026-03-31T00:00:00</p:Slutdato><p:SamletBruttobeloeb>",
    );
    match body(&facts(&message(PAYMENT_TYPE, &shared))[0]) {
        Body::Payment(payment) => assert_eq!(payment.period, first.period),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_payment_without_what_it_needs() {
    let first = |relations: &str, from: &str, to: &str| {
        let text = message(PAYMENT_TYPE, &payment_besked(relations).replace(from, to));
        let fault =
            results(&text).into_iter().find_map(Result::err).unwrap_or_else(|| panic!("no fault: {text}"));
        (
            fault.reason,
            fault.path.unwrap_or_default().replace("Beskeddata[0].RegistreringBesked.Registrering.", ""),
        )
    };
    let relation = "RelationListe.OekonomiskYdelseEffektueringRelation";
    let one = payment_relation(AMOUNT, "1");
    for (relations, from, to, reason, path) in [
        ("", "", "", Reason::MissingField, relation.to_owned()),
        (&one, "BevilgetYdelseRef", "X", Reason::MissingField, format!("{relation}[0].BevilgetYdelseRef")),
        (&one, OBJECT, "", Reason::MissingField, String::new()),
        (
            &one,
            "Dispositionsdato",
            "X",
            Reason::MissingField,
            "AttributListe.Egenskaber.Dispositionsdato".into(),
        ),
        (
            &one,
            "p:AttributListe",
            "p:X",
            Reason::MissingField,
            "AttributListe.Egenskaber.Dispositionsdato".into(),
        ),
        (
            &one,
            "2026-03-31T00:00:00+02:00",
            "31-03-2026",
            Reason::InvalidField,
            "AttributListe.Egenskaber.Dispositionsdato".into(),
        ),
        (&one, "-450.5", "x", Reason::InvalidAmount, format!("{relation}[0].Ydelsesbeloeb")),
        (&one, "2026-03-01T", "x", Reason::InvalidField, format!("{relation}[0].YdelsesperiodeStartdato")),
        (
            &[one.clone(), payment_relation("", "2")].concat(),
            "",
            "",
            Reason::MissingField,
            format!("{relation}[1].Ydelsesbeloeb"),
        ),
    ] {
        let found = first(relations, if from.is_empty() { "§" } else { from }, to);
        if path.is_empty() {
            assert_eq!(found.0, reason);
        } else {
            assert_eq!(found, (reason, path));
        }
    }
}

#[test]
fn a_deleted_payment() {
    for (relations, count) in
        [(String::new(), 1), (payment_relation("", ""), 1), (payment_relation("", "").repeat(3), 3)]
    {
        let deleted = payment_besked(&relations).replace("Opstaaet", "Slettet");
        let facts = facts(&message(PAYMENT_TYPE, &deleted));
        assert!(facts.len() == count && facts.iter().all(|fact| fact.state.rank() == Rank::Deleted));
        assert_eq!(facts[0].id.as_str(), OBJECT_ID);
    }
}

#[test]
fn several_registrations_are_each_read() {
    let one = case_besked();
    let (start, end) = ("<p:Registrering>", "</p:Registrering>");
    let registration = &one[one.find(start).unwrap_or(0)..one.find(end).map_or(0, |at| at + end.len())];
    let later = registration.replace("12:00:00Z", "13:00:00Z");
    let facts = facts(&message(CASE_TYPE, &one.replace(registration, &format!("{registration}{later}"))));
    assert_eq!(facts.iter().map(|fact| fact.version).collect::<Vec<_>>(), [VERSION, VERSION + 3_600_000_000]);
    let none = one.replace("p:Registrering>", "p:Andet>");
    assert_eq!(case_fault(&none), (Reason::MissingField, "§.Registrering".into()));
}
