//! The keys service: which keys the store is under, and their replacement.

use samspor_domain::audit::Action;
use samspor_engine::{Handle, Rekeying, keys_held};
use tonic::{Request, Response, Status};

use crate::v1::keys_service_server::KeysService;
use crate::v1::{GetKeysRequest, GetKeysResponse, KeyRotation, RotateKeysRequest, RotateKeysResponse};
use crate::{audit, refusal};

/// The service, on the way to the engine.
pub(crate) struct Keys {
    pub(crate) handle: Handle,
}

#[tonic::async_trait]
impl KeysService for Keys {
    async fn get_keys(&self, _: Request<GetKeysRequest>) -> Result<Response<GetKeysResponse>, Status> {
        let held = self.handle.read(keys_held).await.map_err(|error| refusal::unavailable(&error))?;
        Ok(Response::new(GetKeysResponse {
            master_key_id: held.master,
            generation: held.generation.0.into(),
            rotation: held.rekeying.map(rotation),
        }))
    }

    async fn rotate_keys(
        &self,
        request: Request<RotateKeysRequest>,
    ) -> Result<Response<RotateKeysResponse>, Status> {
        let entry = audit::told(&request, Action::RotateKeys, audit::part("keys"));
        let begun = self.handle.audited(entry).rotate_keys().await;
        let begun = begun.map_err(|error| refusal::unavailable(&error))?;
        let begun = begun.map_err(|why| refusal::not_rotated(&why))?;
        Ok(Response::new(RotateKeysResponse { rotation: Some(rotation(begun)) }))
    }
}

fn rotation(rekeying: Rekeying) -> KeyRotation {
    KeyRotation {
        generation: rekeying.generation.into(),
        since: rekeying.since.to_string(),
        done: rekeying.done,
        rows: rekeying.rows,
    }
}
