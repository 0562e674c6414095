//! PostgreSQL, and PgBouncer in front of it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use mcp_hub_testing::{PgBouncer, Postgres, eventually};

use crate::victim::{ends_with_its_process, refuses};

/// Logs in as `user` and runs one statement by the simple protocol; the server's messages up to "ready" are read.
fn run(port: u16, user: &str, sql: &str) -> std::io::Result<()> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    let startup = [
        &[0, 3, 0, 0],
        format!("user\0{user}\0database\0postgres\0\0").as_bytes(),
    ]
    .concat();
    send(&mut connection, &[], &startup)?;
    until_ready(&mut connection)?;
    send(&mut connection, b"Q", format!("{sql}\0").as_bytes())?;
    until_ready(&mut connection)
}

fn send(connection: &mut TcpStream, kind: &[u8], body: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
    connection.write_all(&[kind, &length, body].concat())
}

fn until_ready(connection: &mut TcpStream) -> std::io::Result<()> {
    loop {
        let mut head = [0; 5];
        connection.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length - 4];
        connection.read_exact(&mut body)?;
        match head[0] {
            b'Z' => return Ok(()),
            b'E' => return Err(std::io::Error::other(String::from_utf8_lossy(&body).into_owned())),
            _ => {}
        }
    }
}

#[tokio::test]
async fn postgres_stops_and_starts_again_on_its_port() {
    let Some(postgres) = Postgres::start().await else {
        return;
    };
    run(postgres.port(), "postgres", "select 1").expect("an answer");
    postgres.stop().await;
    assert!(refuses(postgres.port()));
    postgres.start_again().await;
    run(postgres.port(), "postgres", "select 1").expect("an answer");
    postgres.kill().await;
    assert!(refuses(postgres.port()));
    postgres.start_again().await;
    run(postgres.port(), "postgres", "select 1").expect("an answer");
    let port = postgres.port();
    drop(postgres);
    assert!(refuses(port));
}

#[tokio::test]
async fn the_pooler_lets_any_role_in() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let Some(pooler) = PgBouncer::in_front_of(postgres).await else {
        return;
    };
    run(pooler.port(), "postgres", "create role somebody login").expect("an answer");
    run(pooler.port(), "somebody", "select 1").expect("a role that only the server knows");
    run(pooler.port(), "nobody", "select 1").expect_err("no such role");
    let port = pooler.port();
    drop(pooler);
    eventually(Duration::from_secs(5), async || refuses(port)).await;
}

#[tokio::test]
async fn postgres_ends_when_its_process_is_killed() {
    let start = async || Postgres::start().await.map(|server| (server.port(), server));
    ends_with_its_process("postgres::postgres_ends_when_its_process_is_killed", start).await;
}
