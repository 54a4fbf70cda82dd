//! Whatever the line and the tag: with the tag in it, it is the same line but for the fields that are named.

use std::collections::BTreeMap;

use proptest::prelude::*;
use samspor_domain::{Basis, CostKind, Phase, Side, Tag, Text};

use super::{Encoding, PlaceError, Places};

fn text(text: &str) -> Text {
    Text::new(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(crate) fn tag(solution: &str, family: Option<&str>) -> Tag {
    Tag {
        solution: text(solution),
        family: family.map(text),
        enrolment: None,
        phase: Phase::During,
        basis: Basis::Citizen,
        area: text("employment"),
        kind: Some(CostKind::Service),
        side: Side::Inside,
        grants: text("solution"),
        pays: text("area"),
        parts: Vec::new(),
        split: None,
        flags: Vec::new(),
        other: Vec::new(),
    }
}

fn places(places: &[(u16, &str, Option<usize>)]) -> Places {
    Places::new(places.iter().copied()).unwrap_or_else(|error| panic!("{error}"))
}

/// A reader written apart: the header, and the fields in their order, of a line as the format describes it.
fn read(line: &[u8]) -> (Vec<u8>, Vec<(u16, Vec<u8>)>) {
    let mut header = Vec::new();
    let mut fields: Vec<(u16, Vec<u8>)> = Vec::new();
    let mut at = 0;
    while at < line.len() && line[at] != b'&' {
        header.push(line[at]);
        at += 1;
    }
    while at < line.len() {
        let number = line[at + 1..at + 4].iter().fold(0_u16, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        let mut value = Vec::new();
        at += 4;
        while at < line.len() && line[at] != b'&' {
            value.push(line[at]);
            at += 1;
        }
        fields.push((number, value));
    }
    (header, fields)
}

const LINE: &str = "012G6900001003401NORFLYD&101test&10300123&1040000001&11020260314&1115282110417003499&112000001245000 &113D&13202&1336112801234&210emne";

fn put(places: &Places, line: &str, tag: &Tag) -> (String, u32) {
    let placed = places.put(line.as_bytes(), Encoding::Utf8, Some(tag));
    (String::from_utf8(placed.line).unwrap_or_else(|error| panic!("{error}")), placed.left_out)
}

#[test]
fn fields_are_put_where_their_numbers_belong() {
    let places = places(&[(250, "{family}", None), (180, "{solution}", None), (303, "x{phase}", Some(7))]);
    let (line, left_out) = put(&places, LINE, &tag("sb-fam", Some("F-17")));
    let expected = LINE.replace("&210emne", "&180sb-fam&210emne&250F-17&303xduring");
    assert_eq!((line.as_str(), left_out), (expected.as_str(), 0));
    // The end of a line stays at its end.
    let (line, _) = put(&places, &format!("{LINE}\r\n"), &tag("sb-fam", Some("F-17")));
    assert_eq!(line, format!("{expected}\r\n"));
}

#[test]
fn what_does_not_fit_is_left_out_and_nothing_of_the_line_is_lost() {
    let places = places(&[(180, "{solution}", None), (181, "{family}", None), (250, "{solution}", None)]);
    for (solution, family, expected, left_out) in [
        // Too long for 180, and not for 250.
        ("sb-familier", None, format!("{LINE}&250sb-familier"), 1),
        // '&' would begin a field.
        ("a&b", None, LINE.to_owned(), 2),
        // No family is no fault.
        ("æøå-æøå-æø", None, LINE.replace("&210", "&180æøå-æøå-æø&210") + "&250æøå-æøå-æø", 0),
        ("s", Some("F-17-F-17-F-17"), LINE.replace("&210", "&180s&210") + "&250s", 1),
    ] {
        assert_eq!(put(&places, LINE, &tag(solution, family)), (expected, left_out), "{solution}");
    }
    // A field that the finance system uses itself is its own; one that it only fills up is not.
    let used = LINE.replace("&210", "&180konto&210");
    assert_eq!(put(&places, &used, &tag("s", None)), (format!("{used}&250s"), 1));
    let filled = LINE.replace("&210", "&180          &210");
    assert_eq!(put(&places, &filled, &tag("s", None)), (LINE.replace("&210", "&180s&210") + "&250s", 0));
}

#[test]
fn half_a_code_is_never_written() {
    let places = places(&[(180, "x{family}", None), (250, "{solution}-{family}", None)]);
    assert_eq!(put(&places, LINE, &tag("s", None)), (LINE.to_owned(), 0), "the tag has no family");
    assert_eq!(put(&places, LINE, &tag("s", Some("F"))).0, LINE.replace("&210", "&180xF&210") + "&250s-F");
    // What is no line has no place for it, which shows.
    assert_eq!(put(&places, "no line at all", &tag("s", Some("F"))), ("no line at all".to_owned(), 2));
}

#[test]
fn a_line_in_latin_1_gets_its_tag_so_or_not_at_all() {
    let places = places(&[(250, "{solution}", None)]);
    let line = encoding_rs::mem::encode_latin1_lossy("012G69&101Børn&112000000000100 ");
    let placed = places.put(&line, Encoding::Latin1, Some(&tag("sø", None)));
    assert_eq!(placed.line, [&line[..], b"&250s\xF8"].concat());
    let placed = places.put(&line, Encoding::Latin1, Some(&tag("s€", None)));
    assert_eq!((placed.line, placed.left_out), (line.into_owned(), 1));
}

#[test]
fn places_that_no_line_has_are_refused() {
    for (given, error) in [
        (vec![(112, "{solution}", None)], PlaceError::Field(112)),
        (vec![(180, "{solution}", None), (180, "{family}", None)], PlaceError::Twice(180)),
        (vec![(300, "{solution}", None)], PlaceError::Width(300)),
        (vec![(250, "{solution}", Some(21))], PlaceError::TooWide(250, 20)),
        (vec![(250, "{citizen}", None)], PlaceError::Word("citizen".into())),
        (vec![(250, "{solution", None)], PlaceError::Text),
        (vec![(250, "solution}", None)], PlaceError::Text),
        (vec![(250, "a&b", None)], PlaceError::Text),
    ] {
        assert_eq!(Places::new(given.clone()), Err(error), "{given:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn all_but_the_named_fields_is_what_it_was(
        header in "[0-9]{3}G69[ -%'-~æøå]{0,20}",
        fields in prop::collection::btree_map(100_u16..400, "[ -%'-~æøå]{0,12}", 1..12),
        solution in "[!-~æ]{1,14}",
        family in prop::option::of("[!-~æ]{1,14}"),
        end in prop::sample::select(vec!["", "\r\n", "\n"]),
        latin in any::<bool>(),
    ) {
        let places = places(&[(180, "{solution}", None), (182, "{family}", None), (250, "{solution}-{family}", None), (305, "{side}", Some(6))]);
        let named = [180, 182, 250, 305];
        let mut line = header;
        for (number, value) in &fields {
            line.push_str(&format!("&{number:03}{value}"));
        }
        line.push_str(end);
        let (encoding, line) = if latin {
            (Encoding::Latin1, encoding_rs::mem::encode_latin1_lossy(&line).into_owned())
        } else {
            (Encoding::Utf8, line.into_bytes())
        };
        let placed = places.put(&line, encoding, Some(&tag(&solution, family.as_deref())));
        let bare = |line: &[u8]| line.strip_suffix(end.as_bytes()).map(<[u8]>::to_vec);
        let (before, after) = (bare(&line), bare(&placed.line));
        prop_assert!(before.is_some() && after.is_some());
        let ((header, before), (new_header, after)) = (read(&before.unwrap_or_default()), read(&after.unwrap_or_default()));
        prop_assert_eq!(header, new_header);
        prop_assert!(after.windows(2).all(|pair| pair[0].0 < pair[1].0), "ascending");
        let others = |fields: &[(u16, Vec<u8>)]| -> Vec<(u16, Vec<u8>)> {
            fields.iter().filter(|(number, _)| !named.contains(number)).cloned().collect()
        };
        prop_assert_eq!(others(&before), others(&after));
        let (before, after): (BTreeMap<_, _>, BTreeMap<_, _>) = (before.into_iter().collect(), after.into_iter().collect());
        let mut left_out = 0;
        for (number, width) in [(180, 10), (182, 10), (250, 20), (305, 6)] {
            let says = match number {
                180 => solution.clone(),
                182 => family.clone().unwrap_or_default(),
                250 => family.as_deref().map(|family| format!("{solution}-{family}")).unwrap_or_default(),
                _ => "inside".to_owned(),
            };
            let fits = says.chars().count() <= width && !says.contains('&');
            let was = before.get(&number).filter(|was| !was.trim_ascii().is_empty());
            let written = if latin { encoding_rs::mem::encode_latin1_lossy(&says).into_owned() } else { says.clone().into_bytes() };
            match was {
                Some(was) => prop_assert_eq!(after.get(&number), Some(was)),
                None if says.is_empty() || !fits => prop_assert_eq!(after.get(&number), before.get(&number)),
                None => prop_assert_eq!(after.get(&number), Some(&written)),
            }
            left_out += u32::from(!says.is_empty() && (!fits || was.is_some()));
        }
        prop_assert_eq!(placed.left_out, left_out);
        // Without a tag nothing changes at all.
        prop_assert_eq!(places.put(&line, encoding, None).line, line);
    }
}
