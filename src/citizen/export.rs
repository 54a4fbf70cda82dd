//! `samspor citizen export`: everything that is held on one citizen, readable.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use samspor_grpc::as_json;
use samspor_grpc::client::CitizenServiceClient;
use samspor_grpc::v1;
use samspor_grpc::v1::export_citizen_response::Held;
use serde_json::Value;
use tempfile::NamedTempFile;

use super::words::{choice, date, kroner, label, word};
use crate::cli::Configured;
use crate::reconcile::table;
use crate::{config, gateway};

/// What is written where.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    configured: Configured,
    /// Read the CPR number or UUID from this file instead of standard input.
    #[arg(long, value_name = "FILE")]
    number: Option<PathBuf>,
    /// Write to this file, which must not be there yet, and which only you may read. Without it: to standard output.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, in Danish.
    Text,
    /// For programs: the messages of `ExportCitizen` as JSON, one a line.
    Json,
}

/// Writes down what is held.
pub(super) fn run(arguments: &Export) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let citizen = Some(super::reference(arguments.number.as_deref())?);
    // Before anybody's data is asked for.
    let to = arguments.to.as_deref().map(begun).transpose()?;
    let items = gateway::runtime()?.block_on(async {
        let mut client = CitizenServiceClient::new(gateway::connect(&config).await?);
        let answer = client.export_citizen(v1::ExportCitizenRequest { citizen }).await;
        let mut stream = answer.map_err(|status| gateway::refused(&status))?.into_inner();
        let mut items = Vec::new();
        while let Some(item) = stream.message().await.map_err(|status| gateway::refused(&status))? {
            items.push(item);
        }
        anyhow::Ok(items)
    })?;
    let written = match arguments.format {
        Format::Text => text(&items)?,
        Format::Json => json_lines(&items)?,
    };
    match to {
        None => std::io::stdout().write_all(written.as_bytes())?,
        Some((path, mut file)) => {
            let done = file
                .write_all(written.as_bytes())
                .and_then(|()| file.as_file().sync_all())
                .with_context(|| format!("cannot write {}", path.display()));
            done?;
            let kept = file.persist_noclobber(path).map_err(|error| error.error);
            kept.with_context(|| format!("cannot make {}", path.display()))?;
            eprintln!("{}: everything that is held; it names the citizen in clear", path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The file that an export is to become, beside its place; nothing is left of it where there is none in the end.
fn begun(path: &Path) -> Result<(&Path, NamedTempFile)> {
    let cannot = || format!("cannot make {}", path.display());
    if path.try_exists().with_context(cannot)? {
        bail!("{} is there already; name another file, or take it away", path.display());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((path, NamedTempFile::new_in(folder).with_context(cannot)?))
}

fn json_lines(items: &[v1::ExportCitizenResponse]) -> Result<String> {
    let mut lines = String::new();
    for item in items {
        writeln!(lines, "{}", as_json("ExportCitizenResponse", item))?;
    }
    Ok(lines)
}

fn text(items: &[v1::ExportCitizenResponse]) -> Result<String> {
    let (mut references, mut facts) = (String::new(), String::new());
    let mut postings = Vec::new();
    let mut quarantined = String::new();
    for held in items.iter().filter_map(|item| item.held.as_ref()) {
        match held {
            Held::Reference(reference) => tree(&mut references, &as_json("CitizenReference", reference), 1)?,
            Held::Fact(fact) => self::fact(&mut facts, fact)?,
            Held::Posting(posting) => postings.push(posting),
            Held::Quarantined(entry) => {
                let arrived = date(&entry.arrived);
                writeln!(quarantined, "  nr. {} fra {}, modtaget {arrived}", entry.number, entry.source)?;
            }
        }
    }
    let none = |section: String| if section.is_empty() { "  Intet\n".to_owned() } else { section };
    let mut text = String::from("OPLYSNINGER, SOM SAMSPOR HAR OM ÉN BORGER\n\nKendetegn\n");
    text += &none(references);
    text += "\nSamtykker, indskrivninger, sager, bevillinger, udbetalinger og progression\n";
    text += &none(facts);
    text += "\nPosteringer\n";
    text += &none(self::postings(&postings));
    text += "\nMærkninger, den ældste først\n";
    text += &none(tags(&postings));
    text += "\nSvar fra modtagernes regnskaber\n";
    text += &none(receipts(&postings));
    text += "\nBeskeder, som ikke kunne forstås, og hvori et af kendetegnene står\n";
    text += &none(quarantined);
    text += "\nAndre personers kendetegn er udeladt. Hvad der slettes, når et samtykke trækkes tilbage, og hvornår resten\n\
             slettes, står i kommunens fortegnelse over behandlinger.\n";
    Ok(text)
}

fn fact(text: &mut String, fact: &v1::HeldFact) -> Result<()> {
    for (i, version) in fact.versions.iter().enumerate() {
        if i == 0 {
            let kind = word(version.kind().as_str_name().trim_start_matches("FACT_KIND_"));
            let of = version.source.as_ref().map(|source| format!(" i {source}")).unwrap_or_default();
            writeln!(text, "  {kind} {}{of}", version.id)?;
        }
        let standing = match version.standing() {
            v1::FactStanding::Withdrawn => ", trukket tilbage",
            v1::FactStanding::Deleted => ", slettet",
            _ => "",
        };
        writeln!(text, "    version {}, kendt fra {}{standing}", version.version, date(&version.registered))?;
        if let Some(content) = &version.content {
            let json = as_json("SourceMessage", content);
            // What it is has been said.
            for content in json.as_object().into_iter().flat_map(|fields| fields.values()) {
                let mut content = content.clone();
                for told in ["id", "version"] {
                    content.as_object_mut().and_then(|fields| fields.remove(told));
                }
                tree(text, &content, 3)?;
            }
        }
    }
    Ok(())
}

/// The fields of something, one a line.
fn tree(text: &mut String, value: &Value, depth: usize) -> Result<()> {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (label(name), value) {
                    (label, Value::Object(_)) => {
                        writeln!(text, "{indent}{label}:")?;
                        tree(text, value, depth + 1)?;
                    }
                    (label, Value::Array(items)) => {
                        writeln!(text, "{indent}{label}:")?;
                        items.iter().try_for_each(|item| tree(text, item, depth + 1))?;
                    }
                    (label, value) => writeln!(text, "{indent}{label}: {}", said(name, value))?,
                }
            }
        }
        Value::Array(items) => items.iter().try_for_each(|item| tree(text, item, depth))?,
        value => writeln!(text, "{indent}{}", said("", value))?,
    }
    Ok(())
}

/// A value as Danish readers write it.
fn said(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) if matches!(name, "amount" | "rate" | "total") => kroner(text),
        Value::String(text) => choice(text).map_or_else(|| date(text), str::to_owned),
        Value::Bool(true) => "ja".into(),
        Value::Bool(false) => "nej".into(),
        other => other.to_string(),
    }
}

