//! Where a corpus is played: a fresh embedded store in a directory of its own.

use std::path::Path;

use samspor_conformance::{Corpus, Failure, Script, describe, play, shrink};
use samspor_sqlite::Sqlite;

/// A directory that goes away; in memory where there is such a place, since every transaction is made durable.
pub(crate) fn directory() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.unwrap_or_else(|error| panic!("{error}"))
}

/// Plays a script over a fresh store.
pub(crate) fn over_sqlite(corpus: &Corpus, script: &Script) -> Result<String, Failure> {
    let directory = directory();
    play(&|| Ok(Box::new(Sqlite::open(directory.path())?)), corpus, script)
}

/// Plays a script; where it fails, fails with a short one that does too.
pub(crate) fn must_hold(corpus: &Corpus, script: Script) -> String {
    over_sqlite(corpus, &script).unwrap_or_else(|failure| {
        let fails = |script: &Script| over_sqlite(corpus, script).err();
        let (script, failure) = shrink(script, failure, fails);
        panic!("{failure}\n{}", describe(corpus, &script))
    })
}
