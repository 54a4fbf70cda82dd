//! Targets over HTTP: where to post, and as whom.

use samspor_http::target::UrlError;

use super::at::At;
use super::resolve::Resolver;
use super::{Http, file};

impl Resolver {
    pub(super) fn http(&mut self, http: &At<file::TargetHttp>) -> Option<Http> {
        let url = match http.url.parse::<samspor_http::target::Url>() {
            Ok(url) => Some(url),
            Err(error) => {
                // The text itself stays untold: it may hold a password.
                let problem = self.reading.fault(http.url.span(), format!("this {error}"));
                if error == UrlError::User {
                    problem.help(
                        "`bearer_file` names a file that holds a token, `client_cert_file` a certificate",
                    );
                }
                None
            }
        };
        let ca_file = http.ca_file.as_ref().map(|file| self.path(file));
        let keys = [("client_key_file", &http.client_key_file), ("client_key_env", &http.client_key_env)];
        let client = self.certified(http.client_cert_file.as_ref(), keys);
        let bearer = [("bearer_file", &http.bearer_file), ("bearer_env", &http.bearer_env)];
        let bearer = if bearer.iter().any(|(_, key)| key.is_some()) {
            Some(self.secret(http.span(), bearer)?)
        } else {
            None
        };
        let certificates = [("ca_file", &http.ca_file), ("client_cert_file", &http.client_cert_file)];
        if url.as_ref().is_some_and(|url| !url.is_tls()) {
            for (key, file) in certificates {
                if let Some(file) = file {
                    self.reading
                        .fault(file.span(), format!("`{key}` goes with `https:` only"))
                        .also(http.url.span(), "and this is `http:`");
                }
            }
        }
        Some(Http {
            url: url?,
            ca_file,
            client: client?,
            bearer,
            connect_timeout: self.milliseconds(&http.connect_timeout_ms),
            answer_timeout: self.milliseconds(&http.answer_timeout_ms),
            max_answer_bytes: self.reading.number(&http.max_answer_bytes),
            batch: self.reading.number(&http.batch),
            batch_bytes: self.reading.number(&http.batch_bytes),
        })
    }

    /// Records in batches are lines of JSON, and have no receipts.
    pub(super) fn batches(&mut self, target: &file::Target) {
        let Some(http) = target.http.as_ref().filter(|http| http.batch.get().is_ok_and(|most| most > 1))
        else {
            return;
        };
        if target.format != file::TargetFormat::Json {
            self.reading
                .fault(http.batch.span(), "only records in JSON go several in one request")
                .help("let `batch` be 1, or `format` be \"json\"");
        }
        if let Some(receipts) = &target.receipts {
            self.reading
                .fault(http.batch.span(), "a receipt belongs to one record, and the answer to several is one")
                .also(receipts.span(), "these receipts")
                .help("let `batch` be 1, or take [targets.receipts] away");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Way;
    use super::super::tests::with;

    const LEDGER: &str = "amqp = { broker = \"bf\", queue = \"tagged\" }\n";

    #[test]
    fn records_go_together_in_json_and_without_receipts_only() {
        let http = "http = { url = \"https://ledger.example/\", batch = 100 }\n";
        let config = with(LEDGER, http).load();
        assert!(matches!(&config.targets[0].way, Way::Http(http) if http.batch == 100));
        let problems = with(LEDGER, &format!("{http}format = \"csv\"\n[targets.receipts]\n")).problems();
        assert_eq!(
            problems,
            [
                "gateway.toml:40:51: only records in JSON go several in one request; let `batch` be 1, or `format` be \
                 \"json\"",
                "gateway.toml:40:51: a receipt belongs to one record, and the answer to several is one; let `batch` be \
                 1, or take [targets.receipts] away",
            ]
        );
    }
}
