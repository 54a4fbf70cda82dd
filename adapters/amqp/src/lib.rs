//! Sources and targets over AMQP 0-9-1, as RabbitMQ from 3.10 on speaks it.
//!
//! Every subscription and every publisher has a connection of its own: a broker that blocks publishers stops reading
//! from their connection, acknowledgements included. Nothing here reconnects. What fails returns a
//! [`samspor_domain::LinkError`], and its caller makes another subscription or publisher.

mod broker;
pub mod distributor;
mod flight;
mod link;
mod login;
mod publisher;
mod routing;
pub mod source;
pub mod target;
mod tls;
mod topology;

pub use broker::{Broker, Url, UrlError};
pub use login::Login;
pub use source::Source;
pub use target::Target;
pub use tls::Tls;
pub use topology::{DELIVERY_LIMIT, ExchangeKind, QueueType, Topology};

/// A setting that cannot work, whatever the broker says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub struct SettingsError {
    /// The setting.
    pub field: &'static str,
    /// What is wrong with it.
    pub message: String,
}

/// The longest name, routing key or message id that AMQP 0-9-1 can carry, in bytes (its `shortstr`).
const MAX_NAME_BYTES: usize = 255;

impl SettingsError {
    fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }

    /// Checks a name that goes over the wire.
    fn check_name(field: &'static str, name: &str) -> Result<(), Self> {
        match name.len() {
            0 => Err(Self::new(field, "must not be empty")),
            1..=MAX_NAME_BYTES => Ok(()),
            bytes => {
                Err(Self::new(field, format!("must be at most {MAX_NAME_BYTES} bytes long, and has {bytes}")))
            }
        }
    }
}
