//! By whom connections, calls and streams are counted, so that nobody takes what is for all.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use tonic::Request;

/// A caller that is known; of one that is not, the address from which it comes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    Caller(Arc<str>),
    Address(IpAddr),
}

impl Origin {
    /// Whoever is at an address. An IPv6 network is one, since who has one has all 2⁶⁴ addresses of it.
    pub(crate) fn at(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            address => address,
        })
    }

    /// Who makes a call. Those that passed no door count as one.
    pub(crate) fn of<T>(request: &Request<T>) -> Self {
        request.extensions().get().cloned().unwrap_or(Self::Address(Ipv6Addr::UNSPECIFIED.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_one_and_an_address_is_the_same_in_both_ways_of_writing_it() {
        let at = |text: &str| Origin::at(text.parse().expect("an address"));
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1:2:3"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}
