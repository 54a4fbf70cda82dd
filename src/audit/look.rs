//! `samspor audit list` and `audit about`: who did what, and who looked at whom.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use samspor_domain::Kind;
use samspor_grpc::client::{AuditServiceClient, Status, Way};
use samspor_grpc::v1;
use samspor_grpc::v1::audit_subject::Subject;
use samspor_grpc::v1::list_entries_about_request::About as Asked;
use serde_json::json;

use crate::cli::Configured;
use crate::reconcile::table;
use crate::{citizen, config, gateway};

type Client = AuditServiceClient<Way>;

/// Entries of one page.
const PAGE: i32 = 500;

/// Which entries are listed.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    configured: Configured,
    /// Only what this caller did.
    #[arg(long, value_name = "NAME")]
    caller: Option<String>,
    /// Only this, such as `read-fact`; docs/audit.md has the words.
    #[arg(long, value_name = "WORD")]
    action: Option<String>,
    /// From this instant on, such as 2026-03-15T06:00:00Z.
    #[arg(long, value_name = "INSTANT")]
    from: Option<String>,
    /// Before this instant.
    #[arg(long, value_name = "INSTANT")]
    before: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

/// About what entries are listed.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct About {
    #[command(flatten)]
    configured: Configured,
    /// About a posting, by its id.
    #[arg(long, value_name = "ID", group = "what", requires = "source")]
    posting: Option<String>,
    /// About a fact, by its kind and id.
    #[arg(long, value_names = ["KIND", "ID"], num_args = 2, group = "what")]
    fact: Option<Vec<String>>,
    /// About the citizen whose CPR number or UUID is read from standard input.
    #[arg(long, group = "what")]
    citizen: bool,
    /// The source of the posting, or in which the fact is named.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

/// How entries are shown.
#[derive(Debug, Args)]
struct Shown {
    /// How many at most.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Lists what was done.
pub(super) fn list(arguments: &List) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let mut request = v1::ListEntriesRequest {
        caller: arguments.caller.clone(),
        action: arguments.action.clone(),
        from: arguments.from.clone(),
        before: arguments.before.clone(),
        page_size: page_size(&arguments.shown),
        page_token: String::new(),
    };
    show(&config, &arguments.shown, async |audit, page_token| {
        request.page_token = page_token;
        let page = audit.list_entries(request.clone()).await?.into_inner();
        Ok((page.entries, page.next_page_token))
    })
}

/// Lists who looked at or changed what is about something or somebody.
pub(super) fn about(arguments: &About) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let source = arguments.source.clone();
    let asked = match (&arguments.posting, arguments.fact.as_deref()) {
        (Some(id), _) => {
            Asked::Posting(v1::PostingName { source: source.unwrap_or_default(), id: id.clone() })
        }
        (None, Some([kind, id])) => {
            Asked::Fact(v1::FactName { kind: fact_kind(kind)?.into(), id: id.clone(), system: source })
        }
        _ => Asked::Citizen(citizen::reference(None)?),
    };
    let mut request = v1::ListEntriesAboutRequest {
        about: Some(asked),
        page_size: page_size(&arguments.shown),
        page_token: String::new(),
    };
    show(&config, &arguments.shown, async |audit, page_token| {
        request.page_token = page_token;
        let page = audit.list_entries_about(request.clone()).await?.into_inner();
        Ok((page.entries, page.next_page_token))
    })
}

/// As many as are shown, or as a page holds.
fn page_size(shown: &Shown) -> i32 {
    i32::try_from(shown.limit).map_or(PAGE, |limit| limit.clamp(1, PAGE))
}

/// Shows entries, of one page after the other until there are enough.
fn show(
    config: &config::Config,
    shown: &Shown,
    mut page: impl AsyncFnMut(&mut Client, String) -> Result<(Vec<v1::AuditEntry>, String), Status>,
) -> Result<ExitCode> {
    gateway::runtime()?.block_on(async {
        let mut audit = AuditServiceClient::new(gateway::connect(config).await?);
        let (mut entries, mut next) = (Vec::new(), String::new());
        loop {
            let (more, after) = page(&mut audit, next).await.map_err(|status| gateway::refused(&status))?;
            entries.extend(more);
            next = after;
            if entries.len() >= shown.limit || next.is_empty() {
                break;
            }
        }
        print(entries, shown);
        Ok(ExitCode::SUCCESS)
    })
}

fn fact_kind(word: &str) -> Result<v1::FactKind> {
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.word() == word) else {
        let words: Vec<&str> = Kind::ALL.into_iter().map(Kind::word).collect();
        bail!("{word} is no kind of fact; there are: {}", words.join(", "));
    };
    let name = format!("FACT_KIND_{}", kind.word().to_uppercase().replace('-', "_"));
    v1::FactKind::from_str_name(&name)
        .ok_or_else(|| anyhow::anyhow!("{word} is no kind of fact that callers name"))
}

fn print(mut entries: Vec<v1::AuditEntry>, shown: &Shown) {
    let more = entries.len() > shown.limit;
    entries.truncate(shown.limit);
    if shown.json {
        for entry in &entries {
            println!("{}", as_json(entry));
        }
        return;
    }
    let mut rows = table(["no", "when", "who", "what", "outcome", "about"].into_iter(), 6);
    for entry in &entries {
        let about: Vec<String> = entry.subjects.iter().filter_map(said).collect();
        let about = match about.split_at_checked(SHOWN) {
            Some((first, rest)) if !rest.is_empty() => {
                format!("{} and {} more", first.join(", "), rest.len())
            }
            _ => about.join(", "),
        };
        let number = entry.number.to_string();
        rows.add_row([&number, &entry.at, &entry.caller, &entry.action, &entry.outcome, &about]);
    }
    println!("{}", rows.trim_fmt());
    println!("\n{} entries{}", entries.len(), if more { "; --limit shows more" } else { "" });
}

/// Subjects of one entry that the table shows; the JSON has all.
const SHOWN: usize = 5;

fn said(subject: &v1::AuditSubject) -> Option<String> {
    Some(match subject.subject.as_ref()? {
        Subject::Posting(name) => format!("posting {} of {}", name.id, name.source),
        Subject::Fact(name) => {
            let kind = name.kind().as_str_name().trim_start_matches("FACT_KIND_").to_lowercase();
            let of = name.system.as_ref().map(|system| format!(" of {system}")).unwrap_or_default();
            format!("{} {}{of}", kind.replace('_', "-"), name.id)
        }
        Subject::Change(no) => format!("held change {no}"),
        Subject::Quarantined(no) => format!("quarantined {no}"),
        Subject::FrozenSet(no) => format!("frozen set {no}"),
        Subject::Part(part) => part.clone(),
        Subject::Feed(range) if range.to == i64::MAX => format!("the feed from {}", range.from),
        Subject::Feed(range) => format!("the feed from {} to {}", range.from, range.to),
        Subject::AuditUpTo(no) => format!("entries up to {no}"),
        Subject::Citizen(hash) => format!("a citizen ({}…)", &hash[..hash.floor_char_boundary(8)]),
    })
}

fn as_json(entry: &v1::AuditEntry) -> serde_json::Value {
    json!({
        "number": entry.number,
        "at": entry.at,
        "caller": entry.caller,
        "action": entry.action,
        "outcome": entry.outcome,
        "about": entry.subjects.iter().filter_map(said).collect::<Vec<_>>(),
    })
}
