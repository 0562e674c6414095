//! Each part as a process of its own, and the adapters as gRPC services that anybody can call.

use std::time::Duration;

use mcp_hub_e2e::{Door, Process, Session, ask_adapter, get};
use mcp_hub_testing::{MariaDb, Neo4j, Postgres, Qdrant, eventually, free_port};
use serde_json::{Value, json};

use crate::hub::rows;

/// Starts an adapter and waits until it can be asked.
async fn adapter(program: &str, arguments: &[&str]) -> (Process, String) {
    let address = format!("127.0.0.1:{}", free_port());
    let process = Process::start(program, &[&["--listen", &*address], arguments].concat(), &[]);
    eventually(Duration::from_secs(20), async || {
        let connection = tokio::net::TcpStream::connect(&address).await;
        connection
            .map(drop)
            .map_err(|error| format!("{error}: {}", process.output()))
    })
    .await;
    (process, address)
}

fn has(list: &Value, name: &str) -> bool {
    list.as_array()
        .is_some_and(|items| items.iter().any(|item| item == name))
}

/// Python's client speaks only reflection v1alpha and knows no .proto file of ours.
#[tokio::test]
async fn a_foreign_grpc_client_lists_and_calls_the_sqlite_adapter() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shop.db");
    let database = rusqlite::Connection::open(&file).expect("a file");
    database
        .execute_batch("create table item (name text); insert into item values ('tea')")
        .expect("SQL");
    let (_adapter, address) = adapter("mcp-hub-sqlite", &["--path", &file.display().to_string()]).await;

    let service = "mcphub.sqlite.v1.SqliteService";
    let (query, tables) = (format!("{service}/Query"), format!("{service}/ListTables"));
    let calls = [
        (&*query, json!({"sql": "select name from item"})),
        (&*tables, json!({})),
        (&*query, json!({"sql": "select x from nowhere"})),
    ];
    let Some(answer) = ask_adapter(&address, &calls).await else {
        return;
    };
    for name in [
        service,
        "mcphub.adapter.v1.AdapterService",
        "grpc.health.v1.Health",
    ] {
        assert!(has(&answer["services"], name), "{answer}");
    }
    assert!(
        !has(&answer["services"], "mcphub.sqlite.v1.SqliteWriteService"),
        "writes are off: {answer}"
    );
    assert!(has(&answer["methods"][service], "StreamQuery"), "{answer}");
    assert_eq!(answer["health"][""], "SERVING");
    assert_eq!(answer["health"][service], "SERVING");
    let answers = &answer["answers"];
    assert_eq!(
        answers[0]["result"]["rows"][0]["values"][0]["text"], "tea",
        "{answers}"
    );
    assert_eq!(answers[1]["tables"][0]["name"], "item", "{answers}");
    assert_eq!(answers[2]["code"], "INVALID_ARGUMENT", "{answers}");
}

/// Python's client calls an adapter. `None` when it is not installed.
async fn asked(program: &str, arguments: &[&str], service: &str, call: (&str, Value)) -> Option<Value> {
    let (_adapter, address) = adapter(program, arguments).await;
    let method = format!("{service}/{}", call.0);
    let calls = [(&*method, call.1)];
    // The adapter answers before its first look at the database has ended.
    eventually(Duration::from_secs(20), async || {
        match ask_adapter(&address, &calls).await {
            Some(answer) if answer["health"][service] != "SERVING" => Err(answer.to_string()),
            answer => Ok(answer),
        }
    })
    .await
}

/// Python's client asks an adapter for the product of 6 and 7.
async fn multiplies(program: &str, arguments: &[&str], service: &str, language: &str, statement: &str) {
    let call = ("Query", json!({ language: statement }));
    let Some(answer) = asked(program, arguments, service, call).await else {
        return;
    };
    assert!(has(&answer["methods"][service], "StreamQuery"), "{answer}");
    // protobuf's JSON has 64-bit integers as text.
    assert_eq!(
        answer["answers"][0]["result"]["rows"][0]["values"][0],
        json!({"int": "42"}),
        "{answer}"
    );
}

