//! Secrets: the configuration says where each one is, and it is read when it is used, never before.

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    /// In a file that holds nothing else.
    File(PathBuf),
    /// In a file that the service manager hands to the gateway alone: a credential of that name.
    Credential(String),
    /// In an environment variable.
    Env(String),
}

/// How the path of a credential begins. The variable is systemd's (systemd.exec(5), Credentials); other paths have no
/// variables in them.
pub(crate) const CREDENTIALS: &str = "$CREDENTIALS_DIRECTORY/";

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
            Self::File(path) => from_file(path),
            Self::Credential(name) => credential(name).and_then(|path| from_file(&path)),
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
            Self::Credential(name) => credential(name).is_ok_and(|path| path.is_file()),
            Self::Env(name) => variable(name).is_some(),
        }
    }

    /// Whether it is a file that anyone on this machine can read.
    pub(crate) fn is_open_to_all(&self) -> bool {
        let Self::File(path) = self else { return false };
        std::fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o004 != 0)
    }
}

fn from_file(path: &Path) -> Result<SecretString, String> {
    std::fs::read_to_string(path).map(SecretString::from).map_err(|error| error.to_string())
}

#[expect(clippy::disallowed_methods, reason = "the service manager says where credentials are")]
fn credential(name: &str) -> Result<PathBuf, String> {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY");
    let folder =
        folder.ok_or("no service manager handed over credentials; $CREDENTIALS_DIRECTORY is not set")?;
    Ok(Path::new(&folder).join(name))
}

#[expect(clippy::disallowed_methods, reason = "the configuration names the variable")]
fn variable(name: &str) -> Option<SecretString> {
    std::env::var(name).ok().map(SecretString::from)
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Credential(name) => write!(f, "the credential {name}"),
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
    fn without_a_service_manager_a_credential_is_not_there() {
        let secret = Secret::Credential("master-key".into());
        assert!(!secret.is_there());
        let error = secret.read().expect_err("no service manager runs the tests").to_string();
        assert!(error.starts_with("cannot read the credential master-key: no service manager"), "{error}");
    }

    #[test]
    fn a_secret_that_is_not_there_is_named() {
        let error = Secret::Env("SAMSPOR_NO_SUCH_VARIABLE".into()).read().expect_err("unset").to_string();
        assert_eq!(error, "cannot read the environment variable SAMSPOR_NO_SUCH_VARIABLE: it is not set");
    }
}
