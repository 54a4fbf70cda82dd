//! Paths into messages, and the tree of names that all paths of a mapping make together.
//!
//! The reader of a message keeps what stands at one of these names and passes over the rest, so a message of any size costs
//! no more memory than what the mapping can see of it.

use super::reads::{Format, Reads};

/// The steps that a path may have.
const MAX_STEPS: usize = 32;
/// The names that a mapping may have.
const MAX_SLOTS: usize = 4_000;

/// A place in messages that a mapping names. The first is the document.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: Name,
    pub(super) parent: u16,
    /// Which of its parent's children it is.
    pub(super) ordinal: u16,
    pub(super) children: Vec<u16>,
    /// Whether each element here is one or several messages.
    pub(super) is_each: bool,
    /// Whether such an element stands within it.
    pub(super) is_way: bool,
    /// Whether another message reads what stands in it.
    pub(super) is_shared: bool,
}

impl Slot {
    fn new(name: Name, parent: u16, ordinal: u16) -> Self {
        let children = Vec::new();
        Self { name, parent, ordinal, children, is_each: false, is_way: false, is_shared: false }
    }

    /// Whether it goes with the messages that stand beside it, when one is kept by itself.
    pub(super) fn is_light(&self) -> bool {
        !self.is_way && (!self.is_each || self.is_shared)
    }
}

/// What a slot is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// The namespace's URI.
    pub(super) space: Option<String>,
    pub(super) local: String,
    pub(super) is_attribute: bool,
}

impl Name {
    /// As it stands in paths that are shown.
    pub(super) fn shown(&self) -> String {
        if self.is_attribute { format!("@{}", self.local) } else { self.local.clone() }
    }
}

/// All slots of a mapping.
#[derive(Debug)]
pub(super) struct Slots(pub(super) Vec<Slot>);

/// The slot of the document.
pub(super) const DOCUMENT: u16 = 0;

/// Where a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Path {
    /// In a column, by its place among the columns that the mapping uses.
    Column(usize),
    /// In a tree: so many elements up from the message's own, then down.
    Steps { up: usize, down: Vec<Step> },
}

/// A step down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// The ordinal of the slot.
    pub(super) ordinal: u16,
    /// Of its elements those alone in which something stands.
    pub(super) only: Option<Box<Only>>,
}

/// What tells some elements of a slot from the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Only {
    /// The ordinal of the slot in which it stands.
    pub(super) ordinal: u16,
    /// What stands there.
    pub(super) is: String,
    /// As the mapping writes it, in its brackets.
    pub(super) shown: String,
}

impl Slots {
    pub(super) fn new() -> Self {
        let name = Name { space: None, local: String::new(), is_attribute: false };
        Self(vec![Slot::new(name, 0, 0)])
    }

    pub(super) fn slot(&self, slot: u16) -> &Slot {
        &self.0[usize::from(slot)]
    }

    /// The child of that name, if the mapping names it.
    pub(super) fn child(&self, of: u16, space: Option<&str>, local: &str, is_attribute: bool) -> Option<u16> {
        self.slot(of).children.iter().copied().find(|child| {
            let name = &self.slot(*child).name;
            name.is_attribute == is_attribute && name.local == local && name.space.as_deref() == space
        })
    }

    fn step(&mut self, of: u16, name: Name) -> Result<u16, String> {
        if let Some(child) = self.child(of, name.space.as_deref(), &name.local, name.is_attribute) {
            return Ok(child);
        }
        if self.slot(of).name.is_attribute {
            return Err("goes on below an attribute, which holds nothing more".into());
        }
        let new = u16::try_from(self.0.len()).ok().filter(|new| usize::from(*new) < MAX_SLOTS);
        let new = new.ok_or("is one too many: a mapping may name 4,000 places")?;
        let parent = &mut self.0[usize::from(of)];
        let ordinal = u16::try_from(parent.children.len()).unwrap_or(u16::MAX);
        parent.children.push(new);
        self.0.push(Slot::new(name, of, ordinal));
        Ok(new)
    }

    /// Reads `each`: a path from the document.
    pub(super) fn each(&mut self, text: &str, reads: &Reads) -> Result<u16, String> {
        let text = text.strip_prefix('/').unwrap_or(text);
        let (0, steps) = split(text)? else {
            return Err("begins at the document, and cannot go up from there".into());
        };
        let mut slot = DOCUMENT;
        for step in steps {
            if bracketed(step).is_some() {
                return Err(
                    "asks for something in brackets: `when` says of which elements messages are made".into(),
                );
            }
            slot = self.step(slot, name(step, reads)?)?;
        }
        if self.slot(slot).name.is_attribute {
            return Err("is an attribute, and a message is an element".into());
        }
        self.0[usize::from(slot)].is_each = true;
        let mut way = slot;
        while way != DOCUMENT {
            way = self.slot(way).parent;
            self.0[usize::from(way)].is_way = true;
        }
        Ok(slot)
    }

