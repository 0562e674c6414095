//! Every version of the protocol on the real server, and servers that are none.

use std::time::Duration;

use mcp_hub_chassis::Lifecycle;
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_testing::{Neo4j, eventually};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::fake::{self, failure, success};
use super::*;
use crate::config::tests::config;
use crate::config::{Address, Role, Target};
use crate::value::{Detail, decode};

fn target(uri: &str) -> Target {
    config(&["--uri", uri]).target(Role::Reader).expect("a target")
}

/// The rows of a statement in a transaction of its own.
async fn rows(connection: &mut Connection, cypher: &str) -> Result<Vec<Vec<Packed>>, Error> {
    let nothing = || Packed::Map(vec![]);
    let mode = Packed::Map(vec![("mode".to_owned(), "r".into())]);
    connection.queue(Request::Begin, vec![mode]);
    connection.queue(Request::Run, vec![cypher.into(), nothing(), nothing()]);
    let all = Packed::Map(vec![("n".to_owned(), Packed::Int(-1))]);
    connection.queue(Request::Pull, vec![all]);
    connection.flush().await?;
    let mut rows = Vec::new();
    while !connection.is_settled() {
        if let Response::Record(values) = connection.receive().await? {
            rows.push(values);
        }
    }
    connection.clear().await?;
    Ok(rows)
}

#[tokio::test]
async fn every_version_is_spoken() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let target = target(&format!(
        "neo4j://{}:{}@{}:{}",
        neo4j.user(),
        neo4j.password(),
        neo4j.host(),
        neo4j.port()
    ));
    for version in [
        (5, 8),
        (5, 7),
        (5, 6),
        (5, 4),
        (5, 3),
        (5, 2),
        (5, 1),
        (5, 0),
        (4, 4),
    ] {
        let offer = [[0, 0, version.1, version.0], [0; 4], [0; 4], [0; 4]];
        let connected = login::connect_as(&target, &target.address, offer).await;
        let mut connection = connected.unwrap_or_else(|error| panic!("{version:?}: {error:?}"));
        let cypher = "RETURN datetime('2024-10-27T02:30:00.5+01:00[Europe/Paris]'), [1, null], {a: point({x: 1, y: 2})}";
        for _ in 0..2 {
            let rows = rows(&mut connection, cypher).await;
            let rows = rows.unwrap_or_else(|error| panic!("{version:?}: {error:?}"));
            let Some(Kind::Temporal(instant)) = decode(&rows[0][0], Detail::Whole).kind else {
                panic!("{version:?}: {rows:?}");
            };
            assert_eq!(
                instant.text, "2024-10-27T02:30:00.500+01:00[Europe/Paris]",
                "{version:?}"
            );
            assert!(connection.is_idle(), "{version:?}");
        }
        let error = rows(&mut connection, "RETURN x").await.expect_err("a mistake");
        let Error::Server(error) = error else {
            panic!("{version:?}: {error:?}");
        };
        assert_eq!(error.code, "Neo.ClientError.Statement.SyntaxError", "{version:?}");
        assert_eq!(error.position, Some(8), "{version:?}");
        connection.clear().await.expect("usable");
        assert_eq!(rows(&mut connection, "RETURN 1").await.expect("works").len(), 1);
    }
}

/// A server that sends these bytes to whoever comes, and ends the connection.
async fn sends(lifecycle: &Lifecycle, bytes: Vec<u8>) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    lifecycle.spawn_until_stopped(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // The client may have gone.
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            // What it says is read, or closing would take back what was sent.
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    });
    Address {
        host: "127.0.0.1".to_owned(),
        port,
    }
}

