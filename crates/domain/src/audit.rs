//! The audit log: who looked at or changed what, and when, in a chain of links that shows when somebody tampers with it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::{Result, Sealed};
use crate::{Kind, Pseudonym, SourceName, Text};

/// The number of an entry of the audit log, from 1, without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct AuditNo(pub i64);

/// What somebody did. The words never change: they are stored, and shown to auditors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the words say it")]
pub enum Action {
    PutFact,
    DeleteFact,
    WithdrawConsent,
    ReadFact,
    ListFacts,
    ListIdentityConflicts,
    ListQuarantine,
    ShowQuarantined,
    ReleaseQuarantined,
    DiscardQuarantined,
    ReleaseChange,
    ListParked,
    ReleaseParked,
    Pause,
    Resume,
    Reload,
    ForgetTarget,
    OpenKeys,
    RotateKeys,
    RetireKeys,
    Explain,
    SubscribeFeed,
    SubmitMessages,
    PruneAudit,
    Restore,
    ReadAudit,
    WhoLooked,
    ExportCitizen,
    ReadWithdrawal,
    ListDifferences,
    ListControlLines,
    ListCorrections,
    ListHeldChanges,
    ReplayTarget,
    Drain,
    EndDrain,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 36] = [
        Self::PutFact,
        Self::DeleteFact,
        Self::WithdrawConsent,
        Self::ReadFact,
        Self::ListFacts,
        Self::ListIdentityConflicts,
        Self::ListQuarantine,
        Self::ShowQuarantined,
        Self::ReleaseQuarantined,
        Self::DiscardQuarantined,
        Self::ReleaseChange,
        Self::ListParked,
        Self::ReleaseParked,
        Self::Pause,
        Self::Resume,
        Self::Reload,
        Self::ForgetTarget,
        Self::OpenKeys,
        Self::RotateKeys,
        Self::RetireKeys,
        Self::Explain,
        Self::SubscribeFeed,
        Self::SubmitMessages,
        Self::PruneAudit,
        Self::Restore,
        Self::ReadAudit,
        Self::WhoLooked,
        Self::ExportCitizen,
        Self::ReadWithdrawal,
        Self::ListDifferences,
        Self::ListControlLines,
        Self::ListCorrections,
        Self::ListHeldChanges,
        Self::ReplayTarget,
        Self::Drain,
        Self::EndDrain,
    ];

    /// The action of that word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }

    /// The word by which it is stored and shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::PutFact => "put-fact",
            Self::DeleteFact => "delete-fact",
            Self::WithdrawConsent => "withdraw-consent",
            Self::ReadFact => "read-fact",
            Self::ListFacts => "list-facts",
            Self::ListIdentityConflicts => "list-identity-conflicts",
            Self::ListQuarantine => "list-quarantine",
            Self::ShowQuarantined => "show-quarantined",
            Self::ReleaseQuarantined => "release-quarantined",
            Self::DiscardQuarantined => "discard-quarantined",
            Self::ReleaseChange => "release-change",
            Self::ListParked => "list-parked",
            Self::ReleaseParked => "release-parked",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Reload => "reload",
            Self::ForgetTarget => "forget-target",
            Self::OpenKeys => "open-keys",
            Self::RotateKeys => "rotate-keys",
            Self::RetireKeys => "retire-keys",
            Self::Explain => "explain",
            Self::SubscribeFeed => "subscribe-feed",
            Self::SubmitMessages => "submit-messages",
            Self::PruneAudit => "prune-audit",
            Self::Restore => "restore",
            Self::ReadAudit => "read-audit",
            Self::WhoLooked => "who-looked",
            Self::ExportCitizen => "export-citizen",
            Self::ReadWithdrawal => "read-withdrawal",
            Self::ListDifferences => "list-differences",
            Self::ListControlLines => "list-control-lines",
            Self::ListCorrections => "list-corrections",
            Self::ListHeldChanges => "list-held-changes",
            Self::ReplayTarget => "replay-target",
            Self::Drain => "drain",
            Self::EndDrain => "end-drain",
        }
    }
}

