//! Targets to which a source's postings pass on as they came: whose, and where the tag goes.

use std::collections::BTreeMap;
use std::ops::Range;

use samspor_domain::{CostKind, Phase, Side, SourceName, Text, UNMAPPED};
use samspor_formats::g69::{PlaceError, Places};

use super::at::{At, Number};
use super::reading::Reading;
use super::resolve::Resolver;
use super::{Encoding, file};

/// What passes on to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Forward {
    /// Whose postings.
    pub(crate) source: SourceName,
    /// How they carry their tags.
    pub(crate) carries: Carries,
}

/// How bodies carry tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Carries {
    /// Lines of G69, in fields.
    G69 {
        /// What they are written in, where their content type names nothing.
        encoding: Encoding,
        /// The fields.
        places: Places,
        /// Their numbers.
        fields: Vec<u16>,
    },
    /// The gateway's own JSON, in a member.
    Json,
}

impl Resolver {
    /// What passes on to a target, if anything; none where that is a problem.
    pub(super) fn forwards(
        &mut self,
        target: &file::Target,
        sources: &[file::Source],
    ) -> Option<Option<Forward>> {
        let Some(name) = &target.forwards else {
            if let Some(g69) = &target.g69 {
                self.reading
                    .fault(g69.span(), "[targets.g69] goes with `forwards` only")
                    .help("`forwards = \"SOURCE\"` lets that source's lines pass on to this target");
                return None;
            }
            return Some(None);
        };
        let is_alone = self.stands_alone(target, name);
        let Some(source) = sources.iter().find(|source| *source.name == **name) else {
            let known: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
            self.reading
                .fault(name.span(), format!("there is no source `{}`", **name))
                .help(format!("the file has {}", known.join(", ")));
            return None;
        };
        let sends_postings = source.may_send.as_ref().map_or(source.receipts_of.is_none(), |may_send| {
            may_send.iter().any(|word| word.as_str() == "posting")
        });
        if !sends_postings || *source.format == file::Format::Oio {
            let at = source.may_send.as_ref().map_or(source.format.span(), At::span);
            self.reading
                .fault(
                    name.span(),
                    format!("the source `{}` sends no postings, and nothing else passes on", **name),
                )
                .also(at, "what it sends");
            return None;
        }
        let carries = self.carries(target, source, name)?;
        let source = Text::new(name).ok()?; // A faulty name is reported where the source is.
        is_alone.then_some(Some(Forward { source, carries }))
    }

    fn carries(
        &mut self,
        target: &file::Target,
        source: &file::Source,
        name: &At<String>,
    ) -> Option<Carries> {
        match (*source.format, &target.g69) {
            (file::Format::G69, Some(g69)) => {
                let encoding = source.g69.as_ref().map(|g69| g69.encoding).unwrap_or_default();
                self.places(g69).map(|(places, fields)| Carries::G69 { encoding, places, fields })
            }
            (file::Format::G69, None) => {
                self.reading
                    .fault(name.span(), "it is not said where in the lines of this source the tag goes")
                    .help("add [targets.g69] with a line such as fields = { 250 = \"{solution}\" }");
                None
            }
            (file::Format::Json, None) => Some(Carries::Json),
            (file::Format::Json, Some(g69)) => {
                self.reading
                    .fault(g69.span(), "[targets.g69] is for the lines of a G69 source")
                    .also(source.format.span(), "the source's format is this");
                None
            }
            _ => {
                self.reading
                    .fault(
                        name.span(),
                        "there is no place for a tag in what this source sends: only `g69` and `json` pass on",
                    )
                    .also(source.format.span(), "its format is this")
                    .help("let the target read the records of tags instead, without `forwards`");
                None
            }
        }
    }

    /// Whether nothing is said of the target that does not go together with `forwards`.
    fn stands_alone(&mut self, target: &file::Target, name: &At<String>) -> bool {
        let before = self.reading.problems.len();
        let mut refuse = |at: Option<Range<usize>>, message: &str, help: &str| {
            if let Some(at) = at {
                self.reading.fault(at, message).also(name.span(), "it forwards").help(help);
            }
        };
        refuse(
            target.filter.as_ref().map(At::span),
            "a target that forwards has no filter: every posting passes on, the untagged ones too",
            "take [targets.filter] away, or make a target with that filter and without `forwards` of it",
        );
        refuse(
            target.receipts.as_ref().map(At::span),
            "a target that forwards gives no receipts: they are of records of tags",
            "take [targets.receipts] away",
        );
        refuse(
            target.folder.as_ref().map(At::span),
            "postings pass on over AMQP or HTTP; a folder is for records of tags",
            "let it have [targets.amqp] or [targets.http]",
        );
        refuse(
            target.distributor.as_ref().map(At::span),
            "postings pass on over AMQP or HTTP; the message distributor hands on records of tags",
            "let it have [targets.amqp] or [targets.http]",
        );
        let batch = target.http.as_ref().map(|http| &http.batch);
        refuse(
            batch.filter(|batch| batch.get().is_ok_and(|most| most > 1)).map(Number::span),
            "what passes on goes one posting a request",
            "let `batch` be 1",
        );
        let is_other = target.format != file::TargetFormat::Json;
        refuse(
            is_other.then(|| name.span()),
            "what passes on is written as it came",
            "take `format` out of the target",
        );
        let is_lis = matches!(target.audience, file::Audience::Lis);
        refuse(
            is_lis.then(|| name.span()),
            "an LIS knows postings by pseudonyms only, and what passes on tells who they are about",
            "let the audience be `ledger`",
        );
        self.reading.problems.len() == before
    }

