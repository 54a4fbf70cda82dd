//! What a voucher and its lines are called, so that no two of one machine number share a name.

use jiff::civil::Date;

/// The highest run.
pub const MAX_RUN: u8 = 7;
/// How many serial numbers a voucher has for its lines. One with more is not to be written: they would be another voucher's.
pub const LINES: usize = 100_000;
/// Vouchers that a run may book on one date: of each month of a year, and of one list.
const SLOTS: usize = 13;

/// What names a voucher beside its machine number. A line is named by the date on which it is booked and its serial number
/// of seven digits; each month of a year, a list, and each run have serial numbers of their own. So two lines have one name
/// only where two vouchers are of the same month and run, or are booked a year after each other on one date, which
/// [`Name::of_month`] refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The voucher's number, `00977-202603`; of a list `00977-20261231`; of the second run `00977-202603-2`.
    pub number: String,
    /// The date on which it is booked.
    pub date: Date,
    /// The serial number of its first line.
    pub first_serial: usize,
}

impl Name {
    /// A month's voucher; none where it is booked before the month, or not within a year of the month's beginning.
    #[must_use]
    pub fn of_month(machine: u32, month: Date, date: Date, run: u8) -> Option<Self> {
        let months = |date: Date| i32::from(date.year()) * 12 + i32::from(date.month());
        let slot = usize::try_from(month.month()).ok()?;
        let is_near = (0..12).contains(&(months(date) - months(month)));
        is_near.then(|| Self::new(machine, month.strftime("%Y%m").to_string(), date, slot, run))
    }

    /// The voucher of a list.
    #[must_use]
    pub fn of_list(machine: u32, date: Date, run: u8) -> Self {
        Self::new(machine, date.strftime("%Y%m%d").to_string(), date, SLOTS, run)
    }

    fn new(machine: u32, period: String, date: Date, slot: usize, run: u8) -> Self {
        let before = usize::from(run.clamp(1, MAX_RUN)) - 1;
        let suffix = if before == 0 { String::new() } else { format!("-{run}") };
        Self {
            number: format!("{machine:05}-{period}{suffix}"),
            date,
            first_serial: (before * SLOTS + slot) * LINES + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::civil::date;

    use super::*;

    #[test]
    fn no_two_vouchers_share_a_number_or_a_line() {
        let ends: Vec<Date> = (2025..=2027)
            .flat_map(|year| (1..=12).map(move |month| date(year, month, 1).last_of_month()))
            .collect();
        let (mut numbers, mut lines) = (BTreeMap::new(), BTreeMap::new());
        for booked in &ends {
            for run in 1..=MAX_RUN {
                let months = ends.iter().filter_map(|month| Name::of_month(977, *month, *booked, run));
                for name in months.chain([Name::of_list(977, *booked, run)]) {
                    assert!(name.first_serial + LINES - 2 <= 9_999_999, "{name:?}");
                    let line = (name.date, name.first_serial / LINES);
                    if let Some(other) = lines.insert(line, name.clone()) {
                        panic!("{name:?} and {other:?}");
                    }
                    numbers.entry(name.number.clone()).or_insert_with(Vec::new).push(name);
                }
            }
        }
        // One number may be booked on one date or on another, but is always of the same month and run.
        for (number, names) in numbers {
            assert!(names.iter().all(|name| name.first_serial == names[0].first_serial), "{number}");
        }
    }

    #[test]
    fn a_month_is_booked_within_a_year_of_its_beginning() {
        let of = |booked| Name::of_month(977, date(2026, 3, 31), booked, 1).map(|name| name.number);
        assert_eq!(of(date(2026, 2, 28)), None);
        assert_eq!(of(date(2026, 3, 1)).as_deref(), Some("00977-202603"));
        assert_eq!(of(date(2027, 2, 28)).as_deref(), Some("00977-202603"));
        assert_eq!(of(date(2027, 3, 1)), None);
        assert_eq!(Name::of_list(977, date(2026, 12, 31), 2).number, "00977-20261231-2");
    }
}
