//! `samspor check`: what a configuration means, in a table; or what its brokers show.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use samspor_domain::{CostKind, TagFilter, UNMAPPED};

use crate::cli::Check;
use crate::config::{
    self, Amqp, Audience, Broker, Carries, Client, Config, Encoding, Format, Forward, Http, MaySend, Route,
    Secret, Source, SourceWay, Target, Topology, Way,
};
use crate::{FAULTY, gateway, open, topology};
use samspor_files::source::Whole;

/// Prints what the configuration means, or what its brokers show, on standard output; or what is wrong with it on
/// standard error.
pub(crate) fn run(arguments: &Check) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    if !arguments.broker {
        print!("{}", meaning(&config));
        return Ok(ExitCode::SUCCESS);
    }
    open::tls()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(topology::look(&config));
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report.json())?);
    } else {
        print!("{report}");
    }
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(FAULTY) })
}

/// What the configuration means, for people.
fn meaning(config: &Config) -> String {
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut row = |what: &str, means: String| rows.push((what.to_owned(), means));
    row("configuration", config.path.display().to_string());
    row("charts", format!("{}, {}", config.charts_dir.display(), years(config)));
    if let Some(store) = &config.store {
        let withdrawals = store.withdrawals.as_ref();
        let withdrawals =
            withdrawals.map(|path| format!("; withdrawals are written down in {}", written(path)));
        row("store", format!("SQLite in {}{}", store.dir.display(), withdrawals.unwrap_or_default()));
    }
    if let Some(vault) = &config.vault {
        let previous = vault.previous_master_key.as_ref();
        let previous = previous.map(|place| format!("; it takes the place of that in {}", secret(place)));
        row("vault", format!("master key in {}{}", secret(&vault.master_key), previous.unwrap_or_default()));
    }
    for (name, broker) in &config.brokers {
        let times = format!("connects within {:?}, heartbeat {:?}", broker.connect_timeout, broker.heartbeat);
        let management = broker.management_url.as_ref();
        let management =
            management.map(|url| format!("; management URL in {}", secret(url))).unwrap_or_default();
        let login = login(broker);
        row(&format!("broker {name}"), format!("URL in {}{management}{login}; {times}", secret(&broker.url)));
    }
    for source in &config.sources {
        row(&format!("source {}", source.name), self::source(source));
    }
    for target in &config.targets {
        row(&format!("target {}", target.name), self::target(target));
    }
    for voucher in &config.vouchers {
        let areas: Vec<&str> = voucher.accounts.keys().map(|area| area.as_str()).collect();
        let by = format!("machine number {:05}; accounts for {}", voucher.machine_number, areas.join(", "));
        row(&format!("vouchers of {}", voucher.solution), by);
    }
    if let Some(grpc) = &config.grpc {
        let door = match &grpc.door {
            None => "without a door: anyone on this machine may do anything".to_owned(),
            Some(door) => {
                let by = if door.tls.is_some() { "TLS" } else { "clear text" };
                let names: Vec<&str> = door.callers.iter().map(|caller| caller.name.as_str()).collect();
                format!("over {by}, for {}", names.join(", "))
            }
        };
        row("gRPC", format!("on {}, {door}", grpc.listen));
    }
    if let Some(url) = gateway::url(config) {
        row("client", format!("commands reach the gateway at {url}{}", client(&config.client)));
    }
    if let Some(metrics) = &config.metrics {
        row("metrics", format!("on http://{}/metrics", metrics.listen));
    }
    if let Some(traces) = &config.traces {
        let headers = traces.headers.as_ref();
        let headers = headers.map(|place| format!("; headers in {}", secret(place))).unwrap_or_default();
        let new = format!("{} of a million others", traces.new_per_million);
        row("traces", format!("to {}{headers}; of sampled messages, and of {new}", traces.endpoint));
    }
    let engine = &config.engine;
    let deadline = format!("a stop takes {:?} at most", engine.shutdown_deadline);
    row("engine", format!("decides again {} postings at a time; {deadline}", engine.slice_postings));
    row("journal", config.journal.meaning());
    let checkpoints = match &config.checkpoints_file {
        Some(path) => format!("checkpoints in {}", written(path)),
        None => "no checkpoints: whoever has the store and the key could cut it off unseen".to_owned(),
    };
    row("audit", format!("kept for {} days; {checkpoints}", config.audit_days));
    let missing = config.missing_to_serve();
    let serves = if missing.is_empty() {
        "yes".to_owned()
    } else {
        format!("no; it also needs {}", missing.join(", "))
    };
    row("can serve", serves);

    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    for (what, means) in rows {
        table.add_row([what, means]);
    }
    if let Some(first) = table.column_mut(0) {
        first.set_padding((0, 1));
    }
    table.trim_fmt() + "\n"
}

