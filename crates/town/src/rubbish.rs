//! What no system should send: bodies with one thing wrong each, and the reason that each must get.
//!
//! Numbers that are none, JSON and XML that is deep, long or broken, encodings that a body is not in, bombs.

use samspor_domain::Reason;

use crate::{Message, Outcome, Stage, source};

/// One body that goes to quarantine as one item.
#[must_use]
pub fn one(
    source: &'static str,
    content_type: &'static str,
    body: impl Into<Vec<u8>>,
    reason: Reason,
) -> Message {
    let outcomes = vec![Outcome::Quarantined(reason)];
    Message { stage: Stage::Postings, source, content_type, body: body.into(), outcomes }
}

/// Rubbish with a meaning, and the reason that each must get.
#[expect(clippy::too_many_lines, reason = "a table")]
#[must_use]
pub fn crafted() -> Vec<Message> {
    use Reason::{
        InvalidAccount, InvalidAmount, InvalidCpr, InvalidField, MissingField, NotPermitted, TooLarge,
        Undecodable, UnknownType, UnsupportedContentType,
    };
    const JSON: &str = "application/json";
    const XML: &str = "application/xml";
    let mut all = Vec::new();
    let mut json = |body: &dyn AsRef<[u8]>, reason| all.push(one(source::OPUS, JSON, body.as_ref(), reason));
    let posting = |field: &str, value: &str| {
        let fields = [
            ("type", r#""posting""#),
            ("id", r#""rubbish-1""#),
            ("date", r#""2026-03-14""#),
            ("account", r#""5.28.21.1""#),
            ("amount", r#""1.00""#),
        ];
        let known = fields.into_iter().filter(|(name, _)| *name != field);
        let more = known.chain([(field, value)]).map(|(name, value)| format!("\"{name}\":{value}"));
        format!("{{{}}}", more.collect::<Vec<_>>().join(","))
    };
    // Amounts that other readers take.
    for amount in [
        "\"NaN\"",
        "\"Infinity\"",
        "\"-inf\"",
        "\"1e9\"",
        "\"1,00\"",
        "\"1.\"",
        "\"1.000\"",
        "\"+1.00\"",
        "\" 1.00\"",
        "\"0x10\"",
        "\"١٢٣.٠٠\"",
        "\"99999999999999999999999999.00\"",
        "\"\"",
        "\"1.00\\u0000\"",
    ] {
        json(&posting("amount", amount), InvalidAmount);
    }
    for no_text in ["1.00", "1e308", "-0", "[\"1.00\"]", "{}", "true"] {
        json(&posting("amount", no_text), InvalidAmount);
    }
    for no_json in ["NaN", "Infinity", "01.00", "1.", "+1", "'1.00'"] {
        json(&posting("amount", no_json), Undecodable);
    }
    for date in
        ["\"2026-02-30\"", "\"2026-3-14\"", "\"14.03.2026\"", "\"2026-03-14T00:00:00Z\"", "\"9999999-01-01\""]
    {
        json(&posting("date", date), InvalidField);
    }
    for account in ["\"\"", "\"5..28\"", "\"99999999999999999999\"", "\"5.28.21.1.1.1\"", "\"fem\""] {
        json(&posting("account", account), InvalidAccount);
    }
    for cpr in ["{\"cpr\":\"0000000000\"}", "{\"cpr\":\"61128012345\"}", "{\"cpr\":\"\"}"] {
        json(&posting("citizen", cpr), InvalidCpr);
    }
    json(&posting("id", "null"), MissingField);
    json(&posting("type", "\"bogus\""), UnknownType);
    json(&posting("type", "7"), InvalidField);
    json(&r#"{"type":"consent","id":"C-0","version":1,"deleted":true}"#, NotPermitted);
    // Not one JSON object.
    for text in
        ["", " ", "null", "[]", "{", "{}{}", "\u{feff}", "true false", "\"a", "{\"type\":\"posting\",}"]
    {
        json(&text, Undecodable);
    }
    json(&r#"{"no":"type"}"#, MissingField);
    json(&posting("type", r#""posting","type":"posting""#), Undecodable); // A repeated key.
    json(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)), Undecodable);
    json(&format!("{}1{}", "{\"a\":".repeat(50_000), "}".repeat(50_000)), Undecodable);
    json(&posting("text", &format!("\"{}\"", "x".repeat(1 << 20))), TooLarge);
    json(&vec![b' '; 3 << 20], TooLarge);
    // Encodings that it is not in.
    json(&[b"\xff\xfe".as_slice(), &utf16(&posting("text", "\"a\""))].concat(), Undecodable);
    json(
        &posting("text", "\"b\"").replace('b', "\u{e9}").chars().map(|c| c as u8).collect::<Vec<_>>(),
        Undecodable,
    );
    json(&b"{\"type\":\"posting\",\"id\":\"\xed\xa0\x80\"}", Undecodable);
    json(&r#"{"type":"posting","id":"\ud800"}"#, Undecodable);
    let good = posting("text", "\"good\"");
    for content_type in
        ["text/html", "application/xml", "application/json; charset=utf-16", "image/png", "\u{1}"]
    {
        all.push(one(source::OPUS, content_type, good.clone(), UnsupportedContentType));
    }

    let mut xml =
        |body: &dyn AsRef<[u8]>, reason| all.push(one(source::JOBCENTRE, XML, body.as_ref(), reason));
    let laughs: String =
        (1..10).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    xml(&format!("<!DOCTYPE x [<!ENTITY l0 \"ha\">{laughs}]><x>&l9;</x>"), Undecodable);
    xml(&"<!DOCTYPE x SYSTEM \"file:///etc/hostname\"><x/>", Undecodable);
    xml(&"<x>&undefined;</x>", Undecodable);
    xml(&format!("{}{}", "<x>".repeat(10_000), "</x>".repeat(10_000)), Undecodable);
    xml(&"<x>".repeat(10_000), Undecodable);
    xml(&format!("<x>{}</x>", "<y/>".repeat(100_000)), Undecodable);
    xml(&format!("<x {}/>", (0..20_000).map(|n| format!("a{n}='' ")).collect::<String>()), Undecodable);
    xml(&format!("<x>{}</x>", "y".repeat(2 << 20)), TooLarge);
    for text in [
        "",
        "<",
        "<x",
        "<x></y>",
        "<?xml version='1.0' encoding='ebcdic'?><x/>",
        "<x>\u{0}</x>",
        "]]>",
        "<!--",
    ] {
        xml(&text, Undecodable);
    }
    xml(&utf16("<x/>"), Undecodable);

    let mut g69 = |body: &dyn AsRef<[u8]>, reason| {
        all.push(one(source::PRISME, "text/plain; charset=utf-8", body.as_ref(), reason));
    };
    let line = |amount: &str, letter: &str| {
        format!(
            "012G6900001003401NORFLYD&10300123&1049999999&11020260314&1115282110417003499&112{amount}&113{letter}"
        )
    };
    for amount in ["NaN", "00000000010,0", "999999999999999999999 ", "-00000000100 ", "000000000100+"] {
        g69(&line(amount, "D"), InvalidAmount);
    }
    g69(&line("000000000100 ", "X"), InvalidField);
    g69(&line("000000000100 ", "D").replace("&11020260314", "&11020260230"), InvalidField);
    for text in ["012G69", "012G70&103", "rubbish", "012G69x&104 1&103 1", "&&&&", &"9".repeat(1 << 20)] {
        g69(&text, Undecodable);
    }
    g69(&b"012G69\xc3\x28&103".as_slice(), Undecodable);
    g69(&vec![b'\n'; 100_000], Undecodable);
    g69(&"x\n".repeat(4 << 20).split_at(8 << 20).0, Undecodable);
    all
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
