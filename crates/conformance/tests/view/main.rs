//! The view is always right: the real engine over the embedded store, held against a second evaluation of the rules.

mod forwarding;
mod hard_cases;
mod random;
mod scene;
mod stage;
