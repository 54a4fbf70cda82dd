//! What is written is read: by a reader made here, apart from the decoder, and by the decoder.

use std::collections::BTreeMap;

use jiff::civil::date;
use proptest::prelude::*;
use samspor_domain::voucher::{About, Entry, Move, Voucher};
use samspor_domain::{Amount, Decode, Delivery, Message, Posting, Text};

use super::voucher::{Settings as Writes, file};
use super::write::{Fields, Header, HeaderError, WriteError, Writer};
use super::{Decoder, Encoding, Settings};

fn header(text: &str) -> Header {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// A line as this reader sees it.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    header: String,
    fields: BTreeMap<u16, String>,
}

/// Another reader than the decoder's, straight from the description of the format.
fn read(bytes: &[u8], encoding: Encoding) -> Vec<Read> {
    let text: String = match encoding {
        Encoding::Utf8 => String::from_utf8(bytes.to_vec()).unwrap_or_else(|e| panic!("{e}")),
        Encoding::Latin1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    assert!(text.is_empty() || text.ends_with("\r\n"));
    let lines = text.split_terminator("\r\n");
    lines
        .map(|line| {
            assert!(!line.contains(['\r', '\n']));
            let mut pieces = line.split('&');
            let header = pieces.next().unwrap_or_default().to_owned();
            let mut fields = BTreeMap::new();
            for piece in pieces {
                let number: u16 = piece[..3].parse().unwrap_or_else(|e| panic!("{piece}: {e}"));
                assert!(fields.last_key_value().is_none_or(|(last, _)| *last < number), "ascending");
                fields.insert(number, piece[3..].to_owned());
            }
            Read { header, fields }
        })
        .collect()
}

fn decoded(bytes: Vec<u8>, encoding: Encoding) -> Vec<Posting> {
    let source = Text::new("prisme").unwrap_or_else(|e| panic!("{e}"));
    let delivery = Delivery { body: bytes.into(), ..Delivery::default() };
    let items = Decoder::new(Settings { encoding }).decode(&source, &delivery);
    let posting = |item: samspor_domain::Item| match item.content {
        Ok(Message::Posting(posting)) => posting,
        other => panic!("{other:?}"),
    };
    items.into_iter().map(posting).collect()
}

/// The example line of the field's sources, field by field.
#[test]
fn the_example_line_is_written() -> Result<(), WriteError> {
    let example = "012G6900001003401NORFLYD&101test&10300123&1040000001&11020220311&111123456789012345&112000000012345 &113D&13203&13312345678\r\n";
    let header = header("012G69{line}003401NORFLYD");
    let mut writer = Writer::new(&header, Encoding::Latin1);
    let mut fields = Fields::default();
    // In any order: they stand in ascending order.
    fields.set(133, "12345678")?.set(132, "03")?.set(113, "D")?.set(112, "000000012345 ")?;
    fields.set(111, "123456789012345")?.set(110, "20220311")?.set(104, "0000001")?.set(103, "00123")?;
    fields.set(101, "test")?.set(153, "")?;
    writer.line(&fields)?;
    assert_eq!(String::from_utf8_lossy(&writer.finish()), example);
    Ok(())
}

#[test]
fn headers_are_as_configured() {
    let lines = |text: &str| {
        let header = header(text);
        let mut writer = Writer::new(&header, Encoding::Utf8);
        for _ in 0..2 {
            writer.line(&Fields::default()).unwrap_or_else(|e| panic!("{e}"));
        }
        String::from_utf8(writer.finish()).unwrap_or_else(|e| panic!("{e}"))
    };
    assert_eq!(
        lines("000G69{line}015101NORFLYD"),
        "000G6900001015101NORFLYD\r\n000G6900002015101NORFLYD\r\n"
    );
    assert_eq!(lines("012G690151{line}SUP"), "012G69015100001SUP\r\n012G69015100002SUP\r\n");
    for bad in [
        "",
        "G69{line}",
        "00G69{line}",
        "{line}G69",
        "000G68{line}",
        "000G69{lines}",
        "000G69{line}{line}",
        "xxxG69{line}",
        // What no reader would take for G69, and what numbers all lines alike.
        "{line}000G69X",
        "00{line}0G69",
        "000{line}G69",
        "000G6900001015101SUPFLYD",
    ] {
        assert_eq!(bad.parse::<Header>(), Err(HeaderError::Start), "{bad}");
    }
    for bad in ["000G69&101", "000G69\r\n", "000G69æ"] {
        assert_eq!(bad.parse::<Header>(), Err(HeaderError::Forbidden), "{bad}");
    }
}

/// Else a voucher that comes back would count fields that the gateway itself wrote as unknown.
#[test]
fn what_is_written_is_known_and_what_is_known_is_written() {
    // Of 251 no width is known.
    let known = (0..1_000).filter(|number| super::is_known(*number) && *number != 251);
    let written = (0..1_000).filter(|number| Fields::default().set(*number, "1").is_ok());
    assert_eq!(known.collect::<Vec<_>>(), written.collect::<Vec<_>>());
}

#[test]
fn what_would_become_another_field_or_be_cut_is_refused() {
    let set = |number, value: &str| Fields::default().set(number, value).map(|_| ());
    assert_eq!(set(153, "D&G"), Err(WriteError::Forbidden(153)));
    assert_eq!(set(153, "a\r\nb"), Err(WriteError::Forbidden(153)));
    assert_eq!(set(153, "a\u{2028}b"), Err(WriteError::Forbidden(153)), "some readers end a line there");
    assert_eq!(set(180, "12345678901"), Err(WriteError::TooLong(180, 10)));
    assert_eq!(set(180, "æøåæøåæøåæ"), Ok(()), "characters are counted, not bytes");
    assert_eq!(set(999, "x"), Err(WriteError::Field(999)));
    let header = header("000G69{line}");
    let mut fields = Fields::default();
    fields.set(153, "1 €").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(Writer::new(&header, Encoding::Latin1).line(&fields), Err(WriteError::Encoding(153)));
    assert_eq!(Writer::new(&header, Encoding::Utf8).line(&fields), Ok(()));
    let mut full = Writer::new(&header, Encoding::Utf8);
    let written = (0..100_000).map(|_| full.line(&Fields::default())).filter(Result::is_ok).count();
    assert_eq!(written, 99_999, "the line's number has five digits");
}

#[test]
fn an_amount_of_more_than_twelve_digits_and_too_many_lines_are_refused() {
    let header = header("000G69{line}");
    let write = |ore, serial| {
        let amount = Amount::from_ore(ore).unwrap_or_else(|e| panic!("{e}"));
        let one = Move { from: "A".into(), to: "B".into(), amount, text: "T".into(), about: None };
        let voucher = Voucher::new("N".into(), date(2026, 3, 31), serial, [one]);
        file(Writes { header: &header, encoding: Encoding::Utf8, machine_number: 977 }, &[voucher])
            .map(|_| ())
            .map_err(|wrong| wrong.iter().map(|one| (one.serial, one.why)).collect::<Vec<_>>())
    };
    assert_eq!(write(999_999_999_999, 1), Ok(()));
    let too_much = |serial| (serial, WriteError::Amount);
    assert_eq!(
        write(1_000_000_000_000, 1),
        Err(vec![too_much(1), too_much(2)]),
        "all that is wrong, with its place"
    );
    let pair = write(1, 9_999_999);
    assert_eq!(pair, Err(vec![(10_000_000, WriteError::TooLong(104, 7))]), "the pair's second line");
}

proptest! {
    #[test]
    fn vouchers_are_read_as_they_are_meant(
        moves in prop::collection::vec((0u32..900, 0u32..900, -999_999_999_999i64..=999_999_999_999, "[a-zæøåÅ0-9 .-]{0,35}", "[A-Zæ0-9&-]{1,24}"), 0..20),
        latin1: bool,
    ) {
        let encoding = if latin1 { Encoding::Latin1 } else { Encoding::Utf8 };
        let account = |number: u32| format!("5282110417{number:03}499");
        let text = |text: &str| Text::new(text).unwrap_or_else(|e| panic!("{e}"));
        let moves = moves.into_iter().map(|(from, to, ore, says, posting)| Move {
            from: account(from),
            to: account(to),
            amount: Amount::from_ore(ore).unwrap_or_else(|e| panic!("{e}")),
            text: says,
            about: Some(About { source: text("opus"), posting: text(&posting), from: text("a"), to: text("b") }),
        });
        let made = Voucher::new("00977-202603".into(), date(2026, 3, 31), 1, moves);
        let header = header("000G69{line}015101NORFLYD");
        let settings = Writes { header: &header, encoding, machine_number: 977 };
        let bytes = file(settings, std::slice::from_ref(&made)).unwrap_or_else(|e| panic!("{e:?}"));
        prop_assert_eq!(&bytes, &file(settings, std::slice::from_ref(&made)).unwrap_or_else(|e| panic!("{e:?}")));

        let lines = read(&bytes, encoding);
        prop_assert_eq!(lines.len(), made.lines().len());
        let mut balance = 0i64;
        for (index, (line, meant)) in lines.iter().zip(made.lines()).enumerate() {
            prop_assert_eq!(&line.header, &format!("000G69{:05}015101NORFLYD", index + 1));
            let field = |number: u16| line.fields.get(&number).map(String::as_str).unwrap_or_default();
            prop_assert_eq!(field(103), "00977");
            prop_assert_eq!(field(104), format!("{:07}", meant.serial));
            prop_assert_eq!((field(110), field(114), field(116)), ("20260331", "2026", "00977-202603"));
            prop_assert_eq!((field(111), field(153)), (meant.account.as_str(), meant.text.as_str()));
            let posting = meant.about.as_ref().map(|about| about.posting.to_string()).unwrap_or_default();
            let fits = !posting.contains('&') && posting.chars().count() <= 20;
            prop_assert_eq!(field(250), if fits { posting.as_str() } else { "" });
            prop_assert!(field(132).is_empty() && field(133).is_empty());
            let ore: i64 = field(112).trim_end().parse().unwrap_or_else(|e| panic!("{e}"));
            prop_assert_eq!((field(112).len(), ore), (13, meant.amount.ore()));
            balance += match field(113) { "D" => ore, "K" => -ore, other => panic!("{other}") };
        }
        prop_assert_eq!(balance, 0);

        if !lines.is_empty() {
            let postings = decoded(bytes, encoding);
            prop_assert_eq!(postings.len(), made.lines().len());
            for (posting, meant) in postings.iter().zip(made.lines()) {
                let sign = if meant.entry == Entry::Debit { 1 } else { -1 };
                prop_assert_eq!(posting.amount.ore(), sign * meant.amount.ore());
                prop_assert_eq!(posting.id.as_str(), format!("00977-{:07}-20260331", meant.serial));
                prop_assert!(posting.citizen.is_none());
            }
        }
    }
}

/// Lines as two writers in use make them, of whose file one begins and ends otherwise.
#[test]
fn lines_of_other_writers_are_read() {
    let padded = "000G6900001900001NORFLYD&10300482&1040000001&11020260601&1115282110417003499&112000000970000 &113D&1142026&1170000020260601&13202&1336112801234&153Betaling";
    let plus = "000G6900003015101NORFLYD&10300482&1040000002&11020260601&1115282110417003499&112000000970000 &113K&1142026&117202606010048200000002&13203&13312345678&250SAG-1";
    let postings = decoded(format!("{padded}\r\n{plus}\n").into_bytes(), Encoding::Utf8);
    assert_eq!(postings.iter().map(|posting| posting.amount.ore()).collect::<Vec<_>>(), [970_000, -970_000]);
    assert!(postings[0].citizen.is_some() && postings[1].citizen.is_none());
}
