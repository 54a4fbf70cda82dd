//! Intake: from a delivery to items ready for the journal. It runs beside the writer, in each source's own task.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use jiff::Timestamp;
use samspor_domain::audit::Subject;
use samspor_domain::{Decode, Delivery, Fault, Item, Kind, Message, Reason, SourceName, Text, TraceContext};

use crate::core::not_permitted;

/// One item of a delivery: decoded, or with the fault that sends it to quarantine.
#[derive(Clone)]
pub struct Prepared {
    pub(crate) source: SourceName,
    /// Of which target it is, if it is a receipt.
    pub(crate) receipts_of: Option<Text>,
    pub(crate) content: Result<Message, Fault>,
    /// The item's own bytes.
    pub(crate) bytes: Bytes,
    pub(crate) content_type: Option<String>,
    /// How the line ends in its file that the bytes are, so that it can pass on as it came.
    pub(crate) line_end: Bytes,
    /// It is a message in which there is nothing, and rightly so; its content is then what it would be otherwise.
    pub(crate) is_empty: bool,
    /// How many of its fields the contract does not know.
    pub(crate) ignored_fields: u32,
    /// Which item of its bytes it is, from 0.
    pub(crate) item: u32,
    /// How many items they hold.
    pub(crate) items: u32,
    /// As how many it is counted when it arrives: the first of a delivery as all that the decoder said there are, the
    /// others as none. So the books fail where one is lost on the way.
    pub(crate) arrives_as: u32,
    /// When it was learnt, where that is not now: in a replay.
    pub(crate) registered: Option<Timestamp>,
    /// The span that it is processed in, if somebody follows it.
    pub(crate) trace: Option<TraceContext>,
}

impl Prepared {
    /// What it is about, as the audit log names it; none where it was not understood, or is a receipt.
    #[must_use]
    pub fn subject(&self) -> Option<Subject> {
        match self.content.as_ref().ok()? {
            Message::Posting(posting) => {
                Some(Subject::Posting { source: self.source.clone(), id: posting.id.clone() })
            }
            Message::Fact(fact) => {
                let source = fact.kind.is_named_in_source().then(|| self.source.clone());
                Some(Subject::Fact { kind: fact.kind, id: fact.id.clone(), source })
            }
            Message::Receipt(_) => None,
        }
    }
}

/// What a source may send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// Postings.
    pub postings: bool,
    /// Kinds of facts.
    pub facts: BTreeSet<Kind>,
    /// Of which target it may send receipts, if of any.
    pub receipts_of: Option<Text>,
}

impl Permissions {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self { postings: true, facts: Kind::ALL.into(), receipts_of: None }
    }
}

impl Default for Permissions {
    /// What is named in its source: postings, cases, grants, payments, progress.
    fn default() -> Self {
        Self {
            postings: true,
            facts: Kind::ALL.into_iter().filter(|kind| kind.is_named_in_source()).collect(),
            receipts_of: None,
        }
    }
}

/// How one source's deliveries are read.
#[derive(Clone)]
pub struct Intake {
    /// The source's name.
    pub source: SourceName,
    /// Its format.
    pub decoder: Arc<dyn Decode>,
    /// What it may send.
    pub may_send: Permissions,
    /// A larger body goes to quarantine unread.
    pub max_body_bytes: usize,
}

impl Intake {
    /// Decodes a delivery. Every delivery gives one item at least, whatever its bytes are.
    #[must_use]
    pub fn prepare(&self, delivery: &Delivery) -> Vec<Prepared> {
        let items = self.decode(delivery);
        if items.is_empty() {
            return vec![Prepared { is_empty: true, ..self.item(delivery, None, Err(nothing())) }];
        }
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        (0..).zip(items).map(|(no, item)| self.check(delivery, item, (no, count))).collect()
    }

    /// What a delivery holds, and what of it would go to quarantine, also since the source may not send it. Nothing only
    /// where the source's decoder says that there may be nothing.
    #[must_use]
    pub fn items(&self, delivery: &Delivery) -> Vec<Item> {
        let items = self.decode(delivery).into_iter();
        items.map(|item| Item { content: self.permitted(item.content), ..item }).collect()
    }

    fn decode(&self, delivery: &Delivery) -> Vec<Item> {
        let whole = |fault| vec![Item { content: Err(fault), excerpt: None, ignored_fields: 0 }];
        if delivery.body.len() > self.max_body_bytes {
            let fault = Fault::new(
                Reason::TooLarge,
                format!(
                    "the body has {} bytes; `max_body_bytes` is {}",
                    delivery.body.len(),
                    self.max_body_bytes
                ),
            );
            return whole(fault);
        }
        // A decoder is pure, so one that panics leaves nothing half done.
        let decode = AssertUnwindSafe(|| self.decoder.decode(&self.source, delivery));
        let Ok(items) = catch_unwind(decode) else {
            let fault = Fault::new(Reason::Failed, "the decoder broke on this message; please report it");
            return whole(fault);
        };
        if items.is_empty() && !self.decoder.may_be_empty() {
            return whole(nothing());
        }
        items
    }

