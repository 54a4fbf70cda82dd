//! `docs/reliability.md`, from the figures of a run.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Campaign, MOST_MIB, Soak};

/// What each campaign does and what it asks for.
fn about(name: &str) -> (&'static str, &'static str) {
    match name {
        "kills" => (
            "kill −9 at random moments",
            "Frozen at a moment that the seed chooses, under load, the gateway is killed only if the broker then counts \
             messages without acknowledgement and a proxy on the wire counts records without confirm. The publisher is cut \
             off as well. Books are read in between.",
        ),
        "points" => (
            "kill −9 between two steps",
            "Held from outside exactly between receive, commit, acknowledge, publish, confirm and cursor advance, and with \
             work left on the list, the gateway is killed there.",
        ),
        "broker" => (
            "a broker in trouble",
            "Connections cut, the broker frozen for longer than the heartbeat, out of memory, out of disk, restarted; each \
             under load. The gateway is never restarted.",
        ),
        "disk" => (
            "a full disk",
            "A small file system is filled up while the gateway takes in, decides again, moves its cursors, and is killed. \
             It says so in log and health, acknowledges nothing that is not stored, and goes on when there is room.",
        ),
        "rubbish" => (
            "rubbish",
            "Random bytes, bombs, wrong encodings, impossible amounts, bodies beyond the bound, between good messages, \
             through a real broker. Each is in quarantine with its reason; nothing goes down.",
        ),
        "backlog" => (
            "a target that is away",
            "Records queue up for targets that do not answer, and all reach them in order when they are back.",
        ),
        "simulation" => (
            "simulated faults",
            "The engine over its real store on one thread with paused time, while queues, receivers, disk and operator do \
             what a seed says: crashes, lost answers, refusals, hanging peers, full disks, late facts, withdrawals, receipts \
             as answers, months that close and open, months that pass until what nobody consents to is purged. After each \
             schedule all that must hold is held against a second evaluation.",
        ),
        _ => (
            "fuzzing",
            "What libFuzzer makes of what the town's systems send, and of rubbish, led by what it reaches, through every decoder \
             and parser: no panic, at least one item a body, the same when read again, and nothing of a person in a fault \
             or in what is shown of a body.",
        ),
    }
}

/// The page.
pub(super) fn render(soak: &Soak) -> String {
    let mut page = String::from(
        "# Reliability\n\n<!-- Made by `cargo xtask soak`; change xtask/src/soak/page.rs instead. -->\n\n\
         What the gateway does when things break, each caused for real: its own program, a real RabbitMQ node, a real disk. \
         `cargo xtask test` runs a short form of everything here, `cargo xtask soak` the long one, which writes this page. \
         A seed gives the same town and the same choices again, though not the same timing.\n\n\
         ## What must hold\n\n\
         Of the messages that publishers attempted, and those of them that the broker confirmed, afterwards:\n\n\
         - **lost** is 0: every posting of a confirmed message is in the journal with the right answer and, if tagged, at the \
         ledger and the LIS;\n\
         - **unexpected** is 0: nothing is there that nobody attempted, no answer is other than the generator of the town \
         knows to be right, and the books are the generator's to the øre;\n\
         - **duplicated** is 0: after the receiver keeps the highest revision nothing is there twice, and no revision says \
         again what the one before said;\n\
         - **conflicting** is 0: no message id came with two contents;\n\
         - **misordered** is 0: no record came for the first time after a later one of its posting.\n\n\
         The books are in balance whenever they are read, during faults as well.\n\n\
         While the gateway is killed, the broker is in trouble or the disk is full it is also in business: the ledger gives a \
         receipt for every record over a queue, a second ledger over HTTPS answers with its own and is now and then busy or \
         hangs up, both accept most and reject some; a month is closed for both, of which nothing may reach them until it is \
         opened by a reload; and the brake holds facts that change more than three postings until they are released. The \
         zeros are asked for at both ledgers, and in the books of each, delivered is what it accepted and what it rejected, \
         with nothing awaited in the end.\n\n## The last run\n\n",
    );
    let (processors, memory) = soak.machine;
    let _ = writeln!(
        page,
        "{}, commit {}, {processors} processors, {memory} GiB of memory, {} in all. A development build of the gateway.\n",
        soak.began,
        soak.commit,
        duration(soak.seconds)
    );
    page.push_str(&markdown(soak));
    let mut told = Vec::new();
    for campaign in &soak.campaigns {
        if told.contains(&campaign.name) {
            continue;
        }
        told.push(campaign.name);
        let (title, text) = about(campaign.name);
        let _ = write!(page, "\n### {}\n\n{text}\n\n", capital(title));
        for again in soak.campaigns.iter().filter(|again| again.name == campaign.name) {
            details(&mut page, again);
        }
    }
    page
}

