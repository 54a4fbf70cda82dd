//! What a token service is asked and what it answers: WS-Trust 1.3 in JSON, as the token service of the common public
//! support systems speaks it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A request for a token.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Request<'a> {
    token_type: &'static str,
    request_type: &'static str,
    key_type: &'static str,
    anvender_kontekst: Context<'a>,
    use_key: &'a str,
    applies_to: AppliesTo<'a>,
    on_behalf_of: Option<()>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Context<'a> {
    cvr: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AppliesTo<'a> {
    endpoint_reference: EndpointReference<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EndpointReference<'a> {
    address: &'a str,
}

impl<'a> Request<'a> {
    /// For a SAML 2.0 assertion about the holder of a certificate (in DER and Base64), on behalf of the authority with that
    /// CVR number, for the service of that entity id.
    pub(super) fn new(cvr: &'a str, certificate: &'a str, entity_id: &'a str) -> Self {
        Self {
            token_type: "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV2.0",
            request_type: "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue",
            key_type: "http://docs.oasis-open.org/ws-sx/ws-trust/200512/PublicKey",
            anvender_kontekst: Context { cvr },
            use_key: certificate,
            applies_to: AppliesTo { endpoint_reference: EndpointReference { address: entity_id } },
            on_behalf_of: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    requested_security_token: SecurityToken,
    lifetime: Option<Lifetime>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecurityToken {
    assertion: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Lifetime {
    expires: Option<String>,
}

/// What is wrong with an answer; it quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum AnswerError {
    #[error(
        "its answer is not JSON with RequestedSecurityToken.Assertion: is `url` that of the token service?"
    )]
    Form,
    #[error("the assertion in its answer is not Base64")]
    Base64,
    #[error("the assertion in its answer is empty or has more than {0} bytes, which no login carries")]
    Size(usize),
    #[error(
        "neither its answer (Lifetime.Expires) nor the assertion (NotOnOrAfter) says how long the token holds"
    )]
    NoEnd,
}

/// The assertion of an answer, and what `Lifetime` says of its end.
pub(super) fn read(answer: &[u8], most: usize) -> Result<(Vec<u8>, Option<Timestamp>), AnswerError> {
    let answer: Answer = serde_json::from_slice(answer).map_err(|_| AnswerError::Form)?;
    let mut text = answer.requested_security_token.assertion;
    text.retain(|c| !c.is_ascii_whitespace());
    let assertion = BASE64_STANDARD.decode(text).map_err(|_| AnswerError::Base64)?;
    if assertion.is_empty() || assertion.len() > most {
        return Err(AnswerError::Size(most));
    }
    let end = answer.lifetime.and_then(|lifetime| lifetime.expires?.parse().ok());
    Ok((assertion, end))
}

/// The first certificate of a PEM text in DER and Base64, which is what stands between its lines.
pub(super) fn certificate(pem: &str) -> Option<String> {
    let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----")?;
    let (text, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let text: String = text.split_ascii_whitespace().collect();
    (BASE64_STANDARD.decode(&text).is_ok_and(|der| !der.is_empty())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_form_that_public_clients_send() {
        let written = serde_json::to_value(Request::new("12345678", "TUlJ", "http://entityid.example/x/1"));
        let expected = serde_json::json!({
            "TokenType": "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV2.0",
            "RequestType": "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue",
            "KeyType": "http://docs.oasis-open.org/ws-sx/ws-trust/200512/PublicKey",
            "AnvenderKontekst": {"Cvr": "12345678"},
            "UseKey": "TUlJ",
            "AppliesTo": {"EndpointReference": {"Address": "http://entityid.example/x/1"}},
            "OnBehalfOf": null,
        });
        assert_eq!(written.expect("it is written"), expected);
    }

    #[test]
    fn an_answer_is_read_or_refused_for_what_is_wrong_with_it() {
        let of = |text: &str| read(text.as_bytes(), 8);
        let end: Timestamp = "2026-03-01T10:00:00Z".parse().expect("a time");
        let whole = r#"{"RequestedSecurityToken":{"Assertion":"PGEv\r\nPg=="},
                        "Lifetime":{"Created":"2026-03-01T09:00:00Z","Expires":"2026-03-01T10:00:00Z"},"More":1}"#;
        assert_eq!(of(whole), Ok((b"<a/>".to_vec(), Some(end))));
        for lifetime in ["", r#","Lifetime":null"#, r#","Lifetime":{}"#, r#","Lifetime":{"Expires":"soon"}"#]
        {
            let text = format!(r#"{{"RequestedSecurityToken":{{"Assertion":"PGEvPg=="}}{lifetime}}}"#);
            assert_eq!(of(&text), Ok((b"<a/>".to_vec(), None)), "{lifetime}");
        }
        for (text, error) in [
            ("<html>", AnswerError::Form),
            ("{}", AnswerError::Form),
            (r#"{"RequestedSecurityToken":{}}"#, AnswerError::Form),
            (r#"{"RequestedSecurityToken":{"Assertion":"<a/>"}}"#, AnswerError::Base64),
            (r#"{"RequestedSecurityToken":{"Assertion":""}}"#, AnswerError::Size(8)),
            (r#"{"RequestedSecurityToken":{"Assertion":"PGFhYWFhYWEvPg=="}}"#, AnswerError::Size(8)),
        ] {
            assert_eq!(of(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_certificate_is_what_stands_between_its_lines() {
        let pem = "x\n-----BEGIN CERTIFICATE-----\nTUlJ\nQ2Rl\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----";
        assert_eq!(certificate(pem).as_deref(), Some("TUlJQ2Rl"));
        assert_eq!(certificate("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"), None);
        assert_eq!(certificate("-----BEGIN CERTIFICATE-----\n<>\n-----END CERTIFICATE-----"), None);
        assert_eq!(certificate("TUlJ"), None);
    }
}
