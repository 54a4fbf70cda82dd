//! Lines of G68 as two writers make them, whole files, and the error return.

use proptest::prelude::*;
use samspor_domain::{Rank, Reason};

use super::*;

/// Without an organisation in the header, and with one.
const LINE: &str = "000G680000101150&020151&0300&0700000000000000000&0800000970000&09+&1002&116112801234&1220260601&1620260601004820000001&17B-12&40Til borgeren";
const OTHER: &str = "000G68000020151011&020151&0300&0800000000005&09-&1002&116112801234&1220260602&1620260601004820000002&17B-13";
const POSTING: &str = "000G6900003015101NORFLYD&10300482&1040000001&11020260601&1115282110417003499&112000000970000 &113D&13202&1336112801234";
const RETURN: &str =
    "§15;6112801234;20260601004820000001;9700;2026/06/01;RJ00;Kontoen er lukket;§15-000000059;";

fn items(body: &str) -> Vec<Item> {
    let text = |text: &str| Text::new(text).unwrap_or_else(|e| panic!("{e}"));
    let settings = Settings { encoding: g69::Encoding::Utf8, reference: 16, grant: 17, system: text("dubu") };
    let delivery = Delivery { body: body.to_owned().into(), ..Delivery::default() };
    Decoder::new(settings).decode(&text("prisme"), &delivery)
}

fn fact(line: &str) -> Result<Fact, Fault> {
    let mut items = items(line);
    assert_eq!(items.len(), 1, "{line}");
    match items.remove(0).content? {
        Message::Fact(fact) => Ok(fact),
        other => panic!("{other:?}"),
    }
}

