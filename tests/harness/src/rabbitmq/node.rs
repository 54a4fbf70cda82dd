//! One private node: started, stopped, killed and restarted at will.

use std::collections::VecDeque;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use super::files::{Files, USER};
use super::process::{Process, Watchdog, wait_until};
use super::{Server, find};
use crate::client::Client;

/// How long a node may take to start, on a machine that builds and tests other things meanwhile.
const START_LIMIT: Duration = Duration::from_secs(180);
/// How long a node may take to stop by itself.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// How many virtual hosts one call of `rabbitmqctl` makes; a call costs more than a virtual host.
const VHOSTS_AT_ONCE: usize = 16;

/// What a node can have beyond the bare broker.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Plugins, such as `rabbitmq_shovel` and `rabbitmq_consistent_hash_exchange`.
    pub plugins: Vec<String>,
    /// Further lines of `rabbitmq.conf`.
    pub configuration: Vec<String>,
    /// A folder with `ca.pem`, `server.pem` and `server.key`. With it the node listens over TLS too, to those of that
    /// authority.
    pub certificates: Option<PathBuf>,
}

impl Options {
    pub(super) fn all_plugins(&self) -> Vec<&str> {
        let external = self.certificates.as_ref().map(|_| "rabbitmq_auth_mechanism_ssl");
        self.plugins.iter().map(String::as_str).chain(external).collect()
    }
}

/// A private RabbitMQ node with its own ports, data, name, cookie and logs. Dropped, or when this process ends in
/// whatever way, it is killed.
#[derive(Debug)]
pub struct Node {
    server: Server,
    files: Files,
    // Dropped in this order: the node before the port mapper that it is known to, and both before their watchdog.
    node: Option<Process>,
    mapper: Process,
    watchdog: Watchdog,
    scratch: Option<TempDir>,
    vhosts: Mutex<VecDeque<String>>,
    vhosts_made: AtomicUsize,
}

/// A node that lives on; its `Display` is the command that ends it.
#[derive(Debug, Clone)]
pub struct LeftRunning {
    processes: Vec<u32>,
    /// Where its data and logs lie.
    pub home: PathBuf,
}

impl fmt::Display for LeftRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("kill")?;
        self.processes.iter().try_for_each(|id| write!(f, " {id}"))
    }
}

/// The directory that Cargo builds in, found by its tag; the machine's temporary directory when run from elsewhere.
fn build_directory() -> PathBuf {
    let tagged = |dir: &&Path| dir.join("CACHEDIR.TAG").is_file();
    let program = std::env::current_exe().unwrap_or_default();
    program.ancestors().find(tagged).map_or_else(std::env::temp_dir, Path::to_owned)
}

impl Node {
    /// Starts a new node with everything of its in `home`, which must be empty or not there yet. Returns when it takes
    /// AMQP connections.
    pub async fn start(home: &Path, options: Options) -> anyhow::Result<Self> {
        Self::start_in(home, options, None).await
    }

    /// Starts a new node in a directory of its own below Cargo's build directory, which goes with it.
    pub async fn temporary(options: Options) -> anyhow::Result<Self> {
        let parent = build_directory().join("harness");
        std::fs::create_dir_all(&parent).with_context(|| format!("making {}", parent.display()))?;
        let scratch = tempfile::Builder::new().prefix("rabbitmq-").tempdir_in(&parent)?;
        let home = scratch.path().to_owned();
        Self::start_in(&home, options, Some(scratch)).await
    }

    async fn start_in(home: &Path, options: Options, scratch: Option<TempDir>) -> anyhow::Result<Self> {
        let server = find().context(
            "RabbitMQ is not installed: `cargo xtask test` and `cargo xtask demo` install it, or install your \
             system's package rabbitmq-server",
        )?;
        let files = Files::create(home, &options)?;
        let mapper = Process::start(&mut files.mapper(), &files.output(), None)
            .context("starting epmd, which comes with Erlang")?;
        let watchdog = Watchdog::over(&mapper, scratch.as_ref().map(TempDir::path))?;
        let (vhosts, vhosts_made) = (Mutex::default(), AtomicUsize::default());
        let mut node = Self { server, files, node: None, mapper, watchdog, scratch, vhosts, vhosts_made };
        node.restart().await?;
        Ok(node)
    }

