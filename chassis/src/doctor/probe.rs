//! One step of the way each: a name, a connection, TLS, and what answers on a port.
//!
//! [`reach`] is the first two hops to any server, with their findings. [`mod@tls`] speaks TLS, [`http`] asks in HTTP/1.1, [`protocol`]
//! says what answers where something else was due.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::surroundings::Place;
use super::{Finding, Hop, Scope, Verdict};

pub mod http;
pub mod protocol;
pub mod tls;

/// The most addresses of a name that are tried.
const MOST_ADDRESSES: usize = 16;

/// A server, as the settings name it.
#[derive(Clone, Debug)]
pub struct Server<'a> {
    /// What it is called in the table: a service's key, `orders`.
    pub key: &'a str,
    /// Its name or address.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// The setting that names the host: `POSTGRES_HOST`.
    pub host_setting: &'a str,
    /// The setting that names the port: `POSTGRES_PORT`.
    pub port_setting: &'a str,
    /// What the look-up and the connection are hops of.
    pub hops: [Hop; 2],
}

impl<'a> Server<'a> {
    /// A database's server.
    pub fn new(key: &'a str, host: &'a str, port: u16) -> Self {
        Self {
            key,
            host,
            port,
            host_setting: "",
            port_setting: "",
            hops: [Hop::Host, Hop::Port],
        }
    }

    /// With the settings that name host and port.
    #[must_use]
    pub fn named_by(mut self, host_setting: &'a str, port_setting: &'a str) -> Self {
        (self.host_setting, self.port_setting) = (host_setting, port_setting);
        self
    }

    /// As another part of the way than a database.
    #[must_use]
    pub fn as_hops(mut self, name: Hop, port: Hop) -> Self {
        self.hops = [name, port];
        self
    }

    /// Host and port, as people write them.
    pub fn authority(&self) -> String {
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => format!("[{address}]:{}", self.port),
            _ => format!("{}:{}", self.host, self.port),
        }
    }

    /// A finding about its name or address.
    pub fn of_host(&self, verdict: Verdict) -> Finding {
        let subject = format!("{}: {}", self.key, self.host);
        self.filled(Finding::new(self.hops[0], subject, verdict).of_setting(self.host_setting))
    }

    /// A finding about what is on its port; `hop` is [`Hop::Port`] or one behind it.
    pub fn of_port(&self, hop: Hop, verdict: Verdict) -> Finding {
        let subject = format!("{}: {}", self.key, self.authority());
        self.filled(Finding::new(hop, subject, verdict).of_setting(self.port_setting))
    }

    fn filled(&self, finding: Finding) -> Finding {
        finding
            .fill("host", self.host)
            .fill("port", self.port.to_string())
    }
}

/// What came of the way to a server.
#[derive(Debug)]
pub struct Reached {
    /// What was found on it.
    pub findings: Vec<Finding>,
    /// The connection, if there is one.
    pub stream: Option<TcpStream>,
}

/// Looks a server up, says where its address lies, and connects.
pub async fn reach(server: &Server<'_>, scope: &Scope) -> Reached {
    let looked_up = Instant::now();
    let addresses = match resolve(server.host, server.port, scope.timeout).await {
        Ok(addresses) => addresses,
        Err(verdict) => {
            let host = server.of_host(verdict).after(looked_up.elapsed());
            let port = server.of_port(server.hops[1], Verdict::Skipped);
            return Reached {
                findings: vec![host, port],
                stream: None,
            };
        }
    };
    let looked_up = looked_up.elapsed();

    let started = Instant::now();
    let connected = join_all(addresses.iter().map(|address| connect(*address, scope.timeout))).await;
    let silent = connected.iter().filter(|connected| connected.is_err()).count();
    let mut stream = None;
    let mut failure = None;
    for (address, connected) in addresses.iter().zip(connected) {
        match connected {
            Ok(connected) => stream = stream.or(Some((*address, connected))),
            Err(verdict) => failure = failure.or(Some((*address, verdict))),
        }
    }
    let literal = server.host.parse::<IpAddr>().is_ok();
    let (host, port) = match (&stream, failure) {
        (Some((address, _)), _) => (
            if literal {
                of_place_that_works(scope, *address)
            } else {
                (Verdict::Ok, None)
            },
            Verdict::Ok,
        ),
        (None, Some((address, verdict))) => (of_place_that_fails(scope, address), verdict),
        (None, None) => ((Verdict::NameNotFound, None), Verdict::Skipped),
    };
    let (verdict, network) = host;
    let mut host = server.of_host(verdict).after(looked_up);
    if let Some(network) = network {
        host = host.with_detail(format!("it is in {network}"));
    }
    let mut port = server.of_port(server.hops[1], port).after(started.elapsed());
    if stream.is_some() && silent > 0 {
        port = port.with_detail(format!(
            "{silent} of its {} addresses do not answer",
            addresses.len()
        ));
    }
    if let Some(network) = scope.surroundings.hub_network() {
        port = port.fill("network", network.subnet.to_string());
    }
    Reached {
        findings: vec![host, port],
        stream: stream.map(|(_, stream)| stream),
    }
}

