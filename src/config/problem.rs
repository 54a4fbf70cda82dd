//! What is wrong with a configuration: each problem with its file, line and column, and what is allowed
//! there.

use std::fmt::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use miette::{
    Diagnostic, LabeledSpan, MietteHandler, MietteHandlerOpts, NamedSource, ReportHandler, SourceCode,
};

/// A file that was read, as problems show it: what may be secret in it is masked.
#[derive(Debug, Clone)]
pub(super) struct Source(Arc<NamedSource<String>>);

impl Source {
    pub(super) fn new(path: &Path, text: &str) -> Self {
        Self(Arc::new(NamedSource::new(path.display().to_string(), masked(text))))
    }

    /// A problem at a place in the file.
    pub(super) fn problem(&self, at: Range<usize>, message: impl Into<String>) -> Problem {
        let place = Place { source: self.clone(), labels: vec![(at, "here".to_owned())] };
        Problem { message: message.into(), place: Some(place), help: None }
    }

    /// Line and column, from 1. Columns are counted in characters.
    fn position(&self, offset: usize) -> (usize, usize) {
        let shown = self.0.inner();
        let before = shown.get(..offset).unwrap_or(shown);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// Where a problem is: the first label is the place, others explain it.
#[derive(Debug)]
struct Place {
    source: Source,
    labels: Vec<(Range<usize>, String)>,
}

/// One thing that is wrong. It quotes no secret.
#[derive(Debug)]
pub(crate) struct Problem {
    message: String,
    place: Option<Place>,
    help: Option<String>,
}

impl Problem {
    /// A problem without a place, of a file as a whole.
    pub(super) fn of(path: &Path, message: impl fmt::Display) -> Self {
        Self { message: format!("{}: {message}", path.display()), place: None, help: None }
    }

    /// The same in other words.
    pub(super) fn reworded(self, words: impl Fn(&str) -> String) -> Self {
        Self { message: words(&self.message), help: self.help.as_deref().map(words), ..self }
    }

    /// Says what is allowed.
    pub(super) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Says what stands at the place, instead of "here".
    pub(super) fn label(&mut self, label: impl Into<String>) -> &mut Self {
        if let Some((_, first)) = self.place.as_mut().and_then(|place| place.labels.first_mut()) {
            *first = label.into();
        }
        self
    }

    /// Points at another place in the same file.
    pub(super) fn also(&mut self, at: Range<usize>, label: impl Into<String>) -> &mut Self {
        if let Some(place) = &mut self.place {
            place.labels.push((at, label.into()));
        }
        self
    }

    /// File, line and column, where it has a place.
    pub(super) fn position(&self) -> Option<(&str, usize, usize)> {
        let place = self.place.as_ref()?;
        let (line, column) = place.source.position(place.labels.first()?.0.start);
        Some((place.source.0.name(), line, column))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.place.as_ref().map(|place| &place.source.0 as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.place.as_ref()?;
        Some(Box::new(
            place.labels.iter().map(|(at, label)| LabeledSpan::new(Some(label.clone()), at.start, at.len())),
        ))
    }
}

/// Everything that is wrong with a configuration; never nothing.
#[derive(Debug)]
pub(crate) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    /// Each in one line: file, line and column, what is wrong, what is allowed.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.to_string().lines().map(str::to_owned).collect()
    }

    /// Everything as people read it, with the lines of the file; colours and signs follow standard error.
    pub(crate) fn render(&self) -> String {
        let handler = MietteHandlerOpts::new().build();
        let mut text: String =
            self.0.iter().map(|problem| format!("{:?}\n", Shown(&handler, problem))).collect();
        if self.0.len() > 1 {
            let _ = writeln!(text, "{} problems", self.0.len());
        }
        text
    }
}

/// A problem as the handler draws it.
struct Shown<'a>(&'a MietteHandler, &'a Problem);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug(self.1, f)
    }
}

impl fmt::Display for Problems {
    /// One line each: `file:line:column: what is wrong; what is allowed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            if let Some((file, line, column)) = problem.position() {
                write!(f, "{file}:{line}:{column}: ")?;
            }
            write!(f, "{problem}")?;
            if let Some(help) = &problem.help {
                write!(f, "; {help}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Keys that someone may think a secret belongs under.
const SECRET_KEYS: [&str; 8] =
    ["url", "uri", "password", "passphrase", "master_key", "key", "secret", "token"];

/// Whether someone may have written a secret under this key.
pub(super) fn is_secret_key(key: &str) -> bool {
    SECRET_KEYS.contains(&key)
}

/// The text with everything that may be a secret masked, byte for byte, so that places stay the same.
pub(super) fn masked(text: &str) -> String {
    text.split_inclusive('\n').map(masked_line).collect()
}

fn masked_line(line: &str) -> String {
    let mut hidden = vec![false; line.len()];
    if let Some((key, _)) = line.split_once('=')
        && is_secret_key(key.trim().rsplit('.').next().unwrap_or(key).trim().trim_matches(['"', '\'']))
    {
        hidden[key.len() + 1..].fill(true);
    }
    // The user and password of a URL.
    for (scheme, _) in line.match_indices("://") {
        let authority = &line[scheme + 3..];
        let end = authority.find(['/', '"', '\'', ' ', '\n']).unwrap_or(authority.len());
        if let Some(user) = authority[..end].rfind('@') {
            hidden[scheme + 3..scheme + 3 + user].fill(true);
        }
    }
    // A key in hexadecimal digits.
    let mut start = 0;
    for run in line.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        if run.len() > 60 {
            hidden[start..start + run.len()].fill(true);
        }
        start += run.len();
    }
    let keep = |c: char| matches!(c, '"' | '\'' | ' ' | '\r' | '\n');
    let mut shown = String::with_capacity(line.len());
    for (i, c) in line.char_indices() {
        if hidden[i] && !keep(c) {
            shown.extend(std::iter::repeat_n('*', c.len_utf8()));
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masking_keeps_places_and_hides_secrets() {
        let hex = "0123456789abcdef".repeat(4);
        for (line, secret) in [
            (r#"url = "amqp://guest:sækret@host/vhost""#.to_owned(), "sækret"),
            (r#"url_env = "amqps://a:b%40c@host:5671""#.to_owned(), "b%40c"),
            (format!("vault = \"{hex}\""), hex.as_str()),
            (r#"master_key = 'short'"#.to_owned(), "short"),
            (r#"vault."key" = "geheim""#.to_owned(), "geheim"),
            ("invalid type: string \"amqp://u:hemmelig@h\", expected".to_owned(), "hemmelig"),
        ] {
            let shown = masked(&line);
            assert!(!shown.contains(secret), "{shown}");
            assert_eq!(shown.len(), line.len());
        }
        for line in ["queue = \"postings\"\n", "master_key_env = \"SAMSPOR_KEY\"\r\n", "[brokers.bf]"] {
            assert_eq!(masked(line), line);
        }
    }

    #[test]
    fn places_are_counted_from_one_in_characters() {
        let source = Source::new(Path::new("f.toml"), "æ = 1\nåø = 2\n");
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position("æ = 1\nåø ".len()), (2, 4));
        assert_eq!(source.position(9_999), (3, 1));
    }
}
