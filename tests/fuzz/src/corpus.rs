//! What the targets' inputs are made of, and what of it must not show.

use std::collections::BTreeMap;

use anyhow::Result;
use samspor_domain::{Fault, Message};
use samspor_town::search::Search;
use samspor_town::{Settings, Town, rubbish};

use crate::targets::Samples;
use crate::{Target, calls};

/// What the town sends, and what of it must not show.
pub struct Corpus {
    /// By source.
    bodies: BTreeMap<&'static str, Vec<Vec<u8>>>,
    texts: Vec<Vec<u8>>,
    search: Search,
}

impl Corpus {
    /// From which `cargo xtask fuzz` makes the town.
    pub const SEED: u64 = 4_006;

    /// The messages of a small town, and the crafted rubbish.
    pub fn new(seed: u64) -> Result<Self> {
        let town = Town::new(Settings { families: 3, background_citizens: 3, ..Settings::demo(seed) });
        let mut bodies: BTreeMap<&'static str, Vec<Vec<u8>>> = BTreeMap::new();
        for message in town.messages().chain(rubbish::crafted()) {
            // What is large for its size alone says nothing new, and takes long.
            if message.body.len() < 20_000 {
                bodies.entry(message.source).or_default().push(message.body);
            }
        }
        let texts = [
            "6112801234",
            "611280-1234",
            "311257 6234",
            "0f8fad5b-d9cb-469f-a165-70867728950e",
            "12450.00",
            "-0.01",
            "9999999999999.99",
            "5.28.21.1",
            "5.28.21",
            "01005-528211003-015031-529CPR---",
            "5282110417003499",
            "003",
            "5",
        ];
        let texts = texts.into_iter().map(|text| text.as_bytes().to_vec()).collect();
        Ok(Self { bodies, texts, search: Search::new(town.personal_data())? })
    }

    /// What a target's inputs are made of.
    #[must_use]
    pub fn samples(&self, target: &Target) -> Vec<Vec<u8>> {
        match target.samples() {
            Samples::Texts => self.texts.clone(),
            Samples::Calls => calls::samples(),
            Samples::These(examples) => examples.iter().map(|example| example.to_vec()).collect(),
            Samples::Of(sources) => {
                sources.iter().filter_map(|source| self.bodies.get(source)).flatten().cloned().collect()
            }
        }
    }

    /// What is known of a person is not shown, ids apart, which systems make of what they like.
    pub(crate) fn shows_nobody(&self, message: &Message) {
        assert!(samspor_domain::check_names(message).is_ok(), "a name holds the message's own CPR number");
    }

    pub(crate) fn quotes_nothing(&self, fault: &Fault) {
        let shown = fault.to_string();
        assert!(shown.len() < 600, "a fault quotes its message: {} bytes", shown.len());
        assert!(!shown.contains(['\n', '\t']), "a fault holds control characters");
        self.quotes_nobody(&shown);
    }
    /// A text for people to read.
    pub(crate) fn quotes_nobody(&self, shown: &str) {
        assert!(self.search.find(shown.as_bytes()).is_none(), "it shows a person");
        assert!(shown.chars().all(|c| !c.is_control() || "\n\t".contains(c)), "it holds control characters");
    }
}
