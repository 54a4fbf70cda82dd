//! Who calls, and what a caller may do.

use std::collections::BTreeSet;
use std::sync::Arc;

use samspor_domain::SourceName;
use tonic::Request;

use crate::door::Known;

/// What a caller may do. Each method names the roles that may call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Hands in messages, as a queue would.
    Intake,
    /// Puts and reads solutions, enrolments, consents and what else is named across the municipality.
    Registrar,
    /// Reads the feed as the ledger does: with postings, dates and vouchers.
    Ledger,
    /// Reads the feed as leadership information: with pseudonyms and months.
    Lis,
    /// Looks after the gateway: status, quarantine, what is parked or held, pause, resume, reload.
    Operator,
    /// Looks at what others do.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Intake, Self::Registrar, Self::Ledger, Self::Lis, Self::Operator, Self::Auditor];

    /// Its word in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Registrar => "registrar",
            Self::Ledger => "ledger",
            Self::Lis => "lis",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
        }
    }
}

/// A caller, as the door let it in. The door puts it into the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name that the configuration gives it; `anyone` where there is no door, or nobody needs to be known.
    pub name: Arc<str>,
    /// What it may do.
    pub roles: BTreeSet<Role>,
    /// As which sources it may send; none: as any.
    pub sources: Option<Arc<BTreeSet<SourceName>>>,
}

impl Caller {
    /// Whoever comes where there is no door: on this machine alone, with every role.
    pub(crate) fn anyone() -> Self {
        Self { name: Arc::from("anyone"), roles: Role::ALL.into(), sources: None }
    }

    /// One that the configuration knows.
    pub(crate) fn known(known: &Known) -> Self {
        let sources = Some(Arc::new(known.sources.clone()));
        Self { name: Arc::from(known.name.as_str()), roles: known.roles.clone(), sources }
    }

    /// One of whom nothing is known, and who may do nothing.
    pub(crate) fn nobody() -> Self {
        Self { name: Arc::from("nobody"), roles: BTreeSet::new(), sources: Some(Arc::default()) }
    }

    /// Whether it is known who it is, or nobody needs to be.
    pub(crate) fn is_known(&self) -> bool {
        *self != Self::nobody()
    }

    /// Whether it may send as a source.
    pub(crate) fn may_send_as(&self, source: &SourceName) -> bool {
        self.sources.as_ref().is_none_or(|sources| sources.contains(source))
    }

    /// Who makes a call. A call that passed no door is nobody's, so that a service that is put up past it is of no use.
    pub(crate) fn of<T>(request: &Request<T>) -> Self {
        request.extensions().get().cloned().unwrap_or_else(Self::nobody)
    }
}