/// One line of figures.
struct Row {
    what: &'static str,
    seed: String,
    faults: String,
    attempted: String,
    confirmed: String,
    zeros: String,
    took: String,
}

fn rows(soak: &Soak) -> Vec<Row> {
    let row = |campaign: &Campaign| {
        let figures = &campaign.figures;
        let verdict = ["end", "verdict"].into_iter().map(|key| &figures[key]).find(|v| !v.is_null());
        let number = |key: &str| verdict.map_or("–".to_owned(), |verdict| grouped(&verdict[key]));
        let zeros = verdict.map(|verdict| {
            let all = ["lost", "unexpected", "duplicated", "conflicting", "misordered"];
            all.map(|zero| verdict["zeros"][zero].to_string()).join(" ")
        });
        let zeros = match (&campaign.failed, zeros) {
            (Some(_), _) => "FAILED".to_owned(),
            (None, zeros) => zeros.unwrap_or_else(|| "as it must be".to_owned()),
        };
        let seed = if campaign.name == "backlog" { "–".to_owned() } else { campaign.seed.to_string() };
        Row {
            what: about(campaign.name).0,
            seed,
            faults: faults(campaign),
            attempted: number("attempted"),
            confirmed: number("confirmed"),
            zeros,
            took: duration(campaign.seconds),
        }
    };
    soak.campaigns.iter().map(row).collect()
}

const HEAD: [&str; 7] = [
    "what",
    "seed",
    "faults",
    "attempted",
    "confirmed",
    "lost, unexpected, duplicated, conflicting, misordered",
    "took",
];

fn cells(row: &Row) -> [&str; 7] {
    [row.what, &row.seed, &row.faults, &row.attempted, &row.confirmed, &row.zeros, &row.took]
}

fn markdown(soak: &Soak) -> String {
    let mut table = format!("| {} |\n|---|--:|--:|--:|--:|---|--:|\n", HEAD.join(" | "));
    for row in rows(soak) {
        let _ = writeln!(table, "| {} |", cells(&row).join(" | "));
    }
    table
}

/// The same for a terminal.
pub(super) fn table(soak: &Soak) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED).set_header(HEAD);
    for row in rows(soak) {
        table.add_row(cells(&row));
    }
    table
}

/// How often something was broken.
fn faults(campaign: &Campaign) -> String {
    let figures = &campaign.figures;
    let length = |key: &str| figures[key].as_array().map_or(0, Vec::len).to_string();
    match campaign.name {
        "kills" => grouped(&figures["kills"]),
        "points" => length("crashes"),
        "broker" => length("happened"),
        "disk" => length("times"),
        "rubbish" => grouped(&figures["bodies"]),
        "backlog" => "1".to_owned(),
        "simulation" => grouped(&figures["schedules"]),
        _ => {
            let all = figures.as_array().into_iter().flatten();
            grouped(&all.filter_map(|target| target["executions"].as_u64()).sum::<u64>().into())
        }
    }
}