    /// Reads a path from an element of a slot.
    ///
    /// Above its own element a path reaches what stands beside its ancestors, but no element that holds messages: those are
    /// many, and a message that is kept by itself is kept without them. A path goes along with the element's own ancestors as
    /// far as it names them.
    pub(super) fn path(&mut self, text: &str, from: u16, reads: &Reads) -> Result<Path, String> {
        let (up, steps) = match text.strip_prefix('/') {
            Some(rest) => match split(rest)? {
                (0, steps) => (self.depth(from), steps),
                _ => return Err("begins at the document, and cannot go up from there".into()),
            },
            None => split(text)?,
        };
        if up > self.depth(from) {
            return Err("goes up beyond the document".into());
        }
        let above = |slots: &Self, levels: usize| (0..levels).fold(from, |slot, _| slots.slot(slot).parent);
        let mut slot = above(self, up);
        let (mut up, mut down) = (up, Vec::with_capacity(steps.len()));
        for step in steps {
            let (step, asked) = match bracketed(step) {
                Some((step, asked)) => (step, Some(asked)),
                None => (step, None),
            };
            slot = self.step(slot, name(step, reads)?)?;
            let only = asked.map(|asked| self.only(slot, asked, reads)).transpose()?;
            if up > 0 && down.is_empty() && only.is_none() && slot == above(self, up - 1) {
                up -= 1;
                continue;
            }
            let found = &mut self.0[usize::from(slot)];
            if up > 0 && found.is_way {
                return Err("leads out of its own element and into others that hold messages".into());
            }
            found.is_shared |= up > 0;
            down.push(Step { ordinal: found.ordinal, only });
        }
        Ok(Path::Steps { up, down })
    }

    /// Reads what stands in brackets behind the name of a slot.
    fn only(&mut self, of: u16, asked: &str, reads: &Reads) -> Result<Box<Only>, String> {
        let wanted = "has brackets without a name, '=' and a text, as in `Felt[@navn=Beloeb]`";
        let (by, is) = asked.split_once('=').ok_or(wanted)?;
        let (by, is) = (by.trim(), is.trim());
        if by.is_empty() || is.is_empty() || by.contains(['/', '[']) {
            return Err(wanted.into());
        }
        let by = self.step(of, name(by, reads)?)?;
        if self.slot(by).is_way || self.slot(by).is_each {
            return Err("asks in brackets for an element that holds messages".into());
        }
        let ordinal = self.slot(by).ordinal;
        Ok(Box::new(Only { ordinal, is: is.to_owned(), shown: format!("[{asked}]") }))
    }

    fn depth(&self, mut slot: u16) -> usize {
        let mut depth = 0;
        while slot != DOCUMENT {
            slot = self.slot(slot).parent;
            depth += 1;
        }
        depth
    }
}

/// The levels that a path goes up first, and the steps down that follow.
fn split(text: &str) -> Result<(usize, Vec<&str>), String> {
    if text == "." {
        return Ok((0, Vec::new()));
    }
    let mut steps = Vec::new();
    let mut is_within = false;
    // A '/' in brackets is of the text that is asked for.
    steps.extend(text.split(|c: char| {
        is_within = c == '[' || (is_within && c != ']');
        c == '/' && !is_within
    }));
    let levels = steps.iter().take_while(|step| **step == "..").count();
    let steps = steps.split_off(levels);
    if steps.len() + levels > MAX_STEPS {
        return Err(format!("has more than {MAX_STEPS} steps"));
    }
    for step in &steps {
        match *step {
            "" => return Err("has an empty step: names are joined by one '/'".into()),
            ".." => return Err("goes up after it went down: `..` stands at the beginning only".into()),
            "." => return Err("has a step `.`, which stands alone or not at all".into()),
            _ => {}
        }
    }
    Ok((levels, steps))
}

/// A step's name, and what it asks for in brackets, if it does.
fn bracketed(step: &str) -> Option<(&str, &str)> {
    let (step, asked) = step.strip_suffix(']')?.split_once('[')?;
    Some((step.trim_end(), asked))
}

/// The name that a step means.
fn name(step: &str, reads: &Reads) -> Result<Name, String> {
    let plain = |local: &str| Name { space: None, local: local.to_owned(), is_attribute: false };
    if reads.format != Format::Xml {
        return Ok(plain(step));
    }
    let (is_attribute, qualified) = match step.strip_prefix('@') {
        Some(rest) => (true, rest),
        None => (false, step),
    };
    let (prefix, local) = match qualified.split_once(':') {
        Some((prefix, local)) => (Some(prefix), local),
        None => (None, qualified),
    };
    let is_name = |text: &str| {
        text.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_')
            && text.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c))
    };
    if !is_name(local) {
        return Err("has a step that is not the name of an element, nor '@' and that of an attribute".into());
    }
    let space = match prefix {
        // Elements without a prefix are in the default namespace, attributes without one in none.
        None => {
            if is_attribute {
                None
            } else {
                reads.namespaces.get("default").cloned()
            }
        }
        Some("default") => return Err("has the prefix `default`, which is written by leaving it out".into()),
        Some(prefix) => match reads.namespaces.get(prefix) {
            Some(uri) => Some(uri.clone()),
            None => {
                return Err(format!(
                    "has the prefix `{}`, which [reads] namespaces does not have",
                    super::flaws::shown(prefix)
                ));
            }
        },
    };
    Ok(Name { space, local: local.to_owned(), is_attribute })
}
