//! Spoiling bytes.

use crate::faults::Chance;

/// Pieces that mean something to one of the formats.
const PIECES: [&[u8]; 40] = [
    b"null",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b",",
    b":",
    b"true",
    b"1e9",
    b"NaN",
    b"-",
    b".",
    b"&",
    b"&#x0;",
    b"&#1114112;",
    b"&113K",
    b"&amp;",
    b"<x>",
    b"</x>",
    b"<x/>",
    b"]]>",
    b"<![CDATA[",
    b"<!--",
    b"<!DOCTYPE x>",
    b"<?xml version='1.0'?>",
    b"\0",
    b"\r\n",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xc3",
    b"9999999999999999999",
    b"6112801234",
    b"2026-02-30",
    b"T24:00:00+99:99",
    b"\"cpr\":",
    b"urn:oio:",
];

/// The most bytes that an input grows to.
const MOST: usize = 1 << 16;

/// One of the samples, spoiled in some ways; now and then it stays as it is.
pub(super) fn spoil(samples: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut input = one_of(samples, chance).clone();
    for _ in 0..chance.from(0, 6) {
        let (at, to) = range(input.len(), chance);
        match chance.from(0, 9) {
            0 => flip(&mut input, at, chance),
            1 => drop(input.drain(at..to)),
            2 => {
                let piece = input[at..to].to_vec();
                drop(input.splice(at..at, piece));
            }
            3 => drop(input.splice(at..to, one_of(&PIECES, chance).iter().copied())),
            4 => drop(input.splice(at..at, one_of(&PIECES, chance).iter().copied())),
            5 => input.truncate(at),
            6 => {
                let other = one_of(samples, chance);
                let (from, until) = range(other.len(), chance);
                drop(input.splice(at..to, other[from..until].iter().copied()));
            }
            7 => drop(input.splice(at..at, std::iter::repeat_n(chance.from(0, 255) as u8, to - at))),
            8 => {
                let piece = one_of(&PIECES, chance);
                let times = chance.from(1, 200) as usize;
                drop(input.splice(at..at, piece.repeat(times)));
            }
            _ => digit(&mut input, at, chance),
        }
        input.truncate(MOST);
    }
    input
}

fn one_of<'a, T>(all: &'a [T], chance: &mut Chance) -> &'a T {
    &all[chance.from(0, all.len() as u64 - 1) as usize]
}

/// A part of something, mostly short.
fn range(length: usize, chance: &mut Chance) -> (usize, usize) {
    let at = chance.from(0, length as u64) as usize;
    let most = if chance.once_in(8) { length - at } else { (length - at).min(12) };
    (at, at + chance.from(0, most as u64) as usize)
}

fn flip(input: &mut [u8], at: usize, chance: &mut Chance) {
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << chance.from(0, 7);
    }
}

/// Another digit in place of the next one.
fn digit(input: &mut [u8], at: usize, chance: &mut Chance) {
    if let Some(byte) = input.iter_mut().skip(at).find(|byte| byte.is_ascii_digit()) {
        *byte = b'0' + chance.from(0, 9) as u8;
    }
}
