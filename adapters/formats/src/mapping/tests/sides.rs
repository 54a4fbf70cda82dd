//! Debit and credit in two columns: exactly one is not zero, and gives the amount its sign.

use samspor_domain::Message;

use super::{flaws, items};

const MAPPING: &str = "[reads]\nformat = \"csv\"\n[[message]]\ntype = \"posting\"\n[message.fields]\nid = { value = \"1\" }\n\
    date = { value = \"2026-03-14\" }\naccount = { value = \"5.28.21\" }\n\
    amount = { debit = \"Debet\", credit = \"Kredit\", decimal = \",\", thousands = \".\" }\n";

#[test]
fn the_one_that_is_not_zero_is_the_amount() {
    let (both, neither) = ("says a debit and a credit", "says neither a debit nor a credit");
    for (row, expected) in [
        ("0,00;125,00", Ok(-12_500)),
        ("125,00;0,00", Ok(12_500)),
        ("125,00;", Ok(12_500)),
        (";1.250,5", Ok(-125_050)),
        ("0;0,01", Ok(-1)),
        // A correction in its own column.
        ("-125,00;0,00", Ok(-12_500)),
        ("0,00;-125,00", Ok(12_500)),
        ("125,00;125,00", Err(both)),
        ("125,00;-0,01", Err(both)),
        ("0,00;0,00", Err(neither)),
        ("0,00;", Err(neither)),
        (";", Err(neither)),
        ("-0,00;0", Err(neither)),
        // What is no amount is a fault, though the other column is one.
        ("125,00;x", Err("is not an amount as declared")),
        ("0.00;125,00", Err("is not an amount as declared")),
    ] {
        let items = items(MAPPING, format!("Debet;Kredit\n{row}\n"));
        match (&items[0].content, expected) {
            (Ok(Message::Posting(posting)), Ok(ore)) => assert_eq!(posting.amount.ore(), ore, "{row}"),
            (Err(fault), Err(why)) => {
                let told = fault.to_string();
                assert!(
                    told.starts_with("invalid-amount at line 2, column \"") && told.contains(why),
                    "{row}: {told}"
                );
                assert!(told.contains("(`amount`, mapping line 9)"), "{told}");
            }
            (got, _) => panic!("{row}: {got:?}"),
        }
    }
}

#[test]
fn json_numbers_are_debits_and_credits_too() {
    let text =
        MAPPING.replace("\"csv\"", "\"json\"").replace("decimal = \",\", thousands = \".\"", "number = true");
    for (body, ore) in [(r#"{"Debet":0,"Kredit":12.5}"#, -1_250), (r#"{"Debet":12.50,"Kredit":null}"#, 1_250)]
    {
        let items = items(&text, body);
        assert!(
            matches!(&items[0].content, Ok(Message::Posting(posting)) if posting.amount.ore() == ore),
            "{items:?}"
        );
    }
}

#[test]
fn what_would_lose_credits_is_refused_with_what_to_say_instead() {
    let with = |rule: &str| {
        let (before, _) = MAPPING.split_once("amount").expect("it has an amount");
        flaws(&format!("{before}amount = {{ {rule}, decimal = \",\" }}\n"))
    };
    let refused = "9:20: `first` takes the first of these that is there, be it 0,00, and the sign asks which of them is there: amounts \
                   would be lost or get the wrong sign; for debit and credit in two places say debit = \"…\", credit = \"…\" instead of both";
    for sign in [
        "negative = { path = \"Kredit\", exists = true }",
        "negative = { path = \"Debet\", exists = false }",
        "negative = [{ path = \"X\", exists = true }, { any = [{ path = \"Kredit\", exists = true }] }]",
        "negative = { path = \"X\", exists = true }, positive = { path = \"Debet\", exists = true }",
    ] {
        assert_eq!(with(&format!("first = [\"Debet\", \"Kredit\"], {sign}")), [refused], "{sign}");
    }
    let goes = [
        "`debit` and `credit` go together",
        "`debit` and `credit` say the sign themselves",
        "exclude each other",
    ];
    for (rule, why) in [
        ("debit = \"Debet\"", goes[0]),
        ("credit = \"Kredit\"", goes[0]),
        ("debit = \"D\", credit = \"K\", negative = { path = \"X\", exists = true }", goes[1]),
        ("debit = \"D\", credit = \"K\", otherwise = \"0.00\"", goes[1]),
        ("debit = \"D\", credit = \"K\", path = \"X\"", goes[2]),
    ] {
        let told = with(rule);
        assert!(told.len() == 1 && told[0].contains(why), "{rule}: {told:?}");
    }
}
