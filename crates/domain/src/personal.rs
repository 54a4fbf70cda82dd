//! Refuses messages whose names hold the CPR number that the message itself carries.
//!
//! Ids, `reverses`, vouchers and families are passed on and shown; a CPR number in one of them would defeat every
//! protection. So every decoder and every front asks here last.

use std::borrow::Cow;

use crate::{Body, CitizenRef, Cpr, Fact, Fault, MAX_TEXT_BYTES, Message, Posting, Reason, State, Text};

/// Whether no id, `reverses`, voucher or family holds a CPR number of the message, in any way of writing it.
///
/// # Errors
/// [`Reason::PersonalDataInId`] at the field that holds one.
pub fn check_names(message: &Message) -> Result<(), Fault> {
    match message {
        Message::Posting(posting) => check_posting(posting),
        Message::Fact(Fact { id, state: State::Live(body), .. }) => check_fact(id, body),
        // Of what is withdrawn or deleted only the id was read.
        Message::Fact(_) | Message::Receipt(_) => Ok(()),
    }
}

fn check_posting(posting: &Posting) -> Result<(), Fault> {
    let Posting { id, voucher, reverses, citizen, .. } = posting;
    let Some(cpr) = citizen.as_ref().and_then(CitizenRef::cpr) else { return Ok(()) };
    names_hold_none(cpr, &[("id", Some(id)), ("reverses", reverses.as_ref()), ("voucher", voucher.as_ref())])
}

fn check_fact(id: &Text, body: &Body) -> Result<(), Fault> {
    let id = ("id", Some(id));
    let of = |citizen: Option<&CitizenRef>, family: Option<&Text>| {
        let Some(cpr) = citizen.and_then(CitizenRef::cpr) else { return Ok(()) };
        names_hold_none(cpr, &[id, ("family", family)])
    };
    match body {
        Body::Case(case) => of(Some(&case.citizen), None),
        Body::Grant(grant) => of(grant.citizen.as_ref(), None),
        Body::Progress(progress) => of(Some(&progress.citizen), None),
        Body::Consent(consent) => of(Some(&consent.citizen), None),
        Body::Enrolment(enrolment) => of(Some(&enrolment.citizen), enrolment.family.as_ref()),
        Body::Identity(identity) => identity.refs.iter().try_for_each(|reference| of(Some(reference), None)),
        // These name a grant at most, never a person.
        Body::Payment(_)
        | Body::Solution(_)
        | Body::Split(_)
        | Body::Estimate(_)
        | Body::Budget(_)
        | Body::Target(_)
        | Body::InvestmentCase(_)
        | Body::ControlTotal(_) => Ok(()),
    }
}

fn names_hold_none(cpr: Cpr, names: &[(&str, Option<&Text>)]) -> Result<(), Fault> {
    for (field, text) in names {
        if text.is_some_and(|text| holds_cpr(text.as_str(), cpr)) {
            let message = "holds the CPR number of the message's citizen; names must not";
            return Err(Fault::at(Reason::PersonalDataInId, *field, message));
        }
    }
    Ok(())
}

/// Whether the digits of a text, whatever stands between them, hold the CPR number: as `DDMMYY`, `DDMMYYYY`, `YYMMDD`
/// or `YYYYMMDD` and the last four.
#[must_use]
pub fn holds_cpr(text: &str, cpr: Cpr) -> bool {
    let mut buffer = [0u8; MAX_TEXT_BYTES];
    let mut length = 0;
    for (slot, digit) in buffer.iter_mut().zip(text.bytes().filter(u8::is_ascii_digit)) {
        *slot = digit;
        length += 1;
    }
    let digits = &buffer[..length];
    if digits.len() < 10 {
        return false;
    }
    let cpr = cpr.reveal();
    let (date, last) = cpr.as_bytes().split_at(6);
    let (day_month, year) = date.split_at(4);
    let (day, month) = day_month.split_at(2);
    digits.windows(4).enumerate().skip(6).filter(|(_, four)| *four == last).any(|(at, _)| {
        let before = &digits[..at];
        before.ends_with(date)
            || before.ends_with(&[year, month, day].concat())
            || ["18", "19", "20"].iter().any(|century| {
                before.ends_with(&[day_month, century.as_bytes(), year].concat())
                    || before.ends_with(&[century.as_bytes(), year, month, day].concat())
            })
    })
}

/// Whether a text that somebody writes by hand holds what looks like a CPR number, in any way of writing it, or a UUID.
#[must_use]
pub fn may_identify(text: &str) -> bool {
    let mut run = 0;
    let uuid = text.bytes().filter(|byte| *byte != b'-').any(|byte| {
        run = if byte.is_ascii_hexdigit() { run + 1 } else { 0 };
        run == 32
    });
    uuid || may_hold_cpr(text)
}

