//! The command line: what can be asked of the gateway, and what it answers with its exit code.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use samspor_domain::Text;

/// An integration gateway that tags a municipality's postings with the cross-sector solution they belong to.
///
/// It consumes from the queues that case systems and the finance system publish to, recognises the citizens who have
/// consented, and hands tagged postings to the ledger and to leadership-information systems.
#[derive(Debug, Parser)]
#[command(
    name = "samspor",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the gateway until it is told to stop.
    ///
    /// It connects to the brokers of the configuration, again and again if it must, and works until SIGTERM or Ctrl-C.
    /// Then it stops taking messages, finishes what is begun and closes, within `engine.shutdown_deadline_ms`. A message
    /// is acknowledged only when everything that it caused is stored, so a stop or a crash at any moment loses nothing.
    ///
    /// At SIGHUP it reads the configuration again, as `samspor reload` makes it do.
    #[command(
        after_help = "Exit code: 0 after a clean stop, 2 where the configuration is faulty, 1 otherwise."
    )]
    Serve(Configured),

    /// Show how the running gateway is doing: each part, since when, why it is down, and what waits.
    ///
    /// It asks the gateway through the gRPC address of the configuration. A source shows how many items ever came from it,
    /// a target how many records it is still to get, the store how many changes of facts wait for postings to be decided
    /// again.
    #[command(
        after_help = "Exit code: 0 where everything is up, but what somebody paused and what warns only (clock, \
        scrubbing); 6 where something is not, or the gateway cannot be reached; 2 where the configuration is faulty; 1 otherwise.\n\n\
        Example: samspor status --config gateway.toml --watch"
    )]
    Status(Status),

    /// Let a source or a target of the running gateway wait.
    ///
    /// It finishes what it has begun. Then a source's messages wait in its queue and a target's records in the feed, until
    /// it is resumed. It is remembered: after a restart of the gateway it still waits.
    #[command(
        after_help = "Exit code: 0, also where it was paused already; 1 where it is not there or the gateway cannot \
        be reached; 2 where the configuration is faulty.\n\n\
        Example: samspor pause source opus --config gateway.toml"
    )]
    Pause(Component),

    /// Let a source or a target go on that was paused.
    #[command(
        after_help = "Exit code: 0, also where it was not paused; 1 where it is not there or the gateway cannot be \
        reached; 2 where the configuration is faulty.\n\n\
        Example: samspor resume target ledger --config gateway.toml"
    )]
    Resume(Component),

    /// Have targets get records again, or forget targets that are gone.
    ///
    /// A target that was taken out of the configuration keeps its place in the feed, so that it can come back, and
    /// postings of which it has not all records are not purged. Where it does not come back, forget it.
    Targets {
        /// What to do.
        #[command(subcommand)]
        action: TargetsAction,
    },

    /// Copy the store as it is at this moment, beside the running gateway.
    ///
    /// The folder then holds the database and `backup.json`, which says when and of what it was made; a folder without it is
    /// no backup. The copy is as sealed as the store, and opens with the same master key, which is not in it: keep that
    /// elsewhere. `docs/backup.md` says how often, how long, and what else to keep.
    #[command(after_help = "Exit code: 0; 2 where the configuration is faulty; 1 otherwise.\n\n\
        Example: samspor backup --config gateway.toml --to /backup/samspor/2026-03-14")]
    Backup(crate::backup::Backup),

    /// Put a backup where the store was, when that is lost.
    ///
    /// The configuration's `store.dir` must hold no store. What was withdrawn since the backup is withdrawn again, from the
    /// log of `store.withdrawals_file`. The feed begins a new epoch: every posting's newest record is said again with a
    /// revision above all earlier ones, and readers with a cursor begin anew. All targets are paused; when the registrars' and
    /// sources' facts since the backup are in again, `samspor resume target NAME` lets each go on. Interrupted, it has done
    /// nothing.
    #[command(after_help = "Exit code: 0; 2 where the configuration is faulty; 1 otherwise.\n\n\
        Example: samspor restore --config gateway.toml --from /backup/samspor/2026-03-14")]
    Restore(crate::backup::Restore),

    /// Make a master key, show which keys the store is under, and replace them.
    Keys {
        /// What to do.
        #[command(subcommand)]
        action: crate::keys::Action,
    },

    /// Let the running gateway take nothing more in, and finish what it has.
    ///
    /// Every source waits, and callers that send messages are told to come later; what registrars put is taken. Postings are
    /// decided and records delivered on. It ends when nothing is left but what targets wait for that are paused or down, and says
    /// which. Interrupted, the gateway drains on; `--cancel` or a restart ends that.
    #[command(
        after_help = "Exit code: 0 where nothing is left; 6 where only targets that are paused or down are to get records, or \
        the gateway cannot be reached; 2 where the configuration is faulty; 1 otherwise.\n\n\
        Example: samspor drain --config gateway.toml && systemctl stop samspor"
    )]
    Drain(Drain),

    /// Make the running gateway read its configuration again.
    ///
    /// It takes all of it or nothing. New sources and targets start, those that are gone end, those whose settings changed
    /// finish what they have begun and start anew, and the others go on undisturbed. Charts, retention and the other
    /// numbers change too. The store, the vault and the gRPC address cannot: they need a restart. The gateway reads the
    /// file that it was started with; SIGHUP makes it do the same.
    #[command(
        after_help = "Exit code: 0 where it was taken; 2 where it was not, since it is faulty or needs a restart; 1 \
        where the gateway cannot be reached.\n\n\
        Example: samspor reload --config gateway.toml"
    )]
    Reload(Configured),

    /// Say what a configuration means, or what is wrong with it.
    ///
    /// Reads the file and its charts of accounts, and checks everything that needs neither broker nor secret. Each problem
    /// is shown with its file, line and column and with what is allowed there; all of them at once.
    ///
    /// With `--broker` it also holds the configuration against the brokers as they are now, and names each way in which
    /// messages can be lost or do not get through, with what to do about it. It changes and consumes nothing. Most of it
    /// comes from RabbitMQ's management interface, at the broker's `management_url_env` or `management_url_file`; without
    /// them it sees whether queues and exchanges are there, and says what it did not see. `docs/broker.md` describes a safe
    /// topology.
    #[command(
        after_help = "Exit code: 0 where it is good, 2 where it is faulty or, with --broker, where something can be lost \
        or does not work. What is only worth knowing changes nothing.\n\n\
        Examples: samspor check --config config/demo.toml\n          \
        samspor check --config gateway.toml --broker"
    )]
    Check(Check),

    /// Write what lies in the sources' queues to a recording, without consuming it.
    ///
    /// It subscribes as the gateway does, acknowledges nothing, and gives everything back when it ends: when no queue has
    /// given anything for a while, when every queue has given its limit, or at Ctrl-C. Until then the broker holds the
    /// messages for it, so nobody else gets them. A gateway that runs meanwhile gets its share of what comes, and the
    /// recording does not; stop it to record everything. To the broker each recording is a delivery: a quorum queue with
    /// a delivery limit (RabbitMQ 4 has 20 unless told otherwise) drops a message that comes back more often than that.
    ///
    /// A recording holds personal data in clear.
    #[command(
        after_help = "Exit code: 0; 2 where the configuration is faulty; 1 where a queue cannot be read.\n\n\
        Example: samspor record --config gateway.toml --source opus --limit 500 --output opus.ndjson"
    )]
    Record(Record),

    /// Play recordings and print the final state of every posting.
    ///
    /// Recordings go through the very same decoders, engine and store as live messages, one after the other, with no
    /// broker and no network, and nothing is purged. Each line on standard output is the state of one posting; what became
    /// of the messages is counted on standard error. A configuration that says only where the charts are is enough; then
    /// every source speaks the gateway's own JSON and may send anything.
    #[command(
        after_help = "Exit code: 0; 3 if anything went to quarantine; 2 where the configuration is faulty.\n\n\
        Example: samspor replay --config config/replay.toml march.ndjson april.ndjson > state.ndjson"
    )]
    Replay(Replay),

    /// Show what a message becomes by a mapping, or in a format that is code.
    ///
    /// A mapping is a TOML file that says how any XML, JSON, CSV or fixed-width message becomes canonical messages;
    /// `docs/mappings.md` describes it. Each message is printed as one line of canonical JSON, in clear; what is wrong with an
    /// item goes to standard error, with its place in the message and the line of the mapping. It needs no broker, no store
    /// and no configuration. It also names the rules that found no value and the elements that no rule reads: beside each
    /// other these show a path that is typed wrong. Of a format that is code, a file says which it is, by the keys of a source:
    /// `format = "g69"` and `g69 = { encoding = "iso-8859-1" }`, say; `config/presets` has one for each.
    #[command(after_help = "Exit code: 0; 3 if any item is a fault; 2 where the mapping is faulty.\n\n\
        Examples: samspor map config/mappings/opus.toml config/mappings/opus/daily.xml\n          \
        samspor map config/mappings/opus.toml recorded.ndjson --masked\n          \
        samspor map config/presets/g69.toml payments.txt")]
    Map(crate::mapping::Map),

    /// Run the examples beside mappings, and show how what they become differs from what is expected.
    ///
    /// Beside `opus.toml` stands a folder `opus` with messages, such as `daily.xml`, and beside each of them what it is
    /// expected to become: `daily.xml.expected.ndjson`, a canonical message or `{"fault":REASON,"path":PLACE}` a line. A
    /// recording (`NAME.ndjson`) is an example too, with the content types that it holds. A format that is code has its examples
    /// beside a file that says which it is, by the keys of a source, such as `format = "g69"`.
    #[command(
        after_help = "Exit code: 0; 6 where anything differs, a mapping has no examples, or a rule finds no value in \
        any of them (unless it says `unseen = true`); 2 where a mapping is faulty.\n\n\
        Examples: samspor test config/mappings config/presets\n          \
        samspor test config/mappings/opus.toml --update\n          \
        samspor test --config gateway.toml --masked"
    )]
    Test(crate::mapping::Test),

    /// Say why a posting is or is not tagged, step by step.
    ///
    /// Prints its state as `replay` does, then whose it is (by which facts, without showing a number), each consent and
    /// whether it covers, each enrolment and why it won or lost, the rules, and what the feed said when and why. It asks the
    /// running gateway; where none listens it reads the store.
    #[command(after_help = "Exit code: 0; 4 if the posting is not known.\n\n\
        Example: samspor explain --config gateway.toml opus 2026-000123-1 --as-of 2026-04-01T00:00:00Z")]
    Explain(Explain),

    /// Show the balance: what came in equals what it became, and postings equal tagged and untagged, to the øre.
    #[command(
        after_help = "Exit code: 0 if everything balances, 5 if not; with --control, 5 if that control total differs."
    )]
    Reconcile(Reconcile),

    /// Propose correction vouchers that move what other areas bear to their accounts.
    ///
    /// A posting that is split between areas lies whole on the account that it was booked on. For each part that another
    /// area bears there are two lines: one takes it off where it was booked, one puts it on the account that the
    /// configuration names for that area. One voucher a month and solution; each balances. It is a proposal: nothing is
    /// sent, nothing of it is kept, and asked again it says what is right then. It reads the store's files, beside the gateway if that
    /// runs. With `--moves` it writes a voucher of a list
    /// of moves, such as the redistribution of a year that was decided. `docs/vouchers.md` says more.
    #[command(
        after_help = "Exit code: 0, also where there is nothing to correct; 2 where the configuration is faulty or \
        names no account for an area; 4 where the store knows no such solution; 1 otherwise.\n\n\
        Example: samspor vouchers --config gateway.toml --solution sb-familier --month 2026-03 --format g69 --out march.g69"
    )]
    Vouchers(crate::vouchers::Arguments),

    /// Look at the messages that were not understood, and decide what becomes of them.
    ///
    /// Each is kept whole and sealed, with its reason and place, and counts in the balance. When what was wrong is mended,
    /// `preview` freezes a set and says what would become of it, and `release` takes that set in. What nobody needs is
    /// discarded, with a reason.
    #[command(after_help = "Exit code: 0; 2 where the configuration is faulty; 1 otherwise.")]
    Quarantine(Quarantine),

    /// List and release changes of the registry that would change many postings.
    ///
    /// A fact that would change more postings than `engine.brake_postings` allows is held: postings that arrive are decided
    /// by it, and those that were decided before stay as they are until someone releases it. To refuse it, put a version of
    /// the fact that says what is right.
    Held {
        /// What to do.
        #[command(subcommand)]
        action: HeldAction,
    },

    /// List and release what targets do not get for now.
    ///
    /// A record that a target refuses or puts off again and again is parked, as soon as another one gets through, so that
    /// the rest goes on; one that was put off is tried again for a while, since that may be chance. A record of a month that the configuration says is closed is parked until the month is open again. A newer
    /// record of the same posting is tried in any case.
    Parked {
        /// What to do.
        #[command(subcommand)]
        action: ParkedAction,
    },

    /// List the consents whose references cannot all be one person's, and settle who is who.
    ///
    /// Such a consent reaches two CPR numbers that no change connects, or more than 64 references, and nothing is tagged
    /// by it. The list shows how many references it reaches, by form, and the facts that tie them together, by name. It
    /// shows no reference. If one number was changed to the other, `settle` says so to the running gateway. If the two
    /// are not one person, delete the identity, or correct the case or grant in its source, that says they are.
    #[command(after_help = "Exit code: 0.\n\n\
        Example: samspor conflicts settle --config gateway.toml --id I-2026-17 < numbers.txt")]
    Conflicts(Conflicts),

    /// Prove the audit log whole, and show who did what and who looked at whom.
    Audit {
        /// What to do.
        #[command(subcommand)]
        action: crate::audit::Action,
    },

    /// Show what is held on one citizen, and prove that a withdrawal was carried out.
    Citizen {
        /// What to do.
        #[command(subcommand)]
        action: crate::citizen::Action,
    },

    /// Print a script that completes this command's words in a shell.
    #[command(after_help = "Example: samspor completions bash > /etc/bash_completion.d/samspor")]
    Completions {
        /// The shell that reads it.
        shell: Shell,
    },
}

