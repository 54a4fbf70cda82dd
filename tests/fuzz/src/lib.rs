//! A fuzz target for each decoder and each parser of the domain: a plain function of bytes that panics where something does
//! not hold. `cargo xtask fuzz` gives them what libFuzzer makes of the samples, and keeps those who reach something new.
//!
//! What holds for any bytes: no panic; a body becomes at least one item; read again, it is the same; nothing of a person, no
//! control characters and nothing long shows in a fault or in what is shown of a body.

#![forbid(unsafe_code)]

mod calls;
mod corpus;
mod targets;

pub use corpus::Corpus;
pub use targets::{TARGETS, Target};

#[cfg(test)]
mod tests {
    use super::*;

    /// Also that the samples go both ways through what they fuzz: neither are all of them good, nor none.
    #[test]
    fn what_the_town_sends_breaks_no_target_as_it_is() -> anyhow::Result<()> {
        let corpus = Corpus::new(Corpus::SEED)?;
        for target in &TARGETS {
            let samples = corpus.samples(target);
            let good = samples.iter().filter(|sample| target.run(&corpus, sample)).count();
            println!("{}: {} samples, {good} of them good", target.name, samples.len());
            assert!(good > 0, "{}", target.name);
            assert!(good < samples.len() || target.name == "masked", "{}", target.name);
        }
        Ok(())
    }
}
