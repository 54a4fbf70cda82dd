//! A script in words, so that a failure can be read and written down as a test. Everyone in it is synthetic.

use std::fmt::Write;

use samspor_domain::{CitizenRef, Message, Posting, State};

use crate::{Content, Corpus, Script, Step};

/// What happens in a script, a line each.
#[must_use]
pub fn describe(corpus: &Corpus, script: &Script) -> String {
    let mut lines = format!("seed {}, slice {}\n", corpus.seed, script.slice);
    for step in &script.steps {
        match step {
            Step::Take(items) => {
                lines.push_str("take in together\n");
                for i in items {
                    let item = &corpus.items[*i];
                    let _ = writeln!(lines, "  {} sends {}", item.source, content(&item.content));
                }
            }
            other => {
                let _ = writeln!(lines, "{other:?}");
            }
        }
    }
    lines
}

fn content(content: &Content) -> String {
    match content {
        Content::Broken(_) => "something broken".into(),
        Content::Message(message) => match &**message {
            Message::Posting(posting) => self::posting(posting),
            Message::Receipt(receipt) => format!("receipt {}", receipt.id),
            Message::Fact(fact) => {
                let says = match &fact.state {
                    State::Live(body) => serde_json::to_string(body).unwrap_or_default(),
                    other => format!("{other:?}"),
                };
                format!("{} {} version {}: {says}", fact.kind, fact.id, fact.version)
            }
        },
    }
}

fn posting(posting: &Posting) -> String {
    let reference = |reference: &Option<CitizenRef>| serde_json::to_string(reference).unwrap_or_default();
    format!(
        "posting {} of {} on {} amount {} centre {:?} grouping {:?} citizen {} grant {} reverses {:?}",
        posting.id,
        posting.date,
        posting.account,
        posting.amount,
        posting.cost_centre,
        posting.grouping,
        reference(&posting.citizen),
        reference(&posting.grant),
        posting.reverses,
    )
}
