//! Charts of accounts: to which area and kind an account belongs, year by year.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Condition, CostKind, Posting, Text, rule};

/// One year's chart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Chart {
    /// Its rules, in the order of the file.
    pub rules: Vec<ChartRule>,
}

/// To which area and kind an account belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChartRule {
    /// When it holds.
    pub condition: Condition,
    /// The sector area.
    pub area: Text,
    /// The kind of cost.
    pub kind: CostKind,
    /// The political committee.
    pub committee: Option<Text>,
}

/// The charts by year.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Charts(pub BTreeMap<i16, Chart>);

impl Charts {
    /// The best rule for the posting in its year's chart: the year's own, else the latest earlier, else the earliest.
    pub fn rule<R>(&self, posting: &Posting<R>) -> Option<&ChartRule> {
        let (_, chart) = self.0.range(..=posting.date.year()).next_back().or_else(|| self.0.iter().next())?;
        rule::best(&chart.rules, |rule| &rule.condition, posting)
    }
}