fn postings(held: &[&v1::HeldPosting]) -> String {
    if held.is_empty() {
        return String::new();
    }
    let mut rows = table(["dato", "kilde", "id", "konto", "mærket med", "modtagere", "beløb"].into_iter(), 6);
    for posting in held {
        let tag = posting.records.last().and_then(|record| record.tag.as_ref());
        let tagged = match (tag, &posting.untagged) {
            (Some(tag), _) => tag.solution.clone(),
            (None, Some(reason)) => format!("intet ({})", word(&reason.to_uppercase().replace('-', "_"))),
            (None, None) => "intet".to_owned(),
        };
        let have = posting.targets.iter().map(|at| at.target.clone());
        let waits = posting.passes_on_to.iter().map(|target| format!("{target} (venter)"));
        let targets = have.chain(waits).collect::<Vec<_>>().join(", ");
        let (day, amount) = (date(&posting.date), kroner(&posting.amount));
        let more = [("gr.", &posting.grouping), ("sted", &posting.cost_centre)].into_iter();
        let more: String =
            more.filter_map(|(what, value)| Some(format!(" {what} {}", value.as_ref()?))).collect();
        let account = format!("{}{more}", posting.account);
        let reverses = posting.reverses.as_ref().map(|id| format!(" (tilbagefører {id})"));
        let voucher = posting.voucher.as_ref().map(|voucher| format!(" (bilag {voucher})"));
        let id = format!("{}{}{}", posting.id, voucher.unwrap_or_default(), reverses.unwrap_or_default());
        rows.add_row([&day, &posting.source, &id, &account, &tagged, &targets, &amount]);
    }
    format!("{}\n", rows.trim_fmt())
}

