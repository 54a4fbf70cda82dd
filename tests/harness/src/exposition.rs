//! Reading what a metrics endpoint answers, and holding it against the rules of the OpenMetrics text format.

#![expect(clippy::disallowed_types, reason = "what a metric says is no money")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What an endpoint answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The line of the status, and the headers.
    pub head: String,
    /// The body.
    pub body: String,
}

/// Asks for a path, as an HTTP client does that asks once.
pub async fn ask(address: SocketAddr, method: &str, path: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer has a head")?;
    Ok(Answer { head: head.to_owned(), body: body.to_owned() })
}

/// A series: its name, and its labels by name.
pub type Series = (String, BTreeMap<String, String>);

/// All that an endpoint tells.
#[derive(Debug, Clone, Default)]
pub struct Exposition {
    /// The families' types by their names.
    pub families: BTreeMap<String, String>,
    /// The values.
    pub series: BTreeMap<Series, f64>,
}

impl Exposition {
    /// Asks an endpoint.
    pub async fn of(address: SocketAddr) -> Result<(Self, String)> {
        let answer = ask(address, "GET", "/metrics").await?;
        ensure!(answer.head.starts_with("HTTP/1.1 200 "), "it answered {}", answer.head);
        Ok((Self::read(&answer.body)?, answer.body))
    }

    /// Reads a text. An error says at which line it is not as the format has it.
    pub fn read(text: &str) -> Result<Self> {
        let mut all = Self::default();
        let mut family = String::new();
        let body = text.strip_suffix("# EOF\n").context("the last line is not # EOF")?;
        for (at, line) in body.lines().enumerate() {
            let fault = || format!("line {}: {line}", at + 1);
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').with_context(fault)?;
                ensure!(is_name(name) && !help.trim().is_empty(), fault());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').with_context(fault)?;
                ensure!(["counter", "gauge", "histogram", "info"].contains(&kind), fault());
                let is_new = all.families.insert(name.to_owned(), kind.to_owned()).is_none();
                ensure!(is_name(name) && is_new, fault());
                family = name.to_owned();
            } else {
                let ((name, labels), value) = sample(line).with_context(fault)?;
                ensure!(all.names_of(&family).contains(&name), fault());
                let is_new = all.series.insert((name, labels), value).is_none();
                ensure!(is_new && (value >= 0.0 || all.families[&family] == "gauge"), fault());
            }
        }
        all.check_histograms()?;
        Ok(all)
    }

    /// The names that a family's series have.
    fn names_of(&self, family: &str) -> Vec<String> {
        let endings: &[&str] = match self.families.get(family).map(String::as_str) {
            Some("counter") => &["_total"],
            Some("gauge") => &[""],
            Some("histogram") => &["_bucket", "_sum", "_count"],
            Some("info") => &["_info"],
            _ => &[],
        };
        endings.iter().map(|ending| format!("{family}{ending}")).collect()
    }

    /// The names of all series that there are or may be.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        self.families.keys().flat_map(|family| self.names_of(family)).collect()
    }

    /// The value of the series with these labels and no others.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
        self.series.get(&(name.to_owned(), labels)).copied()
    }

    /// The buckets of each histogram never fall, and the last, which has no bound, holds all.
    fn check_histograms(&self) -> Result<()> {
        let mut buckets: BTreeMap<Series, Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), values) in &self.series {
            let Some(family) = name.strip_suffix("_bucket") else { continue };
            let mut labels = labels.clone();
            let bound = labels.remove("le").with_context(|| format!("a bucket of {family} has no bound"))?;
            buckets.entry((family.to_owned(), labels)).or_default().push((bound.parse()?, *values));
        }
        for ((family, labels), mut buckets) in buckets {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            ensure!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "the buckets of {family} fall");
            let all = self.series.get(&(format!("{family}_count"), labels));
            ensure!(
                buckets.last().is_some_and(|(bound, values)| bound.is_infinite() && Some(values) == all),
                "the last bucket of {family} does not hold all"
            );
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && !name.starts_with('_')
}

/// `name{label="value",…} number`.
fn sample(line: &str) -> Result<(Series, f64)> {
    let end = line.find(['{', ' ']).context("it has no value")?;
    let (name, mut rest) = line.split_at(end);
    ensure!(is_name(name), "it has no name");
    let mut labels = BTreeMap::new();
    if let Some(more) = rest.strip_prefix('{') {
        rest = more;
        loop {
            let (label, more) = rest.split_once("=\"").context("a label has no value")?;
            let (value, more) = quoted(more)?;
            ensure!(is_name(label) && labels.insert(label.to_owned(), value).is_none(), "a label is wrong");
            rest = more;
            if let Some(more) = rest.strip_prefix(',') {
                rest = more;
            } else {
                rest = rest.strip_prefix('}').context("the labels do not end")?;
                break;
            }
        }
    }
    let value = rest.strip_prefix(' ').context("it has no value")?.parse()?;
    Ok(((name.to_owned(), labels), value))
}

/// What stands until the closing quote, and what comes after it.
fn quoted(text: &str) -> Result<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                _ => bail!("an escape is none"),
            },
            _ => value.push(character),
        }
    }
    bail!("a value does not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP a A.\n# TYPE a counter\na_total{x=\"\\\"\\\\\\n\",y=\"2\"} 3\n# HELP h H.\n\
        # TYPE h histogram\nh_sum 1.5\nh_count 2\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 2\n# EOF\n";

    #[test]
    fn what_is_right_is_read_and_anything_wrong_is_found() {
        let read = Exposition::read(GOOD).expect("it is right");
        assert_eq!(read.value("a_total", &[("x", "\"\\\n"), ("y", "2")]), Some(3.0));
        assert_eq!(read.names().into_iter().collect::<Vec<_>>(), ["a_total", "h_bucket", "h_count", "h_sum"]);
        for (right, wrong) in [
            ("# EOF\n", ""),
            ("a_total{", "a{"),
            (" 3\n", " three\n"),
            (" 3\n", " -3\n"),
            (" 3\n", "\n"),
            ("y=\"2\"", "x=\"2\""),
            ("y=\"2\"", "y=\"2"),
            ("y=\"2\"", "Y=\"2\""),
            ("\\n", "\\t"),
            ("h_count 2", "h_count 3"),
            ("+Inf", "7"),
            ("\"0.5\"} 1", "\"0.5\"} 4"),
            ("# TYPE h histogram\n", ""),
            ("h_sum 1.5", "h_sum 1.5\nh_sum 1.5"),
        ] {
            assert!(GOOD.contains(right), "{right}");
            assert!(Exposition::read(&GOOD.replacen(right, wrong, 1)).is_err(), "{right} as {wrong}");
        }
    }
}
