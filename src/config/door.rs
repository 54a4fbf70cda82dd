//! The gRPC front and who is let in there, and how commands get in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use samspor_domain::SourceName;
use samspor_grpc::door::{Identity, Known};
use samspor_grpc::{Rate, Role};

use super::at::At;
use super::links::unique;
use super::resolve::Resolver;
use super::{Client, Door, Grpc, Tokens, file};

/// Names of callers that the audit log gives to others.
const RESERVED: [&str; 4] = ["samspor", "signal", "anyone", "nobody"];

impl Resolver {
    pub(super) fn grpc(&mut self, grpc: &file::Grpc) -> Option<Grpc> {
        let (listen, senders) = (self.listen(grpc), self.senders(grpc));
        let tls = grpc.tls.as_ref().map(|tls| {
            let keys = [("key_file", &tls.key_file), ("key_env", &tls.key_env)];
            let key = self.secret(tls.span(), keys);
            let client_ca = tls.client_ca_file.as_ref().map(|file| self.path(file));
            Some(((self.path(&tls.certificate_file), key?), client_ca))
        });
        let tokens = grpc.tokens.as_ref().map(|tokens| Tokens {
            keys_file: self.path(&tokens.keys_file),
            issuer: (*tokens.issuer).clone(),
            audience: (*tokens.audience).clone(),
            leeway: Duration::from_secs(self.reading.number(&tokens.leeway_s)),
        });
        if let Some(tls) = grpc.tls.as_ref().filter(|tls| tls.client_ca_file.is_none() && tokens.is_none()) {
            self.reading
                .fault(
                    tls.span(),
                    "no caller could be known: there is neither `client_ca_file` nor [grpc.tokens]",
                )
                .help("name the authority that signs callers' certificates, or the keys of their tokens");
        }
        let has_door = grpc.tls.is_some() || grpc.tokens.is_some();
        if let Some(caller) = grpc.callers.first().filter(|_| !has_door) {
            let message =
                "nothing would tell this caller from another: there is neither [grpc.tls] nor [grpc.tokens]";
            self.reading.fault(caller.span(), message);
        }
        let section = grpc.tls.as_ref().map(At::span).or(grpc.tokens.as_ref().map(At::span));
        if let Some(section) = section.filter(|_| grpc.callers.is_empty()) {
            self.reading
                .fault(section, "nobody could call: there are no [[grpc.callers]]")
                .help("name each caller with its certificate or token and its roles");
        }
        unique("caller", grpc.callers.iter().map(|caller| &caller.name), &mut self.reading);
        self.unique_dns(grpc);
        let identities =
            |of: fn(&file::GrpcCaller) -> Option<&At<String>>| grpc.callers.iter().filter_map(move |c| of(c));
        unique("caller", identities(|caller| caller.certificate.as_ref()), &mut self.reading);
        unique("caller", identities(|caller| caller.token.as_ref()), &mut self.reading);
        let callers: Option<Vec<Known>> =
            grpc.callers.iter().map(|caller| self.caller(grpc, caller)).collect();
        let (tls, callers) = (tls.map_or(Some(None), |tls| tls.map(Some)), callers?);
        let door = has_door.then_some(Door { tls: tls?, tokens, callers });
        let listen = listen?;
        let bounds = self.bounds(listen, &grpc.limits);
        Some(Grpc { listen, bounds, door, senders: senders? })
    }

    fn bounds(&mut self, listen: SocketAddr, limits: &file::GrpcLimits) -> samspor_grpc::Settings {
        let per_second = |per_second: u32, burst: u32| {
            let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
            Rate { per_second: number(per_second), burst: number(burst) }
        };
        let calls = (self.reading.number(&limits.calls_per_second), self.reading.number(&limits.calls_burst));
        let messages =
            (self.reading.number(&limits.messages_per_second), self.reading.number(&limits.messages_burst));
        samspor_grpc::Settings {
            max_connections: self.reading.number(&limits.connections),
            max_connections_of_address: self.reading.number(&limits.connections_per_address),
            max_connections_of_certificate: self.reading.number(&limits.connections_per_certificate),
            max_streams_of_caller: self.reading.number(&limits.streams_per_caller),
            calls: per_second(calls.0, calls.1),
            messages: per_second(messages.0, messages.1),
            stall_timeout: self.milliseconds(&limits.stall_timeout_ms),
            ..samspor_grpc::Settings::new(listen)
        }
    }

    /// Two callers whose DNS names differ in capitals alone are one.
    fn unique_dns(&mut self, grpc: &file::Grpc) {
        let mut known = BTreeMap::new();
        for name in grpc.callers.iter().filter_map(|caller| caller.certificate.as_ref()) {
            let first = known.entry(normal(name)).or_insert(name);
            if ***first != **name {
                self.reading.fault(name.span(), "another caller has this name, and DNS knows no capitals");
            }
        }
    }

    fn listen(&mut self, grpc: &file::Grpc) -> Option<SocketAddr> {
        let Ok(address) = grpc.listen.parse::<SocketAddr>() else {
            self.reading.fault(grpc.listen.span(), "this is not an address and port such as 127.0.0.1:50461");
            return None;
        };
        if !address.ip().to_canonical().is_loopback() && grpc.tls.is_none() {
            self.reading
                .fault(
                    grpc.listen.span(),
                    "this can be reached from other machines, and there is no [grpc.tls]",
                )
                .help("listen on 127.0.0.1 or [::1], or give the front a certificate");
            return None;
        }
        Some(address)
    }

