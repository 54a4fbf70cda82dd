//! `samspor vouchers`: what is proposed follows from what the feed says now, and from nothing else.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::recordings::{charts_alone, facts, line, posting, write};
use crate::deployment::Result;
use crate::samspor::{Ran, samspor};

const VOUCHERS: &str = r#"
[[vouchers]]
solution = "sb-familier"
machine_number = 977
text = "Ompostering SB"
header = "000G69{line}015101NORFLYD"
booked = "{function}{dranst}1{cost_centre}{grouping}40"

[vouchers.accounts]
employment = "5689011000000140"
vulnerable-adults = "5385211000000140"
"#;

/// How the postings of a family are shared.
fn split(version: i64, weights: [u32; 3]) -> Value {
    let areas = ["employment", "vulnerable-adults", "vulnerable-children"].into_iter().zip(weights);
    let parts: Vec<Value> = areas
        .filter(|(_, weight)| *weight > 0)
        .map(|(area, weight)| json!({"area": area, "weight": weight}))
        .collect();
    json!({"type": "split", "id": "mentor", "version": version, "solution": "sb-familier", "family": "F-17", "parts": parts})
}

fn posted(id: &str, amount: &str) -> Value {
    let mut posting = posting(id);
    (posting["amount"], posting["cost_centre"], posting["grouping"]) =
        (amount.into(), "0417".into(), "003".into());
    posting
}

struct Stage {
    dir: tempfile::TempDir,
    config: PathBuf,
    played: usize,
}

impl Stage {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let config = charts_alone(dir.path())?;
        std::fs::write(&config, std::fs::read_to_string(&config)? + VOUCHERS)?;
        Ok(Self { dir, config, played: 0 })
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    fn play(&mut self, messages: &[(&str, Value)]) -> Result<()> {
        self.played += 1;
        let lines = messages.iter().enumerate().map(|(n, (source, message))| line(n, source, message));
        let recording = write(self.dir.path(), &format!("{}.ndjson", self.played), lines)?;
        let paths = [&self.config, &self.store(), &recording].map(|path| path.display().to_string());
        let [config, store, recording] = &paths;
        samspor(["replay", "--config", config, "--data-dir", store, recording])?.ended(0)?;
        Ok(())
    }

    fn vouchers(&self, arguments: &[&str]) -> Result<Ran> {
        let (config, store) = (self.config.display().to_string(), self.store().display().to_string());
        let always = ["vouchers", "--config", &config, "--data-dir", &store];
        let solution =
            if arguments.contains(&"--solution") { &[][..] } else { &["--solution", "sb-familier"] };
        let ran = samspor(always.iter().chain(solution).chain(arguments))?;
        for personal in ["6112801234", "611280-1234", "F-17", "B-12"] {
            assert!(!ran.stdout.contains(personal) && !ran.stderr.contains(personal), "{ran:?}");
        }
        Ok(ran)
    }
}

/// The amounts of a file of G69 by account, debit less credit, as a reader apart from the gateway's adds them up.
fn by_account(g69: &str) -> Vec<(String, i64)> {
    let mut sums = std::collections::BTreeMap::<String, i64>::new();
    for line in g69.split_terminator("\r\n") {
        let field = |number: &str| {
            let found = line.split('&').skip(1).find_map(|field| field.strip_prefix(number));
            found.unwrap_or_else(|| panic!("no field {number}: {line}"))
        };
        let ore: i64 = field("112").trim().parse().unwrap_or_else(|error| panic!("{error}: {line}"));
        *sums.entry(field("111").to_owned()).or_default() += if field("113") == "D" { ore } else { -ore };
    }
    sums.into_iter().collect()
}

