//! The engine over the embedded store.

mod breaking;
mod panics;
mod quarantine;
mod retention;
mod retention_by_chance;
mod stage;
