//! The engine over the embedded store.

mod answers;
mod arrival;
mod awaited;
mod brake;
mod clock;
mod controls;
mod corrections;
mod delivery;
mod fakes;
mod filters;
mod forgetting;
mod held_up;
mod mapped;
mod missing;
mod panics;
mod put_off;
mod quarantine;
mod released;
mod retention;
mod retention_by_chance;
mod scrubbing;
mod simulation;
mod stage;
mod stopping;
mod supervision;
mod unused;
