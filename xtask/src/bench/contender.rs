//! The contenders, and how each is started and stopped. All consume from one quorum queue with a prefetch of 1,000 and
//! publish to another, persistent, mandatory and confirmed, and acknowledge what is confirmed.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use samspor_harness::gateway::{Program, Running as Gateway};
use samspor_harness::rabbitmq::Node;
use tokio::process::{Child, Command};

use super::load::Share;
use super::{IN, OUT};
use crate::{broker, build};

/// Who moves messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Contender {
    /// A bare lapin forwarder, which looks at nothing.
    Forwarder,
    /// RabbitMQ's own shovel, which looks at nothing either.
    Shovel,
    /// The gateway, where every posting is tagged.
    Tagged,
    /// The gateway, where every twentieth posting is tagged.
    Twentieth,
    /// What people write by hand: Python with pika, a dictionary, one message after the other.
    Pika,
    /// The same with `FastStream`.
    FastStream,
    /// The same in JavaScript with amqplib, which waits for its confirms beside its work.
    Amqplib,
}

impl Contender {
    pub(super) const ALL: [Self; 7] = [
        Self::Forwarder,
        Self::Shovel,
        Self::Tagged,
        Self::Twentieth,
        Self::Pika,
        Self::FastStream,
        Self::Amqplib,
    ];

    /// By what it is chosen on the command line and named in the figures.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Forwarder => "forwarder",
            Self::Shovel => "shovel",
            Self::Tagged => "tagged",
            Self::Twentieth => "twentieth",
            Self::Pika => "pika",
            Self::FastStream => "faststream",
            Self::Amqplib => "amqplib",
        }
    }

    /// What readers are told that it is.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Forwarder => "bare lapin forwarder",
            Self::Shovel => "RabbitMQ's shovel",
            Self::Tagged => "gateway, every posting tagged",
            Self::Twentieth => "gateway, 5 % tagged",
            Self::Pika => "by hand: pika",
            Self::FastStream => "by hand: FastStream",
            Self::Amqplib => "by hand: amqplib",
        }
    }

    /// Which of its postings are tagged. Those who only forward get the same bodies.
    pub(super) const fn share(self) -> Share {
        match self {
            Self::Twentieth => Share::Twentieth,
            _ => Share::All,
        }
    }

    pub(super) const fn is_gateway(self) -> bool {
        matches!(self, Self::Tagged | Self::Twentieth)
    }

    /// Whether it takes a fraction of the messages, since it is slow.
    pub(super) const fn is_slow(self) -> bool {
        matches!(self, Self::Pika | Self::FastStream)
    }
}

/// A contender at work. Dropped, it is killed.
pub(super) enum Running {
    Gateway(Gateway),
    Program(Child),
    /// It runs within the broker.
    Shovel,
}

impl Running {
    pub(super) fn process(&self) -> Option<u32> {
        match self {
            Self::Gateway(gateway) => gateway.id(),
            Self::Program(child) => child.id(),
            Self::Shovel => None,
        }
    }

    pub(super) async fn stop(self, node: &Node) -> Result<()> {
        match self {
            Self::Gateway(gateway) => {
                ensure!(gateway.stop().await?.success(), "the gateway did not end well")
            }
            Self::Program(mut child) => child.kill().await?,
            Self::Shovel => drop(node.ctl(&["clear_parameter", "shovel", "bench"]).await?),
        }
        Ok(())
    }
}

/// Where contenders live.
pub(super) struct Stage {
    pub(super) dir: PathBuf,
    /// Where the optimised programs lie.
    pub(super) programs: PathBuf,
    pub(super) node: Node,
    pub(super) gateway: Program,
}

impl Stage {
    pub(super) async fn start(&self, contender: Contender) -> Result<Running> {
        let url = self.node.url();
        let by_hand = |program: PathBuf, script: &str| {
            let mut command = Command::new(program);
            command.arg(build::root().join("xtask/src/bench/by_hand").join(script));
            command.args([IN, OUT]).arg(self.dir.join("enrolled.json"));
            command.env("NODE_PATH", self.dir.join("node/node_modules"));
            command
        };
        let mut command = match contender {
            Contender::Tagged | Contender::Twentieth => {
                return Ok(Running::Gateway(self.gateway.start(&self.dir.join("gateway.log"))?));
            }
            Contender::Shovel => {
                let definition = serde_json::json!({
                    "src-protocol": "amqp091", "src-uri": url, "src-queue": IN, "src-prefetch-count": 1000,
                    "dest-protocol": "amqp091", "dest-uri": url, "dest-exchange": "", "dest-exchange-key": OUT,
                    "dest-publish-properties": {"delivery_mode": 2}, "ack-mode": "on-confirm",
                });
                let definition = definition.to_string();
                self.node.ctl(&["set_parameter", "shovel", "bench", &definition]).await?;
                return Ok(Running::Shovel);
            }
            Contender::Forwarder => {
                let mut command = Command::new(self.programs.join("xtask"));
                command.args(["forward", IN, OUT]);
                command
            }
            Contender::Pika => by_hand(self.dir.join("venv/bin/python"), "with_pika.py"),
            Contender::FastStream => by_hand(self.dir.join("venv/bin/python"), "with_faststream.py"),
            Contender::Amqplib => by_hand("node".into(), "with_amqplib.js"),
        };
        let log = std::fs::File::create(self.dir.join(format!("{}.log", contender.name())))?;
        command.env(broker::URL, url).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Running::Program(command.kill_on_drop(true).spawn()?))
    }
}

/// Installs what those that are written by hand are made with, in the benchmark's own folder. An error says why one
/// cannot be measured; the others are all the same.
pub(super) async fn install(contender: Contender, dir: &Path) -> Result<()> {
    let run = async |program: &Path, arguments: &[&str]| -> Result<()> {
        let ran = Command::new(program).args(arguments).stdin(Stdio::null()).output().await;
        let ran = ran.with_context(|| format!("{} is not there", program.display()))?;
        if !ran.status.success() {
            let told = String::from_utf8_lossy(&ran.stderr);
            bail!("{}", told.lines().last().unwrap_or("it could not be installed"));
        }
        Ok(())
    };
    let package = match contender {
        Contender::Pika => "pika==1.*",
        Contender::FastStream => "faststream[rabbit]",
        Contender::Amqplib => {
            let to = dir.join("node");
            let to = to.to_str().context("a folder's name is UTF-8")?;
            return run(Path::new("npm"), &["install", "--silent", "--prefix", to, "amqplib"]).await;
        }
        _ => return Ok(()),
    };
    let venv = dir.join("venv");
    if !venv.exists() {
        let to = venv.to_str().context("a folder's name is UTF-8")?;
        run(Path::new("python3"), &["-m", "venv", to]).await?;
    }
    run(&venv.join("bin/python"), &["-m", "pip", "install", "--quiet", package]).await
}