/// What is to be said of an address that works: it may not for long.
fn of_place_that_works(scope: &Scope, address: SocketAddr) -> (Verdict, Option<String>) {
    match scope.surroundings.place(address.ip()) {
        Place::Container {
            network,
            certain: true,
        } => (Verdict::ContainerAddress, Some(network)),
        Place::Gateway {
            network,
            certain: true,
        } => (Verdict::GatewayAddress, Some(network)),
        _ => (Verdict::Ok, None),
    }
}

/// What is to be said of an address where nothing is reached: it may be why.
fn of_place_that_fails(scope: &Scope, address: SocketAddr) -> (Verdict, Option<String>) {
    match scope.surroundings.place(address.ip()) {
        Place::Container { network, .. } => (Verdict::ContainerUnreachable, Some(network)),
        Place::Gateway { network, .. } => (Verdict::GatewayUnreachable, Some(network)),
        Place::Loopback if scope.surroundings.is_contained() => (Verdict::LoopbackInContainer, None),
        Place::Nowhere | Place::LinkLocal => (Verdict::AddressUnusable, None),
        _ => (Verdict::Ok, None),
    }
}

/// Looks up a name, or takes an address as it is.
///
/// # Errors
/// What is wrong with the name, or with those who are asked for it.
pub async fn resolve(host: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>, Verdict> {
    match timeout(limit, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(addresses)) => {
            let mut addresses: Vec<SocketAddr> = addresses.take(MOST_ADDRESSES).collect();
            addresses.dedup();
            Some(addresses)
                .filter(|addresses| !addresses.is_empty())
                .ok_or(Verdict::NameNotFound)
        }
        Ok(Err(error)) => Err(of_look_up(&error)),
        Err(_) => Err(Verdict::LookUpFailed),
    }
}

/// What the resolver's error comes to. It has no code by then, only the text of glibc or musl.
fn of_look_up(error: &io::Error) -> Verdict {
    let text = error.to_string();
    if ["Temporary failure", "Try again", "Non-recoverable"]
        .iter()
        .any(|again| text.contains(again))
    {
        Verdict::LookUpFailed
    } else {
        Verdict::NameNotFound
    }
}

/// Connects to an address.
///
/// # Errors
/// Why there is no connection.
pub async fn connect(address: SocketAddr, limit: Duration) -> Result<TcpStream, Verdict> {
    match timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(of_io(&error)),
        Err(_) => Err(Verdict::TimedOut),
    }
}

/// What an error of a connection comes to.
pub fn of_io(error: &io::Error) -> Verdict {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Verdict::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            Verdict::Unreachable
        }
        io::ErrorKind::PermissionDenied => Verdict::NotPermitted,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected => Verdict::Closed,
        io::ErrorKind::InvalidInput | io::ErrorKind::AddrNotAvailable => Verdict::AddressUnusable,
        _ => Verdict::TimedOut,
    }
}

#[cfg(test)]
mod tests;
