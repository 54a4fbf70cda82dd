//! The accounts that the town posts to, with the area and kind that its charts must give them, and their writings.

use samspor_domain::CostKind;

/// An account that the town uses.
///
/// Its area and kind are said again here, apart from the charts in `config/charts`, so that each checks the other.
#[derive(Debug)]
pub(crate) struct Account {
    /// Main account, main function and function: `5.28.21`.
    pub(crate) function: &'static str,
    /// 1 operation, 2 state refund, 9 liabilities.
    pub(crate) dranst: &'static str,
    /// Three digits.
    pub(crate) grouping: &'static str,
    /// The cost centre of the 16-digit form; Prisme's department is this with a `0` before it.
    pub(crate) centre: &'static str,
    /// Its kind and its areas, until 2025 and from 2026; none where no chart knows it.
    pub(crate) charted: Option<(CostKind, [&'static str; 2])>,
}

/// How an account string is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    /// `5.28.21`.
    Function,
    /// `5.28.21.1`.
    Normal,
    /// 16 digits: function 5, dranst 1, ownership 1, cost centre 4, grouping 3, art 2.
    Sixteen,
    /// `01005-528211003-015031-529CPR---`: department, function 5 with dranst 1 and grouping 3, activity, art.
    Prisme,
}

/// An account string, and what a reader must get from it and the fields beside it.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// The string.
    pub(crate) text: String,
    /// The account in normal form.
    pub(crate) account: String,
    /// The grouping, if the string or a field says it.
    pub(crate) grouping: Option<String>,
    /// The cost centre, if the string or a field says it.
    pub(crate) centre: Option<String>,
    /// Whether grouping and cost centre must be given as fields, since the string does not hold them.
    pub(crate) beside: bool,
    /// The account.
    pub(crate) of: &'static Account,
}

impl Account {
    /// Writes it. `tail` is what stands in Prisme's form after the art: nothing, `CPR` or a number.
    pub(crate) fn write(&'static self, writing: Writing, tail: &str) -> Written {
        let Self { function, dranst, grouping, centre, .. } = self;
        let digits = function.replace('.', "");
        let with_dranst = format!("{function}.{dranst}");
        let (text, account, centre) = match writing {
            Writing::Function => ((*function).to_owned(), (*function).to_owned(), (*centre).to_owned()),
            Writing::Normal => (with_dranst.clone(), with_dranst, (*centre).to_owned()),
            Writing::Sixteen => {
                (format!("{digits}{dranst}1{centre}{grouping}52"), with_dranst, (*centre).to_owned())
            }
            Writing::Prisme => {
                let department = format!("0{centre}");
                (
                    format!("{department}-{digits}{dranst}{grouping}-0{centre}1-529{tail}---"),
                    with_dranst,
                    department,
                )
            }
        };
        let beside = matches!(writing, Writing::Function | Writing::Normal);
        Written {
            text,
            account,
            grouping: Some((*grouping).to_owned()),
            centre: Some(centre),
            beside,
            of: self,
        }
    }
}

impl Written {
    /// The same with grouping and cost centre left unsaid.
    pub(crate) fn bare(mut self) -> Self {
        if self.beside {
            (self.grouping, self.centre, self.beside) = (None, None, false);
        }
        self
    }

    /// The area and kind that the charts give it in that year; none if they do not know it.
    pub(crate) fn charted(&self, year: i16) -> Option<(&'static str, CostKind)> {
        let (kind, areas) = self.of.charted?;
        // The one function whose area depends on its grouping.
        if self.of.function == "5.57.72" && self.grouping.is_none() {
            return Some(("employment", kind));
        }
        Some((areas[usize::from(year >= 2026)], kind))
    }
}

const fn service(area: &'static str) -> Option<(CostKind, [&'static str; 2])> {
    Some((CostKind::Service, [area, area]))
}

const fn transfer(area: &'static str) -> Option<(CostKind, [&'static str; 2])> {
    Some((CostKind::Transfer, [area, area]))
}