    /// Starts the node that was stopped or killed, on the same ports and data; a running one is stopped first.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        // Without the port mapper, the node would start one of its own, which nobody stops.
        let mapper = SocketAddr::from((Ipv4Addr::LOCALHOST, self.files.mapper));
        wait_until("the port mapper listens", STOP_LIMIT, async || {
            ensure!(self.mapper.ended()?.is_none(), "epmd ended: {}", self.files.last_words());
            Ok(TcpStream::connect(mapper).await.ok())
        })
        .await?;
        let command = &mut self.files.node(&self.server);
        let mut process = Process::start(command, &self.files.output(), Some(&self.mapper))?;
        let url = self.url();
        let up = wait_until("the node takes connections", START_LIMIT, async || {
            if let Some(status) = process.ended()? {
                bail!("the node ended with {status}");
            }
            let listens = TcpStream::connect(self.address()).await.is_ok();
            // It listens before it is ready: it is when it lets someone in.
            Ok(if listens { Client::connect(&url).await.ok() } else { None })
        });
        up.await.with_context(|| format!("its last words:\n{}", self.files.last_words()))?;
        self.node = Some(process);
        Ok(())
    }

    /// Stops the node as a service manager would; data and ports stay its own.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        match self.node.take() {
            Some(mut node) => node.stop(STOP_LIMIT).await.context("stopping the node"),
            None => Ok(()),
        }
    }

    /// Kills the node as a power cut would, and returns when it is gone; data and ports stay its own.
    ///
    /// First the node writes out which queues it has. RabbitMQ 3.10 does that up to 3 s late (the write cache of the
    /// `dets` tables of its Raft library), and a quorum queue that it has forgotten comes back empty and without a
    /// leader: a loss of the broker's that no client can do anything about.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        if self.node.is_some() {
            self.eval("[ok = dets:sync(T) || T <- dets:all()].").await?;
        }
        self.node = None;
        Ok(())
    }

    /// Stops the node in the middle of whatever it does: it holds its connections and answers nobody.
    pub async fn freeze(&self) -> anyhow::Result<()> {
        self.signal("-STOP").await
    }

    /// Lets it go on from where it was frozen.
    pub async fn thaw(&self) -> anyhow::Result<()> {
        self.signal("-CONT").await
    }

    async fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let id = self.node.as_ref().and_then(Process::id).context("the node does not run")?;
        let mut kill = tokio::process::Command::new("kill");
        ensure!(
            kill.args([signal, &id.to_string()]).status().await?.success(),
            "the node cannot be sent the signal {signal}"
        );
        Ok(())
    }

    /// How many messages consumers of the queues of a virtual host hold without having acknowledged them, as the queues
    /// themselves know it. (What `list_queues` shows of quorum queues is some seconds old.)
    pub async fn unacknowledged(&self, url: &str) -> anyhow::Result<usize> {
        let vhost = url.rsplit('/').next().unwrap_or_default().replace("%2f", "/");
        let text = self
            .eval(&format!(
                "lists:sum([case amqqueue:get_type(Q) of rabbit_quorum_queue -> {{ok, {{_, M}}, _}} = \
                 ra:leader_query(amqqueue:get_pid(Q), fun rabbit_fifo:query_messages_checked_out/1), \
                 if is_map(M) -> maps:size(M); true -> M end; \
                 _ -> [{{messages_unacknowledged, N}}] = rabbit_classic_queue:info(Q, [messages_unacknowledged]), N \
                 end || Q <- rabbit_amqqueue:list(<<\"{vhost}\">>)])."
            ))
            .await?;
        text.trim().parse().with_context(|| format!("reading how many are unacknowledged: {text}"))
    }

    /// Lets the node live on without this process. A temporary one stays in its directory.
    #[must_use = "it says how to end the node"]
    pub fn leave_running(self) -> LeftRunning {
        let left = LeftRunning {
            processes: self.node.iter().chain([&self.mapper]).filter_map(Process::id).collect(),
            home: self.files.home.clone(),
        };
        drop(self.watchdog);
        if let Some(node) = self.node {
            node.leave();
        }
        self.mapper.leave();
        if let Some(scratch) = self.scratch {
            let _ = scratch.keep();
        }
        left
    }

    /// Where the node takes AMQP connections.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.files.amqp))
    }

    /// The URL of its default virtual host over TLS, where nobody's name and password stand in it.
    #[must_use]
    pub fn tls_url(&self) -> String {
        format!("amqps://127.0.0.1:{}/%2f", self.files.tls)
    }

    /// Where its data and logs lie.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.files.home
    }

    /// The URL of its default virtual host, with the password.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("%2f")
    }

    /// The URL of its management interface, with the password of an administrator; it answers where the plugin
    /// `rabbitmq_management` is among its options.
    #[must_use]
    pub fn management_url(&self) -> String {
        format!("http://{USER}:{}@127.0.0.1:{}", self.files.password, self.files.management)
    }

    fn url_of(&self, vhost: &str) -> String {
        format!("amqp://{USER}:{}@{}/{vhost}", self.files.password, self.address())
    }

    /// The URL of a virtual host that nobody else has.
    pub async fn vhost(&self) -> anyhow::Result<String> {
        let mut waiting = self.vhosts.lock().await;
        if waiting.is_empty() {
            let first = self.vhosts_made.fetch_add(VHOSTS_AT_ONCE, Ordering::Relaxed);
            let names: Vec<String> = (first..first + VHOSTS_AT_ONCE).map(|n| format!("v{n}")).collect();
            let list = names.iter().map(|name| format!("<<\"{name}\">>")).collect::<Vec<_>>().join(",");
            self.eval(&format!(
                "U = <<\"{USER}\">>, A = <<\".*\">>, [begin ok = rabbit_vhost:add(V, U), \
                 ok = rabbit_auth_backend_internal:set_permissions(U, V, A, A, A, U) end || V <- [{list}]]."
            ))
            .await
            .context("making virtual hosts")?;
            waiting.extend(names);
        }
        Ok(self.url_of(&waiting.pop_front().unwrap_or_default()))
    }

    /// Runs `rabbitmqctl` on the node and returns what it prints.
    pub async fn ctl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = tokio::process::Command::from(self.files.ctl(&self.server));
        let output = command.arg("--quiet").args(arguments).kill_on_drop(true).output().await?;
        let (text, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "rabbitmqctl {}: {text}{errors}", arguments.join(" "));
        Ok(text.into_owned())
    }

    /// Evaluates an Erlang expression on the node.
    pub async fn eval(&self, expression: &str) -> anyhow::Result<String> {
        self.ctl(&["eval", expression]).await
    }

    /// How many connections the broker holds.
    pub async fn connections(&self) -> anyhow::Result<usize> {
        let text = self.eval("length(rabbit_networking:connections()).").await?;
        text.trim().parse().context("reading the number of connections")
    }
}
