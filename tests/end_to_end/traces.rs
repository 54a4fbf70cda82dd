//! Traces: one from the sender of a posting to the ledger, with nothing of anybody in it, and nobody waits for them.

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use samspor_harness::books::{self, Ledger, differences, tagged};
use samspor_harness::client::{Message, Received};
use samspor_harness::collector::{Collector, Mood, Span, SpanKind, Value, said};
use samspor_harness::rabbitmq;
use samspor_town::search::Search;
use samspor_town::{Outcome, Settings, Stage, Town};

use crate::deployment::{Deployment, LIMIT, QUEUE, Result};

const HEADER: &str = "traceparent";
/// What a sender might put into the headers that are not passed on.
const SECRET: &str = "kommunens-hemmelighed";

fn town(seed: u64) -> Town {
    Town::new(Settings { families: 6, background_citizens: 6, ..Settings::demo(seed) })
}

/// A message that somebody follows from its sender on: in which trace and span it was sent, and what must come of it.
struct Sampled {
    trace: Vec<u8>,
    span: Vec<u8>,
    outcomes: Vec<Outcome>,
}

/// Sends the town's postings: of each three messages one sampled, one with an unsampled header, one without. Tells how
/// many items they hold, and which of them are sampled.
async fn send(deployment: &Deployment, town: &Town, seed: u64) -> Result<(u64, Vec<Sampled>)> {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let (mut items, mut sampled) = (0, Vec::new());
    let mut by_source: BTreeMap<&str, Vec<Message>> = BTreeMap::new();
    for (no, message) in (0..).zip(town.messages().filter(|message| message.stage == Stage::Postings)) {
        items += message.outcomes.len() as u64;
        let mut sent = Message::new(message.content_type, message.body);
        if no % 3 < 2 {
            let (trace, span): (u128, u64) = (random.random(), random.random());
            let flags = 1 - no % 3;
            sent.headers = BTreeMap::from([
                (HEADER.to_owned(), format!("00-{trace:032x}-{span:016x}-0{flags}")),
                ("tracestate".to_owned(), format!("who={SECRET}")),
                ("baggage".to_owned(), format!("who={SECRET}")),
            ]);
            if flags == 1 {
                let (trace, span) = (trace.to_be_bytes().to_vec(), span.to_be_bytes().to_vec());
                sampled.push(Sampled { trace, span, outcomes: message.outcomes });
            }
        }
        by_source.entry(message.source).or_default().push(sent);
    }
    for (source, messages) in by_source {
        deployment.client.publish(&format!("{QUEUE}{source}"), messages).await?;
    }
    Ok((items, sampled))
}

/// Sets where traces go.
fn configure(deployment: &Deployment, traces: &str) -> Result<()> {
    let config = std::fs::read_to_string(&deployment.program.config)?;
    Ok(std::fs::write(&deployment.program.config, format!("{config}\n{traces}"))?)
}

/// Trace and span of a message's header, if it has one.
fn context(received: &Received) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    let Some(header) = received.headers.get(HEADER) else { return Ok(None) };
    let parts: Vec<&str> = header.split('-').collect();
    let ["00", trace, span, "01"] = parts[..] else { return Err(format!("the header is {header}").into()) };
    let (trace, span) = (u128::from_str_radix(trace, 16)?, u64::from_str_radix(span, 16)?);
    Ok(Some((trace.to_be_bytes().to_vec(), span.to_be_bytes().to_vec())))
}

fn text(span: &Span, key: &str) -> Option<String> {
    match said(span, key)? {
        Value::StringValue(text) => Some(text),
        other => Some(format!("{other:?}")),
    }
}