#[test]
fn each_part_moves_to_its_area_and_what_is_proposed_is_what_is_right_now() -> Result<()> {
    let mut stage = Stage::new()?;
    let mut messages = facts();
    messages.push(("registry", split(1, [60, 20, 20])));
    // Øre that cannot be shared, and a correction that takes some back.
    messages.push(("opus", posted("2026-000123-1", "12450.00")));
    messages.push(("opus", posted("2026-000123-2", "-0.07")));
    let mut april = posted("2026-000200-1", "100.00");
    april["date"] = "2026-04-01".into();
    messages.push(("opus", april));
    // From before the enrolment: tagged, to compare with, and shared by nobody.
    let mut before = posted("2026-000100-1", "3000.00");
    before["date"] = "2026-01-15".into();
    messages.push(("opus", before));
    stage.play(&messages)?;

    let g69 = ["--month", "2026-03", "--format", "g69"];
    let march = stage.vouchers(&g69)?.ended(0)?;
    let first = march.stdout.split_terminator("\r\n").next().unwrap_or_default();
    assert_eq!(
        first,
        "000G6900001015101NORFLYD&10300977&1040300001&11020260331&1115282111041700340&112000000747000 &113K\
         &1142026&11600977-202603&153Ompostering SB&2502026-000123-1"
    );
    let moved =
        [("5282111041700340", -995_994), ("5385211000000140", 248_998), ("5689011000000140", 746_996)];
    assert_eq!(by_account(&march.stdout), moved.map(|(account, ore)| (account.to_owned(), ore)));
    assert_eq!(march.stdout.lines().count(), 8);
    assert!(
        march.stderr.contains("These are proposals") && march.stderr.contains("9.960,06"),
        "{}",
        march.stderr
    );
    assert_eq!(stage.vouchers(&g69)?.ended(0)?.stdout, march.stdout, "twice the same bytes");

    let year = stage.vouchers(&["--year", "2026", "--format", "csv"])?.ended(0)?.stdout;
    let lines: Vec<&str> = year.lines().collect();
    assert_eq!(
        lines[0],
        "\u{feff}voucher;date;line;account;entry;amount;text;source;posting;booked_area;area"
    );
    assert_eq!(
        lines[2],
        "00977-202603;2026-03-31;300002;'5689011000000140;D;7470,00;Ompostering SB;opus;2026-000123-1;vulnerable-children;employment"
    );
    assert!(
        lines[9].starts_with("00977-202604;2026-04-30;400001;"),
        "each month has its voucher: {}",
        lines[9]
    );

    let out = stage.dir.path().join("march.csv").display().to_string();
    let into = ["--month", "2026-03", "--format", "csv", "--out", &out];
    assert_eq!(stage.vouchers(&into)?.ended(0)?.stdout, "");
    assert!(std::fs::read_to_string(&out)?.starts_with('\u{feff}'));
    stage.vouchers(&into)?.ended(1)?;

    // Another key: only what is right now is proposed. Then a key by which nothing lies wrong.
    stage.play(&[("registry", split(2, [50, 0, 50]))])?;
    let moved = [("5282111041700340", -622_496), ("5689011000000140", 622_496)];
    let now = stage.vouchers(&g69)?.ended(0)?.stdout;
    assert_eq!(by_account(&now), moved.map(|(account, ore)| (account.to_owned(), ore)));
    stage.play(&[("registry", split(3, [0, 0, 1]))])?;
    let none = stage.vouchers(&g69)?.ended(0)?;
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", "There is nothing to correct.\n"));
    Ok(())
}

