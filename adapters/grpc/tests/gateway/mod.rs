//! An engine on a store of its own, with a front on a free port.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use samspor_domain::store::Read;
use samspor_domain::{
    Body, Case, Charts, CitizenRef, Clock, Cpr, Fact, Kind, Message, Posting, SourceName, Span, State, Text,
};
use samspor_engine::{Became, Control, Core, Gateway, Handle, Prepared, Status};
use samspor_grpc::{Door, Server, Settings, WriteState};
use samspor_sqlite::Sqlite;
use samspor_vault::{Master, Vault};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Within this everything ends, or a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A test that waits for this fails.
pub(crate) const NEVER: Duration = Duration::from_secs(60 * 60);

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_773_500_000).expect("an instant")
    }
}

/// The keys of all these gateways.
pub(crate) fn vault() -> Arc<Vault> {
    Arc::new(Vault::new(&Master::from_hex(&"42".repeat(32)).expect("a key")))
}

/// A gateway without sources and targets.
pub(crate) fn start(directory: &Path) -> Gateway {
    let store = Sqlite::open(directory).expect("a new store");
    let core = Core::open(Box::new(store), vault(), Charts::default(), 100).expect("opens");
    Gateway::start(core, Arc::new(Fixed), vec![], vec![]).expect("starts")
}

/// The usual settings on a free port, but for keep-alive, which would end what a test says must end otherwise.
pub(crate) fn settings() -> Settings {
    Settings { keep_alive_interval: NEVER, ..Settings::new(SocketAddr::from(([127, 0, 0, 1], 0))) }
}

/// A front that serves.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
    directory: tempfile::TempDir,
    gateway: Gateway,
}

impl Front {
    pub(crate) fn handle(&self) -> Handle {
        self.gateway.handle()
    }

    pub(crate) fn control(&self) -> Control {
        self.gateway.control()
    }

    pub(crate) fn status(&self) -> Status {
        self.gateway.status()
    }

    /// A reader beside the writer.
    pub(crate) fn reader(&self) -> Box<dyn Read> {
        Box::new(Sqlite::open_reader(self.directory.path()).expect("the store is there"))
    }

    /// Takes in a posting.
    pub(crate) async fn post(&self, source: &str, id: &str, cpr: &str, date: &str) {
        let posting = Posting {
            id: Text::new(id).expect("an id"),
            date: date.parse().expect("a date"),
            account: "5.28.21".parse().expect("an account"),
            grouping: None,
            cost_centre: None,
            amount: "100".parse().expect("an amount"),
            citizen: Some(CitizenRef::Cpr(Cpr::parse(cpr).expect("a number"))),
            grant: None,
            voucher: None,
            reverses: None,
        };
        let source = SourceName::new(source).expect("a name");
        let item = Prepared::from_caller(source, Message::Posting(posting), vec![].into());
        assert_eq!(self.handle().take_in(vec![item]).await.expect("taken in"), [Became::Posting]);
    }

    /// Takes in a case.
    pub(crate) async fn take_case(&self, source: &str, id: &str, cpr: &str) {
        let citizen = CitizenRef::Cpr(Cpr::parse(cpr).expect("a number"));
        let body = Body::Case(Case { citizen, area: None, kle: None, status: None, span: Span::default() });
        let id = Text::new(id).expect("an id");
        let fact = Fact { kind: Kind::Case, id, version: 1, state: State::Live(body) };
        let source = SourceName::new(source).expect("a name");
        let item = Prepared::from_caller(source, Message::Fact(fact), vec![].into());
        assert_eq!(self.handle().take_in(vec![item]).await.expect("taken in"), [Became::Fact]);
    }

    /// Waits until the work list is empty.
    pub(crate) async fn work_is_done(&self) {
        let mut reader = self.reader();
        while reader.pending_work().expect("the store answers") > 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// Runs a test against a front, stops that and the engine, and checks that both end.
pub(crate) async fn with_front<T>(settings: Settings, test: impl AsyncFnOnce(&Front) -> T) -> T {
    with_door(settings, watch::channel(Arc::new(Door::open())).1, test).await
}

/// The same behind a door.
pub(crate) async fn with_door<T>(
    settings: Settings,
    doors: watch::Receiver<Arc<Door>>,
    test: impl AsyncFnOnce(&Front) -> T,
) -> T {
    with_server(|gateway| Server::new(settings, gateway.control()).behind(doors), test).await
}

/// The same that writes states of postings.
pub(crate) async fn with_stating<T>(
    settings: Settings,
    write_state: WriteState,
    test: impl AsyncFnOnce(&Front) -> T,
) -> T {
    with_server(|gateway| Server::new(settings, gateway.control()).writing_states(write_state), test).await
}

async fn with_server<T>(server: impl FnOnce(&Gateway) -> Server, test: impl AsyncFnOnce(&Front) -> T) -> T {
    let directory = tempfile::tempdir().expect("a directory");
    let gateway = start(directory.path());
    let server = server(&gateway);
    let bound = server.bind().await.expect("a free port");
    let address = bound.local_addr();
    let front = Front { address, url: format!("http://{address}"), directory, gateway };

    let stop = CancellationToken::new();
    let both = async {
        tokio::join!(bound.serve(stop.cancelled()), async {
            let value = test(&front).await;
            stop.cancel();
            value
        })
    };
    let (served, value) = tokio::time::timeout(DEADLINE, both).await.expect("the front ends");
    served.expect("the front ends well");
    front.gateway.stop(DEADLINE).await.expect("no handle is left, so the engine ends");
    value
}
