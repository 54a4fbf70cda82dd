//! Recordings: newline-delimited JSON, one delivery a line, in order of arrival.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use samspor_domain::{Delivery, SourceName};
use serde::{Deserialize, Serialize};

/// One line of a recording.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    source: SourceName,
    received_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

/// A delivery, with its source and the instant of its arrival.
pub(crate) struct Recorded {
    pub(crate) source: SourceName,
    pub(crate) received_at: Timestamp,
    pub(crate) delivery: Delivery,
}

/// The deliveries of a recording. An error names the file and line.
pub(crate) fn read(path: &Path) -> Result<impl Iterator<Item = Result<Recorded>>> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot open the recording {}", path.display()))?;
    let lines = std::io::BufReader::with_capacity(1 << 20, file).lines().enumerate();
    let place = path.display().to_string();
    Ok(lines.filter_map(move |(i, line)| {
        let parsed = match line {
            Ok(line) if line.trim().is_empty() => return None,
            Ok(line) => parse(&line),
            Err(error) => Err(error.into()),
        };
        Some(parsed.with_context(|| format!("{place}, line {}", i + 1)))
    }))
}

fn parse(line: &str) -> Result<Recorded> {
    let line: Line = serde_json::from_str(line).context("is not a line of a recording")?;
    let received_at = instant(&line.received_at).context("received_at is not an instant (RFC 3339)")?;
    let body = match (line.body, line.body_base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(encoded)) => BASE64_STANDARD.decode(encoded).context("body_base64 is not Base64")?,
        _ => anyhow::bail!("needs either body or body_base64"),
    };
    let delivery = Delivery { body: body.into(), content_type: line.content_type, headers: line.headers };
    Ok(Recorded { source: line.source, received_at, delivery })
}

/// RFC 3339; without an offset it is Danish time.
pub(crate) fn instant(text: &str) -> Result<Timestamp> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let civil: DateTime = text.parse()?;
    Ok(civil.to_zoned(TimeZone::get("Europe/Copenhagen")?)?.timestamp())
}

/// A delivery as a line, without its end.
pub(crate) fn write(recorded: &Recorded) -> Result<String> {
    let Recorded { source, received_at, delivery } = recorded;
    let text = std::str::from_utf8(&delivery.body).ok();
    let line = Line {
        source: source.clone(),
        received_at: received_at.to_string(),
        content_type: delivery.content_type.clone(),
        headers: delivery.headers.clone(),
        body: text.map(str::to_owned),
        body_base64: text.is_none().then(|| BASE64_STANDARD.encode(&delivery.body)),
    };
    Ok(serde_json::to_string(&line)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_as_it_was_whatever_its_bytes() {
        for body in [&b"{\"type\":\"posting\"}"[..], b"\xE6\xF8\xE5", b""] {
            let headers = BTreeMap::from([("traceparent".to_owned(), "00-1".to_owned())]);
            let delivery = Delivery { body: body.to_vec().into(), content_type: Some("text/plain".into()), headers };
            let source = "opus".parse().expect("a name");
            let received_at = "2026-03-15T06:00:00Z".parse().expect("an instant");
            let recorded = Recorded { source, received_at, delivery };
            let back = parse(&write(&recorded).expect("written")).expect("read");
            assert_eq!(back.delivery.body, recorded.delivery.body);
            assert_eq!(back.delivery.headers, recorded.delivery.headers);
            assert_eq!(back.received_at, recorded.received_at);
        }
    }

    #[test]
    fn an_instant_without_offset_is_danish_time() {
        assert_eq!(instant("2026-03-15T06:00:00").expect("winter").to_string(), "2026-03-15T05:00:00Z");
        assert_eq!(instant("2026-07-15T06:00:00").expect("summer").to_string(), "2026-07-15T04:00:00Z");
        assert_eq!(instant("2026-07-15T06:00:00+00:00").expect("offset").to_string(), "2026-07-15T06:00:00Z");
        assert!(instant("yesterday").is_err());
    }
}