macro_rules! accounts {
    ($($(#[$doc:meta])* $name:ident = $function:literal, $dranst:literal, $grouping:literal, $centre:literal, $charted:expr;)*) => {
        $($(#[$doc])* pub(crate) static $name: Account = Account {
            function: $function, dranst: $dranst, grouping: $grouping, centre: $centre, charted: $charted,
        };)*
        /// Every account of the town.
        #[cfg(test)]
        pub(crate) static ALL: &[&Account] = &[$(&$name),*];
    };
}

accounts! {
    /// Kontanthjælp.
    CASH_BENEFIT = "5.57.73", "1", "007", "7010", transfer("employment");
    /// Statsrefusion af kontanthjælp.
    CASH_BENEFIT_REFUND = "5.57.73", "2", "002", "7010", transfer("employment");
    /// Sygedagpenge.
    SICKNESS_BENEFIT = "5.57.71", "1", "003", "7010", transfer("employment");
    /// Ressourceforløbsydelse.
    RESOURCE_SCHEME = "5.58.82", "1", "102", "7012", transfer("employment");
    /// Ledighedsydelse.
    UNEMPLOYMENT_BENEFIT = "5.58.83", "1", "001", "7012", transfer("employment");
    /// Mentor.
    MENTOR = "5.68.90", "1", "010", "7015", transfer("employment");
    /// Vejledning og opkvalificering.
    COURSE = "5.68.90", "1", "004", "7015", transfer("employment");
    /// Støtte i eget hjem.
    ADULT_SUPPORT = "5.38.39", "1", "003", "9150", service("vulnerable-adults");
    /// Alkoholbehandling.
    ALCOHOL_TREATMENT = "5.38.44", "1", "001", "9140",
        Some((CostKind::Service, ["vulnerable-adults", "health"]));
    /// Familiebehandling.
    FAMILY_TREATMENT = "5.28.21", "1", "003", "1005", service("vulnerable-children");
    /// Fast kontaktperson.
    CONTACT_PERSON = "5.28.21", "1", "011", "1005", service("vulnerable-children");
    /// Plejefamilie.
    FOSTER_FAMILY = "5.28.22", "1", "001", "1006", service("vulnerable-children");
    /// Opholdssted.
    PLACEMENT = "5.28.20", "1", "003", "1006", service("vulnerable-children");
    /// Merudgifter til børn.
    EXTRA_COSTS = "5.57.72", "1", "009", "1005", transfer("vulnerable-children");
    /// Merudgifter til voksne.
    EXTRA_COSTS_ADULT = "5.57.72", "1", "010", "9150", transfer("vulnerable-adults");
    /// Enkeltydelser.
    SINGLE_HELP = "5.57.72", "1", "006", "7010", transfer("employment");
    /// Fripladstilskud.
    DAY_CARE_PLACE = "5.25.10", "1", "018", "2502", service("day-care");
    /// Daginstitutioner.
    DAY_CARE = "5.25.14", "1", "999", "2519", service("day-care");
    /// Specialskole.
    SPECIAL_SCHOOL = "3.22.08", "1", "999", "2027", service("school");
    /// Sundhedspleje.
    HEALTH_VISITOR = "4.62.89", "1", "999", "9702", service("health");
    /// Tandpleje.
    DENTAL_CARE = "4.62.85", "1", "001", "9708", service("health");
    /// Hjemmehjælp.
    HOME_CARE = "5.30.26", "1", "001", "9410", service("elderly");
    /// Boligsikring.
    HOUSING_BENEFIT = "5.57.77", "1", "005", "9517", transfer("pensions");
    /// Integrationsprogram.
    INTEGRATION = "5.46.60", "1", "011", "7024", transfer("integration");
    /// Løn i SB Familier.
    UNIT_WAGES = "5.28.21", "1", "200", "0417", service("vulnerable-children");
    /// Løn til SB Familiers administration, which no chart knows.
    UNIT_OFFICE = "6.45.51", "1", "002", "0417", None;
    /// Løn til helhedsplanens koordinatorer.
    PLAN_WAGES = "5.72.99", "1", "999", "2417", service("vulnerable-adults");
    /// Fondens penge.
    FOUNDATION = "5.72.99", "1", "417", "0419", service("vulnerable-adults");
    /// Mellemregning, the other side of a G69 voucher.
    CLEARING = "9.52.59", "9", "001", "9900", None;
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use samspor_domain::{AccountString, Amount, Posting, Text};

    use super::*;

    const WRITINGS: [Writing; 4] = [Writing::Function, Writing::Normal, Writing::Sixteen, Writing::Prisme];

    #[test]
    fn every_writing_is_read_as_it_is_meant() {
        for account in ALL {
            for writing in WRITINGS {
                let written = account.write(writing, "CPR");
                let read: AccountString = written.text.parse().unwrap_or_else(|e| panic!("{written:?}: {e}"));
                assert_eq!(read.account.to_string(), written.account);
                if !written.beside {
                    assert_eq!(read.grouping.map(|g| g.to_string()), written.grouping, "{written:?}");
                    assert_eq!(read.cost_centre, written.centre, "{written:?}");
                }
            }
        }
    }

    fn chart(text: &str) -> samspor_domain::Chart {
        let file: toml::Table = text.parse().unwrap_or_else(|e| panic!("{e}"));
        let rules = file["rule"].as_array().into_iter().flatten().map(|rule| {
            let value = |key: &str| rule.get(key).and_then(toml::Value::as_str);
            let text = |key| {
                Text::new(value(key).unwrap_or_default()).unwrap_or_else(|e| panic!("{key}: {e}: {rule}"))
            };
            samspor_domain::ChartRule {
                condition: samspor_domain::Condition {
                    account: value("account").and_then(|v| v.parse().ok()),
                    grouping: value("grouping").and_then(|v| v.parse().ok()),
                    ..Default::default()
                },
                area: text("area"),
                kind: if text("kind").as_str() == "service" { CostKind::Service } else { CostKind::Transfer },
                committee: None,
            }
        });
        samspor_domain::Chart { rules: rules.collect() }
    }

    #[test]
    fn the_charts_say_the_same_of_every_account() -> Result<(), Box<dyn std::error::Error>> {
        let charts = samspor_domain::Charts(
            [
                (2025, chart(include_str!("../../../config/charts/2025.toml"))),
                (2026, chart(include_str!("../../../config/charts/2026.toml"))),
            ]
            .into(),
        );
        for account in ALL {
            for writing in WRITINGS {
                let written = account.write(writing, "");
                let bare = written.clone().bare();
                let days = [date(2024, 12, 31), date(2025, 12, 31), date(2026, 1, 1), date(2027, 1, 1)];
                for (written, date) in [written, bare].iter().flat_map(|w| days.map(|day| (w, day))) {
                    let posting: Posting = Posting {
                        id: Text::new("1")?,
                        date,
                        account: written.text.parse()?,
                        grouping: written.grouping.as_deref().map(str::parse).transpose()?,
                        cost_centre: None,
                        amount: Amount::default(),
                        citizen: None,
                        grant: None,
                        voucher: None,
                        reverses: None,
                    };
                    let charted = charts.rule(&posting).map(|rule| (rule.area.as_str(), rule.kind));
                    assert_eq!(charted, written.charted(date.year()), "{written:?} on {date}");
                }
            }
        }
        Ok(())
    }
}
