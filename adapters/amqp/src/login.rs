//! Who logs in: whom the URL names, or the holder of a token, shown as the response of SASL EXTERNAL.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lapin::ErrorKind;
use lapin::auth::AuthProvider;
use lapin::types::LongString;
use samspor_domain::{Credential, Credentials, Refusal};

/// The code of AMQP by which a broker refuses a login.
const ACCESS_REFUSED: u16 = 403;

/// By what the gateway logs in.
#[derive(Clone, Default)]
pub enum Login {
    /// User and password of the URL (SASL PLAIN).
    #[default]
    Url,
    /// A credential whose bytes are the response of SASL EXTERNAL. One that the broker does not accept is given back as
    /// refused.
    Token(Arc<dyn Credentials>),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "Url",
            Self::Token(_) => "Token",
        })
    }
}

/// Two who have tokens are the same only if they are one.
impl PartialEq for Login {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Url, Self::Url) => true,
            (Self::Token(one), Self::Token(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Eq for Login {}

/// A credential for one attempt to log in.
#[derive(Clone)]
pub(crate) struct Attempt {
    credential: Credential,
    /// Whether the broker was shown it.
    is_shown: Arc<AtomicBool>,
}

impl Attempt {
    pub(crate) fn new(credential: Credential) -> Self {
        Self { credential, is_shown: Arc::default() }
    }

    /// The attempt failed by this. Where the broker had seen the credential, whether another one is shown next time.
    pub(crate) fn failed(&self, credentials: &dyn Credentials, error: &lapin::Error) -> Option<bool> {
        let refusal = match error.kind() {
            ErrorKind::ProtocolError(error) if error.get_id() == ACCESS_REFUSED => Refusal::Said,
            _ => Refusal::Guessed,
        };
        let is_shown = self.is_shown.load(Ordering::Relaxed);
        is_shown.then(|| credentials.refused(&self.credential, refusal))
    }

    /// The broker let it in.
    pub(crate) fn succeeded(&self, credentials: &dyn Credentials) {
        credentials.accepted(&self.credential);
    }
}

impl AuthProvider for Attempt {
    fn auth_starter(&self) -> Result<LongString, String> {
        self.is_shown.store(true, Ordering::Relaxed);
        Ok(LongString::from(self.credential.reveal().as_ref()))
    }
}
