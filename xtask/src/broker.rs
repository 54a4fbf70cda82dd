//! The broker: the one that the environment names, or a private node.

use std::io::{IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use samspor_harness::rabbitmq::{self, Node, Options};

/// The variable that names a broker.
pub(crate) const URL: &str = "SAMSPOR_AMQP_URL";

/// The broker that the environment names.
#[expect(
    clippy::disallowed_methods,
    reason = "the project's commands have no configuration but this variable"
)]
pub(crate) fn named() -> Option<String> {
    std::env::var(URL).ok()
}

/// A broker to work with.
pub(crate) enum Broker {
    /// Somebody else's, at this URL.
    Named(String),
    /// Our own.
    Private(Box<Node>),
}

impl Broker {
    /// The broker that the environment names, or a private node with its data in `home`.
    pub(crate) async fn open(home: &Path, yes: bool, say: impl Fn(&str)) -> Result<Self> {
        if let Some(url) = named() {
            say(&format!("using the broker that {URL} names"));
            return Ok(Self::Named(url));
        }
        ensure_installed(yes)?;
        say("starting a private RabbitMQ node");
        if home.exists() {
            std::fs::remove_dir_all(home).with_context(|| format!("cannot empty {}", home.display()))?;
        }
        Ok(Self::Private(Box::new(Node::start(home, Options::default()).await?)))
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Named(url) => url.clone(),
            Self::Private(node) => node.url(),
        }
    }
}

/// Installs Debian's RabbitMQ where it is missing: asks first on a terminal, unless told not to.
pub(crate) fn ensure_installed(yes: bool) -> Result<()> {
    if rabbitmq::find().is_some() {
        return Ok(());
    }
    println!(
        "RabbitMQ is not installed. Its package, rabbitmq-server, can be installed now (about 60 MB; its service is not started)."
    );
    if !yes && std::io::stdin().is_terminal() {
        print!("Install it? [Y/n] ");
        std::io::stdout().flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        if !matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes" | "j" | "ja") {
            bail!("not installed. {}", otherwise());
        }
    }
    let spinner = indicatif::ProgressBar::new_spinner();
    spinner.enable_steady_tick(std::time::Duration::from_millis(120));
    let installed = rabbitmq::install(|line| spinner.set_message(line.to_owned()));
    spinner.finish_and_clear();
    installed.with_context(otherwise)?;
    println!("RabbitMQ is installed.");
    Ok(())
}

fn otherwise() -> String {
    format!(
        "Install the package rabbitmq-server yourself, or run a broker with `docker compose -f docker/compose.yaml up -d` \
         and name it in {URL} (docker/README.md says how)."
    )
}
