//! CSV and fixed widths.

use samspor_domain::Excerpt;

use super::{becomes, items};

const CSV: &str = r#"
[reads]
format = "csv"
encoding = "iso-8859-1"

[tables.area]
BU = "vulnerable-children"
JOB = "employment"

[[message]]
type = "posting"
  [message.fields]
  id = { join = ["Bilag", "Linje"], with = "-" }
  date = { path = "Dato", format = "%d-%m-%Y" }
  account = "Konto"
  amount = { path = "Beløb", decimal = ",", thousands = ".", sign = "trailing" }
  citizen.cpr = "Cpr"
"#;

const HEADER: &str = "Bilag;Linje;Dato;Konto;Beløb;Cpr;Tekst\n";

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

#[test]
fn each_line_is_an_item_of_its_own_and_a_bad_one_holds_up_nothing() {
    let body = latin1(&format!(
        "{HEADER}1;1;14-03-2026;5.28.21.1;1.234,50;611280-1234;x\r\n\r\n\
         1;2;14-03-2026;5.28.21;1234,5-;;\"a; \"\"b\"\"\"\n1;3;14-03-2026;5.28.21;12.34,5;;\n1;4;14-03-2026\n\
         1;5;14-03-2026;5.28.21;1;;\"open\n1;6;14-03-2026;5.28.21;7;;;;\n1;;14-03-2026;5.28.21;7;;\n"
    ));
    becomes(
        CSV,
        body,
        &[
            r#"{"type":"posting","id":"1-1","date":"2026-03-14","account":"5.28.21.1","amount":"1234.50","citizen":{"cpr":"6112801234"}}"#,
            r#"{"type":"posting","id":"1-2","date":"2026-03-14","account":"5.28.21","amount":"-1234.50"}"#,
            "invalid-amount at line 5, column \"Beløb\": is not an amount as declared: digits, at most two after ',', '.' between \
             each three before it or nowhere, and any '-' after them (`amount`, mapping line 16)",
            "undecodable at line 6: has 3 values, and by the header there are 7 columns",
            "undecodable at line 7: has a quoted value that does not end on its line",
            "undecodable at line 8: has 9 values, and by the header there are 7 columns",
            "missing-field at line 9, column \"Bilag\": is required, and nothing is found here (`id`, mapping line 13)",
        ],
    );
}

#[test]
fn a_header_that_lacks_a_column_is_one_fault() {
    becomes(
        CSV,
        "Bilag;Linje\n1;2\n",
        &["…missing-field at line 1: the header has no column \"Dato\" (mapping line "],
    );
    let twice = latin1(&HEADER.replace("Tekst", "Cpr"));
    becomes(CSV, twice, &["…undecodable at line 1: the header has two columns \"Cpr\" (mapping line "]);
    becomes(CSV, latin1(HEADER), &["undecodable: the body holds no line with a message"]);
    becomes(CSV, "", &["undecodable: the body holds no line"]);
}

#[test]
fn a_separator_within_a_text_moves_no_column() {
    let mapping = "[reads]\nformat = \"csv\"\n[[message]]\ntype = \"posting\"\n[message.fields]\nid = \"Id\"\ndate = \"Dato\"\n\
                   account = \"Konto\"\namount = { path = \"Beløb\", decimal = \",\" }\n";
    becomes(
        mapping,
        "Id;Dato;Konto;Tekst;Moms;Beløb;Note\n7;2026-03-14;5.28.21;Køb 3;5;250,00;1250,00;\n",
        &["undecodable at line 2: has 8 values, and by the header there are 7 columns"],
    );
}

