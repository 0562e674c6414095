//! Where this process is, and where an address lies from here: in a network of Docker, on its gateway, on this machine itself.
//!
//! Networks are those that are really there: the routes of this machine or container, what the caller learnt from Docker's API, and what
//! the settings name. Only where none of them has the address, the ranges that Docker takes its networks from are a guess, and then it
//! is said to be one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;

use ipnet::{IpNet, Ipv4Net};

use crate::config;

/// What Docker takes networks from when nobody says otherwise; those from 192.168.0.0/16 are everybody's and no hint.
const DOCKER_POOL: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12);

/// A network of containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// What it is called, `kind`; its interface where Docker was not asked.
    pub name: String,
    /// Its addresses.
    pub subnet: IpNet,
    /// The address of the Docker host in it; the first of the subnet when nobody says.
    pub gateway: Option<IpAddr>,
}

impl Network {
    /// The address of the Docker host in it.
    fn gateway(&self) -> Option<IpAddr> {
        self.gateway.or_else(|| self.subnet.hosts().next())
    }

    fn told(&self) -> String {
        format!("{} ({})", self.name, self.subnet)
    }
}

impl std::str::FromStr for Network {
    type Err = String;

    /// Reads `172.23.0.0/16` or `kind=172.23.0.0/16`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, subnet) = text.split_once('=').unwrap_or(("docker", text));
        let subnet = subnet
            .trim()
            .parse()
            .map_err(|_| "a network is like kind=172.23.0.0/16".to_owned())?;
        Ok(Self {
            name: name.trim().to_owned(),
            subnet,
            gateway: None,
        })
    }
}

/// Where an address lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// This machine, or this container, by itself.
    Loopback,
    /// No address to connect to: `0.0.0.0`, a group of many.
    Nowhere,
    /// Of one link only.
    LinkLocal,
    /// The Docker host's address in a network of containers.
    Gateway {
        /// The network, for people.
        network: String,
        /// Whether the network is known, and not only likely.
        certain: bool,
    },
    /// A container's own address.
    Container {
        /// The network, for people.
        network: String,
        /// Whether the network is known, and not only likely.
        certain: bool,
    },
    /// Another address of this machine.
    Own,
    /// An address that is no public one.
    Private,
    /// An address of the Internet.
    Public,
}

/// Where this process is.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    networks: Vec<Network>,
    contained: bool,
}

impl Surroundings {
    /// Looks around: the routes, and whether this is a container.
    pub fn here() -> Self {
        let contained =
            Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists() || in_cluster();
        Self {
            networks: routed(contained),
            contained,
        }
    }

    /// Surroundings with these networks, and nothing looked at.
    pub fn of(networks: impl IntoIterator<Item = Network>, contained: bool) -> Self {
        Self {
            networks: networks.into_iter().collect(),
            contained,
        }
    }

    /// With networks that somebody else knows: Docker's API, a setting. They win over those that were seen.
    #[must_use]
    pub fn with(mut self, networks: impl IntoIterator<Item = Network>) -> Self {
        let mut known: Vec<Network> = networks.into_iter().collect();
        self.networks
            .retain(|seen| known.iter().all(|known| known.subnet != seen.subnet));
        known.append(&mut self.networks);
        self.networks = known;
        self
    }

    /// The networks of containers that are known here.
    pub fn networks(&self) -> &[Network] {
        &self.networks
    }

    /// The network that the hub's connections come from, as far as it is known: KIND's, which firewalls see in the place of its pods.
    pub fn hub_network(&self) -> Option<&Network> {
        self.networks.iter().find(|network| network.name == "kind")
    }

    /// Whether this process is in a container or pod.
    pub fn is_contained(&self) -> bool {
        self.contained
    }

    /// Where an address lies.
    pub fn place(&self, address: IpAddr) -> Place {
        let address = address.to_canonical();
        if address.is_loopback() {
            return Place::Loopback;
        }
        if address.is_unspecified() || address.is_multicast() || address == Ipv4Addr::BROADCAST {
            return Place::Nowhere;
        }
        if is_link_local(address) {
            return Place::LinkLocal;
        }
        for network in &self.networks {
            if network.gateway() == Some(address) {
                return Place::Gateway {
                    network: network.told(),
                    certain: true,
                };
            }
        }
        if is_own(address) {
            return Place::Own;
        }
        if let Some(network) = self
            .networks
            .iter()
            .find(|network| network.subnet.contains(&address))
        {
            return Place::Container {
                network: network.told(),
                certain: true,
            };
        }
        self.guess(address)
    }

    /// Where an address lies that is in no network known here.
    fn guess(&self, address: IpAddr) -> Place {
        match address {
            // Where there is no Docker anywhere near, the range is a private one like others.
            IpAddr::V4(v4) if DOCKER_POOL.contains(&v4) && (self.contained || !self.networks.is_empty()) => {
                let network = format!("{DOCKER_POOL}, which Docker takes its networks from");
                let [_, _, third, last] = v4.octets();
                let certain = false;
                if third == 0 && last == 1 {
                    Place::Gateway { network, certain }
                } else {
                    Place::Container { network, certain }
                }
            }
            IpAddr::V4(v4) if v4.is_private() || is_shared(v4) => Place::Private,
            IpAddr::V6(v6) if v6.is_unique_local() => Place::Private,
            _ => Place::Public,
        }
    }
}

