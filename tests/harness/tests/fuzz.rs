//! Every decoder and parser for a bounded number of inputs. `cargo xtask soak` gives them more.

use samspor_harness::fuzz::{Corpus, TARGETS, Until, fuzz};

/// Inputs for each target.
const EXECUTIONS: u64 = 12_000;

#[test]
fn no_bytes_break_a_decoder_or_a_parser_or_make_it_tell() -> anyhow::Result<()> {
    let seed = 4_006;
    println!("seed {seed}");
    let corpus = Corpus::new(seed)?;
    for target in &TARGETS {
        let fuzzed = fuzz(target, &corpus, seed, Until::Executions(EXECUTIONS))?;
        println!("{fuzzed:?}");
        assert_eq!(fuzzed.executions, EXECUTIONS);
        // Neither are all inputs good, nor none: they go both ways through what they fuzz.
        assert!(fuzzed.good > 0 && fuzzed.good < EXECUTIONS, "{fuzzed:?}");
    }
    Ok(())
}
