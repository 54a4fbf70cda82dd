//! Why a posting is or is not tagged, step by step, now or as it was known at an instant.
//!
//! An explanation names facts by kind and id and dates by their numbers. It shows no reference to a person.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use samspor_domain::store::{PostingRow, Read, Result, Scope};
use samspor_domain::{
    Answer, Body, Cause, Charts, Circle, CitizenRef, FactNo, Fit, Known, Link, Phase, PostingNo, Pseudonym,
    Span, TagFilter, Text, candidates, decide, follows, overlap,
};
use samspor_vault::Vault;

use crate::conflicts::Tie;
use crate::keyring::Keyring;
use crate::registry::{Registry, reach};
use crate::{filter, kept};

/// What the gateway says about a posting, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What it says.
    pub said: Said,
    /// Why, step by step.
    pub steps: Vec<Step>,
}

/// What the gateway says, or said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// An answer.
    Answer(Answer),
    /// What it said was erased when a consent ended.
    Erased,
}

/// One step of an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it is about.
    pub heading: &'static str,
    /// What there is to say.
    pub lines: Vec<String>,
}

/// Explains a posting of a source. None: the posting is, or was at that instant, not known.
pub fn explain(
    read: &mut dyn Read,
    vault: Arc<Vault>,
    charts: &Charts,
    source: &Text,
    posting: &Text,
    as_of: Option<Timestamp>,
) -> Result<Option<Explanation>> {
    let keyring = Keyring::load(vault, read)?;
    let Some(no) = keyring.no(source) else { return Ok(None) };
    let Some(row) = read.find_posting(no, posting)? else { return Ok(None) };
    if as_of.is_some_and(|instant| instant < row.registered) {
        return Ok(None);
    }
    let registry = Registry::load(read, &keyring, charts.clone(), as_of)?;
    let mut explainer = Explainer { read, keyring, registry, as_of };
    explainer.explain(row).map(Some)
}

struct Explainer<'a> {
    read: &'a mut dyn Read,
    keyring: Keyring,
    registry: Registry,
    as_of: Option<Timestamp>,
}

