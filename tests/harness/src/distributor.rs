//! A stand-in for the message distributor (*Beskedfordeler*) and its token service, offline: see `distributor.py`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::receiver::Certificates;

const PROGRAM: &str = include_str!("distributor.py");
/// How long it may take to start or to answer.
const LIMIT: Duration = Duration::from_secs(60);

/// The service that subscribers receive from.
pub const RECEIVING: &str = "http://entityid.kombit.dk/service/bfo_modtag/2";
/// The service that senders send to.
pub const SENDING: &str = "http://entityid.kombit.dk/service/bfo_afsend/2";
/// The authority that tokens are issued for; nobody has the number.
pub const CVR: &str = "00000019";

/// A running stand-in. Dropped, it is killed.
#[derive(Debug)]
pub struct Distributor {
    _child: Child,
    certificates: Certificates,
    ports: Value,
}

impl Distributor {
    /// Starts one on free ports of the loopback interface, in front of a virtual host of a node, `amqp://user:password@host:port/vhost`.
    pub async fn start(node: &str) -> anyhow::Result<Self> {
        let certificates = Certificates::make().await?;
        let (user, password, host, port, vhost) = parts(node).context("the node's URL")?;
        let file = |name: &str| certificates.path(name);
        let settings = json!({
            "certificate": file("server.pem"), "key": file("server.key"), "clients": file("ca.pem"),
            "client": file("client.pem"),
            "cvr": CVR, "audiences": [RECEIVING, SENDING],
            "host": host, "port": port, "user": user, "password": password, "vhost": vhost,
        });
        let mut command = Command::new(Path::new("python3"));
        command.args(["-c", PROGRAM, &settings.to_string()]).kill_on_drop(true);
        // Apart from this process's group, it does not get the interrupt from the terminal.
        command.process_group(0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("python3")?;
        let mut lines = BufReader::new(child.stdout.take().context("it speaks")?).lines();
        let line = timeout(LIMIT, lines.next_line()).await.context("it says nothing")??;
        let ports = serde_json::from_str(&line.context("it ended")?)?;
        Ok(Self { _child: child, certificates, ports })
    }

    fn port(&self, name: &str) -> &Value {
        &self.ports[name]
    }

    /// Where its token service is.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("https://127.0.0.1:{}/runtime/api/rest/wstrust/v1/issue", self.port("tokens"))
    }

    /// Where its broker is. Nobody's name and password stand in it.
    #[must_use]
    pub fn broker_url(&self) -> String {
        format!("amqps://127.0.0.1:{}/BF", self.port("front"))
    }

    /// Its authority, and what that signed: its own `server` and the gateway's `client`.
    #[must_use]
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Comes by another certificate of its authority from now on, `server` being the one that is its own.
    pub async fn show(&self, name: &str) -> anyhow::Result<()> {
        let files = ["pem", "key"].map(|end| self.certificates.path(&format!("{name}.{end}")));
        self.control().ask(json!({"show": files})).await.map(drop)
    }

    /// Where it is told how to behave.
    #[must_use]
    pub fn control(&self) -> Control {
        let port = self.port("control").as_u64().and_then(|port| u16::try_from(port).ok());
        Control(SocketAddr::from(([127, 0, 0, 1], port.unwrap_or_default())))
    }
}

/// What an AMQP URL of a node is made of.
fn parts(url: &str) -> Option<(&str, &str, &str, u16, String)> {
    let (who, place) = url.strip_prefix("amqp://")?.split_once('@')?;
    let (user, password) = who.split_once(':')?;
    let (address, vhost) = place.split_once('/')?;
    let (host, port) = address.split_once(':')?;
    Some((user, password, host, port.parse().ok()?, vhost.replace("%2f", "/")))
}

/// Where a stand-in is told how to behave, and asked what it did.
#[derive(Debug, Clone, Copy)]
pub struct Control(SocketAddr);

