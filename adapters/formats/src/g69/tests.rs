//! Lines of G69: the known example, each field at its edges, whole files.

use bytes::Bytes;
use proptest::prelude::*;
use samspor_domain::{Decode, Delivery, Fault, Item, Message, Posting, Reason, Text};

use super::{Decoder, Encoding, Settings};

/// The example line that the field's sources give.
const EXAMPLE: &str = "012G6900001003401NORFLYD&101test&10300123&1040000001&11020220311&111123456789012345&112000000012345 &113D&13203&13312345678";

/// A line with all that becomes part of a posting, for a number that nobody has.
const LINE: &str = "012G6900001003401NORFLYD&101test&10300123&1040000001&11020260314&1115282110417003499&112000001245000 &113D&114 2026&1162026-000123&13202&1336112801234&153Betaling";

fn items(encoding: Encoding, body: impl Into<Bytes>) -> Vec<Item> {
    let source = Text::new("prisme").unwrap_or_else(|e| panic!("{e}"));
    let delivery =
        Delivery { body: body.into(), content_type: Some("text/plain".into()), ..Delivery::default() };
    Decoder::new(Settings { encoding }).decode(&source, &delivery)
}

fn decode(line: &str) -> Result<Posting, Fault> {
    let mut items = items(Encoding::Utf8, line.to_owned());
    assert_eq!(items.len(), 1, "{line}");
    match items.remove(0).content? {
        Message::Posting(posting) => Ok(posting),
        Message::Fact(_) | Message::Receipt(_) => panic!("a fact: {line}"),
    }
}

fn posting(line: &str) -> Posting {
    decode(line).unwrap_or_else(|fault| panic!("{fault}: {line}"))
}

fn assert_fault(line: &str, reason: Reason, path: &str) {
    let fault = decode(line).err().unwrap_or_else(|| panic!("no fault: {line}"));
    assert_eq!((fault.reason, fault.path.as_deref()), (reason, Some(path)), "{line}");
}

#[test]
fn the_example_line_of_the_field() {
    // Its account has 15 digits, a placeholder that is no account string; all else in it is read.
    assert_fault(EXAMPLE, Reason::InvalidAccount, "line 1, field 111");
    let posting = posting(&EXAMPLE.replace("&111123456789012345&", "&1115282110417003499&"));
    assert_eq!(posting.id.as_str(), "00123-0000001-20220311");
    assert_eq!(posting.date, jiff::civil::date(2022, 3, 11));
    assert_eq!(posting.account.to_string(), "5.28.21.1");
    assert_eq!(posting.amount.ore(), 12_345);
    assert_eq!((posting.citizen, posting.grant, posting.voucher, posting.reverses), (None, None, None, None));
}

#[test]
fn a_line_field_by_field() {
    let posting = posting(LINE);
    assert_eq!(posting.id.as_str(), "00123-0000001-20260314");
    assert_eq!(posting.amount.ore(), 1_245_000);
    assert_eq!(posting.account.to_string(), "5.28.21.1");
    assert_eq!(posting.cost_centre.map(|centre| centre.to_string()).as_deref(), Some("4170"));
    assert_eq!(posting.grouping.map(|grouping| grouping.number()), Some(34));
    assert_eq!(
        posting.citizen.and_then(|citizen| citizen.cpr()),
        samspor_domain::Cpr::parse("6112801234").ok()
    );
    assert_eq!(posting.voucher.map(|voucher| voucher.to_string()).as_deref(), Some("2026-000123"));
}

#[test]
fn debit_is_positive_credit_negative_and_a_minus_turns_it_round() {
    for (sign, side, ore) in [
        (" ", "D", 1_245_000),
        (" ", "K", -1_245_000),
        ("-", "D", -1_245_000),
        ("-", "K", 1_245_000),
        ("", "K", -1_245_000),
    ] {
        let line = LINE.replace("&112000001245000 &113D", &format!("&112000001245000{sign}&113{side}"));
        assert_eq!(posting(&line).amount.ore(), ore, "{line}");
    }
    for amount in [
        "00000124500",
        "0000012450000",
        "+00001245000 ",
        "000001245000+",
        "00000124500x ",
        "0000012450.0",
        "æ0000124500",
    ] {
        assert_fault(&LINE.replace("000001245000 ", amount), Reason::InvalidAmount, "line 1, field 112");
    }
    assert_eq!(posting(&LINE.replace("000001245000 ", "999999999999-")).amount.ore(), -999_999_999_999);
    for side in ["d", "X", "DK"] {
        assert_fault(
            &LINE.replace("&113D", &format!("&113{side}")),
            Reason::InvalidField,
            "line 1, field 113",
        );
    }
}

