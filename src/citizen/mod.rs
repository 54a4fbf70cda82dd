//! `samspor citizen`: what is held on one citizen, and proof that a withdrawal was carried out.

mod export;
mod withdrawal;
mod words;

use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use samspor_domain::{Cpr, PersonUuid};
use samspor_grpc::v1;
use samspor_grpc::v1::citizen_reference::Reference;

/// What can be asked about a citizen.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Write down everything that the gateway holds on one citizen, in Danish, for that citizen to read.
    ///
    /// The CPR number, or the person's UUID, is read from standard input: arguments show in lists of processes and stay in
    /// the shell's history. Of somebody who consented it is what the consent reaches, in the sources that it names; of
    /// everybody, and in every other source, what stands there under that number, and under cases and grants tied to it
    /// there. Other persons are not shown. It asks the running gateway, takes the role registrar, and is traced.
    #[command(after_help = "Exit code: 0; 2 where the configuration is faulty; 1 otherwise.\n\n\
        Example: samspor citizen export --config gateway.toml --to citizen.txt < number.txt")]
    Export(export::Export),
    /// Prove how far the end of a consent has come.
    ///
    /// It tells how many tags were taken back, which targets have confirmed that, since when nothing of it is left in the store's
    /// files, and when the last backup that may hold it is gone. Which postings they were is told nowhere any more. Keep
    /// what it prints.
    #[command(
        after_help = "Exit code: 0 where everything is done that the gateway can see; 6 where something is still to be \
        done; 2 where the configuration is faulty; 1 otherwise, also where the consent is live.\n\n\
        Example: samspor citizen withdrawal --config gateway.toml --consent C-1"
    )]
    Withdrawal(withdrawal::Arguments),
}

/// Does what is asked.
pub(crate) fn run(action: &Action) -> Result<ExitCode> {
    match action {
        Action::Export(arguments) => export::run(arguments),
        Action::Withdrawal(arguments) => withdrawal::run(arguments),
    }
}

/// Who is asked about, from a file or from standard input.
pub(crate) fn reference(file: Option<&Path>) -> Result<v1::CitizenReference> {
    let text = match file {
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
        }
        None => {
            if std::io::stdin().is_terminal() {
                eprintln!("The CPR number, or the person's UUID, then Ctrl-D:");
            }
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            text
        }
    };
    let reference = parse(text.trim())?;
    Ok(v1::CitizenReference { reference: Some(reference) })
}

/// Quotes nothing of what is wrong.
fn parse(text: &str) -> Result<Reference> {
    if let Ok(uuid) = PersonUuid::parse(text) {
        return Ok(Reference::Uuid(uuid.reveal()));
    }
    match Cpr::parse(text) {
        Ok(cpr) => Ok(Reference::Cpr(cpr.reveal())),
        Err(error) => bail!("expected one CPR number or UUID, and nothing else: what is given {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_or_uuid_is_read_and_nothing_else_is_quoted() {
        assert_eq!(parse("611280-1234").expect("a number"), Reference::Cpr("6112801234".into()));
        let uuid = "0F8FAD5B-D9CB-469F-A165-70867728950E";
        assert_eq!(parse(uuid).expect("one"), Reference::Uuid("0f8fad5bd9cb469fa16570867728950e".into()));
        for wrong in ["", "6112801234 6112801234", "6112801234\n0101305001", "3102305123", "0f8fad5b"] {
            let told = format!("{:#}", parse(wrong).expect_err(wrong));
            assert!(
                !told.contains("611280") && !told.contains("310230") && !told.contains("0f8fad"),
                "{told}"
            );
        }
    }
}