    fn places(&mut self, g69: &At<file::TargetG69>) -> Option<(Places, Vec<u16>)> {
        let before = self.reading.problems.len();
        let mut widths: BTreeMap<&str, usize> = BTreeMap::new();
        for (field, width) in &g69.widths {
            if !g69.fields.keys().any(|known| known.as_str() == field.as_str()) {
                self.reading.fault(field.span(), "this is the width of a field that `fields` does not name");
            }
            widths.insert(field, self.reading.number(width));
        }
        if g69.fields.is_empty() {
            self.reading
                .fault(g69.fields.span(), "this names no field; without any, no line carries its tag");
        }
        let mut places: Vec<(u16, &str, Option<usize>)> = Vec::new();
        for (field, says) in &*g69.fields {
            let number = field.parse().ok().filter(|_| field.len() == 3);
            let Some(number) = number else {
                self.reading.fault(field.span(), "this is not the number of a field: three digits");
                continue;
            };
            let place = (number, says.as_str(), widths.get(field.as_str()).copied());
            // Alone first, so that each problem is told at its place.
            match Places::new([place]) {
                Ok(alone) => {
                    self.has_room(field, says, &alone);
                    places.push(place);
                }
                Err(error) => {
                    let at = match error {
                        PlaceError::Word(_) | PlaceError::Text => says.span(),
                        _ => field.span(),
                    };
                    let problem = self.reading.fault(at, error.to_string());
                    if matches!(error, PlaceError::Width(_)) {
                        problem.help(format!("add it: widths = {{ {number} = 20 }}"));
                    }
                }
            }
        }
        let fields = places.iter().map(|(number, ..)| *number).collect();
        match Places::new(places) {
            Ok(places) if self.reading.problems.len() == before => Some((places, fields)),
            _ => None,
        }
    }

    /// A field must have room for every tag, as far as that can be known: areas stand in the charts, and phases, sides and
    /// kinds are the gateway's own. Of a solution and a family only that they have a character is sure.
    fn has_room(&mut self, field: &At<String>, says: &At<String>, places: &Places) {
        let areas = self.areas.iter().map(Text::as_str).chain([UNMAPPED]);
        let longest = |words: &mut dyn Iterator<Item = &str>| words.map(|word| word.chars().count()).max();
        let area = areas.max_by_key(|area| area.chars().count()).unwrap_or(UNMAPPED);
        let length = |word: &str| match word {
            "area" => Some(area.chars().count()),
            "phase" => {
                longest(&mut [Phase::Before, Phase::During, Phase::After].map(Phase::word).into_iter())
            }
            "side" => longest(&mut [Side::Inside, Side::Outside].map(Side::word).into_iter()),
            "kind" => longest(&mut [CostKind::Service, CostKind::Transfer].map(CostKind::word).into_iter()),
            _ => None,
        };
        for (_, needed, width) in places.lengths(|word| length(word).unwrap_or(1)) {
            if needed > width {
                let area = if says.contains("{area}") {
                    format!(" (with the area `{area}`)")
                } else {
                    String::new()
                };
                self.reading
                    .fault(
                        says.span(),
                        format!(
                            "this can become {needed} characters{area}, and field {} takes {width}",
                            **field
                        ),
                    )
                    .help("let it say less, or take a wider field");
            }
        }
    }
}