#[test]
fn the_id_does_not_depend_on_padding() {
    let id = posting(LINE).id;
    for line in [
        LINE.replace("&10300123", "&103123").replace("&1040000001", "&1041"),
        LINE.replace("&10300123", "&103 123 ").replace("&1040000001", "&104     1"),
    ] {
        assert_eq!(posting(&line).id, id, "{line}");
    }
    for (from, to, path) in [
        ("&10300123", "&103000123", "line 1, field 103"),
        ("&10300123", "&10300-23", "line 1, field 103"),
        ("&1040000001", "&10400000001", "line 1, field 104"),
        ("&1040000001", "&104000000A", "line 1, field 104"),
    ] {
        assert_fault(&LINE.replace(from, to), Reason::InvalidField, path);
    }
}

#[test]
fn what_a_posting_needs_is_missed() {
    for (field, value) in [
        (103, "00123"),
        (104, "0000001"),
        (110, "20260314"),
        (111, "5282110417003499"),
        (112, "000001245000 "),
        (113, "D"),
    ] {
        let whole = format!("&{field}{value}");
        assert!(LINE.contains(&whole), "{whole}");
        for without in [String::new(), format!("&{field}"), format!("&{field}   ")] {
            assert_fault(
                &LINE.replace(&whole, &without),
                Reason::MissingField,
                &format!("line 1, field {field}"),
            );
        }
    }
    assert!(posting(&LINE.replace("&1162026-000123", "")).voucher.is_none());
    assert!(posting(&LINE.replace("&1162026-000123", "&116  ")).voucher.is_none());
}

#[test]
fn dates_and_accounts() {
    for date in ["20260229", "2026-03-14", "140326", "00000000"] {
        assert_fault(&LINE.replace("20260314", date), Reason::InvalidField, "line 1, field 110");
    }
    for account in ["528211041700349", "52821104170034990", "5.28", "x"] {
        assert_fault(&LINE.replace("5282110417003499", account), Reason::InvalidAccount, "line 1, field 111");
    }
    let prisme = posting(&LINE.replace("5282110417003499", "01005-528211003-015031-529CPR---"));
    assert_eq!(
        (prisme.account.to_string().as_str(), prisme.grouping.map(|g| g.number())),
        ("5.28.21.1", Some(3))
    );
}

#[test]
fn only_kind_02_is_a_citizen_and_no_citizen_is_lost() {
    for kind in ["03", "01", "99"] {
        assert!(posting(&LINE.replace("&13202", &format!("&132{kind}"))).citizen.is_none());
    }
    assert!(posting(&LINE.replace("&13202&1336112801234", "")).citizen.is_none());
    assert!(posting(&LINE.replace("&13202&1336112801234", "&132  &133  ")).citizen.is_none());
    assert!(posting(&LINE.replace("6112801234", "611280-1234 ")).citizen.is_some());
    assert_fault(&LINE.replace("&1336112801234", ""), Reason::MissingField, "line 1, field 133");
    assert_fault(&LINE.replace("&13202", ""), Reason::MissingField, "line 1, field 132");
    assert_fault(&LINE.replace("&13202", "&1322"), Reason::InvalidField, "line 1, field 132");
    for number in ["0012801234", "611280123", "12345678", "æ112801234"] {
        assert_fault(&LINE.replace("6112801234", number), Reason::InvalidCpr, "line 1, field 133");
    }
}

#[test]
fn a_voucher_with_the_citizens_number_is_refused() {
    for voucher in ["6112801234", "B611280-1234", "61 12 80 1234"] {
        let line = LINE.replace("2026-000123", voucher);
        assert_fault(&line, Reason::PersonalDataInId, "line 1, voucher");
    }
}

#[test]
fn headers_are_read_leniently_and_fields_strictly() {
    for header in ["012G69", "012G6900001003401NORFLYD", "999G69 00001 0034 01 PRI", "   G69SUPæøå"] {
        let line = format!("{header}{}", &LINE[LINE.find('&').unwrap_or_default()..]);
        assert_eq!(decode(&line).ok(), Some(posting(LINE)), "{line}");
    }
    for line in [
        "x",
        "012G68&10300123",
        "G6900001&10300123",
        "æG69&103",
        "ææG69&103",
        "012G69",
        "012G6900001003401NORFLYD",
    ] {
        assert_fault(line, Reason::Undecodable, "line 1");
    }
    for (from, to) in [
        ("&1040000001", "&10300123&1040000001"),
        ("&1040000001", "&1040000001&1040000001"),
        ("&101test", "&199test"),
        ("&101test", "&10"),
        ("&101test", "&1x1test"),
        ("&101test", "&+01test"),
        ("&101test", "&101te&st"),
        ("&101test", "&101test&"),
        ("&101test", "&000test&101"),
        ("&101test", "&10æ"),
    ] {
        assert_fault(&LINE.replace(from, to), Reason::Undecodable, "line 1");
    }
}