/// The word that a message's span must say.
fn word(outcomes: &[Outcome]) -> &'static str {
    let words: BTreeSet<&str> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Posting(_) => "posting",
            Outcome::Fact => "fact",
            Outcome::Stale => "stale",
            Outcome::Duplicate => "duplicate",
            Outcome::Quarantined(_) => "quarantined",
        })
        .collect();
    if words.len() == 1 { words.into_iter().next().unwrap_or_default() } else { "mixed" }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_the_sender_to_the_ledger_and_tells_of_nobody() -> Result<()> {
    let seed = 61;
    let town = town(seed);
    let expected = town.expected();
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    let collector = Collector::start(Mood::Takes).await?;
    std::fs::write(deployment.dir.path().join("headers"), "authorization: Bearer t0ken\n")?;
    let endpoint = collector.endpoint();
    // Room for all, so that none may be missing.
    let traces =
        format!("[traces]\nendpoint = \"{endpoint}\"\nheaders_file = \"headers\"\nqueue_spans = 100000\n");
    configure(&deployment, &traces)?;
    let mut running = deployment.start().await?;
    let (_, facts) = books::publish(&deployment.client, &town, Stage::Facts, QUEUE).await?;
    deployment.program.wait_for_received(&mut running, facts, LIMIT, |_| ()).await?;
    let (items, sampled) = send(&deployment, &town, seed).await?;
    deployment.program.wait_for_received(&mut running, facts + items, LIMIT, |_| ()).await?;
    let ledger = deployment.client.drain(&format!("{QUEUE}ledger"), tagged(&expected), LIMIT).await?;
    let lis = deployment.client.drain(&format!("{QUEUE}lis"), tagged(&expected), LIMIT).await?;
    assert!(running.stop().await?.success());

    // Whoever stops sends what is there still, so all of it is there now.
    let spans = collector.spans()?;
    let (mut consumed, mut produced) = (BTreeMap::new(), BTreeMap::new());
    for span in &spans {
        let of_kind = if span.kind == SpanKind::Consumer as i32 { &mut consumed } else { &mut produced };
        assert!(of_kind.insert(span.span_id.clone(), span).is_none(), "no id is there twice");
    }

    // Every sampled message has one span, in its sender's trace, that says what became of it; and no other has one.
    assert!(!sampled.is_empty());
    assert_eq!(consumed.len(), sampled.len(), "seed {seed}");
    let mut of_posting = BTreeMap::new();
    for Sampled { trace, span: parent, outcomes } in &sampled {
        let mut own = consumed.values().filter(|span| span.trace_id == *trace);
        let span = own.next().ok_or("a sampled message has no span")?;
        assert!(span.parent_span_id == *parent && own.next().is_none());
        assert_eq!(text(span, "messaging.operation.type").as_deref(), Some("process"));
        assert_eq!(text(span, "samspor.outcome").as_deref(), Some(word(outcomes)), "{outcomes:?}");
        let reason = outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Quarantined(reason) => Some(reason.word().to_owned()),
            _ => None,
        });
        assert_eq!(text(span, "samspor.quarantine.reason"), reason);
        for outcome in outcomes {
            if let Outcome::Posting(posting) = outcome {
                of_posting.insert((text(span, "messaging.destination.name"), posting.id.clone()), *span);
            }
        }
    }

    // What reaches the ledger goes on with the trace of its own posting, by way of the gateway's two spans.
    let mut followed = 0;
    for received in &ledger {
        let record: serde_json::Value = serde_json::from_slice(&received.body)?;
        let word = |field: &str| record[field].as_str().map(str::to_owned);
        let span = of_posting.get(&(word("source"), word("posting").ok_or("an id")?));
        match (context(received)?, span) {
            (None, None) => {}
            (Some((trace, id)), Some(processing)) => {
                let publishing = produced.get(&id).ok_or("the ledger has a span that nobody told of")?;
                assert_eq!((&publishing.trace_id, &trace), (&processing.trace_id, &processing.trace_id));
                assert_eq!(publishing.parent_span_id, processing.span_id, "seed {seed}");
                assert_eq!(text(publishing, "messaging.destination.name").as_deref(), Some("ledger"));
                followed += 1;
            }
            (header, _) => {
                return Err(format!("seed {seed}: a header is missing or too many: {header:?}").into());
            }
        }
        assert!(!received.headers.contains_key("tracestate") && !received.headers.contains_key("baggage"));
    }
    assert!(followed > 10 && followed < ledger.len(), "{followed} of {} are followed", ledger.len());
    assert_eq!(produced.len(), 2 * followed, "the other target's records are followed too");
    // By a trace, an LIS could join its pseudonyms to postings.
    let told = lis.iter().filter(|received| received.headers.contains_key("traceparent")).count();
    assert_eq!(told, 0, "seed {seed}: the LIS is told of traces");

    // Nothing of anybody, nor of any posting.
    let bytes = collector.bytes();
    assert!(bytes.windows(6).any(|window| window == b"t0ken\""), "the token goes along");
    let ids = expected.postings.keys().map(|(_, id)| id.clone());
    let amounts = expected.postings.values().map(|posting| posting.amount.to_string());
    let texts = town.personal_data().chain(ids).chain(amounts).chain([SECRET.to_owned()]);
    assert_eq!(Search::new(texts.filter(|text| text.len() > 4))?.find(&bytes), None, "seed {seed}");
    let log = std::fs::read_to_string(deployment.log())?;
    assert!(!log.contains("t0ken") && !log.contains(SECRET));
    // No trace is stored, in any writing.
    let traces = sampled.iter().map(|sampled| sampled.trace.clone());
    let store = std::fs::read(deployment.store().join("samspor.sqlite"))?;
    for trace in traces {
        let hex: String = trace.iter().map(|byte| format!("{byte:02x}")).collect();
        let is_there = |text: &[u8]| store.windows(text.len()).any(|window| window == text);
        assert!(!is_there(&trace) && !is_there(hex.as_bytes()), "seed {seed}: the store holds {hex}");
    }
    Ok(())
}

