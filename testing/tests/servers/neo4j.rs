//! Neo4j.

use mcp_hub_testing::{Neo4j, Settings};
use neo4rs::{ConfigBuilder, Graph, query};
use rcgen::{CertifiedKey, generate_simple_self_signed};

use crate::victim::{ends_with_its_process, refuses};

/// Logs in over Bolt and reads one number.
async fn number(neo4j: &Neo4j, password: &str, cypher: &str) -> Result<i64, neo4rs::Error> {
    let config = ConfigBuilder::default()
        .uri(neo4j.url())
        .user(neo4j.user())
        .password(password)
        .build()?;
    let graph = Graph::connect(config)?;
    let mut rows = graph.execute(query(cypher)).await?;
    let row = rows.next().await?.expect("a row");
    Ok(row.get("n").expect("a number"))
}

#[tokio::test]
async fn neo4j_stops_and_starts_again_on_its_ports_with_its_data() {
    let Some(neo4j) = Neo4j::start().await else {
        return;
    };
    let read = "MATCH (k:Kept) RETURN k.n AS n";
    let written = number(&neo4j, neo4j.password(), "CREATE (k:Kept {n: 7}) RETURN k.n AS n").await;
    assert_eq!(written.expect("an answer"), 7);
    neo4j.stop().await;
    assert!(refuses(neo4j.port()));
    neo4j.start_again().await;
    let kept = number(&neo4j, neo4j.password(), read).await;
    assert_eq!(kept.expect("an answer"), 7);
    neo4j.kill().await;
    assert!(refuses(neo4j.port()));
    neo4j.start_again().await;
    let kept = number(&neo4j, neo4j.password(), read).await;
    assert_eq!(kept.expect("an answer"), 7);
    let port = neo4j.port();
    drop(neo4j);
    assert!(refuses(port));
}

#[tokio::test]
async fn neo4j_asks_for_the_password() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let one = "RETURN 1 AS n";
    number(neo4j, neo4j.password(), one).await.expect("a login");
    number(neo4j, "another", one).await.expect_err("a wrong password");
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
    number(&neo4j, neo4j.password(), "RETURN 1 AS n")
        .await
        .expect_err("TLS is a must");
}

#[tokio::test]
async fn neo4j_ends_when_its_process_is_killed() {
    let start = async || Neo4j::start().await.map(|server| (server.port(), server));
    ends_with_its_process("neo4j::neo4j_ends_when_its_process_is_killed", start).await;
}
