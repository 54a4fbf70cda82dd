//! Work that blocks the thread it runs on: the writer, and reading beside it. It goes to threads of its own.
//!
//! On a runtime of one thread there are none to give it to, and it takes its turn with everything else. So a test runs the
//! gateway with time that stands still while anything is left to do, and the same happens whenever it is run again.

use std::future::Future;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::{self, JoinHandle};

/// Whether all tasks take turns on one thread.
fn takes_turns() -> bool {
    matches!(Handle::current().runtime_flavor(), RuntimeFlavor::CurrentThread)
}

/// Does something that blocks in the middle of a task.
pub(crate) fn in_place<T>(work: impl FnOnce() -> T) -> T {
    if takes_turns() { work() } else { task::block_in_place(work) }
}

/// Starts a task that blocks whenever it runs.
#[expect(clippy::disallowed_methods, reason = "whoever calls this waits for it")]
pub(crate) fn start<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    if takes_turns() {
        task::spawn(work)
    } else {
        let runtime = Handle::current();
        task::spawn_blocking(move || runtime.block_on(work))
    }
}
