//! The balance as callers see it.

use jiff::civil::Date;
use samspor_domain::{Stage, Sum};
use samspor_engine::{Balance, Book, ControlSum, Items, LineBook, Postings};

use crate::v1::{
    ControlBalance, ForwardingBalance, FullSum, GetBalanceResponse, ItemCount, ItemsBalance, PostingSum,
    PostingsBalance, ReasonSum, TargetBalance,
};

/// The whole of it.
pub(crate) fn shown(balance: &Balance) -> GetBalanceResponse {
    GetBalanceResponse {
        balanced: balance.is_balanced(),
        items: balance.items.iter().map(items).collect(),
        postings: balance.postings.iter().map(postings).collect(),
        targets: balance.books.targets.iter().map(target).collect(),
        lines: balance.books.lines.iter().map(forwarding).collect(),
        control_totals: balance.books.controls.iter().map(control).collect(),
    }
}

fn items(items: &Items) -> ItemsBalance {
    let outcomes = items.outcomes.iter();
    let outcomes =
        outcomes.map(|(outcome, items)| ItemCount { outcome: outcome.word().to_owned(), items: *items });
    ItemsBalance {
        source: items.source.to_string(),
        month: year_month(items.month),
        outcomes: outcomes.collect(),
        balanced: items.is_balanced(),
    }
}

fn postings(postings: &Postings) -> PostingsBalance {
    let untagged = postings.untagged.iter();
    let untagged =
        untagged.map(|(reason, of)| ReasonSum { reason: reason.word().to_owned(), sum: Some(sum(*of)) });
    PostingsBalance {
        source: postings.source.to_string(),
        month: year_month(postings.month),
        all: Some(sum(postings.all)),
        tagged: Some(sum(postings.tagged)),
        untagged: untagged.collect(),
        balanced: postings.is_balanced(),
    }
}

fn target(book: &Book) -> TargetBalance {
    let stage = |stage: Stage| {
        let stages = [&book.has, &book.untagged].into_iter().filter_map(|stages| stages.get(&stage));
        stages.map(|sum| sum.postings).sum()
    };
    TargetBalance {
        target: book.target.to_string(),
        source: book.source.to_string(),
        month: year_month(book.month),
        tagged: Some(full(book.tagged)),
        has: Some(full(book.all())),
        coming: Some(sum(book.coming)),
        going: Some(sum(book.going)),
        outdated: Some(sum(book.outdated)),
        parked: book.parked,
        delivered: stage(Stage::Delivered),
        awaiting: stage(Stage::Awaiting),
        accepted: stage(Stage::Accepted),
        rejected: stage(Stage::Rejected),
        balanced: book.is_balanced(),
        reconciled: book.is_reconciled(),
    }
}

fn forwarding(book: &LineBook) -> ForwardingBalance {
    ForwardingBalance {
        target: book.target.to_string(),
        source: book.source.to_string(),
        month: year_month(book.month),
        arrived: Some(sum(book.arrived)),
        forwarded: Some(sum(book.passed)),
        tag_left_out: Some(sum(book.left_out)),
        waiting: Some(sum(book.waiting)),
        parked: Some(sum(book.parked)),
        balanced: book.is_balanced(),
    }
}

pub(crate) fn control(control: &ControlSum) -> ControlBalance {
    let theirs = PostingSum { postings: control.count, amount: kroner(control.sum.ore().into()) };
    ControlBalance {
        id: control.id.to_string(),
        source: control.source.to_string(),
        from_date: control.dates.0.to_string(),
        to_date: control.dates.1.to_string(),
        theirs: Some(theirs),
        ours: Some(sum(control.ours)),
        agrees: control.agrees(),
    }
}

pub(crate) fn sum(sum: Sum) -> PostingSum {
    PostingSum { postings: sum.postings, amount: kroner(sum.ore()) }
}

fn full(sum: Sum) -> FullSum {
    FullSum {
        postings: sum.postings,
        debit: kroner(sum.debit),
        credit: kroner(sum.credit),
        hash: format!("{:032x}", sum.hash),
    }
}

/// `YYYY-MM`.
pub(crate) fn year_month(date: Date) -> String {
    date.strftime("%Y-%m").to_string()
}

/// A sum of øre in kroner, with two decimals. Sums may be longer than amounts may.
#[must_use]
pub fn kroner(ore: i128) -> String {
    let sign = if ore < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", ore.unsigned_abs() / 100, ore.unsigned_abs() % 100)
}

/// The øre of such a sum; none where it is none.
#[must_use]
pub fn ore(kroner: &str) -> Option<i128> {
    let (whole, decimals) = kroner.split_once('.').filter(|(_, decimals)| decimals.len() == 2)?;
    format!("{whole}{decimals}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_read_as_it_was_written() {
        for (sum, text) in [(0, "0.00"), (-5, "-0.05"), (5, "0.05"), (-123, "-1.23"), (i128::MAX / 3, "")] {
            let written = kroner(sum);
            assert!(text.is_empty() || written == text, "{written}");
            assert_eq!(ore(&written), Some(sum));
        }
        for text in ["", "1", "1.2", "1.234", "x.00"] {
            assert_eq!(ore(text), None, "{text}");
        }
    }
}