impl Explainer<'_> {
    fn explain(&mut self, row: PostingRow) -> Result<Explanation> {
        let mut steps = vec![posting_step(&row)];
        let (root, answer) = self.follow(&row, &mut steps)?;
        match root.posting.reference().copied() {
            Some(reference) => {
                steps.push(self.whose(&root, &reference)?);
                steps.push(self.enrolments(&root, &reference));
            }
            None => steps.push(self.claims(&root)),
        }
        if let Answer::Tagged(_) = &answer {
            steps.push(self.rules(&root, &answer));
        }
        let (feed, newest) = self.feed(&row)?;
        steps.push(feed);
        let said = match newest {
            Some(None) => Said::Erased,
            Some(Some(told)) => {
                // The feed is what was said. What is computed here agrees with it, unless work is pending.
                Said::Answer(told.map_or(answer, |tag| Answer::Tagged(Box::new(tag))))
            }
            None => Said::Answer(answer),
        };
        Ok(Explanation { said, steps })
    }

    fn is_known(&self, row: &PostingRow) -> bool {
        self.as_of.is_none_or(|instant| row.registered <= instant)
    }

    /// The posting whose answer counts, and the posting's own answer.
    fn follow(&mut self, row: &PostingRow, steps: &mut Vec<Step>) -> Result<(PostingRow, Answer)> {
        let mut path = vec![row.clone()];
        let mut lines = Vec::new();
        let root = loop {
            let last = path[path.len() - 1].clone();
            let Some(id) = &last.posting.reverses else { break path.len() - 1 };
            let reversed = self.read.find_posting(last.source, id)?.filter(|row| self.is_known(row));
            let Some(reversed) = reversed else {
                lines.push(format!("{} says that it reverses {id}, which is not known", last.posting.id));
                break path.len() - 1;
            };
            if !follows(&last.posting, &reversed.posting) {
                lines.push(format!(
                    "{} says that it reverses {id}, but amount, account or reference do not fit: decided on its own",
                    last.posting.id
                ));
                break path.len() - 1;
            }
            if let Some(ring) = path.iter().position(|member| member.no == reversed.no) {
                lines.push(format!(
                    "{} closes a ring; each of its members is decided on its own",
                    last.posting.id
                ));
                break ring;
            }
            lines.push(format!("{} reverses {id} and takes its answer, negated", last.posting.id));
            path.push(reversed);
        };
        if !lines.is_empty() {
            steps.push(Step { heading: "Reversal", lines });
        }
        let found = path[root].clone();
        let mut answer = decide(found.source, &found.posting, &self.registry.known(&self.keyring)).answer;
        if root % 2 == 1 {
            answer = answer.negated();
        }
        Ok((found, answer))
    }

    /// Each consent whose bridge holds the reference, whether it covers, and by which facts it reaches.
    fn whose(&mut self, row: &PostingRow, reference: &Pseudonym) -> Result<Step> {
        let mut lines = Vec::new();
        let mut reaching: Vec<(FactNo, Circle)> = self
            .registry
            .consents()
            .filter(|(_, reached)| reached.bridge.contains(&(row.source, *reference)))
            .map(|(no, reached)| (no, reached.circle.clone()))
            .collect();
        reaching.sort_by(|(_, a), (_, b)| a.consent.cmp(&b.consent));
        for (no, circle) in reaching {
            let verdict = if circle.conflict {
                "in identity conflict: nothing is tagged by it until an identity fact settles who is who"
            } else if circle.covers.contains(row.posting.date) {
                "covers the date"
            } else {
                "does not cover the date"
            };
            lines.push(format!("consent {} ({}): {verdict}", circle.consent, span(circle.covers)));
            lines.push(format!("  reached by {}", self.path(no, row, reference)?));
        }
        if lines.is_empty() {
            lines.push("no live consent reaches the posting's reference in this source".into());
        }
        Ok(Step { heading: "Whose it is", lines })
    }

    /// The facts that lead from a consent's own reference to the posting's.
    fn path(&mut self, consent: FactNo, row: &PostingRow, wanted: &Pseudonym) -> Result<String> {
        let Some(fact) = self.read.fact(consent)? else { return Ok("nothing any more".into()) };
        let opened = kept::open_as_of(&self.keyring.vault, self.read, &fact, self.as_of)?;
        let Some((id, Body::Consent(consent))) = opened else { return Ok("nothing any more".into()) };
        let mut links: Vec<(String, Link)> = Vec::new();
        reach(self.read, &self.keyring, &id, &consent, self.as_of, &mut |fact, link| {
            links.push((Tie::of(fact).to_string(), link.clone()));
        })?;
        // Breadth first, so that the shortest way is shown.
        let mut came_by: BTreeMap<CitizenRef, Vec<String>> =
            BTreeMap::from([(consent.citizen.clone(), Vec::new())]);
        let mut visit = std::collections::VecDeque::from([consent.citizen]);
        while let Some(reference) = visit.pop_front() {
            let path = came_by.get(&reference).cloned().unwrap_or_default();
            if self.keyring.pseudonym(Scope::Source(row.source), &reference) == *wanted {
                let own = "the consent's own reference".to_owned();
                return Ok(std::iter::once(own).chain(path).collect::<Vec<_>>().join(" → "));
            }
            for (name, link) in links.iter().filter(|(_, link)| link.refs.contains(&reference)) {
                for next in &link.refs {
                    if !came_by.contains_key(next) {
                        let path = path.iter().cloned().chain([name.clone()]).collect();
                        came_by.insert(next.clone(), path);
                        visit.push_back(next.clone());
                    }
                }
            }
        }
        Ok("facts that have changed since".into())
    }

    /// Each enrolment that covering consents reach, and why it won or lost.
    fn enrolments(&self, row: &PostingRow, reference: &Pseudonym) -> Step {
        let known = self.registry.known(&self.keyring);
        let day = row.posting.date;
        let covering: Vec<&Circle> = known
            .circles(row.source, reference)
            .filter(|circle| !circle.conflict && circle.covers.contains(day))
            .collect();
        let ranked = candidates(day, &covering, &known);
        let mut lines = Vec::new();
        for (i, candidate) in ranked.iter().enumerate() {
            let verdict = if i == 0 {
                "chosen".to_owned()
            } else {
                let best = &ranked[0];
                let reason = if candidate.phase != best.phase {
                    format!("'{}' goes before '{}'", best.phase.word(), candidate.phase.word())
                } else if candidate.solution.priority != best.solution.priority {
                    format!("priority {} goes before {}", best.solution.priority, candidate.solution.priority)
                } else {
                    "the earlier start goes first, then the id".to_owned()
                };
                format!("not chosen: {reason}")
            };
            lines.push(format!(
                "enrolment {} in {} ({}): {}; {verdict}",
                candidate.enrolled.id,
                candidate.enrolled.enrolment.solution,
                span(candidate.enrolled.enrolment.span),
                phase(candidate.phase),
            ));
        }
        let counted: BTreeSet<&Text> = ranked.iter().map(|candidate| &candidate.enrolled.id).collect();
        for enrolled in covering.iter().flat_map(|circle| &circle.enrolments) {
            if counted.contains(&enrolled.id) {
                continue;
            }
            let why = match known.solution(&enrolled.enrolment.solution) {
                None => "its solution is not live".to_owned(),
                Some(solution) if overlap(enrolled.enrolment.span, solution.span).is_none() => {
                    "its dates and its solution's do not overlap".to_owned()
                }
                Some(_) => format!("{day} is in none of its phases"),
            };
            lines.push(format!("enrolment {} in {}: {why}", enrolled.id, enrolled.enrolment.solution));
        }
        if lines.is_empty() {
            lines.push("covering consents reach no enrolment".into());
        }
        Step { heading: "Enrolments", lines }
    }

    fn claims(&self, row: &PostingRow) -> Step {
        let known = self.registry.known(&self.keyring);
        let mut lines = vec!["the posting has no reference, so solutions may claim it by account".to_owned()];
        for (id, solution) in known.claimants() {
            let claims = solution.claims.iter().any(|claim| claim.holds(&row.posting));
            let runs = solution.span.contains(row.posting.date);
            let verdict = match (runs, claims) {
                (true, true) => "claims it",
                (false, _) => "does not run on the date",
                (true, false) => "has no claim that holds",
            };
            lines.push(format!("solution {id} (priority {}): {verdict}", solution.priority));
        }
        Step { heading: "Claims", lines }
    }

    fn rules(&self, row: &PostingRow, answer: &Answer) -> Step {
        let mut lines = Vec::new();
        if let Answer::Tagged(tag) = answer {
            let year = row.posting.date.year();
            let known = self.registry.known(&self.keyring);
            lines.push(match known.charts().rule(&row.posting) {
                Some(rule) => format!(
                    "chart of {year}: rule {} gives area {} and kind {}",
                    rule.condition
                        .account
                        .map_or_else(|| "for any account".into(), |prefix| prefix.to_string()),
                    rule.area,
                    rule.kind.word()
                ),
                None => format!("chart of {year}: no rule holds for {}", row.posting.account),
            });
            lines.push(format!("side {}, granted by {}, paid by {}", tag.side.word(), tag.grants, tag.pays));
            lines.push(match &tag.split {
                Some(split) => format!("shared by split {split}"),
                None => "not split".into(),
            });
            let flags: Vec<&str> = tag.flags.iter().map(|flag| flag.word()).collect();
            if !flags.is_empty() {
                lines.push(format!("flags: {}", flags.join(", ")));
            }
        }
        Step { heading: "Rules", lines }
    }

    /// The feed's records, and what the newest of them said: none without a record, `Some(None)` if it was erased,
    /// `Some(Some(tag))` else.
    fn feed(&mut self, row: &PostingRow) -> Result<(Step, Option<Option<Option<samspor_domain::Tag>>>)> {
        let records = self.read.records_of(row.no)?;
        let mut targets = Vec::new();
        for (name, at) in self.read.cursors()? {
            targets.push((filter::filter(&mut *self.read, &self.keyring.vault, &name)?, name, at));
        }
        let mut lines = Vec::new();
        let mut newest = None;
        let as_of = self.as_of;
        for record in records.iter().filter(|record| as_of.is_none_or(|at| record.registered <= at)) {
            let revision = kept::open_revision(&self.keyring.vault, record)?;
            let change = revision.as_ref().map_or("erased", |revision| revision.change().word());
            // What passes a target by is not delivered to it; of what is erased nobody knows that any more.
            let passes_by = |filter: &TagFilter| {
                revision.as_ref().is_some_and(|revision| filter.fit(revision) == Fit::Nothing)
            };
            let delivered: Vec<&str> = targets
                .iter()
                .filter(|(filter, _, at)| record.seq <= *at && (filter.is_everything() || !passes_by(filter)))
                .map(|(_, name, _)| name.as_str())
                .collect();
            let delivered = if delivered.is_empty() {
                "nowhere yet".to_owned()
            } else {
                format!("to {}", delivered.join(", "))
            };
            lines.push(format!(
                "revision {} at {}: {change}, because {}; delivered or superseded {delivered}",
                record.revision,
                record.registered,
                self.cause(record.cause, row.no)?,
            ));
            newest = Some(revision.map(|revision| revision.tag));
        }
        if lines.is_empty() {
            lines.push("never tagged, so no record".into());
        }
        Ok((Step { heading: "Feed", lines }, newest))
    }

    fn cause(&mut self, cause: Cause, own: PostingNo) -> Result<String> {
        Ok(match cause {
            Cause::Posting(no) if no == own => "it arrived".into(),
            Cause::Posting(_) => "a posting arrived that it follows".into(),
            Cause::Start => "the gateway started with other charts or rules".into(),
            Cause::Withdrawal => "a consent ended".into(),
            Cause::Fact(no, version) => {
                let row = self.read.fact(no)?;
                let kind = row.as_ref().map_or("fact", |row| row.kind.word());
                let kept = match &row {
                    Some(row) => self
                        .read
                        .versions(row.no)?
                        .iter()
                        .rfind(|known| known.version == version)
                        .map(|known| kept::open_version(&self.keyring.vault, known))
                        .transpose()?
                        .flatten(),
                    None => None,
                };
                let id = kept.map_or_else(|| "(erased)".to_owned(), |kept| kept.id.to_string());
                format!("{kind} {id} reached version {version}")
            }
        })
    }
}

