//! Installing Debian's RabbitMQ server without letting it run as a service.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Server, find};

/// Why the server could not be installed, and what to do about it.
#[derive(Debug)]
pub enum InstallError {
    /// The system has no `apt-get`.
    NoApt,
    /// The user may not install packages, and `sudo` would ask for a password.
    NotRoot,
    /// `apt-get` failed: without a network, or without the package.
    Failed {
        /// The end of what it said.
        last_words: String,
    },
}

impl std::fmt::Display for InstallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const ELSE: &str = "start a broker with `docker compose -f docker/compose.yaml up --detach --wait` and set \
                            SAMSPOR_AMQP_URL=amqp://samspor:samspor@127.0.0.1:5672";
        match self {
            Self::NoApt => write!(
                f,
                "cannot install RabbitMQ here, since there is no apt-get; install RabbitMQ 3.10 or later by your \
                 system's means, or {ELSE}"
            ),
            Self::NotRoot => write!(
                f,
                "may not install RabbitMQ; run `sudo apt-get install rabbitmq-server` (and `sudo systemctl disable \
                 --now rabbitmq-server`, as it need not run), or {ELSE}"
            ),
            Self::Failed { last_words } => write!(
                f,
                "could not install rabbitmq-server; check the network and the package sources, or {ELSE}; apt-get \
                 said:\n{last_words}"
            ),
        }
    }
}

impl std::error::Error for InstallError {}

/// Debian starts a service when its package is installed, unless `policy-rc.d` forbids it (Debian Policy 9.3.3.1); an
/// existing one is not touched. systemd would start it at the next boot as well.
const SCRIPT: &str = r#"
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
apt-get update || echo 'the package lists could not be brought up to date; going on with those at hand'
apt-get install --yes --no-install-recommends rabbitmq-server
if [ -d /run/systemd/system ]; then
    systemctl disable rabbitmq-server.service
fi
"#;

/// The server, installed by `apt-get` if it is not there. `progress` gets every line that `apt-get` says. The service
/// of the package does not run afterwards. Blocks for as long as the download takes.
pub fn install(mut progress: impl FnMut(&str)) -> Result<Server, InstallError> {
    if let Some(server) = find() {
        return Ok(server);
    }
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(InstallError::NoApt);
    }
    let succeeds = |command: &mut Command| {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    };
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let mut command = if is_root {
        Command::new("sh")
    } else if succeeds(Command::new("sudo").args(["--non-interactive", "true"])) {
        let mut command = Command::new("sudo");
        command.args(["--non-interactive", "sh"]);
        command
    } else {
        return Err(InstallError::NotRoot);
    };
    let failed = |error: std::io::Error| InstallError::Failed { last_words: error.to_string() };
    let script = format!("exec 2>&1\n{SCRIPT}");
    let mut child =
        command.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut said: Vec<String> = Vec::new();
    for line in child.stdout.take().into_iter().flat_map(|output| BufReader::new(output).lines()) {
        let line = line.map_err(failed)?;
        progress(&line);
        said.push(line);
    }
    let status = child.wait().map_err(failed)?;
    let last_words = || said[said.len().saturating_sub(8)..].join("\n");
    match find() {
        Some(server) if status.success() => Ok(server),
        _ => Err(InstallError::Failed { last_words: last_words() }),
    }
}
