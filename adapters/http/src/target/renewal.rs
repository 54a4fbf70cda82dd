//! Settings that are read again at each connect: tokens of many issuers last for minutes, and certificates are renewed too.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use samspor_domain::LinkError;

use super::Settings;

/// Why settings could not be read. Its text tells of no secret.
pub type Cause = Box<dyn Error + Send + Sync>;

/// How they are read.
pub(super) struct Renewal(Arc<dyn Fn() -> Result<Settings, Cause> + Send + Sync>);

impl Renewal {
    pub(super) fn new(read: impl Fn() -> Result<Settings, Cause> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The settings as they are now.
    #[expect(
        clippy::disallowed_methods,
        reason = "it reads some small files, and whoever connects waits for it"
    )]
    pub(super) async fn read(&self) -> Result<Settings, LinkError> {
        let read = Arc::clone(&self.0);
        let read = tokio::task::spawn_blocking(move || read()).await;
        // What a panic says may quote a secret, so it is not passed on.
        read.map_err(|_| failed("it broke; please report it".into()))?.map_err(failed)
    }
}

/// The failure to connect by settings that cannot be read, or by which nobody can be asked.
pub(super) fn failed(source: Cause) -> LinkError {
    let doing = "reading the token and the certificates again".to_owned();
    LinkError { doing, source: Some(source) }
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renewal")
    }
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn what_broke_quotes_nothing() {
        let renewal = super::Renewal::new(|| panic!("a-token-of-the-ledger"));
        let error = renewal.read().await.map(|_| ()).expect_err("it broke");
        let said = format!("{error:?} {error} {}", error.source.as_ref().expect("why"));
        assert!(said.contains("it broke") && !said.contains("a-token"), "{said}");
    }
}