/// Whether a text holds what looks like a CPR number, in any way of writing it. Systems' own ids of ten digits may look so too.
///
/// Numbers count whose date does not exist, since a mistyped one still tells of a person.
#[must_use]
pub fn may_hold_cpr(text: &str) -> bool {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
    let two = |at: &[u8]| at[0] * 10 + at[1];
    let day = |at: &[u8]| matches!(two(at), 1..=31 | 61..=91);
    let month = |at: &[u8]| (1..=12).contains(&two(at));
    let short = digits.windows(10).any(|n| (day(n) && month(&n[2..])) || (month(&n[2..]) && day(&n[4..])));
    let century = |at: &[u8]| (18..=20).contains(&two(at));
    let long = digits.windows(12).any(|n| {
        (day(n) && month(&n[2..]) && century(&n[4..])) || (century(n) && month(&n[4..]) && day(&n[6..]))
    });
    short || long
}

/// A text that somebody writes by hand, as it may be shown: where it may hold somebody's number, digits are `9` and letters `a` in
/// each word with a digit.
#[must_use]
pub fn without_numbers(text: &str) -> Cow<'_, str> {
    if !may_identify(text) {
        return Cow::Borrowed(text);
    }
    let disguise = |c: char| match c {
        _ if c.is_numeric() => '9',
        _ if c.is_alphabetic() => 'a',
        _ => c,
    };
    let word = |word: &str| match word.contains(char::is_numeric) {
        true => word.chars().map(disguise).collect(),
        false => word.to_owned(),
    };
    text.split_inclusive(char::is_whitespace).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_words_by_hand_holds_no_number() {
        for (text, shown) in [
            ("Kontoen er lukket for 2026-03", "Kontoen er lukket for 2026-03"),
            ("Kontoen er lukket for 611280-1234", "Kontoen er lukket for 999999-9999"),
            ("lukket for 611280 1234, K07", "lukket for 999999 9999, a99"),
            ("for 0f8fad5b-d9cb-469f-a165-70867728950e.", "for 9a9aaa9a-a9aa-999a-a999-99999999999a."),
        ] {
            assert_eq!(without_numbers(text), shown);
            assert!(!holds_cpr(&without_numbers(text), Cpr::parse("6112801234").expect("a number")));
        }
    }
    use proptest::prelude::*;

    fn cpr() -> Cpr {
        Cpr::parse("6112801234").unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn every_way_of_writing_it_is_found() {
        for text in [
            "6112801234",
            "611280-1234",
            "611280 1234",
            "61.12.80-1234",
            "P611280/1234-7",
            "6 1 1 2 8 0 1 2 3 4",
            "61-12-1980-1234",
            "1980-12-61 1234",
            "801261-1234",
            "2026-6112801234-1",
            "xæ6112801234",
        ] {
            assert!(holds_cpr(text, cpr()), "{text}");
        }
        for text in ["", "2026-000123-1", "611280123", "611280-1243", "6112791234", "1234611280", "61128012"]
        {
            assert!(!holds_cpr(text, cpr()), "{text}");
        }
    }

    #[test]
    fn what_may_identify_a_person_is_found_in_a_sentence() {
        for text in [
            "6112801234",
            "sent twice for 611280-1234, see the mail",
            "61 12 80 12 34",
            "61-12-1980-1234",
            "1980.12.61 1234",
            "801261-1234",
            "310230-5123",
            "case 0f8fad5b-d9cb-469f-a165-70867728950e",
            "0F8FAD5BD9CB469FA16570867728950E",
        ] {
            assert!(may_identify(text), "{text}");
        }
        for text in ["", "a test message", "the supplier corrected 2026-000123-1", "ticket 48213", "0f8fad5b"]
        {
            assert!(!may_identify(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn separators_and_surroundings_do_not_hide_it(
            gaps in prop::collection::vec("[^0-9]{0,3}", 11),
            before in "[0-9a-z]{0,6}",
            after in "[0-9a-z]{0,6}",
        ) {
            let mut text = before;
            for (gap, digit) in gaps.iter().zip(" 6112801234".chars()) {
                if digit != ' ' { text.push(digit); }
                text.push_str(gap);
            }
            text.push_str(&after);
            let Ok(text) = Text::new(&text) else { return Ok(()) };
            prop_assert!(holds_cpr(text.as_str(), cpr()));
        }

        #[test]
        fn what_holds_nine_of_its_digits_in_order_at_most_is_let_through(text in "[0-8a-z -]{0,40}") {
            // No 9 in the text, so no number with a 9 can be in it.
            let other = Cpr::parse("6112801239").unwrap_or_else(|e| panic!("{e}"));
            prop_assert!(!holds_cpr(&text, other));
        }
    }
}
