//! The gateway's program, as a script calls it.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Stdio};

use samspor_town::search::Search;

use crate::deployment::Result;

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end.
pub(crate) fn samspor(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Ran> {
    Call::default().run(arguments)
}

/// How a command is called.
#[derive(Debug, Default)]
pub(crate) struct Call<'a> {
    /// On top of this process's environment.
    pub(crate) environment: &'a [(String, String)],
    /// On its standard input.
    pub(crate) input: &'a str,
}

impl Call<'_> {
    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Ran> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_samspor"));
        command.args(arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ends without reading it has its reasons, which its exit code tells.
            let _ = stdin.write_all(self.input.as_bytes());
        }
        let output = child.wait_with_output()?;
        Ok(Ran {
            code: output.status.code().ok_or("it was killed")?,
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }
}

impl Ran {
    /// The same, if it ended with this code.
    pub(crate) fn ended(self, code: i32) -> Result<Self> {
        if self.code == code {
            return Ok(self);
        }
        Err(format!("it ended with {}, and not with {code}: {}{}", self.code, self.stdout, self.stderr)
            .into())
    }

    /// The same, if it shows none of what is searched for.
    pub(crate) fn shows_none_of(self, search: &Search) -> Result<Self> {
        for (stream, text) in [("standard output", &self.stdout), ("standard error", &self.stderr)] {
            if let Some(found) = search.find(text.as_bytes()) {
                return Err(format!("{found} stands on {stream}").into());
            }
        }
        Ok(self)
    }
}
