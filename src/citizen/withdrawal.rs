//! `samspor citizen withdrawal`: how far the end of a consent has come.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use samspor_grpc::client::CitizenServiceClient;
use samspor_grpc::v1;
use serde_json::json;

use crate::cli::Configured;
use crate::reconcile::table;
use crate::{config, gateway};

/// Something is still to be done.
const UNFINISHED: u8 = 6;

/// Of which consent.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    configured: Configured,
    /// The consent's id.
    #[arg(long, value_name = "ID")]
    consent: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Tells how far it has come.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let config = match config::load(&arguments.configured.config) {
        Ok(config) => config,
        Err(problems) => return Ok(crate::faulty(&problems)),
    };
    let request = v1::GetWithdrawalRequest { consent: arguments.consent.clone() };
    let told = gateway::runtime()?.block_on(async {
        let mut citizen = CitizenServiceClient::new(gateway::connect(&config).await?);
        let told = citizen.get_withdrawal(request).await.map_err(|status| gateway::refused(&status))?;
        anyhow::Ok(told.into_inner())
    })?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&as_json(&arguments.consent, &told))?);
    } else {
        print(&arguments.consent, &told);
    }
    Ok(if told.complete { ExitCode::SUCCESS } else { ExitCode::from(UNFINISHED) })
}

fn standing(told: &v1::GetWithdrawalResponse) -> &'static str {
    match told.standing() {
        v1::FactStanding::Deleted => "deleted",
        _ => "withdrawn",
    }
}

fn print(consent: &str, told: &v1::GetWithdrawalResponse) {
    println!("consent {consent}: {} by version {}, {}", standing(told), told.version, told.registered);
    match told.records {
        Some(records) => println!("tags taken back or changed: {records}"),
        None => {
            println!("tags taken back or changed: none here; the store held nothing of it when it was told")
        }
    }
    println!("what it said and whom it was about: {}", if told.erased { "erased" } else { "NOT ERASED" });
    match &told.gone {
        Some(gone) => println!("gone from the store's files since {gone}"),
        None => println!("still to be overwritten in the store's files"),
    }
    match (&told.backups_gone, &told.gone) {
        (Some(date), _) => println!("the last backup that may hold it is gone on {date}"),
        (None, Some(_)) => println!(
            "when the last backup that may hold it is gone is not known: `store.backups_kept_days` is not set"
        ),
        (None, None) => {}
    }
    let mut rows = table(["target", "confirmed", "still to get", "parked"].into_iter(), 2);
    for at in &told.targets {
        let confirmed = if at.confirmed { "yes" } else { "NO" };
        rows.add_row([&at.target, confirmed, &at.waiting.to_string(), &at.parked.to_string()]);
    }
    println!("\n{}", rows.trim_fmt());
}

fn as_json(consent: &str, told: &v1::GetWithdrawalResponse) -> serde_json::Value {
    let targets = told.targets.iter().map(|at| {
        json!({
            "target": at.target,
            "confirmed": at.confirmed,
            "waiting": at.waiting,
            "parked": at.parked,
        })
    });
    json!({
        "consent": consent,
        "standing": standing(told),
        "version": told.version,
        "registered": told.registered,
        "records": told.records,
        "erased": told.erased,
        "gone": told.gone,
        "backups_gone": told.backups_gone,
        "targets": targets.collect::<Vec<_>>(),
        "complete": told.complete,
    })
}
