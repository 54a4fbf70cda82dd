//! What the gateway tells Prometheus, at an HTTP endpoint of its own: `GET /metrics`, in the OpenMetrics text format.
//!
//! Nothing is counted for it but three histograms of the hot path and what mappings pass over. All else is read when somebody asks, from the store and
//! the status board, as `samspor reconcile` and `samspor status` do; so it is true whatever happened before. Its labels
//! name systems, parts, outcomes and reasons, and nobody.

mod family;
mod figures;
mod measures;
mod parts;
mod process;
mod server;

pub use server::{Bound, Error, Server, Settings};
