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
    // What a panic says may quote a file, so it is not passed on.
    work.await.map_err(|_| failed("working on files", "it broke; please report it"))
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn what_broke_quotes_nobody() {
        let mut work = super::begin(|| panic!("6112801234"));
        let error = super::end::<()>(&mut work).await.expect_err("it broke");
        let said = format!("{error:?} {error} {}", error.source.as_ref().expect("why"));
        assert!(said.contains("it broke") && !said.contains("6112801234"), "{said}");
    }
}