/// What each posting was and is tagged with, and who has which of it.
fn tags(held: &[&v1::HeldPosting]) -> String {
    let mut text = String::new();
    for posting in held {
        for record in &posting.records {
            let said = record.tag.as_ref().map_or_else(
                || {
                    if record.change() == v1::RecordChange::Untag {
                        "taget af".into()
                    } else {
                        "slettet".into()
                    }
                },
                tag,
            );
            let have = posting.targets.iter().filter(|at| at.revision == record.revision);
            let have: String = have.map(|at| format!("; hos {} {}", at.target, date(&at.at))).collect();
            text += &format!(
                "  {} nr. {}, {}: {said}{have}\n",
                posting.id,
                record.revision,
                date(&record.registered)
            );
        }
    }
    text
}

fn tag(tag: &v1::RecordTag) -> String {
    let mut said = vec![tag.solution.clone()];
    let named = [("familie", &tag.family), ("indskrivning", &tag.enrolment), ("fordelingsnøgle", &tag.split)];
    said.extend(named.into_iter().filter_map(|(what, id)| Some(format!("{what} {}", id.as_ref()?))));
    let words = [
        tag.phase().as_str_name(),
        tag.basis().as_str_name(),
        tag.kind().as_str_name(),
        tag.side().as_str_name(),
    ];
    said.extend(words.into_iter().filter_map(choice).map(str::to_owned));
    said.push(format!("område {}, bevilget af {}, betalt af {}", tag.area, tag.grants, tag.pays));
    said.extend(tag.parts.iter().map(|part| format!("{} bærer {}", part.area, kroner(&part.amount))));
    said.extend(tag.flags().filter_map(|flag| choice(flag.as_str_name())).map(str::to_owned));
    said.extend(tag.other.iter().map(|other| format!("også {other}")));
    said.join(", ")
}

