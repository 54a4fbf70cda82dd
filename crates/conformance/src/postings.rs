//! Postings: some on a citizen, some on a grant, some on nobody; and reversals of every kind, in chains and rings.

use samspor_domain::{Amount, Posting, SourceName, Text};

use crate::chance::Chance;
use crate::world::{World, account, amount, centre_of_cost, grouping, ore, text};
use crate::{Content, Item};

impl World {
    /// So many postings.
    pub(crate) fn postings(&self, count: usize, chance: &mut Chance) -> Vec<Item> {
        let mut all: Vec<(SourceName, Posting)> = Vec::new();
        while all.len() < count {
            let id = text(&format!("P-{}", all.len()));
            match chance.count(0, 99) {
                0..25 if !all.is_empty() => {
                    let (source, reversed) = chance.of(&all[all.len().saturating_sub(40)..]);
                    let reversal = self.reversal(id, &reversed, chance);
                    all.push((source, reversal));
                }
                25..28 => self.ring(&mut all, chance),
                _ => all.push((self.sender(chance), self.posting(id, chance))),
            }
        }
        let content = |(source, posting)| Item { source, content: Content::of_posting(posting) };
        all.into_iter().map(content).collect()
    }

    fn posting(&self, id: Text, chance: &mut Chance) -> Posting {
        let (citizen, grant) = match chance.count(0, 99) {
            0..50 => (true, chance.percent(25)),
            50..70 => (false, true),
            _ => (false, false),
        };
        Posting {
            id,
            date: self.day(chance),
            account: account(chance),
            grouping: chance.percent(30).then(|| grouping(chance)),
            cost_centre: chance.percent(30).then(|| centre_of_cost(chance)),
            amount: amount(chance),
            citizen: citizen.then(|| match chance.count(0, 9) {
                0 => samspor_domain::CitizenRef::Case(chance.of(&self.sources), chance.of(&self.numbers)),
                1 => self.grant(chance),
                _ => self.reference(chance),
            }),
            grant: grant.then(|| self.grant(chance)),
            voucher: chance.maybe(30, &["V-1", "V-2"]).map(text),
            // Something that never comes, or is another source's, or is this very posting.
            reverses: chance.percent(2).then(|| text(&format!("P-{}", chance.count(0, 400)))),
        }
    }

    /// A reversal that follows what it reverses, or nearly.
    fn reversal(&self, id: Text, reversed: &Posting, chance: &mut Chance) -> Posting {
        let mut posting = self.posting(id, chance);
        posting.reverses = Some(reversed.id.clone());
        posting.account = reversed.account;
        posting.amount = -reversed.amount;
        match chance.count(0, 9) {
            0..5 => (posting.citizen, posting.grant) = (None, None),
            5..9 => (posting.citizen, posting.grant) = (reversed.citizen.clone(), reversed.grant.clone()),
            _ => {}
        }
        match chance.count(0, 29) {
            0 => posting.amount = reversed.amount,
            1 => posting.amount = ore(posting.amount.ore() / 2 + 1),
            2 => posting.account = account(chance),
            3 => posting.account = posting.account.function(),
            _ => {}
        }
        posting
    }

    /// Two to six postings each of which follows the next, and the last the first; some hang on from outside.
    fn ring(&self, all: &mut Vec<(SourceName, Posting)>, chance: &mut Chance) {
        let source = self.sender(chance);
        let zero = chance.percent(30);
        let length = if zero { chance.count(1, 5) } else { chance.of(&[2, 2, 4, 6]) };
        let first = all.len();
        let id = |i: usize| text(&format!("P-{}", first + i % length));
        let mut model = self.posting(id(0), chance);
        if chance.percent(50) {
            (model.citizen, model.grant) = (None, None);
        }
        if zero {
            model.amount = Amount::default();
        }
        for i in 0..length {
            let mut member = self.posting(id(i), chance);
            member.reverses = Some(id(i + 1));
            member.account = model.account;
            member.amount = if i % 2 == 0 { model.amount } else { -model.amount };
            (member.citizen, member.grant) = (model.citizen.clone(), model.grant.clone());
            all.push((source.clone(), member));
        }
    }
}
