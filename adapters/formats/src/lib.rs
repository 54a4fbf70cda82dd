//! Decoders and encoders of the messages: canonical JSON, the OIO `Haendelsesbesked`, and lines of G69; and a masked view
//! of any of them, for an operator.
//!
//! Each format is a module with a `Decoder` of the port [`samspor_domain::Decode`]. A decoder never panics and never
//! loses anything: every item of a body comes out as a message, or as a fault that names its place and quotes nothing.

mod calendar;
mod content_type;
pub mod g69;
pub mod json;
mod masked;
pub mod oio;
pub mod saml;

pub use masked::Masked;

#[cfg(test)]
mod hostile_tests;
