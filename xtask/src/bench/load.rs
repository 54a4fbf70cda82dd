//! What is sent: citizens who are enrolled, and postings on them and on others.

use std::path::Path;

use samspor_harness::client::Message;
use serde::{Deserialize, Serialize};

use super::{IN, OUT};

/// How many citizens the postings are about who are not enrolled.
const OTHERS: usize = 100_000;

/// How many postings the journal has of the citizen who is enrolled late.
pub(super) const LATE: usize = 2_000;
/// That citizen, who has consented.
const LATE_CITIZEN: usize = 500_000;

/// What a run is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Load {
    /// Citizens who have consented and are enrolled.
    pub(super) enrolled: usize,
    /// The size of a body on a queue, in bytes.
    pub(super) body: usize,
    /// How many postings a body has: one in the gateway's JSON, or so many lines of G69.
    pub(super) lines: usize,
    /// Postings in the gateway's store before the run, none of them tagged.
    pub(super) before: usize,
    /// Sources, each with a queue of its own.
    pub(super) sources: usize,
    /// Targets, each with a queue of its own.
    pub(super) targets: usize,
}

impl Default for Load {
    fn default() -> Self {
        Self { enrolled: 10_000, body: 900, lines: 1, before: 1_000_000, sources: 1, targets: 1 }
    }
}

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

/// A queue's name: the first one has no number.
fn numbered(name: &str, no: usize) -> String {
    if no == 0 { name.to_owned() } else { format!("{name}.{no}") }
}

impl Load {
    /// The queues that the gateway takes postings from.
    pub(super) fn incoming(&self) -> Vec<String> {
        (0..self.sources).map(|no| numbered(IN, no)).collect()
    }

    /// The queues that it delivers to.
    pub(super) fn outgoing(&self) -> Vec<String> {
        (0..self.targets).map(|no| numbered(OUT, no)).collect()
    }

    /// The parts of the gateway, as its log names them.
    pub(super) fn parts(&self) -> Vec<String> {
        let sources = (0..self.sources).map(|no| format!("source {}", source(no)));
        let targets = (0..self.targets).map(|no| format!("target {}", numbered("ledger", no)));
        sources.chain(targets).chain(["source registry".to_owned()]).collect()
    }

    /// The solution, and a consent and an enrolment for each enrolled citizen.
    pub(super) fn facts(self) -> impl Iterator<Item = String> {
        let solution =
            r#"{"type":"solution","id":"bench","version":1,"name":"Bench","ceiling":"25000.00"}"#.to_owned();
        let sources: Vec<String> = (0..self.sources).map(|no| format!("\"{}\"", source(no))).collect();
        let sources = sources.join(",");
        let consent = move |i| {
            format!(
                r#"{{"type":"consent","id":"C-{i}","version":1,"citizen":{{"cpr":"{}"}},"sources":[{sources}],"covers_from":"2020-01-01"}}"#,
                cpr(i)
            )
        };
        let late = consent(LATE_CITIZEN);
        let people = (0..self.enrolled).flat_map(move |i| [consent(i), enrolment(i)]);
        [solution, late].into_iter().chain(people)
    }

    /// The numbers of the enrolled, for those who match against a dictionary.
    pub(super) fn numbers(self) -> impl Iterator<Item = String> {
        (0..self.enrolled).map(cpr)
    }

    /// The postings before the run as a recording's lines, with the facts in front.
    pub(super) fn recording(self) -> impl Iterator<Item = String> {
        let line = |source: &str, body: &str| {
            let body = serde_json::Value::from(body);
            format!(
                r#"{{"source":"{source}","received_at":"2026-02-01T06:00:00Z","content_type":"application/json","headers":{{}},"body":{body}}}"#
            )
        };
        let earlier = (0..self.before).map(move |i| {
            // Citizens come again as they do over months, and not one after the other.
            let is_late =
                i.is_multiple_of((self.before / LATE).max(1)) && i / (self.before / LATE).max(1) < LATE;
            let citizen = if is_late { LATE_CITIZEN } else { self.enrolled + i.wrapping_mul(7_919) % OTHERS };
            line(&source(0), &body("2025", i, citizen, 8, 0))
        });
        self.facts().map(move |fact| line("registry", &fact)).chain(earlier)
    }

