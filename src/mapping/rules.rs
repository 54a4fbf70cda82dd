//! By which rules examples are read: those of the sources that name their mapping, or none.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use samspor_engine::{Intake, Permissions};

use super::source_of;
use crate::config::{Config, Format};
use crate::wiring;

/// The sources of a configuration that name a mapping, each with its file.
pub(super) fn of(config: &Config) -> Vec<(PathBuf, Intake)> {
    let named = config.sources.iter().filter_map(|source| match &source.format {
        Format::Mapping { file, .. } => Some((file.clone(), wiring::intake(source))),
        _ => None,
    });
    named.collect()
}

/// The mappings that sources name, each once.
pub(super) fn mappings(sources: &[(PathBuf, Intake)]) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = sources.iter().map(|(file, _)| file.clone()).collect();
    files.sort();
    files.dedup();
    if files.is_empty() {
        bail!("no source of the configuration names a mapping: name the files to be tested");
    }
    Ok(files)
}

/// How examples of a mapping are read: as the source that names it, under the mapping's own name, which examples are written
/// for. Where no source does, as none names a format that is code by a file, anything may be sent.
pub(super) fn intake(path: &Path, format: &Format, sources: &[(PathBuf, Intake)]) -> Result<Intake> {
    let source = source_of(path)?;
    let decoder = wiring::decoder(format);
    let own = fs::canonicalize(path).ok();
    let mut named = sources.iter().filter(|(file, _)| own.is_some() && fs::canonicalize(file).ok() == own);
    Ok(match (named.next(), named.next()) {
        (Some((_, configured)), None) => Intake { source, decoder, ..configured.clone() },
        (None, _) => Intake { source, decoder, may_send: Permissions::all(), max_body_bytes: usize::MAX },
        (Some((_, one)), Some((_, other))) => bail!(
            "the sources {} and {} both name {}: test it with a configuration that has one of them",
            one.source,
            other.source,
            path.display()
        ),
    })
}
