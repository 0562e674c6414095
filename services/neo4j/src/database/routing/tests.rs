//! A cluster can't be had (it is no part of the Community edition): here a server that only speaks of one takes its place.

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_chassis::trace::{self, attribute};
use mcp_hub_testing::traces::{self, Caller};
use tracing::Instrument as _;

use super::*;
use crate::database::Database;
use crate::wire::fake::{self, failure, success};

pub(crate) const ROUTE: u8 = 0x66;
const RUN: u8 = 0x10;
const PULL: u8 = 0x3F;

/// A routing table with these servers.
pub(crate) fn table(ttl: i64, readers: &[&Address], writers: &[&Address]) -> Packed {
    let server = |role: &str, addresses: &[&Address]| {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        Packed::Map(vec![
            ("role".to_owned(), role.into()),
            ("addresses".to_owned(), addresses.into()),
        ])
    };
    let servers = Packed::List(vec![server("READ", readers), server("WRITE", writers)]);
    let table = Packed::Map(vec![
        ("ttl".to_owned(), Packed::Int(ttl)),
        ("servers".to_owned(), servers),
    ]);
    success(vec![("rt", table)])
}

/// A member of a cluster that answers each statement with its name.
fn member(name: &'static str) -> impl Fn(u8, &[Packed]) -> Vec<Packed> + Clone + Send + Sync {
    move |tag, _| match tag {
        RUN => vec![success(vec![("fields", vec!["name"].into())])],
        PULL => vec![
            Packed::Struct(0x71, vec![Packed::List(vec![name.into()])]),
            success(vec![]),
        ],
        _ => vec![success(vec![])],
    }
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> Address {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    Address {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().expect("an address").port(),
    }
}

fn database(seed: &Address, lifecycle: &Lifecycle) -> Database {
    let config = crate::config::tests::config(&["--uri", &format!("neo4j://{seed}")]);
    Database::new(config, "test", lifecycle.clone())
}

/// Which member serves a call.
async fn served_by(database: &Database, role: Role) -> Result<String, Error> {
    let timeout = Duration::from_secs(5);
    let mut transaction = match role {
        Role::Reader => database.read(None, timeout).await?,
        Role::Writer => database.write(None, timeout).await?,
    };
    let rows = transaction.rows("RETURN", "RETURN 1", vec![]).await?;
    rows[0].get(0)
}

#[tokio::test]
async fn reads_go_round_the_readers_and_writes_to_the_writer() {
    let lifecycle = Lifecycle::new();
    let one = fake::serve(&lifecycle, member("one")).await;
    let two = fake::serve(&lifecycle, member("two")).await;
    let leader = fake::serve(&lifecycle, member("leader")).await;
    let route = table(300, &[&one, &two], &[&leader]);
    let seed = fake::serve(&lifecycle, move |tag, _| match tag {
        ROUTE => vec![route.clone()],
        _ => vec![success(vec![])],
    })
    .await;
    let database = database(&seed, &lifecycle);
    for _ in 0..2 {
        assert_eq!(served_by(&database, Role::Writer).await.expect("works"), "leader");
    }
    let mut readers = Vec::new();
    for _ in 0..4 {
        readers.push(served_by(&database, Role::Reader).await.expect("works"));
    }
    readers.sort_unstable();
    assert_eq!(readers, ["one", "one", "two", "two"]);
}

#[tokio::test]
async fn a_server_that_is_gone_is_passed_over() {
    let lifecycle = Lifecycle::new();
    let one = fake::serve(&lifecycle, member("one")).await;
    let route = table(300, &[&nobody(), &one], &[]);
    let seed = fake::serve(&lifecycle, move |tag, _| match tag {
        ROUTE => vec![route.clone()],
        _ => vec![success(vec![])],
    })
    .await;
    let database = database(&seed, &lifecycle);
    for _ in 0..4 {
        assert_eq!(served_by(&database, Role::Reader).await.expect("works"), "one");
    }
    let fault = Fault::from(
        served_by(&database, Role::Writer)
            .await
            .expect_err("nobody writes"),
    );
    assert!(fault.message.contains("no server for writes now"), "{fault:?}");
}

#[tokio::test]
async fn addresses_of_another_network_are_found_and_explained_without_them() {
    let lifecycle = Lifecycle::new();
    let pod = Address {
        host: "neo4j-0.invalid".to_owned(),
        port: 7687,
    };
    let other = nobody();
    let route = table(300, &[&pod, &other], &[&pod]);
    let seed = fake::serve(&lifecycle, move |tag, _| match tag {
        ROUTE => vec![route.clone()],
        _ => vec![success(vec![])],
    })
    .await;
    let database = database(&seed, &lifecycle);
    for role in [Role::Reader, Role::Writer] {
        let error = served_by(&database, role)
            .await
            .expect_err("nobody can be reached");
        let fault = Fault::from(error);
        assert_eq!(fault.reason, Reason::DatabaseUnavailable);
        for part in [
            "addresses that it advertises",
            "server.bolt.advertised_address",
            "bolt://",
        ] {
            assert!(fault.message.contains(part), "{fault:?}");
        }
        let told = format!("{fault:?}");
        assert!(!told.contains("neo4j-0") && !told.contains("127.0.0.1"), "{told}");
    }
}

#[tokio::test]
async fn a_new_leader_is_found() {
    let lifecycle = Lifecycle::new();
    let old = fake::serve(&lifecycle, |tag, _| match tag {
        RUN => vec![failure("Neo.ClientError.Cluster.NotALeader")],
        PULL => vec![Packed::Struct(0x7E, vec![])],
        _ => vec![success(vec![])],
    })
    .await;
    let new = fake::serve(&lifecycle, member("new")).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let (before, after) = (table(300, &[&old], &[&old]), table(300, &[&new], &[&new]));
    let seed = fake::serve(&lifecycle, move |tag, _| match tag {
        ROUTE if asked.fetch_add(1, Ordering::Relaxed) == 0 => vec![before.clone()],
        ROUTE => vec![after.clone()],
        _ => vec![success(vec![])],
    })
    .await;
    let database = database(&seed, &lifecycle);
    let fault = Fault::from(
        served_by(&database, Role::Writer)
            .await
            .expect_err("a follower now"),
    );
    assert_eq!(
        fault.reason,
        Reason::DatabaseBusy,
        "trying again helps: {fault:?}"
    );
    assert!(
        fault.message.contains("another one of its cluster leads"),
        "{fault:?}"
    );
    assert_eq!(served_by(&database, Role::Writer).await.expect("works"), "new");
}

#[test]
fn a_table_of_nonsense_is_no_table() {
    for metadata in [
        Packed::Null,
        Packed::Map(vec![]),
        Packed::Map(vec![("ttl".to_owned(), Packed::Int(-1))]),
    ] {
        assert_eq!(Table::read(&metadata), None);
    }
    let endless = Packed::Map(vec![("ttl".to_owned(), Packed::Int(i64::MAX))]);
    let table = Table::read(&endless).expect("a table");
    assert!(table.until <= Instant::now() + LONGEST);
}

#[test]
fn a_server_that_swallows_what_it_is_sent_is_left_alone() {
    let (one, two) = (nobody(), nobody());
    let table = Table {
        readers: vec![one.clone(), two.clone()],
        writers: vec![one.clone()],
        until: Instant::now(),
    };
    let routes = Routes::default();
    assert_eq!(routes.servers(&table, Role::Reader).len(), 2);
    // One that refuses at once costs nothing.
    routes.unreachable(&two, "connection refused", Duration::ZERO);
    routes.unreachable(&one, "timed out", SLOW);
    assert_eq!(routes.servers(&table, Role::Reader), [two]);
    assert!(routes.servers(&table, Role::Writer).is_empty());
    let told = table.nobody(Role::Writer).to_string();
    assert!(told.contains("advertises"), "it is still there: {told}");
}

#[tokio::test]
async fn each_attempt_at_a_server_is_seen() {
    traces::record();
    let lifecycle = Lifecycle::new();
    let one = fake::serve(&lifecycle, member("one")).await;
    let gone = nobody();
    let route = table(300, &[&gone, &one], &[]);
    let seed = fake::serve(&lifecycle, move |tag, _| match tag {
        ROUTE => vec![route.clone()],
        _ => vec![success(vec![])],
    })
    .await;
    let database = database(&seed, &lifecycle);
    let caller = Caller::new();
    let parent = trace::context::untrusted(&caller.traceparent()).expect("a context");
    let call = served_by(&database, Role::Reader).instrument(trace::server("call", parent));
    assert_eq!(call.await.expect("works"), "one");
    let mut spans = caller.spans();
    spans.sort_by_key(|span| span.start_time);
    let shown = spans.iter().filter(|span| span.name != "call").map(|span| {
        let told = [attribute::SERVER_PORT, attribute::RETRY, attribute::ERROR_TYPE];
        let told = told
            .map(|name| traces::attribute(span, name).map_or_else(String::new, |value| value.to_string()));
        (span.name.to_string(), told)
    });
    let expected = |name: &str, server: &Address, retry: &str, error: &str| {
        (
            name.to_owned(),
            [server.port.to_string(), retry.to_owned(), error.to_owned()],
        )
    };
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            expected("acquire connection", &seed, "", ""),
            expected("ROUTE", &seed, "", ""),
            expected("acquire connection", &gone, "", "DATABASE_UNAVAILABLE"),
            expected("acquire connection", &one, "2", ""),
            expected("RETURN", &one, "", ""),
        ]
    );
}
