//! Amounts as systems write them.

use proptest::prelude::*;

use super::items;
use samspor_domain::Message;

fn amount(rule: &str, written: &str) -> Option<i64> {
    let text = format!(
        "[reads]\nformat = \"csv\"\nheader = false\ncolumns = 1\nquote = \"\"\n[[message]]\ntype = \"posting\"\n[message.fields]\nid = {{ value = \"1\" }}\n\
         date = {{ value = \"2026-03-14\" }}\naccount = {{ value = \"5\" }}\namount = {{ path = \"1\"{rule} }}\n"
    )
    .replace("{ value = \"5\" }", "{ value = \"5.28.21\" }");
    match &items(&text, written)[0].content {
        Ok(Message::Posting(posting)) => Some(posting.amount.ore()),
        Ok(other) => panic!("{other:?}"),
        Err(fault) => {
            assert_eq!(fault.reason.word(), "invalid-amount", "{fault}");
            assert!(written.len() < 5 || !fault.to_string().contains(written), "{fault} quotes {written}");
            None
        }
    }
}

#[test]
fn what_is_declared_is_read_and_nothing_else() {
    let danish = ", decimal = \",\", thousands = \".\"";
    let trailing = ", decimal = \",\", sign = \"trailing\"";
    let oere = ", unit = \"oere\"";
    for (rule, written, ore) in [
        ("", "12450.00", Some(1_245_000)),
        ("", "-0012450.5", Some(-1_245_050)),
        ("", "1.234,50", None),
        ("", "1234,5", None),
        ("", "1234.567", None),
        ("", "1e5", None),
        ("", "NaN", None),
        ("", "1234.5-", None),
        (danish, "1.234,50", Some(123_450)),
        (danish, "1234,50", Some(123_450)),
        (danish, "-1.234.567", Some(-123_456_700)),
        (danish, "1.23,4", None),
        (danish, "1.2345,40", None),
        (danish, "12.34.567", None),
        (danish, "1234.567", None),
        (danish, ".234,50", None),
        (danish, "1.234,", None),
        (danish, ",50", None),
        (danish, "1.234.50", None),
        (danish, "1,234.50", None),
        (danish, "1.234,5-", None),
        (trailing, "1234,5-", Some(-123_450)),
        (trailing, "1234,5", Some(123_450)),
        (trailing, "-1234,5", None),
        (trailing, "1234,5--", None),
        (oere, "000012345", Some(12_345)),
        (oere, "-7", Some(-7)),
        (oere, "123.45", None),
        (oere, "", None),
        (oere, "99999999999999999", None),
    ] {
        if written.is_empty() {
            continue;
        }
        assert_eq!(amount(rule, written), ore, "{rule} {written}");
    }
}

#[test]
fn a_sign_is_one_of_the_words_that_were_said_or_a_fault() {
    let text = "[reads]\nformat = \"csv\"\n[[message]]\ntype = \"posting\"\n[message.fields]\nid = \"id\"\ndate = { value = \"2026-03-14\" }\n\
                account = { value = \"5.28.21\" }\namount = { path = \"kr\", negative = { path = \"dk\", is = [\"K\", \"Kredit\"] }, \
                positive = { path = \"dk\", is = \"D\" } }\n";
    for (dk, ore) in
        [("K", Some(-1250)), ("Kredit", Some(-1250)), ("D", Some(1250)), ("k", None), ("C", None), ("", None)]
    {
        let items = items(text, format!("id;kr;dk\n1;12.50;{dk}\n"));
        match &items[0].content {
            Ok(Message::Posting(posting)) => assert_eq!(Some(posting.amount.ore()), ore, "{dk}"),
            Ok(other) => panic!("{other:?}"),
            Err(fault) => {
                let right = "invalid-amount at line 2, column \"dk\": says neither `negative` nor `positive` of the amount, and exactly one is wanted (`amount`, mapping line 9)";
                assert_eq!((fault.to_string().as_str(), ore), (right, None), "{dk}");
            }
        }
    }
    let both = text.replace("is = \"D\"", "exists = true");
    assert!(
        items(&both, "id;kr;dk\n1;12.50;K\n")[0]
            .content
            .as_ref()
            .is_err_and(|f| f.message.contains("says both"))
    );
    // A word alone cannot say what the other one is; that there is something, can.
    let alone = |is: &str| {
        format!(
            "{} negative = {{ path = \"dk\", {is} }} }}\n",
            text.split(" negative").next().unwrap_or_default()
        )
    };
    let flaws = super::flaws(&alone("is = \"K\""));
    assert!(
        flaws[0].starts_with("9:36: `negative` asks for a word, so it needs `positive` beside it"),
        "{flaws:?}"
    );
    super::mapping(&alone("exists = true"));
    let other = text
        .replace("negative =", "positiv =")
        .replace("positive =", "negativ =")
        .replace("negativ ", "positive ");
    assert!(
        super::flaws(&other).iter().any(|flaw| flaw.contains("`positive` goes with `negative`")),
        "{:?}",
        super::flaws(&other)
    );
}

/// An amount of øre as a system writes it that groups its thousands.
fn grouped(ore: i64) -> String {
    let (kroner, rest) = (ore.unsigned_abs() / 100, ore.unsigned_abs() % 100);
    let digits = kroner.to_string();
    let mut written = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            written.push('.');
        }
        written.push(digit);
    }
    format!("{written},{rest:02}{}", if ore < 0 { "-" } else { "" })
}

proptest! {
    #[test]
    fn every_amount_is_read_back(ore in -samspor_domain::MAX_ORE..=samspor_domain::MAX_ORE) {
        let rule = ", decimal = \",\", thousands = \".\", sign = \"trailing\"";
        prop_assert_eq!(amount(rule, &grouped(ore)), Some(ore));
        prop_assert_eq!(amount(", unit = \"oere\"", &ore.to_string()), Some(ore));
    }

    #[test]
    fn what_is_read_is_what_its_digits_say(written in "[-+]?[0-9.,]{1,12}-?") {
        // Whatever is taken has the digits of what is written, in their order, and no others.
        let rule = ", decimal = \",\", thousands = \".\"";
        if let Some(ore) = amount(rule, &written) {
            let kept = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
            let padded = match written.split_once(',') {
                Some((whole, part)) => format!("{}{:0<2}", kept(whole), kept(part)),
                None => format!("{}00", kept(&written)),
            };
            prop_assert_eq!(padded.parse::<i64>().map_err(|e| TestCaseError::fail(e.to_string()))?, ore.abs());
            prop_assert_eq!(written.starts_with('-') && ore != 0, ore < 0);
        }
    }
}
