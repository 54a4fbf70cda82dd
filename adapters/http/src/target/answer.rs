//! What an answer means. The table stands in `docs/http.md`.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use samspor_domain::{Delivery, Sent};

/// What became of a record, by the answer to it. Of a refusal only the status is told, since the body may be personal.
/// `is_owed`: an earlier request under the same key has no answer yet.
pub(super) fn sent(
    status: StatusCode,
    headers: &HeaderMap,
    body: Result<Delivery, String>,
    is_owed: bool,
) -> Sent {
    match status.as_u16() {
        // Accepted, and what comes of it is said elsewhere and later.
        202 => Sent::Delivered,
        200..=299 => match body {
            Ok(delivery) if delivery.body.is_empty() => Sent::Delivered,
            body => Sent::Answered(body.map(Box::new)),
        },
        // It still works on the earlier request (draft-ietf-httpapi-idempotency-key-header, 2.7).
        409 if is_owed => {
            let why = format!("it answers {status}, and owes the answer to the same key");
            Sent::Later(why, retry_after(headers))
        }
        408 | 425 | 429 | 503 => Sent::Later(format!("it answers {status}"), retry_after(headers)),
        // As a rule none of these is about the record: it would be the same with any other, and if it is not, others show it.
        code @ (0..=199 | 300..=399 | 401 | 403 | 404 | 405 | 407) => {
            Sent::Later(format!("it answers {status}: {}", advice(code)), None)
        }
        // Where it breaks, or a proxy before it says that it does, that may be this record's doing (502 and 504 are how a
        // connection that ends looks from behind a proxy), or it may be out of order: which, the others show.
        500.. => Sent::Broke(format!("it answers {status}")),
        _ => Sent::Refused(format!("it answers {status}")),
    }
}

fn advice(code: u16) -> &'static str {
    match code {
        401 => "it knows no such caller; see to the bearer token (`bearer_file`) or the client certificate",
        403 => "this caller may not post there; let the receiver allow it",
        404 => "nothing takes records there; see to the path of `url`",
        405 => "that place takes no POST; see to the path of `url`",
        407 => "a proxy is in between; let `url` name the receiver itself",
        300..=399 => "it sends elsewhere, and that is not followed; let `url` name the place itself",
        _ => "that is no answer to a POST; see to `url`",
    }
}

/// How long the receiver asks to be left alone: in seconds, or up to a date, which is held against the receiver's own
/// `Date` (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let until = text(RETRY_AFTER)?;
    if let Ok(seconds) = until.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let instant = |text: &str| rfc2822::parse(text).ok().map(|at| at.timestamp());
    let (until, now): (Timestamp, Timestamp) = (instant(until)?, instant(text(DATE)?)?);
    Some(until.duration_since(now).try_into().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, headers: &[(HeaderName, &str)], body: Result<&'static str, &str>) -> Sent {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect();
        let body = body.map(|body| Delivery { body: body.into(), ..Delivery::default() });
        sent(StatusCode::from_u16(status).expect("a status"), &headers, body.map_err(str::to_owned), false)
    }

    #[test]
    fn every_status_is_delivered_refused_or_tried_again() {
        for status in 100..=999 {
            let sent = of(status, &[], Ok(""));
            let class = match sent {
                Sent::Delivered => "delivered",
                Sent::Refused(why) => {
                    assert!(why.contains(&status.to_string()));
                    "refused"
                }
                Sent::Broke(why) => {
                    assert!(why.contains(&status.to_string()));
                    "broke"
                }
                Sent::Later(why, None) => {
                    assert!(why.contains(&status.to_string()));
                    "later"
                }
                other => panic!("{status}: {other:?}"),
            };
            let expected = match status {
                200..=299 => "delivered",
                401 | 403 | 404 | 405 | 407 | 408 | 425 | 429 | 503 => "later",
                400..=499 => "refused",
                500.. => "broke",
                _ => "later",
            };
            assert_eq!(class, expected, "{status}");
        }
    }

    #[test]
    fn a_body_is_an_answer_unless_the_answer_comes_later() {
        let body = Delivery { body: "x".into(), ..Delivery::default() };
        assert_eq!(of(200, &[], Ok("x")), Sent::Answered(Ok(Box::new(body))));
        assert_eq!(of(200, &[], Err("too long")), Sent::Answered(Err("too long".into())));
        assert_eq!(of(202, &[], Ok("x")), Sent::Delivered);
        assert_eq!(
            of(422, &[], Ok("0101305000")),
            Sent::Refused("it answers 422 Unprocessable Entity".into())
        );
    }

    #[test]
    fn a_receiver_asks_for_a_wait_in_seconds_or_by_its_own_clock() {
        let at = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (headers, expected) in [
            (vec![(RETRY_AFTER, "7")], Some(7)),
            (vec![(RETRY_AFTER, " 0 ")], Some(0)),
            (vec![(RETRY_AFTER, "Sun, 06 Nov 1994 08:50:07 GMT"), (DATE, at)], Some(30)),
            (vec![(RETRY_AFTER, "Sun, 06 Nov 1994 08:00:00 GMT"), (DATE, at)], Some(0)),
            (vec![(RETRY_AFTER, at)], None),
            (vec![(RETRY_AFTER, "soon"), (DATE, at)], None),
            (vec![(RETRY_AFTER, "-1")], None),
            (vec![(DATE, at)], None),
        ] {
            let Sent::Later(_, asked) = of(503, &headers, Ok("")) else { panic!("it is tried again") };
            assert_eq!(asked, expected.map(Duration::from_secs), "{headers:?}");
        }
    }
}
