//! Asking the brokers: over AMQP whether the gateway gets in and what it uses is there, over the management interface
//! what that is like. Nothing is changed, and nothing consumed.

use futures_util::stream::{self, StreamExt};
use samspor_amqp as amqp;
use samspor_domain::Text;
use samspor_http::management::{self, Client, Queue, Version};

use super::folder;
use super::keys::{Fit, Keys};
use super::report::{Finding, Part, Report};
use super::rules::{self, Bound, Consumer, DeadLetters, Seen, SourceSeen, TargetPlace, TargetSeen};
use crate::config::{
    Amqp, Broker, Config, Distributor, Http, Queue as Consumed, Route, Source, SourceWay, Target, Way,
};
use crate::wiring;

/// How many sources and targets are looked at at a time.
const AT_ONCE: usize = 8;
/// How many consumers and readers of one queue or exchange are looked at.
const MOST: usize = 16;

/// Looks at everything that a configuration uses.
pub(crate) async fn look(config: &Config) -> Report {
    let mut parts = Vec::new();
    let mut managed = Vec::new();
    for (name, settings) in &config.brokers {
        let (part, found) = broker(config, name, settings).await;
        parts.push(part);
        managed.extend(found.map(|found| (name, found)));
    }
    let managed = |name: &Text| managed.iter().find(|(of, _)| *of == name).map(|(_, managed)| managed);
    let sources = stream::iter(&config.sources).map(async |source| match &source.way {
        SourceWay::Amqp(queue) => look_at_source(config, source, queue, managed(&queue.broker)).await,
        SourceWay::Folder(settings) => folder::source(source, settings).await,
    });
    parts.extend(sources.buffered(AT_ONCE).collect::<Vec<_>>().await);
    let targets = stream::iter(&config.targets).map(async |target| match &target.way {
        Way::Amqp(amqp) => look_at_target(config, target, amqp, managed(&amqp.broker)).await,
        Way::Http(http) => look_at_url(target, http).await,
        Way::Folder(settings) => folder::target(target, settings).await,
        Way::Distributor(to) => look_at_distributor(config, target, to).await,
    });
    parts.extend(targets.buffered(AT_ONCE).collect::<Vec<_>>().await);
    if config.brokers.is_empty() && config.sources.is_empty() && config.targets.is_empty() {
        let says = "the configuration names no broker, so there is nothing to look at";
        let findings = vec![Finding::fault("configuration", says, "add [brokers.NAME], sources and targets")];
        let place = config.path.display().to_string();
        parts.push(Part { kind: "configuration", name: String::new(), place, findings });
    }
    Report(parts)
}

/// A broker whose management interface answers.
struct Managed {
    client: Client,
    version: Option<Version>,
    vhost: String,
    user: String,
    permissions: Seen<management::Permissions>,
}

const NOT_CONFIGURED: &str = "of queues and exchanges only whether they are there was looked at: not their type, \
                              policies, limits, dead letters, bindings, consumers and permissions, nor alarms";
const NOT_OURS: &str =
    "whether its queues and exchanges are there is looked at, and nothing else: it is somebody else's";
const CONFIGURE: &str = "enable the plugin rabbitmq_management, and say in [brokers.NAME] where it is: \
                         management_url_env or management_url_file; docs/broker.md says more";

async fn broker(config: &Config, name: &Text, settings: &Broker) -> (Part, Option<Managed>) {
    let mut findings = Vec::new();
    let mut place = settings.url.to_string();
    let mut managed = None;
    match wiring::broker_probe(settings) {
        Err(error) => {
            let advice = match settings.token {
                None => "put the URL there: amqp://user:password@host:port/vhost",
                Some(_) => {
                    "set right what it names: the URL, amqps://host:port/vhost, the certificates or the key"
                }
            };
            findings.push(Finding::fault("url", format!("{error:#}"), advice));
        }
        Ok(probe) => {
            place = probe.url.to_string();
            match wiring::management(settings) {
                Err(error) => {
                    let advice = "put the URL there: http://user:password@host:15672";
                    findings.push(Finding::fault("management", format!("{error:#}"), advice));
                }
                // A broker that is logged in to by a token is somebody else's, and lets nobody look.
                Ok(None) if settings.token.is_some() => findings.push(Finding::good("management", NOT_OURS)),
                Ok(None) => findings.push(Finding::notice("management", NOT_CONFIGURED, CONFIGURE)),
                Ok(Some(client)) => managed = manage(client, &probe.url, &mut findings).await,
            }
        }
    }
    if managed.is_some() {
        findings.push(node_timeout(config, name));
    }
    (Part { kind: "broker", name: name.to_string(), place, findings }, managed)
}