#[test]
fn fields_that_are_not_known_are_counted() {
    let line = format!("{LINE}&180a&199b&250c&306d&400e&999f");
    // 199 stands between 182 and 210, so the numbers still ascend.
    let items = items(Encoding::Utf8, line);
    assert_eq!((items[0].content.is_ok(), items[0].ignored_fields), (true, 3));
}

#[test]
fn a_file_gives_an_item_for_each_line() {
    let other = LINE.replace("&1040000001", "&1040000002");
    let text = format!("\u{feff}{LINE}\r\n\r\n  \nbad\r\n{other}");
    for text in [text.clone(), format!("{text}\r\n"), format!("{text}\n\n"), text.replace("\r\n", "\n")] {
        let items = items(Encoding::Utf8, text.clone());
        assert_eq!(items.len(), 3, "{text}");
        let excerpts: Vec<&[u8]> =
            items.iter().map(|item| item.excerpt.as_ref().map_or(&b""[..], |e| &e.bytes)).collect();
        assert_eq!(excerpts, [LINE.as_bytes(), b"bad", other.as_bytes()], "{text}");
        assert!(items[0].content.is_ok() && items[2].content.is_ok());
        let fault = items[1].content.as_ref().err().unwrap_or_else(|| panic!("no fault"));
        assert_eq!((fault.reason, fault.path.as_deref()), (Reason::Undecodable, Some("line 4")));
        // What is released from quarantine is the line alone.
        assert_eq!(items[2].content.as_ref().ok(), decode(&other).ok().map(Message::Posting).as_ref());
    }
}

#[test]
fn one_line_is_the_whole_body() {
    for text in [LINE.to_owned(), format!("{LINE}\r\n"), format!("\u{feff}\n{LINE}\n")] {
        let items = items(Encoding::Utf8, text.clone());
        assert!(items.len() == 1 && items[0].excerpt.is_none() && items[0].content.is_ok(), "{text}");
    }
}

#[test]
fn an_empty_file_is_one_undecodable_item() {
    for text in ["", "\n", "\r\n\r\n", "\u{feff}", "  \n\t"] {
        let items = items(Encoding::Utf8, text);
        assert_eq!(items.len(), 1, "{text:?}");
        assert!(items[0].content.as_ref().is_err_and(|f| f.reason == Reason::Undecodable), "{text:?}");
        assert!(items[0].excerpt.is_none());
    }
}

/// As many postings as can stand in a body are read, and bytes that are mostly line ends are one item.
#[test]
fn a_body_of_line_ends_is_one_item() {
    let shortest = |n: usize| format!("000G69&1031&104{n}&11020260314&1110.01.01&112000000000000&113D\n");
    let file: String = (0..9_000).map(|n| shortest(n % 10)).collect();
    let read = items(Encoding::Utf8, file);
    assert_eq!(read.len(), 9_000);
    assert!(read.iter().all(|item| item.content.is_ok()), "{:?}", read[0].content);
    for bomb in ["x\n", " x\r\n", "012G69&\n"] {
        let read = items(Encoding::Latin1, bomb.repeat(200_000));
        assert_eq!(read.len(), 1, "{bomb:?}");
        assert_eq!(read[0].content.as_ref().err().map(|fault| fault.reason), Some(Reason::Undecodable));
        assert!(read[0].excerpt.is_none(), "the whole body is kept");
    }
    // A few short lines are no bomb.
    assert_eq!(items(Encoding::Utf8, "x\n".repeat(900)).len(), 900);
}

#[test]
fn encodings() {
    let latin1: Vec<u8> = LINE
        .replace("2026-000123", "Bilag Å1")
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
        .collect();
    let voucher = |items: &[Item]| match &items[0].content {
        Ok(Message::Posting(posting)) => posting.voucher.as_ref().map(|voucher| voucher.to_string()),
        other => panic!("{other:?}"),
    };
    assert_eq!(voucher(&items(Encoding::Latin1, latin1.clone())).as_deref(), Some("Bilag Å1"));
    assert_eq!(
        voucher(&items(Encoding::Utf8, LINE.replace("2026-000123", "Bilag Å1"))).as_deref(),
        Some("Bilag Å1")
    );
    let broken = [latin1.as_slice(), b"\r\n", LINE.as_bytes()].concat();
    let items = items(Encoding::Utf8, broken);
    let fault = items[0].content.as_ref().err().unwrap_or_else(|| panic!("no fault"));
    assert_eq!((fault.reason, fault.path.as_deref()), (Reason::Undecodable, Some("line 1")));
    assert!(items[1].content.is_ok(), "a line in another encoding spoils no other line");
}