fn years(config: &Config) -> String {
    let years = config.charts.0.iter().map(|(year, chart)| format!("{year} ({} rules)", chart.rules.len()));
    years.collect::<Vec<_>>().join(", ")
}

fn secret(secret: &Secret) -> String {
    if !secret.is_there() {
        format!("{secret} (not there now)")
    } else if secret.is_open_to_all() {
        format!("{secret} (anyone on this machine can read it: `chmod o= FILE` ends that)")
    } else {
        secret.to_string()
    }
}

/// A file that the gateway writes to, beside the store.
fn written(path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    format!("{}{}", path.display(), if folder.is_dir() { "" } else { " (now: its folder is not there)" })
}

/// Whom commands trust, and what they show.
fn client(client: &Client) -> String {
    let ca = client.ca_file.as_ref().map(|ca| format!("; trust {}", file(ca)));
    let certificate = client.certificate.as_ref().map(|(certificate, key)| {
        format!("; show the certificate {} with the key in {}", file(certificate), secret(key))
    });
    let token = client.token.as_ref().map(|token| format!("; show the token in {}", secret(token)));
    [ca, certificate, token].into_iter().flatten().collect()
}

fn source(source: &Source) -> String {
    let format = match &source.format {
        Format::Json => "JSON".to_owned(),
        Format::Oio { message_types } => format!("OIO ({} message types)", message_types.len()),
        Format::G69 { encoding: Encoding::Utf8 } => "G69 in UTF-8".to_owned(),
        Format::G69 { encoding: Encoding::Latin1 } => "G69 in ISO-8859-1".to_owned(),
        Format::G68(settings) => format!(
            "G68 (payments named by field {:02}, of grants of {} by field {:02})",
            settings.reference, settings.system, settings.grant
        ),
        Format::Mapping { file, mapping } => {
            let makes: Vec<_> = mapping.makes().collect();
            format!("{} by the mapping {} (makes {})", mapping.format(), file.display(), makes.join(", "))
        }
    };
    let (from, taking) = match &source.way {
        SourceWay::Amqp(queue) => (
            format!("queue {} of {} ({})", queue.queue, queue.broker, made_by(queue.topology)),
            format!("prefetch {}, batch {}, ", queue.prefetch, queue.batch),
        ),
        SourceWay::Folder(folder) => (inbox(folder), String::new()),
    };
    let (may_send, bytes) = (words(&source.may_send), source.max_body_bytes);
    let bears = match &source.content_types[..] {
        [] => String::new(),
        types => format!(" labelled {}", types.join(" or ")),
    };
    format!("{format}{bears} from {from}; may send {may_send}; {taking}bodies up to {bytes} bytes")
}

fn inbox(folder: &samspor_files::source::Settings) -> String {
    let whole = match &folder.whole {
        Whole::Settled(settle) => {
            format!("unchanged for {settle:?} (its sender never pauses for longer while it writes)")
        }
        Whole::Marked(marker) => format!("marked by NAME{marker}"),
    };
    format!(
        "files {} in {}, when {whole}, looked for every {:?}, moved to {}{}",
        folder.pattern,
        folder.dir.display(),
        folder.poll,
        folder.done.display(),
        faults(folder.faults())
    )
}

/// What is wrong with a folder now, which may be otherwise when the gateway starts.
fn faults(faults: Vec<String>) -> String {
    faults.into_iter().map(|fault| format!(" (now: {fault})")).collect()
}

fn outbox(folder: &samspor_files::target::Settings) -> String {
    format!(
        "{} files in {}, closed with {} records, {} bytes or after {:?}{}",
        folder.format,
        folder.dir.display(),
        folder.max_records,
        folder.max_bytes,
        folder.max_age,
        faults(folder.faults())
    )
}

fn words(may_send: &MaySend) -> String {
    let postings = may_send.postings.then_some("posting");
    let receipts = may_send.receipts_of.as_ref().map(|target| format!("receipts of {target}"));
    let words = postings.into_iter().chain(may_send.facts.iter().map(|kind| kind.word())).map(str::to_owned);
    words.chain(receipts).collect::<Vec<_>>().join(", ")
}

