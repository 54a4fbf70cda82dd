//! Secrets: the configuration says where each one is, and it is read when it is used, never before.

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    /// In a file that holds nothing else.
    File(PathBuf),
    /// In an environment variable.
    Env(String),
}

/// A secret that is not where the configuration says.
#[derive(Debug)]
pub(crate) struct SecretError {
    place: Secret,
    why: String,
}

impl Secret {
    /// Reads it, without white space around it. Its `Debug` shows nothing, and its memory is wiped when it is
    /// dropped.
    pub(crate) fn read(&self) -> Result<SecretString, SecretError> {
        let text = match self {
            Self::File(path) => {
                std::fs::read_to_string(path).map(SecretString::from).map_err(|e| e.to_string())
            }
            Self::Env(name) => variable(name).ok_or_else(|| "it is not set".to_owned()),
        };
        let error = |why: String| SecretError { place: self.clone(), why };
        let text = text.map_err(error)?;
        match secrecy::ExposeSecret::expose_secret(&text).trim() {
            "" => Err(error("it is empty".to_owned())),
            trimmed => Ok(trimmed.to_owned().into()),
        }
    }

    /// Whether there is something at the place, as far as can be told without reading it.
    pub(crate) fn is_there(&self) -> bool {
        match self {
            Self::File(path) => path.is_file(),
            Self::Env(name) => variable(name).is_some(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the configuration names the variable")]
fn variable(name: &str) -> Option<SecretString> {
    std::env::var(name).ok().map(SecretString::from)
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Env(name) => write!(f, "the environment variable {name}"),
        }
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {}: {}", self.place, self.why)
    }
}

impl std::error::Error for SecretError {}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_secret_is_trimmed_and_shows_nowhere() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("key");
        std::fs::write(&path, "  hemmelig\r\n").expect("written");
        let secret = Secret::File(path.clone());
        assert!(secret.is_there());
        let read = secret.read().expect("there");
        assert_eq!(read.expose_secret(), "hemmelig");
        assert!(!format!("{read:?} {secret:?} {secret}").contains("hemmelig"));
        std::fs::write(&path, " \n").expect("written");
        let error = secret.read().expect_err("empty").to_string();
        assert!(error.ends_with("key: it is empty"), "{error}");
    }

    #[test]
    fn a_secret_that_is_not_there_is_named() {
        let error = Secret::Env("SAMSPOR_NO_SUCH_VARIABLE".into()).read().expect_err("unset").to_string();
        assert_eq!(error, "cannot read the environment variable SAMSPOR_NO_SUCH_VARIABLE: it is not set");
    }
}
