//! What was found: for people, and as JSON.

use std::fmt;

use serde_json::{Value, json};

/// How a finding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grade {
    /// As it should be.
    Good,
    /// Worth knowing.
    Notice,
    /// Something can be lost, or does not work.
    Fault,
}

impl Grade {
    fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Notice => "notice",
            Self::Fault => "fault",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// How it counts.
    pub(crate) grade: Grade,
    /// What was looked at: a word that stays.
    pub(crate) check: &'static str,
    /// What there is.
    pub(crate) says: String,
    /// What to do about it.
    pub(crate) advice: Option<String>,
}

impl Finding {
    pub(crate) fn good(check: &'static str, says: impl Into<String>) -> Self {
        Self { grade: Grade::Good, check, says: says.into(), advice: None }
    }

    pub(crate) fn notice(check: &'static str, says: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { grade: Grade::Notice, check, says: says.into(), advice: Some(advice.into()) }
    }

    pub(crate) fn fault(check: &'static str, says: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { grade: Grade::Fault, check, says: says.into(), advice: Some(advice.into()) }
    }
}

/// A broker, a source or a target.
#[derive(Debug)]
pub(crate) struct Part {
    /// `broker`, `source` or `target`.
    pub(crate) kind: &'static str,
    /// Its name.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) place: String,
    /// What was found.
    pub(crate) findings: Vec<Finding>,
}

/// Everything that was found.
#[derive(Debug)]
pub(crate) struct Report(pub(crate) Vec<Part>);

impl Report {
    fn count(&self, grade: Grade) -> usize {
        self.0.iter().flat_map(|part| &part.findings).filter(|finding| finding.grade == grade).count()
    }

    /// Whether nothing can be lost and everything works, as far as was seen.
    pub(crate) fn is_good(&self) -> bool {
        self.count(Grade::Fault) == 0
    }

    /// For scripts.
    pub(crate) fn json(&self) -> Value {
        let finding = |finding: &Finding| {
            let Finding { grade, check, says, advice } = finding;
            json!({ "grade": grade.word(), "check": check, "says": says, "advice": advice })
        };
        let part = |part: &Part| {
            let findings: Vec<Value> = part.findings.iter().map(finding).collect();
            json!({ "kind": part.kind, "name": part.name, "place": part.place, "findings": findings })
        };
        json!({
            "good": self.is_good(),
            "faults": self.count(Grade::Fault),
            "notices": self.count(Grade::Notice),
            "parts": self.0.iter().map(part).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks = self.0.iter().flat_map(|part| &part.findings).map(|finding| finding.check.len());
        let width = checks.max().unwrap_or_default();
        for Part { kind, name, place, findings } in &self.0 {
            writeln!(f, "{kind} {name}: {place}")?;
            for Finding { grade, check, says, advice } in findings {
                let mark = match grade {
                    Grade::Good => "ok",
                    Grade::Notice => "notice",
                    Grade::Fault => "FAULT",
                };
                writeln!(f, "  {mark:<6}  {check:<width$}  {says}")?;
                if let Some(advice) = advice {
                    writeln!(f, "          {:<width$}  → {advice}", "")?;
                }
            }
            writeln!(f)?;
        }
        let plural = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        let notices = plural(self.count(Grade::Notice), "notice");
        match self.count(Grade::Fault) {
            0 => writeln!(f, "Nothing was found by which messages can be lost; {notices}."),
            faults => writeln!(f, "{}, {notices}.", plural(faults, "fault")),
        }
    }
}
