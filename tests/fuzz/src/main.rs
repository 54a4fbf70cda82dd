//! The program that libFuzzer drives: one target, which `SAMSPOR_FUZZ_TARGET` names, in a process of its own.

#![no_main]

use std::sync::LazyLock;

use samspor_fuzz::{Corpus, TARGETS, Target};

/// The target, and what it must not show.
static RUN: LazyLock<(Corpus, &Target)> = LazyLock::new(|| {
    #[expect(clippy::disallowed_methods, reason = "the command line is libFuzzer's")]
    let name = std::env::var("SAMSPOR_FUZZ_TARGET").unwrap_or_default();
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.unwrap_or_else(|| panic!("SAMSPOR_FUZZ_TARGET names no target: {name:?}"));
    let corpus = Corpus::new(Corpus::SEED).unwrap_or_else(|error| panic!("{error:#}"));
    (corpus, target)
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (corpus, target) = &*RUN;
    let _ = target.run(corpus, input);
});
