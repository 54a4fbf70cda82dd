//! What configurations mean, and that what is wrong with one is reported at its place, with what is allowed
//! there.

use std::fs;
use std::path::PathBuf;

use samspor_domain::CostKind;

use super::*;

/// A folder with a configuration and charts.
pub(super) struct Folder(tempfile::TempDir);

const CHART: &str = "[[rule]]\naccount = \"5.28\"\narea = \"vulnerable-children\"\nkind = \"service\"\n";

impl Folder {
    pub(super) fn new(configuration: &str) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        fs::create_dir(folder.0.path().join("charts")).expect("made");
        folder.chart("2026.toml", CHART);
        fs::write(folder.path(), configuration).expect("written");
        folder
    }

    fn chart(&self, name: &str, text: &str) {
        fs::write(self.0.path().join("charts").join(name), text).expect("written");
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.path().join("gateway.toml")
    }

    pub(super) fn load(&self) -> Config {
        load(&self.path()).expect("it is good")
    }

    /// Every problem as `file:line:column: message; help`, without the folder.
    pub(super) fn problems(&self) -> Vec<String> {
        let problems = load(&self.path()).expect_err("it has problems");
        let prefix = format!("{}/", self.0.path().display());
        problems.to_string().replace(&prefix, "").lines().map(str::to_owned).collect()
    }
}

/// [`GOOD`] with one thing replaced.
pub(super) fn with(old: &str, new: &str) -> Folder {
    assert!(GOOD.contains(old), "{old}");
    Folder::new(&GOOD.replacen(old, new, 1))
}

/// A configuration for `serve`, which the reference shows as its example.
pub(super) const GOOD: &str = r#"[charts]
dir = "charts"

[store]
dir = "data"

[vault]
master_key_file = "secrets/key"

[grpc]
listen = "[::1]:50461"

[brokers.bf]
url_env = "SAMSPOR_AMQP_URL"

[[sources]]
name = "opus"
format = "g69"
amqp = { broker = "bf", queue = "postings", prefetch = 100 }
g69 = { encoding = "iso-8859-1" }

[[sources]]
name = "sapa"
format = "oio"
may_send = ["case", "grant"]

[sources.amqp]
broker = "bf"
queue = "events"
queue_type = "classic"
topology = "declare"

[sources.oio.message_types]
"0123456789ABCDEF0123456789ABCDEF" = "case"
"urn:oio:grant" = "grant"

[[targets]]
name = "ledger"
audience = "ledger"
amqp = { broker = "bf", queue = "tagged" }

[[targets]]
name = "lis"
audience = "lis"
amqp = { broker = "bf", exchange = "lis", allow_unrouted = true }
"#;

#[test]
fn charts_alone_are_a_configuration() {
    let folder = Folder::new("charts.dir = \"charts\"\n");
    let config = load(&folder.path()).expect("good");
    assert_eq!(config.charts.0[&2026].rules[0].kind, CostKind::Service);
    assert_eq!(config.engine.slice_postings, 2_000);
    assert_eq!(config.engine.shutdown_deadline, Duration::from_secs(20));
    let missing = "[store], [vault], [[sources]], [[targets]]";
    assert_eq!(config.missing_to_serve().join(", "), missing);
    let problem = config.to_serve().expect_err("it cannot serve").to_string();
    assert_eq!(problem, format!("{}: `samspor serve` also needs {missing}", folder.path().display()));
}

#[test]
fn everything_is_resolved_and_paths_are_relative_to_the_file() {
    let folder = Folder::new(GOOD);
    let config = load(&folder.path()).expect("good");
    let (store, vault) = config.to_serve().expect("complete");
    assert_eq!(store.dir, folder.0.path().join("data"));
    assert_eq!(vault.master_key, Secret::File(folder.0.path().join("secrets/key")));
    assert_eq!(config.brokers["bf"].url, Secret::Env("SAMSPOR_AMQP_URL".into()));

    let [opus, sapa] = &config.sources[..] else { panic!("two sources") };
    assert_eq!(opus.format, Format::G69 { encoding: Encoding::Latin1 });
    let queue = |source: &Source| match &source.way {
        SourceWay::Amqp(queue) => queue.clone(),
        SourceWay::Folder(_) => panic!("it comes from a broker"),
    };
    let from = queue(opus);
    assert_eq!((from.prefetch, from.batch), (100, 100), "a batch is never above the prefetch");
    assert_eq!((from.queue_type, from.topology), (QueueType::Quorum, Topology::Check));
    assert!(opus.may_send.postings && opus.may_send.facts.contains(&Kind::Progress));
    assert!(!opus.may_send.facts.contains(&Kind::Consent));
    let types = [("01234567-89ab-cdef-0123-456789abcdef", Payload::Case), ("urn:oio:grant", Payload::Grant)];
    let message_types = types.map(|(id, payload)| (id.to_owned(), payload)).into();
    assert_eq!(sapa.format, Format::Oio { message_types });
    assert_eq!(
        sapa.may_send,
        MaySend { postings: false, facts: [Kind::Case, Kind::Grant].into(), receipts_of: None }
    );
    assert_eq!((queue(sapa).prefetch, queue(sapa).batch, sapa.max_body_bytes), (1_000, 500, 1_048_576));

    let route = |target: &Target| match &target.way {
        Way::Amqp(amqp) => amqp.route.clone(),
        Way::Http(_) | Way::Folder(_) | Way::Distributor(_) => panic!("it goes to a broker"),
    };
    let routes: Vec<Route> = config.targets.iter().map(route).collect();
    assert_eq!(
        routes,
        [Route::Queue("tagged".into()), Route::Topic("lis".into(), "{solution}.{area}".into())]
    );
}

