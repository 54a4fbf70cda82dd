//! Work on files, which blocks its thread: it goes to threads of its own, and whoever gives it there waits for it.

use samspor_domain::LinkError;
use tokio::task::JoinHandle;

use crate::failed;

/// Work that has been begun. It ends by itself, waited for or not, and never with half a file in its place.
pub(crate) type Work<T> = JoinHandle<T>;

/// Begins some work.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever calls this waits for it, and every step of it has an end"
)]
pub(crate) fn begin<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Work<T> {
    tokio::task::spawn_blocking(work)
}

/// Waits for some work. Dropping the future loses nothing: the next one waits for the same work.
pub(crate) async fn end<T>(work: &mut Work<T>) -> Result<T, LinkError> {
    work.await.map_err(|error| failed("working on files", error))
}
