//! Faults caused for real, and what must hold after each: every campaign has a short form, which the tests run, and a long
//! one, which `cargo xtask soak` runs.
//!
//! A campaign sends the sample town through a gateway that stands between proxies, breaks something at a moment that its
//! seed chooses or at a point that it holds on to, and asks for the [`Zeros`] afterwards.

mod backlog;
mod broker;
mod disk;
mod kills;
mod points;
mod receiver;
mod receivers;
mod restores;
mod rotations;
mod rubbish;
mod sender;
mod site;
mod verdict;

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

pub use backlog::{Backlog, backlog};
pub use broker::{TROUBLES, Trouble, Troubles, troubles};
pub use disk::{ABOUT, About, FullDisks, SmallDisk, full_disks};
pub use kills::{Kills, kills};
pub use points::{POINTS, Point, Points, points};
pub use receiver::Receiver;
pub use receivers::{Business, Receivers};
pub use restores::{Restores, restores};
pub use rotations::{Rotations, rotations};
pub use rubbish::{Rubbish, rubbish};
pub use sender::Sender;
pub use site::{CLOSED, ERP, LEDGER, LIS, Options, QUEUE, Site};
pub use verdict::{Verdict, Zeros};

/// How long any one wait may last, on a machine that builds and tests other things meanwhile.
pub const LIMIT: std::time::Duration = std::time::Duration::from_secs(300);

/// Where a campaign tells how far it is.
pub type Tell<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Chance, from a seed.
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number from `least` to `most`.
    pub(crate) fn from(&mut self, least: u64, most: u64) -> u64 {
        self.0.random_range(least..=most.max(least))
    }

    /// Whether it happens, once in so many times.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.from(1, times) == 1
    }
}
