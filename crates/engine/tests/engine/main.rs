//! The engine over the embedded store.

mod brake;
mod delivery;
mod retention;
mod retention_by_chance;
mod stage;
