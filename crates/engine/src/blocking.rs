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

/// Waits for something in a task of its own, and then does something with it that blocks. Whoever waits for the end may stop
/// looking, and nobody who waits for the same thing waits for them.
#[expect(clippy::disallowed_methods, reason = "whoever calls this waits for it")]
pub(crate) fn start_with<W: Send + 'static, T: Send + 'static>(
    wanted: impl Future<Output = W> + Send + 'static,
    work: impl FnOnce(W) -> T + Send + 'static,
) -> JoinHandle<Result<T, task::JoinError>> {
    task::spawn(async move {
        let wanted = wanted.await;
        start(async move { work(wanted) }).await
    })
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