fn payment(line: &str) -> (String, i64, String, CitizenRef) {
    let fact = fact(line).unwrap_or_else(|fault| panic!("{fault}: {line}"));
    assert_eq!((fact.kind, fact.version), (Kind::Payment, 1));
    match fact.state {
        State::Live(Body::Payment(payment)) => {
            (fact.id.to_string(), payment.amount.ore(), payment.on.to_string(), payment.grant)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn payments_of_both_writers() {
    let grant = |id: &str| {
        let text = |text: &str| Text::new(text).unwrap_or_else(|e| panic!("{e}"));
        CitizenRef::Grant(text("dubu"), text(id))
    };
    assert_eq!(payment(LINE), ("20260601004820000001".into(), 970_000, "2026-06-01".into(), grant("B-12")));
    assert_eq!(payment(OTHER), ("20260601004820000002".into(), -5, "2026-06-02".into(), grant("B-13")));
    let shown = format!("{:?}", fact(LINE));
    assert!(!shown.contains("6112801234") && !shown.contains("borgeren"), "{shown}");
}

#[test]
fn a_file_holds_payments_their_postings_and_the_lines_that_wrap_it() {
    let file = format!("Z300 01516      1531\n{POSTING}\n{LINE}\n{OTHER}\n000G68\nSLUTD00004\n");
    let items = items(&file);
    assert_eq!(items.len(), 4, "the wrapping is passed over");
    assert!(matches!(items[0].content, Ok(Message::Posting(_))));
    assert!(matches!((&items[1].content, &items[2].content), (Ok(Message::Fact(_)), Ok(Message::Fact(_)))));
    assert_eq!(items[1].excerpt.as_ref().map(|excerpt| &excerpt.bytes[..]), Some(LINE.as_bytes()));
    let fault = items[3].content.as_ref().err().unwrap_or_else(|| panic!("no fault"));
    assert_eq!((fault.reason, fault.path.as_deref()), (Reason::Undecodable, Some("line 5")));
}

#[test]
fn what_the_error_return_names_is_deleted_and_goes_before_the_payment() {
    for line in [RETURN, RETURN.trim_end_matches(';')] {
        let fact = fact(line).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!((fact.id.as_str(), fact.version), ("20260601004820000001", 1));
        assert_eq!(fact.state.rank(), Rank::Deleted);
        assert!(fact.state.rank() > State::Withdrawn.rank());
    }
    let wrong = |line: &str| fact(line).err().map(|fault| (fault.reason, fault.path));
    let column = Some("line 1, column 3".to_owned());
    assert_eq!(
        wrong(&RETURN.replace("20260601004820000001", "")),
        Some((Reason::MissingField, column.clone()))
    );
    assert_eq!(
        wrong(&RETURN.replace("20260601004820000001", "X6112801234")),
        Some((Reason::PersonalDataInId, column))
    );
    for line in [";;;", "a;b;c;d;e;f;g", "a;b;c;d;e;f;g;h;i", "hello", ";;;;;;;"] {
        assert_eq!(wrong(line), Some((Reason::Undecodable, Some("line 1".into()))), "{line}");
    }
}

/// A deletion of a payment that nobody gave back is not seen by anybody, so what is only like a return is a fault.
#[test]
fn a_table_of_eight_columns_is_a_return_only_where_amount_and_date_say_so() {
    let reason = |line: &str| fact(line).err().map(|fault| (fault.reason, fault.path));
    let undecodable = Some((Reason::Undecodable, Some("line 1".into())));
    for (from, to) in [
        (RETURN, "Art;CPR;Reference;Beløb;Dato;Kode;Tekst;Bilag"),
        (";9700;", ";RJ00;"),
        (";9700;", ";;"),
        (";9700;", ";9.700,00;"),
        (";9700;", ";97e2;"),
        ("2026/06/01", "2026-06-01"),
        ("2026/06/01", "20260601"),
        ("2026/06/01", "2026/06/31"),
        ("2026/06/01", ""),
    ] {
        assert_eq!(reason(&RETURN.replacen(from, to, 1)), undecodable, "{to}");
    }
    for amount in ["-9700", "9700,00", "9700.5"] {
        assert_eq!(reason(&RETURN.replacen("9700", amount, 1)), None, "{amount}");
    }
    // As a spreadsheet or a database writes it.
    let quoted: Vec<String> =
        RETURN.trim_end_matches(';').split(';').map(|value| format!("\"{value}\"")).collect();
    let quoted = fact(&quoted.join(";")).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(quoted.id.as_str(), "20260601004820000001");
    let column = Some("line 1, column 3".to_owned());
    let half = RETURN.replacen("20260601004820000001", "20260601004820000001\"", 1);
    assert_eq!(reason(&half), Some((Reason::InvalidField, column.clone())));
    // Nobody's number is in every text; somebody's is found in any way of writing it.
    assert_eq!(reason(&RETURN.replacen("6112801234", "0000000000", 1)), None);
    for reference in ["X611280-1234", "61-12-1980-1234", "6112 801234-1"] {
        let line = RETURN.replacen("20260601004820000001", reference, 1);
        assert_eq!(reason(&line), Some((Reason::PersonalDataInId, column.clone())), "{reference}");
    }
}

#[test]
fn one_reference_twice_in_a_body_is_a_fault_and_a_return_beside_its_payment_is_none() {
    let second = LINE.replacen("970000", "30000", 1);
    let told = items(&format!("{LINE}\n{OTHER}\n{second}\n{LINE}\n{RETURN}\n"));
    let faults: Vec<_> = told.iter().map(|item| item.content.as_ref().err()).collect();
    assert_eq!(faults.iter().map(Option::is_some).collect::<Vec<_>>(), [false, false, true, true, false]);
    let fault = faults[2].unwrap_or_else(|| panic!("no fault"));
    assert_eq!((fault.reason, fault.path.as_deref()), (Reason::InvalidField, Some("line 3, field 16")));
    assert_eq!(items(LINE).len(), 1, "another body may hold it");
    let frames = items("Z300 01516      1531\nSLUTD00000\n");
    let fault = frames[0].content.as_ref().err().unwrap_or_else(|| panic!("no fault"));
    assert!(fault.message.contains("none but those that begin and end a file"), "{fault}");
}

#[test]
fn what_is_missing_or_malformed_is_told_at_its_field() {
    for (from, to, reason, path) in [
        ("&1620260601004820000001", "", Reason::MissingField, "line 1, field 16"),
        ("&1620260601004820000001", "&166112801234-1", Reason::PersonalDataInId, "line 1, field 16"),
        ("&1620260601004820000001", "&16X611280-1234", Reason::PersonalDataInId, "line 1, field 16"),
        ("&17B-12", "&1761-12-80 1234", Reason::PersonalDataInId, "line 1, field 17"),
        ("&17B-12", "&17  ", Reason::MissingField, "line 1, field 17"),
        ("&1220260601", "&1220260631", Reason::InvalidField, "line 1, field 12"),
        ("&0800000970000", "&08", Reason::MissingField, "line 1, field 08"),
        ("&0800000970000", "&08000009700001", Reason::InvalidAmount, "line 1, field 08"),
        ("&0800000970000", "&089700,00", Reason::InvalidAmount, "line 1, field 08"),
        ("&09+", "&09D", Reason::InvalidField, "line 1, field 09"),
        ("&09+", "", Reason::MissingField, "line 1, field 09"),
        ("&09+", "&09+&08", Reason::Undecodable, "line 1"),
        ("&09+", "&x9+", Reason::Undecodable, "line 1"),
        ("&09+", "&9æ", Reason::Undecodable, "line 1"),
    ] {
        assert!(LINE.contains(from), "{from}");
        let fault = fact(&LINE.replacen(from, to, 1)).err().unwrap_or_else(|| panic!("no fault: {to}"));
        assert_eq!((fault.reason, fault.path.as_deref()), (reason, Some(path)), "{from} {to}");
        assert!(!fault.to_string().contains("6112801234"), "{fault}");
    }
}

proptest! {
    #[test]
    fn every_line_is_accounted_for(
        lines in prop::collection::vec("[ -~æøå;&]{0,30}|LINE|RETURN|POSTING|SLUTD1|000G68&[0-9&]{0,8}", 0..10),
    ) {
        let lines: Vec<String> = lines
            .into_iter()
            .map(|line| line.replace("LINE", LINE).replace("RETURN", RETURN).replace("POSTING", POSTING))
            .collect();
        let full = lines.iter().filter(|line| !line.trim_ascii().is_empty() && !g69::is_frame(line.as_bytes()));
        let full: Vec<&String> = full.collect();
        let items = items(&lines.join("\r\n"));
        prop_assert_eq!(items.len(), full.len().max(1));
        let mut paid = 0;
        for (item, line) in items.iter().zip(&full) {
            paid += usize::from(line.as_str() == LINE);
            let is_known = [RETURN, POSTING].contains(&line.as_str()) || (line.as_str() == LINE && paid == 1);
            prop_assert!(!is_known || item.content.is_ok());
        }
    }
}
