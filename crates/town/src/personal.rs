//! Everything about the town's people that must not be found where it does not belong.

use crate::faults;
use crate::person::{Person, cpr_writings, uuid_writings};
use crate::town::Town;

impl Town {
    /// Every CPR number, person UUID and name of the town's people, in every way in which its systems write them: ten
    /// digits, with a hyphen or a space before the last four; UUIDs in lower and upper case, with hyphens and without;
    /// and the numbers of faulty messages that are none. Made when asked for, as the messages are.
    pub fn personal_data(&self) -> impl Iterator<Item = String> + use<> {
        let town = *self;
        let settings = town.settings();
        let families = (0..settings.families).flat_map(move |no| {
            town.family(no).members.into_iter().flat_map(|member| {
                let others = member.earlier_number.into_iter().chain(member.foreign_number);
                let others: Vec<String> = others.flat_map(|cpr| cpr_writings(&cpr)).collect();
                writings(&member.person).chain(others)
            })
        });
        let outside =
            (0..settings.background_citizens).flat_map(move |no| writings(&town.outsider(no).person));
        let faulty = if settings.faulty { faults::PEOPLE } else { 0 };
        let faulty = (0..faulty).flat_map(move |no| writings(&faults::person(&town, no)));
        let impossible =
            faults::IMPOSSIBLE.into_iter().filter(move |_| settings.faulty).flat_map(cpr_writings);
        families.chain(outside).chain(faulty).chain(impossible)
    }
}

fn writings(person: &Person) -> impl Iterator<Item = String> + use<> {
    cpr_writings(&person.cpr).into_iter().chain(uuid_writings(&person.uuid)).chain([person.name.clone()])
}
