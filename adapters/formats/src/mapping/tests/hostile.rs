//! No mapping decoder panics, loses a body, keeps more than it should, or lets personal data into a fault.

use proptest::prelude::*;
use samspor_domain::{Decode, Item};

use super::{Decoder, Mapping, delivery, mapping, source};

const CPR: &str = "6112801234";

fn samples() -> Vec<(&'static str, Mapping, String)> {
    let fields = |id: &str, cpr: &str| {
        format!(
            "  [message.fields]\n  id = \"{id}\"\n  date = {{ path = \"dato\", format = [\"%d-%m-%Y\", \"iso\"] }}\n  account = \"konto\"\n  \
             amount = {{ path = \"beloeb\", decimal = \",\", thousands = \".\", negative = {{ path = \"dk\", is = \"K\" }}, positive = {{ any = [{{ path = \"dk\", is = \"D\" }}, {{ path = \"dk\", exists = false }}] }} }}\n  \
             citizen.cpr = \"{cpr}\"\n  voucher = {{ join = [\"konto\", \"dk\"], with = \"-\" }}\n"
        )
    };
    let tree = |format: &str| {
        format!(
            "[reads]\nformat = \"{format}\"\n[[message]]\ntype = \"posting\"\neach = \"u/b/l\"\n{}\n\
             [[message]]\ntype = \"case\"\neach = \"u/b\"\n  [message.fields]\n  id = \"id\"\n  version = \"v\"\n  citizen.cpr = \"cpr\"\n",
            fields("id", "../cpr")
        )
    };
    let csv = format!("[reads]\nformat = \"csv\"\n[[message]]\ntype = \"posting\"\n{}", fields("id", "cpr"));
    let columns = "[{name=\"id\",at=1,width=3},{name=\"dato\",at=4,width=10},{name=\"konto\",at=14,width=7},{name=\"beloeb\",at=21,width=9},{name=\"dk\",at=30,width=1},{name=\"cpr\",at=31,width=10}]";
    let fixed = csv.replace("\"csv\"", &format!("\"fixed\"\ncolumns = {columns}"));
    let line = "<l><id>1</id><dato>14-03-2026</dato><konto>5.28.21</konto><beloeb>1.234,50</beloeb><dk>K</dk><x y='1'/></l>";
    let xml = format!(
        "<u><b><id>s</id><v>7</v><cpr>{CPR}</cpr>{line}{line}</b><b><id>t</id><v>8</v><cpr>{CPR}</cpr></b></u>"
    );
    let json_line =
        r#"{"id":1,"dato":"14-03-2026","konto":"5.28.21","beloeb":"1.234,50","dk":"K","x":[1.5e3,null]}"#;
    let json = format!(
        r#"{{"u":{{"b":[{{"id":"s","v":7,"cpr":"{CPR}","l":[{json_line},{json_line}]}},{{"id":"t","v":"8","cpr":"{CPR}"}}]}}}}"#
    );
    let lines = format!(
        "id;dato;konto;beloeb;dk;cpr;x\n1;14-03-2026;5.28.21;1.234,50;K;{CPR};\"æ;\"\n2;14-03-2026;5.28.21;1,50;;;\n"
    );
    let widths = format!("1  14-03-20265.28.21 1.234,50K{CPR}\n2  14-03-20265.28.21     1,50 {CPR}\n");
    let json_lines = format!("{json}\n\n{json}\n");
    vec![
        ("xml", mapping(&tree("xml")), xml),
        ("ndjson", mapping(&tree("ndjson")), json_lines),
        ("json", mapping(&tree("json")), json),
        ("csv", mapping(&csv), lines),
        ("fixed", mapping(&fixed), widths),
    ]
}

fn hold(body: &[u8]) -> Result<(), TestCaseError> {
    for (name, mapping, _) in samples() {
        let decoder = Decoder::new(mapping.clone());
        let items = decoder.decode(&source(), &delivery(body));
        prop_assert!(!items.is_empty(), "{}", name);
        let kept: usize =
            items.iter().filter_map(|item| item.excerpt.as_ref()).map(|kept| kept.bytes.len()).sum();
        prop_assert!(kept <= 16 * body.len() + (16 << 20), "{}: {} of {}", name, kept, body.len());
        for Item { content, .. } in &items {
            match content {
                Ok(message) => prop_assert!(samspor_domain::check_names(message).is_ok(), "{}", name),
                Err(fault) => {
                    let shown = fault.to_string();
                    prop_assert!(!shown.contains(CPR) && !shown.contains("611280"), "{}: {}", name, shown);
                    prop_assert!(shown.len() < 600, "{}: {}", name, shown);
                }
            }
        }
        for item in &items {
            let again = super::again(&mapping, item);
            prop_assert!(again.is_ok(), "{}: {:?}", name, again);
        }
    }
    Ok(())
}

#[test]
fn every_sample_is_good_for_its_mapping() {
    for (name, mapping, body) in samples() {
        let items = Decoder::new(mapping).decode(&source(), &delivery(body.as_bytes()));
        let good = items.iter().filter(|item| item.content.is_ok()).count();
        let wanted = match name {
            "csv" | "fixed" => 2,
            "ndjson" => 8,
            _ => 4,
        };
        assert_eq!(good, wanted, "{name}: {items:?}");
        assert!(good == items.len());
    }
}

/// A way to spoil bytes.
fn spoiled(body: &str, ways: &[(prop::sample::Index, u8, String)]) -> Vec<u8> {
    let mut bytes = body.as_bytes().to_vec();
    for (at, way, piece) in ways {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        match way % 4 {
            0 => bytes[at] = piece.as_bytes().first().copied().unwrap_or_default(),
            1 => drop(bytes.drain(at..bytes.len().min(at + piece.len() * 4))),
            2 => drop(bytes.splice(at..at, piece.bytes())),
            _ => {
                let again = bytes[at..bytes.len().min(at + piece.len() * 8)].to_vec();
                drop(bytes.splice(at..at, again));
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(body in prop::collection::vec(any::<u8>(), 0..200)) {
        hold(&body)?;
    }

    #[test]
    fn spoiled_bodies(
        of in 0usize..5,
        ways in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<u8>(), "[-<>/&;\"'\\[\\]{}:,.0-9a-zæ\n\r ]{1,6}"), 1..6),
    ) {
        let (_, _, body) = samples().swap_remove(of);
        hold(&spoiled(&body, &ways))?;
    }

    #[test]
    fn no_text_makes_a_mapping_panic(text in "[a-z\\[\\]={}\"./%\n ]{0,80}", at in any::<prop::sample::Index>()) {
        let _ = Mapping::load(&text);
        let whole = "[reads]\nformat = \"xml\"\n[[message]]\ntype = \"posting\"\neach = \"a/b\"\n[message.fields]\nid = { path = \"x\" }\n";
        let at = at.index(whole.len());
        let _ = Mapping::load(&format!("{}{text}{}", &whole[..at], &whole[at..]));
    }
}