/// What the books of those who have the postings say of them.
fn receipts(held: &[&v1::HeldPosting]) -> String {
    let all = held.iter().flat_map(|posting| posting.targets.iter().map(|at| (&posting.id, at)));
    let lines = all.filter_map(|(id, at)| {
        let receipt = at.receipt.as_ref()?;
        let verdict = if receipt.accepted { "bogført" } else { "afvist" };
        let why: String =
            [&receipt.code, &receipt.text].into_iter().flatten().map(|said| format!(", {said}")).collect();
        Some(format!("  {id} hos {}, {}: {verdict}{why}\n", at.target, date(&receipt.at)))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_written_for_danish_readers() {
        let cpr = v1::citizen_reference::Reference::Cpr("6112801234".into());
        let citizen = v1::CitizenReference { reference: Some(cpr) };
        let consent = v1::Consent {
            id: "C-1".into(),
            version: 2,
            citizen: Some(citizen.clone()),
            sources: vec!["opus".into(), "dubu".into()],
            covers_from: "2026-01-31".into(),
            ..v1::Consent::default()
        };
        let content = v1::SourceMessage { message: Some(v1::source_message::Message::Consent(consent)) };
        let version = v1::StoredFact {
            kind: v1::FactKind::Consent.into(),
            id: "C-1".into(),
            version: 2,
            standing: v1::FactStanding::Live.into(),
            registered: "2026-02-01T10:00:00Z".into(),
            content: Some(content),
            source: None,
        };
        let receipt = v1::HeldReceipt {
            accepted: false,
            at: "2026-03-16T04:10:00Z".into(),
            code: Some("K07".into()),
            text: Some("Kontoen er lukket".into()),
        };
        let had = v1::HeldAt {
            target: "ledger".into(),
            revision: 1,
            at: "2026-02-05T10:00:00Z".into(),
            receipt: Some(receipt),
            ..v1::HeldAt::default()
        };
        let part = v1::RecordPart { area: "employment".into(), weight: 1, amount: "-1234567.50".into() };
        let tag = v1::RecordTag {
            solution: "sb".into(),
            family: Some("F-17".into()),
            phase: v1::TagPhase::During.into(),
            basis: v1::TagBasis::Citizen.into(),
            area: "employment".into(),
            kind: v1::CostKind::Service.into(),
            side: v1::Side::Outside.into(),
            grants: "solution".into(),
            pays: "area".into(),
            parts: vec![part],
            flags: vec![v1::TagFlag::OverCeiling.into()],
            ..v1::RecordTag::default()
        };
        let tagged = v1::HeldRecord {
            revision: 1,
            registered: "2026-02-04T10:00:00Z".into(),
            change: v1::RecordChange::Tag.into(),
            tag: Some(tag),
        };
        let change = v1::RecordChange::Untag.into();
        let untagged = v1::HeldRecord { revision: 2, change, tag: None, ..tagged.clone() };
        let posting = v1::HeldPosting {
            source: "opus".into(),
            id: "P-1".into(),
            date: "2026-02-03".into(),
            account: "5.28.21.1".into(),
            amount: "-1234567.50".into(),
            untagged: Some("not-consented".into()),
            cost_centre: Some("0417".into()),
            voucher: Some("B-7".into()),
            records: vec![tagged, untagged],
            reverses: Some("P-0".into()),
            passes_on_to: vec!["erp".into()],
            targets: vec![had],
            ..v1::HeldPosting::default()
        };
        let grant = v1::SystemId { system: "dubu".into(), id: "B-12".into() };
        let payment =
            v1::Payment { id: "U-1".into(), version: 1, grant: Some(grant), ..v1::Payment::default() };
        let payment = v1::SourceMessage { message: Some(v1::source_message::Message::Payment(payment)) };
        let payment = v1::StoredFact {
            kind: v1::FactKind::Payment.into(),
            id: "U-1".into(),
            content: Some(payment),
            ..version.clone()
        };
        let held = [
            Held::Reference(citizen),
            Held::Fact(v1::HeldFact { versions: vec![version] }),
            Held::Fact(v1::HeldFact { versions: vec![payment] }),
            Held::Posting(posting),
        ];
        let items: Vec<_> =
            held.into_iter().map(|held| v1::ExportCitizenResponse { held: Some(held) }).collect();
        let text = text(&items).expect("it is written");
        for line in [
            "  CPR-nummer: 6112801234",
            "  Samtykke C-1",
            "    version 2, kendt fra 01.02.2026",
            "      kilder:",
            "        opus",
            "  Udbetaling U-1",
            "B-12",
            "      gælder fra: 31.01.2026",
            "-1.234.567,50",
            "5.28.21.1 sted 0417",
            "P-1 (bilag B-7) (tilbagefører P-0)",
            "  P-1 nr. 1, 04.02.2026: sb, familie F-17, under forløbet, efter borgeren, service, uden for løsningens budget, område \
             employment, bevilget af solution, betalt af area, employment bærer -1.234.567,50, over loftet; hos ledger 05.02.2026",
            "  P-1 nr. 2, 04.02.2026: taget af",
            "ledger, erp (venter)",
            "  P-1 hos ledger, 16.03.2026: afvist, K07, Kontoen er lukket",
            "intet (intet samtykke)",
            "  Intet",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        let lines = json_lines(&items).expect("it is written");
        let first: Value = serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
        assert_eq!(first["reference"]["cpr"], "6112801234");
    }
}
