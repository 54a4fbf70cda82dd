//! An HTTP receiver of records, in another language than the gateway: Python's own server, with TLS.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

const PROGRAM: &str = include_str!("receiver.py");
/// How long a request, or anything else that it says, may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What `openssl` makes certificates by.
const OPENSSL: &str = "[req]\ndistinguished_name = dn\nprompt = no\n[dn]\nCN = test\n\
    [authority]\nbasicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign\n\
    [leaf]\nbasicConstraints = critical,CA:FALSE\nsubjectAltName = IP:127.0.0.1,DNS:localhost\n\
    [elsewhere]\nbasicConstraints = critical,CA:FALSE\nsubjectAltName = IP:192.0.2.1,DNS:elsewhere.example\n";

/// An authority of its own and what it signed, as files in PEM: `ca`, `server`, `client`, and `elsewhere`, a server that is not this
/// machine; each `.pem` and `.key`.
#[derive(Debug)]
pub struct Certificates(tempfile::TempDir);

impl Certificates {
    /// Makes them by `openssl`.
    pub async fn make() -> anyhow::Result<Self> {
        let made = Self(tempfile::tempdir()?);
        let config = made.path("openssl.cnf");
        std::fs::write(&config, OPENSSL)?;
        for name in ["ca", "server", "client", "elsewhere"] {
            let mut command = Command::new("openssl");
            command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
            command.args(["-days", "2", "-subj", &format!("/CN={name}"), "-config"]).arg(&config);
            command.arg("-keyout").arg(made.path(&format!("{name}.key")));
            command.arg("-out").arg(made.path(&format!("{name}.pem")));
            if name == "ca" {
                command.args(["-extensions", "authority"]);
            } else {
                command
                    .args(["-extensions", if name == "elsewhere" { name } else { "leaf" }, "-CA"])
                    .arg(made.path("ca.pem"));
                command.arg("-CAkey").arg(made.path("ca.key"));
            }
            let output = command.output().await.context("openssl makes certificates")?;
            ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(made)
    }

    /// Where a file of them is.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What a file of them holds.
    pub fn read(&self, name: &str) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.path(name))?)
    }
}

/// How a receiver listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings<'a> {
    /// By these certificates; without them in clear text.
    pub tls: Option<&'a Certificates>,
    /// Whether its clients need a certificate of the same authority (mTLS).
    pub wants_clients: bool,
    /// The bearer token that it wants.
    pub token: Option<&'a str>,
}

/// A running receiver. Dropped, it is killed.
#[derive(Debug)]
pub struct Receiver {
    _child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    heard: VecDeque<Value>,
    port: u64,
    is_tls: bool,
}

impl Receiver {
    /// Starts one on a free port of the loopback interface. It answers everything with 200 until it is told otherwise.
    pub async fn start(settings: Settings<'_>) -> anyhow::Result<Self> {
        Self::start_with(settings, None).await
    }

    /// Starts one that tells of nothing: what it takes it writes to a file, a JSON object a line with the `key`, the
    /// `body` and the `receipt`. By a seed it accepts and rejects, and now and then it is busy or takes a record and hangs
    /// up.
    pub async fn start_with_book(settings: Settings<'_>, book: &Path, seed: u64) -> anyhow::Result<Self> {
        Self::start_with(settings, Some((book, seed))).await
    }

    async fn start_with(settings: Settings<'_>, book: Option<(&Path, u64)>) -> anyhow::Result<Self> {
        let file = |name: &str| settings.tls.map(|tls| tls.path(name));
        let clients = file("ca.pem").filter(|_| settings.wants_clients);
        let told = json!({"certificate": file("server.pem"), "key": file("server.key"), "clients": clients,
                          "token": settings.token, "book": book.map(|(book, _)| book),
                          "seed": book.map(|(_, seed)| seed)});
        let mut command = Command::new(Path::new("python3"));
        command.args(["-c", PROGRAM, &told.to_string()]).kill_on_drop(true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("python3")?;
        let stdin = child.stdin.take().context("it listens")?;
        let lines = BufReader::new(child.stdout.take().context("it speaks")?).lines();
        let (heard, is_tls) = (VecDeque::new(), settings.tls.is_some());
        let mut receiver = Self { _child: child, stdin, lines, heard, port: 0, is_tls };
        receiver.port = receiver.line().await?["listens"].as_u64().context("it says its port")?;
        Ok(receiver)
    }

    /// Where it takes records.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}/postings", if self.is_tls { "https" } else { "http" }, self.port)
    }

    /// Tells it how to answer: `script`, `by_posting`, `default`; each answer has a `status`, `headers` and a `body`, or
    /// a `receipt` (`accepted` or `rejected`) with other `fields`, or it is to `hang`, or to `cut` the connection.
    pub async fn tell(&mut self, how: Value) -> anyhow::Result<()> {
        self.stdin.write_all(format!("{how}\n").as_bytes()).await?;
        loop {
            let line = self.line().await?;
            if line["told"] == true {
                return Ok(());
            }
            self.heard.push_back(line);
        }
    }

    /// The next record that was posted to it, with its `key`, and whether that was `known` already at this `path`; the
    /// `record` is read where it is JSON, and `body_base64` is what came.
    pub async fn next(&mut self) -> anyhow::Result<Value> {
        loop {
            let line = match self.heard.pop_front() {
                Some(line) => line,
                None => self.line().await?,
            };
            if line["method"] != "OPTIONS" {
                return Ok(line);
            }
        }
    }

    /// Every request up to now that nobody has looked at yet.
    pub async fn all(&mut self) -> anyhow::Result<Vec<Value>> {
        self.tell(json!({})).await?; // It has said them before it says that it was told.
        Ok(self.heard.drain(..).collect())
    }

    async fn line(&mut self) -> anyhow::Result<Value> {
        let line = tokio::time::timeout(LIMIT, self.lines.next_line()).await.context("it says nothing")??;
        Ok(serde_json::from_str(&line.context("it ended")?)?)
    }
}
