//! The front behind a door: commands that show a certificate, those that show none, and a certificate that is renewed while the
//! gateway runs.

use samspor_harness::rabbitmq;
use samspor_harness::receiver::Certificates;

use crate::conflicts::front;
use crate::deployment::{Deployment, Result};

/// The configuration of a gateway and of commands, by certificates in a folder.
fn behind(made: &Certificates, listen: &str, caller: &str) -> String {
    let path = |name: &str| made.path(name).to_string_lossy().into_owned();
    format!(
        "[grpc]\nlisten = \"{listen}\"\n\n[grpc.tls]\ncertificate_file = {:?}\nkey_file = {:?}\nclient_ca_file = {:?}\n\n\
         [[grpc.callers]]\nname = \"night-watch\"\ncertificate = \"subject:CN=client\"\nroles = [\"{caller}\"]\n",
        path("server.pem"),
        path("server.key"),
        path("ca.pem")
    )
}

fn key(made: &Certificates) -> String {
    let path = |name: &str| made.path(name).to_string_lossy().into_owned();
    let (ca, certificate, key) = (path("ca.pem"), path("client.pem"), path("client.key"));
    format!("\n[client]\nca_file = {ca:?}\nclient_cert_file = {certificate:?}\nclient_key_file = {key:?}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_pass_the_door_with_the_right_certificate_and_no_other_way() -> Result<()> {
    let deployment = Deployment::on(&rabbitmq::shared().await?.vhost().await?).await?;
    let (made, other) = (Certificates::make().await?, Certificates::make().await?);
    let path = &deployment.program.config;
    let demo = std::fs::read_to_string(path)?;
    let (before, rest) = demo.split_once("[grpc]\n").ok_or("the demo has [grpc]")?;
    let (_, after) = rest.split_once("\n\n").ok_or("and more after it")?;
    let write = |listen: &str, role: &str, key: &str| -> Result<()> {
        Ok(std::fs::write(path, format!("{before}{}\n{after}\n{key}", behind(&made, listen, role)))?)
    };
    write("127.0.0.1:0", "operator", "")?;
    let mut running = deployment.start().await?;
    let listens = front(&deployment, &mut running).await?;

    write(&listens, "operator", &key(&made))?;
    let status = deployment.samspor(&["status"], &["--json"], "")?;
    assert!(status.stdout.contains("\"store\""), "{}", status.stderr);
    let paused = deployment.samspor(&["pause", "source", "opus"], &[], "")?;
    assert_eq!((paused.code, paused.stderr.as_str()), (0, ""));

    // Without a certificate, and with one that another authority signed, TLS ends it, and the command says what to do.
    let ca = key(&made).lines().take(3).collect::<Vec<_>>().join("\n");
    let stolen = key(&other)
        .replace(&other.path("ca.pem").to_string_lossy()[..], &made.path("ca.pem").to_string_lossy());
    for (key, what) in [(ca, "none"), (stolen, "another authority's")] {
        write(&listens, "operator", &key)?;
        let refused = deployment.samspor(&["resume", "source", "opus"], &[], "")?;
        assert_eq!(refused.code, 1, "{what}");
        assert!(refused.stderr.contains("[client]"), "{what}: {}", refused.stderr);
    }
    // A gateway that the command does not trust is not spoken with.
    write(&listens, "operator", &key(&other))?;
    let refused = deployment.samspor(&["resume", "source", "opus"], &[], "")?;
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("cannot connect"), "{}", refused.stderr);

    // Another role is read at a reload, which the old one may still ask for.
    write(&listens, "auditor", &key(&made))?;
    assert_eq!(deployment.samspor(&["reload"], &[], "")?.code, 0);
    let denied = deployment.samspor(&["resume", "source", "opus"], &[], "")?;
    assert_eq!(denied.code, 1);
    assert!(denied.stderr.contains("caller night-watch may not call this method"), "{}", denied.stderr);
    assert!(denied.stderr.contains("operator"), "{}", denied.stderr);
    let status = deployment.samspor(&["status"], &["--json"], "")?;
    assert!(status.stdout.contains("\"store\""), "{}", status.stderr);

    // A refusal is no reason to read the files.
    let denied = deployment.samspor(&["conflicts"], &[], "")?;
    assert_eq!(denied.code, 1);
    assert!(denied.stderr.contains("may not call this method"), "{}", denied.stderr);
    assert!(denied.stdout.is_empty() && !denied.stderr.contains("files"), "{}", denied.stderr);
    deployment.samspor(&["reconcile"], &[], "")?.ended(0)?;

    // A certificate that cannot be used changes nothing.
    std::fs::write(made.path("server.key"), "hemmelig")?;
    running.hang_up().await?;
    let deadline = tokio::time::Instant::now() + crate::deployment::LIMIT;
    while !std::fs::read_to_string(deployment.log())?.contains("the key file holds no private key in PEM") {
        running.still_runs()?;
        assert!(tokio::time::Instant::now() < deadline, "the log does not say what is wrong");
        tokio::task::yield_now().await;
    }
    assert!(!std::fs::read_to_string(deployment.log())?.contains("hemmelig"));
    let status = deployment.samspor(&["status"], &["--json"], "")?;
    assert!(status.stdout.contains("\"store\""), "{}", status.stderr);
    assert!(running.stop().await?.success());
    Ok(())
}
