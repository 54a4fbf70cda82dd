//! Records of one request: which of them go together, and by what key a receiver knows them.

use samspor_domain::{Outgoing, TraceContext};

/// The content type of several records, one a line.
const LINES: &str = "application/x-ndjson";

/// One request.
pub(super) struct Request {
    /// By which a receiver knows it when it comes again: a record's message id, or what [`key`] makes of several.
    pub(super) key: String,
    pub(super) content_type: &'static str,
    pub(super) body: bytes::Bytes,
    /// The span of a record that goes alone.
    pub(super) trace: Option<TraceContext>,
    /// How many messages were handed over for it.
    pub(super) messages: usize,
    /// Whether it has more than one record.
    pub(super) is_several: bool,
}

/// How large a request is at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) records: usize,
    /// One record that is larger goes alone.
    pub(super) bytes: usize,
}

/// What is posted of messages that were handed over. Of one record under several topics, of which a URL has none, the last
/// one is what holds; without topics each is a record of its own.
pub(super) fn requests(messages: Vec<Outgoing>, most: Bound) -> Vec<Request> {
    let mut records: Vec<(Outgoing, usize)> = Vec::with_capacity(messages.len());
    for message in messages {
        let is_same = |last: &Outgoing| last.message_id == message.message_id && message.topic.is_some();
        match records.last_mut().filter(|(last, _)| is_same(last)) {
            Some((last, same)) => (*last, *same) = (message, *same + 1),
            None => records.push((message, 1)),
        }
    }
    let mut requests = Vec::new();
    let mut records = records.into_iter().peekable();
    while records.peek().is_some() {
        let (mut together, mut bytes) = (Vec::new(), 0_usize);
        while together.len() < most.records.max(1)
            && let Some(next) = records.next_if(|(next, _)| {
                together.is_empty() || bytes.saturating_add(next.body.len()) < most.bytes
            })
        {
            bytes = bytes.saturating_add(next.0.body.len() + 1);
            together.push(next);
        }
        requests.push(if most.records > 1 { lines(together) } else { alone(together) });
    }
    requests
}

fn alone(records: Vec<(Outgoing, usize)>) -> Request {
    let Some((record, messages)) = records.into_iter().next() else {
        unreachable!("a request has a record");
    };
    let Outgoing { message_id, content_type, body, trace, .. } = record;
    Request { key: message_id, content_type, body, trace, messages, is_several: false }
}

fn lines(records: Vec<(Outgoing, usize)>) -> Request {
    let key = key(records.iter().map(|(record, _)| record.message_id.as_str()));
    let messages = records.iter().map(|(_, messages)| messages).sum();
    let mut body = Vec::with_capacity(records.iter().map(|(record, _)| record.body.len() + 1).sum());
    for (record, _) in &records {
        body.extend_from_slice(&record.body);
        body.push(b'\n');
    }
    let is_several = records.len() > 1;
    let trace = match <[_; 1]>::try_from(records) {
        Ok([(record, _)]) => record.trace,
        Err(_) => None,
    };
    Request { key, content_type: LINES, body: body.into(), trace, messages, is_several }
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

    const ENOUGH: usize = 1_000;

    fn message(id: &str, body: &str) -> Outgoing {
        Outgoing {
            message_id: id.into(),
            topic: Some(["sb", "a"].map(|text| text.parse().expect("a text")).into()),
            content_type: "application/json",
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
        let requests = requests(messages(), Bound { records: 3, bytes: ENOUGH });
        let said: Vec<_> = requests.iter().map(|request| (&request.body[..], request.messages)).collect();
        assert_eq!(said, [(&b"1\ntag\n3\n"[..], 4), (&b"4\n"[..], 1)]);
        assert!(requests.iter().all(|request| request.content_type == LINES));
        assert!(requests[0].key.starts_with("batch:3:"), "{}", requests[0].key);
        assert_eq!(requests[1].key, "d:1");
        let alone = super::requests(messages(), Bound { records: 1, bytes: ENOUGH });
        let keys: Vec<&str> = alone.iter().map(|request| request.key.as_str()).collect();
        assert_eq!(keys, ["a:1", "b:1", "c:1", "d:1"]);
        assert!(alone.iter().all(|request| request.content_type == "application/json"));
    }

    #[test]
    fn a_request_has_no_more_bytes_than_it_may_and_one_record_at_least() {
        let bodies = ["12345", "1234", "123456789012", "1", "22", "333"];
        let messages =
            || bodies.iter().enumerate().map(|(no, body)| message(&no.to_string(), body)).collect();
        let requests = requests(messages(), Bound { records: 3, bytes: 11 });
        let bodies: Vec<_> = requests.iter().map(|request| &request.body[..]).collect();
        assert_eq!(bodies, [&b"12345\n1234\n"[..], b"123456789012\n", b"1\n22\n333\n"]);
        let exact = super::requests(messages(), Bound { records: 3, bytes: 10 });
        assert_eq!(&exact[0].body[..], b"12345\n");
    }

    /// A source's name and a posting's id may both hold what stands between them in a message id.
    #[test]
    fn only_messages_of_several_topics_are_one_record() {
        let mut messages = vec![message("opus:2:77:1", "first"), message("opus:2:77:1", "second")];
        messages.iter_mut().for_each(|message| message.topic = None);
        let requests = requests(messages, Bound { records: 5, bytes: ENOUGH });
        assert_eq!(&requests[0].body[..], b"first\nsecond\n");
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
