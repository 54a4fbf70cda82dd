//! Mapping files: loaded by the formats, and their flaws shown like those of the configuration.

use std::path::Path;

use samspor_formats::mapping::Mapping;

use super::problem::{Problem, Problems, Source};
use super::resolve::Resolver;
use super::{Format, MaySend, file};

/// Reads a mapping file.
pub(super) fn load(path: &Path) -> Result<Mapping, Problems> {
    let text = std::fs::read_to_string(path).map_err(|error| Problems(vec![Problem::of(path, error)]))?;
    Mapping::load(&text).map_err(|flaws| {
        let source = Source::new(path, &text);
        let problem = |flaw: samspor_formats::mapping::Flaw| {
            let mut problem = source.problem(flaw.at, flaw.message);
            if let Some(help) = flaw.help {
                problem.help(help);
            }
            problem
        };
        Problems(flaws.into_iter().map(problem).collect())
    })
}

impl Resolver {
    /// The mapping that a source names.
    pub(super) fn mapping(&mut self, source: &file::Source) -> Option<Format> {
        let Some(mapping) = &source.mapping else {
            self.reading
                .fault(source.format.span(), "format = \"mapping\" needs a mapping")
                .help("add [sources.mapping] with file = \"mappings/NAME.toml\"");
            return None;
        };
        let path = self.path(&mapping.file);
        if let Err(error) = std::fs::metadata(&path) {
            let why = format!("cannot read the mapping {}: {error}", path.display());
            self.reading.fault(mapping.file.span(), why);
            return None;
        }
        match load(&path) {
            Ok(mapping) => Some(Format::Mapping { file: path, mapping }),
            Err(problems) => {
                self.reading.problems.extend(problems.0);
                None
            }
        }
    }
}

impl Resolver {
    /// That a source may send what its mapping makes: each item of another type would go to quarantine, every day.
    pub(super) fn permitted(&mut self, source: &file::Source, format: &Format, may_send: &MaySend) {
        let Format::Mapping { mapping, .. } = format else { return };
        let mut makes = Vec::new();
        mapping.makes().for_each(|word| {
            if !makes.contains(&word) {
                makes.push(word)
            }
        });
        let refused: Vec<_> = makes.iter().filter(|word| !may_send.has(word)).copied().collect();
        if refused.is_empty() {
            return;
        }
        let at = source.may_send.as_ref().map_or(source.format.span(), |written| written.span());
        let all: Vec<_> = makes.iter().map(|word| format!("\"{word}\"")).collect();
        let why = format!(
            "the mapping makes {}, which this source may not send: each would go to quarantine",
            refused.join(", ")
        );
        self.reading.fault(at, why).help(format!("say may_send = [{}]", all.join(", ")));
    }
}

impl MaySend {
    /// Whether messages of that type are among it.
    fn has(&self, word: &str) -> bool {
        match word {
            "posting" => self.postings,
            "receipt" => self.receipts_of.is_some(),
            _ => self.facts.iter().any(|kind| kind.word() == word),
        }
    }
}
