//! The postings of a month: what families and other citizens get, and what concerns nobody in particular.

use jiff::ToSpan;
use jiff::civil::Date;
use samspor_domain::Answer;

use crate::account::{self, Account, Writing, Written};
use crate::family::{Family, Member, Twist};
use crate::measure::{Grant, Measure, Offer, first_day};
use crate::oracle::{self, By, Question};
use crate::posting::{Citizen, Posting};
use crate::seed::Dice;
use crate::source;

/// Postings of one voucher and the finance system that sends them.
pub(crate) struct Voucher {
    pub(crate) source: &'static str,
    /// The posting, and what corrects it: with the place of what it reverses, counted from the first.
    pub(crate) postings: Vec<(Posting, Option<Reverses>)>,
}

/// What a correction says that it reverses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reverses {
    /// A posting of the same voucher.
    Place(usize),
    /// One that nobody knows.
    Unknown,
}

/// What a family's members get in a month. What comes in G69 is dated `file_day`.
pub(crate) fn of_family(family: &Family, month: u32, file_day: Date, dice: &mut Dice) -> Vec<Voucher> {
    let mut vouchers = Vec::new();
    for member in &family.members {
        for measure in member.measures.iter().filter(|measure| measure.runs(month)) {
            // Now and then one is paid late, and not in these books.
            if !dice.once_in(12) {
                vouchers.push(voucher(About { family, member }, measure, month, file_day, dice));
            }
        }
        if member.is_adult && dice.once_in(10) {
            // The state pays part of a benefit back, booked on the person.
            let refund =
                Measure { offer: &REFUND, months: (month, month), ore: -dice.ore(1_500, 3_200), grant: None };
            vouchers.push(voucher(About { family, member }, &refund, month, file_day, dice));
        }
        if let Some(number) = &member.foreign_number {
            // What is booked on the stranger's number is as uncertain as what is booked on the person's own.
            let day = dice.day_of(first_day(month));
            let (account, ore) = (account::SINGLE_HELP.write(Writing::Normal, ""), dice.ore(200, 900));
            let posting = About { family, member }.posting(
                By::Cpr,
                number,
                None,
                Line { source: source::OPUS, day, account, ore, text: "Enkeltydelse" },
            );
            vouchers.push(Voucher { source: source::OPUS, postings: vec![(posting, None)] });
        }
    }
    vouchers
}

static REFUND: Offer = Offer {
    account: &account::CASH_BENEFIT_REFUND,
    source: source::OPUS,
    system: None,
    kroner: (1_500, 3_200),
    steady: true,
    name: "Statsrefusion",
    law: "Aktivloven § 100",
    in_all: false,
};

/// Whom a posting concerns.
#[derive(Clone, Copy)]
struct About<'a> {
    family: &'a Family,
    member: &'a Member,
}

/// What is booked.
struct Line<'a> {
    source: &'static str,
    day: Date,
    account: Written,
    ore: i64,
    text: &'a str,
}

impl About<'_> {
    /// The posting that names them so. `number` is the CPR number that it uses if it uses one.
    fn posting(self, by: By, number: &str, grant: Option<&Grant>, line: Line<'_>) -> Posting {
        let Line { source, day, account, ore, text } = line;
        let question = Question { source, date: day, ore, account: &account, grant };
        let answer = oracle::about_member(&question, self.family, self.member, by);
        let member = self.member;
        let citizen = match by {
            By::Cpr => Some(Citizen::Cpr(number.to_owned())),
            By::Uuid => Some(Citizen::Uuid(member.person.uuid.clone())),
            By::Local => member.local_id.clone().map(Citizen::Local),
            By::Case => {
                let system = if member.is_adult { source::JOBCENTRE } else { source::DUBU };
                Some(Citizen::Case(system, member.case.clone()))
            }
            By::Grant => None,
        };
        // A careless clerk writes the number into the text, which is why texts are never stored.
        let text = if by == By::Cpr && ore % 300 == 0 { format!("{text} {number}") } else { text.to_owned() };
        let grant = grant.map(|grant| (grant.system, grant.id.clone()));
        Posting { date: day, account, ore, citizen, grant, voucher: None, reverses: None, text, answer }
    }
}

