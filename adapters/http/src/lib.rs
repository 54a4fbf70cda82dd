//! Targets over HTTP; what is asked over it: the management interface of RabbitMQ, and tokens; and the client by which spans
//! are sent.

pub mod collector;
pub mod management;
pub mod target;
pub mod token;

use std::time::Duration;

/// How everything here is asked: of the very machine that is named, and of nobody that it, or the environment, would
/// send to.
fn client(connect_timeout: Duration, timeout: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(connect_timeout)
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
}
