//! Folders: whether they are there, and whether the gateway can work in them.

use samspor_domain::LinkError;
use samspor_files::{source, target};

use super::look::explain;
use super::report::{Finding, Part};
use crate::config::{Source, Target};
use crate::wiring;

/// A folder that a source's files are left in.
pub(super) async fn source(source: &Source, settings: &source::Settings) -> Part {
    let says = "files can be made there, and moved to those that are done and those that failed";
    let finding = finding(wiring::inbox(settings).check().await, says);
    let place = format!("{} in {}", settings.pattern, settings.dir.display());
    Part { kind: "source", name: source.name.to_string(), place, findings: vec![finding] }
}

/// A folder that a target's files are put into.
pub(super) async fn target(target: &Target, settings: &target::Settings) -> Part {
    let finding = finding(wiring::outbox(settings).check().await, "files can be made there");
    let place = settings.dir.display().to_string();
    Part { kind: "target", name: target.name.to_string(), place, findings: vec![finding] }
}

fn finding(checked: Result<(), LinkError>, says: &str) -> Finding {
    const CHECK: &str = "folder";
    match checked {
        Ok(()) => Finding::good(CHECK, says),
        Err(error) => {
            let advice = "set it right: until then the gateway does nothing here, and tries again and again";
            Finding::fault(CHECK, explain(error), advice)
        }
    }
}