    fn permitted(&self, content: Result<Message, Fault>) -> Result<Message, Fault> {
        let message = content?;
        let (allowed, word) = match &message {
            Message::Posting(_) => (self.may_send.postings, "posting"),
            Message::Fact(fact) => (self.may_send.facts.contains(&fact.kind), fact.kind.word()),
            Message::Receipt(_) => (self.may_send.receipts_of.is_some(), "receipt"),
        };
        if allowed { Ok(message) } else { Err(not_permitted(&self.source, word)) }
    }

    fn check(&self, delivery: &Delivery, item: Item, (no, count): (u32, u32)) -> Prepared {
        let content = self.permitted(item.content);
        let ignored_fields = item.ignored_fields;
        let arrives_as = if no == 0 { count } else { 0 };
        let (excerpt, no, count) = match item.excerpt {
            Some(excerpt) => (Some(excerpt.bytes), excerpt.item, excerpt.items),
            None => (None, no, count),
        };
        let prepared = self.item(delivery, excerpt, content);
        Prepared { ignored_fields, item: no, items: count, arrives_as, ..prepared }
    }

    fn item(&self, delivery: &Delivery, excerpt: Option<Bytes>, content: Result<Message, Fault>) -> Prepared {
        let line_end = excerpt.as_ref().map_or_else(Bytes::new, |line| line_end(&delivery.body, line));
        Prepared {
            source: self.source.clone(),
            receipts_of: self.may_send.receipts_of.clone(),
            content,
            bytes: excerpt.unwrap_or_else(|| delivery.body.clone()),
            content_type: delivery.content_type.clone(),
            line_end,
            is_empty: false,
            ignored_fields: 0,
            item: 0,
            items: 1,
            arrives_as: 1,
            registered: None,
            trace: None,
        }
    }
}

/// How a line ends in the body that it is a part of; what is no line of it, or no part at all, has no end.
fn line_end(body: &Bytes, line: &Bytes) -> Bytes {
    let begin = line.as_ptr().addr().checked_sub(body.as_ptr().addr());
    let Some((begin, rest)) = begin.and_then(|begin| Some((begin, body.get(begin..)?))) else {
        return Bytes::new();
    };
    let Some(rest) = rest.get(line.len()..) else { return Bytes::new() };
    let returns = rest.iter().take_while(|byte| **byte == b'\r').count();
    let end = begin + line.len();
    if rest.get(returns) == Some(&b'\n') { body.slice(end..=end + returns) } else { Bytes::new() }
}

/// The fault of a body in which a decoder finds nothing.
fn nothing() -> Fault {
    Fault::new(Reason::Failed, "the decoder found nothing in this message; please report it")
}

/// The intakes of all sources: those of deliveries, for what is decoded again, and those of callers.
#[derive(Clone, Default)]
pub struct Intakes(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    delivered: BTreeMap<SourceName, Intake>,
    called: BTreeMap<SourceName, Intake>,
}

impl Intakes {
    /// From now on these, and no others, for what is delivered.
    pub fn set(&self, intakes: impl IntoIterator<Item = Intake>) {
        self.write().delivered = by_source(intakes);
    }

    /// From now on these, and no others, for what callers send. Their names are none of those that are delivered.
    pub fn set_callers(&self, intakes: impl IntoIterator<Item = Intake>) {
        self.write().called = by_source(intakes);
    }

    /// From now on these, and those of the others that are kept, for what is delivered.
    pub(crate) fn change(
        &self,
        keep: impl Fn(&SourceName) -> bool,
        others: impl IntoIterator<Item = Intake>,
    ) {
        let mut known = self.write();
        known.delivered.retain(|source, _| keep(source));
        known.delivered.extend(by_source(others));
    }

    /// How many parts of its bodies each source's decoder has left out since it was made, where it was told to leave any out.
    pub fn passed(&self) -> BTreeMap<SourceName, u64> {
        let known = self.read();
        (known.delivered.iter())
            .filter_map(|(source, intake)| Some((source.clone(), intake.decoder.passed()?)))
            .collect()
    }

    /// That of a source by which callers send.
    #[must_use]
    pub fn of_caller(&self, source: &SourceName) -> Option<Intake> {
        self.read().called.get(source).cloned()
    }

    /// That of a source.
    pub(crate) fn of(&self, source: &SourceName) -> Option<Intake> {
        let known = self.read();
        known.delivered.get(source).or_else(|| known.called.get(source)).cloned()
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn by_source(intakes: impl IntoIterator<Item = Intake>) -> BTreeMap<SourceName, Intake> {
    intakes.into_iter().map(|intake| (intake.source.clone(), intake)).collect()
}

impl Prepared {
    /// Whether it is the first, or the only one, of its delivery.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.arrives_as > 0
    }

    /// The same item, learnt at an instant of the past, as a recording says. Instants never go back all the same.
    #[must_use]
    pub fn learnt_at(self, instant: Timestamp) -> Self {
        Self { registered: Some(instant), ..self }
    }

    /// A message that comes from a caller instead of a queue. `bytes` is what stands for it if it goes to quarantine.
    #[must_use]
    pub fn from_caller(source: SourceName, message: Message, bytes: Bytes) -> Self {
        Self {
            source,
            receipts_of: None,
            content: Ok(message),
            bytes,
            content_type: None,
            line_end: Bytes::new(),
            is_empty: false,
            ignored_fields: 0,
            item: 0,
            items: 1,
            arrives_as: 1,
            registered: None,
            trace: None,
        }
    }
}
