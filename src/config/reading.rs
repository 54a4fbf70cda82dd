//! Reading one TOML file: its text into types, and its values into the gateway's words, with every problem
//! kept.

use std::fmt::Display;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use samspor_domain::Text;
use serde::de::DeserializeOwned;

use super::at::{At, Number};
use super::problem::{Problem, Source, is_secret_key, masked};

/// A file that has the right shape, and what is wrong with its values.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) source: Source,
    pub(super) problems: Vec<Problem>,
}

/// Reads a file into a type. What has not the right shape is one problem; the rest is left to [`Reading`].
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<(T, Reading), Problem> {
    let text = std::fs::read_to_string(path).map_err(|error| Problem::of(path, error))?;
    let source = Source::new(path, &text);
    match toml::from_str(&text) {
        Ok(value) => Ok((value, Reading { source, problems: Vec::new() })),
        Err(error) => Err(misshapen(&source, &text, &error)),
    }
}

/// What a misshapen file says, in words that do not assume Rust.
fn misshapen(source: &Source, text: &str, error: &toml::de::Error) -> Problem {
    // A section that is missing has no place but the end of the file.
    let at = error.span().unwrap_or(text.len()..text.len());
    let key = text.get(at.clone()).unwrap_or_default().trim_matches(['"', '\'']);
    let mut problem = source.problem(at.clone(), plain(error.message()));
    if error.message().starts_with("unknown field") && is_secret_key(key) {
        problem.label("a secret does not stand in the configuration").help(
            "put it in a file or an environment variable, and say which with a key in `_file` or `_env`",
        );
    }
    problem
}

/// serde's message with its words for Rust's types replaced, and without secrets.
fn plain(message: &str) -> String {
    let mut message = masked(message);
    for (rust, words) in [
        ("unknown field", "there is no key"),
        ("unknown variant", "there is no choice"),
        ("missing field", "missing key"),
        ("a sequence", "a list"),
        (": map", ": a table"),
        ("expected u64", "expected a whole number"),
        ("expected a boolean", "expected true or false"),
        ("expected path string", "expected a string"),
    ] {
        message = message.replace(rust, words);
    }
    message
}

impl Reading {
    /// Keeps a problem, to which the caller may add.
    pub(super) fn fault(&mut self, at: Range<usize>, message: impl Into<String>) -> &mut Problem {
        self.problems.push_mut(self.source.problem(at, message))
    }

    /// A value in one of the gateway's own types.
    pub(super) fn parse<T: FromStr<Err: Display>>(&mut self, text: &At<String>) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                // The gateway's errors say what is wrong and leave out the text itself.
                let subject =
                    if (1..=40).contains(&text.len()) { format!("`{}`", **text) } else { "this".to_owned() };
                self.fault(text.span(), format!("{subject} {error}"));
                None
            }
        }
    }

    /// An id or name.
    pub(super) fn text(&mut self, text: &At<String>) -> Option<Text> {
        self.parse(text)
    }

    /// A number within its bounds. Out of bounds it is a problem, and some number.
    pub(super) fn number<N, const DEFAULT: u64, const MIN: u64, const MAX: u64>(
        &mut self,
        number: &Number<DEFAULT, MIN, MAX>,
    ) -> N
    where
        N: TryFrom<u64, Error: Display> + Default,
    {
        let value = number.get().and_then(|value| N::try_from(value).map_err(|error| error.to_string()));
        value.unwrap_or_else(|message| {
            self.fault(number.span(), message);
            N::default()
        })
    }
}
