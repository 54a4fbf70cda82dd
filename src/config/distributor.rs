//! Brokers that are logged in to with certificates and tokens, and the message distributor as a target.

use std::collections::BTreeMap;
use std::path::PathBuf;

use samspor_http::target::Url;

use super::at::At;
use super::resolve::Resolver;
use super::{Certified, Distributor, Token, file};

/// The brokers that are logged in to by a token, and the service that each one's is for.
pub(super) fn with_tokens(brokers: &BTreeMap<At<String>, file::Broker>) -> BTreeMap<String, String> {
    let service = |token: &file::Token| {
        token.entity_id.as_ref().map_or_else(|| file::RECEIVING.to_owned(), |id| (**id).clone())
    };
    let services = brokers.iter().map(|(name, broker)| (name, broker.token.as_ref()));
    services.filter_map(|(name, token)| Some(((**name).clone(), service(token?)))).collect()
}

/// Whether a token is for this service, of whatever version.
fn is_for(entity_id: &str, service: &str) -> bool {
    let name = |id: &str| id.rsplit_once('/').map(|(name, _)| name.to_ascii_lowercase());
    name(entity_id.trim()) == name(service)
}

/// How the keys of a certificate's key are called, and where each is.
type Keys<'f> = [(&'static str, &'f Option<At<String>>); 2];

impl Resolver {
    /// A certificate of the gateway's own and where its key is, if it has one; none where that is a problem.
    pub(super) fn certified(
        &mut self,
        certificate: Option<&At<PathBuf>>,
        keys: Keys<'_>,
    ) -> Option<Option<Certified>> {
        if let Some(certificate) = certificate {
            let path = self.path(certificate);
            return Some(Some((path, self.secret(certificate.span(), keys)?)));
        }
        for (name, key) in keys {
            if let Some(key) = key {
                self.reading.fault(key.span(), format!("`{name}` goes with `client_cert_file` only"));
                return None;
            }
        }
        Some(None)
    }

    /// How a broker's tokens are had. Without a certificate of its own it is the broker's that is shown.
    pub(super) fn token(&mut self, token: &At<file::Token>, brokers: Option<&Certified>) -> Option<Token> {
        let url = match token.url.parse::<Url>() {
            Ok(url) if url.is_tls() => Some(url),
            Ok(_) => {
                self.reading
                    .fault(token.url.span(), "this must begin with `https:`: who asks shows a certificate");
                None
            }
            // The text itself stays untold: it may hold a password.
            Err(error) => {
                self.reading.fault(token.url.span(), format!("this {error}"));
                None
            }
        };
        let is_cvr = token.cvr.len() == 8 && token.cvr.bytes().all(|b| b.is_ascii_digit());
        if !is_cvr {
            self.reading.fault(token.cvr.span(), "this is not a CVR number: expected eight digits in quotes");
        }
        let entity_id = match &token.entity_id {
            None => file::RECEIVING.to_owned(),
            Some(id) => {
                if id.trim().is_empty() {
                    self.reading.fault(id.span(), "this must not be empty");
                } else if id.contains(|c: char| c.is_whitespace() || c.is_control()) {
                    self.reading.fault(id.span(), "this has blanks, which no entity id has");
                }
                (**id).clone()
            }
        };
        let keys = [("client_key_file", &token.client_key_file), ("client_key_env", &token.client_key_env)];
        let own = self.certified(token.client_cert_file.as_ref(), keys)?;
        let Some(client) = own.or_else(|| brokers.cloned()) else {
            self.reading.fault(token.span(), "missing key: `client_cert_file`").help(
                "name the system's certificate here or in [brokers.NAME], and its key by `client_key_file`",
            );
            return None;
        };
        let ca_file = token.ca_file.as_ref().map(|file| self.path(file));
        Some(Token { url: url?, cvr: (*token.cvr).clone(), entity_id, ca_file, client })
    }

