//! A gateway on the demo's configuration, with proxies between it and the broker: one before the sources, one before the
//! targets, one before whoever publishes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, OpenFlags};
use samspor_town::source;
use tempfile::TempDir;
use tokio::time::Instant;
use toml::{Table, Value};

use super::LIMIT;
use crate::client::{Client, Kind};
use crate::gateway::{Program, Running};
use crate::proxy::Proxy;
use crate::rabbitmq::Node;
use crate::{ports, receiver};

/// How the queues of the demo's configuration begin.
pub const QUEUE: &str = "samspor.demo.";
/// The ledger's queue.
pub const LEDGER: &str = "samspor.demo.ledger";
/// The queue that gets everything of the leadership-information system's exchange, which has the same name.
pub const LIS: &str = "samspor.demo.lis";
/// The target over HTTP, of a site in business.
pub const ERP: &str = "erp";
/// The month whose books are closed for both ledgers of a site in business, until somebody opens it.
pub const CLOSED: &str = "2025-05";

/// The source of the ledger's receipts, of a site in business.
pub(super) const RECEIPTS: &str = "receipts";
/// How many postings a change may change without being held, of a site in business.
pub(super) const BRAKE: u64 = 3;

/// The file in which the receiver over HTTP writes what it takes.
const BOOK: &str = "erp.ndjson";

/// How often a condition is looked at that nothing announces.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// What a site's configuration says other than the demo's.
#[derive(Debug, Clone)]
pub struct Options {
    /// The heartbeat, in seconds.
    pub heartbeat_s: i64,
    /// How long the broker may take to connect, and to answer, in milliseconds.
    pub patience_ms: i64,
    /// How long it may take to confirm, in milliseconds.
    pub confirm_timeout_ms: i64,
    /// How many postings one transaction decides again, if not as many as by default.
    pub slice_postings: Option<i64>,
    /// Where the store lies, if not in the site's own folder.
    pub store: Option<PathBuf>,
    /// What is logged.
    pub log: &'static str,
    /// Whether its front listens, so that commands reach it; one in business always has one.
    pub front: bool,
    /// Whether it is in business: the ledger gives receipts over a queue, a second ledger over HTTP answers with its own,
    /// a month is closed for both, and a change of more than a few postings is held. By the seed they accept and reject.
    pub business: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            heartbeat_s: 20,
            patience_ms: 20_000,
            confirm_timeout_ms: 120_000,
            slice_postings: None,
            store: None,
            log: "info",
            front: false,
            business: None,
        }
    }
}

/// A gateway's place: its folder, its queues, and the proxies around it.
#[derive(Debug)]
pub struct Site {
    dir: TempDir,
    store: PathBuf,
    options: Options,
    erp: Option<Erp>,
    /// Where the gateway's front listens; with 0 nobody knows.
    front: u16,
    /// The broker and virtual host, past all proxies.
    pub url: String,
    /// The gateway's program.
    pub program: Program,
    /// Between the broker and the sources.
    pub inlet: Proxy,
    /// Between the broker and the targets.
    pub outlet: Proxy,
    /// Between the broker and whoever publishes.
    pub feeder: Proxy,
}

/// The receiver over HTTP.
#[derive(Debug)]
struct Erp {
    receiver: receiver::Receiver,
    certificates: receiver::Certificates,
}

/// The project's root.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).map_or_else(|| own.to_owned(), Path::to_owned)
}

