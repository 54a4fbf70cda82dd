//! The engine over the embedded store.

mod retention;
mod retention_by_chance;
mod stage;