/// Two targets through which a posting would pass on twice to the same place.
pub(super) fn check(targets: &[file::Target], reading: &mut Reading) {
    let mut known: BTreeMap<Vec<&str>, Range<usize>> = BTreeMap::new();
    for target in targets {
        let Some(forwards) = &target.forwards else { continue };
        let place = match (&target.amqp, &target.http) {
            (Some(amqp), _) => {
                // Two routing keys may lead apart.
                let way = [&amqp.queue, &amqp.exchange, &amqp.routing_key].map(|name| name.as_ref());
                let way = way.map(|name| name.map_or("", |name| name.as_str()));
                [&[forwards.as_str(), amqp.broker.as_str()][..], &way].concat()
            }
            (_, Some(http)) => vec![forwards.as_str(), http.url.as_str()],
            (None, None) => continue,
        };
        if let Some(first) = known.insert(place, forwards.span()) {
            reading
                .fault(
                    forwards.span(),
                    "two targets forward this source to the same place, which would get it twice",
                )
                .also(first, "and here");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::with;
    use super::*;

    const LEDGER: &str = "name = \"ledger\"\naudience = \"ledger\"\n";

    fn forwarding(more: &str) -> String {
        format!("{LEDGER}forwards = \"opus\"\n{more}")
    }

    #[test]
    fn a_target_forwards_a_source_with_the_tag_in_fields() {
        let config = with(
            LEDGER,
            &forwarding(
                "g69 = { fields = { 250 = \"{area}\", 180 = \"{solution}\", 300 = \"{family}\" }, widths = { 300 = 40 } }\n",
            ),
        )
        .load();
        let forwards = config.targets[0].forwards.clone().expect("it forwards");
        assert_eq!(forwards.source.as_str(), "opus");
        let Carries::G69 { encoding, fields, places } = forwards.carries else { panic!("of a G69 source") };
        assert_eq!((encoding, fields), (Encoding::Latin1, vec![180, 250, 300]));
        assert_eq!(places.lengths(|_| 1), [(180, 1, 10), (250, 1, 20), (300, 1, 40)]);
        assert_eq!(config.targets[1].forwards, None);
    }

    #[test]
    fn what_cannot_be_is_refused_at_its_place() {
        let fields = |fields: &str| forwarding(&format!("g69 = {{ fields = {{ {fields} }} }}\n"));
        let good = "g69 = { fields = { 180 = \"{solution}\" } }\n";
        for (text, expected) in [
            (
                LEDGER.to_owned() + "forwards = \"nobody\"\n",
                "there is no source `nobody`; the file has opus, sapa",
            ),
            (
                LEDGER.to_owned() + "forwards = \"sapa\"\n",
                "the source `sapa` sends no postings, and nothing else passes on",
            ),
            (LEDGER.to_owned() + good, "[targets.g69] goes with `forwards` only"),
            (forwarding(""), "it is not said where in the lines of this source the tag goes"),
            (fields(""), "this names no field"),
            (fields("112 = \"{solution}\""), "field 112 is none that can carry a tag"),
            (fields("\"0180\" = \"{solution}\""), "this is not the number of a field"),
            (
                fields("301 = \"{solution}\""),
                "the width of field 301 is not known: say how many characters it takes; add it: widths = { 301 = 20 }",
            ),
            (fields("180 = \"{citizen}\""), "'{citizen}' is no word of a tag"),
            (fields("180 = \"a&b\""), "a field's text holds neither '&'"),
            (
                fields("180 = \"{area}\""),
                "this can become 19 characters (with the area `vulnerable-children`), and field 180 takes 10",
            ),
            (
                fields("180 = \"0123456789{solution}\""),
                "this can become 11 characters, and field 180 takes 10",
            ),
            (
                forwarding("g69 = { fields = { 180 = \"{side}\" }, widths = { 180 = 6 } }\n"),
                "this can become 7 characters, and field 180 takes 6",
            ),
            (
                forwarding("g69 = { fields = { 180 = \"{side}\" }, widths = { 180 = 11 } }\n"),
                "field 180 takes 10 characters at most",
            ),
            (
                forwarding("g69 = { fields = { 180 = \"{side}\" }, widths = { 181 = 9 } }\n"),
                "this is the width of a field that `fields` does not name",
            ),
            (
                forwarding(&format!("{good}filter = {{ sides = [\"inside\"] }}\n")),
                "a target that forwards has no filter",
            ),
            (forwarding(&format!("{good}format = \"csv\"\n")), "what passes on is written as it came"),
            (forwarding(&format!("{good}receipts = {{}}\n")), "a target that forwards gives no receipts"),
        ] {
            let problems = with(LEDGER, &text).problems();
            assert!(problems.iter().any(|problem| problem.contains(expected)), "{text}: {problems:?}");
        }
    }

    #[test]
    fn a_source_passes_on_to_one_place_once() {
        let one =
            "g69 = { fields = { 180 = \"{solution}\" } }\namqp = { broker = \"bf\", queue = \"tagged\" }\n";
        let twice = forwarding(&format!(
            "{one}[[targets]]\nname = \"again\"\naudience = \"ledger\"\nforwards = \"opus\"\n"
        ));
        let problems = with(LEDGER, &(twice + "g69 = { fields = { 180 = \"{solution}\" } }\n")).problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("two targets forward this source to the same place"), "{problems:?}");
        // Two keys of an exchange may lead apart.
        let through = |name: &str, key: &str| {
            format!(
                "name = \"{name}\"\naudience = \"ledger\"\nforwards = \"opus\"\ng69 = {{ fields = {{ 180 = \"{{solution}}\" }} }}\n\
                 amqp = {{ broker = \"bf\", exchange = \"out\", routing_key = \"{key}\" }}\n[[targets]]\n"
            )
        };
        let both = |second: &str| with(LEDGER, &(through("one", "a") + &through("two", second) + LEDGER));
        assert_eq!(both("b").load().targets.len(), 4);
        assert_eq!(both("a").problems().len(), 1);
    }
}