/// The configuration that a command works with.
#[derive(Debug, Args)]
pub(crate) struct Configured {
    /// The configuration, a file in TOML; `docs/configuration.md` says what may stand in it.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// What `status` shows.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Show it anew every two seconds, until Ctrl-C.
    #[arg(long, conflicts_with = "json")]
    pub(crate) watch: bool,
}

/// How `drain` drains.
#[derive(Debug, Args)]
pub(crate) struct Drain {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// Take in again instead.
    #[arg(long)]
    pub(crate) cancel: bool,
}

/// What is paused or resumed.
#[derive(Debug, Args)]
pub(crate) struct Component {
    /// What it is.
    #[arg(value_enum)]
    pub(crate) kind: ComponentKind,
    /// Its name in the configuration; readers of the feed have none.
    #[arg(required_if_eq_any([("kind", "source"), ("kind", "target")]))]
    pub(crate) name: Option<Text>,
    #[command(flatten)]
    pub(crate) configured: Configured,
}

/// What can be paused and resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ComponentKind {
    /// Where messages come from.
    Source,
    /// Where records go.
    Target,
    /// Readers that take the feed themselves, all of them.
    Feed,
}

/// What `targets` does.
#[derive(Debug, Subcommand)]
pub(crate) enum TargetsAction {
    /// Let a target get the newest record of every posting again, from a point of the feed on.
    ///
    /// For a receiver that lost its last days. The records have the revisions and message ids that they had, so a receiver that
    /// keeps the highest revision of each posting may well get more again than it lost. Receipts of what comes again are awaited
    /// anew. Where postings were purged since that point, it can only begin at the beginning.
    #[command(
        group(clap::ArgGroup::new("from").required(true)),
        after_help = "Exit code: 0; 1 where the target is not known or cannot get records again from there, or the gateway \
        cannot be reached; 2 where the configuration is faulty.\n\n\
        Example: samspor targets replay ledger --config gateway.toml --from-time 2026-03-11T00:00:00Z"
    )]
    Replay(TargetsReplay),
    /// Forget a target that is no longer configured.
    ///
    /// Its place in the feed, what it has, its receipts and what is parked of it are gone for good, and so are its lines in
    /// `samspor reconcile`. Interrupted, it goes on when it is told to again.
    #[command(
        after_help = "Exit code: 0; 1 where the target is configured or not known, or the gateway cannot be reached; 2 \
        where the configuration is faulty.\n\n\
        Example: samspor targets forget old-ledger --config gateway.toml"
    )]
    Forget(TargetsForget),
}

