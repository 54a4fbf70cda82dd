//! Who may call what: every method and the roles that may call it. What does not stand here nobody may call.

use crate::caller::Role::{self, Auditor, Intake, Ledger, Lis, Operator, Registrar};

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Whoever gets a connection.
    Anyone,
    /// Every caller that the configuration knows.
    Known,
    /// Callers with one of these roles.
    Roles(&'static [Role]),
}

use Right::{Anyone, Known, Roles};

/// The methods, as `service/method`, by service.
pub(crate) const METHODS: &[(&str, Right)] = &[
    ("samspor.v1.AuditService/ListEntries", Roles(&[Auditor])),
    ("samspor.v1.AuditService/ListEntriesAbout", Roles(&[Auditor])),
    ("samspor.v1.AuditService/GetCheckpoint", Roles(&[Operator, Auditor])),
    ("samspor.v1.ChangeService/ListHeldChanges", Roles(&[Registrar, Operator, Auditor])),
    ("samspor.v1.ChangeService/ReleaseHeldChange", Roles(&[Operator])),
    // Registrars know the citizens and their consents; what their systems hold anyhow is shown to them here at once.
    ("samspor.v1.CitizenService/ExportCitizen", Roles(&[Registrar])),
    ("samspor.v1.CitizenService/GetWithdrawal", Roles(&[Registrar, Auditor])),
    // An explanation names facts and dates, and no reference: registrars see by it what their facts do, operators and auditors
    // why a posting is tagged. The ledger has the answer in the feed; by which facts of other systems is not its business.
    ("samspor.v1.ExplainService/ExplainPosting", Roles(&[Registrar, Operator, Auditor])),
    ("samspor.v1.FeedService/Subscribe", Roles(&[Ledger, Lis])),
    ("samspor.v1.FeedService/GetExpected", Roles(&[Ledger, Lis])),
    ("samspor.v1.IntakeService/SubmitMessage", Roles(&[Intake])),
    ("samspor.v1.IntakeService/SubmitMessages", Roles(&[Intake])),
    ("samspor.v1.KeysService/GetKeys", Roles(&[Operator, Auditor])),
    ("samspor.v1.KeysService/RotateKeys", Roles(&[Operator])),
    ("samspor.v1.OperationsService/GetStatus", Roles(&[Operator, Auditor])),
    ("samspor.v1.OperationsService/Reload", Roles(&[Operator])),
    ("samspor.v1.OperationsService/PauseFeed", Roles(&[Operator])),
    ("samspor.v1.OperationsService/ResumeFeed", Roles(&[Operator])),
    ("samspor.v1.OperationsService/Drain", Roles(&[Operator])),
    ("samspor.v1.QuarantineService/ListQuarantine", Roles(&[Operator, Auditor])),
    ("samspor.v1.QuarantineService/GetQuarantined", Roles(&[Operator, Auditor])),
    ("samspor.v1.QuarantineService/GroupQuarantine", Roles(&[Operator, Auditor])),
    ("samspor.v1.QuarantineService/PreviewRelease", Roles(&[Operator])),
    ("samspor.v1.QuarantineService/Release", Roles(&[Operator])),
    ("samspor.v1.QuarantineService/Discard", Roles(&[Operator])),
    ("samspor.v1.ReconciliationService/GetBalance", Roles(&[Ledger, Operator, Auditor])),
    ("samspor.v1.ReconciliationService/ListDifferences", Roles(&[Ledger, Operator, Auditor])),
    ("samspor.v1.ReconciliationService/ListControlLines", Roles(&[Ledger, Operator, Auditor])),
    ("samspor.v1.ReconciliationService/ListCorrections", Roles(&[Ledger, Operator, Auditor])),
    ("samspor.v1.RegistryService/PutSolution", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/PutEnrolment", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/PutConsent", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/PutIdentity", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/PutSplit", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/DeleteFact", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/WithdrawConsent", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/ListIdentityConflicts", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/PutEstimate", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/PutBudget", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/PutTargetGoal", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/PutInvestmentCase", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/PutControlTotal", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/EndEnrolment", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/EndConsent", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/GetFact", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/ListFacts", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/ListFactVersions", Roles(&[Registrar])),
    ("samspor.v1.SourcesService/PauseSource", Roles(&[Operator])),
    ("samspor.v1.SourcesService/ResumeSource", Roles(&[Operator])),
    ("samspor.v1.TargetsService/PauseTarget", Roles(&[Operator])),
    ("samspor.v1.TargetsService/ResumeTarget", Roles(&[Operator])),
    ("samspor.v1.TargetsService/ReplayTarget", Roles(&[Operator])),
    ("samspor.v1.TargetsService/ForgetTarget", Roles(&[Operator])),
    ("samspor.v1.TargetsService/ListTargets", Roles(&[Operator, Auditor])),
    ("samspor.v1.TargetsService/ListParked", Roles(&[Operator, Auditor])),
    ("samspor.v1.TargetsService/ReleaseParked", Roles(&[Operator])),
    // Whether the gateway lives is asked by what has no identity, and tells of nobody.
    ("grpc.health.v1.Health/Check", Anyone),
    ("grpc.health.v1.Health/List", Anyone),
    ("grpc.health.v1.Health/Watch", Anyone),
    ("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Known),
];

/// Who may call the method at a path such as `/samspor.v1.OperationsService/Reload`; none where nobody may.
pub(crate) fn of(path: &str) -> Option<Right> {
    let method = path.strip_prefix('/')?;
    METHODS.iter().find(|(name, _)| *name == method).map(|(_, right)| *right)
}

/// A method's path as logs name it: only what is known is told, since callers write paths.
pub(crate) fn name(path: &str) -> &'static str {
    let method = path.strip_prefix('/').unwrap_or_default();
    METHODS.iter().find(|(name, _)| *name == method).map_or("unknown", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;

    /// Where the page's matrix begins and ends.
    const BEGIN: &str = "<!-- The matrix is made from adapters/grpc/src/rights.rs by a test; UPDATE_DOCS=1 makes it write this file. -->\n";
    const END: &str = "\n<!-- Here the matrix ends. -->\n";

    fn matrix() -> String {
        let mut text = String::from("| method |");
        for role in Role::ALL {
            let _ = write!(text, " {} |", role.word());
        }
        let _ = write!(text, "\n|---|{}", "---|".repeat(Role::ALL.len()));
        for (method, right) in METHODS {
            let Right::Roles(roles) = right else { continue };
            let _ = write!(text, "\n| `{method}` |");
            for role in Role::ALL {
                let _ = write!(text, " {} |", if roles.contains(&role) { "yes" } else { "–" });
            }
        }
        text.push('\n');
        text
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the one who runs the test says so by a variable")]
    fn the_page_says_what_the_table_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/authorisation.md");
        let page = std::fs::read_to_string(&path).expect("the page");
        let (before, rest) = page.split_once(BEGIN).expect("where the matrix begins");
        let (_, after) = rest.split_once(END).expect("where the matrix ends");
        let right = format!("{before}{BEGIN}\n{}{END}{after}", matrix());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &right).expect("written");
        }
        let said = std::fs::read_to_string(&path).expect("the page");
        assert!(
            said == right,
            "docs/authorisation.md is not what the table says: run `UPDATE_DOCS=1 cargo test -p samspor-grpc --lib \
             the_page_says_what_the_table_says` and commit it"
        );
    }

    #[test]
    fn every_method_that_there_is_stands_in_the_table_and_no_other() {
        let pool = prost_reflect::DescriptorPool::decode(crate::DESCRIPTORS).expect("descriptors");
        let methods = pool.services().flat_map(|service| {
            let name = service.full_name().to_owned();
            service.methods().map(|method| format!("{name}/{}", method.name())).collect::<Vec<_>>()
        });
        let mut there: Vec<String> = methods.collect();
        let own = METHODS.iter().map(|(name, _)| (*name).to_owned());
        let mut said: Vec<String> = own.filter(|name| name.starts_with("samspor.")).collect();
        there.sort_unstable();
        said.sort_unstable();
        assert_eq!(said, there);
    }

    #[test]
    fn a_method_stands_once_and_a_path_is_found_whole_or_not_at_all() {
        let mut names: Vec<&str> = METHODS.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METHODS.len());
        assert_eq!(of("/samspor.v1.OperationsService/Reload"), Some(Roles(&[Operator])));
        for path in [
            "samspor.v1.OperationsService/Reload",
            "/samspor.v1.OperationsService/Reload/",
            "//samspor.v1.OperationsService/Reload",
            "/",
            "",
        ] {
            assert_eq!(of(path), None, "{path}");
        }
    }
}