/// What holds for the whole broker.
async fn manage(client: Client, url: &amqp::Url, findings: &mut Vec<Finding>) -> Option<Managed> {
    let overview = match client.overview().await {
        Ok(overview) => overview,
        Err(error) => {
            let advice =
                "set right where it is, and who logs in: a user with the tag management, better monitoring";
            findings.push(Finding::fault("management", explain(error), advice));
            return None;
        }
    };
    findings.push(Finding::good("management", format!("RabbitMQ {}", overview.rabbitmq_version)));
    findings.push(match client.alarms().await {
        Ok(alarms) if alarms.is_empty() => Finding::good("alarm", "no node has an alarm"),
        Ok(alarms) => {
            let alarms: Vec<String> =
                alarms.iter().map(|alarm| format!("{} of {}", alarm.resource, alarm.node)).collect();
            let says = format!("it takes no messages from anybody: alarm for {}", alarms.join(", "));
            Finding::fault(
                "alarm",
                says,
                "give it memory or disk, or let readers take what lies in its queues",
            )
        }
        Err(error) => {
            let says = format!("whether there is an alarm was not seen: {}", explain(error));
            Finding::notice("alarm", says, "see `rabbitmq-diagnostics alarms`")
        }
    });
    let (vhost, user) = (url.vhost().to_owned(), url.user().to_owned());
    let permissions = client.permissions(&vhost, &user).await.map_err(explain);
    Some(Managed { version: overview.version(), client, vhost, user, permissions })
}

/// What the nodes themselves say of acknowledgements, which their interface does not tell.
fn node_timeout(config: &Config, broker: &Text) -> Finding {
    let queues = config.sources.iter().filter_map(|source| match &source.way {
        SourceWay::Amqp(queue) => Some(queue),
        SourceWay::Folder(_) => None,
    });
    let needed = queues
        .filter(|queue| queue.broker == *broker)
        .map(rules::acknowledges_within)
        .max()
        .unwrap_or_default();
    let says = format!(
        "the nodes' own consumer_timeout cannot be seen from here; it is {} ms unless rabbitmq.conf says otherwise",
        rules::DEFAULT_TIMEOUT.as_millis()
    );
    let advice = format!("keep it at {} ms or more; `rabbitmqctl environment` shows it", needed.as_millis());
    Finding::notice("node-consumer-timeout", says, advice)
}

async fn look_at_source(
    config: &Config,
    source: &Source,
    queue: &Consumed,
    managed: Option<&Managed>,
) -> Part {
    let reached = match wiring::source_probe(config, source, queue) {
        Ok(probe) => probe.check().await.map_err(explain),
        Err(error) => Err(format!("{error:#}")),
    };
    let mut findings = Vec::new();
    let mut is_missing = false;
    if let Some(managed) = managed {
        let seen = managed.source(queue).await;
        is_missing = matches!(seen.queue, Ok(None));
        findings = rules::source(queue, &seen, &wiring::source_connection(source));
    }
    add_reached(&mut findings, reached, is_missing, queue.topology == crate::config::Topology::Declare);
    Part {
        kind: "source",
        name: source.name.to_string(),
        place: format!("queue {} of {}", queue.queue, queue.broker),
        findings,
    }
}

/// A target over HTTP: whether somebody answers, who is whom the gateway trusts, and trusts the gateway.
async fn look_at_url(target: &Target, http: &Http) -> Part {
    const CHECK: &str = "http";
    let reached = match wiring::poster(target, http) {
        Ok(target) => target.check().await.map_err(explain),
        Err(error) => Err(format!("{error:#}")),
    };
    let finding = match reached {
        Ok(()) => Finding::good(CHECK, "somebody answers there; whether records are taken was not tried"),
        Err(why) => {
            let advice = "set it right: until then the gateway posts nothing, and tries again and again";
            Finding::fault(CHECK, why, advice)
        }
    };
    Part {
        kind: "target",
        name: target.name.to_string(),
        place: http.url.to_string(),
        findings: vec![finding],
    }
}

