//! The endpoint over real connections, to a real engine and store.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use jiff::Timestamp;
use samspor_domain::{
    Charts, Clock, Delivery, LinkError, Message, Posting, Publisher, SourceName, Target, Text,
};
use samspor_engine::{
    Audience, Became, Core, Gateway, Intake, Outlet, Permissions, Policy, Prepared, READERS, Scribe,
};
use samspor_formats::{json, mapping};
use samspor_harness::exposition::{Exposition, ask};
use samspor_metrics::{Error, Server, Settings};
use samspor_sqlite::Sqlite;
use samspor_vault::{Master, Vault};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Within this everything ends, or a test fails.
const DEADLINE: Duration = Duration::from_secs(60);
const NOW: i64 = 1_773_500_000;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(NOW).expect("an instant")
    }
}

/// A target that never gets connected.
struct Nowhere;

#[async_trait]
impl Target for Nowhere {
    async fn connect(&self) -> Result<Box<dyn Publisher>, LinkError> {
        std::future::pending().await
    }
}

/// Runs a test beside an endpoint that serves with these settings, over a gateway with a target, and one that forwards.
async fn with_endpoint(set: impl FnOnce(&mut Settings), test: impl AsyncFnOnce(SocketAddr, &Gateway)) {
    let directory = tempfile::tempdir().expect("a folder");
    let master = Master::from_hex(&"42".repeat(32)).expect("a key");
    let store = Sqlite::open(directory.path()).expect("a new store");
    let vault = Arc::new(Vault::new(&master));
    let core = Core::open(Box::new(store), Arc::clone(&vault), Charts::default(), 100).expect("opens");
    let name = Text::new("nowhere").expect("a name");
    let line = Text::new("line").expect("a name");
    let source = SourceName::new("prisme").expect("a name");
    let forwards = Scribe::forwarding(Arc::clone(&vault), &line, source, Arc::new(json::Carrier));
    let scribe = Scribe::new(vault, &name, Audience::Ledger, Arc::new(json::Encoder));
    let outlet = Outlet {
        name,
        target: Arc::new(Nowhere),
        scribe,
        window: 1,
        policy: Policy::default(),
        answers: None,
    };
    let (target, policy, answers) = (Arc::new(Nowhere), Policy::default(), None);
    let line = Outlet { name: line, target, scribe: forwards, window: 1, policy, answers };
    let gateway = Gateway::start(core, Arc::new(Fixed), vec![], vec![outlet, line]).expect("starts");
    let mut settings = Settings::new(SocketAddr::from(([127, 0, 0, 1], 0)), Fixed.now())
        .with_store(directory.path().to_owned(), samspor_sqlite::files(directory.path()));
    set(&mut settings);
    let server = Server::new(settings, gateway.handle(), gateway.status()).turning_away(|| vec![("rate", 2)]);
    let bound = server.bind().await.expect("binds");
    let (address, stop) = (bound.local_addr(), CancellationToken::new());
    let run = async {
        tokio::join!(bound.serve(stop.clone().cancelled_owned()), async {
            test(address, &gateway).await;
            stop.cancel();
        });
        gateway.stop(DEADLINE).await.expect("nothing keeps it");
    };
    tokio::time::timeout(DEADLINE, run).await.expect("it ends in time");
}

