//! Ending an enrolment or a consent: what the next version says.

use jiff::civil::Date;
use samspor_domain::{Body, Kind, Text};

use crate::reading::{Place, Read};
use crate::v1::{EndConsentRequest, EndEnrolmentRequest};

/// What is ended, and when.
pub(crate) struct Ending {
    pub(crate) kind: Kind,
    pub(crate) id: Text,
    /// The newest version that the caller knows.
    pub(crate) version: i64,
    pub(crate) last: Date,
}

impl Ending {
    /// Says it in what the newest version says.
    pub(crate) fn apply(last: Date, body: &mut Body) {
        match body {
            Body::Enrolment(enrolment) => enrolment.span.to = Some(last),
            Body::Consent(consent) => consent.covers.to = Some(last),
            // Nothing else is ended.
            _ => {}
        }
    }
}

/// A request that ends something.
pub(crate) trait End {
    /// Reads it.
    fn read(&self, at: Place<'_>) -> Read<Ending>;
}

impl End for EndEnrolmentRequest {
    fn read(&self, at: Place<'_>) -> Read<Ending> {
        let last = at.field("to_date").required(&self.to_date, Place::date);
        ending(at, Kind::Enrolment, (&self.id, self.version), last)
    }
}

impl End for EndConsentRequest {
    fn read(&self, at: Place<'_>) -> Read<Ending> {
        let last = at.field("covers_to").required(&self.covers_to, Place::date);
        ending(at, Kind::Consent, (&self.id, self.version), last)
    }
}

fn ending(at: Place<'_>, kind: Kind, (id, version): (&str, i64), last: Read<Date>) -> Read<Ending> {
    let id = at.field("id").required(id, Place::text);
    let version = at.field("version").integer(version, 1..=i64::MAX - 1);
    Ok(Ending { kind, id: id?, version: version?, last: last? })
}
