//! What holds for every town.

use std::collections::{BTreeMap, BTreeSet};

use samspor_domain::{Answer, Basis, Flag, Phase, Reason, Side, Untagged};

use crate::{Expected, Message, Outcome, Settings, Stage, Town, source};

const SEEDS: [u64; 3] = [1, 2, 2026];

fn demo(seed: u64) -> Town {
    Town::new(Settings::demo(seed))
}

fn body(message: &Message) -> String {
    if message.source == source::OES {
        message.body.iter().map(|byte| char::from(*byte)).collect()
    } else {
        String::from_utf8_lossy(&message.body).into_owned()
    }
}

#[test]
fn a_seed_makes_one_town() {
    let messages: Vec<Message> = demo(7).messages().collect();
    assert!(demo(7).messages().eq(messages.iter().cloned()), "seed 7");
    assert!(!demo(8).messages().eq(messages), "seeds 7 and 8");
}

#[test]
fn families_do_not_depend_on_how_many_there_are() {
    let few = Town::new(Settings { families: 8, background_citizens: 0, ..Settings::demo(3) });
    let many = Town::new(Settings { families: 800, background_citizens: 1000, ..Settings::demo(3) });
    let of_families =
        |town: Town| town.facts().filter(|m| m.source == source::JOBCENTRE).take(10).collect::<Vec<_>>();
    assert_eq!(of_families(few), of_families(many));
}

#[test]
fn facts_come_first() {
    let stages: Vec<Stage> = demo(1).messages().map(|message| message.stage).collect();
    assert!(stages.is_sorted());
    let is_fact = |outcome: &Outcome| !matches!(outcome, Outcome::Posting(_));
    assert!(demo(1).facts().all(|message| message.outcomes.iter().all(is_fact)));
    assert!(demo(1).messages().all(|message| !message.outcomes.is_empty()));
    assert!(demo(1).messages().all(|message| source::ALL.contains(&message.source)));
}

#[test]
fn sums_conserve() {
    for seed in SEEDS {
        let expected = demo(seed).expected();
        let mut postings = 0;
        for (source, counts) in &expected.counts {
            let all = counts.facts + counts.stale + counts.postings + counts.duplicates;
            assert_eq!(
                counts.received,
                all + counts.quarantined.values().sum::<u64>(),
                "seed {seed}, {source}"
            );
            postings += counts.postings;
        }
        assert_eq!(
            expected.postings.len() as u64,
            postings,
            "seed {seed}: every posting has an id of its own"
        );

        let (mut tagged, mut weighed) = (0, 0);
        for balance in expected.balance.values() {
            let sums = || balance.untagged.values().chain([&balance.tagged]);
            assert_eq!(sums().map(|sum| sum.ore).sum::<i128>(), balance.all.ore, "seed {seed}");
            assert_eq!(sums().map(|sum| sum.postings).sum::<u64>(), balance.all.postings, "seed {seed}");
            tagged += balance.tagged.ore;
            weighed += balance.all.postings;
        }
        assert_eq!(weighed, postings, "seed {seed}");
        assert_eq!(
            expected.costs.values().sum::<i128>(),
            tagged,
            "seed {seed}: parts are what solutions cost"
        );
        for posting in expected.postings.values() {
            if let Answer::Tagged(tag) = &posting.answer {
                let parts: i64 = tag.parts.iter().map(|part| part.amount.ore()).sum();
                assert_eq!(parts, posting.amount.ore(), "seed {seed}, {}", posting.id);
                assert!(tag.parts.is_sorted_by(|a, b| a.area < b.area), "seed {seed}, {}", posting.id);
            }
        }
    }
}

/// How often each thing comes up, by a word for it.
fn census(expected: &Expected) -> BTreeMap<String, usize> {
    let mut census = BTreeMap::new();
    let mut see = |what: String| *census.entry(what).or_default() += 1;
    for posting in expected.postings.values() {
        match &posting.answer {
            Answer::Untagged(reason) => see(reason.to_string()),
            Answer::Tagged(tag) => {
                let (phase, side, basis) = (tag.phase.word(), tag.side.word(), tag.basis.word());
                see(tag.solution.to_string());
                see(format!("{} {phase}", tag.solution));
                see(format!("{basis} {side}"));
                see(format!("kind {}", tag.kind.map_or("none", samspor_domain::CostKind::word)));
                see(format!("grants {}", tag.grants));
                see(format!("pays {}", tag.pays));
                see(format!("parts {}", tag.parts.len()));
                tag.flags.iter().for_each(|flag| see(flag.word().to_owned()));
                if let Some(split) = &tag.split {
                    see(format!("split {}", split.as_str().trim_end_matches(|c: char| c.is_ascii_digit())));
                }
            }
        }
    }
    for counts in expected.counts.values() {
        counts.quarantined.keys().for_each(|reason| see(reason.to_string()));
    }
    census
}