#[tokio::test]
async fn whatever_answers_a_login_ends_it_in_clean_words() {
    let lifecycle = Lifecycle::new();
    let agreed = vec![0, 0, 8, 5];
    for (bytes, part) in [
        (vec![], "closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n".to_vec(), "speaks HTTP"),
        (agreed.clone(), "closed the connection"),
        // An answer that is none; one that is no structure; a text for its metadata; a row before any statement.
        (
            [agreed.as_slice(), &[0, 2, 0xB0, 0x55, 0, 0]].concat(),
            "protocol",
        ),
        ([agreed.as_slice(), &[0, 1, 0x01, 0, 0]].concat(), "protocol"),
        (
            [agreed.as_slice(), &[0, 3, 0xB1, 0x70, 0x80, 0, 0]].concat(),
            "protocol",
        ),
        (
            [agreed.as_slice(), &[0, 3, 0xB1, 0x71, 0x90, 0, 0]].concat(),
            "protocol",
        ),
        // A length that lies.
        (
            [
                agreed.as_slice(),
                &[0, 7, 0xB1, 0x70, 0xDA, 255, 255, 255, 255, 0, 0],
            ]
            .concat(),
            "can't be read",
        ),
    ] {
        let address = sends(&lifecycle, bytes.clone()).await;
        let target = target(&format!("bolt://{address}"));
        let error = connect(&target, &address).await.err().expect("no server");
        assert!(error.to_string().contains(part), "{bytes:?}: {error}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = Address {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().expect("an address").port(),
    };
    let target = target(&format!("bolt://{address}"));
    let error = connect(&target, &address).await.err().expect("nobody speaks");
    assert!(error.to_string().contains("timed out"), "{error}");
}

#[tokio::test]
async fn answers_that_do_not_fit_break_the_connection() {
    const PULL: u8 = 0x3F;
    let lifecycle = Lifecycle::new();
    for (answers, what) in [
        (vec![Packed::Null], "no structure"),
        (vec![Packed::Struct(0x33, vec![])], "an unknown answer"),
        (vec![success(vec![]), success(vec![])], "an answer too many"),
    ] {
        let address = fake::serve(&lifecycle, move |tag, _| match tag {
            PULL => answers.clone(),
            _ => vec![success(vec![])],
        })
        .await;
        let target = target(&format!("bolt://{address}"));
        let mut connection = connect(&target, &address).await.expect("connects");
        if rows(&mut connection, "RETURN 1").await.is_ok() {
            eventually(Duration::from_secs(5), async || {
                (!connection.is_alive()).then_some(()).ok_or(what)
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_failed_reset_is_the_end_of_a_connection() {
    const RUN: u8 = 0x10;
    const RESET: u8 = 0x0F;
    let lifecycle = Lifecycle::new();
    let address = fake::serve(&lifecycle, |tag, _| match tag {
        RUN | RESET => vec![failure("Neo.DatabaseError.General.UnknownError")],
        _ => vec![success(vec![])],
    })
    .await;
    let target = target(&format!("bolt://{address}"));
    let mut connection = connect(&target, &address).await.expect("connects");
    rows(&mut connection, "RETURN 1").await.expect_err("fails");
    let cleared = tokio::time::timeout(Duration::from_secs(5), connection.clear()).await;
    cleared.expect("in time").expect_err("can't be cleared");
    assert!(connection.is_broken() && !connection.is_idle());
}

#[tokio::test]
async fn a_dropped_future_leaves_a_connection_that_can_be_cleared() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let target = target(&format!(
        "bolt://{}:{}@{}:{}",
        neo4j.user(),
        neo4j.password(),
        neo4j.host(),
        neo4j.port()
    ));
    let mut connection = connect(&target, &target.address).await.expect("connects");
    let mut cleared = 0;
    // At every await that there is, sooner or later.
    for microseconds in (0..40_000).step_by(1_700) {
        let endless = "UNWIND range(1, 1000000000) AS n RETURN n, 'some text to fill the buffers with'";
        let limit = Duration::from_micros(microseconds);
        let result = tokio::time::timeout(limit, rows(&mut connection, endless)).await;
        assert!(result.is_err(), "it has no end");
        if connection.clear().await.is_ok() {
            cleared += 1;
        } else {
            // Neo4j 5.26 sometimes ends a connection that is reset while a transaction begins, which interrupts it as well.
            assert!(connection.is_broken());
            connection = connect(&target, &target.address).await.expect("connects");
        }
        assert!(connection.is_idle());
        assert_eq!(rows(&mut connection, "RETURN 1").await.expect("works").len(), 1);
    }
    assert!(cleared > 20, "{cleared}");
}
