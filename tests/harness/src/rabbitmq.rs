//! Private RabbitMQ nodes, from the server that the machine has installed.

mod files;
mod install;
mod node;
mod process;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::sync::OnceCell;

pub use install::{InstallError, install};
pub use node::{LeftRunning, Node, Options};

/// The scripts of an installed RabbitMQ server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Starts a node in the foreground.
    program: PathBuf,
    /// Commands a node.
    ctl: PathBuf,
}

/// Where the server's own scripts lie. Debian's `/usr/sbin/rabbitmq-server` is none of them: it insists on the user
/// `rabbitmq`.
const SCRIPTS: [&str; 4] = [
    "/usr/lib/rabbitmq/bin",
    "/opt/rabbitmq/sbin",
    "/opt/homebrew/opt/rabbitmq/sbin",
    "/usr/local/opt/rabbitmq/sbin",
];

/// The installed server, if there is one.
#[must_use]
pub fn find() -> Option<Server> {
    SCRIPTS.iter().map(Path::new).find_map(|dir| {
        let server = Server { program: dir.join("rabbitmq-server"), ctl: dir.join("rabbitmqctl") };
        (server.program.is_file() && server.ctl.is_file()).then_some(server)
    })
}

/// One node for all tests of this process, started when the first of them asks. It ends with the process, and its files
/// go with it. Tests keep apart by [`Node::vhost`].
pub async fn shared() -> anyhow::Result<&'static Node> {
    static SHARED: OnceCell<Node> = OnceCell::const_new();
    SHARED
        .get_or_try_init(|| Node::temporary(Options::default()))
        .await
        .context("starting the tests' RabbitMQ node")
}