#[test]
fn the_demo_meets_everything_that_can_happen() {
    for seed in SEEDS {
        let expected = demo(seed).expected();
        let census = census(&expected);
        let mut wanted: Vec<String> = Untagged::ALL.iter().map(ToString::to_string).collect();
        // Nothing that is sent can make a decoder break, which is what `failed` is for.
        wanted
            .extend(Reason::ALL.iter().filter(|reason| **reason != Reason::Failed).map(ToString::to_string));
        wanted.extend(
            [Flag::OtherSolution, Flag::OverCeiling, Flag::UnmappedAccount].map(|f| f.word().to_owned()),
        );
        for side in [Side::Inside, Side::Outside] {
            wanted.extend(
                [Basis::Citizen, Basis::Account].map(|basis| format!("{} {}", basis.word(), side.word())),
            );
        }
        for solution in ["sb-familier", "helhedsplan"] {
            wanted.extend(
                [Phase::During, Phase::After, Phase::Before].map(|p| format!("{solution} {}", p.word())),
            );
        }
        // The coordinators count nothing from before.
        wanted.extend(["familiekoordinator during", "familiekoordinator after"].map(str::to_owned));
        wanted.extend(
            ["kind none", "kind service", "kind transfer", "grants shared", "pays shared"].map(str::to_owned),
        );
        wanted.extend(["grants area", "grants solution", "pays area", "pays solution"].map(str::to_owned));
        wanted.extend(["parts 1", "parts 2", "parts 3"].map(str::to_owned));
        wanted.extend(
            ["split loen-sb", "split loen-plan", "split mentor-", "split mentor-efteraar-", "split indsats-"]
                .map(str::to_owned),
        );
        for what in wanted {
            assert!(census.contains_key(&what), "seed {seed}: nothing is {what}: {census:#?}");
        }
        for source in source::ALL {
            let counts = &expected.counts[source];
            assert!(counts.received > 0 && !counts.quarantined.is_empty(), "seed {seed}, {source}");
        }
        let sum = |f: fn(&crate::Counts) -> u64| expected.counts.values().map(f).sum::<u64>();
        assert!(sum(|c| c.duplicates) > 10 && sum(|c| c.stale) > 3, "seed {seed}");
    }
}

/// What follows a mark in a text, up to a character that ends it.
fn after<'t>(text: &'t str, mark: &'static str, ends: &'static [char]) -> impl Iterator<Item = &'t str> {
    text.split(mark).skip(1).map(move |rest| rest.split(ends).next().unwrap_or_default())
}

#[test]
fn every_person_in_the_messages_is_a_made_up_one() {
    for seed in SEEDS {
        let town = demo(seed);
        let personal: BTreeSet<String> = town.personal_data().collect();
        let mut seen = 0;
        for message in town.messages() {
            let text = body(&message);
            let compact = text.replace(": ", ":");
            let numbers = after(&compact, "\"cpr\":\"", &['"'])
                .chain(after(&text, "&13202&133", &['&', '\r']))
                .chain(after(&text, "urn:oio:cpr-nr:", &['<']))
                .chain(after(&compact, "\"uuid\":\"", &['"']));
            // Two are malformed on purpose.
            for number in numbers.filter(|number| number.len() >= 10) {
                assert!(personal.contains(number), "seed {seed}: a number that is no person's of the town");
                seen += 1;
            }
        }
        assert!(seen > 1_000, "seed {seed}: {seen}");
    }
}

#[test]
fn systems_write_in_all_the_ways_they_may() {
    let mut seen = BTreeSet::new();
    for message in demo(1).messages() {
        let text = body(&message);
        seen.insert(format!("{} {}", message.source, message.content_type));
        for (what, mark) in [
            ("inline", "RegistreringBesked"),
            ("base64", "<Base64"),
            ("push", "ModtagBeskedInput"),
            ("hyphen", "-529CPR-"),
            ("uuid", "\"uuid\""),
            ("case", "\"case\""),
            ("grant", "\"grant\""),
            ("local", "\"id\":\"K"),
            ("null", "null"),
            ("pretty", "{\n"),
        ] {
            if text.contains(mark) {
                seen.insert(format!("{} {what}", message.source));
            }
        }
        if message.source == source::PRISME || message.source == source::OES {
            let lines = if text.trim_end().lines().count() > 1 { "file" } else { "line" };
            seen.insert(format!("{} {lines}", message.source));
            seen.insert(format!("{} latin1 {}", message.source, std::str::from_utf8(&message.body).is_err()));
        }
    }
    for what in [
        "jobcentre inline",
        "jobcentre base64",
        "jobcentre push",
        "opus hyphen",
        "opus uuid",
        "opus case",
        "opus grant",
        "opus local",
        "opus null",
        "opus pretty",
        "prisme hyphen",
        "prisme file",
        "prisme line",
        "oes file",
        "oes latin1 true",
        "prisme latin1 false",
    ] {
        assert!(seen.contains(what), "nothing is {what}: {seen:#?}");
    }
}

#[test]
fn a_large_town_is_made_message_by_message() {
    let asked = 60_000;
    let settings = Settings::of_postings(5, asked);
    let town = Town::new(settings);
    let (mut postings, mut largest) = (0, 0);
    for message in town.messages() {
        largest = largest.max(message.body.len());
        postings +=
            message.outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Posting(_))).count() as u64;
        assert!(!message.outcomes.iter().any(|outcome| matches!(outcome, Outcome::Quarantined(_))));
    }
    assert!(postings >= asked, "{settings:?} makes {postings}");
    assert!(postings < asked * 4, "{settings:?} makes {postings}");
    assert!(largest < 100_000, "{largest} bytes");
}

#[test]
fn the_demos_configuration_knows_the_towns_systems() {
    let file: toml::Table =
        include_str!("../../../config/demo.toml").parse().unwrap_or_else(|e| panic!("config/demo.toml: {e}"));
    let sources = file["sources"].as_array().unwrap_or_else(|| panic!("sources"));
    let names: BTreeSet<&str> = sources.iter().filter_map(|s| s["name"].as_str()).collect();
    assert_eq!(names, BTreeSet::from(source::ALL));
    for source in sources {
        let types = source.get("oio").and_then(|oio| oio["message_types"].as_table());
        for (uuid, word) in source::MESSAGE_TYPES {
            assert!(
                types.is_none_or(|types| types.get(uuid).and_then(toml::Value::as_str) == Some(word)),
                "{uuid}"
            );
        }
        if source["name"].as_str() == Some(source::REGISTRY) {
            assert_eq!(source["max_body_bytes"].as_integer(), Some(source::REGISTRY_MAX_BYTES as i64));
        }
    }
}
