//! The way to a running gateway.

use std::time::Duration;

use tonic::transport::Endpoint;

pub use crate::v1::admin_service_client::AdminServiceClient;
pub use crate::v1::change_service_client::ChangeServiceClient;
pub use crate::v1::delivery_service_client::DeliveryServiceClient;
pub use crate::v1::intake_service_client::IntakeServiceClient;
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

/// Connects to a gateway at a URL such as `http://127.0.0.1:50461`. The clients of its services are made of the
/// channel, and it can be cloned for several.
///
/// # Errors
/// The URL is none, or nothing answers there.
pub async fn connect(url: &str) -> Result<Channel, ConnectError> {
    let failed = |source| ConnectError { url: url.to_owned(), source };
    Endpoint::from_shared(url.to_owned())
        .map_err(failed)?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .connect()
        .await
        .map_err(failed)
}
