//! What citizens get, month by month: benefits, measures and placements, and the grants behind them.

use jiff::civil::Date;

use crate::account::{self, Account};
use crate::source;

/// Months that the town's books hold: December 2024 to December 2026.
pub(crate) const MONTHS: u32 = 25;

/// The first day of a month of the books.
pub(crate) fn first_day(month: u32) -> Date {
    let months = month as i16 + 11;
    Date::new(2024 + months / 12, (months % 12 + 1) as i8, 1)
        .unwrap_or_else(|_| unreachable!("books within two years"))
}

/// One kind of benefit or measure.
#[derive(Debug)]
pub(crate) struct Offer {
    /// Where it is posted.
    pub(crate) account: &'static Account,
    /// The finance system that posts it.
    pub(crate) source: &'static str,
    /// The case system that grants it, if one does that the gateway hears of.
    pub(crate) system: Option<&'static str>,
    /// What a month costs, in kroner, at least and at most.
    pub(crate) kroner: (i64, i64),
    /// Whether every month costs the same.
    pub(crate) steady: bool,
    /// How the grant names it.
    pub(crate) name: &'static str,
    /// The law that it is granted by.
    pub(crate) law: &'static str,
    /// Whether its grant says what it costs in all.
    pub(crate) in_all: bool,
}

const fn benefit(
    account: &'static Account,
    kroner: (i64, i64),
    name: &'static str,
    law: &'static str,
) -> Offer {
    let (source, system) = (source::OPUS, Some(source::JOBCENTRE));
    Offer { account, source, system, kroner, steady: true, name, law, in_all: false }
}

const fn bill(
    account: &'static Account,
    source: &'static str,
    system: Option<&'static str>,
    kroner: (i64, i64),
    name: &'static str,
    law: &'static str,
) -> Offer {
    Offer { account, source, system, kroner, steady: false, name, law, in_all: false }
}

pub(crate) static CASH_BENEFIT: Offer =
    benefit(&account::CASH_BENEFIT, (11_500, 16_200), "Kontanthjælp", "Aktivloven § 25");
pub(crate) static SICKNESS_BENEFIT: Offer =
    benefit(&account::SICKNESS_BENEFIT, (17_000, 20_500), "Sygedagpenge", "Sygedagpengeloven § 7");
pub(crate) static RESOURCE_SCHEME: Offer =
    benefit(&account::RESOURCE_SCHEME, (12_000, 17_500), "Ressourceforløbsydelse", "Aktivloven § 68");
pub(crate) static UNEMPLOYMENT_BENEFIT: Offer =
    benefit(&account::UNEMPLOYMENT_BENEFIT, (16_000, 18_500), "Ledighedsydelse", "Aktivloven § 74 a");
pub(crate) static MENTOR: Offer = bill(
    &account::MENTOR,
    source::PRISME,
    Some(source::JOBCENTRE),
    (2_800, 9_400),
    "Mentorstøtte",
    "Lov om en aktiv beskæftigelsesindsats § 167",
);
pub(crate) static COURSE: Offer = bill(
    &account::COURSE,
    source::PRISME,
    Some(source::JOBCENTRE),
    (4_500, 14_000),
    "Vejledning og opkvalificering",
    "Lov om en aktiv beskæftigelsesindsats § 91",
);
pub(crate) static ADULT_SUPPORT: Offer = bill(
    &account::ADULT_SUPPORT,
    source::PRISME,
    None,
    (3_200, 8_900),
    "Socialpædagogisk støtte",
    "SEL § 85",
);
pub(crate) static ALCOHOL_TREATMENT: Offer = bill(
    &account::ALCOHOL_TREATMENT,
    source::OES,
    None,
    (2_100, 7_800),
    "Alkoholbehandling",
    "Sundhedsloven § 141",
);
pub(crate) static SINGLE_HELP: Offer =
    bill(&account::SINGLE_HELP, source::OES, None, (300, 4_200), "Enkeltydelse", "Aktivloven § 81");
pub(crate) static EXTRA_COSTS_ADULT: Offer =
    bill(&account::EXTRA_COSTS_ADULT, source::OPUS, None, (1_000, 3_100), "Merudgifter", "SEL § 100");