fn voucher(about: About<'_>, measure: &Measure, month: u32, file_day: Date, dice: &mut Dice) -> Voucher {
    let source = measure.source(month);
    let is_opus = source == source::OPUS;
    let day = if is_opus { dice.day_of(first_day(month)) } else { file_day };
    let ore = if measure.offer.steady { measure.ore } else { measure.ore + dice.between(-300, 900) * 25 };
    let number = oracle::number_on(about.member, day);
    let account = written(measure.offer.account, source, number, dice);
    // G69 has no place for grants, nor for anybody but by CPR number.
    let grant = measure.grant.as_ref().filter(|_| is_opus && dice.once_in(2));
    let by = if is_opus { way(about, grant, dice) } else { By::Cpr };
    let first =
        about.posting(by, number, grant, Line { source, day, account, ore, text: measure.offer.name });
    let mut postings = vec![(first, None)];
    if is_opus && dice.once_in(15) {
        correct(about, by, grant, &mut postings, dice);
    }
    Voucher { source, postings }
}

/// How Opus names a member.
fn way(about: About<'_>, grant: Option<&Grant>, dice: &mut Dice) -> By {
    let ways: &[By] = match (about.family.twist, grant) {
        (Twist::Aliases | Twist::FewSources, Some(_)) => &[By::Cpr, By::Uuid, By::Case, By::Grant],
        (Twist::Aliases | Twist::FewSources, None) => &[By::Cpr, By::Uuid, By::Case],
        (Twist::Plain, Some(_)) => &[By::Cpr, By::Cpr, By::Grant],
        _ => &[By::Cpr],
    };
    match dice.one_of(ways) {
        By::Uuid if about.member.local_id.is_some() && dice.once_in(2) => By::Local,
        by => by,
    }
}

/// Adds corrections of a voucher's first posting.
fn correct(
    about: About<'_>,
    by: By,
    grant: Option<&Grant>,
    postings: &mut Vec<(Posting, Option<Reverses>)>,
    dice: &mut Dice,
) {
    let Some((first, _)) = postings.first().cloned() else { return };
    let day = first.date.saturating_add(dice.between(3, 40).days());
    let number = oracle::number_on(about.member, day).to_owned();
    // Decided on its own, like any posting of that day.
    let alone = |by, ore| {
        let line = Line { source: source::OPUS, day, account: first.account.clone(), ore, text: "Rettelse" };
        about.posting(by, &number, grant, line)
    };
    let mirror = Posting { date: day, ore: -first.ore, answer: first.answer.negated(), ..first.clone() };
    match dice.below(7) {
        0 => postings.push((mirror, Some(Reverses::Place(0)))),
        1 => {
            // It names nobody, and belongs where the first belongs.
            let mirror = Posting { citizen: None, grant: None, ..mirror };
            postings.push((mirror, Some(Reverses::Place(0))));
        }
        // Half of it only, so it follows nothing.
        2 => postings.push((alone(by, -first.ore / 2), Some(Reverses::Place(0)))),
        3 => postings.push((alone(by, -first.ore), Some(Reverses::Unknown))),
        4 => {
            // Reversed, and the reversal reversed.
            let back = Posting { ore: first.ore, answer: first.answer.clone(), ..mirror.clone() };
            postings.push((mirror, Some(Reverses::Place(0))));
            postings.push((back, Some(Reverses::Place(1))));
        }
        5 => {
            // It names somebody by another reference, so it follows nothing, even if it is the same person.
            let by = if by == By::Uuid { By::Cpr } else { By::Uuid };
            postings.push((alone(by, -first.ore), Some(Reverses::Place(0))));
        }
        _ => {
            postings.push((mirror, Some(Reverses::Place(0))));
            postings.push((alone(by, first.ore + 12_500), None));
        }
    }
}

/// An account string as a finance system writes it.
fn written(account: &'static Account, source: &str, number: &str, dice: &mut Dice) -> Written {
    // Where Prisme's form requires a CPR number it says so, and sometimes it holds it.
    let tail = if dice.once_in(4) { number } else { "CPR" };
    match source {
        source::PRISME => account.write(Writing::Prisme, tail),
        source::OES => account.write(Writing::Sixteen, ""),
        _ => match dice.below(6) {
            0 => account.write(Writing::Function, ""),
            1 => account.write(Writing::Sixteen, ""),
            2 => account.write(Writing::Prisme, tail),
            3 => account.write(Writing::Normal, "").bare(),
            _ => account.write(Writing::Normal, ""),
        },
    }
}