/// The demo's configuration, with the targets on a broker of their own and the options' numbers.
fn configuration(
    options: &Options,
    store: &Path,
    front: u16,
    erp: Option<&Erp>,
    is_closed: bool,
) -> Result<String> {
    let mut config: Table = std::fs::read_to_string(root().join("config/demo.toml"))?.parse()?;
    let text = |path: &Path| Value::String(path.to_string_lossy().into_owned());
    let mut set = |section: &str, key: &str, value: Value| -> Result<()> {
        let table = config.get_mut(section).and_then(Value::as_table_mut);
        table.with_context(|| format!("the demo has a [{section}]"))?.insert(key.to_owned(), value);
        Ok(())
    };
    set("store", "dir", text(store))?;
    set("store", "withdrawals_file", Value::String("withdrawals.ndjson".into()))?;
    set("vault", "master_key_file", Value::String("master.key".into()))?;
    set("charts", "dir", text(&root().join("config/charts")))?;
    set("grpc", "listen", Value::String(format!("127.0.0.1:{front}")))?;
    let broker = |variable: &str| {
        Value::Table(Table::from_iter([
            ("url_env".to_owned(), Value::String(variable.to_owned())),
            ("heartbeat_s".to_owned(), Value::Integer(options.heartbeat_s)),
            ("connect_timeout_ms".to_owned(), Value::Integer(options.patience_ms)),
            ("request_timeout_ms".to_owned(), Value::Integer(options.patience_ms)),
        ]))
    };
    set("brokers", "main", broker("SAMSPOR_AMQP_URL"))?;
    set("brokers", "out", broker("SAMSPOR_OUT_URL"))?;
    for target in config.get_mut("targets").and_then(Value::as_array_mut).into_iter().flatten() {
        let amqp = target.get_mut("amqp").and_then(Value::as_table_mut).context("a target has [amqp]")?;
        amqp.insert("broker".into(), Value::String("out".into()));
        amqp.insert("confirm_timeout_ms".into(), Value::Integer(options.confirm_timeout_ms));
    }
    let mut engine = Table::new();
    engine.extend(options.slice_postings.map(|postings| ("slice_postings".to_owned(), postings.into())));
    if let Some(erp) = erp {
        engine.insert("brake_postings".into(), i64::try_from(BRAKE)?.into());
        in_business(&mut config, erp, is_closed)?;
    }
    config.insert("engine".into(), engine.into());
    Ok(toml::to_string(&config)?)
}

/// Adds the receipts, the second ledger and the closed month.
fn in_business(config: &mut Table, erp: &Erp, is_closed: bool) -> Result<()> {
    let mut add = |section: &str, text: String| -> Result<()> {
        let entries = config.get_mut(section).and_then(Value::as_array_mut);
        entries.with_context(|| format!("the demo has [[{section}]]"))?.push(text.parse::<Table>()?.into());
        Ok(())
    };
    add(
        "sources",
        format!(
            "name = \"{RECEIPTS}\"\nformat = \"json\"\nreceipts_of = \"ledger\"\n[amqp]\nbroker = \"main\"\n\
             queue = \"{QUEUE}{RECEIPTS}\"\nqueue_type = \"quorum\"\ntopology = \"declare\"\n"
        ),
    )?;
    let ca = erp.certificates.path("ca.pem");
    add(
        "targets",
        format!(
            "name = \"{ERP}\"\naudience = \"ledger\"\nformat = \"json\"\n[http]\nurl = \"{}\"\nca_file = {ca:?}\n\
             [delivery]\nretry_from_ms = 10\nretry_to_ms = 200\n",
            erp.receiver.url()
        ),
    )?;
    for target in config.get_mut("targets").and_then(Value::as_array_mut).into_iter().flatten() {
        let target = target.as_table_mut().context("a target is a table")?;
        if target.get("audience").and_then(Value::as_str) == Some("ledger") {
            target.insert("receipts".into(), Table::new().into());
            let closed = is_closed.then(|| Value::String(CLOSED.into()));
            target.insert("closed_months".into(), Value::Array(closed.into_iter().collect()));
        }
    }
    Ok(())
}

impl Erp {
    async fn start(book: &Path, seed: u64) -> Result<Self> {
        let certificates = receiver::Certificates::make().await?;
        let settings = receiver::Settings { tls: Some(&certificates), ..receiver::Settings::default() };
        let receiver = receiver::Receiver::start_with_book(settings, book, seed).await?;
        Ok(Self { receiver, certificates })
    }
}