pub(crate) static FAMILY_TREATMENT: Offer = Offer {
    account: &account::FAMILY_TREATMENT,
    source: source::OPUS,
    system: Some(source::DUBU),
    kroner: (9_800, 14_500),
    steady: true,
    name: "Familiebehandling",
    law: "BL § 32",
    in_all: true,
};
pub(crate) static CONTACT_PERSON: Offer = Offer {
    account: &account::CONTACT_PERSON,
    source: source::OPUS,
    system: Some(source::DUBU),
    kroner: (900, 1_400),
    steady: true,
    name: "Fast kontaktperson",
    law: "BL § 32",
    in_all: true,
};
pub(crate) static FOSTER_FAMILY: Offer = bill(
    &account::FOSTER_FAMILY,
    source::OPUS,
    Some(source::DUBU),
    (23_000, 38_000),
    "Plejefamilie",
    "BL § 43",
);
pub(crate) static PLACEMENT: Offer =
    bill(&account::PLACEMENT, source::PRISME, Some(source::DUBU), (58_000, 92_000), "Opholdssted", "BL § 43");
pub(crate) static EXTRA_COSTS: Offer =
    bill(&account::EXTRA_COSTS, source::OES, Some(source::DUBU), (800, 2_600), "Merudgiftsydelse", "BL § 86");
pub(crate) static DAY_CARE_PLACE: Offer =
    bill(&account::DAY_CARE_PLACE, source::OES, None, (1_900, 3_600), "Friplads", "Dagtilbudsloven § 43");
pub(crate) static SPECIAL_SCHOOL: Offer = bill(
    &account::SPECIAL_SCHOOL,
    source::PRISME,
    None,
    (21_000, 34_000),
    "Specialskole",
    "Folkeskoleloven § 20",
);
pub(crate) static HEALTH_VISITOR: Offer =
    bill(&account::HEALTH_VISITOR, source::OPUS, None, (400, 1_900), "Sundhedspleje", "Sundhedsloven § 120");
pub(crate) static DENTAL_CARE: Offer =
    bill(&account::DENTAL_CARE, source::OES, None, (250, 2_900), "Tandpleje", "Sundhedsloven § 127");
pub(crate) static HOME_CARE: Offer =
    bill(&account::HOME_CARE, source::PRISME, None, (1_500, 12_000), "Hjemmehjælp", "SEL § 83");
pub(crate) static HOUSING_BENEFIT: Offer =
    bill(&account::HOUSING_BENEFIT, source::OPUS, None, (600, 3_900), "Boligsikring", "Boligstøtteloven");
pub(crate) static INTEGRATION: Offer = bill(
    &account::INTEGRATION,
    source::OES,
    None,
    (2_000, 6_500),
    "Integrationsprogram",
    "Integrationsloven § 16",
);
/// A bill of a solution's own unit for somebody who is not in the solution: it is the citizen's, whatever the unit claims.
pub(crate) static UNIT_BILL: Offer =
    bill(&account::UNIT_WAGES, source::OPUS, None, (500, 2_500), "Familierådgivning", "BL § 30");

/// An offer that somebody has for some months.
pub(crate) struct Measure {
    pub(crate) offer: &'static Offer,
    /// The first and last month of the books.
    pub(crate) months: (u32, u32),
    /// What a month costs, in øre; a bill varies around it.
    pub(crate) ore: i64,
    /// What a case system says of it.
    pub(crate) grant: Option<Grant>,
}

/// What a case system says of a measure.
pub(crate) struct Grant {
    pub(crate) system: &'static str,
    /// Its id; in the job centre the UUID of the grant, `:` and the benefit's own id.
    pub(crate) id: String,
    /// The case in the same system.
    pub(crate) case: String,
    /// In øre.
    pub(crate) total: Option<i64>,
}

impl Measure {
    /// Whether it runs in that month.
    pub(crate) fn runs(&self, month: u32) -> bool {
        (self.months.0..=self.months.1).contains(&month)
    }

    /// The finance system that posts it in that month: ØS was closed at the end of June 2026.
    pub(crate) fn source(&self, month: u32) -> &'static str {
        let closed = self.offer.source == source::OES && first_day(month) >= jiff::civil::date(2026, 7, 1);
        if closed { source::PRISME } else { self.offer.source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_books_run_from_december_2024_to_december_2026() {
        assert_eq!(first_day(0).to_string(), "2024-12-01");
        assert_eq!(first_day(1).to_string(), "2025-01-01");
        assert_eq!(first_day(MONTHS - 1).to_string(), "2026-12-01");
    }
}