    fn caller(&mut self, grpc: &file::Grpc, caller: &At<file::GrpcCaller>) -> Option<Known> {
        let name = self.reading.text(&caller.name);
        let identity = match (&caller.certificate, &caller.token) {
            (Some(name), None) => {
                let known = ["uri:", "dns:", "subject:"];
                if grpc.tls.as_ref().is_none_or(|tls| tls.client_ca_file.is_none()) {
                    let message = "callers with certificates need `client_ca_file` in [grpc.tls]";
                    self.reading.fault(name.span(), message);
                    None
                } else if known.iter().all(|kind| name.strip_prefix(kind).is_none_or(str::is_empty)) {
                    let message =
                        "this names no part of a certificate: it begins with `uri:`, `dns:` or `subject:`";
                    self.reading.fault(name.span(), message);
                    None
                } else {
                    if let Some(why) = name.strip_prefix("subject:").and_then(fault_of_subject) {
                        self.reading
                            .fault(name.span(), why)
                            .help("write it as RFC 4514 does: `subject:CN=registry,O=Kommunen,C=DK`");
                    }
                    Some(Identity::Certificate(normal(name)))
                }
            }
            (None, Some(subject)) => {
                if grpc.tokens.is_none() {
                    self.reading.fault(subject.span(), "callers with tokens need [grpc.tokens]");
                }
                Some(Identity::Token((**subject).clone()))
            }
            (Some(_), Some(token)) => {
                self.reading.fault(
                    token.span(),
                    "`certificate` and `token` exclude each other; make two callers of it",
                );
                None
            }
            (None, None) => {
                self.reading.fault(caller.span(), "missing key: one of `certificate` and `token`");
                None
            }
        };
        if caller.roles.is_empty() {
            self.reading.fault(caller.roles.span(), "a caller without a role may do nothing");
        }
        for source in &caller.sources {
            if !grpc.sources.iter().any(|known| *known.name == **source) {
                self.reading.fault(source.span(), "there is no such source under [[grpc.sources]]");
            }
        }
        let is_sender = caller.roles.contains(&file::Role::Intake);
        if is_sender == caller.sources.is_empty() {
            let message = "the role `intake` and `sources` go together: `sources` says as which of [[grpc.sources]] it may send";
            self.reading.fault(caller.roles.span(), message);
        }
        if RESERVED.contains(&caller.name.as_str()) {
            self.reading.fault(
                caller.name.span(),
                "the audit log names somebody else so: the gateway itself, or nobody known",
            );
        }
        let sources: Option<BTreeSet<SourceName>> =
            caller.sources.iter().map(|source| self.source_name(source)).collect();
        let role = |role: &file::Role| match role {
            file::Role::Intake => Role::Intake,
            file::Role::Registrar => Role::Registrar,
            file::Role::Ledger => Role::Ledger,
            file::Role::Lis => Role::Lis,
            file::Role::Operator => Role::Operator,
            file::Role::Auditor => Role::Auditor,
        };
        let roles: BTreeSet<Role> = caller.roles.iter().map(role).collect();
        Some(Known { name: name?.to_string(), identity: identity?, roles, sources: sources? })
    }

    pub(super) fn client(&mut self, client: &file::Client) -> Client {
        let url = client.url.as_ref().map(|url| {
            if !url.starts_with("https://") && !url.starts_with("http://") {
                self.reading.fault(
                    url.span(),
                    "this is no URL: it begins with `https://`, or with `http://` on this machine",
                );
            }
            (**url).clone()
        });
        let keys = [("client_key_file", &client.client_key_file), ("client_key_env", &client.client_key_env)];
        let certificate = self.certified(client.client_cert_file.as_ref(), keys).flatten();
        let token = [("token_file", &client.token_file), ("token_env", &client.token_env)];
        let at = token.iter().find_map(|(_, key)| key.as_ref().map(At::span));
        if let Some((at, url)) = at.clone().zip(client.url.as_ref())
            && url.strip_prefix("http://").is_some_and(|rest| !is_this_machine(rest))
        {
            let message =
                "the token would go to another machine in clear text: the URL must begin with `https://`";
            self.reading.fault(at, message);
        }
        let token = at.and_then(|at| self.secret(at, token));
        Client { url, ca_file: client.ca_file.as_ref().map(|file| self.path(file)), certificate, token }
    }
}

/// A name of a certificate as it is compared: DNS knows no capitals.
fn normal(name: &str) -> String {
    if name.starts_with("dns:") { name.to_ascii_lowercase() } else { name.to_owned() }
}

/// Why a subject could not be any certificate's.
fn fault_of_subject(subject: &str) -> Option<&'static str> {
    let (mut is_escaped, mut is_start, mut has_equals) = (false, true, false);
    for char in subject.chars() {
        if is_start && char == ' ' {
            return Some("no certificate has this subject: there is no blank between its parts");
        }
        is_start = !is_escaped && matches!(char, ',' | '+');
        if is_start && !has_equals {
            return Some(
                "no certificate has this subject: each part is `TYPE=value`, and a comma in a value is `\\,`",
            );
        }
        has_equals = !is_start && (has_equals || char == '=');
        is_escaped = !is_escaped && char == '\\';
    }
    (!has_equals).then_some(
        "no certificate has this subject: each part is `TYPE=value`, and a comma in a value is `\\,`",
    )
}

/// Whether the host of a URL, of which this follows the scheme, is this machine.
fn is_this_machine(rest: &str) -> bool {
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}
