//! From feed rows to messages: what each kind of reader may see, and under which id and topic.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use samspor_domain::store::{FeedRow, PostingRow, Read, Result, StoreError};
use samspor_domain::{
    Carry, Change, Encode, Fit, ForwardRow, LedgerRecord, LisRecord, Outgoing, Pseudonym, Record, Revision,
    SourceName, SourceNo, Sum, TagFilter, Text,
};
use samspor_vault::{Pseudonyms, Purpose, Vault};

use crate::books::Handing;
use crate::kept;
use crate::log::{Log, Logged, Says};
use crate::tally::Entry;

/// What kind of reader a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The ledger: records with posting ids, dates and vouchers.
    Ledger,
    /// A leadership-information system: pseudonyms under the target's own key, months, and a topic per solution and
    /// area.
    Lis,
}

/// A record as a reader may see it, before it is written.
pub(crate) struct Described {
    /// What stands in the books when it is delivered.
    handing: Handing,
    /// Its stable id.
    pub(crate) message_id: String,
    /// What it says.
    pub(crate) record: Record,
    /// The topics that its posting left, in the order in which it had them: the solution and the area of each.
    left: Vec<(Text, Text)>,
}

/// What a target gets.
enum Writes {
    /// The feed's records.
    Records(Audience, Arc<dyn Encode>),
    /// The postings of a source as they came.
    Bodies(SourceName, Arc<dyn Carry>),
    /// Nothing is written: the reader takes the records themselves.
    Nothing(Audience),
}

/// Writes what one target gets: the feed's records, or postings as they came.
pub struct Scribe {
    vault: Arc<Vault>,
    writes: Writes,
    filter: TagFilter,
    pseudonyms: Pseudonyms,
    /// Their names, and the keys under which the books hash the ids of their postings.
    sources: BTreeMap<SourceNo, (SourceName, Pseudonyms)>,
}

impl Scribe {
    /// A scribe for the target of that name.
    #[must_use]
    pub fn new(vault: Arc<Vault>, target: &Text, audience: Audience, encoder: Arc<dyn Encode>) -> Self {
        let pseudonyms = vault.target(target);
        let filter = TagFilter::default();
        let writes = Writes::Records(audience, encoder);
        Self { vault, writes, filter, pseudonyms, sources: BTreeMap::new() }
    }

    /// A scribe for whoever reads the feed itself, under a name that a target may have as well: pseudonyms are the same then.
    pub(crate) fn reading(vault: Arc<Vault>, reader: &Text, audience: Audience, filter: TagFilter) -> Self {
        let pseudonyms = vault.target(reader);
        Self { vault, writes: Writes::Nothing(audience), filter, pseudonyms, sources: BTreeMap::new() }
    }

    /// A scribe for the target of that name, to which a source's postings pass on.
    #[must_use]
    pub fn forwarding(vault: Arc<Vault>, target: &Text, source: SourceName, carrier: Arc<dyn Carry>) -> Self {
        let pseudonyms = vault.target(target);
        let writes = Writes::Bodies(source, carrier);
        Self { vault, writes, filter: TagFilter::default(), pseudonyms, sources: BTreeMap::new() }
    }

    /// Whose postings pass on, if that is what the target gets.
    pub(crate) fn forwards(&self) -> Option<&SourceName> {
        match &self.writes {
            Writes::Records(..) | Writes::Nothing(_) => None,
            Writes::Bodies(source, ..) => Some(source),
        }
    }

    /// Whether what it passes on has room for the tags of a solution, as far as that can be known.
    pub(crate) fn has_room_for(&self, solution: &Text) -> bool {
        match &self.writes {
            Writes::Records(..) | Writes::Nothing(_) => true,
            Writes::Bodies(_, carrier) => carrier.has_room_for(solution),
        }
    }

    /// What it reads.
    pub(crate) fn log(&self) -> Log {
        if self.forwards().is_some() { Log::Own } else { Log::Feed }
    }

    /// The same for a target that is given only the tags that a filter lets through.
    #[must_use]
    pub fn filtered(self, filter: TagFilter) -> Self {
        Self { filter, ..self }
    }

    /// What the target is given.
    pub(crate) fn filter(&self) -> &TagFilter {
        &self.filter
    }