/// Whether this is a pod.
fn in_cluster() -> bool {
    config::variable("KUBERNETES_SERVICE_HOST").is_some()
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// 100.64.0.0/10, of carriers and of some clusters.
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && second & 0xC0 == 64
}

/// Whether an address is one of this machine's: the way there begins at itself. Nothing is sent.
fn is_own(address: IpAddr) -> bool {
    source_of(address) == Some(address)
}

/// The address that packets to this one leave from. Nothing is sent.
fn source_of(address: IpAddr) -> Option<IpAddr> {
    let any: SocketAddr = match address {
        IpAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        IpAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any).ok()?;
    // The port means nothing: only the route is looked up.
    socket.connect((address, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The networks of containers that the routes show: Docker's bridges on a host, one's own network in a container.
#[cfg(target_os = "linux")]
fn routed(contained: bool) -> Vec<Network> {
    // A network of pods is none that people write addresses of into settings.
    let own = contained && !in_cluster();
    let routes = procfs::net::route().unwrap_or_default();
    let default = routes
        .iter()
        .find(|route| route.destination.is_unspecified() && route.mask.is_unspecified());
    let bridge = |interface: &str| interface == "docker0" || interface.starts_with("br-");
    let networks = routes.iter().filter(|route| route.gateway.is_unspecified());
    networks
        .filter(|route| own || bridge(&route.iface))
        .filter_map(|route| {
            let subnet = Ipv4Net::with_netmask(route.destination, route.mask).ok()?;
            let subnet = Some(subnet).filter(|subnet| subnet.prefix_len() > 0)?;
            let gateway = if bridge(&route.iface) {
                // The host is its own gateway there.
                source_of(subnet.hosts().nth(1)?.into())
            } else {
                default
                    .map(|route| IpAddr::from(route.gateway))
                    .filter(|gateway| IpNet::from(subnet).contains(gateway))
            };
            Some(Network {
                name: route.iface.clone(),
                subnet: subnet.into(),
                gateway,
            })
        })
        .collect()
}

/// Elsewhere nobody is asked.
#[cfg(not(target_os = "linux"))]
fn routed(_: bool) -> Vec<Network> {
    vec![]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(surroundings: &Surroundings, address: &str) -> Place {
        surroundings.place(address.parse().expect("an address"))
    }

    fn network(text: &str) -> Network {
        text.parse().expect("a network")
    }

    #[test]
    fn an_address_of_a_network_that_is_there_is_known() {
        let here = Surroundings::of(
            [network("kind=172.23.0.0/16"), network("shop=10.9.0.0/24")],
            false,
        );
        let told = |name: &str| name.to_owned();
        assert_eq!(
            place(&here, "172.23.0.1"),
            Place::Gateway {
                network: told("kind (172.23.0.0/16)"),
                certain: true
            }
        );
        assert_eq!(
            place(&here, "10.9.0.7"),
            Place::Container {
                network: told("shop (10.9.0.0/24)"),
                certain: true
            }
        );
        // An IPv4 address in IPv6's clothes is the same address.
        assert_eq!(place(&here, "::ffff:10.9.0.7"), place(&here, "10.9.0.7"));
        assert!(matches!(
            place(&here, "172.19.0.6"),
            Place::Container { certain: false, .. }
        ));
        assert!(matches!(
            place(&here, "172.19.0.1"),
            Place::Gateway { certain: false, .. }
        ));
    }

    #[test]
    fn without_docker_nothing_is_guessed() {
        let here = Surroundings::of([], false);
        for (address, expected) in [
            ("172.20.0.15", Place::Private),
            ("10.1.2.3", Place::Private),
            ("100.64.0.1", Place::Private),
            ("fd00::1", Place::Private),
            ("203.0.113.9", Place::Public),
            ("2001:db8::1", Place::Public),
            ("127.0.0.2", Place::Loopback),
            ("::1", Place::Loopback),
            ("0.0.0.0", Place::Nowhere),
            ("224.0.0.1", Place::Nowhere),
            ("169.254.1.1", Place::LinkLocal),
            ("fe80::1", Place::LinkLocal),
        ] {
            assert_eq!(place(&here, address), expected, "{address}");
        }
    }

    #[test]
    fn what_docker_says_wins_over_what_is_seen() {
        let seen = Surroundings::of([network("br-0123=172.23.0.0/16")], false);
        let here = seen.with([network("kind=172.23.0.0/16")]);
        assert_eq!(here.networks(), [network("kind=172.23.0.0/16")]);
        assert!("172.23.0.0".parse::<Network>().is_err());
    }
}
