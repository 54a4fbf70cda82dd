//! Searching what programs leave behind for what must not be there.

use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use anyhow::Context as _;

/// Texts to search for, all at once.
pub struct Search {
    texts: Vec<String>,
    automaton: AhoCorasick,
}

impl Search {
    /// Prepares to search for texts.
    pub fn new(texts: impl IntoIterator<Item = String>) -> anyhow::Result<Self> {
        let texts: Vec<String> = texts.into_iter().collect();
        anyhow::ensure!(!texts.is_empty(), "a search for nothing finds nothing");
        Ok(Self { automaton: AhoCorasick::new(&texts)?, texts })
    }

    /// The first of the texts that the bytes hold.
    #[must_use]
    pub fn find(&self, bytes: &[u8]) -> Option<&str> {
        self.automaton.find(bytes).map(|found| self.texts[found.pattern().as_usize()].as_str())
    }

    /// The files below a folder, or the file itself, that hold any of the texts; and how many bytes were searched.
    pub fn files(&self, place: &Path) -> anyhow::Result<(Vec<PathBuf>, u64)> {
        let mut found = Vec::new();
        let mut searched = 0;
        let mut places = vec![place.to_owned()];
        while let Some(place) = places.pop() {
            if place.is_dir() {
                for entry in std::fs::read_dir(&place)? {
                    places.push(entry?.path());
                }
                continue;
            }
            let bytes = std::fs::read(&place).with_context(|| format!("cannot read {}", place.display()))?;
            searched += bytes.len() as u64;
            if self.find(&bytes).is_some() {
                found.push(place);
            }
        }
        Ok((found, searched))
    }
}
