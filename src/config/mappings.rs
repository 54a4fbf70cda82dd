//! Mapping files: loaded by the formats, and their flaws shown like those of the configuration.

use std::path::{Path, PathBuf};

use samspor_formats::mapping::Mapping;

use super::at::At;
use super::problem::{Problem, Problems, Source};
use super::resolve::Resolver;
use super::{Format, MaySend, file};

/// A mapping with its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) file: PathBuf,
    pub(crate) mapping: Mapping,
}

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
        let Declared { file, mapping } = self.declared(&mapping.file)?;
        Some(Format::Mapping { file, mapping })
    }

    /// The mapping by which a target's answers are read; `Some(None)` if it names none, and None if that has a problem.
    pub(super) fn answers(&mut self, target: &file::Target) -> Option<Option<Declared>> {
        let Some(mapping) = target.receipts.as_ref().and_then(|receipts| receipts.mapping.as_ref()) else {
            return Some(None);
        };
        let mut is_good = true;
        if target.http.is_none() {
            is_good = false;
            self.reading
                .fault(mapping.span(), "only answers over HTTP are read by this mapping")
                .help("give it to the source that brings the receipts, as [sources.mapping]");
        }
        let declared = self.declared(&mapping.file)?;
        if let Some(other) = declared.mapping.makes().find(|made| *made != "receipt") {
            is_good = false;
            self.reading
                .fault(
                    mapping.file.span(),
                    format!("this mapping makes `{other}`, and an answer is a receipt"),
                )
                .help("name a mapping that makes `receipt` and nothing else");
        }
        is_good.then_some(Some(declared))
    }

    /// A mapping by the name of its file.
    fn declared(&mut self, file: &At<PathBuf>) -> Option<Declared> {
        let path = self.path(file);
        if let Err(error) = std::fs::metadata(&path) {
            let why = format!("cannot read the mapping {}: {error}", path.display());
            self.reading.fault(file.span(), why);
            return None;
        }
        match load(&path) {
            Ok(mapping) => Some(Declared { file: path, mapping }),
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

#[cfg(test)]
mod tests {
    use super::super::tests::with;

    const LEDGER: &str = "amqp = { broker = \"bf\", queue = \"tagged\" }\n";
    const HTTP: &str = "http = { url = \"https://ledger.example/\" }\n";
    const XML: &str = "[reads]\nformat = \"xml\"\n[[message]]\ntype = \"receipt\"\neach = \"/Kvittering\"\n\
        [message.fields]\nid = \"Id\"\nsource = \"Kilde\"\nposting = \"Post\"\nrevision = \"Rev\"\n\
        status = \"Svar\"\nat = \"Tid\"\n";
    const PROGRESS: &str = "[reads]\nformat = \"json\"\n[[message]]\ntype = \"progress\"\n[message.fields]\n\
        id = \"a\"\nversion = \"b\"\ncitizen.cpr = \"c\"\nscale = \"d\"\nvalue = \"e\"\non = \"f\"\n";

    #[test]
    fn answers_are_read_by_a_mapping_that_makes_receipts_of_what_comes_over_http() {
        let folder = |target: &str, mapping: &str| {
            let receipts = "receipts = { mapping = { file = \"answers.toml\" } }\n";
            let folder = with(LEDGER, &format!("{target}{receipts}"));
            std::fs::write(folder.path().with_file_name("answers.toml"), mapping).expect("written");
            folder
        };
        let config = folder(HTTP, XML).load();
        let answers = config.targets[0].answers.as_ref().expect("a mapping");
        assert_eq!((answers.mapping.format(), config.targets[1].answers.as_ref()), ("xml", None));
        for (target, mapping, expected) in [
            (LEDGER, XML, "gateway.toml:41:24: only answers over HTTP are read by this mapping"),
            (HTTP, PROGRESS, "gateway.toml:41:33: this mapping makes `progress`, and an answer is a receipt"),
            (HTTP, &XML.replace("/Kv", "/<"), "answers.toml:5:8: "),
        ] {
            let problems = folder(target, mapping).problems();
            assert!(problems.iter().any(|problem| problem.starts_with(expected)), "{problems:#?}");
        }
    }
}
