//! The gRPC front and its client.
//!
//! The services stand in `proto/samspor/v1`. A door before them finds out who calls and lets in who may; without one they are
//! served on loopback alone.

mod audit;
mod audited;
mod balance;
mod caller;
mod change;
mod citizen;
pub mod client;
mod conflicts;
mod corrections;
mod deadline;
mod described;
pub mod door;
mod ending;
mod explain;
mod facts;
mod feed;
mod health;
mod intake;
mod keys;
mod listing;
mod message;
mod operations;
mod origin;
mod parked;
mod plans;
mod private;
mod progress;
mod put;
mod quarantine;
mod question;
mod rates;
mod reading;
mod reconciliation;
mod records;
mod refusal;
mod registry;
mod rights;
mod sent;
mod server;
mod shares;
mod sources;
mod subject;
mod targets;
pub mod tls;
pub mod tokens;
mod turned_away;
mod wire;
mod writing;

pub use balance::{kroner, ore};
pub use caller::{Caller, Role};
pub use described::as_json;
pub use door::Door;
pub use message::{CONTENT_TYPE, Decoder, intake};
pub use operations::Reload;
pub use put::Method;
pub use question::{Means, NotAnswered, Question, Store, WriteState};
pub use rates::Rate;
pub use records::Encoder;
pub use registry::registrar;
pub use server::{Bound, Error, SOURCE, Server, Settings};
pub use turned_away::TurnedAway;

/// The messages and services of `samspor.v1`, generated from `proto/`.
#[expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::large_enum_variant,
    reason = "generated"
)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/samspor.v1.rs"));
}

/// The encoded `FileDescriptorSet` of `samspor.v1`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/samspor.v1.descriptors"));
