//! Who may call what: every method and the roles that may call it. What does not stand here nobody may call.

use crate::caller::Role::{self, Auditor, Ledger, Lis, Operator, Registrar};

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
    ("samspor.v1.AdminService/GetStatus", Roles(&[Operator, Auditor])),
    ("samspor.v1.AdminService/Pause", Roles(&[Operator])),
    ("samspor.v1.AdminService/Resume", Roles(&[Operator])),
    ("samspor.v1.AdminService/Reload", Roles(&[Operator])),
    ("samspor.v1.AdminService/ForgetTarget", Roles(&[Operator])),
    ("samspor.v1.ChangeService/ListHeldChanges", Roles(&[Registrar, Operator, Auditor])),
    ("samspor.v1.ChangeService/ReleaseHeldChange", Roles(&[Operator])),
    ("samspor.v1.DeliveryService/ListParked", Roles(&[Operator, Auditor])),
    ("samspor.v1.DeliveryService/ReleaseParked", Roles(&[Operator])),
    ("samspor.v1.QuarantineService/ListQuarantine", Roles(&[Operator, Auditor])),
    ("samspor.v1.QuarantineService/GetQuarantined", Roles(&[Operator, Auditor])),
    ("samspor.v1.QuarantineService/GroupQuarantine", Roles(&[Operator, Auditor])),
    ("samspor.v1.QuarantineService/PreviewRelease", Roles(&[Operator])),
    ("samspor.v1.QuarantineService/Release", Roles(&[Operator])),
    ("samspor.v1.QuarantineService/Discard", Roles(&[Operator])),
    ("samspor.v1.RegistryService/PutSolution", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/PutEnrolment", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/PutConsent", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/PutIdentity", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/PutSplit", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/DeleteFact", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/WithdrawConsent", Roles(&[Registrar])),
    ("samspor.v1.RegistryService/ListIdentityConflicts", Roles(&[Registrar])),
    // Whether the gateway lives is asked by what has no identity, and tells of nobody.
    ("grpc.health.v1.Health/Check", Anyone),
    ("grpc.health.v1.Health/List", Anyone),
    ("grpc.health.v1.Health/Watch", Anyone),
    ("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Known),
];

/// Who may call the method at a path such as `/samspor.v1.AdminService/Pause`; none where nobody may.
pub(crate) fn of(path: &str) -> Option<Right> {
    let method = path.strip_prefix('/')?;
    METHODS.iter().find(|(name, _)| *name == method).map(|(_, right)| *right)
}

/// A method's path as logs name it: only what is known is told, since callers write paths.
pub(crate) fn name(path: &str) -> &'static str {
    let method = path.strip_prefix('/').unwrap_or_default();
    METHODS.iter().find(|(name, _)| *name == method).map_or("unknown", |(name, _)| name)
}

// The roles that no method names yet are those of services to come.
const _: [Role; 2] = [Ledger, Lis];
