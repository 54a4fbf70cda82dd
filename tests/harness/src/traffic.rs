//! What passes a proxy, as far as it is AMQP 0-9-1: which deliveries have no acknowledgement and which published messages
//! no confirm yet, counted on the wire and so at the very moment.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

/// What has passed all connections of a proxy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages that were delivered to clients, since the proxy started.
    pub delivered: u64,
    /// Of those on open connections, the ones without an acknowledgement that reached the server.
    pub unacknowledged: usize,
    /// Messages that clients published and the server got, since the proxy started.
    pub published: u64,
    /// Of those on open connections, the ones without a confirm that reached the client.
    pub unconfirmed: usize,
    /// Channels on open connections whose messages the server confirms.
    pub confirming: usize,
    /// Confirms that reached clients: messages, since the proxy started.
    pub confirmed: u64,
}

/// Reads along on one connection.
#[derive(Debug)]
pub(crate) struct Meter {
    all: Arc<watch::Sender<Traffic>>,
    up: Frames,
    down: Frames,
    /// By channel and number.
    unacknowledged: BTreeSet<(u16, u64)>,
    unconfirmed: BTreeSet<(u16, u64)>,
    /// Channels that confirm, and how many messages were published on each.
    published: std::collections::BTreeMap<u16, u64>,
}

/// Class and number of the methods that count here; section 1.8 of the specification's reference, and RabbitMQ's
/// extension for confirms.
mod method {
    pub(super) const PUBLISH: [u8; 4] = [0, 60, 0, 40];
    pub(super) const DELIVER: [u8; 4] = [0, 60, 0, 60];
    pub(super) const ACK: [u8; 4] = [0, 60, 0, 80];
    pub(super) const SELECT_OK: [u8; 4] = [0, 85, 0, 11];
}

impl Meter {
    pub(crate) fn new(all: Arc<watch::Sender<Traffic>>) -> Self {
        // A client greets the server with 8 bytes that are no frame.
        let up = Frames { skip: 8, ..Frames::default() };
        Self {
            all,
            up,
            down: Frames::default(),
            unacknowledged: BTreeSet::new(),
            unconfirmed: BTreeSet::new(),
            published: std::collections::BTreeMap::new(),
        }
    }

    /// Bytes that reach the server.
    pub(crate) fn up(&mut self, bytes: &[u8]) {
        let (unacknowledged, unconfirmed, counted) =
            (&mut self.unacknowledged, &mut self.unconfirmed, &mut self.published);
        let before = [unacknowledged.len(), unconfirmed.len(), counted.len()];
        let mut published = 0;
        self.up.read(bytes, |channel, method| {
            if method.starts_with(&method::PUBLISH)
                && let Some(count) = counted.get_mut(&channel)
            {
                *count += 1;
                published += 1;
                unconfirmed.insert((channel, *count));
            } else if let Some((tag, multiple)) = acknowledgement(method) {
                settle(unacknowledged, channel, tag, multiple);
            }
        });
        let after = [unacknowledged.len(), unconfirmed.len(), counted.len()];
        self.note(before, after, |all| all.published += published);
    }

    /// Bytes that reach the client.
    pub(crate) fn down(&mut self, bytes: &[u8]) {
        let (unacknowledged, unconfirmed, counted) =
            (&mut self.unacknowledged, &mut self.unconfirmed, &mut self.published);
        let before = [unacknowledged.len(), unconfirmed.len(), counted.len()];
        let (mut delivered, mut confirmed) = (0, 0);
        self.down.read(bytes, |channel, method| {
            if method.starts_with(&method::DELIVER) {
                let name = method.get(4).map_or(0, |length| usize::from(*length));
                if let Some(tag) = number(method, 5 + name) {
                    delivered += 1;
                    unacknowledged.insert((channel, tag));
                }
            } else if method.starts_with(&method::SELECT_OK) {
                counted.insert(channel, 0);
            } else if let Some((tag, multiple)) = acknowledgement(method) {
                confirmed += settle(unconfirmed, channel, tag, multiple);
            }
        });
        let after = [unacknowledged.len(), unconfirmed.len(), counted.len()];
        self.note(before, after, |all| {
            all.delivered += delivered;
            all.confirmed += confirmed;
        });
    }

    fn note(&self, before: [usize; 3], after: [usize; 3], more: impl FnOnce(&mut Traffic)) {
        self.all.send_if_modified(|all| {
            let was = *all;
            all.unacknowledged = all.unacknowledged + after[0] - before[0];
            all.unconfirmed = all.unconfirmed + after[1] - before[1];
            all.confirming = all.confirming + after[2] - before[2];
            more(all);
            *all != was
        });
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let open = [self.unacknowledged.len(), self.unconfirmed.len(), self.published.len()];
        self.note(open, [0; 3], |_| ());
    }
}

