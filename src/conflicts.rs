//! `samspor conflicts`: consents whose references cannot all be one person's, and how somebody settles who is who.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use comfy_table::{Table, presets::NOTHING};
use samspor_domain::Cpr;
use samspor_grpc::client::RegistryServiceClient;
use samspor_grpc::v1;
use serde_json::{Value, json};

use crate::answers::Answers;
use crate::cli::{Configured, Conflicts, ConflictsAction, ConflictsSettle};
use crate::config::Config;
use crate::{config, gateway};

/// Facts of one conflict that the table shows; the JSON has the first hundred.
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
    let mut answers = Answers::of(&config, arguments.data_dir.as_deref())?;
    let (mut conflicts, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = answers.to(v1::ListIdentityConflictsRequest { page_size: 0, page_token })?;
        conflicts.extend(page.conflicts);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if arguments.json {
        let shown: Vec<Value> = conflicts.iter().map(as_json).collect();
        println!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["consent", "references", "tied by"]);
    for conflict in &conflicts {
        let references = conflict.references.iter();
        let references = references.map(|of| format!("{} {}", of.count, form(of.form())));
        let mut facts: Vec<String> = conflict.facts.iter().take(SHOWN).map(told).collect();
        let more = usize::try_from(conflict.fact_count).unwrap_or_default().saturating_sub(SHOWN);
        if more > 0 {
            facts.push(format!("and {more} more"));
        }
        let references = references.collect::<Vec<_>>().join(", ");
        table.add_row([conflict.consent.clone(), references, facts.join(", ")]);
    }
    println!("{}", table.trim_fmt());
    println!("\n{} in identity conflict; nothing is tagged by them", conflicts.len());
    Ok(ExitCode::SUCCESS)
}

fn as_json(conflict: &v1::IdentityConflict) -> Value {
    let fact = |name: &v1::FactName| {
        let mut fact = json!({"kind": kind(name.kind()), "id": name.id});
        if let Some(source) = &name.system {
            fact["source"] = source.as_str().into();
        }
        fact
    };
    let references: BTreeMap<&str, i32> =
        conflict.references.iter().map(|of| (form(of.form()), of.count)).collect();
    json!({
        "consent": conflict.consent,
        "references": references,
        "facts": conflict.facts.iter().map(fact).collect::<Vec<_>>(),
    })
}

/// `case J-77 of dubu`, `identity I-1`.
fn told(name: &v1::FactName) -> String {
    let of = name.system.as_ref().map(|source| format!(" of {source}")).unwrap_or_default();
    format!("{} {}{of}", kind(name.kind()), name.id)
}

fn kind(kind: v1::FactKind) -> &'static str {
    match kind {
        v1::FactKind::Case => "case",
        v1::FactKind::Grant => "grant",
        v1::FactKind::Identity => "identity",
        _ => "fact",
    }
}

fn form(form: v1::ReferenceForm) -> &'static str {
    match form {
        v1::ReferenceForm::Cpr => "cpr",
        v1::ReferenceForm::Uuid => "uuid",
        v1::ReferenceForm::CaseId => "case",
        v1::ReferenceForm::GrantId => "grant",
        v1::ReferenceForm::PersonId => "id",
        v1::ReferenceForm::Unspecified => "other",
    }
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