    /// Whether readers may know which posting a record is about, and not only its pseudonym.
    pub(crate) fn tells_who(&self) -> bool {
        !matches!(self.writes, Writes::Records(Audience::Lis, _))
    }

    /// The messages of an entry of the target's log, and what stands in the books when they are delivered; none where it
    /// passes the target by.
    pub(crate) fn messages(
        &mut self,
        reader: &mut dyn Read,
        entry: &Logged,
    ) -> Result<Option<(Handing, Vec<Outgoing>)>> {
        match &entry.says {
            Says::Record(row) => self.records(reader, row, &entry.posting),
            Says::Body(row) => self.body(reader, row, &entry.posting).map(Some),
        }
    }

    /// The message of a posting that passes on. It always is one.
    fn body(
        &mut self,
        reader: &mut dyn Read,
        row: &ForwardRow,
        posting: &PostingRow,
    ) -> Result<(Handing, Vec<Outgoing>)> {
        let (source, id) = self.source(reader, posting)?;
        let said = &posting.posting;
        let entry = Entry::new(posting.source, said.date, Sum::of(said.amount, &id));
        let Writes::Bodies(_, carrier) = &self.writes else {
            unreachable!("only a target that forwards reads such a log")
        };
        let came = kept::open_whole(&self.vault, Purpose::Forward, &row.body)?;
        let tag = row.tag.as_ref().map(|tag| kept::open_forward_tag(&self.vault, tag)).transpose()?;
        let carried = carrier.carry(&came, tag.as_ref());
        let change = if tag.is_some() { Change::Tag } else { Change::Untag };
        let is_short = carried.left_out > 0;
        let handing = Handing { posting: posting.no, revision: 1, change, entry, is_short, receipt: None };
        let is_sendable =
            |given: &String| given.len() <= 255 && given.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let content_type =
            came.content_type.filter(is_sendable).map_or(carrier.content_type().into(), Cow::Owned);
        let message = Outgoing {
            message_id: format!("{source}:{}", said.id),
            topic: tag.map(|tag| (tag.solution, tag.area)),
            content_type,
            body: carried.body,
            trace: None,
        };
        Ok((handing, vec![message]))
    }

    /// The messages of a feed record: one, or for readers by topic also an `untag` under each topic that it left; and
    /// what stands in the books when they are delivered. None of a record that the filter lets pass by.
    fn records(
        &mut self,
        reader: &mut dyn Read,
        row: &FeedRow,
        posting: &PostingRow,
    ) -> Result<Option<(Handing, Vec<Outgoing>)>> {
        let Some(described) = self.describe(reader, row, posting)? else { return Ok(None) };
        let Described { handing, message_id, record, left } = described;
        let messages = match record {
            Record::Lis(record) => self.by_topic(&message_id, record, left),
            Record::Ledger(_) => vec![self.outgoing(message_id, None, &record)],
        };
        Ok(Some((handing, messages)))
    }

    /// A feed record as the reader may see it; none of a record that the filter lets pass by: the reader has nothing of its
    /// posting. What it is to have no longer is an `untag`, which tells nothing of the tag that there is.
    pub(crate) fn describe(
        &mut self,
        reader: &mut dyn Read,
        row: &FeedRow,
        posting: &PostingRow,
    ) -> Result<Option<Described>> {
        let mut revision = kept::open_revision(&self.vault, row)?
            .ok_or_else(|| StoreError::Damaged("a newest feed record is empty".into()))?;
        match self.filter.fit(&revision) {
            Fit::Nothing => return Ok(None),
            Fit::Untag => (revision.tag, revision.subject) = (None, None),
            Fit::Tag => {}
        }
        revision.left.retain(|key| self.filter.holds(key));
        let (source, id) = self.source(reader, posting)?;
        let said = &posting.posting;
        let entry = Entry::new(posting.source, said.date, Sum::of(said.amount, &id));
        let handing = Handing {
            posting: posting.no,
            revision: row.revision,
            change: revision.change(),
            entry,
            is_short: false,
            receipt: None,
        };
        let mut left: Vec<(Text, Text)> = Vec::new();
        for key in &revision.left {
            let topic = (key.solution.clone(), key.area.clone());
            if !left.contains(&topic) {
                left.push(topic);
            }
        }
        let (message_id, record) = match self.writes {
            Writes::Records(Audience::Lis, _) | Writes::Nothing(Audience::Lis) => {
                self.for_lis(source, row, posting, revision)
            }
            _ => for_ledger(source, row, posting, revision),
        };
        Ok(Some(Described { handing, message_id, record, left }))
    }

