//! The answers of the stand-in are those of a real engine, version 26.1, with other names and addresses.

use std::net::IpAddr;

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::doctor::surroundings::Place;
use mcp_hub_chassis::doctor::{Scope, Surroundings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

use super::super::local;
use super::*;

const LIMIT: Duration = Duration::from_secs(5);

/// Serves the answers on a socket, and says where.
fn engine(folder: &Path) -> String {
    let socket = folder.join("docker.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    Lifecycle::new().spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let Ok(length) = stream.read(&mut request).await else { continue };
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let (status, body) = match request.lines().next() {
                Some("GET /networks HTTP/1.1") => ("200 OK", include_str!("networks.json")),
                Some("GET /containers/json HTTP/1.1") => ("200 OK", include_str!("containers.json")),
                _ => ("404 Not Found", "{\"message\":\"page not found\"}"),
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nApi-Version: 1.45\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            // A client that is gone gets nothing.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    format!("unix://{}", socket.display())
}

async fn look(host: &str) -> Result<Docker, Error> {
    // As every process of ours does at its start.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Docker::look(Some(host), LIMIT).await
}

fn scope(contained: bool) -> Scope {
    Scope {
        timeout: LIMIT,
        deadline: LIMIT,
        surroundings: std::sync::Arc::new(Surroundings::of([], contained)),
    }
}

#[tokio::test]
async fn networks_are_those_that_the_engine_knows() {
    let folder = tempfile::tempdir().expect("a folder");
    let docker = look(&engine(folder.path())).await.expect("answers");
    let here = Surroundings::of(docker.networks(), false);
    let place = |address: &str| here.place(address.parse::<IpAddr>().expect("an address"));
    // The guide's incorrect patterns.
    for (address, expected) in [("172.20.0.15", "supabase"), ("172.23.0.4", "kind")] {
        let Place::Container {
            network,
            certain: true,
        } = place(address)
        else {
            panic!("{address}: {:?}", place(address));
        };
        assert!(network.starts_with(expected), "{network}");
    }
    let Place::Gateway {
        network,
        certain: true,
    } = place("172.23.0.1")
    else {
        panic!("{:?}", place("172.23.0.1"));
    };
    assert!(network.starts_with("kind"), "{network}");
}

#[tokio::test]
async fn ports_of_databases_that_everybody_or_no_hub_reaches_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let docker = look(&engine(folder.path())).await;
    let findings = local::examine(&docker, &scope(false));
    let told: Vec<(&str, &str)> = findings
        .iter()
        .filter(|finding| finding.subject.starts_with("container "))
        .map(|finding| (finding.subject.as_str(), finding.verdict.code()))
        .collect();
    assert_eq!(
        told,
        [
            ("container supabase-db: 0.0.0.0:5432", "published-everywhere"),
            ("container neo4j: 127.0.0.1:7687", "published-on-loopback"),
        ]
    );
}

#[tokio::test]
async fn what_can_not_be_asked_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let absent = look(&format!("unix://{}", folder.path().join("none").display())).await;
    assert!(matches!(absent, Err(Error::Absent)), "{absent:?}");
    let remote = look("tcp://203.0.113.7:2375").await;
    assert!(matches!(remote, Err(Error::NoSocket)), "{remote:?}");
    // From inside a container nothing of its host is seen, and that is not the same as that nothing is wrong.
    let findings = local::examine(&absent, &scope(true));
    assert_eq!(findings[0].verdict.code(), "not-examined");
    let findings = local::examine(&remote, &scope(false));
    assert_eq!(findings[0].detail, "DOCKER_HOST names no Unix socket");

    // An engine that takes the connection and says nothing.
    let silent = folder.path().join("silent.sock");
    let listener = UnixListener::bind(&silent).expect("a socket");
    let host = format!("unix://{}", silent.display());
    let looked = Docker::look(Some(&host), Duration::from_millis(100)).await;
    assert!(matches!(looked, Err(Error::Engine(_))), "{looked:?}");
    drop(listener);
}

/// The engine that `DOCKER_HOST` names. It can't be had everywhere.
#[tokio::test]
async fn a_real_engine_is_understood() {
    let Some(host) = mcp_hub_testing::docker_host() else {
        return;
    };
    let docker = look(&host).await.expect("answers");
    let networks = docker.networks();
    let bridge = networks.iter().find(|network| network.name == "bridge");
    assert!(
        bridge.is_some_and(|bridge| bridge.gateway.is_some()),
        "{networks:?}"
    );
}
