//! Brokers that are logged in to with certificates and tokens, and the message distributor as a target.

use std::path::PathBuf;

use samspor_http::target::Url;

use super::at::At;
use super::resolve::Resolver;
use super::{Certified, Distributor, Token, file};

/// How the keys of a certificate's key are called, and where each is.
type Keys<'f> = [(&'static str, &'f Option<At<String>>); 2];

impl Resolver {
    /// A certificate of the gateway's own and where its key is, if it has one; none where that is a problem.
    pub(super) fn certified(
        &mut self,
        certificate: Option<&At<PathBuf>>,
        keys: Keys<'_>,
    ) -> Option<Option<Certified>> {
        if let Some(certificate) = certificate {
            let path = self.path(certificate);
            return Some(Some((path, self.secret(certificate.span(), keys)?)));
        }
        for (name, key) in keys {
            if let Some(key) = key {
                self.reading.fault(key.span(), format!("`{name}` goes with `client_cert_file` only"));
                return None;
            }
        }
        Some(None)
    }

    /// How a broker's tokens are had. Without a certificate of its own it is the broker's that is shown.
    pub(super) fn token(&mut self, token: &At<file::Token>, brokers: Option<&Certified>) -> Option<Token> {
        let url = match token.url.parse::<Url>() {
            Ok(url) if url.is_tls() => Some(url),
            Ok(_) => {
                self.reading.fault(token.url.span(), "this must begin with `https:`: who asks shows a certificate");
                None
            }
            // The text itself stays untold: it may hold a password.
            Err(error) => {
                self.reading.fault(token.url.span(), format!("this {error}"));
                None
            }
        };
        let is_cvr = token.cvr.len() == 8 && token.cvr.bytes().all(|b| b.is_ascii_digit());
        if !is_cvr {
            self.reading.fault(token.cvr.span(), "this is not a CVR number: expected eight digits in quotes");
        }
        let entity_id = match &token.entity_id {
            None => file::RECEIVING.to_owned(),
            Some(id) => {
                if id.trim().is_empty() {
                    self.reading.fault(id.span(), "this must not be empty");
                }
                (**id).clone()
            }
        };
        let keys = [("client_key_file", &token.client_key_file), ("client_key_env", &token.client_key_env)];
        let own = self.certified(token.client_cert_file.as_ref(), keys)?;
        let Some(client) = own.or_else(|| brokers.cloned()) else {
            self.reading
                .fault(token.span(), "missing key: `client_cert_file`")
                .help("name the system's certificate here or in [brokers.NAME], and its key by `client_key_file`");
            return None;
        };
        let ca_file = token.ca_file.as_ref().map(|file| self.path(file));
        Some(Token { url: url?, cvr: (*token.cvr).clone(), entity_id, ca_file, client })
    }

    pub(super) fn distributor(
        &mut self,
        target: &At<file::TargetDistributor>,
    ) -> Option<Distributor> {
        let broker = self.broker_named(&target.broker);
        if broker.is_some() && !self.with_tokens.contains(target.broker.as_str()) {
            self.reading
                .fault(target.broker.span(), "each message carries the sender's token, and this broker has none")
                .help(format!("add [brokers.{}.token] with `entity_id = \"{}\"`", *target.broker, file::SENDING));
        }
        let message_type = self.identifier(&target.message_type);
        let system = match &target.source_system {
            Some(system) => Some(self.identifier(system)?),
            None => None,
        };
        let exchange = match &target.exchange {
            Some(exchange) => self.amqp_name(exchange, file::Topology::Check)?,
            None => file::EXCHANGE.to_owned(),
        };
        let answer_timeout = self.milliseconds(&target.answer_timeout_ms);
        Some(Distributor { broker: broker?, message_type: message_type?, system, exchange, answer_timeout })
    }

    /// A UUID or a URN.
    fn identifier(&mut self, id: &At<String>) -> Option<String> {
        let found = super::links::message_type(id);
        if found.is_none() {
            self.reading.fault(id.span(), "this is neither a UUID nor a URN (`urn:…`)");
        }
        found
    }
}
