//! What is computed of a posting: pseudonyms, the answer with all that is looked up for it, its split, and sealing.

use std::hint::black_box;

use anyhow::Result;
use samspor_domain::{Amount, CitizenRef, Cpr, Share, Text, split};
use samspor_vault::Purpose;

use crate::storing::{Gateway, Whom};
use crate::{Listed, Work};

pub(crate) const STAGES: [Listed; 6] = [
    ("pseudonym", pseudonym),
    ("decide-tagged", || deciding(Whom::Enrolled)),
    ("decide-untagged", || deciding(Whom::Others)),
    ("split", split_in_three),
    ("seal", sealing),
    ("open", opening),
];

/// How often one round does what is quick.
const TIMES: usize = 1_000;

/// As many bytes as a tag has, sealed.
const SEALED: [u8; 350] = [b'x'; 350];

fn times(mut once: impl FnMut() -> Result<()> + 'static) -> Work {
    Work::new(TIMES, None, move || (0..TIMES).try_for_each(|_| once()))
}

fn pseudonym() -> Result<Work> {
    let keys = crate::storing::vault()?.source(&Text::new("opus")?);
    let reference = CitizenRef::Cpr(Cpr::parse("6112801234")?);
    Ok(times(move || {
        black_box(keys.reference(black_box(&reference)));
        Ok(())
    }))
}

fn deciding(whom: Whom) -> Result<Work> {
    let mut gateway = Gateway::open()?;
    gateway.prepare(whom, 1)?;
    gateway.take_in()?;
    let rows = gateway.postings()?;
    Ok(Work::new(rows.len(), None, move || {
        for row in &rows {
            black_box(gateway.core.decide(row.source, black_box(&row.posting))?);
        }
        Ok(())
    }))
}

fn split_in_three() -> Result<Work> {
    let amount = Amount::from_ore(1_234_567)?;
    let share = |(area, weight)| Ok(Share { area: Text::new(area)?, weight });
    let shares = [("children", 3), ("adults", 2), ("job-centre", 2)].into_iter().map(share);
    let shares: Vec<Share> = shares.collect::<Result<_>>()?;
    Ok(times(move || {
        black_box(split(black_box(amount), &shares));
        Ok(())
    }))
}

fn sealing() -> Result<Work> {
    let vault = crate::storing::vault()?;
    Ok(times(move || {
        black_box(vault.seal(Purpose::Revision, black_box(&SEALED)));
        Ok(())
    }))
}

fn opening() -> Result<Work> {
    let vault = crate::storing::vault()?;
    let sealed = vault.seal(Purpose::Revision, &SEALED);
    Ok(times(move || {
        black_box(vault.open(Purpose::Revision, black_box(&sealed))?);
        Ok(())
    }))
}
