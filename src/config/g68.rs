//! How a source writes its payments in G68.

use samspor_formats::{g68, g69};
use serde::Deserialize;

use super::at::{At, Number};
use super::file::{self, Encoding};
use super::reading::Reading;
use super::{Format, Problem};

/// How lines of G68 are read. Needed with `format = "g68"`, and only there. G68 names no grant, so the system that pays must
/// write the grant's id into a field of its own choice. `docs/g68.md` says more.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [sources.g68]")]
pub(super) struct G68 {
    /// The number of the field that holds the id of the grant which is paid.
    pub(super) grant_field: Number<0, 1, 99>,
    /// The source in which grants have these ids.
    pub(super) grant_system: At<String>,
    /// The number of the field that holds the payment's id, by which the error return names it. Field 16 equals G69's 117.
    #[serde(default)]
    pub(super) reference_field: Number<16, 1, 99>,
    /// The encoding of the lines.
    #[serde(default)]
    pub(super) encoding: Encoding,
}

impl Reading {
    /// The format of a source that writes G68.
    pub(super) fn g68(&mut self, source: &file::Source) -> Option<Format> {
        let Some(g68) = &source.g68 else {
            let problem: &mut Problem = self
                .fault(source.format.span(), "format = \"g68\" needs to know which grant a payment is of");
            problem.help("add [sources.g68] with grant_field = 17 and grant_system = \"NAME\"");
            return None;
        };
        let encoding = match g68.encoding {
            Encoding::Utf8 => g69::Encoding::Utf8,
            Encoding::Latin1 => g69::Encoding::Latin1,
        };
        let (reference, grant) = (self.number(&g68.reference_field), self.number(&g68.grant_field));
        for number in [8, 9, 10, 11, 12] {
            for (field, at) in [(reference, g68.reference_field.span()), (grant, g68.grant_field.span())] {
                if field == number {
                    self.fault(
                        at,
                        format!("field {number:02} holds something else: the amount, the payee or the date"),
                    );
                }
            }
        }
        let system = self.text(&g68.grant_system)?;
        Some(Format::G68(g68::Settings { encoding, reference, grant, system }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::with;
    use super::*;

    const OLD: &str = "format = \"g69\"\namqp = { broker = \"bf\", queue = \"postings\", prefetch = 100 }\ng69 = { encoding = \"iso-8859-1\" }";

    fn new(g68: &str) -> String {
        format!("format = \"g68\"\namqp = {{ broker = \"bf\", queue = \"payments\" }}\n{g68}")
    }

    #[test]
    fn what_holds_the_grant_is_declared() {
        let config = with(OLD, &new("g68 = { grant_field = 17, grant_system = \"dubu\" }")).load();
        let Format::G68(settings) = &config.sources[0].format else { panic!("{:?}", config.sources[0]) };
        assert_eq!((settings.reference, settings.grant, settings.system.as_str()), (16, 17, "dubu"));
        let problems = with(OLD, &new("")).problems();
        assert!(problems[0].contains("add [sources.g68] with grant_field = 17"), "{problems:?}");
        let problems =
            with(OLD, &new("g68 = { grant_field = 11, grant_system = \"\", reference_field = 100 }"))
                .problems();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].contains("field 11 holds something else"), "{problems:?}");
        let problems =
            with("g69 = {", "g68 = { grant_field = 17, grant_system = \"x\" }\ng69 = {").problems();
        assert!(problems[0].contains("[sources.g68] goes with format = \"g68\" only"), "{problems:?}");
    }
}