fn details(page: &mut String, campaign: &Campaign) {
    if let Some(why) = &campaign.failed {
        let _ = writeln!(
            page,
            "- seed {}: **failed**: {}",
            campaign.seed,
            why.lines().next().unwrap_or_default()
        );
    }
    let figures = &campaign.figures;
    if figures.is_null() {
        return;
    }
    let (seed, span) = (campaign.seed, |key: &str| format!("{} to {}", figures[key][0], figures[key][1]));
    let repeats = |verdict: &Value| {
        format!(
            "{} records came, {} of them once more{}",
            grouped(&verdict["records"][0]),
            grouped(&verdict["records"][1]),
            business(&verdict["business"])
        )
    };
    let counted = |key: &str| {
        let mut counts: Vec<(String, u64, u64)> = Vec::new();
        for one in figures[key].as_array().into_iter().flatten() {
            let (name, held) =
                (one[0].as_str().unwrap_or_default().replace('-', " "), one[1].as_u64().unwrap_or(0));
            match counts.iter_mut().find(|(known, ..)| *known == name) {
                Some((_, times, most)) => (*times, *most) = (*times + 1, held.max(*most)),
                None => counts.push((name, 1, held)),
            }
        }
        counts
            .into_iter()
            .map(|(name, times, most)| format!("{name}: {times} × (at most {most} on the way)"))
            .collect::<Vec<_>>()
    };
    let _ = match campaign.name {
        "kills" => writeln!(
            page,
            "- seed {seed}: {} kills, each with {} messages unacknowledged at the broker and {} records unconfirmed; \
             {} kills besides while it was starting; {} balances read; {} messages of unknown fate when it was looked at first; {}.",
            figures["kills"],
            span("unacknowledged"),
            span("unconfirmed"),
            figures["early"],
            figures["balances_read"],
            figures["unknown"],
            repeats(&figures["end"])
        ),
        "points" => writeln!(
            page,
            "- seed {seed}: {}; {}.",
            counted("crashes").join(", "),
            repeats(&figures["verdict"])
        ),
        "broker" => writeln!(
            page,
            "- seed {seed}: {}; {}.",
            counted("happened").join(", "),
            repeats(&figures["verdict"])
        ),
        "disk" => writeln!(
            page,
            "- seed {seed}: {}; {}.",
            counted("times").join(", "),
            repeats(&figures["verdict"])
        ),
        "rubbish" => {
            let reasons = figures["quarantined"].as_object().into_iter().flatten();
            let reasons: Vec<String> = reasons.map(|(reason, count)| format!("`{reason}` {count}")).collect();
            writeln!(
                page,
                "- seed {seed}: {} bodies; in quarantine, with what the town itself sends wrong: {}; at most {} MiB of \
                 memory.",
                figures["bodies"],
                reasons.join(", "),
                figures["peak_mib"]
            )
        }
        "backlog" => writeln!(
            page,
            "- {} records for each of two targets: taken in within {}, with at most {} MiB of memory; delivered in order \
             within {}, with at most {} MiB in all. The bound is {MOST_MIB} MiB, whatever waits.",
            grouped(&figures["records"]),
            duration(figures["gathering_s"].as_u64().unwrap_or(0)),
            figures["gathering_mib"],
            duration(figures["draining_s"].as_u64().unwrap_or(0)),
            figures["drained_mib"]
        ),
        "simulation" => writeln!(
            page,
            "- {} schedules, from seed {} on.",
            grouped(&figures["schedules"]),
            figures["first"]
        ),
        _ => {
            let all = figures.as_array().into_iter().flatten();
            let told: Vec<String> = all
                .map(|target| {
                    let name = target["target"].as_str().unwrap_or_default();
                    format!(
                        "{name} {} ({} places reached)",
                        grouped(&target["executions"]),
                        grouped(&target["covered"])
                    )
                })
                .collect();
            writeln!(page, "- seed {seed}: inputs: {}.", told.join(", "))
        }
    };
}

/// What came of receipts, closed month and brake.
fn business(business: &Value) -> String {
    if business.is_null() {
        return String::new();
    }
    let booked = business["booked"].as_array().into_iter().flatten();
    let booked: Vec<String> = booked
        .map(|of| {
            format!(
                "{} accepted {} and rejected {}",
                of[0].as_str().unwrap_or_default(),
                grouped(&of[1]),
                grouped(&of[2])
            )
        })
        .collect();
    format!(
        "; the closed month held up {} records until it was opened; the brake held {} facts with {} changes in their \
         previews, and {} records came of the first release; of what they keep, {}",
        grouped(&business["closed"]),
        grouped(&business["held"]),
        grouped(&business["previewed"]),
        grouped(&business["recorded"]),
        booked.join(", ")
    )
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn duration(seconds: u64) -> String {
    if seconds < 60 { format!("{seconds} s") } else { format!("{} min {:02} s", seconds / 60, seconds % 60) }
}

/// `1,000,000`.
fn grouped(number: &Value) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