/// Everything is delivered as ever, and the gateway ends in time; the ledger's messages are answered.
async fn delivers_all(traces: &str) -> Result<(Deployment, Vec<Received>)> {
    let town = town(62);
    let expected = town.expected();
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    configure(&deployment, traces)?;
    let mut running = deployment.start().await?;
    let (_, facts) = books::publish(&deployment.client, &town, Stage::Facts, QUEUE).await?;
    deployment.program.wait_for_received(&mut running, facts, LIMIT, |_| ()).await?;
    let (items, _) = send(&deployment, &town, 62).await?;
    deployment.program.wait_for_received(&mut running, facts + items, LIMIT, |_| ()).await?;
    let received = deployment.client.drain(&format!("{QUEUE}ledger"), tagged(&expected), LIMIT).await?;
    let wrong = differences(&expected, &Ledger::of(&received)?, &deployment.program.balance().await?);
    assert!(wrong.is_empty(), "{traces}{}", wrong.join("\n"));
    assert!(running.stop().await?.success(), "{traces}");
    Ok((deployment, received))
}

/// How often the log says that spans are not taken.
fn complaints(deployment: &Deployment) -> Result<usize> {
    let log = std::fs::read_to_string(deployment.log())?;
    Ok(log.lines().filter(|line| line.contains("the tracing system does not take spans")).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tracing_system_that_is_dead_hangs_or_fails_costs_nothing_but_its_spans() -> Result<()> {
    let (hanging, failing) = (Collector::start(Mood::Hangs).await?, Collector::start(Mood::Fails).await?);
    // Nobody listens there any more.
    let dead = Collector::start(Mood::Takes).await?.endpoint();
    for endpoint in [hanging.endpoint(), failing.endpoint(), dead] {
        let traces = format!("[traces]\nendpoint = \"{endpoint}\"\nqueue_spans = 64\ntimeout_ms = 300\n");
        let (deployment, received) = delivers_all(&traces).await?;
        assert!(received.iter().any(|received| received.headers.contains_key(HEADER)), "{traces}");
        assert_eq!(complaints(&deployment)?, 1, "it is said once: {traces}");
    }
    assert!(hanging.requests() > 0 && failing.requests() > 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_traces_nothing_is_passed_on() -> Result<()> {
    let (_, received) = delivers_all("").await?;
    assert!(received.iter().all(|received| !received.headers.contains_key(HEADER)));
    Ok(())
}
