//! `neo4j://`: the server says which servers to use. (Clusters are played by a fake in the crate's own tests.)

use mcp_hub_testing::{Neo4j, Settings};

use crate::adapter::{Adapter, rows};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_alone_is_its_own_cluster() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let uri = neo4j.url().replace("bolt://", "neo4j://");
    let login = format!("user = '{}'\npassword = '{}'", neo4j.user(), neo4j.password());
    let adapter = Adapter::start(&format!("uri = '{uri}'\n{login}")).await;
    let result = adapter.query("return 1 as n").await.expect("works");
    assert_eq!(rows(&result), ["[1]"]);
    assert_eq!(adapter.serving().await.reason, "");
    let adapter = Adapter::start(&format!("uri = '{uri}?policy=eu'\n{login}\ndatabase = 'neo4j'")).await;
    assert_eq!(
        rows(&adapter.query("return 1 as n").await.expect("works")),
        ["[1]"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_advertised_address_of_another_network_does_no_harm() {
    // A name that only the server's own network knows, and an address where another server, or nobody, listens.
    for advertised in ["neo4j-0.neo4j.invalid:7687", "127.0.0.1:1"] {
        let settings = Settings::new().set("server.bolt.advertised_address", advertised);
        let Some(neo4j) = Neo4j::start_with(&settings).await else {
            return;
        };
        let uri = neo4j.url().replace("bolt://", "neo4j://");
        let login = format!("user = '{}'\npassword = '{}'", neo4j.user(), neo4j.password());
        let adapter = Adapter::start(&format!("uri = '{uri}'\n{login}")).await;
        let result = adapter.query("return 1 as n").await.expect(advertised);
        assert_eq!(rows(&result), ["[1]"], "{advertised}");
    }
}
