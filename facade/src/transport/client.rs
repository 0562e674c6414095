//! Where a request comes from, also behind proxies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::Request;
use http::HeaderMap;
use http::header::HeaderName;
use ipnet::IpNet;

/// Each proxy adds the address of its client at the end. The standard's `Forwarded` (RFC 7239) is not read: a proxy that sets only
/// one of the two passes the other on as its client made it up, and this is the one that all of them set.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where a request comes from; the accept loop puts it into the extensions of each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) address: IpAddr,
}

impl Client {
    /// The client of a request.
    pub(super) fn of(request: &Request) -> Self {
        Self::within(request.extensions())
    }

    /// The client of a request with these extensions.
    pub(super) fn within(extensions: &http::Extensions) -> Self {
        let unknown = Self {
            address: Ipv4Addr::UNSPECIFIED.into(),
        };
        extensions.get().copied().unwrap_or(unknown)
    }
}

/// The proxies whose word on their client's address counts. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct TrustedProxies(Arc<[IpNet]>);

impl From<&[IpNet]> for TrustedProxies {
    fn from(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }
}

impl TrustedProxies {
    /// Whether this is one of them.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client of a request that came from `peer`: the nearest that is no trusted proxy. Behind it, anybody can have written the
    /// header.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Client {
        let mut address = peer.to_canonical();
        let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
        let mut hops = lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
        while self.contains(address) {
            let Some(hop) = hops.next().and_then(hop) else {
                break;
            };
            address = hop;
        }
        Client { address }
    }
}

/// One address of the header; some proxies write the port too.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse();
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    address
        .or_else(|_| with_port())
        .ok()
        .map(|address| address.to_canonical())
}

/// What one customer of a network has: an IPv4 address, or a /64 of IPv6.
pub(crate) fn owner(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let proxies = ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"].map(|network| network.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(X_FORWARDED_FOR, line.parse().unwrap());
        }
        let client = TrustedProxies::from(&proxies[..]).client(peer.parse().unwrap(), &headers);
        client.address.to_string()
    }

    #[test]
    fn the_client_is_the_nearest_that_is_no_trusted_proxy() {
        for (peer, forwarded, expected) in [
            // Who is no proxy of ours can say what it likes.
            ("203.0.113.1", &["198.51.100.1"][..], "203.0.113.1"),
            ("203.0.113.1", &["10.0.0.2"], "203.0.113.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            // What the client itself wrote stands further left.
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["10.9.9.9,198.51.100.1"], "198.51.100.1"),
            // Several proxies of ours.
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1 ,192.0.2.7"], "198.51.100.1"),
            (
                "10.0.0.1",
                &["198.51.100.1", "10.0.0.3, 2001:db8::5"],
                "198.51.100.1",
            ),
            ("10.0.0.1", &["10.0.0.2"], "10.0.0.2"),
            // With a port, and addresses of version 6.
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["[2001:db9::1]:4711"], "2001:db9::1"),
            ("10.0.0.1", &["[2001:db9::1]"], "2001:db9::1"),
            ("2001:db8::1", &["2001:db9::1"], "2001:db9::1"),
            ("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            // Garbage ends the walk at the last good address.
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, , 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1", "\u{e9}"], "10.0.0.1"),
        ] {
            assert_eq!(client(peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }
}
