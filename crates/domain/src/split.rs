//! Sharing one amount between areas so that the parts sum to it, to the øre.

use crate::{Amount, Part, Share};

/// Shares the amount by weight: every part gets the whole øre that are its own, and the øre left over go one each to
/// the largest remainders, ties to the lower area. The parts of −x are those of x negated. Sorted by area.
#[must_use]
pub fn split(amount: Amount, shares: &[Share]) -> Vec<Part> {
    let total: i128 = shares.iter().map(|share| i128::from(share.weight)).sum();
    let whole = i128::from(amount.abs().ore());
    let mut shares: Vec<&Share> = shares.iter().collect();
    shares.sort_by(|a, b| a.area.cmp(&b.area));

    let mut ore: Vec<i128> = shares.iter().map(|share| whole * i128::from(share.weight) / total).collect();
    let left_over = whole - ore.iter().sum::<i128>();
    let mut by_remainder: Vec<usize> = (0..shares.len()).collect();
    // The sort is stable, so equal remainders stay in the order of their areas.
    by_remainder.sort_by_key(|&i| std::cmp::Reverse(whole * i128::from(shares[i].weight) % total));
    for &i in by_remainder.iter().take(usize::try_from(left_over).unwrap_or(0)) {
        ore[i] += 1;
    }

    let sign = if amount.ore() < 0 { -1 } else { 1 };
    shares
        .into_iter()
        .zip(ore)
        .map(|(share, ore)| Part {
            area: share.area.clone(),
            weight: share.weight,
            // No part exceeds the whole, which is an amount.
            amount: Amount::from_ore(sign * i64::try_from(ore).unwrap_or(0)).unwrap_or_default(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Text;

    fn shares(weights: &[u32]) -> Vec<Share> {
        let area = |i: usize| Text::new(&format!("area-{i:02}")).unwrap_or_else(|e| panic!("{e}"));
        weights.iter().enumerate().map(|(i, &weight)| Share { area: area(i), weight }).collect()
    }

    fn ore(amount: i64, weights: &[u32]) -> Vec<i64> {
        let amount = Amount::from_ore(amount).unwrap_or_else(|e| panic!("{e}"));
        split(amount, &shares(weights)).iter().map(|part| part.amount.ore()).collect()
    }

    #[test]
    fn one_ore_in_three_parts_goes_to_the_lowest_area() {
        assert_eq!(ore(1, &[1, 1, 1]), [1, 0, 0]);
        assert_eq!(ore(-1, &[1, 1, 1]), [-1, 0, 0]);
        assert_eq!(ore(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(ore(5, &[60, 20, 20]), [3, 1, 1]);
        assert_eq!(ore(2, &[1, 2, 3]), [0, 1, 1]);
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_whole_and_negate_exactly(
            amount in -crate::MAX_ORE..=crate::MAX_ORE,
            weights in proptest::collection::vec(1u32..=1_000_000, 1..=16),
        ) {
            let parts = ore(amount, &weights);
            prop_assert_eq!(parts.iter().sum::<i64>(), amount);
            prop_assert_eq!(ore(-amount, &weights), parts.iter().map(|p| -p).collect::<Vec<_>>());
            let total: i128 = weights.iter().map(|w| i128::from(*w)).sum();
            for (part, weight) in parts.iter().zip(&weights) {
                let exact = i128::from(amount) * i128::from(*weight);
                prop_assert!((i128::from(*part) * total - exact).abs() < total, "never an øre or more away");
            }
        }
    }
}
