//! The client library's log, which quotes what it sends and receives, is not written for the gateway's connections.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use samspor_domain::{Source as _, Target as _};
use samspor_harness::client::{Client, Message};
use samspor_harness::rabbitmq;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::prelude::*;

use crate::{bodies, new_source, new_target, next, outgoing, source_settings, target_settings};

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
/// Whether anything is written at the moment: the other tests of this process share its log.
static RECORDING: AtomicBool = AtomicBool::new(false);

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether the log holds a text, as such or as the list of its bytes.
fn logged(text: &str) -> bool {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    let log = String::from_utf8_lossy(&log);
    let bytes = format!("{:?}", text.as_bytes());
    log.contains(text) || log.contains(bytes.trim_matches(['[', ']']))
}

#[tokio::test]
async fn nothing_of_a_message_is_logged() -> anyhow::Result<()> {
    let url = rabbitmq::shared().await?.vhost().await?;
    let source = new_source(&url, source_settings())?;
    drop(source.subscribe().await?);
    let client = Client::connect(&url).await?;
    client.publish("in", [Message::from("received-by-the-gateway")]).await?;
    let mut publisher = new_target(&url, target_settings())?.connect().await?;
    client.delete("out").await?;
    // As verbose as it gets, with what the client library says in all tests that run meanwhile.
    let recording = dynamic_filter_fn(|_, _| RECORDING.load(Ordering::Relaxed));
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| Log).with_filter(recording);
    tracing_subscriber::registry().with(layer).init();
    RECORDING.store(true, Ordering::Relaxed);

    assert_eq!(bodies(&next(&mut source.subscribe().await?).await?), ["received-by-the-gateway"]);
    let mut returned = outgoing("returned-to-the-gateway");
    returned.body = "returned-to-the-gateway".into();
    publisher.publish(vec![returned]).await?.await?;
    // The positive control: without the gateway's care it is logged: this client takes none.
    assert!(client.publish("out", [Message::from("returned-to-another")]).await.is_err());
    RECORDING.store(false, Ordering::Relaxed);
    assert!(logged("returned-to-another"));
    assert!(!logged("received-by-the-gateway"));
    assert!(!logged("returned-to-the-gateway"));
    Ok(())
}