#[test]
fn what_the_configuration_or_the_postings_do_not_say_is_told_at_once() -> Result<()> {
    let mut stage = Stage::new()?;
    let mut messages = facts();
    messages.push(("registry", split(1, [60, 20, 20])));
    let mut bare = posting("bare");
    bare["cost_centre"] = "0417".into();
    messages.push(("opus", bare));
    // Of another ledger, whose cost centres have five digits.
    let mut other = posted("other", "1.00");
    other["cost_centre"] = "01005".into();
    messages.push(("opus", other));
    stage.play(&messages)?;
    let text = std::fs::read_to_string(&stage.config)?;
    std::fs::write(&stage.config, text.replace("vulnerable-adults = ", "elderly = "))?;
    let told = stage.vouchers(&["--month", "2026-03", "--format", "csv"])?.ended(2)?;
    assert_eq!(told.stdout, "");
    assert_eq!(
        told.stderr,
        "2 parts belong to vulnerable-adults, for which [[vouchers]] of sb-familier names no account: add it to `accounts`\n\
         a split posting of opus on 5.28.21.1 has a cost centre or grouping with which `booked` of [[vouchers]] makes no account string, or another one's: give its source a section of its own, with `sources`\n\
         a split posting of opus on 5.28.21.1 has no grouping, which `booked` of [[vouchers]] wants\n"
    );
    let far = stage.vouchers(&["--month", "2026-03", "--date", "2027-03-01", "--format", "csv"])?.ended(2)?;
    assert!(far.stderr.contains("a year after its beginning"), "{}", far.stderr);
    // A ledger of its own, from which none of these come.
    let apart = text.replace("machine_number = 977", "machine_number = 977\nsources = [\"prisme\"]");
    std::fs::write(&stage.config, &apart)?;
    let none = stage.vouchers(&["--month", "2026-03", "--format", "csv"])?.ended(0)?;
    assert_eq!(none.stderr, "There is nothing to correct.\n");
    let lost = ["--month", "2026-03", "--format", "csv", "--source", "opus"];
    let told = stage.vouchers(&lost)?.ended(2)?;
    assert!(told.stderr.contains("written for opus: add it to the `sources`"), "{}", told.stderr);
    let both = VOUCHERS.replace("977", "978\nsources = [\"opus\"]");
    std::fs::write(&stage.config, apart + &both)?;
    let told = stage.vouchers(&["--month", "2026-03", "--format", "csv"])?.ended(2)?;
    assert!(told.stderr.contains("name one of its sources with --source"), "{}", told.stderr);
    let told = stage.vouchers(&lost)?.ended(2)?;
    assert!(told.stderr.contains("has no grouping"), "{}", told.stderr);
    std::fs::write(&stage.config, text.replace("header = ", "# "))?;
    let told = stage.vouchers(&["--month", "2026-03", "--format", "g69"])?.ended(2)?;
    assert!(told.stderr.contains("add `header`"), "{}", told.stderr);
    let told = stage.vouchers(&["--month", "2026-03", "--format", "csv", "--solution", "x"])?.ended(2)?;
    assert!(told.stderr.contains("add [[vouchers]] with solution = \"x\""), "{}", told.stderr);
    std::fs::write(&stage.config, text.replace("\"sb-familier\"", "\"x\""))?;
    stage.vouchers(&["--month", "2026-03", "--format", "csv", "--solution", "x"])?.ended(4)?;
    stage.vouchers(&["--month", "2026-3", "--format", "csv"])?.ended(2)?;
    stage.vouchers(&["--format", "csv"])?.ended(2)?;
    Ok(())
}

/// A booked voucher comes back as postings on the accounts that it corrected, which the solution claims.
#[test]
fn a_voucher_that_was_booked_and_comes_back_is_not_shared_once_more() -> Result<()> {
    let mut stage = Stage::new()?;
    let text = std::fs::read_to_string(&stage.config)?;
    let ledger = "\n[[sources]]\nname = \"ledger\"\nformat = \"g69\"\nmay_send = [\"posting\"]\n\
                  folder = { dir = \"in\", pattern = \"*.g69\", settle_s = 5 }\n";
    let mut messages = facts();
    let mut shared = split(1, [60, 20, 20]);
    shared.as_object_mut().and_then(|split| split.remove("family"));
    messages.push(("registry", shared));
    for (id, day) in [("wage-1", "2026-03-14"), ("wage-2", "2026-04-02")] {
        let mut wage = posted(id, "100.01");
        wage["date"] = day.into();
        for person in ["citizen", "grant"] {
            wage.as_object_mut().and_then(|wage| wage.remove(person));
        }
        messages.push(("opus", wage));
    }
    stage.play(&messages)?;
    std::fs::write(&stage.config, text.clone() + ledger)?;

    // Both months are closed and are booked on one date, where no line has another's name.
    let of = |month: &'static str| ["--month", month, "--date", "2026-05-31", "--format", "g69"];
    let [march, april] =
        [stage.vouchers(&of("2026-03"))?.ended(0)?, stage.vouchers(&of("2026-04"))?.ended(0)?];
    let booked = march.stdout.clone() + &april.stdout;
    let names: std::collections::BTreeSet<&str> =
        booked.lines().filter_map(|line| line.get(line.find("&103")?..line.find("&111")?)).collect();
    assert_eq!((names.len(), booked.lines().count()), (8, 8), "{booked}");

    let body = json!({"source": "ledger", "received_at": super::recordings::instant(90).to_string(),
                      "content_type": "text/plain", "headers": {}, "body": booked});
    let recording = write(stage.dir.path(), "back.ndjson", [body.to_string()])?;
    let paths = [&stage.config, &stage.store(), &recording].map(|path| path.display().to_string());
    let [config, store, recording] = &paths;
    samspor(["replay", "--config", config, "--data-dir", store, recording])?.ended(0)?;

    for (month, before) in [("2026-03", &march), ("2026-04", &april)] {
        assert_eq!(stage.vouchers(&of(month))?.ended(0)?.stdout, before.stdout, "the same bytes");
    }
    let may = ["--month", "2026-05", "--format", "g69"];
    let none = stage.vouchers(&may)?.ended(0)?;
    assert_eq!(none.stdout, "");
    assert_eq!(
        none.stderr,
        "4 postings are lines of vouchers, and are passed over: what was moved is not shared once more.\n\
         There is nothing to correct.\n"
    );
    // They are known by the machine number alone.
    std::fs::write(&stage.config, text.replace("977", "978") + ledger)?;
    assert_eq!(stage.vouchers(&may)?.ended(0)?.stdout.lines().count(), 16);
    Ok(())
}

