//! The charts of accounts: one file a year in one folder.

use std::path::{Path, PathBuf};

use samspor_domain::{AccountPrefix, Chart, ChartRule, Charts, Condition, CostKind, Grouping, Span};

use super::file;
use super::reading::{Reading, read};

/// Reads every chart in the folder. Problems with the folder itself go to `configuration`, at the place that
/// names it.
pub(super) fn load(dir: &Path, configuration: &mut Reading, named_at: std::ops::Range<usize>) -> Charts {
    let mut charts = Charts::default();
    let files = match toml_files(dir) {
        Ok(files) => files,
        Err(error) => {
            configuration
                .fault(named_at, format!("cannot read the charts folder {}: {error}", dir.display()));
            return charts;
        }
    };
    if files.is_empty() {
        let message = format!("the charts folder {} holds no chart", dir.display());
        let help = "put one file a year there, such as 2026.toml";
        configuration.fault(named_at.clone(), message).help(help);
    }
    for path in files {
        let Some(year) = year(&path) else {
            let message = format!("{} is not named after a year", path.display());
            let help = "a chart is named YYYY.toml, such as 2026.toml; keep other files elsewhere";
            configuration.fault(named_at.clone(), message).help(help);
            continue;
        };
        match read::<file::Chart>(&path) {
            Ok((chart, mut reading)) => {
                charts.0.insert(year, Chart { rules: rules(chart, &mut reading) });
                configuration.problems.append(&mut reading.problems);
            }
            Err(problem) => configuration.problems.push(problem),
        }
    }
    charts
}

/// The files in the folder whose name ends in `.toml`, by name.
fn toml_files(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn year(path: &Path) -> Option<i16> {
    let stem = path.file_stem()?.to_str()?;
    (stem.len() == 4 && stem.bytes().all(|b| b.is_ascii_digit())).then(|| stem.parse().ok())?
}

fn rules(chart: file::Chart, reading: &mut Reading) -> Vec<ChartRule> {
    let mut rules = Vec::with_capacity(chart.rules.len());
    for rule in chart.rules {
        // Everything is read before anything is given up, so that one run reports every problem of a rule.
        let account = reading.parse::<AccountPrefix>(&rule.account);
        let area = reading.text(&rule.area);
        let grouping = rule.grouping.as_ref().map(|grouping| reading.parse::<Grouping>(grouping));
        let cost_centre = rule.cost_centre.as_ref().map(|centre| reading.text(centre));
        let committee = rule.committee.as_ref().map(|committee| reading.text(committee));
        let span = Span { from: rule.from.map(|day| day.0), to: rule.to.map(|day| day.0) };
        let (Some(account), Some(area)) = (account, area) else { continue };
        let condition = Condition {
            account: Some(account),
            grouping: grouping.flatten(),
            cost_centre: cost_centre.flatten(),
            span,
        };
        let kind = match rule.kind {
            file::Kind::Service => CostKind::Service,
            file::Kind::Transfer => CostKind::Transfer,
        };
        rules.push(ChartRule { condition, area, kind, committee: committee.flatten() });
    }
    rules
}
