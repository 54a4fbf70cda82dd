//! The way to the running gateway, for every command that speaks with it.

use std::error::Error as _;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use samspor_grpc::client::{Key, Status, Way, connect_with};
use secrecy::ExposeSecret;

use crate::config::Config;

/// Where the gateway listens, as `[client]` and `[grpc]` say; none where neither does.
pub(crate) fn url(config: &Config) -> Option<String> {
    let of_grpc = || {
        let grpc = config.grpc.as_ref()?;
        let has_tls = grpc.door.as_ref().is_some_and(|door| door.tls.is_some());
        Some(format!("{}://{}", if has_tls { "https" } else { "http" }, grpc.listen))
    };
    config.client.url.clone().or_else(of_grpc)
}

/// Connects, as `[client]` says.
pub(crate) async fn connect(config: &Config) -> Result<Way> {
    let client = &config.client;
    let url = url(config).context(
        "the configuration has neither [grpc] nor a `url` in [client], which are the way to the running gateway",
    )?;
    let read = |path: &Path| {
        std::fs::read_to_string(path).with_context(|| format!("cannot read the file {}", path.display()))
    };
    let identity = match &client.certificate {
        Some((certificate, key)) => Some((read(certificate)?, key.read()?.expose_secret().to_owned())),
        None => None,
    };
    let token = client.token.as_ref().map(|token| token.read()).transpose()?;
    let token = token.map(|token| token.expose_secret().to_owned());
    let ca = client.ca_file.as_deref().map(read).transpose()?;
    Ok(connect_with(&url, &Key { ca, identity, token }).await?)
}

/// A status's message alone: what else it shows is for programs. Where the connection broke before the gateway said
/// anything, it may be that it did not like the certificate, or that there was none.
pub(crate) fn refused(status: &Status) -> anyhow::Error {
    let mut last = status.source();
    while let Some(deeper) = last.and_then(|error| error.source()) {
        last = Some(deeper);
    }
    match last {
        Some(last) => anyhow!(
            "the gateway did not answer: {last}; if it wants a certificate, [client] in the configuration names the one to show"
        ),
        None => anyhow!("the gateway refused: {}", status.message()),
    }
}

/// A runtime for one command.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