#[test]
fn a_misshapen_file_is_one_problem_with_what_is_allowed() {
    for (old, new, expected) in [
        (
            "dir = \"data\"",
            "dirs = \"data\"",
            "5:1: there is no key `dirs`, expected one of `dir`, `withdrawals_file`, `backups_kept_days`",
        ),
        ("dir = \"data\"", "dir = 5", "5:7: invalid type: integer `5`, expected a string"),
        ("dir = \"data\"", "", "4:1: missing key `dir`"),
        ("[charts]\ndir = \"charts\"\n", "", "1:1: missing key `charts`"),
        (
            "[charts]\n",
            "journal = 5\n[charts]\n",
            "1:11: invalid type: integer `5`, expected a table [journal]",
        ),
        (
            "[grpc]",
            "[grcp]",
            "10:2: there is no key `grcp`, expected one of `charts`, `store`, `vault`, `grpc`, `client`, `metrics`, \
            `traces`, `engine`, `journal`, `audit`, `brokers`, `sources`, `targets`, `vouchers`",
        ),
        (
            "\"g69\"",
            "\"g70\"",
            "18:10: there is no choice `g70`, expected one of `json`, `oio`, `g69`, `g68`, `mapping`",
        ),
        ("\"classic\"", "\"lazy\"", "30:14: there is no choice `lazy`, expected `quorum` or `classic`"),
        ("prefetch = 100", "prefetch = -1", "19:56: invalid value: integer `-1`, expected a whole number"),
        ("prefetch = 100", "prefetch = \"1\"", "19:56: invalid type: string \"1\", expected a whole number"),
        ("= true", "= \"yes\"", "45:60: invalid type: string \"yes\", expected true or false"),
        (
            "\"case\"\n",
            "\"wage\"\n",
            "34:38: there is no choice `wage`, expected one of `case`, `grant`, `payment`",
        ),
        (
            "[[targets]]\nname = \"ledger\"\naudience = \"ledger\"\namqp = { broker = \"bf\", queue = \"tagged\" }\n\n[[targets]]",
            "[targets]",
            "37:1: invalid type: a table, expected a list",
        ),
        ("name = \"ledger\"", "name = \"l\"\nname = \"l\"", "39:1: duplicate key"),
        ("[vault]", "[vault", "7:7: unclosed table, expected `]`"),
    ] {
        let problems = with(old, new).problems();
        assert_eq!(problems, [format!("gateway.toml:{expected}")], "{new}");
    }
}

#[test]
fn every_value_that_is_wrong_is_reported_in_the_order_of_the_lines() {
    let folder = Folder::new(
        r#"[charts]
dir = "charts"
[store]
dir = ""
[vault]
[grpc]
listen = "0.0.0.0:50461"
[engine]
slice_postings = 0
shutdown_deadline_ms = 600001
[brokers.bf]
url_env = "AMQP-URL"
heartbeat_s = 0
[brokers.other]
url_env = "A"
url_file = "a"
[[sources]]
name = "opus"
format = "json"
may_send = ["posting", "wage"]
[sources.amqp]
broker = "bd"
queue = "amq.gen"
topology = "declare"
prefetch = 10
batch = 11
[[sources]]
name = "sapa"
format = "oio"
may_send = []
[sources.amqp]
broker = "bf"
queue = "events"
[sources.g69]
[[targets]]
name = "ledger"
audience = "ledger"
[targets.amqp]
broker = "bf"
routing_key = "k"
[journal]
retention_days = 36526
[metrics]
listen = "0.0.0.0:9464"
[traces]
endpoint = "https://somebody:hemmelig@collector.example"
ca_file = ""
headers_env = "authorization: x"
service_name = ""
new_per_million = 1000001
queue_spans = 63
timeout_ms = 60001
"#,
    );
    let known = "posting, receipt, case, grant, payment, progress, identity, consent, enrolment, solution, split, estimate, \
        budget, target, investment-case, control-total";
    let expected = [
        "4:7: this must not be empty",
        "5:1: missing key: one of `master_key_file` and `master_key_env`",
        "7:10: this can be reached from other machines, and there is no [grpc.tls]; listen on 127.0.0.1 or [::1], or give the front a certificate",
        "9:18: 0 is out of bounds: expected 1 to 100000",
        "10:24: 600001 is out of bounds: expected 1000 to 600000",
        "12:11: this is not the name of an environment variable: letters, digits and _, no digit first",
        "13:15: 0 is out of bounds: expected 1 to 3600",
        "15:11: `url_file` and `url_env` exclude each other; keep the one that holds the secret",
        &format!("20:24: this is not a message type; there are {known}"),
        "22:10: there is no broker `bd`; the file has bf, other",
        "23:9: this begins with `amq.`: the broker makes such names itself and lets nobody declare them",
        "26:9: 11 is more than `prefetch`, 10: the broker never hands over so many",
        "29:10: format = \"oio\" needs the message types of the distributor; add [sources.oio.message_types] with lines \
            such as \"<uuid>\" = \"case\", \"grant\" or \"payment\"",
        "30:12: this names no message type; without any, every message goes to quarantine",
        "34:1: [sources.g69] goes with format = \"g69\" only",
        "38:1: missing key: one of `queue` and `exchange`",
        "42:18: 36526 is out of bounds: expected 0 to 36525",
        "44:10: this can be reached from other machines, and it is not checked who asks; listen on 127.0.0.1 or [::1]",
        "46:12: this holds a user or password; what the tracing system wants to know goes into headers",
        "47:11: this must not be empty",
        "48:15: this is not the name of an environment variable: letters, digits and _, no digit first",
        "49:16: this must be 1 to 120 bytes long, and has 0",
        "50:19: 1000001 is out of bounds: expected 0 to 1000000",
        "51:15: 63 is out of bounds: expected 64 to 1000000",
        "52:14: 60001 is out of bounds: expected 100 to 60000",
    ];
    assert_eq!(folder.problems(), expected.map(|line| format!("gateway.toml:{line}")));
}