impl Site {
    /// A place on a virtual host of its own, with nothing in it yet.
    pub async fn new(binary: &Path, node: &Node, options: &Options) -> Result<Self> {
        let url = node.vhost().await?;
        let dir = tempfile::tempdir()?;
        let store = options.store.clone().unwrap_or_else(|| dir.path().join("store"));
        std::fs::write(dir.path().join("master.key"), "5a".repeat(32))?;
        let config = dir.path().join("gateway.toml");
        let erp = match options.business {
            Some(seed) => Some(Erp::start(&dir.path().join(BOOK), seed).await?),
            None => None,
        };
        let front = if options.front || erp.is_some() { ports::free::<1>()?[0] } else { 0 };
        std::fs::write(&config, configuration(options, &store, front, erp.as_ref(), true)?)?;
        let proxy = || Proxy::start(node.address());
        let (inlet, outlet, feeder) = (proxy().await?, proxy().await?, proxy().await?);
        let environment = vec![
            ("SAMSPOR_AMQP_URL".into(), inlet.url(&url)),
            ("SAMSPOR_OUT_URL".into(), outlet.url(&url)),
            ("SAMSPOR_LOG".into(), options.log.into()),
        ];
        let program = Program { binary: binary.to_owned(), config, environment };
        Ok(Self { dir, store, options: options.clone(), erp, front, url, program, inlet, outlet, feeder })
    }

    /// Of a site in business: the seed by which its ledgers accept and reject, and what that over HTTP has written.
    pub(super) fn business(&self) -> Option<(u64, PathBuf)> {
        self.options.business.map(|seed| (seed, self.dir.path().join(BOOK)))
    }

