//! `samspor quarantine`: the messages that were not understood, and what becomes of them.

pub(crate) mod arguments;
mod look;
mod settle;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::Quarantine;
use arguments::Action;

/// Does what is asked.
pub(crate) fn run(arguments: &Quarantine) -> Result<ExitCode> {
    match &arguments.action {
        Action::List(list) => look::list(list),
        Action::Show(show) => look::show(show),
        Action::Groups(groups) => look::groups(groups),
        Action::Preview(preview) => settle::preview(preview),
        Action::Release(release) => settle::release(release),
        Action::Discard(discard) => settle::discard(discard),
    }
}
