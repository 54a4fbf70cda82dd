//! What arrives in a simulated run: a few citizens, solutions, consents and enrolments in several versions, and postings.
//! All of them are synthetic.

use std::sync::Arc;

use bytes::Bytes;
use samspor_conformance::Chance;
use samspor_domain::{
    Chart, ChartRule, Charts, Condition, CostKind, Decode, Delivery, Fact, Fault, Item, Message, Reason,
    SourceName, Text,
};
use samspor_formats::json;

use super::world::{World, break_down};
use crate::stage::text;

/// Who sends. The last sends the ledger's receipts.
pub(crate) const SOURCES: [&str; 4] = ["opus", "prisme", "registry", "receipts"];
const OPUS: usize = 0;
const PRISME: usize = 1;
const REGISTRY: usize = 2;
pub(crate) const RECEIPTS: usize = 3;

/// What the decoders make of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A message.
    Good,
    /// A message that is understood only once the decoders are mended.
    Odd,
    /// A message on which the decoders panic until they are mended.
    Fatal,
    /// No message at all.
    Rubbish,
}

/// A body, and who sends it.
pub(crate) struct Letter {
    pub(crate) source: usize,
    pub(crate) sort: Sort,
    pub(crate) body: Bytes,
    /// In words, for whoever reads what happened.
    pub(crate) name: String,
    /// What it says; nothing if it is rubbish.
    said: Option<Message>,
}

impl Letter {
    fn new(source: usize, sort: Sort, json: &str) -> Self {
        let mark = match sort {
            Sort::Good => "",
            Sort::Odd => "odd ",
            Sort::Fatal => "fatal ",
            Sort::Rubbish => "rubbish ",
        };
        let mut letter = Self {
            source,
            sort,
            body: format!("{mark}{json}").into(),
            name: format!("{mark}letter"),
            said: None,
        };
        letter.said = letter.read();
        letter.name = match letter.message() {
            Some(Message::Posting(posting)) => format!("{mark}posting {}", posting.id),
            Some(Message::Fact(Fact { kind, id, version, state })) => {
                format!("{mark}{kind} {id} version {version} {:?}", state.rank())
            }
            _ => letter.name,
        };
        letter
    }

    /// The same, understood at once.
    pub(crate) fn understood(self) -> Self {
        let start = self.body.iter().position(|byte| *byte == b'{').unwrap_or(0);
        match (self.sort, std::str::from_utf8(&self.body[start..])) {
            (Sort::Odd | Sort::Fatal, Ok(json)) => Self::new(self.source, Sort::Good, json),
            _ => self,
        }
    }

    pub(crate) fn source_name(&self) -> SourceName {
        text(SOURCES[self.source])
    }

    /// What it says; nothing if it is rubbish.
    pub(crate) fn message(&self) -> Option<Message> {
        self.said.clone()
    }

    fn read(&self) -> Option<Message> {
        let start = self.body.iter().position(|byte| *byte == b'{')?;
        let delivery = Delivery { body: self.body.slice(start..), ..Delivery::default() };
        let mut items = json::Decoder.decode(&self.source_name(), &delivery);
        let message = items.remove(0).content;
        (self.sort != Sort::Rubbish).then(|| message.unwrap_or_else(|fault| panic!("{fault:?}")))
    }
}

/// Decodes letters.
pub(crate) struct Decoder(pub(crate) Arc<World>);

impl Decode for Decoder {
    fn decode(&self, source: &SourceName, delivery: &Delivery) -> Vec<Item> {
        let body = &delivery.body;
        let is_mended = self.0.is_mended();
        if body.starts_with(b"fatal ") && !is_mended {
            break_down();
        }
        let start = body.iter().position(|byte| *byte == b'{').unwrap_or(0);
        if start > 0 && (body.starts_with(b"rubbish ") || !is_mended) {
            let content = Err(Fault::new(Reason::Undecodable, "it is not understood"));
            return vec![Item { content, excerpt: None, ignored_fields: 0 }];
        }
        json::Decoder.decode(source, &Delivery { body: body.slice(start..), ..delivery.clone() })
    }
}

