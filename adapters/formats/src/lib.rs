//! Decoders and encoders of the messages: canonical JSON, the OIO `Haendelsesbesked`, lines of G69 and G68, and whatever a declared
//! mapping reads; and a masked view of any of them, for an operator.
//!
//! Each format that is read is a module with a `Decoder` of the port [`samspor_domain::Decode`]. A decoder never panics and never
//! loses anything: every item of a body comes out as a message, or as a fault that names its place and quotes nothing.
//! Formats in which targets get records are JSON, XML and CSV, each with an `Encoder` of [`samspor_domain::Encode`].

mod calendar;
mod content_type;
pub mod csv;
pub mod g68;
pub mod g69;
pub mod json;
pub mod mapping;
mod markup;
mod masked;
pub mod oio;
pub mod relabelled;
pub mod saml;
mod shown;
pub mod xml;

pub use masked::Masked;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod shown_tests;
