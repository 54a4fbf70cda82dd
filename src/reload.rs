//! A configuration that is read again while the gateway runs: all of it is taken, or nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use samspor_domain::Text;
use samspor_domain::audit::{Action, Entry, Outcome, Subject};
use samspor_engine::{Control, Plan, Settings, source_part, target_part};
use samspor_grpc::Door;
use samspor_grpc::v1::ReloadResponse;
use samspor_vault::Vault;
use tokio::sync::watch;

use crate::config::{self, Config};
use crate::wiring::Made;
use crate::{open, wiring};

/// What runs, and what it was made of.
pub(crate) struct Running {
    config: Config,
    made: BTreeMap<String, Made>,
    vault: Arc<Vault>,
    /// Where the front listens, if there is one.
    listens: Option<SocketAddr>,
    control: Control,
    /// Whom the front lets in.
    doors: watch::Sender<Arc<Door>>,
}

/// Why a configuration is not taken, a line each.
type Problems = Vec<String>;

impl Running {
    pub(crate) fn new(
        config: Config,
        vault: Arc<Vault>,
        control: Control,
        doors: watch::Sender<Arc<Door>>,
    ) -> Result<Self> {
        let made = wiring::made(&config)?;
        Ok(Self { config, made, vault, listens: None, control, doors })
    }

    /// The configuration that is in force.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Says where the front listens: the port may have been left to the system.
    pub(crate) fn listens_on(&mut self, address: Option<SocketAddr>) {
        self.listens = address;
    }

    /// Reads the configuration again and takes it, or says why not. The log tells of it either way.
    pub(crate) async fn reload(&mut self, by: &str) -> Result<ReloadResponse, Problems> {
        let reloaded = self.take_over(by).await;
        match &reloaded {
            Ok(changes) => {
                tracing::info!(
                    changes = crate::operations::told(changes),
                    "the configuration was read again"
                );
            }
            Err(problems) => {
                for problem in problems {
                    tracing::error!(problem, "the configuration is not taken");
                }
                tracing::error!("the gateway goes on with the configuration that it has");
                self.note_refused(by).await;
            }
        }
        reloaded
    }

    /// The audit log tells of what was not taken too.
    async fn note_refused(&self, by: &str) {
        let Ok(caller) = Text::new(by) else { return };
        let entry = Entry { caller, action: Action::Reload, subjects: Vec::new(), outcome: Outcome::Refused };
        if let Err(error) = self.control.audited(entry).witness().await {
            tracing::error!(%error, "the audit log does not tell of it");
        }
    }

    async fn take_over(&mut self, by: &str) -> Result<ReloadResponse, Problems> {
        let config = config::load(&self.config.path).map_err(|problems| problems.lines())?;
        config.to_serve().map_err(|problems| problems.lines())?;
        let problems = self.needs_restart(&config);
        if !problems.is_empty() {
            return Err(problems);
        }
        let one = |error: anyhow::Error| vec![format!("{}: {error:#}", config.path.display())];
        let made = wiring::made(&config).map_err(one)?;
        let (changes, plan) = self.plan(&config, &made).map_err(one)?;
        // A renewed certificate or key is in the same file as before, so the door is always made anew.
        let door = wiring::door(&config).map_err(one)?;
        let parts = [&changes.added, &changes.changed, &changes.removed, &changes.settings];
        let subjects = parts.into_iter().flatten().filter_map(|part| Text::new(part).ok().map(Subject::Part));
        let caller = Text::new(by).map_err(|error| one(error.into()))?;
        // What stands in the files of certificates and keys is no setting, and who may call depends on it.
        let callers = (!self.doors.borrow().is_like(&door)).then(|| Text::new("callers").ok()).flatten();
        let written = config::digest(&config).map_err(one)?;
        let subjects = subjects.chain(callers.map(Subject::Part)).chain([Subject::Part(written)]).collect();
        let entry = Entry { caller, action: Action::Reload, subjects, outcome: Outcome::Done };
        self.control.audited(entry).take_over(plan).await.map_err(|error| one(error.into()))?;
        // Those who are in stay in where nothing about it changed.
        self.doors.send_if_modified(|held| {
            let is_other = !held.is_like(&door);
            if is_other {
                *held = Arc::new(door);
            }
            is_other
        });
        self.control.set_callers(wiring::senders(&config));
        (self.config, self.made) = (config, made);
        Ok(changes)
    }