/// Which target gets records again, and from where.
#[derive(Debug, Args)]
pub(crate) struct TargetsReplay {
    /// Its name.
    pub(crate) name: Text,
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// From what was registered then: RFC 3339, without an offset Danish time.
    #[arg(long, value_name = "INSTANT", group = "from")]
    pub(crate) from_time: Option<String>,
    /// From the first record of the feed.
    #[arg(long, group = "from")]
    pub(crate) from_beginning: bool,
    /// From a cursor that a reader of the feed was given.
    #[arg(long, value_name = "CURSOR", group = "from")]
    pub(crate) from_cursor: Option<String>,
}

/// Which target is forgotten.
#[derive(Debug, Args)]
pub(crate) struct TargetsForget {
    /// Its name.
    pub(crate) name: Text,
    #[command(flatten)]
    pub(crate) configured: Configured,
}

/// What `check` checks.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// Hold it against the brokers as they are now.
    #[arg(long)]
    pub(crate) broker: bool,
    /// Print what the brokers show as JSON.
    #[arg(long, requires = "broker")]
    pub(crate) json: bool,
}

/// What `record` records.
#[derive(Debug, Args)]
pub(crate) struct Record {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// Record this source only; may be given several times. Without it: every source of the configuration.
    #[arg(long = "source", value_name = "NAME")]
    pub(crate) sources: Vec<Text>,
    /// How many messages of each queue at most.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) limit: u16,
    /// End when no queue has given anything for so many milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub(crate) wait_ms: u64,
    /// Write to this file, which must not be there yet, and which only you may read. Without it: to standard output.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// What `replay` plays.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// Keep the store here, and go on with what it holds. Without it a temporary one is used.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Recordings, one delivery a line, in the order in which they are played.
    #[arg(required = true, value_name = "RECORDING")]
    pub(crate) recordings: Vec<PathBuf>,
}

