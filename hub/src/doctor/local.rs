//! What this machine publishes to others: the ports of databases, by Docker and without.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use mcp_hub_chassis::doctor::{Finding, Hop, Scope, Severity, Verdict};

use super::docker::{Container, Docker, Error, Published};

/// The ports of databases, as they are unless somebody changes them.
const PORTS: [(u16, &str); 9] = [
    (3306, "MariaDB or MySQL"),
    (5432, "PostgreSQL"),
    (6333, "Qdrant"),
    (6334, "Qdrant"),
    (6432, "PgBouncer"),
    (6543, "Supavisor"),
    (7473, "Neo4j"),
    (7474, "Neo4j"),
    (7687, "Neo4j"),
];

/// Parts of the names of databases' images.
const IMAGES: [&str; 6] = ["postgres", "mariadb", "mysql", "neo4j", "qdrant", "pgbouncer"];

/// Looks at the ports that others reach.
pub(super) fn examine(docker: &Result<Docker, Error>, scope: &Scope) -> Vec<Finding> {
    if scope.surroundings.is_contained() && docker.is_err() {
        // What listens here is this container's, and nobody else's.
        let finding = Finding::new(Hop::Exposure, "this machine", Verdict::NotExamined);
        return vec![
            finding
                .with_detail("this is a container: its host publishes ports, and it can't be seen from here"),
        ];
    }
    let mut findings = Vec::new();
    let mut known = BTreeSet::new();
    match docker {
        Ok(docker) => {
            let published = docker.containers().iter().flat_map(|container| {
                known.extend(container.ports.iter().filter_map(|port| port.public_port));
                of_container(docker, container)
            });
            findings.extend(published);
        }
        Err(Error::Absent) => {}
        Err(error) => {
            let finding = Finding::new(Hop::Exposure, "Docker", Verdict::NotExamined);
            findings.push(finding.with_detail(error.to_string()));
        }
    }
    // A published port may be held open by a process of Docker's.
    let others = listening()
        .into_iter()
        .filter(|address| !known.contains(&address.port()));
    findings.extend(of_listeners(others));
    if findings
        .iter()
        .all(|finding| finding.verdict.severity() != Severity::Warning)
    {
        let subject = "the ports of databases on this machine";
        findings.push(Finding::new(Hop::Exposure, subject, Verdict::Ok));
    }
    findings
}

/// What is to be said of the ports that a container publishes.
fn of_container(docker: &Docker, container: &Container) -> Vec<Finding> {
    let mut ports: Vec<&Published> = container
        .ports
        .iter()
        .filter(|port| port.protocol == "tcp" && is_a_database(container, port))
        .collect();
    // The same port on IPv4 and on IPv6 is one; the wider of both is told.
    ports.sort_by_key(|port| {
        (
            port.public_port,
            port.address.is_some_and(|address| !address.is_unspecified()),
        )
    });
    ports.dedup_by_key(|port| port.public_port);
    ports
        .into_iter()
        .filter_map(|port| {
            let (address, public) = (port.address?, port.public_port?);
            let verdict = if address.is_unspecified() {
                Verdict::PublishedEverywhere
            } else if address.is_loopback() && docker.is_apart_from_a_hub(container) {
                Verdict::PublishedOnLoopback
            } else {
                return None;
            };
            let subject = format!(
                "container {}: {}",
                container.name(),
                SocketAddr::from((address, public))
            );
            let finding = Finding::new(Hop::Exposure, subject, verdict);
            Some(
                finding
                    .with_detail(told(port.private_port))
                    .fill("port", public.to_string()),
            )
        })
        .collect()
}

fn is_a_database(container: &Container, port: &Published) -> bool {
    let image = container.image();
    !told(port.private_port).is_empty() || IMAGES.iter().any(|part| image.contains(part))
}

/// Whose port it usually is.
fn told(port: u16) -> &'static str {
    PORTS
        .iter()
        .find_map(|(usual, name)| (*usual == port).then_some(*name))
        .unwrap_or_default()
}

/// What is to be said of sockets that listen.
fn of_listeners(addresses: impl Iterator<Item = SocketAddr>) -> Vec<Finding> {
    let everywhere = addresses.filter(|address| is_everywhere(address.ip()));
    let ports: BTreeSet<u16> = everywhere.map(|address| address.port()).collect();
    let findings = ports
        .into_iter()
        .filter(|port| !told(*port).is_empty())
        .map(|port| {
            let finding = Finding::new(Hop::Exposure, format!("port {port}"), Verdict::ListensEverywhere);
            finding.with_detail(told(port)).fill("port", port.to_string())
        });
    findings.collect()
}

fn is_everywhere(address: IpAddr) -> bool {
    address.to_canonical().is_unspecified()
}

/// The sockets of this machine that listen.
#[cfg(target_os = "linux")]
fn listening() -> Vec<SocketAddr> {
    use procfs::net::{TcpState, tcp, tcp6};
    let sockets = [tcp(), tcp6()].into_iter().flat_map(Result::unwrap_or_default);
    let listening = sockets.filter(|socket| socket.state == TcpState::Listen);
    listening.map(|socket| socket.local_address).collect()
}

/// Elsewhere nobody is asked.
#[cfg(not(target_os = "linux"))]
fn listening() -> Vec<SocketAddr> {
    vec![]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_a_database_on_all_addresses_is_told_once() {
        let addresses = [
            "0.0.0.0:5432",
            "[::]:5432",
            "127.0.0.1:3306",
            "[::]:3306",
            "0.0.0.0:8000",
        ];
        let addresses = addresses.map(|address| address.parse().expect("an address"));
        let findings = of_listeners(addresses.into_iter());
        let told: Vec<&str> = findings.iter().map(|finding| finding.subject.as_str()).collect();
        assert_eq!(told, ["port 3306", "port 5432"]);
        assert_eq!(findings[1].detail, "PostgreSQL");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_that_listens_is_seen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        assert!(listening().contains(&address));
        drop(listener);
        assert!(!listening().contains(&address));
    }
}
