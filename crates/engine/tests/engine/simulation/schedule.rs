//! A schedule: what is done to a gateway, and when, as a seed says.

use jiff::civil::date;
use samspor_conformance::Chance;
use samspor_domain::store::Month;
use samspor_domain::{Phase, Side, TagFilter};
use samspor_engine::Audience;

use super::disk::Point;
use super::receiver::Mood;
use super::town::{Letter, RECEIPTS, SOURCES};
use crate::stage::text;

/// One thing that is done to the gateway or around it.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// These letters are put in their queues.
    Send(Vec<usize>),
    /// The process is killed at once.
    Kill,
    /// The process is killed somewhere in the store.
    KillAt(Point),
    /// The gateway is stopped within so many seconds, and started again.
    Stop(u64),
    /// A part is paused, or goes on.
    Pause(String, bool),
    /// A receiver is like that from now on.
    Mood(usize, Mood),
    /// After so many commits from now there is no more room on the disk.
    FillAfter(usize),
    /// There is room again.
    MakeRoom,
    /// Receipts are given for anything that the ledger has.
    Receipts,
    /// What the brake holds is released.
    ReleaseHeld,
    /// What is parked is released.
    ReleaseParked,
    /// The decoders understand more from now on.
    Mend,
    /// What lies in quarantine is released.
    ReleaseQuarantine,
    /// Other charts, and these parts made anew.
    Reload(usize, Vec<String>),
    /// The books of this month are closed from now on, and no others.
    Close(Option<Month>),
    /// So many days pass.
    Days(i64),
    /// The keys of the store are replaced.
    RotateKeys,
    /// A receiver loses its books, and is to get all of it again.
    Lose(usize),
}

/// How the gateway is set in a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) slice: usize,
    pub(crate) brake: Option<usize>,
    /// For how many days what no consent reaches is kept.
    pub(crate) retention: Option<u32>,
    /// Whether the ledger answers records with receipts.
    pub(crate) answers: bool,
    /// The month whose books are closed at first.
    pub(crate) closed: Option<Month>,
    /// Whether months and days go by.
    pub(crate) passes: bool,
    pub(crate) window: usize,
    pub(crate) targets: usize,
    /// What the third target is given, if there is one.
    part: Option<usize>,
}

/// The names of the targets.
pub(crate) const TARGETS: [&str; 3] = ["ledger", "lis", "part"];

/// What the third target may be: who reads it, and what of. Each gets the last posting of a run.
fn part_of_the_feed(which: usize) -> (Audience, TagFilter) {
    let everything = TagFilter::default();
    match which {
        0 => (
            Audience::Ledger,
            TagFilter { solutions: Some([text("s-1"), text("last")].into()), ..everything },
        ),
        1 => (Audience::Lis, TagFilter { sides: Some([Side::Outside].into()), ..everything }),
        2 => {
            let (areas, phases) = (Some([text("unmapped")].into()), Some([Phase::During].into()));
            (Audience::Ledger, TagFilter { areas, phases, ..everything })
        }
        _ => {
            let (solutions, kinds) = (Some([text("s-2"), text("last")].into()), Some([None].into()));
            (Audience::Lis, TagFilter { solutions, kinds, ..everything })
        }
    }
}

/// The months whose books may be closed.
const MONTHS: [Month; 2] = [date(2026, 1, 1), date(2026, 2, 1)];

impl Settings {
    /// What a seed chose before there were answers, closed months and days that pass it still chooses, and `more` chooses
    /// those.
    pub(crate) fn random(chance: &mut Chance, more: Option<&mut Chance>) -> Self {
        let settings = Self {
            slice: chance.of(&[1, 3, 1_000]),
            brake: chance.maybe(40, &[1, 3]),
            retention: chance.maybe(50, &[400]),
            window: chance.of(&[1, 8, 40]),
            targets: chance.of(&[1, 2, 2]),
            answers: false,
            closed: None,
            passes: false,
            part: None,
        };
        let Some(chance) = more else { return settings };
        let passes = chance.percent(40);
        let part = chance.maybe(60, &[0, 1, 2, 3]);
        Self {
            targets: if part.is_some() { TARGETS.len() } else { settings.targets },
            part,
            answers: chance.percent(60),
            closed: chance.maybe(50, &MONTHS),
            retention: if passes { Some(chance.of(&[20, 45, 100])) } else { settings.retention },
            passes,
            ..settings
        }
    }

    /// Who reads a target, and what of the feed it is given.
    pub(crate) fn reader(&self, target: &str) -> (Audience, TagFilter) {
        match TARGETS.iter().position(|name| *name == target) {
            Some(0) => (Audience::Ledger, TagFilter::default()),
            Some(1) => (Audience::Lis, TagFilter::default()),
            _ => part_of_the_feed(self.part.unwrap_or_default()),
        }
    }
}