impl Control {
    async fn ask(&self, what: Value) -> anyhow::Result<Value> {
        let asked = async {
            let mut stream = BufReader::new(TcpStream::connect(self.0).await?);
            stream.write_all(format!("{what}\n").as_bytes()).await?;
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            Ok(serde_json::from_str(&line)?)
        };
        timeout(LIMIT, asked).await.context("the stand-in does not answer")?
    }

    /// Tells it how to behave from now on: the keys of `told` in `distributor.py`.
    pub async fn set(&self, how: Value) -> anyhow::Result<()> {
        self.ask(json!({"set": how})).await.map(drop)
    }

    /// The same, and how many tokens were issued up to then.
    pub async fn set_and_count_issued(&self, how: Value) -> anyhow::Result<u64> {
        let answer = self.ask(json!({"set": how})).await?;
        answer["counts"]["issued"].as_u64().context("there is such a count")
    }

    /// Has a token made for an audience, as if whoever holds `client` had asked for it.
    pub async fn issue(&self, audience: &str) -> anyhow::Result<String> {
        let answer = self.ask(json!({"issue": audience})).await?;
        Ok(answer["token"].as_str().context("it has a token")?.to_owned())
    }

    /// Ends every connection that is open, as a broker that is started again does.
    pub async fn drop_all(&self) -> anyhow::Result<()> {
        self.ask(json!({"drop": true})).await.map(drop)
    }

    /// How often something happened: `asked` for a token, `issued`, `logins`, `refused` and `hung_up` ones, connections
    /// that were `cut` with their tokens; or how many are `open`.
    pub async fn count(&self, what: &str) -> anyhow::Result<u64> {
        self.ask(json!({})).await?["counts"][what].as_u64().context("there is such a count")
    }

    /// What a service would say of a token: `good`, `early`, `expired`, `unknown`, or `audience` where it is for another one.
    pub async fn check(&self, token: &str, audience: &str) -> anyhow::Result<String> {
        let answer = self.ask(json!({"check": token, "audience": audience})).await?;
        Ok(answer["verdict"].as_str().context("it has a verdict")?.to_owned())
    }

    /// Every token that was issued.
    pub async fn issued(&self) -> anyhow::Result<Vec<String>> {
        let answer = self.ask(json!({"issued": true})).await?;
        let tokens = answer["issued"].as_array().into_iter().flatten();
        Ok(tokens.filter_map(Value::as_str).map(str::to_owned).collect())
    }
}

/// How a text may stand in a log or a store: as it is, as the list of its bytes, which is how the AMQP library shows a field,
/// and in whichever place of something in Base64.
#[must_use]
pub fn writings(text: &str) -> Vec<String> {
    let list = format!("{:?}", text.as_bytes());
    let mut writings = vec![text.to_owned(), list.trim_matches(['[', ']']).to_owned()];
    for before in 0..3 {
        let coded = BASE64_STANDARD.encode([&b"??"[..before], text.as_bytes()].concat());
        // Characters that hold bits of what stands before it or behind it are others each time.
        writings.push(coded[(before * 8).div_ceil(6)..(before + text.len()) * 8 / 6].to_owned());
    }
    writings
}

#[cfg(test)]
mod tests {
    use samspor_town::search::Search;

    use super::*;

    #[test]
    fn a_text_is_found_however_it_is_written() -> anyhow::Result<()> {
        let id = "_0123456789abcdef0123456789abcdef";
        let search = Search::new(writings(id))?;
        let held = |around: &str| format!("{around}<Assertion ID=\"{id}\" Version=\"2.0\">");
        for around in ["", "a", "ab", "abc"] {
            let text = held(around);
            let coded = BASE64_STANDARD.encode(&text);
            for shown in [text.clone(), format!("{:?}", text.as_bytes()), coded] {
                assert!(search.find(shown.as_bytes()).is_some(), "{shown}");
            }
            let other = text.replace("_0123", "_0124");
            for shown in [other.clone(), format!("{:?}", other.as_bytes()), BASE64_STANDARD.encode(&other)] {
                assert!(search.find(shown.as_bytes()).is_none(), "{shown}");
            }
        }
        Ok(())
    }
}
