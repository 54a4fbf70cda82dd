//! The directory of a node: its settings, its cookie, its data and its logs.

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::{Options, Server};
use crate::ports;

/// What a node is told at every start, so that it comes back as the same node.
#[derive(Debug)]
pub(super) struct Files {
    /// Where everything lies.
    pub(super) home: PathBuf,
    /// The node's Erlang name. No two nodes of a machine have the same.
    name: String,
    /// Where it takes AMQP connections.
    pub(super) amqp: u16,
    /// Where `rabbitmqctl` talks to it.
    distribution: u16,
    /// Where its management interface listens, where that plugin is asked for.
    pub(super) management: u16,
    /// Where it takes AMQP connections over TLS, where it has certificates.
    pub(super) tls: u16,
    /// Where its own port mapper listens, so that it needs nothing from that of the machine.
    pub(super) mapper: u16,
    /// The password of [`USER`].
    pub(super) password: String,
}

/// The plugin with an interface of its own, which needs a port.
const MANAGEMENT: &str = "rabbitmq_management";

/// Whoever comes over TLS shows a certificate, and is the user of its common name by SASL EXTERNAL.
const TLS: [&str; 6] = [
    "ssl_options.verify = verify_peer",
    "ssl_options.fail_if_no_peer_cert = true",
    "ssl_cert_login_from = common_name",
    "auth_mechanisms.1 = EXTERNAL",
    "auth_mechanisms.2 = PLAIN",
    "auth_mechanisms.3 = AMQPLAIN",
];

/// The user whom the node knows.
pub(super) const USER: &str = "samspor";

/// A word that cannot be guessed: `RandomState` takes its keys from the operating system.
fn secret() -> String {
    (0..3).map(|part: u8| format!("{:016x}", RandomState::new().hash_one(part))).collect()
}

fn write_private(path: &Path, content: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content.as_bytes())?;
    Ok(())
}

impl Files {
    /// Makes the directory of a new node.
    pub(super) fn create(home: &Path, options: &Options) -> anyhow::Result<Self> {
        let make = || -> anyhow::Result<Self> {
            fs::create_dir_all(home)?;
            fs::set_permissions(home, fs::Permissions::from_mode(0o700))?;
            let [amqp, distribution, mapper, management, tls] = ports::free()?;
            let files = Self {
                home: home.canonicalize()?,
                name: format!("samspor-{}-{amqp}@localhost", std::process::id()),
                amqp,
                distribution,
                management,
                tls,
                mapper,
                password: secret(),
            };
            write_private(&files.home.join(".erlang.cookie"), &secret())?;
            write_private(&files.home.join("rabbitmq.conf"), &files.configuration(options))?;
            write_private(
                &files.home.join("enabled_plugins"),
                &format!("[{}].\n", options.all_plugins().join(",")),
            )?;
            Ok(files)
        };
        make().with_context(|| format!("making the node's directory {}", home.display()))
    }

    fn configuration(&self, options: &Options) -> String {
        let mut lines = vec![
            format!("listeners.tcp.1 = 127.0.0.1:{}", self.amqp),
            format!("default_user = {USER}"),
            format!("default_pass = {}", self.password),
            "disk_free_limit.absolute = 64MB".to_owned(),
            "log.file.level = info".to_owned(),
        ];
        if options.plugins.iter().any(|plugin| plugin == MANAGEMENT) {
            lines.push("management.tcp.ip = 127.0.0.1".to_owned());
            lines.push(format!("management.tcp.port = {}", self.management));
        }
        if let Some(certificates) = &options.certificates {
            let file = |name: &str| certificates.join(name).display().to_string();
            lines.push(format!("listeners.ssl.1 = 127.0.0.1:{}", self.tls));
            lines.push(format!("ssl_options.cacertfile = {}", file("ca.pem")));
            lines.push(format!("ssl_options.certfile = {}", file("server.pem")));
            lines.push(format!("ssl_options.keyfile = {}", file("server.key")));
            lines.extend(TLS.map(str::to_owned));
        }
        lines.extend(options.configuration.iter().cloned());
        lines.join("\n") + "\n"
    }

    /// Where the node and its port mapper write what they say.
    pub(super) fn output(&self) -> PathBuf {
        self.home.join("output.log")
    }

    /// The end of what the node said, for an error message.
    pub(super) fn last_words(&self) -> String {
        let output = fs::read(self.output()).unwrap_or_default();
        let output = String::from_utf8_lossy(&output);
        let lines: Vec<&str> = output.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// The port mapper, in the foreground.
    pub(super) fn mapper(&self) -> Command {
        let mut command = Command::new("epmd");
        command.args(["-address", "127.0.0.1", "-port", &self.mapper.to_string()]);
        command
    }

    /// The node, in the foreground.
    pub(super) fn node(&self, server: &Server) -> Command {
        self.command(&server.program)
    }

    /// `rabbitmqctl` for the node.
    pub(super) fn ctl(&self, server: &Server) -> Command {
        self.command(&server.ctl)
    }

    /// A command that knows the node, and nothing of the machine's own RabbitMQ.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        #[expect(
            clippy::disallowed_methods,
            reason = "the node's scripts need a path, and nothing else of ours"
        )]
        let path = std::env::var_os("PATH");
        let home = |name: &str| self.home.join(name);
        command
            .env_clear()
            .envs(path.map(|path| ("PATH", path)))
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", &self.home)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.mapper.to_string())
            .env("RABBITMQ_NODENAME", &self.name)
            .env("RABBITMQ_DIST_PORT", self.distribution.to_string())
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_CONFIG_FILE", home("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", home("advanced.config"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", home("enabled_plugins"))
            .env("RABBITMQ_MNESIA_BASE", home("data"))
            .env("RABBITMQ_LOG_BASE", home("log"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", home("generated"))
            .env("RABBITMQ_SCHEMA_DIR", home("schema"))
            .env("RABBITMQ_PID_FILE", home("pid"))
            // The script then becomes the node, so that the child that is killed and waited for is the node itself.
            .env("RUNNING_UNDER_SYSTEMD", "true");
        command
    }
}
