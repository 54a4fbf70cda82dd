//! The gateway's own program, run as its users run it: started, stopped, killed, asked for its balance.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

/// How long a gateway may take to end by itself, above its own deadline.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// How often its balance is looked at while something is awaited.
const LOOK: Duration = Duration::from_millis(100);

/// A program, with a configuration and what its environment must hold.
#[derive(Debug, Clone)]
pub struct Program {
    /// The built binary.
    pub binary: PathBuf,
    /// Its configuration.
    pub config: PathBuf,
    /// Its environment, on top of this process's.
    pub environment: Vec<(String, String)>,
}

/// A running gateway. Dropped, it is killed.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Program {
    fn command(&self, verb: &[&str], more: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(verb).arg("--config").arg(&self.config).args(more).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.kill_on_drop(true);
        command
    }

    /// Starts the gateway. What it logs is appended to a file.
    pub fn start(&self, log: &Path) -> anyhow::Result<Running> {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = self.command(&["serve"], &[]);
        let child = command.stdout(file.try_clone()?).stderr(file).spawn();
        let child = child.with_context(|| format!("cannot start {}", self.binary.display()))?;
        Ok(Running { child, log: log.to_owned() })
    }

    /// Runs a command to its end, and gives its standard output. `codes` are the exit codes that are as they should be.
    pub async fn run(&self, verb: &[&str], more: &[&str], codes: &[i32]) -> anyhow::Result<String> {
        let output = self.command(verb, more).output().await?;
        let code = output.status.code();
        ensure!(
            code.is_some_and(|code| codes.contains(&code)),
            "samspor {} ended with {}: {}",
            verb.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The balance, as `samspor reconcile --json` gives it.
    pub async fn balance(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.run(&["reconcile"], &["--json"], &[0]).await?)?)
    }

    /// How many items have come in, over all sources and months.
    pub async fn received(&self) -> anyhow::Result<u64> {
        let balance = self.balance().await?;
        let rows = balance["items"].as_array().context("the balance has items")?;
        Ok(rows.iter().filter_map(|row| row["outcomes"]["received"].as_u64()).sum())
    }

    /// Waits until so many items have come in, telling of the way there.
    pub async fn wait_for_received(
        &self,
        running: &mut Running,
        count: u64,
        limit: Duration,
        mut progress: impl FnMut(u64),
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            running.still_runs()?;
            // Until the store is made there is no balance to read.
            let now = self.received().await.unwrap_or(0);
            progress(now);
            if now == count {
                return Ok(());
            }
            ensure!(now < count, "{count} items were sent, and {now} came in");
            ensure!(Instant::now() < deadline, "waited {limit:?} for {count} items, and {now} came in");
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Running {
    /// Whether it still runs; if not, the error holds its last words.
    pub fn still_runs(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(8).collect();
            bail!(
                "the gateway ended with {status}:\n{}",
                last.into_iter().rev().collect::<Vec<_>>().join("\n")
            );
        }
        Ok(())
    }

    /// The number of its process.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks it to read its configuration again.
    pub async fn hang_up(&mut self) -> anyhow::Result<()> {
        self.signal("-HUP").await
    }

    /// Asks it to end, as a service manager does, and waits until it has.
    pub async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        self.signal("-TERM").await?;
        let ended = timeout(STOP_LIMIT, self.child.wait()).await;
        Ok(ended.context("the gateway did not end in time")??)
    }

    /// Stops it in the middle of whatever it does, until it is thawed or killed.
    pub async fn freeze(&mut self) -> anyhow::Result<()> {
        self.signal("-STOP").await
    }

    /// Lets it go on from where it was frozen.
    pub async fn thaw(&mut self) -> anyhow::Result<()> {
        self.signal("-CONT").await
    }

    async fn signal(&mut self, signal: &str) -> anyhow::Result<()> {
        self.still_runs()?;
        let id = self.id().context("it runs, so it has a number")?;
        let sent = Command::new("kill").args([signal, &id.to_string()]).status().await?;
        ensure!(sent.success(), "the gateway cannot be sent the signal {signal}");
        Ok(())
    }

    /// Waits until it ends by itself: its exit code.
    pub async fn wait(mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        Ok(timeout(limit, self.child.wait()).await.context("the gateway did not end in time")??)
    }

    /// Kills it, as a power cut would.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Lets it run on when this process ends.
    #[must_use]
    pub fn leave_running(self) -> Option<u32> {
        let id = self.child.id();
        std::mem::forget(self.child); // Dropping it would kill the process.
        id
    }
}
