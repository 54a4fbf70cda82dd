//! What targets get, to the letter.

use samspor_domain::{
    Answer, Basis, Cause, Change, CostKind, Encode, Flag, LedgerRecord, LisRecord, Part, Phase, PostingNo,
    Pseudonym, Record, Side, Tag, Text, Untagged,
};

use crate::json::{Encoder, state};

fn text(text: &str) -> Text {
    Text::new(text).unwrap_or_else(|e| panic!("{e}"))
}

fn tag() -> Tag {
    Tag {
        solution: text("sb-familier"),
        family: Some(text("F-17")),
        enrolment: Some(text("E-1")),
        phase: Phase::During,
        basis: Basis::Citizen,
        area: text("vulnerable-children"),
        kind: Some(CostKind::Service),
        side: Side::Inside,
        grants: text("solution"),
        pays: text("solution"),
        parts: vec![Part {
            area: text("vulnerable-children"),
            weight: 1,
            amount: "12450.00".parse().unwrap_or_else(|e| panic!("{e}")),
        }],
        split: None,
        flags: vec![],
        other: vec![],
    }
}

const TAG: &str = r#"{"solution":"sb-familier","family":"F-17","enrolment":"E-1","phase":"during","basis":"citizen","area":"vulnerable-children","kind":"service","side":"inside","grants":"solution","pays":"solution","parts":[{"area":"vulnerable-children","weight":1,"amount":"12450.00"}],"split":null,"flags":[],"other":[]}"#;

#[test]
fn the_state_of_one_posting() {
    let tagged = state("opus", "2026-000123-1", &Answer::Tagged(Box::new(tag())));
    assert_eq!(
        tagged,
        format!(r#"{{"source":"opus","posting":"2026-000123-1","decision":"tagged","tag":{TAG}}}"#)
    );
    let untagged = state("opus", "2026-000124-1", &Answer::Untagged(Untagged::NotEnrolled));
    assert_eq!(
        untagged,
        r#"{"source":"opus","posting":"2026-000124-1","decision":"untagged","reason":"not-enrolled"}"#
    );
}

#[test]
fn what_there_is_none_of_is_null() {
    let bare = Tag {
        family: None,
        enrolment: None,
        kind: None,
        split: Some(text("mentor")),
        flags: vec![Flag::OtherSolution, Flag::UnmappedAccount],
        other: vec![text("E-2"), text("E-3")],
        basis: Basis::Account,
        ..tag()
    };
    let written = state("a\"b", "1\n2", &Answer::Tagged(Box::new(bare)));
    assert!(written.starts_with(r#"{"source":"a\"b","posting":"1\n2","decision""#), "{written}");
    for part in [
        r#""family":null,"enrolment":null,"#,
        r#""basis":"account""#,
        r#""kind":null"#,
        r#""split":"mentor","flags":["other-solution","unmapped-account"],"other":["E-2","E-3"]"#,
    ] {
        assert!(written.contains(part), "{part} in {written}");
    }
    assert!(!written.contains('\n'), "{written}");
}

fn encoded(record: &Record) -> String {
    String::from_utf8(Encoder.encode(record).to_vec()).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_ledger_record() {
    let record = LedgerRecord {
        source: text("opus"),
        posting: text("2026-000123-1"),
        revision: 3,
        change: Change::Tag,
        date: jiff::civil::date(2026, 3, 14),
        account: "5.28.21.1".parse().unwrap_or_else(|e| panic!("{e}")),
        amount: "-0.5".parse().unwrap_or_else(|e| panic!("{e}")),
        voucher: Some(text("2026-000123")),
        tag: Some(tag()),
        cause: Cause::Posting(PostingNo(1)),
        registered: jiff::Timestamp::UNIX_EPOCH,
    };
    assert_eq!(Encoder.content_type(), "application/json");
    let start = r#"{"source":"opus","posting":"2026-000123-1","revision":3,"#;
    let rest = r#""date":"2026-03-14","account":"5.28.21.1","amount":"-0.50","voucher":"2026-000123""#;
    assert_eq!(
        encoded(&Record::Ledger(record.clone())),
        format!(r#"{start}"change":"tag","decision":"tagged",{rest},"tag":{TAG}}}"#)
    );
    let untag = LedgerRecord { change: Change::Untag, tag: None, voucher: None, ..record };
    let rest = rest.replace("\"2026-000123\"", "null");
    assert_eq!(
        encoded(&Record::Ledger(untag)),
        format!(r#"{start}"change":"untag","decision":"untagged",{rest}}}"#)
    );
}

#[test]
fn an_lis_record_tells_of_no_person() {
    let record = LisRecord {
        source: text("opus"),
        posting: Pseudonym([0xab; 16]),
        family: Some(Pseudonym([1; 16])),
        citizen: None,
        revision: 1,
        change: Change::Tag,
        year: 2026,
        month: 3,
        account: "5.28.21".parse().unwrap_or_else(|e| panic!("{e}")),
        amount: "12450".parse().unwrap_or_else(|e| panic!("{e}")),
        tag: Some(Tag { other: vec![text("E-2")], ..tag() }),
    };
    let tag = TAG.replace(r#""family":"F-17","enrolment":"E-1","#, "").replace(r#","other":[]"#, "");
    let posting = "ab".repeat(16);
    let family = "01".repeat(16);
    assert_eq!(
        encoded(&Record::Lis(record.clone())),
        format!(
            r#"{{"source":"opus","posting":"{posting}","revision":1,"change":"tag","decision":"tagged","month":"2026-03","account":"5.28.21","amount":"12450.00","family":"{family}","citizen":null,"tag":{tag}}}"#
        )
    );
    let untag = encoded(&Record::Lis(LisRecord {
        change: Change::Untag,
        tag: None,
        family: None,
        citizen: Some(Pseudonym([0; 16])),
        ..record
    }));
    assert!(untag.ends_with(&format!(r#""family":null,"citizen":"{}"}}"#, "0".repeat(32))), "{untag}");
}
