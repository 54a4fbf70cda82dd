//! The engine over the embedded store.

mod answers;
mod brake;
mod delivery;
mod fakes;
mod missing;
mod panics;
mod quarantine;
mod released;
mod retention;
mod retention_by_chance;
mod simulation;
mod stage;
mod supervision;
