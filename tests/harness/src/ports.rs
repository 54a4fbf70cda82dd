//! Free TCP ports on the loopback interface.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::bail;

/// Below the range from which Linux picks the ports of outgoing connections, so that none of those takes the port of a
/// server while it is down for a restart.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// `N` ports that nothing listens on. Processes that run at the same time begin to look at different places.
pub(crate) fn free<const N: usize>() -> anyhow::Result<[u16; N]> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Multiplied by a prime, so that processes with neighbouring numbers begin far apart.
    let start = (std::process::id().wrapping_mul(7_919) % u32::from(COUNT)) as u16;
    let mut found = [0; N];
    for slot in &mut found {
        let candidates =
            (0..COUNT).map(|_| FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT);
        match candidates.into_iter().find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()) {
            Some(port) => *slot = port,
            None => bail!("no free port between {FIRST} and {}", FIRST + COUNT),
        }
    }
    Ok(found)
}