#[test]
fn a_years_redistribution_is_a_list_of_moves_that_somebody_decided() -> Result<()> {
    let stage = Stage::new()?;
    let list = |text: &str| -> Result<String> {
        let path: &Path = stage.dir.path();
        let path = path.join("moves.csv");
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let moves =
        list("from;to;amount;text\r\n5689011000000140;5282111041700340;1.500.000,00;Gevinst 2026\r\n")?;
    let arguments = ["--moves", &moves, "--date", "2026-12-31", "--format", "g69"];
    let ran = stage.vouchers(&arguments)?.ended(0)?;
    let ore = 150_000_000;
    let moved = [("5282111041700340", ore), ("5689011000000140", -ore)];
    assert_eq!(by_account(&ran.stdout), moved.map(|(account, ore)| (account.to_owned(), ore)));
    assert!(
        ran.stdout.contains("&1041300001&11020261231")
            && ran.stdout.contains("&11600977-20261231&153Gevinst 2026\r\n")
    );
    let second = [&arguments[..], &["--run", "2"]].concat();
    let ran = stage.vouchers(&second)?.ended(0)?;
    assert!(ran.stdout.contains("&1042600001&11020261231") && ran.stdout.contains("&11600977-20261231-2&"));
    list("from;to;amount;text\r\n5.28.21;5.38.52;1,00;611280-1234\r\n")?;
    let ran = stage.vouchers(&arguments)?.ended(1)?;
    assert!(ran.stderr.contains("row 1: its text may name a person"), "{}", ran.stderr);
    // What a spreadsheet makes of sixteen digits; and everything that G69 cannot hold, with its place.
    list("from;to;amount;text\r\n5.28.21;5,28211E+15;1,00;x\r\n")?;
    let ran = stage.vouchers(&arguments)?.ended(1)?;
    assert!(ran.stderr.contains("row 1: an account is missing or is no account string"), "{}", ran.stderr);
    let long = "x".repeat(36);
    list(&format!(
        "from;to;amount;text\n5.28.21;5.38.52;1;{long}\n5.28.21;5.38.52;1;x\n5.28.21;5.38.52;1;D&G\n"
    ))?;
    let out = stage.dir.path().join("moves.g69");
    let into = out.display().to_string();
    let ran = stage.vouchers(&[&arguments[..], &["--out", &into]].concat())?.ended(2)?;
    let told: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(told[0], "00977-20261231, line 1300001: field 153 takes 35 characters at most");
    assert_eq!(told[2], "00977-20261231, line 1300005: field 153 takes neither '&' nor control characters");
    assert!(told.len() == 5 && !out.exists(), "{told:?}");
    Ok(())
}
