//! The way to a running gateway.

use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

pub use crate::v1::admin_service_client::AdminServiceClient;
pub use crate::v1::change_service_client::ChangeServiceClient;
pub use crate::v1::delivery_service_client::DeliveryServiceClient;
pub use crate::v1::feed_service_client::FeedServiceClient;
pub use crate::v1::intake_service_client::IntakeServiceClient;
pub use crate::v1::keys_service_client::KeysServiceClient;
pub use crate::v1::quarantine_service_client::QuarantineServiceClient;
pub use crate::v1::registry_service_client::RegistryServiceClient;
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
#[error("cannot connect to the gateway at {url}; is it running, and does its configuration have [grpc]?")]
pub struct ConnectError {
    url: String,
    source: tonic::transport::Error,
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
    let failed = |source| ConnectError { url: url.to_owned(), source };
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
    let token = key.token.as_ref().and_then(|token| {
        let mut value: MetadataValue<Ascii> = format!("Bearer {token}").parse().ok()?;
        value.set_sensitive(true);
        Some(value)
    });
    let channel = endpoint.connect().await.map_err(failed)?;
    Ok(InterceptedService::new(channel, Bearer(token)))
}

/// Connects to a gateway at a URL such as `http://127.0.0.1:50461`. The clients of its services are made of the
/// channel, and it can be cloned for several.
///
/// # Errors
/// The URL is none, or nothing answers there.
pub async fn connect(url: &str) -> Result<Channel, ConnectError> {
    let failed = |source| ConnectError { url: url.to_owned(), source };
    endpoint(url).map_err(failed)?.connect().await.map_err(failed)
}

fn endpoint(url: &str) -> Result<Endpoint, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(url.to_owned())?;
    Ok(endpoint.connect_timeout(CONNECT_TIMEOUT).http2_keep_alive_interval(KEEP_ALIVE_INTERVAL))
}
