//! Neo4j.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mcp_hub_testing::{Neo4j, Settings};
use rcgen::{CertifiedKey, generate_simple_self_signed};

use crate::victim::{ends_with_its_process, refuses};

fn connect(port: u16) -> TcpStream {
    let connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    connection
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a timeout");
    connection
}

/// What the server answers over HTTP: status line, headers and body.
fn run(neo4j: &Neo4j, password: &str, cypher: &str) -> String {
    let port = neo4j.http_url().rsplit(':').next().expect("a port");
    let login = BASE64_STANDARD.encode(format!("{}:{password}", neo4j.user()));
    let body = format!(r#"{{"statement":"{cypher}"}}"#);
    let request = format!(
        "POST /db/neo4j/query/v2 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {login}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut connection = connect(port.parse().expect("a number"));
    connection.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("it answers");
    answer
}

fn values(neo4j: &Neo4j, cypher: &str) -> String {
    let answer = run(neo4j, neo4j.password(), cypher);
    let values = answer
        .split_once(r#""values":"#)
        .and_then(|(_, rest)| rest.split_once('}'));
    values.unwrap_or_else(|| panic!("{answer}")).0.to_owned()
}

/// Offers Bolt 5.4; the version that the server chooses.
fn handshake(port: u16) -> std::io::Result<[u8; 4]> {
    let mut connection = connect(port);
    connection.write_all(&[0x60, 0x60, 0xb0, 0x17])?;
    connection.write_all(&[0, 0, 4, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
    let mut version = [0; 4];
    connection.read_exact(&mut version)?;
    Ok(version)
}

#[tokio::test]
async fn neo4j_stops_and_starts_again_on_its_ports_with_its_data() {
    let Some(neo4j) = Neo4j::start().await else {
        return;
    };
    let read = "MATCH (k:Kept) RETURN k.n";
    assert_eq!(values(&neo4j, "CREATE (k:Kept {n: 7}) RETURN k.n"), "[[7]]");
    neo4j.stop().await;
    assert!(refuses(neo4j.port()));
    neo4j.start_again().await;
    assert_eq!(values(&neo4j, read), "[[7]]");
    neo4j.kill().await;
    assert!(refuses(neo4j.port()));
    neo4j.start_again().await;
    assert_eq!(values(&neo4j, read), "[[7]]");
    let port = neo4j.port();
    drop(neo4j);
    assert!(refuses(port));
}

#[tokio::test]
async fn neo4j_asks_for_the_password() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    assert_eq!(values(neo4j, "RETURN 1"), "[[1]]");
    let refused = run(neo4j, "another", "RETURN 1");
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
}

#[tokio::test]
async fn neo4j_speaks_bolt() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    assert_eq!(handshake(neo4j.port()).expect("an answer"), [0, 0, 4, 5]);
}

#[tokio::test]
async fn neo4j_takes_certificates_and_settings() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let settings = Settings::new()
        .file("certificates/bolt/public.crt", cert.pem())
        .file("certificates/bolt/private.key", signing_key.serialize_pem())
        .set("dbms.ssl.policy.bolt.enabled", "true")
        .set("dbms.ssl.policy.bolt.base_directory", "certificates/bolt")
        .set("dbms.ssl.policy.bolt.client_auth", "NONE")
        .set("server.bolt.tls_level", "REQUIRED");
    let Some(neo4j) = Neo4j::start_with(&settings).await else {
        return;
    };
    // It ends a connection that does not begin with TLS.
    handshake(neo4j.port()).expect_err("TLS is a must");
}

#[tokio::test]
async fn neo4j_ends_when_its_process_is_killed() {
    let start = async || Neo4j::start().await.map(|server| (server.port(), server));
    ends_with_its_process("neo4j::neo4j_ends_when_its_process_is_killed", start).await;
}
