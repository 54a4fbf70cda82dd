//! Every command of the program, as `--help` lists them, and how each is called here.

use std::collections::BTreeSet;

use super::calls::Known;
use super::{CPR, NAME};
use crate::deployment::{Deployment, Result};
use crate::samspor::samspor;

/// Commands that show whom something is about.
pub(crate) const SHOW: [&str; 1] = ["citizen export"];
/// What shows a ledger's own words as it wrote them, but for numbers.
pub(crate) const WORDS: &str = "reconcile --target desk --state rejected";

/// How a command is called: its name, what comes behind it, and what it reads. `{posting}`, `{consent}`, `{cpr}`, `{dir}` and
/// `{canary}` stand for what their names say.
const CALLS: &[(&str, &[&str], &str)] = &[
    ("status", &[], ""),
    ("pause", &["source", "{canary}"], ""),
    ("resume", &["source", "{canary}"], ""),
    ("resume", &["feed"], ""),
    ("targets forget", &["{canary}"], ""),
    ("targets replay", &["lis", "--from-beginning"], ""),
    ("drain", &["--cancel"], ""),
    ("backup", &["--to", "{dir}/backup"], ""),
    ("restore", &["--from", "{dir}/backup"], ""),
    ("keys new", &["{dir}/another.key"], ""),
    ("keys show", &[], ""),
    ("reload", &[], ""),
    ("check", &[], ""),
    ("record", &["--wait-ms", "100", "--output", "{dir}/recording.ndjson"], ""),
    ("replay", &["{dir}/recording.ndjson", "--data-dir", "{dir}/replayed"], ""),
    ("map", &["{mappings}/dubu.toml", "{dir}/message"], ""),
    ("test", &["{mappings}/dubu.toml"], ""),
    ("explain", &["opus", "{posting}"], ""),
    ("reconcile", &[], ""),
    ("reconcile", &["--json"], ""),
    ("reconcile", &["--target", "lis"], ""),
    ("reconcile", &["--target", "desk", "--state", "rejected"], ""),
    ("vouchers", &["--solution", "sb-familier", "--year", "2026", "--format", "csv"], ""),
    ("vouchers", &["--solution", "none", "--month", "2026-03", "--format", "csv"], ""),
    ("quarantine list", &[], ""),
    ("quarantine show", &["1"], ""),
    ("quarantine show", &["7"], ""),
    ("quarantine groups", &[], ""),
    ("quarantine preview", &[], ""),
    ("quarantine discard", &["--reason", "test", "1"], ""),
    ("quarantine release", &["1"], ""),
    ("held list", &[], ""),
    ("held release", &["--number", "1", "--fact-version", "1"], ""),
    ("parked list", &[], ""),
    ("parked release", &["--target", "lis"], ""),
    ("conflicts", &[], ""),
    ("conflicts settle", &["--id", "I-1"], "{cpr}\n{cpr}\n"),
    ("conflicts settle", &["--id", "I-1"], "{canary}"),
    ("audit verify", &[], ""),
    ("audit list", &[], ""),
    ("audit about", &["--citizen"], "{cpr}"),
    ("audit about", &["--citizen"], "{canary}"),
    ("citizen export", &[], "{cpr}"),
    ("citizen withdrawal", &["--consent", "{consent}"], ""),
    ("keys rotate", &[], ""),
];

/// Commands that are not called here, and why.
const OTHERS: [(&str, &str); 3] = [
    ("serve", "it runs all the while; its log is searched"),
    ("completions", "it knows nothing but the program"),
    ("help", "the same"),
];

/// The commands that have no others below them, as the program tells.
fn leaves(above: &[String]) -> Result<Vec<String>> {
    let help = samspor(above.iter().map(String::as_str).chain(["--help"]))?.ended(0)?.stdout;
    let mut found = Vec::new();
    let listed =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    for line in listed {
        // What goes on from the line above stands further in.
        let Some(word) = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) else { continue };
        let word = word.split_whitespace().next().ok_or("a command has a name")?;
        if word == "help" && !above.is_empty() {
            continue;
        }
        let path: Vec<String> = above.iter().cloned().chain([word.to_owned()]).collect();
        let below = if word == "help" { Vec::new() } else { leaves(&path)? };
        if below.is_empty() || path == ["conflicts"] {
            found.push(path.join(" "));
        }
        found.extend(below);
    }
    Ok(found)
}

/// Runs every command, and gives each as it was called, and what it said.
pub(crate) fn all(deployment: &Deployment, known: &Known) -> Result<Vec<(String, String)>> {
    let there: BTreeSet<String> = leaves(&[])?.into_iter().collect();
    let called = CALLS.iter().map(|(name, ..)| *name).chain(OTHERS.map(|(name, _)| name));
    let called: BTreeSet<String> = called.map(str::to_owned).collect();
    assert_eq!(there, called, "every command is called here, or it is said why not");

    let mappings = concat!(env!("CARGO_MANIFEST_DIR"), "/config/mappings");
    let dir = deployment.dir.path().to_string_lossy().into_owned();
    std::fs::write(
        deployment.dir.path().join("message"),
        format!("{{\"type\":\"posting\",\"id\":\"{CPR}\",\"navn\":\"{NAME}\"}}"),
    )?;
    let mut said = Vec::new();
    // A name in the place of an id is an id.
    for canary in [CPR, "611280-1234"] {
        let put = |text: &str| {
            let text = text.replace("{posting}", &known.posting).replace("{consent}", &known.consent);
            text.replace("{cpr}", &known.cpr)
                .replace("{dir}", &dir)
                .replace("{mappings}", mappings)
                .replace("{canary}", canary)
        };
        for (name, more, input) in CALLS {
            let verb: Vec<&str> = name.split(' ').collect();
            let more: Vec<String> = more.iter().map(|text| put(text)).collect();
            let more: Vec<&str> = more.iter().map(String::as_str).collect();
            let ran = match *name {
                // These take no configuration.
                "keys new" | "map" | "test" => samspor(verb.iter().chain(&more).copied())?,
                _ => deployment.samspor(&verb, &more, &put(input))?,
            };
            assert!(
                ran.code == 2 || !ran.stderr.contains("Usage:"),
                "`samspor {name}` is called as it must be: {}",
                ran.stderr
            );
            let command = verb.iter().chain(&more).copied().collect::<Vec<_>>().join(" ");
            said.push((command, ran.stdout + &ran.stderr));
        }
    }
    Ok(said)
}