    /// A posting's source, and the keyed hash of its id.
    pub(crate) fn source(
        &mut self,
        reader: &mut dyn Read,
        posting: &PostingRow,
    ) -> Result<(SourceName, Pseudonym)> {
        if !self.sources.contains_key(&posting.source) {
            let sources = reader.sources()?.into_iter();
            let keyed = |(no, name)| {
                let keys = self.vault.source(&name);
                (no, (name, keys))
            };
            self.sources = sources.map(keyed).collect();
        }
        let Some((name, keys)) = self.sources.get(&posting.source) else {
            return Err(StoreError::Damaged("a posting's source is not in the store".into()));
        };
        Ok((name.clone(), keys.text("posting", posting.posting.id.as_str())))
    }

    fn for_lis(
        &self,
        source: SourceName,
        row: &FeedRow,
        posting: &PostingRow,
        revision: Revision,
    ) -> (String, Record) {
        let said = &posting.posting;
        // Posting ids are unique in their source only; a source's name holds no NUL that could blur the two.
        let pseudonym = self.pseudonyms.text("posting", &format!("{source}\0{}", said.id));
        let message_id = format!("{source}:{}:{}", hex(&pseudonym.0), row.revision);
        let month: Date = said.date.first_of_month();
        let family = revision.tag.as_ref().and_then(|tag| tag.family.as_ref());
        let record = LisRecord {
            source,
            posting: pseudonym,
            family: family.map(|family| self.pseudonyms.text("family", family.as_str())),
            citizen: revision.subject.as_ref().map(|subject| self.pseudonyms.reference(subject)),
            revision: row.revision,
            change: revision.change(),
            year: month.year(),
            month: month.month(),
            account: said.account,
            amount: said.amount,
            tag: revision.tag,
        };
        (message_id, Record::Lis(record))
    }

    /// What readers by topic get of a record: an `untag` under each topic that its posting left, and the tag under its own.
    fn by_topic(&self, message_id: &str, tagged: LisRecord, left: Vec<(Text, Text)>) -> Vec<Outgoing> {
        let now = tagged.tag.as_ref().map(|tag| (tag.solution.clone(), tag.area.clone()));
        // A reader of several topics gets the `untag` first, and at the same revision a `tag` goes before an `untag`.
        let untagged =
            LisRecord { change: Change::Untag, family: None, citizen: None, tag: None, ..tagged.clone() };
        let untagged = Record::Lis(untagged);
        let left = left.into_iter().filter(|topic| now.as_ref() != Some(topic));
        let mut messages: Vec<Outgoing> =
            left.map(|topic| self.outgoing(message_id.to_owned(), Some(topic), &untagged)).collect();
        if now.is_some() {
            messages.push(self.outgoing(message_id.to_owned(), now, &Record::Lis(tagged)));
        }
        messages
    }

    fn outgoing(&self, message_id: String, topic: Option<(Text, Text)>, record: &Record) -> Outgoing {
        let Writes::Records(_, encoder) = &self.writes else {
            unreachable!("only what gets records as messages has them written")
        };
        let body = encoder.encode(record);
        Outgoing { message_id, topic, content_type: encoder.content_type().into(), body, trace: None }
    }
}

fn for_ledger(
    source: SourceName,
    row: &FeedRow,
    posting: &PostingRow,
    revision: Revision,
) -> (String, Record) {
    let said = &posting.posting;
    let message_id = format!("{source}:{}:{}", said.id, row.revision);
    let record = LedgerRecord {
        source,
        posting: said.id.clone(),
        revision: row.revision,
        change: revision.change(),
        date: said.date,
        account: said.account,
        amount: said.amount,
        voucher: said.voucher.clone(),
        tag: revision.tag,
        cause: row.cause,
        registered: row.registered,
    };
    (message_id, Record::Ledger(record))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
