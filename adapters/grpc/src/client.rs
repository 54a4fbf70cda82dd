//! The way to a running gateway.

use std::error::Error as _;
use std::time::Duration;

use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};
use tonic_prost::ProstCodec;

use crate::question::Question;

pub use crate::v1::audit_service_client::AuditServiceClient;
pub use crate::v1::change_service_client::ChangeServiceClient;
pub use crate::v1::citizen_service_client::CitizenServiceClient;
pub use crate::v1::explain_service_client::ExplainServiceClient;
pub use crate::v1::feed_service_client::FeedServiceClient;
pub use crate::v1::intake_service_client::IntakeServiceClient;
pub use crate::v1::keys_service_client::KeysServiceClient;
pub use crate::v1::operations_service_client::OperationsServiceClient;
pub use crate::v1::quarantine_service_client::QuarantineServiceClient;
pub use crate::v1::reconciliation_service_client::ReconciliationServiceClient;
pub use crate::v1::registry_service_client::RegistryServiceClient;
pub use crate::v1::sources_service_client::SourcesServiceClient;
pub use crate::v1::targets_service_client::TargetsServiceClient;
pub use tonic::codec::CompressionEncoding;
pub use tonic::transport::Channel;
pub use tonic::{Code, Request, Response, Status};
pub use tonic_health::pb::health_client::HealthClient;
pub use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus};
pub use tonic_types::StatusExt;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a silent gateway is asked whether it lives, while calls are open.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// The gateway cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nothing answers there, or what the key holds cannot be used.
    #[error("cannot connect to the gateway at {url}; is it running, and does its configuration have [grpc]?")]
    Unreachable {
        /// Where it should be.
        url: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// The token could not be sent as it is. It is not quoted.
    #[error(
        "the token of [client] is none: it has letters, digits and `-._~+/=` only, without blanks, quotes or the word `Bearer`"
    )]
    Token,
}

impl ConnectError {
    /// Whether nobody listens there.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        let mut cause = self.source();
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<std::io::Error>() {
                return error.kind() == std::io::ErrorKind::ConnectionRefused;
            }
            cause = error.source();
        }
        false
    }
}

/// The largest answer to a question that is taken: the longest list that may be asked for, and room to spare.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Asks the gateway what its store says.
///
/// # Errors
/// What the gateway answers instead.
pub async fn ask<Q: Question>(way: Way, question: Q) -> Result<Q::Answer, Status> {
    let mut client = tonic::client::Grpc::new(way).max_decoding_message_size(MAX_ANSWER_BYTES);
    client.ready().await.map_err(|error| Status::from_error(error.into()))?;
    let (codec, path) = (ProstCodec::<Q, Q::Answer>::default(), PathAndQuery::from_static(Q::METHOD));
    Ok(client.unary(Request::new(question), path, codec).await?.into_inner())
}

/// How to get through a gateway's door.
#[derive(Clone, Default)]
pub struct Key {
    /// Who signs the gateway's certificate, in PEM; whom the machine trusts where there is none.
    pub ca: Option<String>,
    /// The certificate and private key to show, in PEM.
    pub identity: Option<(String, String)>,
    /// A bearer token.
    pub token: Option<String>,
}

/// A channel whose calls carry what the key holds.
pub type Way = InterceptedService<Channel, Bearer>;

/// Puts a token on each call, if there is one.
#[derive(Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// The same as [`connect`] with a key.
///
/// # Errors
/// The URL or what the key holds cannot be used, or nothing answers there. Whether the gateway takes the key shows at the
/// first call.
pub async fn connect_with(url: &str, key: &Key) -> Result<Way, ConnectError> {
    let token = key.token.as_deref().map(bearer).transpose()?;
    let failed = |source| ConnectError::Unreachable { url: url.to_owned(), source };
    let mut endpoint = endpoint(url).map_err(failed)?;
    if url.starts_with("https:") {
        let mut tls = ClientTlsConfig::new();
        tls = match &key.ca {
            Some(ca) => tls.ca_certificate(Certificate::from_pem(ca)),
            None => tls.with_native_roots(),
        };
        if let Some((certificate, key)) = &key.identity {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        endpoint = endpoint.tls_config(tls).map_err(failed)?;
    }
    let channel = endpoint.connect().await.map_err(failed)?;
    Ok(InterceptedService::new(channel, Bearer(token)))
}

/// A token as calls carry it (RFC 6750, 2.1).
fn bearer(token: &str) -> Result<MetadataValue<Ascii>, ConnectError> {
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(is_one) {
        return Err(ConnectError::Token);
    }
    let mut value: MetadataValue<Ascii> =
        format!("Bearer {token}").parse().map_err(|_| ConnectError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Connects to a gateway at a URL such as `http://127.0.0.1:50461`. The clients of its services are made of the
/// channel, and it can be cloned for several.
///
/// # Errors
/// The URL is none, or nothing answers there.
pub async fn connect(url: &str) -> Result<Channel, ConnectError> {
    let failed = |source| ConnectError::Unreachable { url: url.to_owned(), source };
    endpoint(url).map_err(failed)?.connect().await.map_err(failed)
}

fn endpoint(url: &str) -> Result<Endpoint, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(url.to_owned())?;
    Ok(endpoint.connect_timeout(CONNECT_TIMEOUT).http2_keep_alive_interval(KEEP_ALIVE_INTERVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_that_is_none_is_told_and_not_left_out() {
        for token in ["", "two words", "Bearer abc", "\"abc\"", "abc\ndef", "Økonomi", "\u{feff}abc"] {
            let key = Key { token: Some(token.into()), ..Key::default() };
            let told = connect_with("http://127.0.0.1:1", &key).await.map(drop).expect_err("none");
            assert!(matches!(told, ConnectError::Token), "{token}: {told}");
            assert!(!told.to_string().contains("abc"), "{told}");
        }
        assert!(bearer("eyJhbGciOiJFUzI1NiJ9.e30.c2ln-_~+/=").is_ok());
    }
}
