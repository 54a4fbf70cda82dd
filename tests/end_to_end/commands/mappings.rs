//! `samspor map` and `samspor test`: the presets, the guide as it stands, and what ends with which code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::deployment::Result;
use crate::samspor::Ran;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Runs a command in a folder, so that what is printed says the same wherever that is.
fn run(arguments: &[&str], dir: &Path) -> Result<Ran> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_samspor"));
    let output = command.args(arguments).current_dir(dir).stdin(Stdio::null()).output()?;
    Ok(Ran {
        code: output.status.code().ok_or("it was killed")?,
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}

#[test]
fn every_preset_does_what_its_examples_say() -> Result<()> {
    // Mappings, and the formats that are code.
    let folders = ["config/mappings", "config/presets"];
    let ran = run(&["test", folders[0], folders[1]], &root())?.ended(0)?;
    for (folder, least) in folders.into_iter().zip([5, 4]) {
        let presets = fs::read_dir(root().join(folder))?.filter_map(|entry| entry.ok());
        let presets: Vec<_> =
            presets.filter(|entry| entry.path().extension().is_some_and(|end| end == "toml")).collect();
        assert!(presets.len() >= least);
        for preset in presets {
            let name = preset.file_name().to_string_lossy().into_owned();
            let lines =
                ran.stdout.lines().filter(|line| line.contains(&name) && line.contains("as expected"));
            assert!(lines.count() > 0, "{name} in {}", ran.stdout);
        }
    }
    // One of them by itself.
    let example = |name: &str| format!("config/presets/g69-iso-8859-1{name}");
    let ran = run(&["map", &example(".toml"), &example("/vouchers.g69")], &root())?;
    let expected = fs::read_to_string(root().join(example("/vouchers.g69.expected.ndjson")))?;
    let good: String = expected
        .lines()
        .filter(|line| !line.starts_with("{\"fault\""))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(ran.stdout, good);
    assert!(!good.is_empty());
    Ok(())
}

const MAPPING: &str = "[reads]\nformat = \"csv\"\n\n[[message]]\ntype = \"case\"\n  [message.fields]\n  id = \"Nr\"\n  version = \"V\"\n  citizen.cpr = \"Cpr\"\n";

#[test]
fn each_way_it_can_end_has_its_code_and_says_what_to_do() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let dir = dir.path();
    let write = |name: &str, text: &str| fs::write(dir.join(name), text);
    write("kss.toml", MAPPING)?;
    write("good.csv", "Nr;V;Cpr\n7;1;611280-1234\n")?;
    write("bad.csv", "Nr;V;Cpr\n7;1;611280-1234\n8;1;611380-1234\n")?;
    let line = r#"{"type":"case","id":"7","version":1,"citizen":{"cpr":"6112801234"}}"#;

    let ran = run(&["map", "kss.toml", "good.csv"], dir)?.ended(0)?;
    assert_eq!(ran.stdout, format!("{line}\n"));
    let ran = run(&["map", "kss.toml", "bad.csv", "--masked"], dir)?.ended(3)?;
    assert!(ran.stderr.starts_with("invalid-cpr at line 3, column \"Cpr\": "), "{}", ran.stderr);
    assert!(!(ran.stdout.clone() + &ran.stderr).contains("1234"), "{ran:?}");

    let ran = run(&["test", "kss.toml"], dir)?.ended(6)?;
    assert!(ran.stderr.contains("has no examples") && ran.stderr.contains("--update"), "{}", ran.stderr);
    fs::create_dir(dir.join("kss"))?;
    write("kss/two.csv", "Nr;V;Cpr\n7;1;611280-1234\n8;1;611380-1234\n")?;
    let ran = run(&["test", "kss.toml"], dir)?.ended(6)?;
    assert!(ran.stderr.contains("nothing says what it becomes"), "{}", ran.stderr);
    run(&["test", "kss.toml", "--update"], dir)?.ended(0)?;
    let fault = r#"{"fault":"invalid-cpr","path":"line 3, column \"Cpr\""}"#;
    assert_eq!(fs::read_to_string(dir.join("kss/two.csv.expected.ndjson"))?, format!("{line}\n{fault}\n"));
    // What an editor leaves beside it is no example.
    write("kss/two.csv~", "Nr;V\n")?;
    run(&["test", "."], dir)?.ended(0)?;

    write("kss.toml", &MAPPING.replace("version = \"V\"", "version = \"Nr\""))?;
    let ran = run(&["test", "kss.toml"], dir)?.ended(6)?;
    assert!(ran.stderr.contains("item 1\n    version  expected 1  got 7\n"), "{}", ran.stderr);

    write("kss.toml", &MAPPING.replace("\"V\"", "{ path = \"V\", decimal = \",\" }"))?;
    for arguments in [&["test", "kss.toml"][..], &["map", "kss.toml", "good.csv"]] {
        let ran = run(arguments, dir)?.ended(2)?;
        assert!(ran.stderr.contains("kss.toml:8:") && ran.stderr.contains("decimal"), "{}", ran.stderr);
    }
    // The configuration that names it is as faulty, and says so in the mapping.
    fs::create_dir(dir.join("charts"))?;
    write("charts/2026.toml", "[[rule]]\naccount = \"5\"\narea = \"x\"\nkind = \"service\"\n")?;
    write(
        "gateway.toml",
        "charts.dir = \"charts\"\n[brokers.bf]\nurl_env = \"X\"\n[[sources]]\nname = \"kss\"\nformat = \"mapping\"\n\
         mapping.file = \"kss.toml\"\namqp = { broker = \"bf\", queue = \"q\" }\n",
    )?;
    let ran = run(&["check", "--config", "gateway.toml"], dir)?.ended(2)?;
    assert!(ran.stderr.contains("kss.toml:8:"), "{}", ran.stderr);
    write("kss.toml", MAPPING)?;
    let ran = run(&["check", "--config", "gateway.toml"], dir)?.ended(0)?;
    assert!(ran.stdout.contains("csv by the mapping") && ran.stdout.contains("makes case"), "{}", ran.stdout);
    Ok(())
}

