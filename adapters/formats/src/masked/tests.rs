//! Nothing of a person is shown, whatever stands in a body; what an operator needs to see is.

use proptest::prelude::*;
use samspor_domain::quarantine::{Show, Shown};
use samspor_town::{Settings, Town};

use super::Masked;

fn show(body: &[u8]) -> Shown {
    Masked.show(None, body)
}

fn text(body: &str) -> String {
    show(body.as_bytes()).text
}

#[test]
fn what_is_wrong_is_seen_and_nothing_of_whom_it_is_about() {
    for (body, shown) in [
        (
            r#"{"type":"posting","id":"2026-17","date":"14-03-2026","amount":"12,50","citizen":{"cpr":"611280-1234"}}"#,
            r#"{"type":"posting","id":"9999-99","date":"99-99-9999","amount":"99,99","citizen":{"cpr":"999999-9999"}}"#,
        ),
        (
            r#"{"type":"case","version":12,"citizen":{"uuid":"0F8fad5b-d9cb"},"from":"2026-01-05","to":null}"#,
            r#"{"type":"case","version":12,"citizen":{"uuid":"9A9aaa9a-a9aa"},"from":"2026-01-05","to":null}"#,
        ),
        // What is out of its place is masked: a number as a type, a version or a key, a date that does not exist.
        (
            r#"{"type":"6112801234","version":6112801234,"6112801234":1,"Anna Holm":2,"on":"2026-02-30"}"#,
            r#"{"type":"9999999999","version":9999999999,"9999999999":9,"Aaaa Aaaa":9,"on":"9999-99-99"}"#,
        ),
        // Broken: a quote is missing, so what follows is out of phase; a value that follows no key; the end is missing.
        (r#"{"name:"Anna Holm","cpr":"6112801234"}"#, r#"{"aaaa:"Aaaa Aaaa","aaa":"9999999999"}"#),
        (r#"{"version":6112 80"1234":1, 80 1234}"#, r#"{"version":6112 99"9999":9, 99 9999}"#),
        (
            r#"{"type":"case" "case","on":"2026-01-05""2026-01-05"}"#,
            r#"{"type":"case" "aaaa","on":"2026-01-05""9999-99-99"}"#,
        ),
        (r#"{"citizen":{"cpr":"6112801234","#, r#"{"citizen":{"cpr":"9999999999","#),
        (r#"{"citizen":{"cpr":"61128012"#, r#"{"citizen":{"cpr":"99999999"#),
        (r#"["posting","2026-01-05",NaN,-1.5e3,true]"#, r#"["aaaaaaa","9999-99-99",AaA,-9.9a9,true]"#),
        (r#"{"text":"\u0036112801234 \"Anna\""}"#, r#"{"text":"\a9999999999999 \"Aaaa\""}"#),
        (
            r#"<?xml version="1.0" encoding="utf-8"?><s:Sagspart xmlns:s="urn:oio:sagdok:3.0.0" id='61'>urn:oio:cpr-nr:6112801234</s:Sagspart>"#,
            r#"<?xml version="1.0" encoding="utf-8"?><s:Sagspart xmlns:s="urn:oio:sagdok:3.0.0" id='99'>aaa:aaa:aaa-aa:9999999999</s:Sagspart>"#,
        ),
        (
            "<a><LivscyklusKode>Slettet</LivscyklusKode><Startdato>2026-01-05</Startdato><Foedselsdato>1980-12-11</Foedselsdato></a>",
            "<a><LivscyklusKode>Slettet</LivscyklusKode><Startdato>2026-01-05</Startdato><Foedselsdato>9999-99-99</Foedselsdato></a>",
        ),
        ("<a><!-- Anna --><![CDATA[Holm]]>&#54;1<b", "<a><!-- Aaaa --><![CDATA[Aaaa]]>&#99;9<a"),
        ("<Anna Holm 6112801234><6112801234>", "<Anna Aaaa 9999999999><9999999999>"),
        ("<Base64>PG4+QW5uYTwvbj4=</Base64>", "<Base64>\n<n>Aaaa</n>\n</Base64>"),
        (
            "012G69Anna&10300123&11020260314&112000001245,00&113D&13202&133611280-1234&999x&Anna",
            "999G69Aaaa&10399999&11020260314&112999999999,99&113D&13202&133999999-9999&999a&Aaaa",
        ),
        (
            "000G68&116112801234&1220260601\n012G69&11020260314&133611280-1234",
            "999A99&999999999999&9999999999\n999G69&11020260314&133999999-9999",
        ),
        // Around what stands as it is, nothing stands that a terminal obeys.
        ("<Startdato>\r2026-01-05\u{c}</Startdato>", "<Startdato>·2026-01-05·</Startdato>"),
        ("<?xml encoding='\u{c}utf-8\r'?>", "<?xml encoding='·utf-8·'?>"),
        ("012G69&110\u{c}20260314\r\n&113D\u{c}", "999G69&110·20260314\n&113D·"),
        ("Anna Holm, 611280-1234\u{1b}[2J", "Aaaa Aaaa, 999999-9999·[9A"),
        ("６１１２８０１２３４ Æbelø", "9999999999 Aaaaa"),
    ] {
        assert_eq!(text(body), shown, "{body}");
    }
}

#[test]
fn content_types_are_shown_where_they_are_known() {
    let shown = |given: &str| Masked.show(Some(given), b"").content_type;
    for known in ["application/json", "text/plain; charset=iso-8859-1", "Text/XML;charset=\"utf-8\";"] {
        assert_eq!(shown(known).as_deref(), Some(known));
    }
    for (other, masked) in [
        ("application/json; name=6112801234", "aaaaaaaaaaa/aaaa; aaaa=9999999999"),
        ("application/json\u{c};\rcharset=\u{c}utf-8", "application/json·;·charset=·utf-8"),
        ("text/plain; charset=Anna", "aaaa/aaaaa; aaaaaaa=Aaaa"),
        ("Anna", "Aaaa"),
    ] {
        assert_eq!(shown(other).as_deref(), Some(masked));
    }
}

#[test]
fn a_large_body_is_cut() {
    let shown = show("æ".repeat(100_000).as_bytes());
    assert!(shown.cut && shown.bytes == 200_000 && shown.text.len() < 40_000, "{}", shown.bytes);
}

/// The longest of the town's personal data first, so that what is told is the worst.
fn personal(town: &Town) -> Vec<String> {
    let mut personal: Vec<String> = town.personal_data().collect();
    personal.sort_by_key(|text| std::cmp::Reverse(text.len()));
    personal.dedup();
    personal
}

fn town() -> Town {
    Town::new(Settings { families: 6, background_citizens: 6, ..Settings::demo(17) })
}

#[test]
fn every_message_of_the_town_is_shown_without_its_people() {
    let town = town();
    let personal = personal(&town);
    let mut formats = std::collections::BTreeSet::new();
    for message in town.messages() {
        let whole = show(&message.body);
        formats.insert(whole.format);
        // Broken as well: cut in the middle, and out of phase by a few bytes.
        let middle = message.body.len() / 2;
        for shown in [whole, show(&message.body[..middle]), show(&message.body[middle..])] {
            let found = personal.iter().find(|text| shown.text.contains(*text));
            assert_eq!(found, None, "{}", shown.text);
        }
    }
    assert_eq!(formats.into_iter().collect::<Vec<_>>(), ["G69", "JSON", "XML", "bytes"]);
}

/// Pieces of which bodies are made: those that mean something to one of the formats, and a person's data.
fn piece() -> impl Strategy<Value = String> {
    let marks = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "<",
        ">",
        "/",
        "=",
        "'",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<?",
        "?>",
        "&",
        "&103",
        "&133",
        "&110",
        "000G69",
        "\n",
        " ",
        "type",
        "version",
        "date",
        "cpr",
        "name",
        "Base64",
        "xmlns",
        "<Startdato>",
        "\"version\":",
        "2026-01-05",
        "encoding=",
        "utf-8",
        "\r",
        "\u{c}",
    ]);
    let person = prop::sample::select(vec![
        "6112801234",
        "611280-1234",
        "611280 1234",
        "61 12 80 1234",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "0F8FAD5BD9CB469FA16570867728950E",
        "Anna Jensen",
        "Æbelø Ørsted",
    ]);
    prop_oneof![
        3 => marks.prop_map(str::to_owned),
        2 => person.prop_map(str::to_owned),
        1 => "[ -~æøå\u{0}-\u{1f}]{0,3}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn in_any_disorder_no_number_uuid_or_name_is_shown(pieces in prop::collection::vec(piece(), 0..40), start in "[{<x]?") {
        let body = start + &pieces.concat();
        let shown = text(&body);
        let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
        prop_assert!(!digits.contains("611280") && !digits.contains("1234"), "{}\n{}", body, shown);
        for told in ["fad5b", "FAD5B", "0f8f", "70867728950", "Anna Jensen", "Ørsted", "Æbelø", "Jensen"] {
            prop_assert!(!shown.contains(told), "{}\n{}", body, shown);
        }
        prop_assert!(!shown.chars().any(|c| c.is_control() && !"\n\t".contains(c)));
    }

    #[test]
    fn random_bytes_show_nothing_but_forms(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let shown = show(&bytes);
        prop_assert!(!shown.text.chars().any(|c| c.is_control() && !"\n\t".contains(c)));
        if shown.format == "bytes" {
            let allowed = |c: char| "\n\t aA9·".contains(c) || c.is_ascii_punctuation();
            prop_assert!(shown.text.chars().all(allowed), "{}", shown.text);
        }
    }
}