/// What `explain` explains.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// The store of a replay, instead of the configuration's own.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The source's name.
    pub(crate) source: Text,
    /// The posting's id.
    pub(crate) posting: Text,
    /// Answer with what was known then: RFC 3339, without an offset Danish time.
    #[arg(long, value_name = "INSTANT")]
    pub(crate) as_of: Option<String>,
}

/// What `reconcile` shows.
#[derive(Debug, Args)]
pub(crate) struct Reconcile {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// The store of a replay, instead of the configuration's own.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// List the postings of this target that are in the state of `--state`, instead of the balance.
    #[arg(long, value_name = "NAME", requires = "state")]
    pub(crate) target: Option<Text>,
    /// Which postings of the target.
    #[arg(long, requires = "target")]
    pub(crate) state: Option<TargetState>,
    /// List what came in of what this control total counts, by day and by posting, instead of the balance.
    #[arg(long, value_name = "ID", conflicts_with_all = ["target", "state"])]
    pub(crate) control: Option<Text>,
    /// How many postings at most, up to 10000.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
    /// Print JSON, with sums in øre as texts.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How far a posting's record has come at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TargetState {
    /// The target has not got the newest record yet.
    Waiting,
    /// The record is parked.
    Parked,
    /// Delivered to a target that gives no receipts.
    Delivered,
    /// Delivered, and the receipt is awaited.
    Awaiting,
    /// Accepted by the target's books.
    Accepted,
    /// Rejected by the target's books.
    Rejected,
    /// What the target has is not what is tagged, and nothing is on its way. There should be none.
    Difference,
}