    /// Every source, that of the receipts too.
    fn sources(&self) -> impl Iterator<Item = &'static str> {
        source::ALL.into_iter().chain(self.options.business.map(|_| RECEIPTS))
    }

    /// Opens the closed month in the configuration, which the gateway has yet to read.
    pub fn open_month(&self) -> Result<()> {
        let opened = configuration(&self.options, &self.store, self.front, self.erp.as_ref(), false)?;
        Ok(std::fs::write(&self.program.config, opened)?)
    }

    /// Puts another master key in the place of the one that the gateway had, which it has to start with once more.
    pub fn change_master_key(&self, number: usize) -> Result<()> {
        std::fs::copy(self.beside("master.key"), self.beside("previous.key"))?;
        std::fs::write(self.beside("master.key"), format!("{number:02x}").repeat(32))?;
        let mut config: Table = std::fs::read_to_string(&self.program.config)?.parse()?;
        let vault = config.get_mut("vault").and_then(Value::as_table_mut).context("there is a [vault]")?;
        vault.insert("previous_master_key_file".into(), Value::String("previous.key".into()));
        Ok(std::fs::write(&self.program.config, toml::to_string(&config)?)?)
    }

    /// Whether keys are being replaced, as the store has it.
    pub fn is_rekeying(&self) -> Result<bool> {
        let sql = "SELECT count(*) FROM meta WHERE key = 'rekeying' AND length(value) > 0";
        Ok(self.look_into_store()?.query_row(sql, [], |row| row.get::<_, i64>(0))? > 0)
    }

    /// How many rows hold anything that is under other keys than those of a generation. What is looked at is every column of
    /// keyed hashes or sealed bytes, as the schema has them.
    pub fn under_older_keys(&self, generation: usize) -> Result<usize> {
        let store = self.look_into_store()?;
        let mut tables = store.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
        let tables: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut left = 0;
        for table in tables {
            let mut columns = store.prepare("SELECT name FROM pragma_table_info(?)")?;
            let columns: Vec<String> =
                columns.query_map([&table], |row| row.get(0))?.collect::<Result<_, _>>()?;
            for column in columns {
                let sealed = match (table.as_str(), column.as_str()) {
                    ("person" | "filter_key" | "audit", "sealed")
                    | ("feed", "payload")
                    | ("handed", "receipt")
                    | ("fact_version" | "quarantine" | "forward", "body")
                    | ("forward", "tag") => true,
                    ("filter_key", "generation")
                    | ("person" | "fact" | "purged" | "quarantine" | "audit_subject", "key") => false,
                    _ => continue,
                };
                let is_older = if sealed {
                    format!("{column} IS NOT NULL AND substr({column}, 1, 1) <> x'{generation:02x}'")
                } else {
                    format!("{column} <> {generation}")
                };
                let sql = format!("SELECT count(*) FROM {table} WHERE {is_older}");
                left += usize::try_from(store.query_row(&sql, [], |row| row.get::<_, i64>(0))?)?;
            }
        }
        Ok(left)
    }

    /// How many items of the town have come in; receipts are none.
    pub async fn received(&self) -> Result<u64> {
        let balance = self.program.balance().await?;
        let rows = balance["items"].as_array().context("the balance has items")?.iter();
        let rows = rows.filter(|row| row["source"] != RECEIPTS);
        Ok(rows.filter_map(|row| row["outcomes"]["received"].as_u64()).sum())
    }

    /// Where the store lies.
    #[must_use]
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// A place for something beside the store.
    #[must_use]
    pub fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The store's database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.store.join("samspor.sqlite")
    }

    /// What the gateway has logged.
    pub fn logged(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(self.log())?).into_owned())
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("gateway.log")
    }

    /// Starts the gateway, without waiting for anything.
    pub fn launch(&self) -> Result<Running> {
        self.program.start(&self.log())
    }

    /// Starts the gateway and waits until its queues are there, that of the LIS bound to its exchange.
    pub async fn start(&self) -> Result<Running> {
        let mut running = self.launch()?;
        let client = Client::connect(&self.url).await?;
        client.declare(LIS, Kind::Quorum).await?;
        let deadline = Instant::now() + LIMIT;
        let queues = self.sources().chain(["ledger"]).map(|name| format!("{QUEUE}{name}"));
        for queue in queues {
            while client.count(&queue).await.is_err() {
                running.still_runs()?;
                ensure!(Instant::now() < deadline, "the gateway did not declare {queue}");
                tokio::time::sleep(LOOK).await;
            }
        }
        while client.bind(LIS, LIS, "#").await.is_err() {
            running.still_runs()?;
            ensure!(Instant::now() < deadline, "the gateway did not declare its exchange");
            tokio::time::sleep(LOOK).await;
        }
        Ok(running)
    }

    /// Waits until a gateway that was killed has left nothing on the wire.
    pub async fn wait_until_gone(&self) -> Result<()> {
        self.inlet.wait_for_connections(0, LIMIT).await?;
        self.outlet.wait_for_connections(0, LIMIT).await
    }

    /// Waits until both targets are ready to publish.
    pub async fn wait_for_targets(&self) -> Result<()> {
        let ready =
            self.outlet.wait_for_traffic("the targets are connected", LIMIT, |now| now.confirming >= 2);
        ready.await.map(drop)
    }

    /// Waits until nothing is left to do, as far as store and wire tell: no message waits or is unacknowledged, nothing is
    /// to be decided again, and every target is connected, with its cursor at the end of the feed.
    pub async fn wait_until_idle(&self, running: &mut Running) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        loop {
            running.still_runs()?;
            // While a broker comes back there is nobody to ask.
            let left = match self.left().await {
                Ok(left) if left.is_empty() => return Ok(()),
                Ok(left) => left,
                Err(error) => format!("{error:#}"),
            };
            ensure!(Instant::now() < deadline, "waited {LIMIT:?} for the end of the work: {left}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The same, and the broker says so too.
    pub async fn wait_until_done(&self, node: &Node, running: &mut Running) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        loop {
            self.wait_until_idle(running).await?;
            let held = node.unacknowledged(&self.url).await?;
            if held == 0 && self.left().await?.is_empty() {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "waited {LIMIT:?}, and {held} messages are unacknowledged");
        }
    }

    /// What is left to do, in words.
    async fn left(&self) -> Result<String> {
        let left = self.left_to_take_in().await?;
        if !left.is_empty() {
            return Ok(left);
        }
        let (behind, traffic) = (self.behind_all()?, self.outlet.traffic());
        Ok(match (behind, traffic.unconfirmed, traffic.confirming) {
            (0, 0, 2..) => String::new(),
            (_, held, connected) => {
                format!("{connected} targets are connected, {behind} records behind, {held} unconfirmed")
            }
        })
    }

    /// How many messages wait in the sources' queues.
    pub async fn left_in_queues(&self) -> Result<usize> {
        let client = Client::connect(&self.url).await?;
        let mut waiting = 0;
        for source in self.sources() {
            waiting += client.count(&format!("{QUEUE}{source}")).await? as usize;
        }
        Ok(waiting)
    }

    /// What is left to take in or to decide, in words.
    pub async fn left_to_take_in(&self) -> Result<String> {
        let waiting = self.left_in_queues().await?;
        if waiting > 0 {
            return Ok(format!("{waiting} messages wait for the gateway"));
        }
        let (held, work) = (self.inlet.traffic().unacknowledged, self.work_left()?);
        Ok(match (held, work) {
            (0, 0) => String::new(),
            _ => format!("{held} messages are unacknowledged, {work} things are to be decided again"),
        })
    }

    fn number(&self, sql: &str) -> Result<usize> {
        let number: i64 = self.look_into_store()?.query_row(sql, [], |row| row.get(0))?;
        Ok(usize::try_from(number)?)
    }

    /// How many things on the work list are to be done; what is held waits for somebody.
    pub fn work_left(&self) -> Result<usize> {
        self.number("SELECT count(*) FROM work WHERE phase <> 2")
    }

    /// How many records the cursors of all targets over the broker together have before them.
    pub fn behind(&self) -> Result<usize> {
        self.behind_of("t.name <> 'erp'")
    }

    fn behind_all(&self) -> Result<usize> {
        self.behind_of("true")
    }

    fn behind_of(&self, targets: &str) -> Result<usize> {
        self.number(&format!(
            "SELECT count(*) FROM target t JOIN feed f ON f.seq > t.cursor \
             WHERE {targets} AND f.revision = (SELECT max(revision) FROM feed g WHERE g.posting = f.posting)"
        ))
    }

    /// How many records are parked.
    pub fn parked(&self) -> Result<usize> {
        self.number("SELECT count(*) FROM parked")
    }

    /// The number of the last record of the feed.
    pub fn last_record(&self) -> Result<usize> {
        self.number("SELECT coalesce(max(seq), 0) FROM feed")
    }

    /// The store's database, for looking only.
    pub fn look_into_store(&self) -> Result<Connection> {
        let store = Connection::open_with_flags(self.database(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        store.busy_timeout(LIMIT)?;
        store.execute_batch("PRAGMA query_only = ON")?;
        Ok(store)
    }

    /// Writes all of the store's log into its database, and makes the log an empty file.
    pub async fn truncate_log(&self) -> Result<()> {
        let store = Connection::open_with_flags(self.database(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        store.busy_timeout(LIMIT)?;
        let deadline = Instant::now() + LIMIT;
        while store.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))? != 0 {
            ensure!(Instant::now() < deadline, "the store's log cannot be truncated");
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Takes the store's write lock and holds it until what it returns is dropped: no commit gets through.
    pub fn lock_store(&self) -> Result<Connection> {
        let lock = Connection::open_with_flags(self.database(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        lock.busy_timeout(LIMIT)?;
        lock.execute_batch("BEGIN IMMEDIATE")?;
        Ok(lock)
    }

    /// The final state of every posting, a line each, by a replay of nothing on the store. No gateway may run on it.
    pub async fn states(&self) -> Result<Vec<String>> {
        let empty = self.dir.path().join("empty.ndjson");
        std::fs::write(&empty, "")?;
        let (store, empty) = (self.store.to_string_lossy(), empty.to_string_lossy());
        let printed = self.program.run(&["replay"], &["--data-dir", &store, &empty], &[0, 3]).await?;
        Ok(printed.lines().map(str::to_owned).collect())
    }
}
