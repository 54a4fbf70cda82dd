//! The stages that a message passes on the hot path, each as work that can be done any number of times: `cargo bench -p
//! samspor-bench` times them, and `cargo xtask count` counts their instructions.

mod deciding;
mod decoding;
mod mapping;
mod storing;

use anyhow::{Context as _, Result};

/// A stage of the hot path.
pub struct Stage {
    /// Its name, by which the baseline knows it.
    pub name: &'static str,
    make: fn() -> Result<Work>,
}

/// A stage by name, and how its work is made.
type Listed = (&'static str, fn() -> Result<Work>);

/// What a stage does in one round.
pub struct Work {
    /// How many items one round is.
    pub items: u64,
    /// How many bytes come in with them, where a stage reads bytes.
    pub bytes: Option<u64>,
    round: Box<dyn Round>,
}

/// Rounds of work.
trait Round {
    /// Makes ready for so many rounds.
    fn prepare(&mut self, _rounds: usize) -> Result<()> {
        Ok(())
    }

    /// Does one.
    fn run(&mut self) -> Result<()>;
}

impl<F: FnMut() -> Result<()>> Round for F {
    fn run(&mut self) -> Result<()> {
        self()
    }
}

impl Stage {
    /// All of them, in the order of a message's way.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let stages = decoding::STAGES.into_iter().chain(deciding::STAGES).chain(storing::STAGES);
        stages.map(|(name, make)| Self { name, make }).collect()
    }

    /// Decoders that are timed beside them, and not counted.
    #[must_use]
    pub fn timed_only() -> Vec<Self> {
        mapping::STAGES.into_iter().map(|(name, make)| Self { name, make }).collect()
    }

    /// The one of that name.
    pub fn named(name: &str) -> Result<Self> {
        Self::all()
            .into_iter()
            .find(|stage| stage.name == name)
            .with_context(|| format!("no stage is called {name}"))
    }

    /// Its work, with all that it needs.
    pub fn work(&self) -> Result<Work> {
        (self.make)()
    }
}

impl Work {
    fn new(items: usize, bytes: Option<usize>, round: impl Round + 'static) -> Self {
        let size = |size| u64::try_from(size).unwrap_or(u64::MAX);
        Self { items: size(items), bytes: bytes.map(size), round: Box::new(round) }
    }

    /// Makes ready for so many rounds. It is no part of the work.
    pub fn prepare(&mut self, rounds: usize) -> Result<()> {
        self.round.prepare(rounds)
    }

    /// Does one round.
    pub fn run(&mut self) -> Result<()> {
        self.round.run()
    }
}
