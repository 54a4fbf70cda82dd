//! `Debug` of what identifies a person: the form, and nothing of what it holds.

use std::fmt;

use crate::v1::citizen_reference::Reference;
use crate::v1::{CitizenReference, Receipt, SystemId};

impl fmt::Debug for CitizenReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.reference, f)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpr(_) => "Cpr(…)",
            Self::Uuid(_) => "Uuid(…)",
            Self::CaseId(_) => "CaseId(…)",
            Self::GrantId(_) => "GrantId(…)",
            Self::PersonId(_) => "PersonId(…)",
            Self::Hidden(_) => "Hidden",
        })
    }
}

impl fmt::Debug for SystemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemId(…)")
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its text may be personal.
        write!(f, "Receipt({}, {} …)", self.source, self.posting)
    }
}
