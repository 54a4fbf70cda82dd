//! The content types that a source's messages bear, where those are not their format's own.

use super::file;
use super::reading::Reading;

impl Reading {
    /// What the source lists; nothing where it lists nothing.
    pub(super) fn content_types(&mut self, source: &file::Source) -> Vec<String> {
        let Some(listed) = &source.content_types else { return Vec::new() };
        if listed.is_empty() {
            self.fault(listed.span(), "this takes no message at all")
                .help("leave it out, and the content types of the format are taken");
        }
        let mut types: Vec<String> = Vec::new();
        for given in listed.iter() {
            let is_token = |text: &str| {
                !text.is_empty()
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
            };
            let is_media = given.split_once('/').is_some_and(|(kind, of)| is_token(kind) && is_token(of));
            if given.as_str() != "*/*" && !is_media {
                self.fault(given.span(), "this is not a content type such as text/plain, without parameters")
                    .help("`*/*` takes any");
            } else if types.iter().any(|known| known.eq_ignore_ascii_case(given)) {
                self.fault(given.span(), "this stands here twice");
            } else {
                types.push(given.to_string());
            }
        }
        types
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::with;

    const NAME: &str = "name = \"sapa\"\n";

    #[test]
    fn a_source_lists_content_types_without_parameters_and_each_once() {
        let folder =
            with(NAME, "name = \"sapa\"\ncontent_types = [\"text/plain\", \"application/vnd.x+xml\"]\n");
        let sources = folder.load().sources;
        assert_eq!(sources[1].content_types, ["text/plain", "application/vnd.x+xml"]);
        assert!(sources[0].content_types.is_empty());
        for (listed, told) in [
            ("[]", "this takes no message at all"),
            ("[\"xml\"]", "is not a content type"),
            ("[\"text/xml; charset=utf-8\"]", "is not a content type"),
            ("[\"text/*\"]", "is not a content type"),
            ("[\"text/xml\", \"Text/XML\"]", "stands here twice"),
        ] {
            let folder = with(NAME, &format!("name = \"sapa\"\ncontent_types = {listed}\n"));
            let problems = folder.problems();
            assert!(problems.len() == 1 && problems[0].contains(told), "{listed}: {problems:?}");
        }
    }
}
