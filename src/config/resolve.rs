//! From the file as written to the configuration: every value checked, every name followed, every problem
//! reported.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use samspor_domain::Text;

use super::at::{At, Number};
use super::reading::{Reading, read};
use super::secret::CREDENTIALS;
use super::{
    Broker, Config, Engine, Journal, Metrics, Problems, Secret, Store, Traces, Vault, charts, distributor,
    file, links,
};

pub(super) fn load(path: &Path) -> Result<Config, Problems> {
    let (file, reading) = read::<file::File>(path).map_err(|problem| Problems(vec![problem]))?;
    let base = path.parent().unwrap_or(Path::new("")).to_owned();
    let brokers = file.brokers.keys().map(|name| (**name).clone()).collect();
    let with_tokens = distributor::with_tokens(&file.brokers);
    let mut resolver = Resolver { reading, base, brokers, with_tokens, areas: BTreeSet::new() };
    let config = resolver.config(path, file);
    let mut problems = resolver.reading.problems;
    if problems.is_empty() {
        return Ok(config);
    }
    // The file's own problems first, each file's in the order of its lines.
    let own = path.display().to_string();
    problems.sort_by_cached_key(|problem| {
        problem.position().map(|(file, line, column)| (file != own, file.to_owned(), line, column))
    });
    Err(Problems(problems))
}

pub(super) struct Resolver {
    pub(super) reading: Reading,
    /// The folder that paths are relative to.
    base: PathBuf,
    /// The names of the brokers that the file has, faulty ones included.
    pub(super) brokers: BTreeSet<String>,
    /// Those that are logged in to by a token, and the service that it is for.
    pub(super) with_tokens: BTreeMap<String, String>,
    /// The areas of the charts; none where those could not be read as a whole.
    pub(super) areas: BTreeSet<Text>,
}

impl Resolver {
    /// For a file without brokers.
    pub(super) fn alone(reading: Reading, path: &Path) -> Self {
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        Self { reading, base, brokers: BTreeSet::new(), with_tokens: BTreeMap::new(), areas: BTreeSet::new() }
    }

    fn config(&mut self, path: &Path, file: file::File) -> Config {
        let charts_dir = self.path(&file.charts.dir);
        let before = self.reading.problems.len();
        let charts = charts::load(&charts_dir, &mut self.reading, file.charts.dir.span());
        if self.reading.problems.len() == before {
            let rules = charts.0.values().flat_map(|chart| &chart.rules);
            self.areas = rules.map(|rule| rule.area.clone()).collect();
        }
        let callers = file.grpc.as_ref().map_or(&[][..], |grpc| &grpc.sources);
        links::check(&self.base, (&file.sources, callers), &file.targets, &mut self.reading);
        Config {
            path: path.to_owned(),
            charts_dir,
            charts,
            store: file.store.map(|store| Store {
                dir: self.path(&store.dir),
                withdrawals: store.withdrawals_file.map(|file| self.path(&file)),
                backups_kept_days: store.backups_kept_days.map(|days| self.reading.number(&days)),
            }),
            vault: file.vault.and_then(|vault| self.vault(&vault)),
            grpc: file.grpc.and_then(|grpc| self.grpc(&grpc)),
            client: file.client.map(|client| self.client(&client)).unwrap_or_default(),
            metrics: file.metrics.and_then(|metrics| self.metrics(&metrics.listen)),
            traces: file.traces.and_then(|traces| self.traces(&traces)),
            engine: Engine {
                slice_postings: self.reading.number(&file.engine.slice_postings),
                brake_postings: file.engine.brake_postings.map(|number| self.reading.number(&number)),
                shutdown_deadline: self.milliseconds(&file.engine.shutdown_deadline_ms),
            },
            journal: Journal {
                retention_days: file.journal.retention_days.map(|days| self.reading.number(&days)),
            },
            checkpoints_file: file.audit.checkpoints_file.map(|path| self.path(&path)),
            audit_days: self.reading.number(&file.audit.kept_days),
            brokers: file.brokers.iter().filter_map(|(name, broker)| self.broker(name, broker)).collect(),
            sources: file.sources.iter().filter_map(|source| self.source(source)).collect(),
            targets: file.targets.iter().filter_map(|target| self.target(target, &file.sources)).collect(),
            vouchers: self.reading.vouchers(&file.vouchers),
        }
    }

    pub(super) fn path(&mut self, path: &At<PathBuf>) -> PathBuf {
        if path.as_os_str().is_empty() {
            self.reading.fault(path.span(), "this must not be empty");
        }
        self.base.join(&**path)
    }

    pub(super) fn milliseconds<const DEFAULT: u64, const MIN: u64, const MAX: u64>(
        &mut self,
        number: &Number<DEFAULT, MIN, MAX>,
    ) -> Duration {
        Duration::from_millis(self.reading.number(number))
    }

    fn vault(&mut self, vault: &At<file::Vault>) -> Option<Vault> {
        let named = [("master_key_file", &vault.master_key_file), ("master_key_env", &vault.master_key_env)];
        let master_key = self.secret(vault.span(), named)?;
        let previous = [
            ("previous_master_key_file", &vault.previous_master_key_file),
            ("previous_master_key_env", &vault.previous_master_key_env),
        ];
        let is_named = previous.iter().any(|(_, value)| value.is_some());
        let previous_master_key = if is_named { Some(self.secret(vault.span(), previous)?) } else { None };
        Some(Vault { master_key, previous_master_key })
    }

