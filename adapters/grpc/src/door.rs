//! The door: it finds out who calls, by certificate or token, and lets in who may. Everything is denied unless granted.

use std::collections::BTreeSet;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::Either;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use rustls::ServerConfig;
use samspor_domain::SourceName;
use tokio::sync::watch;
use tonic::Status;
use tower::{Layer, Service};

use crate::caller::{Caller, Role};
use crate::origin::Origin;
use crate::rates::Rates;
use crate::rights::{self, Right};
use crate::tls::{self, TlsError};
use crate::tokens::{self, KeysError, Tokens};
use crate::turned_away::{TurnedAway, Why};
use crate::{refusal, wire};

/// By what a caller is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A name in its certificate: `uri:…`, `dns:…` or `subject:…`.
    Certificate(String),
    /// The `sub` of its token.
    Token(String),
}

/// A caller that the configuration knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What it is called, in the audit and to others.
    pub name: String,
    /// By what it is known.
    pub identity: Identity,
    /// What it may do.
    pub roles: BTreeSet<Role>,
    /// As which sources it may send, if it may.
    pub sources: BTreeSet<SourceName>,
}

/// What a door is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// TLS; without it connections are in clear text, and from this machine alone.
    pub tls: Option<tls::Settings>,
    /// Which tokens are taken; none without it.
    pub tokens: Option<tokens::Settings>,
    /// Who may call.
    pub callers: Vec<Known>,
}

/// Why there is no such door.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// TLS cannot be had.
    #[error("grpc.tls: {0}")]
    Tls(#[from] TlsError),
    /// No token could be verified.
    #[error("grpc.tokens: {0}")]
    Keys(#[from] KeysError),
}

/// Who is let in.
#[derive(Default)]
pub struct Door {
    settings: Option<Settings>,
    tls: Option<Arc<ServerConfig>>,
    lock: Option<Lock>,
}

/// How callers are known; where there is none, anyone is let in.
struct Lock {
    tokens: Option<Tokens>,
    callers: Vec<Known>,
}

impl Door {
    /// One that lets in anyone, for loopback alone.
    #[must_use]
    pub fn open() -> Self {
        Self::default()
    }

    /// One that lets in whom the settings name.
    ///
    /// # Errors
    /// A certificate, a key or the tokens' keys cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, DoorError> {
        let tokens = settings.tokens.as_ref().map(Tokens::new).transpose()?;
        let tls = settings.tls.as_ref().map(|tls| tls::config(tls, tokens.is_some())).transpose()?;
        let lock = Some(Lock { tokens, callers: settings.callers.clone() });
        Ok(Self { settings: Some(settings.clone()), tls, lock })
    }

    /// Whether it lets in the same callers by the same certificates and keys.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.settings == other.settings
    }

    /// Who signs the certificates of those who are let in.
    pub(crate) fn client_ca(&self) -> Option<&str> {
        self.settings.as_ref()?.tls.as_ref()?.client_ca.as_deref()
    }

    /// The front's side of TLS, if connections have it.
    pub(crate) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.clone()
    }

    /// Who calls, if who it is may call that method.
    fn enter(&self, path: &str, peer: &wire::Peer, headers: &HeaderMap) -> Result<Caller, Status> {
        let Some(lock) = &self.lock else { return Ok(Caller::anyone()) };
        let right = rights::of(path);
        if right == Some(Right::Anyone) {
            let known = lock.who(peer, headers);
            return Ok(known.map_or_else(|_| Caller::nobody(), Caller::known));
        }
        let known = lock.who(peer, headers).map_err(|why| refusal::unauthenticated(&why))?;
        let granted = match right {
            Some(Right::Anyone | Right::Known) => true,
            Some(Right::Roles(roles)) => roles.iter().any(|role| known.roles.contains(role)),
            None => false,
        };
        if !granted {
            let roles: &[Role] = if let Some(Right::Roles(roles)) = right { roles } else { &[] };
            return Err(refusal::denied(&known.name, roles));
        }
        Ok(Caller::known(known))
    }
}