/// The message distributor: whether the gateway gets a token, is let in by it, and finds the exchange.
async fn look_at_distributor(config: &Config, target: &Target, to: &Distributor) -> Part {
    let reached = match wiring::sender_probe(config, &target.name, to) {
        Ok(target) => target.check().await.map_err(explain),
        Err(error) => Err(format!("{error:#}")),
    };
    let mut findings = Vec::new();
    add_reached(&mut findings, reached, false, false);
    let place = format!("exchange {} of {}", to.exchange, to.broker);
    Part { kind: "target", name: target.name.to_string(), place, findings }
}

async fn look_at_target(
    config: &Config,
    Target { name, .. }: &Target,
    target: &Amqp,
    managed: Option<&Managed>,
) -> Part {
    let reached = match wiring::target_probe(config, name, target) {
        Ok(probe) => probe.check().await.map_err(explain),
        Err(error) => Err(format!("{error:#}")),
    };
    let mut findings = Vec::new();
    let mut is_missing = false;
    if let Some(managed) = managed {
        let seen = managed.target(target).await;
        is_missing = matches!(
            seen.place,
            TargetPlace::Queue(Ok(None)) | TargetPlace::Exchange { exchange: Ok(None), .. }
        );
        findings = rules::target(target, &seen);
    }
    add_reached(&mut findings, reached, is_missing, target.topology == crate::config::Topology::Declare);
    let place = match &target.route {
        Route::Queue(queue) => format!("queue {queue} of {}", target.broker),
        Route::Exchange(exchange, key) | Route::Topic(exchange, key) => {
            format!("exchange {exchange} of {}, key {key}", target.broker)
        }
    };
    Part { kind: "target", name: name.to_string(), place, findings }
}

/// What AMQP says, put first; not twice where the management interface says the same.
fn add_reached(findings: &mut Vec<Finding>, reached: Result<(), String>, is_missing: bool, declares: bool) {
    const CHECK: &str = "amqp";
    let finding = match reached {
        Err(_) if is_missing => return,
        Err(why) => {
            let advice =
                "set it right: until then the gateway can do nothing here, and tries again and again";
            Finding::fault(CHECK, why, advice)
        }
        Ok(()) if declares => {
            Finding::good(CHECK, "the gateway gets in, and declares what it needs when it starts (topology)")
        }
        Ok(()) if is_missing => {
            let says = "over AMQP it is there, and for the management interface it is not";
            Finding::fault(CHECK, says, "let both URLs lead to the same broker")
        }
        Ok(()) => Finding::good(CHECK, "the gateway gets in, and it is there"),
    };
    findings.insert(0, finding);
}

/// An error with its causes, in one line.
pub(super) fn explain(error: impl std::error::Error + Send + Sync + 'static) -> String {
    format!("{:#}", anyhow::Error::new(error))
}

impl Managed {
    async fn source(&self, source: &Consumed) -> SourceSeen {
        let queue = self.queue(&source.queue).await;
        let mut dead_letters = DeadLetters::None;
        let (mut consumers, mut bindings) = (Vec::new(), Ok(0));
        if let Ok(Some(queue)) = &queue {
            let found = self.client.bindings_to(&self.vhost, &source.queue).await.map_err(explain);
            // The default exchange leads to every queue.
            bindings = found.map(|found| found.iter().filter(|binding| !binding.source.is_empty()).count());
            dead_letters = self.dead_letters(queue).await;
            for consumer in queue.consumer_details.iter().take(MOST) {
                consumers.push(self.consumer(consumer).await);
            }
        }
        let (user, permissions) = (self.user.clone(), self.permissions.clone());
        SourceSeen { version: self.version, user, queue, dead_letters, bindings, consumers, permissions }
    }