fn number(method: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(method.get(at..at + 8)?.try_into().ok()?))
}

/// Number and reach of `basic.ack`.
fn acknowledgement(method: &[u8]) -> Option<(u64, bool)> {
    let tag = method.starts_with(&method::ACK).then(|| number(method, 4))??;
    Some((tag, method.get(12).is_some_and(|flags| flags & 1 == 1)))
}

/// Takes out what an acknowledgement settles, and says how many that are.
fn settle(open: &mut BTreeSet<(u16, u64)>, channel: u16, tag: u64, multiple: bool) -> u64 {
    if !multiple {
        return u64::from(open.remove(&(channel, tag)));
    }
    let before = open.len();
    open.retain(|(of, number)| *of != channel || *number > tag);
    (before - open.len()) as u64
}

/// Finds the method frames in a stream of bytes that comes in any pieces.
#[derive(Debug, Default)]
struct Frames {
    /// Bytes that are nothing to this: the rest of a frame's content.
    skip: usize,
    /// A frame's header, and the payload of a method.
    held: Vec<u8>,
}

impl Frames {
    /// A header: type, channel, size.
    const HEADER: usize = 7;
    const METHOD: u8 = 1;

    fn read(&mut self, mut bytes: &[u8], mut method: impl FnMut(u16, &[u8])) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let wanted = self.wanted().saturating_sub(self.held.len()).min(bytes.len());
            self.held.extend_from_slice(&bytes[..wanted]);
            bytes = &bytes[wanted..];
            if self.held.len() < self.wanted() {
                continue;
            }
            let (channel, size) = self.header();
            if self.held[0] == Self::METHOD {
                method(channel, &self.held[Self::HEADER..]);
                self.skip = 1; // The byte that ends a frame.
            } else {
                self.skip = size.saturating_add(1);
            }
            self.held.clear();
        }
    }

    fn header(&self) -> (u16, usize) {
        let size = u32::from_be_bytes([self.held[3], self.held[4], self.held[5], self.held[6]]);
        (u16::from_be_bytes([self.held[1], self.held[2]]), size as usize)
    }

    /// How many bytes there must be to go on.
    fn wanted(&self) -> usize {
        if self.held.len() >= Self::HEADER && self.held[0] == Self::METHOD {
            Self::HEADER + self.header().1
        } else {
            Self::HEADER
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len()).unwrap_or_else(|e| panic!("{e}")).to_be_bytes();
        [&[kind][..], &channel.to_be_bytes(), &size, payload, &[0xce]].concat()
    }

    fn ack(channel: u16, tag: u64, multiple: bool) -> Vec<u8> {
        frame(1, channel, &[&method::ACK[..], &tag.to_be_bytes(), &[u8::from(multiple)]].concat())
    }

    /// Whatever pieces the bytes come in, the counts are the same.
    #[test]
    fn deliveries_and_confirms_are_counted_in_any_pieces() {
        let deliver = |tag: u64| {
            let method = [&method::DELIVER[..], &[3], b"ctg", &tag.to_be_bytes(), &[0, 0, 0]].concat();
            [frame(1, 1, &method), frame(2, 1, &[1; 14]), frame(3, 1, &[1; 300])].concat()
        };
        let publish = |channel| {
            [frame(1, channel, &[&method::PUBLISH[..], &[0; 5]].concat()), frame(3, channel, &[1; 40])]
                .concat()
        };
        let down = [
            frame(1, 2, &method::SELECT_OK),
            (1..=5).flat_map(deliver).collect(),
            ack(2, 2, true),
            ack(2, 4, false),
        ];
        let up = [
            b"AMQP\0\0\x09\x01".to_vec(),
            (0..4).flat_map(|_| publish(2)).collect(),
            ack(1, 3, true),
            publish(7),
        ];
        for piece in [1, 2, 7, 8, 31, 1000] {
            let all = Arc::new(watch::Sender::new(Traffic::default()));
            let mut meter = Meter::new(Arc::clone(&all));
            let (down_first, down_rest) = down.split_at(2);
            down_first.concat().chunks(piece).for_each(|bytes| meter.down(bytes));
            up.concat().chunks(piece).for_each(|bytes| meter.up(bytes));
            down_rest.concat().chunks(piece).for_each(|bytes| meter.down(bytes));
            let right = Traffic {
                delivered: 5,
                unacknowledged: 2,
                published: 4,
                unconfirmed: 1,
                confirming: 1,
                confirmed: 3,
            };
            assert_eq!(*all.borrow(), right, "in pieces of {piece}");
            drop(meter);
            assert_eq!((all.borrow().unacknowledged, all.borrow().unconfirmed), (0, 0));
        }
    }
}