    /// The `i`th posting of a round.
    pub(super) fn posting(&self, round: &str, share: Share, i: usize) -> Message {
        Message::new("application/json", body(round, i, self.citizen(share, i), 3, self.body))
    }

    /// The messages of a round for one of the queues.
    pub(super) fn messages(
        &self,
        round: &str,
        share: Share,
        postings: usize,
        queue: usize,
    ) -> impl Iterator<Item = Message> {
        let (own, round) = (*self, round.to_owned());
        let bodies = postings.div_ceil(self.lines);
        // Twenty in a row, so that every queue has its share of those that are tagged.
        (0..bodies).filter(move |i| i / 20 % own.sources == queue).map(move |i| {
            if own.lines == 1 {
                return own.posting(&round, share, i);
            }
            let lines = (i * own.lines..postings.min((i + 1) * own.lines))
                .map(|i| line(i, &cpr(own.citizen(share, i))));
            Message::new("text/plain; charset=utf-8", lines.collect::<String>())
        })
    }

    fn citizen(&self, share: Share, i: usize) -> usize {
        if share.is_enrolled(i) { i % self.enrolled } else { self.enrolled + i % OTHERS }
    }

    /// The gateway's configuration.
    pub(super) fn config(&self, charts: &Path) -> String {
        let mut config = format!(
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
name = "registry"
format = "json"
may_send = ["solution", "consent", "enrolment"]
[sources.amqp]
broker = "main"
queue = "{IN}.facts"
topology = "check"
"#
        );
        let (format, settings) =
            if self.lines == 1 { ("json", "") } else { ("g69", "[sources.g69]\nencoding = \"utf-8\"\n") };
        for (no, queue) in self.incoming().iter().enumerate() {
            config += &format!(
                r#"[[sources]]
name = "{}"
format = "{format}"
max_body_bytes = 134217728
[sources.amqp]
broker = "main"
queue = "{queue}"
topology = "check"
{settings}"#,
                source(no)
            );
        }
        for (no, queue) in self.outgoing().iter().enumerate() {
            config += &format!(
                r#"[[targets]]
name = "{}"
audience = "ledger"
format = "json"
[targets.amqp]
broker = "main"
queue = "{queue}"
topology = "check"
"#,
                numbered("ledger", no)
            );
        }
        config
    }
}

fn enrolment(i: usize) -> String {
    format!(
        r#"{{"type":"enrolment","id":"E-{i}","version":1,"solution":"bench","family":"F-{i}","citizen":{{"cpr":"{}"}},"from":"2025-01-01"}}"#,
        cpr(i)
    )
}

/// The enrolment of the citizen who is enrolled late.
pub(super) fn late_enrolment() -> Message {
    Message::new("application/json", enrolment(LATE_CITIZEN))
}

fn source(no: usize) -> String {
    numbered("opus", no)
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

/// A posting as a line of G69.
fn line(i: usize, cpr: &str) -> String {
    let (machine, serial, day, ore) = (i / 10_000_000, i % 10_000_000, 1 + i % 28, 10_050 + i % 900_000);
    format!(
        "012G6900001003401NORFLYD&101KOMMUNEN&103{machine:05}&104{serial:07}&110202603{day:02}&1115282110030150031&112{ore:012} \
         &113D&1142026&13202&133{cpr}&153Foranstaltning\r\n"
    )
}

/// The number of a posting, from the body that it arrived in.
pub(super) fn number(round: &str, body: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once(&format!("\"{round}-"))?;
    rest.get(..7)?.parse().ok()
}
