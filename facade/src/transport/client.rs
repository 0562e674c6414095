//! Where a request comes from, also behind proxies.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::Request;

/// The far end of a connection; the accept loop puts it into the extensions of each request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) address: IpAddr,
}

impl Client {
    /// The client of a request.
    pub(super) fn of(request: &Request) -> Self {
        let unknown = Self {
            address: Ipv4Addr::UNSPECIFIED.into(),
        };
        request.extensions().get().copied().unwrap_or(unknown)
    }
}
