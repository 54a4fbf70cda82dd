//! The town's three solutions, modelled on municipalities in VIVE's report *Økonomistyring af tværgående løsninger*
//! (2018), and the best of several account rules.

use jiff::civil::{Date, date};
use serde_json::{Value, json};

use crate::account::Written;

/// A cross-sector solution.
#[derive(Debug)]
pub(crate) struct Solution {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) priority: i64,
    pub(crate) from: Date,
    pub(crate) to: Option<Date>,
    pub(crate) baseline_days: i64,
    pub(crate) aftercare_days: i64,
    /// In øre, and who grants above it.
    pub(crate) ceiling: Option<(i64, &'static str)>,
    /// What is inside its budget; all else is outside.
    pub(crate) inside: &'static [Rule<()>],
    /// Who grants and who pays.
    pub(crate) powers: &'static [Rule<(&'static str, &'static str)>],
    pub(crate) default_powers: (&'static str, &'static str),
    pub(crate) claims: &'static [Rule<()>],
}

/// An account rule, and what it says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule<T> {
    /// Elements of the account, joined by points; empty: any account.
    pub(crate) account: &'static str,
    pub(crate) grouping: Option<&'static str>,
    pub(crate) centre: Option<&'static str>,
    pub(crate) from: Option<Date>,
    pub(crate) to: Option<Date>,
    pub(crate) says: T,
}

pub(crate) const fn rule<T: Copy>(account: &'static str, says: T) -> Rule<T> {
    Rule { account, grouping: None, centre: None, from: None, to: None, says }
}

/// By priority, lowest first.
pub(crate) static ALL: [Solution; 3] = [
    // Helsingør's SB Familier: an own budget for what the unit can influence (inside), benefits and placements that it
    // cannot (outside). Inside it grants and pays; outside it grants and the area pays.
    Solution {
        id: "sb-familier",
        name: "SB Familier",
        priority: 10,
        from: date(2025, 10, 1),
        to: None,
        baseline_days: 730,
        aftercare_days: 180,
        ceiling: None,
        inside: &[
            Rule { from: Some(date(2026, 1, 1)), ..rule("5.28.21", ()) },
            rule("5.68.90", ()),
            Rule { grouping: Some("003"), ..rule("5.28.20.1", ()) },
            rule("6.45.51", ()),
        ],
        powers: &[
            rule("5.28.21", ("solution", "solution")),
            rule("5.68.90", ("solution", "solution")),
            Rule { from: Some(date(2026, 7, 1)), ..rule("5.68.90", ("solution", "shared")) },
            rule("5.57", ("area", "area")),
        ],
        default_powers: ("solution", "area"),
        claims: &[
            Rule { centre: Some("0417"), from: Some(date(2026, 1, 1)), ..rule("5.28.21", ()) },
            Rule { centre: Some("0417"), ..rule("6.45.51", ()) },
            // Until the summer it took the foundation's money, too; it goes before the coordinators by its priority.
            Rule { centre: Some("0419"), to: Some(date(2026, 6, 30)), ..rule("5.72.99", ()) },
        ],
    },
    // Furesø's and Albertslund's plans: no budget of their own, everything outside; what the same citizens cost
    // against the year before.
    Solution {
        id: "helhedsplan",
        name: "Én familie, én plan",
        priority: 20,
        from: date(2025, 3, 1),
        to: Some(date(2026, 11, 30)),
        baseline_days: 365,
        aftercare_days: 90,
        ceiling: None,
        inside: &[],
        powers: &[],
        default_powers: ("area", "area"),
        claims: &[Rule { centre: Some("02417"), ..rule("5.72.99.1", ()) }],
    },
    // Assens' family coordinators: measures above 25,000 kr. and every split key need the coordination group; half of
    // the money is a foundation's, on accounts of its own.
    Solution {
        id: "familiekoordinator",
        name: "Familiekoordinatorerne",
        priority: 30,
        from: date(2026, 1, 1),
        to: None,
        baseline_days: 0,
        aftercare_days: 30,
        ceiling: Some((2_500_000, "shared")),
        inside: &[Rule { grouping: Some("417"), ..rule("5.72.99", ()) }],
        powers: &[rule("5.72", ("solution", "solution")), rule("5.57.71", ("employment", "employment"))],
        default_powers: ("solution", "area"),
        claims: &[Rule { grouping: Some("417"), ..rule("5.72.99", ()) }],
    },
];

