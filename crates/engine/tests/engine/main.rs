//! The engine over the embedded store.

mod answers;
mod brake;
mod breaking;
mod delivery;
mod fakes;
mod panics;
mod quarantine;
mod retention;
mod retention_by_chance;
mod stage;
mod supervision;