/// A path that is typed wrong is no fault where the field may be left out: so the rule is named, and what it should have read.
#[test]
fn a_rule_that_finds_nothing_anywhere_is_told_and_fails_the_test() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let dir = dir.path();
    let write = |name: &str, text: &str| fs::write(dir.join(name), text);
    let mapping = "[reads]\nformat = \"json\"\n\n[[message]]\ntype = \"posting\"\n  [message.fields]\n  id = \"nr\"\n  date = \"dag\"\n  \
        account = \"konto\"\n  amount = \"kr\"\n  citizen.cpr = \"barn/Cpr\"\n";
    write("kss.toml", mapping)?;
    write(
        "one.json",
        r#"{"nr":"7","dag":"2026-03-14","konto":"5.28.21","kr":"12.50","barn":{"cpr":"611280-1234"}}"#,
    )?;
    let rule = "in no message:\n  mapping line 11: `citizen.cpr`: no value is found\n";
    let ran = run(&["map", "kss.toml", "one.json"], dir)?.ended(0)?;
    assert!(
        ran.stderr.contains(rule) && ran.stderr.contains("no rule reads:\n  barn/cpr\n"),
        "{}",
        ran.stderr
    );
    let ran = run(&["map", "kss.toml", "one.json", "--masked"], dir)?.ended(0)?;
    assert!(ran.stderr.contains(rule) && !ran.stderr.contains("barn/cpr"), "{}", ran.stderr);

    fs::create_dir(dir.join("kss"))?;
    fs::rename(dir.join("one.json"), dir.join("kss/one.json"))?;
    for arguments in [&["test", "kss.toml", "--update"][..], &["test", "kss.toml"]] {
        let ran = run(arguments, dir)?.ended(6)?;
        assert!(ran.stdout.contains("not all shown"), "{}", ran.stdout);
        let told = ran.stderr.contains("mapping line 11: `citizen.cpr`: no value is found")
            && ran.stderr.contains("barn/cpr");
        assert!(told && ran.stderr.contains("unseen = true"), "{}", ran.stderr);
    }
    write("kss.toml", &mapping.replace("\"barn/Cpr\"", "{ path = \"barn/Cpr\", unseen = true }"))?;
    run(&["test", "kss.toml"], dir)?.ended(0)?;
    write("kss.toml", &mapping.replace("barn/Cpr", "barn/cpr"))?;
    run(&["test", "kss.toml", "--update"], dir)?.ended(0)?;
    run(&["test", "kss.toml"], dir)?.ended(0)?;
    Ok(())
}