#[test]
fn systems_that_send_over_grpc_have_names_of_their_own_and_what_they_may_send() {
    let section = |rest: &str| format!("listen = \"[::1]:50461\"\n[[grpc.sources]]\n{rest}");
    let listen = "listen = \"[::1]:50461\"";
    let config = with(listen, &section("name = \"dubu\"\nmay_send = [\"case\", \"consent\"]")).load();
    let callers = config.grpc.expect("there is a front").senders;
    assert_eq!((callers.len(), callers[0].name.as_str()), (1, "dubu"));
    assert_eq!(callers[0].may_send.facts, [Kind::Case, Kind::Consent].into());
    assert!(!callers[0].may_send.postings);
    let config = with(listen, &section("name = \"dubu\"")).load();
    assert!(config.grpc.expect("there is a front").senders[0].may_send.postings, "as of any source");
    for (rest, expected) in [
        ("name = \"opus\"", "there are two sources of this name"),
        ("name = \"grpc\"", "the gateway counts what registrars put over gRPC under this name"),
        ("name = \"a:b\"", "a source's name holds no `:`"),
        ("name = \"dubu\"\nmay_send = [\"wage\"]", "this is not a message type"),
        ("name = \"dubu\"\nmay_send = [\"receipt\"]", "`receipt` needs `receipts_of`"),
        ("name = \"dubu\"\nreceipts_of = \"nobody\"", "there is no target `nobody`"),
        ("name = \"dubu\"\nformat = \"json\"", "there is no key `format`"),
    ] {
        let problems = with(listen, &section(rest)).problems();
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{rest}: {problems:?}");
    }
}

#[test]
fn names_are_unique_and_bounded_and_queues_have_one_end() {
    let long = "n".repeat(121);
    for (old, new, expected) in [
        ("\"sapa\"", "\"opus\"", "23:8: there are two sources of this name"),
        ("\"lis\"", "\"ledger\"", "43:8: there are two targets of this name"),
        ("\"opus\"", &format!("\"{long}\""), "17:8: this must be 1 to 120 bytes long, and has 121"),
        ("\"opus\"", "\"grpc\"", "17:8: the gateway counts what registrars put over gRPC under this name"),
        ("\"opus\"", "\"\"", "17:8: this must be 1 to 120 bytes long, and has 0"),
        (
            "\"events\"",
            "\"postings\"",
            "29:9: two sources consume from one queue: each would get a part of its messages",
        ),
        ("\"tagged\"", "\"events\"", "40:33: a target publishes to a queue that a source consumes from"),
        (
            "exchange = \"lis\"",
            "exchange = \"lis\", queue = \"lis\"",
            "45:36: `queue` and `exchange` exclude each \
            other; a target publishes to one of them",
        ),
        (
            "exchange = \"lis\"",
            "exchange = \"lis\", routing_key = \"{family}\"",
            "45:57: this has a placeholder that there is not; there are {solution} and {area}",
        ),
        (
            "exchange = \"lis\"",
            "queue = \"lis\"",
            "45:57: `allow_unrouted` goes with `exchange` only; with a queue \
             that is missing it would lose every record",
        ),
        (
            "urn:oio:grant",
            "01234567-89ab-cdef-0123-456789abcdef",
            "34:1: this is the same message type twice",
        ),
        ("urn:oio:grant", "1", "35:1: this is not a message type: expected a UUID or a URN (`urn:…`)"),
    ] {
        assert_eq!(with(old, new).problems(), [format!("gateway.toml:{expected}")], "{new}");
    }
}

