//! The gRPC front and its client.
//!
//! The services stand in `proto/samspor/v1`. A door before them finds out who calls and lets in who may; without one they are
//! served on loopback alone.

mod admin;
mod audit;
mod caller;
mod change;
pub mod client;
mod conflicts;
mod deadline;
mod delivery;
pub mod door;
mod ending;
mod facts;
mod feed;
mod health;
mod intake;
mod keys;
mod listing;
mod message;
mod plans;
mod private;
mod put;
mod quarantine;
mod reading;
mod records;
mod refusal;
mod registry;
mod rights;
mod sent;
mod server;
pub mod tls;
pub mod tokens;
mod wire;
mod writing;

pub use admin::Reload;
pub use caller::{Caller, Role};
pub use door::Door;
pub use message::{CONTENT_TYPE, Decoder, intake};
pub use put::Method;
pub use records::Encoder;
pub use registry::registrar;
pub use server::{Bound, Error, SOURCE, Server, Settings};

/// The messages and services of `samspor.v1`, generated from `proto/`.
#[expect(clippy::allow_attributes, clippy::allow_attributes_without_reason, reason = "generated")]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/samspor.v1.rs"));
}

/// The encoded `FileDescriptorSet` of `samspor.v1`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/samspor.v1.descriptors"));