/// Examples are held against what the source may send that names their mapping; recordings are examples with content types; and
/// masked differences tell of nobody.
#[test]
fn examples_are_read_as_the_gateway_would_read_them() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let dir = dir.path();
    let write = |name: &str, text: &str| fs::write(dir.join(name), text);
    let configuration = |may_send: &str, bytes: usize| {
        format!(
            "charts.dir = \"charts\"\n[brokers.bf]\nurl_env = \"X\"\n[[sources]]\nname = \"other\"\nformat = \"mapping\"\n\
             mapping.file = \"kss.toml\"\nmay_send = [\"{may_send}\"]\nmax_body_bytes = {bytes}\n\
             amqp = {{ broker = \"bf\", queue = \"q\" }}\n"
        )
    };
    fs::create_dir(dir.join("charts"))?;
    fs::create_dir(dir.join("kss"))?;
    write("charts/2026.toml", "[[rule]]\naccount = \"5\"\narea = \"x\"\nkind = \"service\"\n")?;
    write("kss.toml", MAPPING)?;
    write("kss/one.csv", &format!("Nr;V;Cpr\n7;1;611280-1234{}\n", " ".repeat(1_024)))?;
    let line = |content_type: &str| {
        format!(
            "{{\"source\":\"kss\",\"received_at\":\"2026-03-15T06:00:00Z\",\"content_type\":\"{content_type}\",\"headers\":{{}},\
             \"body\":\"Nr;V;Cpr\\n8;1;611280-1234\\n\"}}\n"
        )
    };
    write("kss/two.ndjson", &[line("text/csv"), line("application/xml")].concat())?;
    run(&["test", "kss.toml", "--update"], dir)?.ended(0)?;
    let case = |nr: u8| {
        format!(
            "{{\"type\":\"case\",\"id\":\"{nr}\",\"version\":1,\"citizen\":{{\"cpr\":\"6112801234\"}}}}\n"
        )
    };
    let fault = "{\"fault\":\"unsupported-content-type\",\"path\":\"\"}\n";
    assert_eq!(fs::read_to_string(dir.join("kss/two.ndjson.expected.ndjson"))?, case(8) + fault);

    write("gateway.toml", &configuration("case", 10_000))?;
    for arguments in
        [&["test", "--config", "gateway.toml"][..], &["test", "kss.toml", "--config", "gateway.toml"]]
    {
        let ran = run(arguments, dir)?.ended(0)?;
        assert_eq!(ran.stdout.matches("as expected").count(), 2, "{}", ran.stdout);
    }
    write("gateway.toml", &configuration("case", 1_024))?;
    let ran = run(&["test", "--config", "gateway.toml", "--masked"], dir)?.ended(6)?;
    assert!(ran.stderr.contains("too-large") && !ran.stderr.contains("611280"), "{}", ran.stderr);
    // What the source may not send that its mapping makes is a fault of the configuration, and not of each message.
    write("gateway.toml", &configuration("posting", 10_000))?;
    for command in ["test", "check"] {
        let ran = run(&[command, "--config", "gateway.toml"], dir)?.ended(2)?;
        let right = "the mapping makes case, which this source may not send";
        assert!(ran.stderr.contains(right) && ran.stderr.contains("may_send = [\"case\"]"), "{}", ran.stderr);
    }
    write("gateway.toml", &configuration("case", 10_000))?;
    write("kss/one.csv", "Nr;V;Cpr\n7;1;611280-5234\n")?;
    let ran = run(&["test", "kss.toml", "--masked"], dir)?.ended(6)?;
    let right = "    citizen.cpr  expected \"9999999999\"  got \"9999999999\"  (another of the same form)\n";
    assert!(ran.stderr.contains(right), "{}", ran.stderr);
    Ok(())
}

/// The guide's files are written and its commands run, as a reader would; what they print is what it says they print.
#[test]
#[expect(clippy::disallowed_methods, reason = "the one who runs the test says so by a variable")]
fn the_guide_says_what_happens() -> Result<()> {
    let path = root().join("docs/connect-your-own-system.md");
    let guide = fs::read_to_string(&path)?;
    let dir = tempfile::tempdir()?;
    let mut lines = guide.lines();
    let mut again = String::new();
    let mut ran = 0;
    while let Some(line) = lines.next() {
        again.push_str(line);
        again.push('\n');
        let told = |word: &str| line.strip_prefix("<!-- ")?.strip_suffix(" -->")?.strip_prefix(word);
        let (file, code) = (told("file: "), told("exit: "));
        if file.is_none() && code.is_none() {
            continue;
        }
        let fence = lines.next().ok_or("a block follows")?;
        assert!(fence.starts_with("```"), "{line} is followed by a block");
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        again.push_str(&format!("{fence}\n"));
        if let Some(file) = file {
            let file = dir.path().join(file);
            fs::create_dir_all(file.parent().ok_or("a folder")?)?;
            fs::write(file, block.join("\n") + "\n")?;
            again.push_str(&format!("{}\n```\n", block.join("\n")));
        }
        if let Some(code) = code {
            let command =
                block.first().and_then(|line| line.strip_prefix("$ samspor ")).ok_or("a command")?;
            let arguments: Vec<_> = command.split(' ').collect();
            let output = run(&arguments, dir.path())?.ended(code.parse()?)?;
            let shown = output.stdout + &output.stderr;
            again.push_str(&format!("$ samspor {command}\n{}\n```\n", shown.trim_end()));
            ran += 1;
        }
    }
    assert!(ran >= 5, "{ran} commands");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &again)?;
        return Ok(());
    }
    let differs = guide.lines().zip(again.lines()).find(|(old, new)| old != new);
    assert!(
        guide == again,
        "the guide says something else than happens, first {differs:?}: run `UPDATE_DOCS=1 cargo test --test end_to_end \
         the_guide_says_what_happens`, read it, and commit it"
    );
    Ok(())
}
