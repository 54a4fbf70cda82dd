//! Files that say how messages are read, and nothing else: a mapping, or a format that is code with its settings, as they
//! stand in a source.

use std::path::Path;

use serde::Deserialize;

use super::at::{At, Number};
use super::file::{self, G69, Oio};
use super::problem::{Problem, Problems};
use super::reading::read;
use super::resolve::Resolver;
use super::{Format, mappings};

/// The keys of a source that say what its messages are written in. A mapping has none of them at its top.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reads {
    format: At<file::Format>,
    oio: Option<At<Oio>>,
    g69: Option<At<G69>>,
    g68: Option<At<super::g68::G68>>,
}

/// Reads a file that says how messages are read.
pub(crate) fn load(path: &Path) -> Result<Format, Problems> {
    let text = std::fs::read_to_string(path).map_err(|error| Problems(vec![Problem::of(path, error)]))?;
    let is_format = text.parse::<toml::Table>().is_ok_and(|table| table.contains_key("format"));
    if !is_format {
        return Ok(Format::Mapping { file: path.to_owned(), mapping: mappings::load(path)? });
    }
    let (reads, reading) = read::<Reads>(path).map_err(|problem| Problems(vec![problem]))?;
    let mut resolver = Resolver::alone(reading, path);
    if *reads.format == file::Format::Mapping {
        resolver.reading.fault(reads.format.span(), "a mapping is a file of its own").help("name that file");
    }
    let format = match *reads.format {
        file::Format::Mapping => None,
        _ => resolver.format(&source(reads)),
    };
    match (format, resolver.reading.problems) {
        (Some(format), problems) if problems.is_empty() => Ok(format),
        (_, problems) => {
            let here = |problem: Problem| problem.reworded(|text| text.replace("[sources.", "["));
            Err(Problems(problems.into_iter().map(here).collect()))
        }
    }
}

/// As a source has these keys, which comes from nowhere.
fn source(reads: Reads) -> file::Source {
    file::Source {
        name: At::default(),
        format: reads.format,
        may_send: None,
        receipts_of: None,
        max_body_bytes: Number::default(),
        amqp: None,
        folder: None,
        content_types: None,
        oio: reads.oio,
        g69: reads.g69,
        g68: reads.g68,
        mapping: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Encoding;
    use super::*;

    fn of(text: &str) -> Result<Format, Vec<String>> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.toml");
        std::fs::write(&path, text).expect("it is written");
        load(&path).map_err(|problems| problems.render().lines().map(str::to_owned).collect())
    }

    #[test]
    fn a_format_has_the_keys_of_a_source_and_a_mapping_its_own() {
        assert_eq!(of("format = \"json\""), Ok(Format::Json));
        let latin1 = "format = \"g69\"\ng69 = { encoding = \"iso-8859-1\" }";
        assert_eq!(of(latin1), Ok(Format::G69 { encoding: Encoding::Latin1 }));
        let g68 = "format = \"g68\"\n[g68]\ngrant_field = 17\ngrant_system = \"dubu\"";
        assert!(matches!(of(g68), Ok(Format::G68(settings)) if settings.grant == 17));
        let oio = "format = \"oio\"\n[oio.message_types]\n\"urn:oio:x\" = \"case\"";
        assert!(matches!(of(oio), Ok(Format::Oio { message_types }) if message_types.len() == 1));
        let mapping = "[reads]\nformat = \"csv\"\n[[message]]\ntype = \"case\"\n[message.fields]\nid = \"Nr\"\n\
                       version = \"V\"\ncitizen.id = \"C\"";
        assert!(matches!(of(mapping), Ok(Format::Mapping { mapping, .. }) if mapping.format() == "csv"));
        for (text, says) in [
            ("format = \"g68\"", "add [g68] with grant_field = 17"),
            ("format = \"json\"\ng69 = { encoding = \"utf-8\" }", "[g69] goes with format = \"g69\" only"),
            ("format = \"mapping\"", "a mapping is a file of its own"),
            ("format = \"g69\"\nname = \"x\"", "there is no key `name`"),
            ("format = \"g70\"", "there is no choice `g70`"),
            ("[reads]\nformat = \"csv\"", "message"),
        ] {
            let problems = of(text).expect_err(text).join("\n");
            assert!(problems.contains(says) && !problems.contains("[sources."), "{text}: {problems}");
        }
    }
}
