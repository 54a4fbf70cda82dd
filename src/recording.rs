//! Recordings: newline-delimited JSON, one delivery a line, in order of arrival.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use samspor_domain::{Delivery, SourceName};
use serde::{Deserialize, Serialize};
use serde_json::error::Category;

/// One line of a recording. It holds personal data in clear, so nothing shows it.
#[derive(Serialize, Deserialize)]
struct Line {
    source: String,
    received_at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
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
    let file =
        std::fs::File::open(path).with_context(|| format!("cannot open the recording {}", path.display()))?;
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
    let line: Line = serde_json::from_str(line).map_err(|error| wrong_line(&error))?;
    let source = SourceName::new(&line.source).context("source")?;
    let Ok(received_at) = instant(&line.received_at) else {
        bail!("received_at is not an instant such as 2026-03-15T06:00:00Z");
    };
    let body = match (line.body, line.body_base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(encoded)) => BASE64_STANDARD.decode(encoded).context("body_base64 is not Base64")?,
        _ => bail!("needs either body or body_base64"),
    };
    let headers = line.headers.unwrap_or_default();
    let delivery = Delivery { body: body.into(), content_type: line.content_type, headers };
    Ok(Recorded { source, received_at, delivery })
}

/// What is wrong with a line. The library's own words may quote the line, and that holds personal data.
fn wrong_line(error: &serde_json::Error) -> anyhow::Error {
    let what = match error.classify() {
        Category::Data => "has a field too few, or one of the wrong type",
        Category::Eof => "ends in the middle",
        Category::Syntax | Category::Io => "is not JSON",
    };
    anyhow!("is not a line of a recording: it {what} (column {})", error.column())
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
        source: source.to_string(),
        received_at: received_at.to_string(),
        content_type: delivery.content_type.clone(),
        headers: Some(delivery.headers.clone()),
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
            let delivery =
                Delivery { body: body.to_vec().into(), content_type: Some("text/plain".into()), headers };
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
    fn a_line_that_is_none_is_told_without_quoting_it() {
        const NUMBER: &str = "6112801234";
        let whole = |more: &str| format!(r#"{{"source":"opus","received_at":"2026-03-15T06:00:00Z"{more}}}"#);
        let too_long = "6112801234".repeat(13);
        for (line, told) in [
            (format!("\"{NUMBER}\""), "one of the wrong type (column 12)"),
            (format!("{{\"source\":{NUMBER}"), "one of the wrong type"),
            (format!("{{\"{NUMBER}"), "ends in the middle"),
            (format!("{NUMBER} {{}}"), "not a line of a recording"),
            (whole(""), "needs either body or body_base64"),
            (whole(r#","body":"","body_base64":"""#), "needs either body or body_base64"),
            (whole(r#","body_base64":"6112801234!""#), "body_base64 is not Base64"),
            (whole(&format!(r#","body":["{NUMBER}"]"#)), "one of the wrong type"),
            (whole(r#","body":"x""#).replace("2026-03-15", NUMBER), "received_at is not an instant"),
            (whole(r#","body":"x""#).replace("opus", &too_long), "must be 1 to 120 bytes long"),
        ] {
            let Err(error) = parse(&line) else { panic!("{line} was read") };
            let error = format!("{error:#}");
            assert!(error.contains(told) && !error.contains(NUMBER), "{line}: {error}");
        }
        assert!(parse(&whole(r#","body":"x","headers":null,"content_type":null,"more":1"#)).is_ok());
    }

    #[test]
    fn an_instant_without_offset_is_danish_time() {
        assert_eq!(instant("2026-03-15T06:00:00").expect("winter").to_string(), "2026-03-15T05:00:00Z");
        assert_eq!(instant("2026-07-15T06:00:00").expect("summer").to_string(), "2026-07-15T04:00:00Z");
        assert_eq!(instant("2026-07-15T06:00:00+00:00").expect("offset").to_string(), "2026-07-15T06:00:00Z");
        assert!(instant("yesterday").is_err());
    }
}