/// To what it was done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A posting of a source.
    Posting {
        /// Its source.
        source: SourceName,
        /// Its id.
        id: Text,
    },
    /// A fact.
    Fact {
        /// What it is about.
        kind: Kind,
        /// Its id.
        id: Text,
        /// Where it is named; none: across the municipality.
        source: Option<SourceName>,
    },
    /// A change of the registry, by the number of its fact in the store.
    Change(i64),
    /// An entry of the quarantine.
    Quarantined(i64),
    /// A frozen set of the quarantine's entries.
    FrozenSet(i64),
    /// A part of the gateway or a setting, or the first bytes of a key's fingerprint.
    Part(Text),
    /// The records of the feed from one number to another, both included.
    Feed {
        /// The first.
        from: i64,
        /// The last.
        to: i64,
    },
    /// The entries of the audit log up to this one.
    AuditUpTo(AuditNo),
    /// Somebody who was asked about, by a keyed hash of the reference that was given.
    Citizen(Pseudonym),
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done; of a look: it was asked for, and the answer may have been given.
    Done,
    /// The gateway did not do it.
    Refused,
    /// It could not be done.
    Failed,
}

impl Outcome {
    /// The word by which it is stored and shown.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What the log says of one act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Who did it, as the configuration names callers; `samspor` is the gateway itself.
    pub caller: Text,
    /// What.
    pub action: Action,
    /// To what.
    pub subjects: Vec<Subject>,
    /// How it ended.
    pub outcome: Outcome,
}

/// What ties an entry to all before it: HMAC-SHA-256 under the vault's audit key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditLink(pub [u8; 32]);

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number.
    pub no: AuditNo,
    /// When.
    pub at: Timestamp,
    /// Its number and an [`Entry`], sealed.
    pub sealed: Sealed,
    /// Of the entry before it, and of all of this.
    pub link: AuditLink,
}

/// What readers ask of the audit log.
pub trait ReadAudit {
    /// The entry before the first that is kept, and its link: number 0 and zeros where nothing was pruned.
    fn audit_start(&mut self) -> Result<(AuditNo, AuditLink)>;
    /// The last entry's number and link; the start's where there is none.
    fn audit_head(&mut self) -> Result<(AuditNo, AuditLink)>;
    /// The entries after one of them, at most `limit`.
    fn audit_entries(&mut self, after: AuditNo, limit: usize) -> Result<Vec<AuditRow>>;
    /// The keyed hashes of an entry's subjects, in the order of their bytes.
    fn audit_subjects(&mut self, no: AuditNo) -> Result<Vec<Pseudonym>>;
    /// How many subjects and ranges of the feed there are of all entries together.
    fn count_audit_subjects(&mut self) -> Result<(i64, i64)>;
    /// The ranges of the feed that an entry is about, in order.
    fn audit_ranges(&mut self, no: AuditNo) -> Result<Vec<(i64, i64)>>;
    /// The newest entries about a subject before one of them, at most `limit`, newest first.
    fn audit_about(&mut self, subject: &Pseudonym, before: AuditNo, limit: usize) -> Result<Vec<AuditNo>>;
    /// The newest entries before one of them with a range of the feed that holds a number, at most `limit`, newest first.
    fn audit_about_record(&mut self, seq: i64, before: AuditNo, limit: usize) -> Result<Vec<AuditNo>>;
}

/// What the one writer does with the audit log, between `begin` and `commit`.
pub trait WriteAudit: ReadAudit {
    /// Appends an entry, with the keyed hashes of its subjects and its ranges of the feed.
    fn append_audit(&mut self, row: &AuditRow, subjects: &[Pseudonym], ranges: &[(i64, i64)]) -> Result<()>;
    /// Deletes the entries up to one of them, whose link is kept as the start.
    fn prune_audit(&mut self, up_to: AuditNo) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_stored_by_the_words_that_are_shown() {
        let words: std::collections::BTreeSet<_> = Action::ALL.into_iter().map(Action::word).collect();
        assert_eq!(words.len(), Action::ALL.len());
    }
}