#[tokio::test]
async fn a_foreign_grpc_client_lists_and_calls_the_postgres_adapter() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let arguments = ["--url", postgres.url()];
    let service = "mcphub.postgres.v1.PostgresService";
    multiplies("mcp-hub-postgres", &arguments, service, "sql", "select 6 * 7").await;
}

#[tokio::test]
async fn a_foreign_grpc_client_lists_and_calls_the_mariadb_adapter() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let arguments = ["--url", mariadb.url()];
    let service = "mcphub.mariadb.v1.MariadbService";
    multiplies("mcp-hub-mariadb", &arguments, service, "sql", "select 6 * 7").await;
}

#[tokio::test]
async fn a_foreign_grpc_client_lists_and_calls_the_neo4j_adapter() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let arguments = [
        "--uri",
        neo4j.url(),
        "--user",
        neo4j.user(),
        "--password",
        neo4j.password(),
    ];
    let service = "mcphub.neo4j.v1.Neo4jService";
    multiplies("mcp-hub-neo4j", &arguments, service, "cypher", "return 6 * 7").await;
}

#[tokio::test]
async fn a_foreign_grpc_client_lists_and_calls_the_qdrant_adapter() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let arguments = ["--url", qdrant.url()];
    let service = "mcphub.qdrant.v1.QdrantService";
    let call = ("Count", json!({"collection": "no such collection"}));
    let Some(answer) = asked("mcp-hub-qdrant", &arguments, service, call).await else {
        return;
    };
    assert!(has(&answer["methods"][service], "StreamScroll"), "{answer}");
    assert_eq!(answer["answers"][0]["code"], "NOT_FOUND", "{answer}");
}

#[tokio::test]
async fn an_adapter_whose_database_is_down_lives_and_says_so() {
    let nobody = format!("postgres://postgres@127.0.0.1:{}/postgres", free_port());
    let (_adapter, address) = adapter("mcp-hub-postgres", &["--url", &nobody]).await;
    let service = "mcphub.postgres.v1.PostgresService";
    let calls = [("mcphub.adapter.v1.AdapterService/GetStatus", json!({}))];
    let Some(answer) = ask_adapter(&address, &calls).await else {
        return;
    };
    assert_eq!(answer["health"][""], "SERVING", "the process is well: {answer}");
    assert_eq!(answer["health"][service], "NOT_SERVING", "{answer}");
    assert_eq!(answer["answers"][0]["state"], "STATE_UNAVAILABLE", "{answer}");
}

#[tokio::test]
async fn a_facade_over_adapters_in_processes_of_their_own() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shop.db");
    rusqlite::Connection::open(&file)
        .expect("a file")
        .execute_batch("create table item (name)")
        .expect("SQL");
    let (_shop, shop) = adapter("mcp-hub-sqlite", &["--path", &file.display().to_string()]).await;
    let (_orders, orders) = adapter("mcp-hub-postgres", &["--url", postgres.url()]).await;

    let upstreams = folder.path().join("upstreams.toml");
    let text = format!(
        "shop = \"http://{shop}\"\n\n[upstreams.orders]\naddress = \"http://{orders}\"\ndescription = \"orders since 2019\"\n"
    );
    std::fs::write(&upstreams, text).expect("a file");
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let upstreams = upstreams.display().to_string();
    let facade = Process::start(
        "mcp-hub-facade",
        &["--listen", &*listen, "--upstreams", &upstreams],
        &[],
    );
    eventually(Duration::from_secs(20), async || {
        match get(port, "/readyz").await {
            Ok(200) => Ok(()),
            other => Err(format!("{other:?}: {}", facade.output())),
        }
    })
    .await;

    let Some(mut session) = Session::python(&Door::Http(format!("http://{listen}/mcp"))).await else {
        return;
    };
    assert!(
        session.connection["instructions"]
            .to_string()
            .contains("orders since 2019"),
        "{}",
        session.connection
    );
    // The prefix is the facade's key, not the adapter's name for itself.
    assert_eq!(
        rows(&session.call("shop_query", json!({"sql": "select 1"})).await),
        [json!([1])]
    );
    assert_eq!(
        rows(&session.call("orders_query", json!({"sql": "select 2"})).await),
        [json!([2])]
    );
    session.close().await;
}
