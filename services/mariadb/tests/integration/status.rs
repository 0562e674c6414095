//! What the adapter says of itself, its server and its login.

use mcp_hub_proto::adapter::v1::{Mode, State};
use mcp_hub_testing::{MariaDb, eventually};

use crate::adapter::{Adapter, SOON, Server};

#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_named() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let version = Server::of(mariadb.url()).value("select version()").await;
    let adapter = Adapter::start(&format!("url = '{}'\npool_size = 3", mariadb.url())).await;
    let status = adapter.serving().await;
    let product = if version.contains("MariaDB") {
        "MariaDB"
    } else {
        "MySQL"
    };
    assert_eq!(
        (status.kind.as_str(), status.product.as_str()),
        ("mariadb", product)
    );
    assert!(
        version.starts_with(&status.product_version),
        "{version}: {status:?}"
    );
    assert_eq!(status.database, "app");
    assert_eq!((status.mode(), status.state()), (Mode::ReadOnly, State::Serving));
    assert_eq!(status.pool.expect("a pool").max, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_beyond_reading_are_told() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    for (user, grants) in [
        ("judged-reader", vec!["select, show view on app.*"]),
        (
            "judged-writer",
            vec!["select, insert on app.*", "update on many.*"],
        ),
        ("judged-powerful", vec!["select, file, process on *.*"]),
    ] {
        server.create_user(user).await;
        for grant in grants {
            server.run(&[&format!("grant {grant} to '{user}'@'%'")]).await;
        }
    }
    server.create_user("judged-member").await;
    server
        .run(&[
            "drop role if exists judged_role",
            "create role judged_role",
            "grant delete on app.* to judged_role",
            "grant judged_role to 'judged-member'@'%'",
        ])
        .await;
    let default_role = if server.is_mariadb().await {
        "set default role judged_role for 'judged-member'@'%'"
    } else {
        "set default role judged_role to 'judged-member'@'%'"
    };
    server.run(&[default_role]).await;
    for (user, parts) in [
        ("judged-reader", vec![]),
        ("judged-writer", vec!["may write in"]),
        ("judged-powerful", vec!["FILE", "PROCESS"]),
        ("judged-member", vec!["may write in"]),
        ("root", vec!["administrator"]),
    ] {
        let password = if user == "root" { "testpassword" } else { user };
        let url = mariadb.address().url_as(user, password, "");
        let adapter = Adapter::of(&url).await;
        adapter.serving().await;
        // Judged after the first probe.
        eventually(SOON, async || {
            let posture = adapter.status().await.posture;
            let fits = posture.len() == parts.len()
                && parts
                    .iter()
                    .zip(&posture)
                    .all(|(part, sentence)| sentence.contains(part));
            if fits {
                Ok(())
            } else {
                Err(format!("{user}: {posture:?}"))
            }
        })
        .await;
    }
}
