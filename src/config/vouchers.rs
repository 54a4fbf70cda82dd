//! Correction vouchers: how each solution's are written, and on which accounts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use samspor_domain::voucher::Template;
use samspor_domain::{AccountString, SourceName, Text};
use samspor_formats::g69::{self, Encoding as G69, write::Header};
use serde::Deserialize;

use super::at::{At, Number};
use super::file::Encoding;
use super::reading::Reading;

/// How a solution's correction vouchers are written, which `samspor vouchers` proposes; one section for each solution, or for
/// each ledger of a solution, which `sources` tells apart. `docs/vouchers.md` says more.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a table [[vouchers]]")]
pub(super) struct Vouchers {
    /// The solution's id.
    pub(super) solution: At<String>,
    /// The sources whose postings stand in the ledger that these vouchers are for. Without it: all of them. Two sections of one
    /// solution name other sources each.
    #[serde(default)]
    pub(super) sources: Vec<At<String>>,
    /// The number under which the ledger knows who made the voucher (field 103 of G69). No two sections have
    /// the same. A posting whose id or voucher begins with it is taken for a line of a voucher, and is not shared once more.
    pub(super) machine_number: Number<0, 1, 99_999>,
    /// What each line says, up to 35 characters. Without it: `Ompostering` and the solution's id, as far as it fits.
    pub(super) text: Option<At<String>>,
    /// How each line of G69 begins, `{line}` standing for the line's number: `000G69{line}015101NORFLYD` for municipality
    /// 0151. Needed for `--format g69` only.
    pub(super) header: Option<At<String>>,
    /// The encoding of the characters of G69. The CSV is in UTF-8.
    #[serde(default)]
    pub(super) encoding: Encoding,
    /// How the account string is written that a posting was booked on, made of what the gateway keeps of it: `{account}`
    /// (`5.28.21.1`), `{function}` (`52821`), `{dranst}`, `{cost_centre}` and `{grouping}`, with whatever else the ledger
    /// wants between them: `{function}{dranst}1{cost_centre}{grouping}40`.
    pub(super) booked: At<String>,
    /// By area, the account string on which its parts are put.
    pub(super) accounts: At<BTreeMap<At<String>, At<String>>>,
}

/// How one solution's vouchers are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Voucher {
    /// The solution.
    pub(crate) solution: Text,
    /// The sources that it is for; all, where none is named.
    pub(crate) sources: BTreeSet<SourceName>,
    /// Of five digits.
    pub(crate) machine_number: u32,
    /// What each line says.
    pub(crate) text: String,
    /// How lines of G69 begin.
    pub(crate) header: Option<Header>,
    /// The encoding of G69.
    pub(crate) encoding: G69,
    /// The account string of a posting.
    pub(crate) booked: Template,
    /// The account string of each area.
    pub(crate) accounts: BTreeMap<Text, String>,
}

/// How many characters a text takes in G69.
const TEXT: usize = 35;
/// The longest account string.
const ACCOUNT: usize = 120;

impl Reading {
    /// How all solutions' vouchers are written.
    pub(super) fn vouchers(&mut self, vouchers: &[Vouchers]) -> Vec<Voucher> {
        let mut machines = BTreeMap::new();
        let mut all = Vec::new();
        for (index, section) in vouchers.iter().enumerate() {
            let other = vouchers[..index].iter().find(|other| {
                *other.solution == *section.solution
                    && (other.sources.is_empty()
                        || section.sources.is_empty()
                        || section.sources.iter().any(|one| other.sources.iter().any(|two| **one == **two)))
            });
            if let Some(other) = other {
                let message = "another [[vouchers]] has the same: tell them apart by their `sources`";
                self.fault(section.solution.span(), message).also(other.solution.span(), "here");
            }
            let machine = section.machine_number.get().unwrap_or_default();
            self.once(&mut machines, machine, section.machine_number.span());
            all.extend(self.voucher(section));
        }
        all
    }

    fn once<K: Ord>(&mut self, seen: &mut BTreeMap<K, Range<usize>>, key: K, at: Range<usize>) {
        if let Some(first) = seen.get(&key) {
            let first = first.clone();
            self.fault(at, "another [[vouchers]] has the same").also(first, "here");
        } else {
            seen.insert(key, at);
        }
    }

    fn voucher(&mut self, section: &Vouchers) -> Option<Voucher> {
        let solution = self.text(&section.solution);
        let sources: Vec<_> = section.sources.iter().map(|source| self.text(source)).collect();
        let machine_number = self.number(&section.machine_number);
        let booked = self.parse(&section.booked);
        let header = section.header.as_ref().map(|header| self.parse(header));
        let encoding = match section.encoding {
            Encoding::Utf8 => G69::Utf8,
            Encoding::Latin1 => G69::Latin1,
        };
        let text = match &section.text {
            Some(text) => self.written(text, TEXT, encoding),
            None => {
                let text: String = format!("Ompostering {}", *section.solution).chars().take(TEXT).collect();
                let wrong = unwritable(&text, TEXT, encoding);
                if let Some(wrong) = &wrong {
                    let message = format!("of this, `text` would be made, and {wrong}: say `text`");
                    self.fault(section.solution.span(), message);
                }
                wrong.is_none().then_some(text)
            }
        };
        let accounts: Vec<_> = section
            .accounts
            .iter()
            .map(|(area, account)| self.text(area).zip(self.account(account, encoding)))
            .collect();
        Some(Voucher {
            solution: solution?,
            sources: sources.into_iter().collect::<Option<_>>()?,
            machine_number,
            text: text?,
            header: header.map_or(Some(None), |header| header.map(Some))?,
            encoding,
            booked: booked?,
            accounts: accounts.into_iter().collect::<Option<_>>()?,
        })
    }