fn target(target: &Target) -> String {
    let audience = match target.audience {
        Audience::Ledger => "ledger",
        Audience::Lis => "LIS (pseudonyms, month)",
    };
    let way = match &target.way {
        Way::Amqp(amqp) => self::amqp(amqp),
        Way::Http(http) => self::http(http),
        Way::Folder(folder) => return format!("{audience}, {}{}", outbox(folder), filter(&target.filter)),
        Way::Distributor(to) => format!(
            "the message distributor, exchange {} of {}, message type {}; answered within {:?}",
            to.exchange, to.broker, to.message_type, to.answer_timeout
        ),
    };
    if let Some(Forward { source, carries }) = &target.forwards {
        let place = match carries {
            Carries::G69 { fields, .. } => {
                let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
                format!("fields {}", fields.join(", "))
            }
            Carries::Json => "the member `tag`".to_owned(),
        };
        return format!(
            "{audience}, the postings of {source} as they came, with the tag in {place}, to {way}"
        );
    }
    let answers = target.answers.as_ref().map(|declared| {
        format!(
            "; receipts in answers are read by the {} mapping {}",
            declared.mapping.format(),
            file(&declared.file)
        )
    });
    let answers = answers.unwrap_or_default();
    format!("{audience}, {} to {way}{answers}{}", target.format.name(), filter(&target.filter))
}

/// What a target is given, if that is not everything.
fn filter(filter: &TagFilter) -> String {
    fn words<T>(list: &Option<BTreeSet<T>>, word: impl Fn(&T) -> &str) -> Option<String> {
        list.as_ref().map(|list| list.iter().map(word).collect::<Vec<_>>().join(" or "))
    }
    let lists = [
        ("solution", words(&filter.solutions, |text| text.as_str())),
        ("area", words(&filter.areas, |text| text.as_str())),
        ("side", words(&filter.sides, |side| side.word())),
        ("phase", words(&filter.phases, |phase| phase.word())),
        ("kind", words(&filter.kinds, |kind| kind.map_or(UNMAPPED, CostKind::word))),
    ];
    let lists: Vec<String> =
        lists.into_iter().filter_map(|(what, words)| Some(format!("{what} {}", words?))).collect();
    if lists.is_empty() { String::new() } else { format!("; only {}", lists.join(", ")) }
}

fn file(file: &std::path::Path) -> String {
    format!("{}{}", file.display(), if file.is_file() { "" } else { " (not there now)" })
}

/// Whom a broker is trusted by, and who logs in.
fn login(broker: &Broker) -> String {
    let mut login = String::new();
    let mut say = |what: String| login.push_str(&format!("; {what}"));
    if let Some(ca) = &broker.ca_file {
        say(format!("trusts {}", file(ca)));
    }
    if let Some((certificate, key)) = &broker.client {
        say(format!("shows the certificate {} with the key in {}", file(certificate), secret(key)));
    }
    if let Some(token) = &broker.token {
        let (certificate, key) = &token.client;
        let shows = format!("shows the certificate {} with the key in {}", file(certificate), secret(key));
        say(format!(
            "logs in by a token for {} from {}, which is asked on behalf of CVR {} and {shows}",
            token.entity_id, token.url, token.cvr
        ));
        if let Some(ca) = &token.ca_file {
            say(format!("trusts {} there", file(ca)));
        }
    }
    login
}

fn http(http: &Http) -> String {
    let mut whom = Vec::new();
    if let Some(ca) = &http.ca_file {
        whom.push(format!("trusts {}", file(ca)));
    }
    if let Some((certificate, key)) = &http.client {
        whom.push(format!("shows the certificate {} with the key in {}", file(certificate), secret(key)));
    }
    if let Some(bearer) = &http.bearer {
        whom.push(format!("bearer token in {}", secret(bearer)));
    }
    if http.batch > 1 {
        whom.push(format!("up to {} records and {} bytes a request", http.batch, http.batch_bytes));
    }
    whom.push(format!(
        "connects within {:?}, answered within {:?}",
        http.connect_timeout, http.answer_timeout
    ));
    format!("{}; {}", http.url, whom.join("; "))
}

fn amqp(target: &Amqp) -> String {
    let route = match &target.route {
        Route::Queue(queue) => format!("queue {queue}"),
        Route::Exchange(exchange, key) | Route::Topic(exchange, key) => {
            format!("exchange {exchange} under {key}")
        }
    };
    let unrouted = if target.allow_unrouted { "unrouted is delivered" } else { "unrouted is a failure" };
    format!(
        "{route} of {} ({}); {unrouted}; confirmed within {:?}, {} on their way",
        target.broker,
        made_by(target.topology),
        target.confirm_timeout,
        target.window
    )
}

fn made_by(topology: Topology) -> &'static str {
    match topology {
        Topology::Check => "checked",
        Topology::Declare => "declared",
    }
}