    pub(super) fn distributor(&mut self, target: &At<file::TargetDistributor>) -> Option<Distributor> {
        let broker = self.broker_named(&target.broker);
        let service = self.with_tokens.get(target.broker.as_str());
        if service.is_some_and(|service| is_for(service, file::RECEIVING)) {
            self.reading.fault(target.broker.span(), "this broker's token is for receiving").help(format!(
                "give the target a broker of its own whose token has `entity_id = \"{}\"`",
                file::SENDING
            ));
        } else if broker.is_some() && service.is_none() {
            self.reading
                .fault(
                    target.broker.span(),
                    "each message carries the sender's token, and this broker has none",
                )
                .help(format!(
                    "add [brokers.{}.token] with `entity_id = \"{}\"`",
                    *target.broker,
                    file::SENDING
                ));
        }
        let message_type = self.identifier(&target.message_type);
        let system = match &target.source_system {
            Some(system) => Some(self.identifier(system)?),
            None => None,
        };
        let responsible = match &target.responsible {
            Some(authority) => Some(self.identifier(authority)?),
            None => None,
        };
        let recipients = match &target.allowed_recipients {
            Some(recipients) => self.recipients(recipients)?,
            None => Vec::new(),
        };
        let exchange = match &target.exchange {
            Some(exchange) => self.amqp_name(exchange, file::Topology::Check)?,
            None => file::EXCHANGE.to_owned(),
        };
        let answer_timeout = self.milliseconds(&target.answer_timeout_ms);
        Some(Distributor {
            broker: broker?,
            message_type: message_type?,
            system,
            responsible,
            recipients,
            exchange,
            answer_timeout,
        })
    }

    /// A source's broker: if it has a token, that must not be for sending.
    pub(super) fn receives_by(&mut self, broker: &At<String>) {
        let service = self.with_tokens.get(broker.as_str());
        if service.is_some_and(|service| is_for(service, file::SENDING)) {
            self.reading.fault(broker.span(), "this broker's token is for sending").help(format!(
                "give the source a broker of its own whose token has `entity_id = \"{}\"`",
                file::RECEIVING
            ));
        }
    }

    fn recipients(&mut self, written: &At<Vec<At<String>>>) -> Option<Vec<String>> {
        if written.is_empty() {
            self.reading
                .fault(written.span(), "this names nobody, and without a name every subscriber gets them")
                .help("name those who may get the messages, or leave the key out");
        }
        written.iter().map(|id| self.identifier(id)).collect()
    }

    /// A UUID, in one writing, or a URN as it was written: who is sent one may compare it letter by letter.
    fn identifier(&mut self, id: &At<String>) -> Option<String> {
        let found = super::links::message_type(id);
        let is_urn = found.as_ref().is_some_and(|found| found.starts_with("urn:"));
        if found.is_none() || id.chars().any(|c| c.is_whitespace() || c.is_control()) {
            self.reading.fault(id.span(), "this is neither a UUID nor a URN (`urn:…`)");
            return None;
        }
        if is_urn { Some((**id).clone()) } else { found }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Folder, GOOD};
    use super::super::{Secret, Way, load};

    const BROKER: &str = r#"[brokers.bfo]
url_file = "secrets/bfo-url"
ca_file = "bfo-ca.pem"
client_cert_file = "samspor.pem"
client_key_env = "SYSTEM_KEY"
[brokers.bfo.token]
url = "https://sts.example/runtime/api/rest/wstrust/v1/issue"
cvr = "00000019"
entity_id = "http://entityid.kombit.dk/service/bfo_afsend/2"

[[sources]]
name = "opus""#;
    const TARGET: &str = r#"[targets.distributor]
broker = "bfo"
message_type = "6B1F0A523C7E4D189A405E2D7C1B8FFF"
source_system = "urn:oio:cvr-nr:00000019"
answer_timeout_ms = 5000
responsible = "urn:OIO:Example:BFO"
allowed_recipients = ["urn:oio:cvr-nr:00000027", "6B1F0A523C7E4D189A405E2D7C1B8FFE"]
"#;

    /// The good configuration with the distributor in it, and there one thing replaced.
    fn with(old: &str, new: &str) -> Folder {
        let lis = r#"amqp = { broker = "bf", exchange = "lis", allow_unrouted = true }"#;
        let text = GOOD.replacen("[[sources]]\nname = \"opus\"", BROKER, 1).replacen(lis, TARGET, 1);
        assert!(text.contains(old) && text.contains(BROKER) && text.contains(TARGET), "{old}");
        Folder::new(&text.replacen(old, new, 1))
    }

