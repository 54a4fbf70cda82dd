//! The engine over the embedded store.

mod fakes;
mod retention;
mod retention_by_chance;
mod stage;
mod supervision;
