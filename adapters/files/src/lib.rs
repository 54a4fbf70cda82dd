//! Folders as sources and targets: files that others leave for the gateway, and files that it leaves for others.
//!
//! [`source`] takes files as SFTP servers leave them, each a delivery of its own, and moves them away when all that they
//! caused is durable. [`target`] collects records in an open file, which it closes and hands over with a manifest.
//! Nothing that stands in a file or in its name goes into an error: names of files may hold those of people.

mod blocking;
mod folder;
pub mod moves;
mod place;
pub mod source;
pub mod target;

use samspor_domain::LinkError;

/// What could not be done, and why.
fn failed(doing: impl Into<String>, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LinkError {
    LinkError { doing: doing.into(), source: Some(why.into()) }
}