impl Lock {
    /// Who calls. A token, where there is one, says it; otherwise the certificate.
    fn who(&self, peer: &wire::Peer, headers: &HeaderMap) -> Result<&Known, String> {
        let known = |identity: &dyn Fn(&Identity) -> bool| {
            self.callers.iter().find(|known| identity(&known.identity))
        };
        if let Some(given) = headers.get(AUTHORIZATION) {
            let Some(tokens) = &self.tokens else {
                return Err("a token was given, and the gateway takes none; it has no [grpc.tokens]".into());
            };
            let given = given.to_str().unwrap_or_default();
            let token =
                given.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer ")).map(|_| &given[7..]);
            let token = token.ok_or("the authorization is no bearer token")?;
            let subject = tokens.subject(token.trim()).map_err(|error| error.to_string())?;
            return known(&|identity| *identity == Identity::Token(subject.clone()))
                .ok_or_else(|| "the token is good, and its `sub` is none of [[grpc.callers]]".into());
        }
        if peer.names.is_empty() {
            return Err("who calls is not known: give a client certificate or a bearer token".into());
        }
        let is_named = |identity: &Identity| match identity {
            Identity::Certificate(name) => peer.names.contains(name),
            Identity::Token(_) => false,
        };
        let mut all = self.callers.iter().filter(|known| is_named(&known.identity));
        if let (Some(one), Some(other)) = (all.next(), all.next()) {
            return Err(format!(
                "the certificate has names of several of [[grpc.callers]], such as {} and {}: it is not known which one calls",
                one.name, other.name
            ));
        }
        known(&is_named).ok_or_else(|| {
            format!(
                "the certificate is good, and none of its names is one of [[grpc.callers]]: {}",
                peer.names.join(", ")
            )
        })
    }
}

/// Puts the door, as it is at each call, before services.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) doors: watch::Receiver<Arc<Door>>,
    pub(crate) rates: Arc<Rates>,
    pub(crate) turned_away: Arc<TurnedAway>,
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { guard: self.clone(), inner }
    }
}

impl Guard {
    /// Counts a call against the rate of who makes it: that of its address where that is not known. What does not come in is
    /// counted too, and told of in the log.
    fn counted(
        &self,
        entered: Result<Caller, Status>,
        path: &str,
        peer: &wire::Peer,
    ) -> Result<(Caller, Origin), Status> {
        let is_named = |caller: &&Caller| caller.is_known() && caller.sources.is_some();
        let origin = match entered.as_ref().ok().filter(is_named) {
            Some(caller) => Origin::Caller(Arc::clone(&caller.name)),
            None => Origin::at(peer.address),
        };
        if let Err(wait) = self.rates.call(&origin) {
            self.turned_away.note(Why::Rate, &format_args!("{} from {}", rights::name(path), peer.address));
            return Err(refusal::rate_limited(wait));
        }
        entered.map(|caller| (caller, origin)).inspect_err(|status| {
            let is_denied = status.code() == tonic::Code::PermissionDenied;
            let why = if is_denied { Why::Denied } else { Why::Unauthenticated };
            // What a certificate or a token says may be a person's name.
            self.turned_away.note(why, &format_args!("{} from {}", rights::name(path), peer.address));
        })
    }
}

/// The door through which a call came. A call that goes on for long ends when it is replaced: who it is and what it may do is
/// asked when it comes again.
#[derive(Clone)]
pub(crate) struct Entered(watch::Receiver<Arc<Door>>);

impl Entered {
    /// That of a call; none where it passed none, and then nothing replaces it.
    pub(crate) fn of<T>(request: &tonic::Request<T>) -> Option<Self> {
        request.extensions().get().cloned()
    }

    pub(crate) fn is_replaced(&self) -> bool {
        self.0.has_changed().unwrap_or(false)
    }

    /// Waits until it is replaced.
    pub(crate) async fn replaced(&mut self) {
        match self.0.changed().await {
            Ok(()) => self.0.mark_changed(), // It stays replaced, however often that is asked.
            Err(_) => std::future::pending().await, // Nobody replaces it any more.
        }
    }
}

/// A service behind the door.
#[derive(Clone)]
pub(crate) struct Guarded<S> {
    guard: Guard,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<Ready<Result<S::Response, S::Error>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mut doors = self.guard.doors.clone();
        let door = Arc::clone(&doors.borrow_and_update());
        let nameless = wire::Peer::default();
        let peer = request.extensions().get().unwrap_or(&nameless);
        let entered = door.enter(request.uri().path(), peer, request.headers());
        match self.guard.counted(entered, request.uri().path(), peer) {
            Ok((caller, origin)) => {
                // What services do must not depend on a token.
                request.headers_mut().remove(AUTHORIZATION);
                request.extensions_mut().insert(caller);
                request.extensions_mut().insert(origin);
                request.extensions_mut().insert(Entered(doors));
                Either::Right(self.inner.call(request))
            }
            Err(status) => Either::Left(ready(Ok(status.into_http()))),
        }
    }
}
