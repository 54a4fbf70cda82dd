//! Child processes that never outlive this one.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(20);

/// Waits until `ready` answers, and says what it waited for when the time is up.
pub(super) async fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut ready: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ready().await? {
            return Ok(answer);
        }
        if Instant::now() > deadline {
            bail!("waited {} s in vain until {what}", limit.as_secs());
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// A child in a process group, that is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Process(Option<Child>);

impl Process {
    /// Starts it with its output at the end of a file, in a process group of its own or in that of `leader`. Being
    /// apart from this process's group, it does not get the interrupt from the terminal.
    pub(super) fn start(command: &mut Command, output: &Path, leader: Option<&Self>) -> anyhow::Result<Self> {
        let output =
            File::options().create(true).append(true).open(output).context("opening its output file")?;
        let group = leader.and_then(Self::id).map_or(Ok(0), i32::try_from)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(group);
        Ok(Self(Some(
            command
                .spawn()
                .with_context(|| format!("starting {}", command.get_program().to_string_lossy()))?,
        )))
    }

    /// Its process id, unless it was stopped.
    pub(super) fn id(&self) -> Option<u32> {
        self.0.as_ref().map(Child::id)
    }

    /// Whether it is alive.
    pub(super) fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(match &mut self.0 {
            Some(child) => child.try_wait()?,
            None => None,
        })
    }

    /// Asks it to end, waits, and kills it when it does not.
    pub(super) async fn stop(&mut self, limit: Duration) -> anyhow::Result<()> {
        let Some(id) = self.id() else { return Ok(()) };
        Command::new("sh").args(["-c", "kill -s TERM \"$0\"", &id.to_string()]).status()?;
        let ended = wait_until("the process ended", limit, async || self.ended()).await;
        self.kill();
        ended.map(|_| ())
    }

    /// Kills it, and returns when it is gone.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.0.take() {
            // Neither can fail for a child of our own that nobody else waits for.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Lets it live on without this process.
    pub(super) fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Kills a process group, and removes a directory, when this process ends in whatever way: no destructor runs for
/// statics, on an interrupt or on a kill. It reads from a pipe of which only this process holds the other end.
#[derive(Debug)]
pub(super) struct Watchdog(Child);

const WATCH: &str = r#"
trap '' INT HUP TERM
read -r _
kill -s KILL -- "-$0" 2>/dev/null
if [ -n "$1" ]; then rm -rf -- "$1" || rm -rf -- "$1"; fi
"#;

impl Watchdog {
    /// Watches over the process group of `leader`.
    pub(super) fn over(leader: &Process, directory: Option<&Path>) -> anyhow::Result<Self> {
        let group = leader.id().context("the process has ended")?;
        let child = Command::new("sh")
            .args(["-c", WATCH, &group.to_string()])
            .arg(directory.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("starting sh")?;
        Ok(Self(child))
    }
}

impl Drop for Watchdog {
    /// There is nothing to watch over any more.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
