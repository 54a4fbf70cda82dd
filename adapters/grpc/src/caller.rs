//! Who calls: what the door found out about a caller, and what it may do.

use std::collections::BTreeSet;
use std::sync::Arc;

/// What a caller may do; each method names the roles that may call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Submits messages.
    Intake,
    /// Puts facts in the registry.
    Registrar,
    /// Reads the feed as the ledger does.
    Ledger,
    /// Reads the feed as a leadership-information system does.
    Lis,
    /// Looks after the gateway.
    Operator,
    /// Sees who did what.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Intake, Self::Registrar, Self::Ledger, Self::Lis, Self::Operator, Self::Auditor];
}

/// A caller, as the door let it in. The door puts it into the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name that the configuration gives it; `anyone` where the door is open (loopback only).
    pub name: Arc<str>,
    /// What it may do.
    pub roles: BTreeSet<Role>,
}

impl Caller {
    /// Who makes a call: `anyone`, with every role, where no door was passed.
    pub(crate) fn of<T>(request: &tonic::Request<T>) -> Self {
        let anyone = || Self { name: "anyone".into(), roles: Role::ALL.into() };
        request.extensions().get().cloned().unwrap_or_else(anyone)
    }
}