/// What `quarantine` does.
#[derive(Debug, Args)]
pub(crate) struct Quarantine {
    /// What to do.
    #[command(subcommand)]
    pub(crate) action: crate::quarantine::arguments::Action,
}

/// What can be done with changes that are held.
#[derive(Debug, Subcommand)]
pub(crate) enum HeldAction {
    /// List what is held, and what it would change: by month, from which answer to which, how many and how much.
    List(HeldList),
    /// Let a held change happen, through the running gateway.
    Release(HeldRelease),
}

/// What `held list` lists.
#[derive(Debug, Args)]
pub(crate) struct HeldList {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// Print JSON, with sums in øre as texts.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `held release` releases.
#[derive(Debug, Args)]
pub(crate) struct HeldRelease {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// The number that `held list` shows.
    #[arg(long, value_name = "N")]
    pub(crate) number: i64,
    /// The version that `held list` shows, so that nothing else is released than what was looked at.
    #[arg(long, value_name = "N")]
    pub(crate) fact_version: i64,
}

/// What can be done with what is parked.
#[derive(Debug, Subcommand)]
pub(crate) enum ParkedAction {
    /// List what is parked: of which target, which posting, since when and why.
    List(ParkedList),
    /// Try again what a target refused, through the running gateway.
    Release(ParkedRelease),
}

/// What `parked list` lists.
#[derive(Debug, Args)]
pub(crate) struct ParkedList {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// Of this target only.
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Option<Text>,
    /// How many of each target at most.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(crate) limit: usize,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `parked release` releases.
#[derive(Debug, Args)]
pub(crate) struct ParkedRelease {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// Of this target.
    #[arg(long, value_name = "NAME")]
    pub(crate) target: Text,
    /// The record of one posting only: its source.
    #[arg(long, value_name = "NAME", requires = "posting")]
    pub(crate) source: Option<Text>,
    /// The record of one posting only: its id.
    #[arg(long, value_name = "ID", requires = "source")]
    pub(crate) posting: Option<Text>,
}

/// What `conflicts` does.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Conflicts {
    /// What to do; without it they are listed.
    #[command(subcommand)]
    pub(crate) action: Option<ConflictsAction>,
    /// There, unless an action has its own.
    #[command(flatten)]
    pub(crate) configured: Option<Configured>,
    /// The store of a replay, instead of the configuration's own.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What can be done about conflicts.
#[derive(Debug, Subcommand)]
pub(crate) enum ConflictsAction {
    /// Say that one CPR number was changed to another.
    ///
    /// It puts an identity (`cpr-change`) on the running gateway, through the gRPC address of the configuration. The two
    /// numbers, the old one and the new one, are read from a file or from standard input, a line each, and never from the
    /// command line, which shows in lists of processes.
    Settle(ConflictsSettle),
}

/// What `conflicts settle` settles.
#[derive(Debug, Args)]
pub(crate) struct ConflictsSettle {
    #[command(flatten)]
    pub(crate) configured: Configured,
    /// The identity's id, by which it can be corrected or deleted later: a case number, say. Another than those that
    /// are there.
    #[arg(long)]
    pub(crate) id: Text,
    /// The identity's version; the highest wins.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..))]
    pub(crate) fact_version: i64,
    /// Read the two numbers from this file instead of standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) numbers: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_argument_is_explained() {
        fn explained(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in
                command.get_arguments().filter(|a| !matches!(a.get_id().as_str(), "help" | "version"))
            {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(explained);
        }
        explained(&Cli::command());
    }
}