#[test]
fn an_excerpt_is_the_header_and_the_line_and_a_mark_says_utf_8() {
    let body = format!("\u{feff}{HEADER}1;1;14-03-2026;5.28.21;1,5;;ø\n1;2;14-03-2026;x;1,5;;\n");
    let items = items(CSV, &body);
    assert_eq!(items.len(), 2);
    let excerpt = items[1].excerpt.as_ref().map_or(&b""[..], |excerpt| &excerpt.bytes);
    assert_eq!(excerpt, format!("\u{feff}{HEADER}1;2;14-03-2026;x;1,5;;").as_bytes());
    assert_eq!(items[0].ignored_fields, 1);
    becomes(
        CSV,
        body,
        &[
            r#"{"type":"posting","id":"1-1","date":"2026-03-14","account":"5.28.21","amount":"1.5"}"#,
            "…invalid-account at line 3, column \"Konto\"",
        ],
    );
}

#[test]
fn without_a_header_columns_are_numbers_and_titles_are_passed_over() {
    let text = r#"
[reads]
format = "csv"
separator = "\t"
header = false
columns = 3
skip_lines = 2

[[pass]]
when = { path = "1", is = "I alt" }

[[message]]
type = "case"
  [message.fields]
  id = "1"
  version = "2"
  citizen.id = { path = "3", pad = 6 }
"#;
    let body = "Udtræk\n\nA\t7\t123\nB\t8\nI alt\t2\t0\n";
    becomes(
        text,
        body,
        &[
            r#"{"type":"case","id":"A","version":7,"citizen":{"id":"000123"}}"#,
            "undecodable at line 4: has 2 values, and by `columns` in [reads] there are 3 columns",
        ],
    );
    let items = items(text, body);
    assert_eq!(items[1].excerpt, Some(Excerpt::alone("\n\nB\t8".into())));
    assert_eq!(items[1].ignored_fields, 0);
    becomes(text, "\n\nI alt\t2\t0\n", &["…unknown-type: the mapping makes no message of this"]);
}

#[test]
fn fixed_widths_are_counted_in_characters() {
    let text = r#"
[reads]
format = "fixed"
columns = [
  { name = "art", at = 1, width = 1 },
  { name = "id", at = 2, width = 4 },
  { name = "dato", at = 6, width = 8 },
  { name = "beloeb", at = 14, width = 8 },
  { name = "dk", at = 22, width = 1 },
]

[[message]]
type = "posting"
when = { path = "art", is = "P" }
  [message.fields]
  id = "id"
  date = { path = "dato", format = "%Y%m%d" }
  account = { value = "5.28.21" }
  amount = { path = "beloeb", unit = "oere", negative = { path = "dk", is = "K" }, positive = { path = "dk", is = "D" } }
"#;
    becomes(
        text,
        "Pøre120260314   12345D\nP   220260314       5K\nP   3202603140000123\nX\nP   42026031400000000D\n",
        &[
            r#"{"type":"posting","id":"øre1","date":"2026-03-14","account":"5.28.21","amount":"123.45"}"#,
            r#"{"type":"posting","id":"2","date":"2026-03-14","account":"5.28.21","amount":"-0.05"}"#,
            "…invalid-field at line 3, column \"beloeb\": is cut off",
            "unknown-type at line 4: is what no [[message]] takes, since `when` holds of none, and no [[pass]] passes over (mapping line 12)",
            r#"{"type":"posting","id":"4","date":"2026-03-14","account":"5.28.21","amount":"0"}"#,
        ],
    );
}

#[test]
fn more_lines_than_can_hold_messages_are_one_fault() {
    let body = format!("{HEADER}{}", "x\n".repeat(10_000));
    becomes(CSV, latin1(&body), &["…more lines than messages"]);
}

#[test]
fn a_header_as_long_as_its_file_is_not_kept_with_each_line() {
    let body = format!("{HEADER}{}", "1;1;14-03-2026;5.28.21;x;;\n".repeat(10_000));
    let long = body.replacen("Tekst", &"y".repeat(100_000), 1);
    assert_eq!(items(CSV, latin1(&body)).len(), 10_000);
    becomes(CSV, latin1(&long), &["…too-large: what its messages share"]);
}
