//! What no system should send, between what they do send: each piece lies in quarantine with its reason, and everything else
//! arrives.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use samspor_domain::Reason;
use samspor_town::{Message, Outcome, Settings, Stage, Town, source};
use serde::Serialize;
use serde_json::Value;

use super::backlog::peak;
use super::{Chance, LEDGER, LIS, Options, QUEUE, Receiver, Sender, Site, Tell, Verdict};
use crate::rabbitmq::Node;

/// What came of rubbish.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Rubbish {
    /// Of the town and of what is random.
    pub seed: u64,
    /// Bodies of rubbish.
    pub bodies: usize,
    /// What lies in quarantine, by reason, the town's own included.
    pub quarantined: BTreeMap<String, usize>,
    /// The most memory that the gateway ever had, in MiB.
    pub peak_mib: u64,
    /// The verdict and the books, in which rubbish is part of what was sent.
    pub verdict: Verdict,
}

/// Mixes so many pieces of random rubbish, and every crafted one, into a town, and asks for the zeros.
pub async fn rubbish(
    binary: &Path,
    node: &Node,
    random: usize,
    seed: u64,
    tell: Tell<'_>,
) -> Result<Rubbish> {
    let mut chance = Chance::new(seed);
    let town = Town::new(Settings { families: 6, background_citizens: 6, ..Settings::demo(seed) });
    let mut bad: Vec<Message> = crafted();
    bad.extend((0..random).map(|n| noise(&mut chance, n)));
    for at in (1..bad.len()).rev() {
        bad.swap(at, usize::try_from(chance.from(0, at as u64))?);
    }
    let mut report = Rubbish { seed, bodies: bad.len(), ..Rubbish::default() };
    let mut messages = Vec::new();
    let (town_size, mut bad) = (town.messages().count(), bad.into_iter());
    let every = (town_size / report.bodies).max(1);
    for (n, message) in town.messages().enumerate() {
        if n % every == 0 {
            messages.extend(bad.next());
        }
        messages.push(message);
    }
    messages.extend(bad);

    let site = Site::new(binary, node, &Options::default()).await?;
    let mut sender = Sender::new(site.feeder.url(&site.url), QUEUE, messages.clone());
    let (mut ledger, mut lis) = (Receiver::new(&site.url, LEDGER), Receiver::new(&site.url, LIS));
    let mut running = site.start().await?;
    sender.send_surely(&source::ALL, 1, 1).await?;
    tell(&format!("{} pieces of rubbish sent between {town_size} messages", report.bodies));
    site.wait_until_done(node, &mut running).await?;
    ledger.collect().await?;
    lis.collect().await?;
    report.peak_mib = peak(&running)?;
    let down = site.logged()?.lines().find(|line| line.contains("down; trying again")).map(str::to_owned);
    ensure!(down.is_none(), "rubbish brought something down: {}", down.unwrap_or_default());
    let balance = site.program.balance().await?;
    let listed = site.program.run(&["quarantine", "list"], &["--json", "--limit", "1000000"], &[0]).await?;
    for entry in serde_json::from_str::<Value>(&listed)?.as_array().context("a list")? {
        let reason = entry["reason"].as_str().context("each has a reason")?;
        *report.quarantined.entry(reason.to_owned()).or_default() += 1;
    }
    ensure!(running.stop().await?.success(), "the gateway does not end well");
    report.verdict = Verdict::of(&site, &sender, &ledger, &lis).await?;
    report.verdict.audit(messages.clone(), &ledger, &balance);
    report.verdict.all_zero()?;
    // The books hold the number of each source; here also each reason must be right.
    let mut right: BTreeMap<String, usize> = BTreeMap::new();
    for outcome in messages.iter().flat_map(|message| &message.outcomes) {
        if let Outcome::Quarantined(reason) = outcome {
            *right.entry(reason.word().to_owned()).or_default() += 1;
        }
    }
    ensure!(
        right == report.quarantined,
        "in quarantine is {:?}, and should be {right:?}",
        report.quarantined
    );
    Ok(report)
}

/// One body that goes to quarantine as one item.
fn one(
    source: &'static str,
    content_type: &'static str,
    body: impl Into<Vec<u8>>,
    reason: Reason,
) -> Message {
    let outcomes = vec![Outcome::Quarantined(reason)];
    Message { stage: Stage::Postings, source, content_type, body: body.into(), outcomes }
}

/// Bytes as they fall, each unlike every other, for a source whose format makes one item of each.
fn noise(chance: &mut Chance, number: usize) -> Message {
    let length = usize::try_from(chance.from(0, 600)).unwrap_or_default();
    let mut body = format!("{number} ").into_bytes();
    body.extend((0..length).map(|_| chance.from(0, 255) as u8));
    let sources = [source::OPUS, source::DUBU, source::REGISTRY, source::JOBCENTRE];
    let source = sources[number % sources.len()];
    let content_type = if source == source::JOBCENTRE { "application/xml" } else { "application/json" };
    one(source, content_type, body, Reason::Undecodable)
}

/// Rubbish with a meaning, and the reason that each must get.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn crafted() -> Vec<Message> {
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
