//! How a broker is reached, and who logs in there.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use samspor_amqp as amqp;
use samspor_formats::saml;
use samspor_http::{target as http, token};
use secrecy::ExposeSecret;

use super::read;
use crate::config::{Broker, Token};
use crate::open::MachineClock;

/// All that a connection is made of, secrets included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reached {
    broker: amqp::Broker,
    token: Option<token::Settings>,
}

/// What a section of the configuration and what it names say of a broker.
pub(super) fn reached(broker: &Broker, name: &str) -> Result<Reached> {
    let url = broker.url.read()?;
    let url = url.expose_secret().parse().with_context(|| format!("the URL in {}", broker.url))?;
    let identity = match &broker.client {
        Some((certificate, key)) => Some((read(certificate)?, key.read()?)),
        None => None,
    };
    let tls = amqp::Tls::new(broker.ca_file.as_deref().map(read).transpose()?, identity)
        .with_context(|| format!("the broker whose URL is in {}", broker.url))?;
    let token = broker.token.as_ref().map(|token| settings(token, broker)).transpose()?;
    let broker = amqp::Broker {
        name: name.to_owned(),
        url,
        login: amqp::Login::Url,
        tls,
        connect_timeout: broker.connect_timeout,
        request_timeout: broker.request_timeout,
        heartbeat: broker.heartbeat.max(Duration::from_secs(1)),
    };
    Ok(Reached { broker, token })
}

impl Reached {
    /// The broker, with who logs in there. Each source and target has tokens of its own.
    pub(super) fn broker(self) -> Result<amqp::Broker> {
        let login = match self.token {
            None => amqp::Login::Url,
            Some(settings) => {
                let place = settings.url.to_string();
                let client = token::Client::new(settings, Arc::new(MachineClock), saml::not_on_or_after);
                amqp::Login::Token(Arc::new(client.with_context(|| format!("tokens from {place}"))?))
            }
        };
        Ok(amqp::Broker { login, ..self.broker })
    }
}

fn settings(token: &Token, broker: &Broker) -> Result<token::Settings> {
    let (certificate, key) = &token.client;
    Ok(token::Settings {
        url: token.url.clone(),
        cvr: token.cvr.clone(),
        entity_id: token.entity_id.clone(),
        ca: token.ca_file.as_deref().map(read).transpose()?,
        certificate: read(certificate)?,
        key: http::Private(key.read()?),
        connect_timeout: broker.connect_timeout,
        answer_timeout: broker.request_timeout,
    })
}
