//! Tools are found, not configured: the list follows the adapters while clients are connected.

use std::path::Path;
use std::time::Duration;

use mcp_hub_e2e::{Door, Process, Session, get};
use mcp_hub_testing::{eventually, free_port};
use serde_json::json;

use crate::hub::{rows, text};

/// How fast the list must follow.
const FOLLOWS: u8 = 5;

/// A shop with one table.
fn database(folder: &Path) -> String {
    let path = folder.join("shop.db");
    let database = rusqlite::Connection::open(&path).expect("a file");
    database
        .execute_batch("create table item (name text); insert into item values ('tea')")
        .expect("SQL");
    path.display().to_string()
}

fn adapter(port: u16, file: &str, arguments: &[&str]) -> Process {
    let listen = format!("127.0.0.1:{port}");
    let arguments = [
        &["--listen", &*listen, "--name", "shop", "--path", file],
        arguments,
    ]
    .concat();
    Process::start("mcp-hub-sqlite", &arguments, &[])
}

/// A facade with one upstream, `shop`, of that port.
async fn facade(folder: &Path, upstream: u16, arguments: &[&str]) -> (Process, u16) {
    let file = folder.join("upstreams.toml");
    std::fs::write(&file, format!("shop = \"http://127.0.0.1:{upstream}\"\n")).expect("a file");
    let port = free_port();
    let (listen, file) = (format!("127.0.0.1:{port}"), file.display().to_string());
    let arguments = [&["--listen", &*listen, "--upstreams", &file], arguments].concat();
    let process = Process::start("mcp-hub-facade", &arguments, &[]);
    eventually(Duration::from_secs(20), async || {
        match get(port, "/readyz").await {
            Ok(200) => Ok(()),
            other => Err(format!("{other:?}: {}", process.output())),
        }
    })
    .await;
    (process, port)
}

#[tokio::test]
async fn the_list_follows_an_adapter_that_comes_changes_and_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = database(folder.path());
    let upstream = free_port();
    let (_facade, port) = facade(folder.path(), upstream, &["--tools-kept", "1"]).await;
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let Some(mut sse) = Session::typescript(&Door::Sse(url("/sse"))).await else {
        return;
    };
    let Some(mut modern) = Session::python(&Door::Http(url("/mcp"))).await else {
        return;
    };
    let built_in = ["health_check", "list_services"];
    assert_eq!(sse.names().await, built_in);

    // It comes.
    let read_only = adapter(upstream, &file, &[]);
    assert!(
        sse.list_changed("tools", FOLLOWS).await && modern.list_changed("tools", FOLLOWS).await,
        "{}",
        read_only.output()
    );
    let names = sse.names().await;
    assert!(
        names.contains(&"shop_query".to_owned()) && !names.contains(&"shop_execute".to_owned()),
        "{names:?}"
    );
    assert_eq!(names, modern.names().await);
    let query = json!({"sql": "select name from item"});
    assert_eq!(
        rows(&sse.call("shop_query", query.clone()).await),
        [json!(["tea"])]
    );

    // It comes again with another tool.
    assert!(read_only.interrupt().await.status.success());
    let writable = adapter(upstream, &file, &["--allow-writes=true"]);
    for session in [&mut sse, &mut modern] {
        let names = eventually(Duration::from_secs(FOLLOWS.into()), async || {
            let names = session.names().await;
            if names.iter().any(|name| name == "shop_execute") {
                Ok(names)
            } else {
                Err(format!("{names:?}"))
            }
        })
        .await;
        assert!(names.contains(&"shop_query".to_owned()), "{names:?}");
    }
    let insert = json!({"statements": [{"sql": "insert into item values ('cocoa')"}]});
    let written = sse.call("shop_execute", insert).await;
    assert_ne!(written["isError"], true, "{written}");
    assert_eq!(
        rows(&modern.call("shop_query", query.clone()).await),
        [json!(["tea"]), json!(["cocoa"])]
    );

    // It goes.
    assert!(writable.interrupt().await.status.success());
    for session in [&mut sse, &mut modern] {
        eventually(Duration::from_secs(FOLLOWS.into()), async || {
            session.names().await == built_in
        })
        .await;
    }
    let services = sse.call("list_services", json!({})).await;
    assert!(text(&services).contains("unreachable"), "{services}");
    sse.close().await;
    modern.close().await;
}

#[tokio::test]
async fn tools_of_an_adapter_that_is_away_stay_listed_for_a_while_and_say_so_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = database(folder.path());
    let upstream = free_port();
    let first = adapter(upstream, &file, &[]);
    let (_facade, port) = facade(folder.path(), upstream, &[]).await;
    let Some(mut session) = Session::python(&Door::Sse(format!("http://127.0.0.1:{port}/sse"))).await else {
        return;
    };
    let query = json!({"sql": "select name from item"});
    eventually(Duration::from_secs(FOLLOWS.into()), async || {
        session.names().await.contains(&"shop_query".to_owned())
    })
    .await;

    assert!(first.interrupt().await.status.success());
    let away = session.call("shop_query", query.clone()).await;
    assert_eq!(away["isError"], true, "{away}");
    assert!(!text(&away).contains(&upstream.to_string()), "no address: {away}");
    assert!(session.names().await.contains(&"shop_query".to_owned()));

    let _second = adapter(upstream, &file, &[]);
    eventually(Duration::from_secs(FOLLOWS.into()), async || {
        let result = session.call("shop_query", query.clone()).await;
        if result["isError"] == true {
            Err(text(&result).to_owned())
        } else {
            Ok(())
        }
    })
    .await;
    session.close().await;
}
