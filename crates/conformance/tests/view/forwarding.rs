//! The embedded store passes the suite of the logs of what passes on.

use samspor_conformance::forwarding;
use samspor_sqlite::Sqlite;

use crate::stage::directory;

#[test]
fn the_logs_of_what_passes_on_are_kept_as_they_must_be() {
    let directory = directory();
    let open = || Ok(Box::new(Sqlite::open(directory.path())?) as Box<dyn samspor_domain::store::Store>);
    forwarding(&open).unwrap_or_else(|failure| panic!("{failure}"));
}