fn posting_step(row: &PostingRow) -> Step {
    let said = &row.posting;
    let mut lines = vec![format!("date {}, account {}, amount {}", said.date, said.account, said.amount)];
    let more = [
        said.grouping.map(|grouping| format!("grouping {grouping}")),
        said.cost_centre.as_ref().map(|centre| format!("cost centre {centre}")),
        said.voucher.as_ref().map(|voucher| format!("voucher {voucher}")),
    ];
    let more: Vec<String> = more.into_iter().flatten().collect();
    if !more.is_empty() {
        lines.push(more.join(", "));
    }
    lines.push(match (&said.citizen, &said.grant) {
        (Some(_), Some(_)) => "it names a citizen and a grant".into(),
        (Some(_), None) => "it names a citizen".into(),
        (None, Some(_)) => "it names a grant".into(),
        (None, None) => "it names nobody".to_owned(),
    });
    lines.push(format!("known since {}", row.registered));
    Step { heading: "The posting", lines }
}

fn span(span: Span) -> String {
    match (span.from, span.to) {
        (Some(from), Some(to)) => format!("{from} to {to}"),
        (Some(from), None) => format!("from {from}"),
        (None, Some(to)) => format!("to {to}"),
        (None, None) => "any date".into(),
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::During => "during it",
        Phase::After => "in the days after it",
        Phase::Before => "in the days before it",
    }
}
