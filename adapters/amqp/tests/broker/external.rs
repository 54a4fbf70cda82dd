//! A login by certificate and token at RabbitMQ's own TLS, with no stand-in between: its SASL EXTERNAL, and how long a login
//! it takes.

use samspor_domain::Refusal;
use samspor_harness::rabbitmq::{Node, Options};
use samspor_harness::receiver::Certificates;

use crate::distributor::{Shown, source, tls};
use crate::error;

#[tokio::test]
async fn rabbitmq_takes_a_login_by_token_as_long_as_its_first_frame_may_be() -> anyhow::Result<()> {
    let own = Certificates::make().await?;
    let others = Certificates::make().await?;
    let certificates = Some(own.path("ca.pem").parent().map(Into::into).unwrap_or_default());
    let node = Node::temporary(Options { certificates, ..Options::default() }).await?;
    let url = node.tls_url();
    // Nobody there reads the token: it is the certificate that lets in.
    let short = Shown::new("<Assertion/>".into());
    let good = source(&url, tls(Some(&own), &own)?, &short)?;

    // The certificate is good, and there is no such user.
    error(good.check()).await?;
    assert_eq!(short.said(), [Some(Refusal::Said)]);
    node.ctl(&["add_user", "client", "unused"]).await?;
    node.ctl(&["set_permissions", "client", ".*", ".*", ".*"]).await?;
    good.check().await?;
    assert_eq!(short.said(), [None]);

    // It is shown neither by strangers nor to them.
    for (ca, client) in [(&own, &others), (&others, &own)] {
        error(source(&url, tls(Some(ca), client)?, &short)?.check()).await?;
        assert_eq!(short.said(), []);
    }

    // As long as assertions are: longer than what RabbitMQ takes of somebody who has not logged in yet.
    let long = Shown::new("x".repeat(23 << 10));
    let login = source(&url, tls(Some(&own), &own)?, &long)?;
    let said = error(login.check()).await?;
    assert!(said.contains("by a token, which is tried again"), "{said}");
    assert_eq!(long.said(), [Some(Refusal::Guessed)], "it says nothing of why");
    node.eval("application:set_env(rabbit, initial_frame_max, 32768).").await?;
    login.check().await?;
    assert_eq!(long.said(), [None]);
    Ok(())
}
