//! What is sent: citizens who are enrolled, and postings on them and on others.

use std::path::Path;

use samspor_harness::client::Message;

use super::{IN, OUT};

/// The size of a body on a queue, in bytes.
pub(super) const BODY: usize = 900;
/// How many citizens have consented and are enrolled.
pub(super) const ENROLLED: usize = 10_000;
/// How many citizens the postings before the run are about, none of them enrolled.
const OTHERS: usize = 100_000;

/// Which postings are about citizens who are enrolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// Every one.
    All,
    /// Every twentieth.
    Twentieth,
}

impl Share {
    /// How many of so many postings are tagged.
    pub(super) const fn of(self, postings: usize) -> usize {
        match self {
            Self::All => postings,
            Self::Twentieth => postings.div_ceil(20),
        }
    }

    const fn is_enrolled(self, i: usize) -> bool {
        match self {
            Self::All => true,
            Self::Twentieth => i.is_multiple_of(20),
        }
    }
}

/// A replacement number, which nobody has: day + 60, and the number's own years.
fn cpr(citizen: usize) -> String {
    let (day, month, year) = (61 + citizen % 28, 1 + citizen / 28 % 12, citizen / 336 % 100);
    // The seventh digit from 0 to 3: born in the twentieth century.
    let last = citizen / 33_600 % 4_000;
    format!("{day:02}{month:02}{year:02}{last:04}")
}

/// The solution, and a consent and an enrolment for each enrolled citizen.
pub(super) fn facts() -> impl Iterator<Item = String> {
    let solution =
        r#"{"type":"solution","id":"bench","version":1,"name":"Bench","ceiling":"25000.00"}"#.to_owned();
    let people = (0..ENROLLED).flat_map(|i| {
        let cpr = cpr(i);
        [
            format!(
                r#"{{"type":"consent","id":"C-{i}","version":1,"citizen":{{"cpr":"{cpr}"}},"sources":["opus"],"covers_from":"2020-01-01"}}"#
            ),
            format!(
                r#"{{"type":"enrolment","id":"E-{i}","version":1,"solution":"bench","family":"F-{i}","citizen":{{"cpr":"{cpr}"}},"from":"2025-01-01"}}"#
            ),
        ]
    });
    std::iter::once(solution).chain(people)
}

/// The numbers of the enrolled, for those who match against a dictionary.
pub(super) fn enrolled() -> impl Iterator<Item = String> {
    (0..ENROLLED).map(cpr)
}

/// Postings from before the run, none of them tagged, as a recording's lines; with the facts in front.
pub(super) fn recording(postings: usize) -> impl Iterator<Item = String> {
    let line = |source: &str, body: &str| {
        let body = serde_json::Value::from(body);
        format!(
            r#"{{"source":"{source}","received_at":"2026-02-01T06:00:00Z","content_type":"application/json","headers":{{}},"body":{body}}}"#
        )
    };
    let earlier = (0..postings).map(move |i| {
        // Citizens come again as they do over months, and not one after the other.
        let citizen = ENROLLED + i.wrapping_mul(7_919) % OTHERS;
        line("opus", &body("2025", i, citizen, 8, 0))
    });
    facts().map(move |fact| line("registry", &fact)).chain(earlier)
}

/// The `i`th posting of a round.
pub(super) fn posting(round: &str, share: Share, i: usize) -> Message {
    let citizen = if share.is_enrolled(i) { i % ENROLLED } else { ENROLLED + i % OTHERS };
    Message::new("application/json", body(round, i, citizen, 3, BODY))
}

fn body(round: &str, i: usize, citizen: usize, month: usize, size: usize) -> String {
    let (cpr, day) = (cpr(citizen), 1 + i % 28);
    let start = format!(
        r#"{{"type":"posting","id":"{round}-{i:07}","date":"2026-{month:02}-{day:02}","account":"01005-528211003-015031-529CPR---","amount":"{}.50","citizen":{{"cpr":"{cpr}"}},"voucher":"V-{i:07}""#,
        100 + i % 9000
    );
    match size.checked_sub(start.len() + r#","text":""}"#.len()) {
        None => format!("{start}}}"),
        Some(fill) => format!(r#"{start},"text":"{}"}}"#, "x".repeat(fill)),
    }
}

/// The number of a posting, from the body that it arrived in.
pub(super) fn number(round: &str, body: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once(&format!("\"{round}-"))?;
    rest.get(..7)?.parse().ok()
}

/// The gateway's configuration.
pub(super) fn config(charts: &Path) -> String {
    format!(
        r#"
[store]
dir = "store"
[vault]
master_key_file = "master.key"
[charts]
dir = {charts:?}
[brokers.main]
url_env = "SAMSPOR_AMQP_URL"
[[sources]]
name = "opus"
format = "json"
[sources.amqp]
broker = "main"
queue = "{IN}"
topology = "check"
[[sources]]
name = "registry"
format = "json"
may_send = ["solution", "consent", "enrolment"]
[sources.amqp]
broker = "main"
queue = "{IN}.facts"
topology = "check"
[[targets]]
name = "ledger"
audience = "ledger"
format = "json"
[targets.amqp]
broker = "main"
queue = "{OUT}"
topology = "check"
"#
    )
}