    /// A value that a field of G69 can hold.
    fn written(&mut self, text: &At<String>, most: usize, encoding: G69) -> Option<String> {
        let wrong = unwritable(text, most, encoding);
        if let Some(wrong) = &wrong {
            self.fault(text.span(), wrong.clone());
        }
        wrong.is_none().then(|| (**text).clone())
    }

    /// An account string, which is read once more when the voucher comes back.
    fn account(&mut self, text: &At<String>, encoding: G69) -> Option<String> {
        let written = self.written(text, ACCOUNT, encoding)?;
        self.parse::<AccountString>(text).map(|_| written)
    }
}

/// What keeps a value from being written into a field of G69.
fn unwritable(text: &str, most: usize, encoding: G69) -> Option<String> {
    let is_latin1 = || text.chars().all(|c| u32::from(c) < 256);
    if text.is_empty() || text.chars().count() > most {
        Some(format!("this must have 1 to {most} characters"))
    } else if text.chars().any(g69::write::ends_field) {
        Some("this must hold neither '&' nor control characters: in G69 they end a field".to_owned())
    } else if encoding == G69::Latin1 && !is_latin1() {
        Some("this holds a character that ISO-8859-1 does not have".to_owned())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::with;

    const SECTION: &str = "[[vouchers]]\nsolution = \"sb\"\nmachine_number = 977\ntext = \"Ompostering\"\n\
        header = \"000G69{line}015101NORFLYD\"\nbooked = \"{function}{dranst}1{cost_centre}{grouping}40\"\n\
        accounts = { employment = \"5689011000000140\" }\n\n[grpc]";

    #[test]
    fn a_solutions_vouchers_are_read() {
        let config = with("[grpc]", SECTION).load();
        let voucher = &config.vouchers[0];
        assert_eq!((voucher.machine_number, voucher.text.as_str()), (977, "Ompostering"));
        assert_eq!(voucher.accounts["employment"], "5689011000000140");
        assert!(voucher.header.is_some());
        let short = SECTION.replace("text = \"Ompostering\"\n", "").replace("header = ", "# ");
        let config = with("[grpc]", &short).load();
        assert_eq!((config.vouchers[0].text.as_str(), &config.vouchers[0].header), ("Ompostering sb", &None));
    }

    #[test]
    fn what_no_ledger_would_take_is_refused_at_its_place() {
        let wrong = |old: &str, new: &str| {
            assert!(SECTION.contains(old), "{old}");
            with("[grpc]", &SECTION.replacen(old, new, 1)).problems().join("\n")
        };
        assert!(wrong("977", "0").contains("0 is out of bounds: expected 1 to 99999"));
        assert!(wrong("Ompostering", "A & B").contains("neither '&'"));
        assert!(wrong("Ompostering", &"x".repeat(36)).contains("1 to 35 characters"));
        assert!(wrong("000G69", "000G70").contains("is no header of G69"));
        assert!(wrong("{dranst}", "{art}").contains("is not how account strings are written"));
        assert!(wrong("5689011000000140", "").contains("1 to 120 characters"));
        assert!(wrong("5689011000000140", "5,68901E+15").contains("is not an account string"));
        assert!(wrong("{line}", "00001").contains("is no header of G69"));
        assert!(wrong("Ompostering", "A\u{2028}B").contains("nor control characters"));
        let unsaid = |solution: &str, encoding: &str| {
            let of = SECTION.replace("text = \"Ompostering\"\n", encoding).replace("\"sb\"", solution);
            with("[grpc]", &of).problems().join("\n")
        };
        assert!(
            unsaid("\"s&b\"", "").contains("of this, `text` would be made, and this must hold neither '&'")
        );
        assert!(unsaid("\"€\"", "encoding = \"iso-8859-1\"\n").contains("say `text`"));
        let latin1 =
            SECTION.replace("Ompostering", "€").replace("booked", "encoding = \"iso-8859-1\"\nbooked");
        assert!(with("[grpc]", &latin1).problems().join("\n").contains("ISO-8859-1 does not have"));
        let twice = with("[grpc]", &SECTION.replacen("[grpc]", SECTION, 1)).problems();
        assert_eq!(twice.len(), 2, "the solution and the machine number: {twice:?}");
        assert!(twice[0].contains("another [[vouchers]] has the same"), "{twice:?}");
    }

    #[test]
    fn two_ledgers_of_a_solution_are_told_apart_by_their_sources() {
        let of = |sources: &str, machine: &str| {
            SECTION
                .replace("machine_number = 977", &format!("machine_number = {machine}{sources}"))
                .replace("\n\n[grpc]", "\n")
        };
        let two = |first: &str, second: &str| {
            with("[grpc]", &format!("{}{}\n[grpc]", of(first, "977"), of(second, "978")))
        };
        let config = two("\nsources = [\"opus\"]", "\nsources = [\"prisme\", \"oes\"]").load();
        assert_eq!(config.vouchers.iter().map(|one| one.sources.len()).collect::<Vec<_>>(), [1, 2]);
        for (first, second) in
            [("", "\nsources = [\"opus\"]"), ("\nsources = [\"a\", \"b\"]", "\nsources = [\"b\"]")]
        {
            let problems = two(first, second).problems();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].contains("tell them apart by their `sources`"), "{problems:?}");
        }
    }
}