    fn broker(&mut self, name: &At<String>, broker: &file::Broker) -> Option<(Text, Broker)> {
        let text = self.reading.text(name);
        let url = self.secret(name.span(), [("url_file", &broker.url_file), ("url_env", &broker.url_env)]);
        let management_url = [
            ("management_url_file", &broker.management_url_file),
            ("management_url_env", &broker.management_url_env),
        ];
        let management_url = if management_url.iter().any(|(_, url)| url.is_some()) {
            self.secret(name.span(), management_url)
        } else {
            None
        };
        let connect_timeout = self.milliseconds(&broker.connect_timeout_ms);
        let request_timeout = self.milliseconds(&broker.request_timeout_ms);
        let heartbeat = Duration::from_secs(self.reading.number(&broker.heartbeat_s));
        let ca_file = broker.ca_file.as_ref().map(|file| self.path(file));
        let keys = [("client_key_file", &broker.client_key_file), ("client_key_env", &broker.client_key_env)];
        let client = self.certified(broker.client_cert_file.as_ref(), keys);
        let token = match (&broker.token, &client) {
            (Some(token), Some(client)) => Some(self.token(token, client.as_ref())),
            _ => None,
        };
        let (url, client) = (url?, client?);
        let token = match token {
            Some(token) => Some(token?),
            None => None,
        };
        Some((
            text?,
            Broker {
                url,
                management_url,
                connect_timeout,
                request_timeout,
                heartbeat,
                ca_file,
                client,
                token,
            },
        ))
    }

    /// Where a secret is: exactly one of two keys says it, and neither holds it.
    pub(super) fn secret(
        &mut self,
        section: std::ops::Range<usize>,
        [(file_key, file), (env_key, env)]: [(&str, &Option<At<String>>); 2],
    ) -> Option<Secret> {
        for value in [file, env].into_iter().flatten() {
            if looks_secret(value) {
                self.reading.fault(value.span(), "a secret does not stand in the configuration").help(
                    format!("`{file_key}` names a file that holds it, `{env_key}` an environment variable"),
                );
                return None;
            }
        }
        match (file, env) {
            (Some(file), None) if file.is_empty() => {
                self.reading.fault(file.span(), "this must not be empty");
                None
            }
            (Some(file), None) => match file.strip_prefix(CREDENTIALS) {
                Some(name) if name.is_empty() || name.contains('/') => {
                    let message = "this is not the path of a credential: one name after the variable";
                    self.reading.fault(file.span(), message);
                    None
                }
                Some(name) => Some(Secret::Credential(name.to_owned())),
                None => Some(Secret::File(self.base.join(&**file))),
            },
            (None, Some(env)) if is_variable_name(env) => Some(Secret::Env((**env).clone())),
            (None, Some(env)) => {
                let message =
                    "this is not the name of an environment variable: letters, digits and _, no digit first";
                self.reading.fault(env.span(), message);
                None
            }
            (Some(file), Some(env)) => {
                self.reading
                    .fault(env.span(), format!("`{file_key}` and `{env_key}` exclude each other"))
                    .also(file.span(), "and here")
                    .help("keep the one that holds the secret");
                None
            }
            (None, None) => {
                self.reading.fault(section, format!("missing key: one of `{file_key}` and `{env_key}`"));
                None
            }
        }
    }

    fn metrics(&mut self, listen: &At<String>) -> Option<Metrics> {
        let Ok(address) = listen.parse::<SocketAddr>() else {
            self.reading.fault(listen.span(), "this is not an address and port such as 127.0.0.1:9464");
            return None;
        };
        if !address.ip().is_loopback() {
            self.reading
                .fault(
                    listen.span(),
                    "this can be reached from other machines, and it is not checked who asks",
                )
                .help("listen on 127.0.0.1 or [::1]");
            return None;
        }
        Some(Metrics { listen: address })
    }

    fn traces(&mut self, traces: &At<file::Traces>) -> Option<Traces> {
        let endpoint = traces.endpoint.parse().map_err(|error| {
            // The text is not quoted: there may be a password in it.
            self.reading.fault(traces.endpoint.span(), format!("this {error}"));
        });
        let headers = [("headers_file", &traces.headers_file), ("headers_env", &traces.headers_env)];
        let has_headers = headers.iter().any(|(_, headers)| headers.is_some());
        let headers = has_headers.then(|| self.secret(traces.span(), headers)).flatten();
        let service_name = traces.service_name.as_ref().and_then(|name| self.reading.text(name));
        let (ca_file, new_per_million) = (
            traces.ca_file.as_ref().map(|path| self.path(path)),
            self.reading.number(&traces.new_per_million),
        );
        let (queue_spans, timeout) =
            (self.reading.number(&traces.queue_spans), self.milliseconds(&traces.timeout_ms));
        Some(Traces {
            endpoint: endpoint.ok()?,
            ca_file,
            headers,
            service_name: service_name.map_or_else(|| "samspor".to_owned(), |name| name.to_string()),
            new_per_million,
            queue_spans,
            timeout,
        })
    }
}

fn looks_secret(value: &str) -> bool {
    value.contains("://") || (value.len() >= 32 && value.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_variable_name(name: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    name.bytes().all(is_word) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}