/// All letters of a run, in the order in which they are easiest to read.
pub(crate) fn letters(chance: &mut Chance) -> Vec<Letter> {
    let mut all: Vec<(usize, String)> = Vec::new();
    for (solution, priority) in [("s-1", 10), ("s-2", 20)] {
        for version in 1..=chance.count(1, 3) {
            let says = chance.of(&[
                "",
                r#","claims":[{"account":"5.28.21"}]"#,
                r#","ceiling":"250.00","baseline_days":30,"aftercare_days":30"#,
                r#","from":"2026-01-15","to":"2026-02-15""#,
                r#","default_side":"inside","sides":[{"account":"5.28","side":"outside"}]"#,
            ]);
            all.push((REGISTRY, format!(
                r#"{{"type":"solution","id":"{solution}","version":{version},"name":"S","priority":{priority}{says}}}"#
            )));
        }
    }
    let people = chance.count(1, 3);
    for person in 1..=people {
        let cpr = format!("6{person}12801234");
        let versions = chance.count(1, 4);
        for version in 1..=versions {
            let says = if version < versions && chance.percent(50) || chance.percent(20) {
                r#""withdrawn":true"#.to_owned()
            } else {
                let sources = chance.of(&[r#""opus","prisme""#, r#""opus""#]);
                let from = chance.of(&["2025-01-01", "2025-01-01", "2026-02-01"]);
                format!(r#""citizen":{{"cpr":"{cpr}"}},"sources":[{sources}],"covers_from":"{from}""#)
            };
            all.push((
                REGISTRY,
                format!(r#"{{"type":"consent","id":"C-{person}","version":{version},{says}}}"#),
            ));
        }
        for version in 1..=chance.count(1, 4) {
            let solution = chance.of(&["s-1", "s-1", "s-2"]);
            let (from, to) = (chance.of(&["2025-01-01", "2026-01-20"]), chance.of(&["", "", "2026-02-10"]));
            let to = if to.is_empty() { String::new() } else { format!(r#","to":"{to}""#) };
            all.push((REGISTRY, format!(
                r#"{{"type":"enrolment","id":"E-{person}","version":{version},"solution":"{solution}","family":"F-{version}","citizen":{{"cpr":"{cpr}"}},"from":"{from}"{to}}}"#
            )));
        }
    }
    for version in 1..=chance.count(0, 2) {
        all.push((REGISTRY, format!(
            r#"{{"type":"split","id":"D-1","version":{version},"solution":"s-1","parts":[{{"area":"health","weight":{version}}},{{"area":"employment","weight":2}}]}}"#
        )));
    }
    for version in 1..=chance.count(0, 2) {
        all.push((OPUS, format!(
            r#"{{"type":"grant","id":"B-1","version":{version},"citizen":{{"cpr":"6{}12801234"}},"total":"1000.00"}}"#,
            chance.count(1, people)
        )));
    }
    for number in 0..chance.count(6, 30) {
        let (source, json) = posting(number, people, chance);
        all.push((source, json));
    }
    let mut letters = Vec::new();
    let faulty = chance.of(&[0, 0, 4, 15]);
    for (source, json) in all {
        let sort = if chance.percent(faulty) { chance.of(&[Sort::Odd, Sort::Fatal]) } else { Sort::Good };
        letters.push(Letter::new(source, sort, &json));
    }
    for number in 0..chance.count(0, 2) {
        letters.push(Letter::new(chance.count(OPUS, REGISTRY), Sort::Rubbish, &format!("{{{number}")));
    }
    letters
}

fn posting(number: usize, people: usize, chance: &mut Chance) -> (usize, String) {
    let source = chance.of(&[OPUS, OPUS, OPUS, PRISME]);
    let date = chance.of(&["2026-01-05", "2026-01-25", "2026-02-05", "2026-02-20", "2026-03-05"]);
    let account = chance.of(&["5.28.21.1", "5.28.20.1", "4.62.85.1"]);
    let who = match chance.count(0, 19) {
        0..3 => String::new(),
        3..5 => r#","grant":{"system":"opus","grant":"B-1"}"#.to_owned(),
        _ => format!(r#","citizen":{{"cpr":"6{}12801234"}}"#, chance.count(1, people)),
    };
    let (sign, ore) = (chance.of(&["", "", "-"]), chance.count(10_000, 99_999));
    let json = format!(
        r#"{{"type":"posting","id":"P-{number}","date":"{date}","account":"{account}","amount":"{sign}{}.{:02}"{who}}}"#,
        ore / 100,
        ore % 100
    );
    (source, json)
}

/// Withdrawals of everybody's consent, for good.
pub(crate) fn withdrawals() -> [Letter; 3] {
    let withdrawal =
        |person| format!(r#"{{"type":"consent","id":"C-{person}","version":9,"withdrawn":true}}"#);
    [1, 2, 3].map(|person| Letter::new(REGISTRY, Sort::Good, &withdrawal(person)))
}

/// A posting that is tagged whatever the facts are, with the solution that it needs for that.
pub(crate) fn last_letters() -> [Letter; 2] {
    let solution = r#"{"type":"solution","id":"last","version":1,"name":"L","priority":1000,"claims":[{"account":"5.99"}]}"#;
    let posting =
        r#"{"type":"posting","id":"last","date":"2026-03-05","account":"5.99.99.1","amount":"1.00"}"#;
    [(REGISTRY, solution), (OPUS, posting)].map(|(source, json)| Letter::new(source, Sort::Good, json))
}

/// The charts of one configuration and of another.
pub(crate) fn charts(which: usize) -> Charts {
    if which == 0 {
        return Charts::default();
    }
    let condition = Condition { account: "5.28".parse().ok(), ..Condition::default() };
    let area = text("vulnerable-children");
    let rules = vec![ChartRule { condition, area, kind: CostKind::Service, committee: None }];
    Charts([(2026, Chart { rules })].into())
}

/// The name of a source.
pub(crate) fn source_name(source: usize) -> Text {
    text(SOURCES[source])
}