/// Takes in a posting: in another amount, if it is known, it goes to quarantine.
async fn post(gateway: &Gateway, source: &str, id: &str, amount: &str) {
    let posting = Posting {
        id: Text::new(id).expect("an id"),
        date: "2026-03-14".parse().expect("a date"),
        account: "5.28.21".parse().expect("an account"),
        grouping: None,
        cost_centre: None,
        amount: amount.parse().expect("an amount"),
        citizen: None,
        grant: None,
        voucher: None,
        reverses: None,
    };
    let source = SourceName::new(source).expect("a name");
    let bytes = format!("{id} {amount}").into_bytes();
    let item = Prepared::from_caller(source, Message::Posting(posting), bytes.into());
    gateway.handle().take_in(vec![item]).await.expect("taken in");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_and_the_board_say_is_told_as_it_is_then() {
    with_endpoint(
        |_| (),
        async |address, gateway| {
            for (id, amount) in [("P-1", "1.00"), ("P-2", "2.00"), ("P-1", "1.00"), ("P-1", "9.00")] {
                post(gateway, "opus \"x\"", id, amount).await;
            }
            let (told, text) = Exposition::of(address).await.expect("it answers");
            let source = ("source", "opus \"x\"");
            for (name, labels, value) in [
                ("samspor_items_received_total", &[source][..], 4.0),
                ("samspor_items", &[source, ("outcome", "postings")], 2.0),
                ("samspor_items", &[source, ("outcome", "duplicates")], 1.0),
                ("samspor_items", &[source, ("outcome", "quarantined")], 1.0),
                ("samspor_items", &[source, ("outcome", "facts")], 0.0),
                ("samspor_items_unaccounted", &[source], 0.0),
                ("samspor_postings", &[source, ("standing", "no-citizen")], 2.0),
                ("samspor_postings", &[source, ("standing", "tagged")], 0.0),
                ("samspor_postings_unaccounted", &[source], 0.0),
                ("samspor_quarantine_entries", &[source, ("reason", "posting-conflict")], 1.0),
                ("samspor_target_waiting_records", &[("target", "nowhere")], 0.0),
                ("samspor_target_unbalanced_books", &[("target", "nowhere")], 0.0),
                ("samspor_target_waiting_records", &[("target", "line")], 0.0),
                ("samspor_forward_postings", &[("target", "line"), ("state", "tag-left-out")], 0.0),
                ("samspor_forward_postings_unaccounted", &[("target", "line")], 0.0),
                ("samspor_part_condition", &[("part", "target nowhere"), ("condition", "starting")], 1.0),
                ("samspor_part_condition", &[("part", "metrics"), ("condition", "up")], 1.0),
                ("samspor_part_condition", &[("part", "metrics"), ("condition", "down")], 0.0),
                ("samspor_part_since_timestamp_seconds", &[("part", "store")], 1_773_500_000.0),
                ("process_start_time_seconds", &[], 1_773_500_000.0),
                ("samspor_ready", &[], 0.0),
                ("samspor_store_answers", &[], 1.0),
                ("samspor_commit_items_count", &[], 4.0),
                ("samspor_commit_items_sum", &[], 4.0),
                ("samspor_commit_duration_seconds_count", &[], 4.0),
            ] {
                assert_eq!(told.value(name, labels), Some(value), "{name} {labels:?} in\n{text}");
            }
            for (name, labels) in [
                ("process_resident_memory_bytes", &[][..]),
                ("process_open_fds", &[]),
                ("samspor_store_bytes", &[("file", "database")]),
                ("samspor_store_disk_free_bytes", &[]),
                ("samspor_store_disk_bytes", &[]),
            ] {
                assert!(told.value(name, labels).is_some_and(|value| value > 0.0), "{name} in\n{text}");
            }
            // Asked again, it tells what is so by now.
            post(gateway, "opus \"x\"", "P-3", "3.00").await;
            let (told, _) = Exposition::of(address).await.expect("it answers");
            assert_eq!(told.value("samspor_items_received_total", &[source]), Some(5.0));
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mapping_passes_over_is_counted_where_it_may_pass_anything_over() {
    const RULES: &str = "[reads]\nformat = \"csv\"\n[[message]]\ntype = \"case\"\n[message.fields]\nid = \"id\"\n\
                         version = { value = 1 }\ncitizen.id = \"nr\"\n";
    const PASS: &str = "[[pass]]\nwhen = { path = \"id\", is = [\"T\", \"U\"] }\n";
    with_endpoint(
        |_| (),
        async |address, gateway| {
            let intake = |source: &str, rules: &str| Intake {
                source: SourceName::new(source).expect("a name"),
                decoder: Arc::new(mapping::Decoder::new(mapping::Mapping::load(rules).expect("a mapping"))),
                may_send: Permissions::default(),
                max_body_bytes: 1_000,
            };
            let all = [intake("opus", &format!("{RULES}{PASS}")), intake("prisme", RULES)];
            gateway.handle().intakes().set(all.clone());
            let passed = async || {
                let (told, _) = Exposition::of(address).await.expect("it answers");
                ["opus", "prisme"]
                    .map(|source| told.value("samspor_source_passed_total", &[("source", source)]))
            };
            assert_eq!(passed().await, [Some(0.0), None]);
            let delivery = Delivery { body: "id;nr\nT;1\nK-1;2\nU;3\n".into(), ..Delivery::default() };
            for intake in all {
                for _ in 0..2 {
                    assert!(!intake.prepare(&delivery).is_empty());
                }
            }
            assert_eq!(passed().await, [Some(4.0), None]);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_path_is_answered_and_it_can_only_be_read() {
    with_endpoint(
        |_| (),
        async |address, _| {
            for (method, path, status) in [
                ("GET", "/", "404"),
                ("GET", "/metrics/", "404"),
                ("POST", "/metrics", "405"),
                ("GET", "/metrics", "200"),
            ] {
                let answer = ask(address, method, path).await.expect("it answers");
                assert!(
                    answer.head.starts_with(&format!("HTTP/1.1 {status} ")),
                    "{method} {path}: {}",
                    answer.head
                );
            }
            let head = ask(address, "GET", "/metrics?name=x").await.expect("it answers").head;
            assert!(
                head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
                "{head}"
            );
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_says_nothing_is_cut_off_and_the_next_one_gets_the_place() {
    let only_one = |settings: &mut Settings| {
        settings.max_connections = 1;
        settings.timeout = Duration::from_secs(3);
    };
    with_endpoint(only_one, async |address, _| {
        let mut silent = TcpStream::connect(address).await.expect("it listens");
        let answered = Exposition::of(address);
        let mut byte = [0];
        let cut_off = silent.read(&mut byte);
        // Neither ends before the time of the silent one has passed.
        let (cut_off, answered) = tokio::join!(cut_off, answered);
        assert!(matches!(cut_off, Ok(0) | Err(_)), "it is told nothing");
        answered.expect("it answers");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_store_does_not_answer_the_rest_is_told() {
    let at_once = |settings: &mut Settings| settings.store_timeout = Duration::from_millis(50);
    with_endpoint(at_once, async |address, gateway| {
        let handle = gateway.handle();
        let (mut readers, mut begun, mut let_go) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..READERS {
            let (lets_go, held) = std::sync::mpsc::sync_channel::<()>(1);
            let (begins, has_begun) = tokio::sync::oneshot::channel();
            readers.push(handle.read(move |_, _| {
                let _ = begins.send(());
                let _ = held.recv();
                Ok(())
            }));
            begun.push(has_begun);
            let_go.push(lets_go);
        }
        let told = async {
            for has_begun in begun {
                has_begun.await.expect("the reader is in use");
            }
            let (told, _) = Exposition::of(address).await.expect("it answers");
            drop(let_go);
            told
        };
        let (read, told) = tokio::join!(join_all(readers), told);
        read.into_iter().for_each(|read| read.expect("it is read"));
        assert_eq!(told.value("samspor_store_answers", &[]), Some(0.0));
        assert_eq!(
            told.value("samspor_part_condition", &[("part", "store"), ("condition", "up")]),
            Some(1.0)
        );
        assert!(!told.families.contains_key("samspor_items"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_others_can_reach_is_refused() {
    with_endpoint(
        |_| (),
        async |_, gateway| {
            for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
                let settings = Settings::new(address.parse().expect("an address"), Fixed.now());
                let refused = Server::new(settings, gateway.handle(), gateway.status()).bind().await;
                assert!(matches!(refused, Err(Error::NotLoopback(_))), "{address}");
            }
        },
    )
    .await;
}

/// Takes in a control total.
async fn control(gateway: &Gateway, id: &str, count: u8, sum: &str) {
    let body = format!(
        r#"{{"type":"control-total","id":"{id}","version":1,"source":"opus","from":"2026-03-01","to":"2026-03-31","count":{count},"sum":"{sum}"}}"#
    );
    let intake = Intake {
        source: SourceName::new("finance").expect("a name"),
        decoder: Arc::new(json::Decoder),
        may_send: Permissions::all(),
        max_body_bytes: 1_000,
    };
    let items = intake.prepare(&Delivery { body: body.into(), ..Delivery::default() });
    let became = gateway.handle().take_in(items).await.expect("taken in");
    assert_eq!(became, [Became::Fact]);
}

#[tokio::test(flavor = "multi_thread")]
async fn control_totals_that_differ_are_told_by_source() {
    with_endpoint(
        |settings| settings.slow_every = Duration::ZERO,
        async |address, gateway| {
            post(gateway, "opus", "P-1", "1.00").await;
            for (id, count, sum) in [("right", 1, "1.00"), ("sum", 1, "2.00"), ("count", 2, "1.00")] {
                control(gateway, id, count, sum).await;
            }
            let (told, text) = Exposition::of(address).await.expect("it answers");
            for (state, totals) in [("agrees", 1.0), ("differs", 2.0)] {
                let labels = [("source", "opus"), ("state", state)];
                assert_eq!(told.value("samspor_control_totals", &labels), Some(totals), "{text}");
            }
            post(gateway, "opus", "P-2", "0.00").await;
            let (told, _) = Exposition::of(address).await.expect("it answers");
            let differ = told.value("samspor_control_totals", &[("source", "opus"), ("state", "differs")]);
            assert_eq!(differ, Some(2.0), "now the one agrees, and the other does not");
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn control_totals_are_not_added_up_at_each_question() {
    with_endpoint(
        |settings| settings.slow_every = Duration::MAX,
        async |address, gateway| {
            for known in [1, 2] {
                control(gateway, &format!("KT-{known}"), 0, "0.00").await;
                let (told, text) = Exposition::of(address).await.expect("it answers");
                let labels = [("source", "opus"), ("state", "agrees")];
                assert_eq!(told.value("samspor_control_totals", &labels), Some(1.0), "{text}");
            }
        },
    )
    .await;
}

/// The words in a text that are names of metrics of the gateway.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let is_metric = |word: &&str| word.starts_with("samspor_") || word.starts_with("process_");
    words.filter(is_metric).map(str::to_owned).collect()
}

/// The names of labels that stand in a query: before an operator, or in `by (…)`.
fn labels_in(query: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    for (matchers, _) in query.split('{').skip(1).filter_map(|rest| rest.split_once('}')) {
        let names = matchers.split(',').filter_map(|matcher| matcher.split(['=', '!']).next());
        labels.extend(names.map(|name| name.trim().to_owned()));
    }
    for (by, _) in query.split("by (").skip(1).filter_map(|rest| rest.split_once(')')) {
        labels.extend(by.split(',').map(|name| name.trim().to_owned()));
    }
    labels
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every `expr` below a value.
fn queries(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("expr").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(fields.values().flat_map(queries)).collect()
        }
        Value::Array(values) => values.iter().flat_map(queries).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn page_dashboard_and_alerts_name_what_the_endpoint_tells() {
    with_endpoint(
        |_| (),
        async |address, gateway| {
            post(gateway, "opus", "P-1", "1.00").await;
            post(gateway, "opus", "P-1", "2.00").await;
            control(gateway, "KT", 1, "1.00").await;
            let (told, text) = Exposition::of(address).await.expect("it answers");
            let mut known = told.names();
            known.extend(told.families.keys().cloned());
            let labels: BTreeSet<&String> =
                told.series.keys().flat_map(|(_, labels)| labels.keys()).collect();

            let page = read("observability.md");
            let (page, _) = page.split_once("## The log").expect("the page goes on with the log");
            let page = metrics_in(page);
            assert_eq!(
                page.difference(&known).collect::<Vec<_>>(),
                Vec::<&String>::new(),
                "on the page and not told"
            );
            for (family, kind) in &told.families {
                let name = match kind.as_str() {
                    "counter" => format!("{family}_total"),
                    "info" => format!("{family}_info"),
                    _ => family.clone(),
                };
                assert!(page.contains(&name), "{name} is told and not on the page");
            }
            let dashboard: Value = serde_json::from_str(&read("grafana.json")).expect("it is JSON");
            let alerts = read("alerts.yml");
            let rules: Vec<String> = alerts
                .lines()
                .filter_map(|line| line.trim().strip_prefix("expr: "))
                .map(str::to_owned)
                .collect();
            assert_eq!(
                alerts.matches("- alert: ").count(),
                rules.len(),
                "each alert has its query on one line"
            );
            let queries = queries(&dashboard);
            assert!(queries.len() >= 10 && rules.len() >= 8, "{} and {}", queries.len(), rules.len());
            let names = told.names();
            for query in queries.iter().chain(&rules) {
                let used = metrics_in(query);
                assert!(
                    !used.is_empty() && used.is_subset(&names),
                    "{query} asks for what is not told in\n{text}"
                );
                for label in labels_in(query) {
                    assert!(labels.contains(&label), "{query}: no metric has the label {label}");
                }
                for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
                    assert_eq!(query.matches(open).count(), query.matches(close).count(), "{query}");
                }
            }
        },
    )
    .await;
}