#[test]
fn content_types() {
    let source = Text::new("prisme").unwrap_or_else(|e| panic!("{e}"));
    let latin1 = LINE
        .replace("2026-000123", "A")
        .replace("Betaling", "\u{c5}")
        .chars()
        .map(|c| c as u8)
        .collect::<Vec<u8>>();
    let decode = |content_type: Option<&str>| {
        let delivery = Delivery {
            body: latin1.clone().into(),
            content_type: content_type.map(str::to_owned),
            ..Delivery::default()
        };
        let items = Decoder::new(Settings { encoding: Encoding::Latin1 }).decode(&source, &delivery);
        items[0].content.as_ref().map(|_| ()).map_err(|fault| fault.reason)
    };
    for good in
        [None, Some("text/plain"), Some("application/octet-stream"), Some("text/plain;charset=ISO-8859-1")]
    {
        assert_eq!(decode(good), Ok(()), "{good:?}");
    }
    // What the message says of itself goes before the setting.
    assert_eq!(decode(Some("text/plain; charset=utf-8")), Err(Reason::Undecodable));
    for bad in ["application/json", "text/csv", "text/plain; charset=utf-16"] {
        assert_eq!(decode(Some(bad)), Err(Reason::UnsupportedContentType), "{bad}");
    }
}

proptest! {
    #[test]
    fn a_line_of_a_file_is_the_same_when_it_is_read_by_itself(
        lines in prop::collection::vec("[ -~æøå\r\u{feff}]{0,20}|[\u{feff}\r ]{0,3}LINE[\r ]{0,3}", 2..8),
        latin1: bool,
    ) {
        let encoding = if latin1 { Encoding::Latin1 } else { Encoding::Utf8 };
        let lines: Vec<String> = lines.into_iter().map(|line| line.replace("LINE", LINE)).collect();
        for item in items(encoding, lines.join("\n")) {
            let Some(excerpt) = item.excerpt else { continue };
            let alone = items(encoding, excerpt.bytes);
            prop_assert_eq!(alone.len(), 1);
            let told = |item: &Item| match &item.content {
                Ok(message) => format!("{message:?} {}", item.ignored_fields),
                Err(fault) => {
                    let path = fault.path.as_deref().and_then(|path| path.split_once(", "));
                    format!("{:?} {:?}", fault.reason, path.map(|(_, field)| field))
                }
            };
            let fault = alone[0].content.as_ref().err();
            prop_assert!(fault.is_none_or(|f| f.path.as_deref().is_some_and(|path| path.starts_with("line 1"))));
            prop_assert_eq!(told(&alone[0]), told(&Item { excerpt: None, ..item }));
        }
    }

    #[test]
    fn every_line_that_is_not_blank_is_accounted_for(lines in prop::collection::vec("[ -~æøå]{0,20}|LINE", 0..12), crlf: bool) {
        let lines: Vec<String> = lines.into_iter().map(|line| line.replace("LINE", LINE)).collect();
        let items = items(Encoding::Utf8, lines.join(if crlf { "\r\n" } else { "\n" }));
        let full: Vec<&String> = lines.iter().filter(|line| !line.trim_ascii().is_empty()).collect();
        prop_assert_eq!(items.len(), full.len().max(1));
        if full.len() > 1 {
            for (item, line) in items.iter().zip(full) {
                prop_assert_eq!(item.excerpt.as_ref().map(|e| &e.bytes[..]), Some(line.as_bytes()));
                prop_assert_eq!(item.content.is_ok(), line == LINE);
            }
        }
    }
}

#[test]
fn a_line_of_another_format_says_whose_it_is() {
    for (line, says) in [
        (
            "000G680000101511&020151&0300&0800000970000",
            "a line of G68, a payment: give its source `format = \"g68\"`",
        ),
        ("Z300 01516      1531", "begins or ends a file of G68"),
        ("SLUTD00004", "`format = \"g68\"`, which passes it over"),
        ("hello", "'G69' does not follow"),
    ] {
        let items = items(Encoding::Utf8, line);
        let fault = items[0].content.as_ref().err().unwrap_or_else(|| panic!("no fault: {line}"));
        assert_eq!(fault.reason, Reason::Undecodable);
        assert!(fault.message.contains(says), "{line}: {fault}");
    }
}