    /// What differs and cannot change while the gateway runs.
    fn needs_restart(&self, new: &Config) -> Problems {
        let old = &self.config;
        let dir = |config: &Config| config.store.as_ref().map(|store| store.dir.clone()).unwrap_or_default();
        let listen = |config: &Config| config.grpc.as_ref().map(|grpc| grpc.listen);
        let key = || Ok::<_, anyhow::Error>(open::masters(new)?.map(|masters| masters.master.id()));
        let mut problems = Vec::new();
        let mut refuse = |what: &str, why: String| {
            let path = new.path.display();
            problems.push(format!("{path}: {what} cannot change while the gateway runs ({why}); restart it"));
        };
        if dir(old) != dir(new) {
            refuse("store.dir", format!("it uses {}", dir(old).display()));
        }
        match key() {
            Ok(Some(key)) if key == self.vault.key_id() => {}
            Ok(_) => refuse("the master key of [vault]", "the store is under another one".into()),
            Err(error) => refuse("[vault]", format!("{error:#}")),
        }
        if listen(old) != listen(new) && (listen(new).is_none() || listen(new) != self.listens) {
            let now = self.listens.map_or("there is none".to_owned(), |address| format!("it is {address}"));
            refuse("grpc.listen", now);
        }
        let bounds = |config: &Config| {
            let listen = SocketAddr::from(([0; 4], 0));
            config.grpc.as_ref().map(|grpc| samspor_grpc::Settings { listen, ..grpc.bounds.clone() })
        };
        if bounds(old).zip(bounds(new)).is_some_and(|(old, new)| old != new) {
            refuse("[grpc.limits]", "callers are counted by what it says".into());
        }
        let has_tls = |config: &Config| {
            let door = config.grpc.as_ref().and_then(|grpc| grpc.door.as_ref());
            (door.is_some(), door.is_some_and(|door| door.tls.is_some()))
        };
        if has_tls(old) != has_tls(new) {
            refuse("whether there is [grpc.tls] or any door", "callers are connected".into());
        }
        let written = |config: &Config| {
            let withdrawals = config.store.as_ref().and_then(|store| store.withdrawals.clone());
            [
                ("store.withdrawals_file", withdrawals),
                ("audit.checkpoints_file", config.checkpoints_file.clone()),
            ]
        };
        for ((name, before), (_, after)) in written(old).into_iter().zip(written(new)) {
            if before != after {
                refuse(name, "it is being written".into());
            }
        }
        let metrics = |config: &Config| config.metrics.as_ref().map(|metrics| metrics.listen);
        if metrics(old) != metrics(new) {
            let now = metrics(old).map_or("there are none".to_owned(), |address| format!("it is {address}"));
            refuse("metrics.listen", now);
        }
        if old.traces != new.traces {
            refuse("[traces]", "spans are on their way there".into());
        }
        problems
    }

    fn plan(&self, config: &Config, made: &BTreeMap<String, Made>) -> Result<(ReloadResponse, Plan)> {
        let is_unchanged = |part: &String| self.made.get(part) == made.get(part);
        let mut changes = ReloadResponse::default();
        for part in made.keys().filter(|part| !is_unchanged(part)) {
            let list = if self.made.contains_key(part) { &mut changes.changed } else { &mut changes.added };
            list.push(part.clone());
        }
        changes.removed = self.made.keys().filter(|part| !made.contains_key(*part)).cloned().collect();
        let old = &self.config;
        let door = |config: &Config| config.grpc.as_ref().and_then(|grpc| grpc.door.clone());
        let senders =
            |config: &Config| config.grpc.as_ref().map(|grpc| grpc.senders.clone()).unwrap_or_default();
        let settings = [
            ("charts", old.charts != config.charts),
            ("grpc", door(old) != door(config)),
            ("grpc.sources", senders(old) != senders(config)),
            ("journal.retention_days", old.journal.retention_days != config.journal.retention_days),
            ("audit.kept_days", old.audit_days != config.audit_days),
            ("engine.brake_postings", old.engine.brake_postings != config.engine.brake_postings),
            ("engine.slice_postings", old.engine.slice_postings != config.engine.slice_postings),
            ("engine.shutdown_deadline_ms", old.engine.shutdown_deadline != config.engine.shutdown_deadline),
        ];
        changes.settings =
            settings.into_iter().filter(|(_, other)| *other).map(|(name, _)| name.to_owned()).collect();

        let sources = config.sources.iter().filter(|source| !is_unchanged(&source_part(&source.name)));
        let targets = config.targets.iter().filter(|target| !is_unchanged(&target_part(&target.name)));
        let plan = Plan {
            settings: settings_of(config),
            unchanged: made.keys().filter(|part| is_unchanged(part)).cloned().collect(),
            inlets: sources.map(|source| wiring::inlet(config, source)).collect::<Result<_>>()?,
            outlets: targets
                .map(|target| wiring::outlet(config, &self.vault, target))
                .collect::<Result<_>>()
                .context("the targets")?,
            targets: config.targets.iter().map(|target| target.name.clone()).collect::<Vec<Text>>(),
        };
        Ok((changes, plan))
    }
}

/// What the core works by.
pub(crate) fn settings_of(config: &Config) -> Settings {
    Settings {
        charts: config.charts.clone(),
        slice: config.engine.slice_postings,
        retention_days: config.journal.retention_days,
        brake_postings: config.engine.brake_postings,
        audit_days: Some(config.audit_days),
    }
}