#[test]
fn a_secret_written_directly_is_refused_and_never_shown() {
    let key = "0123456789abcdef".repeat(4);
    for (old, new, expected, secret) in [
        (
            "url_env = \"SAMSPOR_AMQP_URL\"",
            "url = \"amqp://guest:hemmelig@host\"",
            "14:1: there is no key `url`, \
            expected one of `url_env`, `url_file`, `management_url_env`, `management_url_file`, `connect_timeout_ms`, `request_timeout_ms`, `heartbeat_s`, `ca_file`, `client_cert_file`, `client_key_file`, `client_key_env`, `token`; put it in a file",
            "hemmelig",
        ),
        (
            "SAMSPOR_AMQP_URL",
            "amqp://guest:hemmelig@host",
            "14:11: a secret does not stand in the configuration; \
            `url_file` names a file that holds it, `url_env` an environment variable",
            "hemmelig",
        ),
        ("secrets/key", &key, "8:19: a secret does not stand in the configuration", &key),
        (
            "[vault]\nmaster_key_file = ",
            "[vault]\nmaster_key = ",
            "8:1: there is no key `master_key`",
            "secrets/key",
        ),
        (
            "[brokers.bf]\nurl_env = \"SAMSPOR_AMQP_URL\"",
            "[brokers]\nbf = \"amqp://guest:hemmelig@host\"",
            "14:6: \
            invalid type: string \"amqp://**************@host\", expected a table [brokers.NAME]",
            "hemmelig",
        ),
    ] {
        let folder = with(old, new);
        let problems = folder.problems();
        assert!(problems[0].starts_with(&format!("gateway.toml:{expected}")), "{problems:?}");
        let error = load(&folder.path()).expect_err("it has problems");
        let shown = format!("{error} {error:?} {}", load(&folder.path()).expect_err("again").render());
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn what_a_target_does_not_take_and_its_receipts_are_resolved() {
    let more = "amqp = { broker = \"bf\", queue = \"tagged\" }\nclosed_months = [\"2026-01\"]\n\
                delivery = { tries = 2, retry_from_ms = 50, retry_to_ms = 60 }\nreceipts = { within_s = 7 }\n\
                [[sources]]\nname = \"receipts\"\nformat = \"json\"\nreceipts_of = \"ledger\"\n\
                amqp = { broker = \"bf\", queue = \"receipts\" }";
    let ledger = r#"amqp = { broker = "bf", queue = "tagged" }"#;
    let config = load(&with(ledger, more).path()).expect("good");
    let policy = &config.targets[0].policy;
    assert_eq!((policy.tries, policy.failing), (2, 10));
    assert_eq!(policy.waits, (Duration::from_millis(50), Duration::from_millis(60)));
    assert_eq!(policy.receipt_within, Some(Duration::from_secs(7)));
    assert_eq!(policy.closed_months, [jiff::civil::date(2026, 1, 1)].into());
    assert_eq!(config.targets[1].policy, samspor_engine::Policy::default());
    let may_send = &config.sources[2].may_send;
    assert_eq!((may_send.postings, may_send.facts.len()), (false, 0));
    assert_eq!(may_send.receipts_of.as_ref().map(Text::as_str), Some("ledger"));

    for (old, new, expected) in [
        ("[\"2026-01\"]", "[\"2026-13\"]", "41:18: this is not a month: expected `YYYY-MM`, such as 2026-01"),
        ("retry_to_ms = 60", "retry_to_ms = 49", "42:59: this is less than `retry_from_ms`, 50"),
        (
            "receipts = { within_s = 7 }",
            "",
            "47:15: the target `ledger` gives no receipts; add [targets.receipts] to it",
        ),
        ("receipts_of = \"ledger\"", "receipts_of = \"other\"", "47:15: there is no target `other`"),
        ("format = \"json\"", "format = \"g69\"", "46:10: receipts come in JSON, or by a mapping"),
        (
            "receipts_of = \"ledger\"",
            "may_send = [\"receipt\"]",
            "47:13: `receipt` needs `receipts_of`, which says of which target they are",
        ),
    ] {
        let problems = with(ledger, &more.replacen(old, new, 1)).problems();
        assert!(problems.contains(&format!("gateway.toml:{expected}")), "{new}: {problems:?}");
    }
    // An LIS cannot say which postings it speaks of.
    let to_lis = GOOD.replacen(ledger, more, 1).replacen("audience = \"ledger\"", "audience = \"lis\"", 1);
    let problems = Folder::new(&to_lis).problems();
    assert!(
        problems.iter().any(|problem| problem.contains("an LIS knows postings by pseudonyms")),
        "{problems:?}"
    );
}

#[test]
fn a_target_over_http_says_where_and_as_whom() {
    let lis = r#"amqp = { broker = "bf", exchange = "lis", allow_unrouted = true }"#;
    let more = r#"[targets.http]
url = "https://ledger.example/postings?municipality=740"
ca_file = "ca.pem"
client_cert_file = "client.pem"
client_key_env = "CLIENT_KEY"
bearer_file = "secrets/token"
answer_timeout_ms = 5000
[targets.receipts]
"#;
    // Only a ledger gives receipts.
    let with = |old: &str, new: &str| {
        Folder::new(&GOOD.replacen(old, new, 1).replacen("audience = \"lis\"", "audience = \"ledger\"", 1))
    };
    let config = load(&with(lis, more).path()).expect("good, with receipts that no source brings");
    let Way::Http(http) = &config.targets[1].way else { panic!("it is posted to") };
    assert_eq!(http.url.to_string(), "https://ledger.example/postings", "a query may be secret");
    assert!(http.ca_file.as_ref().is_some_and(|file| file.ends_with("ca.pem") && file.is_absolute()));
    let (certificate, key) = http.client.as_ref().expect("a certificate");
    assert!(certificate.is_absolute() && *key == Secret::Env("CLIENT_KEY".into()));
    assert!(matches!(&http.bearer, Some(Secret::File(file)) if file.ends_with("secrets/token")));
    let (long, short) = (Duration::from_secs(10), Duration::from_secs(5));
    assert_eq!((http.connect_timeout, http.answer_timeout, http.max_answer_bytes), (long, short, 65_536));

    for (old, new, expected) in [
        (
            "https:",
            "http:",
            "46:7: this goes through the network in clear text: expected 'https:', and 'http:' to this machine only",
        ),
        (
            "ledger.example",
            "who:hemmelig@ledger.example",
            "46:7: this holds a user or a password, which do not stand in the configuration; `bearer_file` names a file \
             that holds a token, `client_cert_file` a certificate",
        ),
        (
            "https://ledger.example/postings?municipality=740",
            "",
            "46:7: this is not a URL to post to: expected 'https://host:port/path'",
        ),
        ("https://ledger.example", "http://[::1]:8080", "47:11: `ca_file` goes with `https:` only"),
        (
            "client_cert_file = \"client.pem\"\n",
            "",
            "48:18: `client_key_env` goes with `client_cert_file` only",
        ),
        (
            "client_key_env = \"CLIENT_KEY\"\n",
            "",
            "48:20: missing key: one of `client_key_file` and `client_key_env`",
        ),
        ("\"client.pem\"", "\"\"", "48:20: this must not be empty"),
        (
            "bearer_file",
            "bearer_env",
            "50:14: this is not the name of an environment variable: letters, digits and _, no digit first",
        ),
        (
            "bearer_file",
            "bearer_env = \"T\"\nbearer_file",
            "50:14: `bearer_file` and `bearer_env` exclude each other; keep the one that holds the secret",
        ),
        ("bearer_file = ", "bearer = ", "50:1: there is no key `bearer`"),
        ("= 5000", "= 5", "51:21: 5 is out of bounds: expected 100 to 600000"),
        (
            "[targets.http]",
            "amqp = { broker = \"bf\", queue = \"q\" }\n[targets.http]",
            "46:1: `amqp` and `http` exclude each other; make two targets of it, if both are to have the records",
        ),
    ] {
        let folder = with(lis, &more.replacen(old, new, 1));
        let problems = folder.problems();
        assert!(
            problems.iter().any(|p| p.starts_with(&format!("gateway.toml:{expected}"))),
            "{new}: {problems:?}"
        );
        let error = load(&folder.path()).expect_err("it has problems");
        assert!(!format!("{error} {error:?} {}", error.render()).contains("hemmelig"));
    }
    let nowhere = "43:8: this target says nowhere to go: one of `amqp`, `http`, `folder` and `distributor` is missing; add \
                   [targets.amqp] with a broker and a queue or exchange, [targets.http] with a url, or [targets.folder] \
                   with a dir";
    assert_eq!(with(lis, "").problems(), [format!("gateway.toml:{nowhere}")]);
}

const FOLDERS: &str = r#"charts.dir = "charts"
store.dir = "data"
vault.master_key_file = "key"

[[sources]]
name = "opus"
format = "g69"
folder = { dir = "in", pattern = "*.{g69,txt}", settle_s = 30, failed = "bad" }

[[sources]]
name = "dubu"
format = "json"
folder = { dir = "in/dubu", marker = ".done" }

[[targets]]
name = "lis"
audience = "lis"
folder = { dir = "out", format = "parquet", prefix = "lis-1", max_records = 500 }
"#;

#[test]
fn a_secret_may_be_a_credential_of_the_service_manager() {
    let with = |path: &str| Folder::new(&FOLDERS.replace("\"key\"", &format!("\"{path}\"")));
    let folder = with("$CREDENTIALS_DIRECTORY/master-key");
    let config = load(&folder.path()).expect("good");
    let key = config.vault.expect("there is one").master_key;
    assert_eq!(key, Secret::Credential("master-key".into()));
    for path in ["$CREDENTIALS_DIRECTORY/", "$CREDENTIALS_DIRECTORY/a/b", "$CREDENTIALS_DIRECTORY/../key"] {
        let expected = "gateway.toml:3:25: this is not the path of a credential: one name after the variable";
        assert_eq!(with(path).problems(), [expected]);
    }
    // Any other path is one as it stands.
    let folder = with("$HOME/key");
    let config = load(&folder.path()).expect("good");
    let key = config.vault.expect("there is one").master_key;
    assert_eq!(key, Secret::File(folder.0.path().join("$HOME/key")));
}

#[test]
fn folders_need_no_broker() {
    let folder = Folder::new(FOLDERS);
    let config = load(&folder.path()).expect("good");
    config.to_serve().expect("complete");
    let at = |name: &str| folder.0.path().join(name);
    let inbox = |no: usize| match &config.sources[no].way {
        SourceWay::Folder(inbox) => inbox.clone(),
        SourceWay::Amqp(_) => panic!("it is a folder"),
    };
    let (opus, dubu) = (inbox(0), inbox(1));
    assert_eq!((&opus.dir, &opus.done, &opus.failed), (&at("in"), &at("in/done"), &at("bad")));
    assert_eq!(opus.pattern.to_string(), "*.{g69,txt}");
    use samspor_files::{source::Whole, target};
    assert_eq!(opus.whole, Whole::Settled(Duration::from_secs(30)));
    assert_eq!((opus.poll, opus.max_body_bytes), (Duration::from_secs(5), 1_048_576));
    assert_eq!((dubu.whole, dubu.pattern.to_string()), (Whole::Marked(".done".into()), "*".into()));
    let Way::Folder(outbox) = &config.targets[0].way else { panic!("it is a folder") };
    assert_eq!((outbox.format, outbox.columns), (target::Format::Parquet, target::Columns::Lis));
    assert_eq!((outbox.max_records, outbox.max_age), (500, Duration::from_secs(3_600)));
}

#[test]
fn problems_of_folders_stand_at_their_place() {
    for (old, new, expected) in [
        ("*.{g69,txt}", "*.{g69", "8:34: `*.{g69` is no pattern of file names: "),
        (
            "*.{g69,txt}",
            "sub/*",
            "8:34: `sub/*` is no pattern of file names: it stands for names, without folders",
        ),
        (
            "marker = ",
            "settle_s = 5, marker = ",
            "13:40: `settle_s` and `marker` exclude each other; keep `marker`",
        ),
        ("\".done\"", "\"a/b\"", "13:38: this is not the end of a file's name"),
        (
            "in/dubu\"",
            "in\", pattern = \"*.{g69,txt}\"",
            "13:18: two sources take the same files: each would take all of them; give each",
        ),
        ("\"in/dubu\"", "\"./in/../in\"", "13:18: two sources take the same files"),
        ("\"in/dubu\"", "\"in/done\"", "13:18: a source would take what another one has put away"),
        ("marker = \".done\"", "marker = \".done\", done = \"bad\"", "13:54: two sources put files away"),
        (
            "\"out\"",
            "\"in/dubu/failed\"",
            "18:18: a target has the folder that a source puts files away into",
        ),
        ("marker = \".done\"", "poll_s = 1", "13:10: nothing says when a file is whole: one of `marker` and"),
        ("\"dubu\"", "\"du:bu\"", "11:8: a source's name holds no `:`"),
        ("\"bad\"", "\"in\"", "8:73: this is the folder that files are taken from"),
        ("\"out\"", "\"in\"", "18:18: a target puts files into a folder that a source takes files from"),
        ("\"lis-1\"", "\"../x\"", "18:54: `../x` must be 1 to 64 letters"),
        ("parquet", "xml", "18:34: "),
        ("folder = { dir = \"in/dubu\", marker = \".done\" }", "", "11:8: this source comes from nowhere"),
        ("= 500", "= 0", "18:77: 0 is out of bounds: expected 1 to 200000"),
    ] {
        assert!(FOLDERS.contains(old), "{old}");
        let problems = Folder::new(&FOLDERS.replacen(old, new, 1)).problems();
        let is_there = problems.iter().any(|p| p.starts_with(&format!("gateway.toml:{expected}")));
        assert!(is_there, "{expected}: {problems:?}");
    }
}

#[test]
fn problems_of_charts_stand_at_their_place_in_the_chart() {
    let folder = Folder::new("[charts]\ndir = \"charts\"\n");
    folder.chart(
        "2027.toml",
        "[[rule]]\naccount = \"5.2\"\narea = \"\"\nkind = \"service\"\n\n\
         [[rule]]\naccount = \"5.28\"\narea = \"a\"\nkind = \"transfer\"\ngrouping = \"12\"\n",
    );
    folder.chart("2028.toml", "[[rule]]\naccount = \"5\"\narea = \"a\"\nkind = \"other\"\n");
    folder.chart(
        "2029.toml",
        "[[rule]]\naccount = \"5\"\narea = \"a\"\nkind = \"service\"\nfrom = 2029-02-30\n",
    );
    folder.chart(
        "2030.toml",
        "[[rule]]\naccount = \"5\"\narea = \"a\"\nkind = \"service\"\nto = \"2030-1-1\"\n",
    );
    folder.chart("2031.toml", "");
    folder.chart("next.toml", CHART);
    folder.chart("notes.txt", "not a chart");
    let problems = folder.problems();
    let expected = [
        "gateway.toml:2:7: charts/next.toml is not named after a year; a chart is named YYYY.toml, such as 2026.toml; \
            keep other files elsewhere",
        "charts/2027.toml:2:11: `5.2` is not an account prefix: expected one to four elements, such as '5', '5.28', \
            '5.28.21' or '5.28.21.1'",
        "charts/2027.toml:3:8: this must be 1 to 120 bytes long, and has 0",
        "charts/2027.toml:10:12: `12` is not a grouping: expected three digits",
        "charts/2028.toml:4:8: there is no choice `other`, expected `service` or `transfer`",
        "charts/2029.toml:5:8: invalid date, expected day between 01 and 28",
        "charts/2030.toml:5:6: this is not a date such as 2026-01-01",
        "charts/2031.toml:1:1: missing key `rule`",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn dates_of_a_chart_are_read_with_and_without_quotes() {
    let folder = Folder::new("[charts]\ndir = \"charts\"\n");
    folder.chart("2026.toml", &format!("{CHART}from = 2026-02-01\nto = \"2026-02-28\"\n"));
    let config = load(&folder.path()).expect("good");
    let span = config.charts.0[&2026].rules[0].condition.span;
    assert_eq!(span.from.map(|d| d.to_string()).as_deref(), Some("2026-02-01"));
    assert_eq!(span.to.map(|d| d.to_string()).as_deref(), Some("2026-02-28"));
}

#[test]
fn a_folder_without_charts_and_a_missing_file_are_problems() {
    let folder = Folder::new("[charts]\ndir = \"charts\"\n");
    fs::remove_file(folder.0.path().join("charts/2026.toml")).expect("removed");
    let problems = folder.problems();
    assert_eq!(
        problems,
        ["gateway.toml:2:7: the charts folder charts holds no chart; put one file a year there, such as \
        2026.toml"]
    );
    fs::remove_dir(folder.0.path().join("charts")).expect("removed");
    assert!(folder.problems()[0].starts_with("gateway.toml:2:7: cannot read the charts folder charts: "));
    fs::remove_file(folder.path()).expect("removed");
    assert!(folder.problems()[0].starts_with("gateway.toml: No such file"));
}

const MAPPING: &str = "[reads]\nformat = \"csv\"\n[[message]]\ntype = \"case\"\n[message.fields]\nid = \"Nr\"\nversion = \"V\"\ncitizen.cpr = \"Cpr\"\n";

/// [`GOOD`] whose source `opus` has a mapping.
fn mapped(mapping: &str) -> Folder {
    let folder = with("format = \"g69\"", "format = \"mapping\"\nmapping = { file = \"opus-mapping.toml\" }");
    let text = fs::read_to_string(folder.path()).expect("read");
    fs::write(folder.path(), text.replace("g69 = { encoding = \"iso-8859-1\" }\n", "")).expect("written");
    fs::write(folder.0.path().join("opus-mapping.toml"), mapping).expect("written");
    folder
}

#[test]
fn a_mapping_is_read_with_the_configuration_and_another_text_is_another_source() {
    let folder = mapped(MAPPING);
    let source = || load(&folder.path()).expect("good").sources.remove(0);
    let (first, again) = (source(), source());
    assert_eq!(first, again);
    assert!(matches!(&first.format, Format::Mapping { mapping, .. } if mapping.format() == "csv"));
    fs::write(folder.0.path().join("opus-mapping.toml"), MAPPING.replace("\"V\"", "\"Version\""))
        .expect("written");
    assert_ne!(first, source());
}

#[test]
fn what_is_wrong_with_a_mapping_is_told_in_its_file() {
    let folder = mapped(&MAPPING.replace("\"Cpr\"", "{ path = \"Cpr\", decimal = \",\" }"));
    assert_eq!(
        folder.problems(),
        [
            "opus-mapping.toml:8:31: the rule of `cpr`, a CPR number, has no key `decimal`; there are path, first, join, value, when, \
          unseen, otherwise, needed, strip, part, pad"
        ]
    );
    fs::remove_file(folder.0.path().join("opus-mapping.toml")).expect("removed");
    assert!(
        folder.problems()[0].contains("cannot read the mapping opus-mapping.toml"),
        "{:?}",
        folder.problems()
    );
    let folder = with("format = \"g69\"", "format = \"mapping\"");
    let problems = folder.problems();
    assert!(
        problems.iter().any(|problem| problem.contains("needs a mapping; add [sources.mapping]")),
        "{problems:?}"
    );
    let folder = with("format = \"g69\"", "format = \"g69\"\nmapping = { file = \"x.toml\" }");
    assert!(folder.problems()[0].contains("[sources.mapping] goes with format = \"mapping\" only"));
}

const DOOR: &str = r#"listen = "0.0.0.0:50461"
tls = { certificate_file = "front.pem", key_env = "FRONT_KEY", client_ca_file = "ca.pem" }
tokens = { keys_file = "jwks.json", issuer = "https://idp.example", audience = "samspor" }
[[grpc.callers]]
name = "registry"
certificate = "uri:urn:registry"
roles = ["registrar", "auditor"]
[[grpc.callers]]
name = "watch"
token = "a0c4f2"
roles = ["operator"]"#;

#[test]
fn a_door_knows_callers_by_certificate_or_token() {
    use samspor_grpc::Role;
    use samspor_grpc::door::Identity;
    let config = with("listen = \"[::1]:50461\"", DOOR).load();
    let door = config.grpc.expect("a front").door.expect("a door");
    let (tls, tokens) = (door.tls.expect("TLS"), door.tokens.expect("tokens"));
    assert!(tls.0.0.is_absolute() && tls.0.1 == Secret::Env("FRONT_KEY".into()) && tls.1.is_some());
    assert_eq!((tokens.issuer.as_str(), tokens.leeway), ("https://idp.example", Duration::from_secs(60)));
    let [registry, watch] = &door.callers[..] else { panic!("{:?}", door.callers) };
    assert_eq!(registry.identity, Identity::Certificate("uri:urn:registry".into()));
    assert_eq!(registry.roles, [Role::Registrar, Role::Auditor].into());
    assert_eq!((watch.name.as_str(), &watch.identity), ("watch", &Identity::Token("a0c4f2".into())));
}

#[test]
fn a_door_through_which_the_wrong_or_nobody_could_come_is_refused() {
    let tls =
        "tls = { certificate_file = \"front.pem\", key_env = \"FRONT_KEY\", client_ca_file = \"ca.pem\" }\n";
    let tokens =
        "tokens = { keys_file = \"jwks.json\", issuer = \"https://idp.example\", audience = \"samspor\" }\n";
    let callers = DOOR.find("[[grpc.callers]]").expect("callers");
    for (door, expected) in [
        (DOOR.replace(tls, ""), "this can be reached from other machines, and there is no [grpc.tls]"),
        (
            DOOR.replace(", client_ca_file = \"ca.pem\"", ""),
            "callers with certificates need `client_ca_file` in [grpc.tls]",
        ),
        (DOOR.replace(", client_ca_file = \"ca.pem\"", "").replace(tokens, ""), "no caller could be known"),
        (DOOR.replace(tokens, ""), "callers with tokens need [grpc.tokens]"),
        (DOOR.replace("\"operator\"", "\"intake\""), "the role `intake` and `sources` go together"),
        (
            DOOR.replace("[\"operator\"]", "[\"operator\"]\nsources = [\"opus\"]"),
            "there is no such source under [[grpc.sources]]",
        ),
        (DOOR.replace("\"watch\"", "\"samspor\""), "the audit log names somebody else so"),
        (DOOR[..callers].to_owned(), "nobody could call: there are no [[grpc.callers]]"),
        (DOOR.replace("uri:urn:registry", "urn:registry"), "this names no part of a certificate"),
        (DOOR.replace("\"uri:urn:registry\"", "\"uri:\""), "this names no part of a certificate"),
        (
            DOOR.replace("uri:urn:registry", "subject:C=DK, CN=registry"),
            "there is no blank between its parts",
        ),
        (DOOR.replace("uri:urn:registry", "subject:CN=Hansen,Co"), "each part is `TYPE=value`"),
        (DOOR.replace("uri:urn:registry", "subject:registry"), "each part is `TYPE=value`"),
        (
            DOOR.replace("uri:urn:registry", "dns:A.example")
                .replace("token = \"a0c4f2\"", "certificate = \"dns:a.example\""),
            "another caller has this name, and DNS knows no capitals",
        ),
        (DOOR.replace("\"watch\"", "\"registry\""), "there are two callers of this name"),
        (
            DOOR.replace("token = \"a0c4f2\"", "certificate = \"uri:urn:registry\""),
            "there are two callers of this name",
        ),
        (DOOR.replace("token = \"a0c4f2\"\n", ""), "missing key: one of `certificate` and `token`"),
        (DOOR.replace("[\"operator\"]", "[]"), "a caller without a role may do nothing"),
        (DOOR.replace("\"operator\"", "\"root\""), "there is no choice `root`"),
        (
            DOOR.replace(tls, "").replace(tokens, "").replace("0.0.0.0", "127.0.0.1"),
            "nothing would tell this caller from another",
        ),
    ] {
        let problems = with("listen = \"[::1]:50461\"", &door).problems();
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:?}");
    }
}

#[test]
fn names_of_certificates_are_compared_as_they_are_and_dns_names_in_lower_case() {
    use samspor_grpc::door::Identity;
    for (written, compared) in [
        ("dns:Dubu.Example", "dns:dubu.example"),
        ("uri:urn:Registry", "uri:urn:Registry"),
        (
            "subject:CN=Registry\\\\, Inc,O=Kommunen+OU=IT,C=DK",
            "subject:CN=Registry\\, Inc,O=Kommunen+OU=IT,C=DK",
        ),
    ] {
        let config = with("listen = \"[::1]:50461\"", &DOOR.replace("uri:urn:registry", written)).load();
        let door = config.grpc.expect("a front").door.expect("a door");
        assert_eq!(door.callers[0].identity, Identity::Certificate(compared.into()));
    }
}

#[test]
fn the_front_has_the_usual_bounds_and_those_that_are_said() {
    let bounds = |door: &str| with("listen = \"[::1]:50461\"", door).load().grpc.expect("a front").bounds;
    let usual = bounds("listen = \"[::1]:50461\"");
    assert_eq!(
        usual,
        samspor_grpc::Settings::new(usual.listen),
        "what the file has by default is the front's own"
    );
    let said = bounds(
        "listen = \"[::1]:50461\"\nlimits = { connections = 9, connections_per_address = 2, connections_per_certificate = 3, \
         streams_per_caller = 4, calls_per_second = 5, calls_burst = 6, messages_per_second = 7, messages_burst = 8, \
         stall_timeout_ms = 1500 }",
    );
    let rates = [said.calls.per_second, said.calls.burst, said.messages.per_second, said.messages.burst];
    assert_eq!(rates.map(std::num::NonZero::get), [5, 6, 7, 8]);
    assert_eq!((said.max_connections, said.max_connections_of_address), (9, 2));
    assert_eq!((said.max_connections_of_certificate, said.max_streams_of_caller), (3, 4));
    assert_eq!(said.stall_timeout, Duration::from_millis(1_500));
}