/// What a citizen who consented to nothing gets.
pub(crate) fn of_stranger(
    citizen: Citizen,
    measure: &Measure,
    month: u32,
    file_day: Date,
    dice: &mut Dice,
) -> Voucher {
    let source = measure.source(month);
    let date = if source == source::OPUS { dice.day_of(first_day(month)) } else { file_day };
    let number = if let Citizen::Cpr(cpr) = &citizen { cpr.as_str() } else { "CPR" };
    let posting = Posting {
        date,
        account: written(measure.offer.account, source, number, dice),
        ore: measure.ore + dice.between(-300, 900) * 25,
        citizen: Some(citizen),
        grant: None,
        voucher: None,
        reverses: None,
        text: measure.offer.name.to_owned(),
        answer: oracle::about_stranger(),
    };
    Voucher { source, postings: vec![(posting, None)] }
}

/// What concerns nobody in particular: wages, collective bills, refunds.
pub(crate) fn of_town(file_day: Date, dice: &mut Dice) -> Vec<Voucher> {
    let wages = |dice: &mut Dice, account: &'static Account, writing, low, high| {
        (account.write(writing, ""), dice.ore(low, high))
    };
    // The account's own cost centre is another department's; the field beside it goes before it.
    let mut lent = account::UNIT_WAGES.write(Writing::Sixteen, "");
    lent.text.replace_range(7..11, "1005");
    lent.beside = true;
    let mut lines = vec![
        (source::OPUS, "Løn", wages(dice, &account::UNIT_WAGES, Writing::Sixteen, 310_000, 342_000)),
        (source::OPUS, "Løn, udlånt medarbejder", (lent, dice.ore(31_000, 39_000))),
        (source::OPUS, "Løn, ledelse", wages(dice, &account::UNIT_OFFICE, Writing::Normal, 48_000, 61_000)),
        (source::PRISME, "Løn", wages(dice, &account::PLAN_WAGES, Writing::Prisme, 120_000, 155_000)),
        // Without its dranst the account is not what the plan claims.
        (source::OPUS, "Kørsel", wages(dice, &account::PLAN_WAGES, Writing::Function, 900, 4_000)),
        (source::OPUS, "Fondsmidler", wages(dice, &account::FOUNDATION, Writing::Sixteen, 62_000, 71_000)),
        (source::OPUS, "Samleregning", wages(dice, &account::DAY_CARE, Writing::Normal, 18_000, 44_000)),
        (
            source::OPUS,
            "Samleregning",
            wages(dice, &account::FAMILY_TREATMENT, Writing::Sixteen, 26_000, 90_000),
        ),
        (source::PRISME, "Samleregning", wages(dice, &account::COURSE, Writing::Prisme, 30_000, 80_000)),
    ];
    let (refund, ore) = wages(dice, &account::CASH_BENEFIT_REFUND, Writing::Normal, 200_000, 420_000);
    lines.push((source::OPUS, "Statsrefusion", (refund, -ore)));
    lines
        .into_iter()
        .map(|(source, text, (account, ore))| of_nobody(source, file_day, account, ore, text))
        .collect()
}

/// A posting that names nobody.
pub(crate) fn of_nobody(source: &'static str, day: Date, account: Written, ore: i64, text: &str) -> Voucher {
    let answer = oracle::about_nobody(&Question { source, date: day, ore, account: &account, grant: None });
    let text = text.to_owned();
    let posting = Posting {
        date: day,
        account,
        ore,
        citizen: None,
        grant: None,
        voucher: None,
        reverses: None,
        text,
        answer,
    };
    Voucher { source, postings: vec![(posting, None)] }
}

/// The other side of G69 lines of one day, so that the voucher balances.
pub(crate) fn other_side(source: &'static str, day: Date, postings: &[Posting]) -> Posting {
    let writing = if source == source::OES { Writing::Sixteen } else { Writing::Prisme };
    let ore = -postings.iter().map(|posting| posting.ore).sum::<i64>();
    let answer = Answer::Untagged(samspor_domain::Untagged::NoCitizen);
    let text = "Modpost".to_owned();
    let account = account::CLEARING.write(writing, "");
    Posting {
        date: day,
        account,
        ore,
        citizen: None,
        grant: None,
        voucher: None,
        reverses: None,
        text,
        answer,
    }
}