    async fn target(&self, target: &Amqp) -> TargetSeen {
        let place = match (&target.route, rules::keys(&target.route)) {
            (Route::Exchange(exchange, _) | Route::Topic(exchange, _), Some((keys, _))) => {
                self.exchange(exchange, &keys).await
            }
            (Route::Queue(name) | Route::Exchange(name, _) | Route::Topic(name, _), _) => {
                TargetPlace::Queue(self.queue(name).await)
            }
        };
        let (user, permissions) = (self.user.clone(), self.permissions.clone());
        TargetSeen { version: self.version, user, place, permissions }
    }

    async fn queue(&self, name: &str) -> Seen<Queue> {
        self.client.queue(&self.vhost, name).await.map_err(explain)
    }

    async fn bindings(&self, exchange: &str) -> Result<Vec<Bound>, String> {
        let bindings = self.client.bindings_from(&self.vhost, exchange).await.map_err(explain)?;
        let bound = |binding: management::Binding| Bound {
            key: binding.routing_key,
            destination: binding.destination,
            is_queue: binding.destination_type == "queue",
        };
        Ok(bindings.into_iter().map(bound).collect())
    }

    async fn exchange(&self, name: &str, keys: &Keys) -> TargetPlace {
        let exchange = self.client.exchange(&self.vhost, name).await.map_err(explain);
        let bindings = self.bindings(name).await;
        let mut alternate = None;
        let mut queues = Vec::new();
        if let Ok(Some(exchange)) = &exchange {
            if let Some(name) = &exchange.alternate {
                let there = self.client.exchange(&self.vhost, name).await;
                alternate = Some((name.clone(), !matches!(there, Ok(None))));
            }
            let takes = |bound: &&Bound| {
                bound.is_queue && keys.taken(&exchange.kind, &bound.key).is_none_or(|fit| fit > Fit::None)
            };
            let mut names: Vec<&str> =
                bindings.iter().flatten().filter(takes).map(|bound| bound.destination.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names.into_iter().take(MOST) {
                queues.push((name.to_owned(), self.queue(name).await));
            }
        }
        TargetPlace::Exchange { exchange, bindings, alternate, queues }
    }

    async fn dead_letters(&self, queue: &Queue) -> DeadLetters {
        let holds = queue.effective(self.version);
        let Some((exchange, key)) = rules::dead_letters_to(&holds) else { return DeadLetters::None };
        let named = exchange.to_owned();
        if exchange.is_empty() {
            // The default exchange has every queue bound by its name, and without a key this one itself.
            let Some(key) = key else { return DeadLetters::NoQueue(named) };
            return match self.queue(key).await {
                Ok(Some(_)) => DeadLetters::Kept(format!("queue {key}")),
                Ok(None) => DeadLetters::NoQueue(named),
                Err(why) => DeadLetters::Unseen(named, why),
            };
        }
        match self.client.exchange(&self.vhost, exchange).await {
            Ok(None) => DeadLetters::NoExchange(named),
            Err(error) => DeadLetters::Unseen(named, explain(error)),
            Ok(Some(found)) => match self.bindings(exchange).await {
                Err(why) => DeadLetters::Unseen(named, why),
                Ok(bindings) => {
                    let takes = |bound: &Bound| match key {
                        Some(key) => Keys::fixed(key).taken(&found.kind, &bound.key) != Some(Fit::None),
                        // Under the key that each message had, which nobody knows here.
                        None => true,
                    };
                    let is_kept = bindings.iter().any(takes) || found.alternate.is_some();
                    if is_kept { DeadLetters::Kept(named) } else { DeadLetters::NoQueue(named) }
                }
            },
        }
    }

    async fn consumer(&self, consumer: &management::Consumer) -> Consumer {
        let channel = &consumer.channel_details;
        let Some(connection) = &channel.connection_name else {
            return Consumer { from: "unknown".into(), name: Err("the broker does not say which".into()) };
        };
        let user = channel.user.as_deref().map(|user| format!(", user {user}")).unwrap_or_default();
        let name = match self.client.connection(connection).await {
            Ok(Some(connection)) => Ok(connection.user_provided_name),
            Ok(None) => Err("its connection is not listed".to_owned()),
            Err(error) => Err(explain(error)),
        };
        Consumer { from: format!("{connection}{user}"), name }
    }
}
