//! Records of one request: which of them go together, and by what key a receiver knows them.

use std::borrow::Cow;

use samspor_domain::{Outgoing, TraceContext};

/// The content type of several records, one a line.
const LINES: &str = "application/x-ndjson";

/// One request.
pub(super) struct Request {
    /// By which a receiver knows it when it comes again: a record's message id, or what [`key`] makes of several.
    pub(super) key: String,
    pub(super) content_type: Cow<'static, str>,
    pub(super) body: bytes::Bytes,
    /// The span of a record that goes alone.
    pub(super) trace: Option<TraceContext>,
    /// How many messages were handed over for it.
    pub(super) messages: usize,
}

/// What is posted of messages that were handed over: at most so many records a request. Of one record under several
/// topics, of which a URL has none, the last one is what holds.
pub(super) fn requests(messages: Vec<Outgoing>, most: usize) -> Vec<Request> {
    let mut records: Vec<(Outgoing, usize)> = Vec::with_capacity(messages.len());
    for message in messages {
        match records.last_mut().filter(|(last, _)| last.message_id == message.message_id) {
            Some((last, same)) => (*last, *same) = (message, *same + 1),
            None => records.push((message, 1)),
        }
    }
    let mut requests = Vec::new();
    let mut records = records.into_iter().peekable();
    while records.peek().is_some() {
        let together: Vec<_> = records.by_ref().take(most.max(1)).collect();
        requests.push(if most > 1 { lines(together) } else { alone(together) });
    }
    requests
}

fn alone(records: Vec<(Outgoing, usize)>) -> Request {
    let Some((record, messages)) = records.into_iter().next() else {
        unreachable!("a request has a record");
    };
    let Outgoing { message_id, content_type, body, trace, .. } = record;
    Request { key: message_id, content_type, body, trace, messages }
}

fn lines(records: Vec<(Outgoing, usize)>) -> Request {
    let key = key(records.iter().map(|(record, _)| record.message_id.as_str()));
    let messages = records.iter().map(|(_, messages)| messages).sum();
    let mut body = Vec::with_capacity(records.iter().map(|(record, _)| record.body.len() + 1).sum());
    for (record, _) in &records {
        body.extend_from_slice(&record.body);
        body.push(b'\n');
    }
    let trace = match <[_; 1]>::try_from(records) {
        Ok([(record, _)]) => record.trace,
        Err(_) => None,
    };
    Request { key, content_type: LINES.into(), body: body.into(), trace, messages }
}

/// The key of records that go together: that of one is its message id; that of several is their number and the 128-bit
/// FNV-1a digest of their ids, each with a line feed behind it.
fn key<'a>(ids: impl ExactSizeIterator<Item = &'a str> + Clone) -> String {
    let count = ids.len();
    if let (1, Some(id)) = (count, ids.clone().next()) {
        return id.to_owned();
    }
    let bytes = ids.flat_map(|id| id.bytes().chain([b'\n']));
    format!("batch:{count}:{:032x}", digest(bytes))
}

/// The 128-bit FNV-1a digest: the same in every version of everything.
fn digest(bytes: impl Iterator<Item = u8>) -> u128 {
    bytes.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |digest, byte| {
        (digest ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, body: &str) -> Outgoing {
        Outgoing {
            message_id: id.into(),
            topic: None,
            content_type: "application/json".into(),
            body: body.to_owned().into(),
            trace: None,
        }
    }

    #[test]
    fn the_digest_is_the_one_that_others_know() {
        assert_eq!(digest("".bytes()), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(digest("a".bytes()), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }

    #[test]
    fn records_go_together_up_to_the_bound_and_none_twice() {
        let messages = || {
            vec![
                message("a:1", "1"),
                message("b:1", "untag"),
                message("b:1", "tag"),
                message("c:1", "3"),
                message("d:1", "4"),
            ]
        };
        let requests = requests(messages(), 3);
        let said: Vec<_> = requests.iter().map(|request| (&request.body[..], request.messages)).collect();
        assert_eq!(said, [(&b"1\ntag\n3\n"[..], 4), (&b"4\n"[..], 1)]);
        assert!(requests.iter().all(|request| request.content_type == LINES));
        assert!(requests[0].key.starts_with("batch:3:"), "{}", requests[0].key);
        assert_eq!(requests[1].key, "d:1");
        let alone = super::requests(messages(), 1);
        let keys: Vec<&str> = alone.iter().map(|request| request.key.as_str()).collect();
        assert_eq!(keys, ["a:1", "b:1", "c:1", "d:1"]);
        assert!(alone.iter().all(|request| request.content_type == "application/json"));
    }

    #[test]
    fn other_records_have_another_key() {
        let keys: std::collections::BTreeSet<String> =
            [&["a", "b"][..], &["b", "a"], &["ab", "c"], &["a", "bc"], &["a", "b", "c"]]
                .map(|ids| key(ids.iter().copied()))
                .into();
        assert_eq!(keys.len(), 5);
    }
}
