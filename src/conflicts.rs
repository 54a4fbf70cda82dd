//! `samspor conflicts`: consents whose references cannot all be one person's, and how somebody settles who is who.

use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use comfy_table::{Table, presets::NOTHING};
use samspor_domain::Cpr;
use samspor_engine::{Conflict, Tie};
use samspor_grpc::client::RegistryServiceClient;
use samspor_grpc::v1;
use serde_json::{Value, json};

use crate::cli::{Configured, Conflicts, ConflictsAction, ConflictsSettle};
use crate::config::Config;
use crate::{config, gateway, open};

/// Facts of one conflict that the table shows; the JSON has all.
const SHOWN: usize = 10;

/// Lists conflicts, or settles one.
pub(crate) fn run(arguments: &Conflicts) -> Result<ExitCode> {
    match (&arguments.action, &arguments.configured) {
        (Some(ConflictsAction::Settle(settle)), _) => self::settle(settle),
        (None, Some(configured)) => list(configured, arguments),
        (None, None) => unreachable!("without an action the command line asks for a configuration"),
    }
}

fn list(configured: &Configured, arguments: &Conflicts) -> Result<ExitCode> {
    let config = match config::load(&configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let (mut reader, vault) = open::existing(&config, arguments.data_dir.as_deref())?;
    let conflicts = samspor_engine::conflicts(&mut reader, &vault)?;
    if arguments.json {
        let shown: Vec<Value> = conflicts.iter().map(as_json).collect();
        println!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["consent", "references", "tied by"]);
    for conflict in &conflicts {
        let references = conflict.references.iter().map(|(form, count)| format!("{count} {form}"));
        let mut facts: Vec<String> = conflict.facts.iter().take(SHOWN).map(Tie::to_string).collect();
        if conflict.facts.len() > SHOWN {
            facts.push(format!("and {} more", conflict.facts.len() - SHOWN));
        }
        let references = references.collect::<Vec<_>>().join(", ");
        table.add_row([conflict.consent.to_string(), references, facts.join(", ")]);
    }
    println!("{}", table.trim_fmt());
    println!("\n{} in identity conflict; nothing is tagged by them", conflicts.len());
    Ok(ExitCode::SUCCESS)
}

fn as_json(conflict: &Conflict) -> Value {
    let fact = |tie: &Tie| {
        let mut fact = json!({"kind": tie.kind.word(), "id": tie.id.as_str()});
        if let Some(source) = &tie.source {
            fact["source"] = source.as_str().into();
        }
        fact
    };
    json!({
        "consent": conflict.consent.as_str(),
        "references": conflict.references,
        "facts": conflict.facts.iter().map(fact).collect::<Vec<_>>(),
    })
}

fn settle(arguments: &ConflictsSettle) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let refs = numbers(arguments.numbers.as_deref())?.map(|cpr| v1::CitizenReference {
        reference: Some(v1::citizen_reference::Reference::Cpr(cpr.reveal())),
    });
    let identity = v1::Identity {
        id: arguments.id.to_string(),
        version: arguments.fact_version,
        kind: v1::IdentityKind::CprChange.into(),
        refs: refs.into(),
    };
    match gateway::runtime()?.block_on(put(&config, identity))? {
        v1::Outcome::Stale => bail!(
            "the gateway knows a version of identity {} that goes before this one, so nothing changed; give a higher \
             --fact-version, or another --id",
            arguments.id
        ),
        v1::Outcome::Duplicate => println!("identity {} was known already", arguments.id),
        _ => println!("identity {} is known; the postings that it concerns are decided again", arguments.id),
    }
    Ok(ExitCode::SUCCESS)
}

async fn put(config: &Config, identity: v1::Identity) -> Result<v1::Outcome> {
    let mut registry = RegistryServiceClient::new(gateway::connect(config).await?);
    let answer = registry.put_identity(v1::PutIdentityRequest { identity: Some(identity) }).await;
    let answer = answer.map_err(|status| gateway::refused(&status))?;
    Ok(answer.into_inner().outcome())
}

/// The two numbers, one a line, from a file or from standard input: arguments show in lists of processes, and stay in
/// the shell's history.
fn numbers(file: Option<&Path>) -> Result<[Cpr; 2]> {
    let text = match file {
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
        }
        None => {
            if std::io::stdin().is_terminal() {
                eprintln!("The old CPR number and the new one, a line each, then Ctrl-D:");
            }
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            text
        }
    };
    parse_numbers(&text)
}

/// What is wrong is told by the number of its line, and quotes nothing.
fn parse_numbers(text: &str) -> Result<[Cpr; 2]> {
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim()));
    let numbers = lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(no, line)| Cpr::parse(line).with_context(|| format!("line {no}")))
        .collect::<Result<Vec<_>>>()?;
    match numbers[..] {
        [old, new] if old == new => bail!("both lines are the same CPR number"),
        [old, new] => Ok([old, new]),
        _ => bail!(
            "expected two CPR numbers, the old one and the new one, a line each; there are {}",
            numbers.len()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_numbers_are_read_and_nothing_else_is() {
        let read = |text: &str| parse_numbers(text).map(|numbers| numbers.map(Cpr::reveal));
        let both = ["6112801234".to_owned(), "0101305001".to_owned()];
        for text in ["6112801234\n0101305001", "\n 611280-1234 \r\n\r\n010130 5001\n"] {
            assert_eq!(read(text).expect("two numbers"), both);
        }
        for (text, told) in [
            ("", "there are 0"),
            ("6112801234\n", "there are 1"),
            ("6112801234\n0101305001\n6112801235", "there are 3"),
            ("6112801234\n\n611280-1234", "the same"),
            ("6112801234\n3102305123", "line 2"),
            ("6112801234 0101305001", "line 1"),
        ] {
            let error = format!("{:#}", read(text).expect_err(text));
            assert!(error.contains(told), "{error}");
            assert!(
                !error.contains("1234") && !error.contains("5001") && !error.contains("310230"),
                "{error}"
            );
        }
    }
}