impl Solution {
    /// Whether it runs on that day.
    pub(crate) fn runs(&self, day: Date) -> bool {
        self.from <= day && self.to.is_none_or(|to| day <= to)
    }

    /// The message that registers it, in the canonical JSON.
    pub(crate) fn message(&self, version: i64) -> Value {
        let sides: Vec<Value> = self.inside.iter().map(|r| r.json(&[("side", "inside")])).collect();
        let powers: Vec<Value> =
            self.powers.iter().map(|r| r.json(&[("grants", r.says.0), ("pays", r.says.1)])).collect();
        let claims: Vec<Value> = self.claims.iter().map(|r| r.json(&[])).collect();
        let mut message = json!({
            "type": "solution", "id": self.id, "version": version, "name": self.name, "priority": self.priority,
            "from": self.from.to_string(), "to": self.to.map(|to| to.to_string()),
            "baseline_days": self.baseline_days, "aftercare_days": self.aftercare_days,
            "sides": sides, "default_side": "outside", "powers": powers,
            "default_powers": {"grants": self.default_powers.0, "pays": self.default_powers.1}, "claims": claims,
        });
        if let Some((ore, above)) = self.ceiling {
            message["ceiling"] = crate::json::amount(ore).into();
            message["above_ceiling"] = above.into();
        }
        message
    }
}

impl<T> Rule<T> {
    /// Whether it holds for a posting to that account on that day.
    pub(crate) fn holds(&self, account: &Written, day: Date) -> bool {
        begins(&account.account, self.account)
            && self.grouping.is_none_or(|grouping| account.grouping.as_deref() == Some(grouping))
            && self.centre.is_none_or(|centre| account.centre.as_deref() == Some(centre))
            && self.from.is_none_or(|from| from <= day)
            && self.to.is_none_or(|to| day <= to)
    }

    fn json(&self, says: &[(&str, &str)]) -> Value {
        let mut rule = json!({});
        self.put(&mut rule, says);
        rule
    }

    /// Puts its conditions and what it says into a message.
    pub(crate) fn put(&self, rule: &mut Value, says: &[(&str, &str)]) {
        if !self.account.is_empty() {
            rule["account"] = self.account.into();
        }
        let named = [("grouping", self.grouping), ("cost_centre", self.centre)];
        for (key, text) in
            named.into_iter().filter_map(|(key, text)| Some((key, text?))).chain(says.iter().copied())
        {
            rule[key] = text.into();
        }
        for (key, day) in [("from", self.from), ("to", self.to)] {
            if let Some(day) = day {
                rule[key] = day.to_string().into();
            }
        }
    }
}

/// Whether an account begins with whole elements of another.
pub(crate) fn begins(account: &str, prefix: &str) -> bool {
    prefix.is_empty()
        || account.len() >= prefix.len() && account.split('.').zip(prefix.split('.')).all(|(a, b)| a == b)
}

/// What the best of the rules says that hold.
pub(crate) fn best<T: Copy>(rules: &[Rule<T>], account: &Written, day: Date) -> Option<T> {
    let mut best: Option<&Rule<T>> = None;
    for rule in rules.iter().filter(|rule| rule.holds(account, day)) {
        // An account's elements have fixed widths, so the longer prefix has more of them.
        let rank = |r: &Rule<T>| (r.account.len(), r.grouping.is_some(), r.centre.is_some(), r.from);
        if best.is_none_or(|other| rank(other) <= rank(rule)) {
            best = Some(rule);
        }
    }
    best.map(|rule| rule.says)
}