/// The steps of a run, each with the milliseconds from the one before it.
pub(crate) fn steps(letters: &[Letter], settings: Settings, chance: &mut Chance) -> Vec<(u64, Step)> {
    let mut order: Vec<usize> = (0..letters.len()).collect();
    if chance.percent(80) {
        chance.shuffle(&mut order);
    }
    for _ in 0..chance.of(&[0, 3, 10]) {
        let again = chance.of(&order);
        order.insert(chance.count(0, order.len()), again);
    }
    let most = chance.of(&[2, 8, 40]);
    let mischief = chance.of(&[10, 40, 80]);
    let hurry = chance.of(&[50, 1_000, 20_000]);
    let mut steps = Vec::new();
    let mut rest = &order[..];
    while !rest.is_empty() || chance.percent(30) {
        if !rest.is_empty() {
            let (batch, later) = rest.split_at(chance.count(1, most).min(rest.len()));
            rest = later;
            steps.push((chance.count(0, hurry) as u64, Step::Send(batch.to_vec())));
        }
        while chance.percent(mischief) && steps.len() < 60 {
            steps.push((chance.count(0, hurry) as u64, mischievous(settings, chance)));
        }
    }
    steps
}

/// Puts the steps of months that close and open, and of days that pass, between the others. Days pass also just after a
/// consent was withdrawn, so that a receiver has yet to hear of it or to give its receipts; the withdrawals are the three
/// letters from the `first`.
pub(crate) fn let_pass(steps: &mut Vec<(u64, Step)>, settings: Settings, first: usize, chance: &mut Chance) {
    let mut add = |several: Vec<Step>, chance: &mut Chance| {
        let place = chance.count(0, steps.len());
        let several: Vec<_> = several.into_iter().map(|step| (chance.count(0, 2_000) as u64, step)).collect();
        steps.splice(place..place, several);
    };
    if settings.closed.is_some() {
        for _ in 0..chance.count(0, 3) {
            let month = chance.of(&[None, Some(MONTHS[0]), Some(MONTHS[1])]);
            add(vec![Step::Close(month)], chance);
        }
    }
    if settings.passes {
        for _ in 0..chance.count(1, 4) {
            let mut several = Vec::new();
            if chance.percent(30) {
                let mood = chance.of(&[Mood::Fine, Mood::Refuses, Mood::Away]);
                several.push(Step::Mood(chance.count(0, settings.targets - 1), mood));
                several.push(Step::Send(vec![first + chance.count(0, 2)]));
            }
            several.push(Step::Days(chance.of(&[10, 31, 31, 62, 200])));
            // A start looks for what is to be purged, and otherwise that is looked for every few minutes.
            several.extend(chance.maybe(70, &[Step::Kill, Step::Stop(20)]));
            add(several, chance);
        }
    }
}

/// Lets the keys be replaced once or more often, in some runs.
pub(crate) fn rotate_keys(steps: &mut Vec<(u64, Step)>, chance: &mut Chance) {
    if chance.percent(50) {
        for _ in 0..chance.count(1, 4) {
            steps.insert(chance.count(0, steps.len()), (chance.count(0, 2_000) as u64, Step::RotateKeys));
        }
    }
}

/// Lets receivers lose their books, in some runs.
pub(crate) fn lose_books(steps: &mut Vec<(u64, Step)>, settings: Settings, chance: &mut Chance) {
    if chance.percent(50) {
        for _ in 0..chance.count(1, 3) {
            let lose = Step::Lose(chance.count(0, settings.targets - 1));
            steps.insert(chance.count(0, steps.len()), (chance.count(0, 2_000) as u64, lose));
        }
    }
}

fn mischievous(settings: Settings, chance: &mut Chance) -> Step {
    let target = chance.count(0, settings.targets - 1);
    match chance.count(0, 23) {
        0 => Step::Kill,
        1 => Step::KillAt(Point::Call(chance.count(1, 200))),
        2 => Step::KillAt(Point::BeforeCommit(chance.count(1, 6))),
        3 => Step::KillAt(Point::AfterCommit(chance.count(1, 6))),
        4 => Step::Stop(chance.of(&[0, 1, 20, 300])),
        5..9 => Step::Pause(part(target, chance), chance.percent(40)),
        9..11 => Step::Mood(target, Mood::Fine),
        11..15 => {
            let moods = [Mood::Refuses, Mood::Later, Mood::Hangs, Mood::Blocks, Mood::Away];
            Step::Mood(target, chance.of(&moods))
        }
        15 => Step::FillAfter(chance.count(1, 6)),
        16 => Step::MakeRoom,
        17 => Step::Receipts,
        18 => Step::ReleaseHeld,
        19 => Step::ReleaseParked,
        20 => Step::Mend,
        21 => Step::ReleaseQuarantine,
        _ => {
            let parts = (0..chance.count(0, 2)).map(|_| part(target, chance)).collect();
            Step::Reload(chance.count(0, 1), parts)
        }
    }
}

fn part(target: usize, chance: &mut Chance) -> String {
    if chance.percent(50) {
        format!("target {}", TARGETS[target])
    } else {
        format!("source {}", SOURCES[chance.count(0, RECEIPTS)])
    }
}
