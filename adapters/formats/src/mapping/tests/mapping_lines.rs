//! Faults of whole lines and elements name the lines of the mapping that are behind them; conditions that hold always are none.

use super::{becomes, flaws};

const CSV: &str = "[reads]\nformat = \"csv\"\n\n[[message]]\ntype = \"case\"\nwhen = { path = \"art\", is = \"S\" }\n  [message.fields]\n  \
    id = \"id\"\n  version = { value = 1 }\n  citizen.id = \"nr\"\n";

#[test]
fn a_column_that_is_gone_is_told_with_the_rule_that_wants_it() {
    becomes(
        CSV,
        "art;nr;id;nr\nS;7;1;8\n",
        &["undecodable at line 1: the header has two columns \"nr\" (mapping line 10)"],
    );
    becomes(
        CSV,
        "art;id\nS;1\n",
        &["missing-field at line 1: the header has no column \"nr\" (mapping line 10)"],
    );
    becomes(
        CSV,
        "nr;id\n7;1\n",
        &["missing-field at line 1: the header has no column \"art\" (mapping line 6)"],
    );
}

#[test]
fn what_no_message_takes_is_told_with_those_that_were_asked() {
    let why = "is what no [[message]] takes, since `when` holds of none, and no [[pass]] passes over";
    becomes(CSV, "art;nr;id\nX;7;1\n", &[&format!("unknown-type at line 2: {why} (mapping line 4)")]);
    let two = format!(
        "{CSV}{}",
        CSV.split_once("\n\n").map_or("", |(_, message)| message).replace("\"S\"", "\"T\"")
    );
    becomes(
        &two,
        "art;nr;id\nX;7;1\n",
        &[&format!("unknown-type at line 2: {why} (mapping lines 4 and 11)")],
    );
}

#[test]
fn conditions_that_would_always_hold_are_flaws() {
    let told = "this list of conditions is empty, and would always hold; write a condition such as { path = \"Status\", is = \"P\" }, \
                or leave the key out";
    for (empty, at) in [
        ("[]", "6:8"),
        ("{ any = [[]] }", "6:17"),
        ("[{ any = [{ path = \"art\", is = \"S\" }, []] }]", "6:46"),
    ] {
        let text = CSV.replace("{ path = \"art\", is = \"S\" }", empty);
        assert_eq!(flaws(&text), [format!("{at}: {told}")], "{empty}");
    }
    assert_eq!(flaws(&format!("{CSV}\n[[pass]]\nwhen = []\n")), [format!("13:8: {told}")]);
    let posting = "[reads]\nformat = \"csv\"\n[[message]]\ntype = \"posting\"\n[message.fields]\nid = \"a\"\ndate = \"b\"\naccount = \"c\"\n\
        amount = { path = \"d\", negative = [] }\n";
    assert_eq!(flaws(posting), [format!("9:35: {told}")]);
}