    #[test]
    fn a_broker_with_tokens_and_a_target_that_sends_by_it() {
        let config = load(&with("", "").path()).expect("good");
        let broker = &config.brokers["bfo"];
        let token = broker.token.as_ref().expect("it has tokens");
        assert_eq!(token.cvr, "00000019");
        assert!(token.entity_id.ends_with("bfo_afsend/2"));
        assert_eq!(broker.client.as_ref(), Some(&token.client), "the broker's certificate serves");
        assert!(token.client.0.is_absolute() && token.client.1 == Secret::Env("SYSTEM_KEY".into()));
        assert!(broker.ca_file.is_some() && token.ca_file.is_none());
        let Way::Distributor(to) = &config.targets[1].way else { panic!("it is sent") };
        assert_eq!(to.message_type, "6b1f0a52-3c7e-4d18-9a40-5e2d7c1b8fff");
        assert_eq!(to.system.as_deref(), Some("urn:oio:cvr-nr:00000019"));
        assert_eq!(to.responsible.as_deref(), Some("urn:OIO:Example:BFO"), "as it was written");
        assert_eq!(to.recipients, ["urn:oio:cvr-nr:00000027", "6b1f0a52-3c7e-4d18-9a40-5e2d7c1b8ffe"]);
        assert_eq!((to.exchange.as_str(), to.answer_timeout.as_secs()), ("AFSEND_BESKED_EXCHANGE", 5));

        let line = "entity_id = \"http://entityid.kombit.dk/service/bfo_afsend/2\"\n";
        // The token is for receiving then, and nobody sends by it.
        let receives = |folder: Folder| {
            let text = std::fs::read_to_string(folder.path()).expect("it is there");
            Folder::new(&text.replacen(TARGET, r#"amqp = { broker = "bf", exchange = "lis" }"#, 1))
        };
        let config = load(
            &receives(with(line, "client_cert_file = \"own.pem\"\nclient_key_file = \"own.key\"\n")).path(),
        );
        let config = config.expect("good");
        let token = config.brokers["bfo"].token.as_ref().expect("it has tokens");
        assert!(token.entity_id.ends_with("bfo_modtag/2") && token.client.0.ends_with("own.pem"));
    }

    #[test]
    fn what_is_wrong_with_it_is_said_at_its_place() {
        for (old, new, expected) in [
            (
                "https://sts.example",
                "http://sts.example",
                "22:7: this goes through the network in clear text",
            ),
            ("https://sts.example", "http://127.0.0.1", "22:7: this must begin with `https:`"),
            (
                "https://sts.example",
                "https://who:hemmelig@sts.example",
                "22:7: this holds a user or a password",
            ),
            (
                "cvr = \"00000019\"",
                "cvr = \"19\"",
                "23:7: this is not a CVR number: expected eight digits in quotes",
            ),
            ("entity_id = \"http", "entity_id = \"\" #", "24:13: this must not be empty"),
            ("bfo_afsend/2\"", "bfo_afsend/2 \"", "24:13: this has blanks, which no entity id has"),
            (
                "client_cert_file = \"samspor.pem\"\n",
                "",
                "19:18: `client_key_env` goes with `client_cert_file` only",
            ),
            (
                "client_cert_file = \"samspor.pem\"\nclient_key_env = \"SYSTEM_KEY\"\n",
                "",
                "19:1: missing key: `client_cert_file`; name the system's certificate here or in [brokers.NAME]",
            ),
            (
                "broker = \"bfo\"",
                "broker = \"bf\"",
                "56:10: each message carries the sender's token, and this broker has none; add [brokers.bf.token] with",
            ),
            ("\"6B1F0A52", "\"1", "57:16: this is neither a UUID nor a URN"),
            (
                "entity_id = \"http://entityid.kombit.dk/service/bfo_afsend/2\"\n",
                "\n",
                "56:10: this broker's token is for receiving; give the target a broker of its own",
            ),
            (
                "[sources.amqp]\nbroker = \"bf\"",
                "[sources.amqp]\nbroker = \"bfo\"",
                "38:10: this broker's token is for sending; give the source a broker of its own",
            ),
            ("urn:OIO:Example:BFO", "urn:OIO:Example :BFO", "60:15: this is neither a UUID nor a URN"),
            ("urn:OIO:Example:BFO", "urn:OIO:\\u0001", "60:15: this is neither a UUID nor a URN"),
            (
                "\"urn:oio:cvr-nr:00000027\", \"6B1F",
                "\"x\", \"6B1F",
                "61:23: this is neither a UUID nor a URN",
            ),
            (
                "[\"urn:oio:cvr-nr:00000027\", \"6B1F0A523C7E4D189A405E2D7C1B8FFE\"]",
                "[]",
                "61:22: this names nobody",
            ),
            ("\"urn:oio:cvr-nr", "\"cvr", "58:17: this is neither a UUID nor a URN"),
            (
                "[targets.distributor]",
                "http = { url = \"https://x.example\" }\n[targets.distributor]",
                "56:1: `http` and `distributor` exclude each other",
            ),
        ] {
            let problems = with(old, new).problems();
            assert!(
                problems.iter().any(|p| p.starts_with(&format!("gateway.toml:{expected}"))),
                "{new}: {problems:?}"
            );
            assert!(problems.iter().all(|problem| !problem.contains("hemmelig")), "{problems:?}");
        }
    }
}
