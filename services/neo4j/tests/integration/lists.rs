//! Nodes and relationships as lists.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::data::v1::{ResultSet, TruncationReason};
use mcp_hub_proto::neo4j::v1::*;
use mcp_hub_testing::Neo4j;

use crate::adapter::{Adapter, Server, assert_fault, column_types, rows};

async fn nodes(adapter: &Adapter, request: ListNodesRequest) -> Result<ResultSet, Fault> {
    let response = adapter.client.clone().list_nodes(request).await;
    let response = response.map_err(|status| Fault::from_status(&status))?;
    Ok(response.into_inner().result.expect("a result"))
}

async fn relationships(adapter: &Adapter, request: GetRelationshipsRequest) -> Result<ResultSet, Fault> {
    let response = adapter.client.clone().get_relationships(request).await;
    let response = response.map_err(|status| Fault::from_status(&status))?;
    Ok(response.into_inner().result.expect("a result"))
}

fn of_label(label: &str) -> ListNodesRequest {
    ListNodesRequest {
        label: Some(label.to_owned()),
        ..ListNodesRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_come_in_pages() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let (adapter, server) = (Adapter::of(neo4j).await, Server::of(neo4j));
    server
        .run(&["UNWIND range(1, 250) AS n CREATE (:ListedNode {n: n, embedding: [x IN range(1, 1536) | x / 7.0]})"])
        .await;
    let mut seen = Vec::new();
    let mut request = of_label("ListedNode");
    let mut sizes = Vec::new();
    loop {
        let page = nodes(&adapter, request.clone()).await.expect("a page");
        assert_eq!(column_types(&page), ["NODE"]);
        assert_eq!(page.columns[0].name, "node");
        sizes.push(page.rows.len());
        seen.extend(rows(&page));
        let Some(truncated) = page.truncated else { break };
        assert_eq!(truncated.reason(), TruncationReason::Rows);
        request.cursor = truncated.next_cursor;
    }
    assert_eq!(sizes, [100, 100, 50]);
    assert!(seen[0].contains(r#""labels":["ListedNode"]"#), "{}", seen[0]);
    assert!(seen[0].contains(r#"{"$vector":{"dim":1536,"#), "{}", seen[0]);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 250);

    let other = ListNodesRequest {
        label: None,
        ..request
    };
    let fault = assert_fault(nodes(&adapter, other).await, Reason::ArgumentInvalid, "cursor");
    assert_eq!(fault.metadata["field"], "cursor");
    let two = ListNodesRequest {
        limit: Some(2),
        ..ListNodesRequest::default()
    };
    assert_eq!(nodes(&adapter, two.clone()).await.expect("any").rows.len(), 2);
    let too_many = ListNodesRequest {
        limit: Some(20_000),
        ..of_label("ListedNode")
    };
    let clamped = nodes(&adapter, too_many).await.expect("clamped");
    assert_eq!(clamped.notices, ["limit was lowered from 20000 to 10000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_is_a_name_and_nothing_else() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let (adapter, server) = (Adapter::of(neo4j).await, Server::of(neo4j));
    server
        .run(&["CREATE (:`Listed ``odd\\u005Cu0060) DETACH DELETE (n`)"])
        .await;
    let odd = nodes(&adapter, of_label("Listed `odd\\u0060) DETACH DELETE (n")).await;
    assert_eq!(odd.expect("the node").rows.len(), 1);
    for label in [
        "Listed) DETACH DELETE (n",
        "Listed`) DETACH DELETE (n",
        "Listed\\u0060) DETACH DELETE (n) //",
        "Listed\\`) DETACH DELETE (n) //",
        "Listed\\\\u0060) RETURN 1 //",
        "$(label)",
        "%",
    ] {
        assert_fault(
            nodes(&adapter, of_label(label)).await,
            Reason::ObjectNotFound,
            "no node has the label",
        );
        let request = GetRelationshipsRequest {
            node_label: Some(label.to_owned()),
            ..GetRelationshipsRequest::default()
        };
        assert_fault(
            relationships(&adapter, request).await,
            Reason::ObjectNotFound,
            "no node has the label",
        );
    }
    server.run(&["CREATE (:ListedCustomer)"]).await;
    let fault = nodes(&adapter, of_label("listedcustomers"))
        .await
        .expect_err("unknown");
    assert_eq!(fault.metadata["did_you_mean"], "ListedCustomer");
}

#[tokio::test(flavor = "multi_thread")]
async fn relationships_have_their_properties_and_both_ends() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let (adapter, server) = (Adapter::of(neo4j).await, Server::of(neo4j));
    server
        .run(&[
            "CREATE (a:ListedHub {name: 'a'}), (b:ListedHub {name: 'b'}), (c:ListedLeaf {name: 'c'}), \
             (a)-[:LISTED {since: 1}]->(b), (a)-[:LISTED {since: 2}]->(c), (c)-[:LISTED {since: 3}]->(a), (b)-[:LISTED {since: 4}]->(b)",
            "MATCH (c:ListedLeaf) UNWIND range(1, 70) AS n CREATE (c)-[:LISTED_LEAF {n: n}]->(c)",
        ])
        .await;
    let request = GetRelationshipsRequest {
        node_label: Some("ListedHub".to_owned()),
        ..GetRelationshipsRequest::default()
    };
    let page = relationships(&adapter, request).await.expect("works");
    let names: Vec<&str> = page.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["start", "relationship", "end"]);
    assert_eq!(column_types(&page), ["NODE", "RELATIONSHIP", "NODE"]);
    // Each once, in whichever direction, also from a node to itself.
    let mut since: Vec<String> = rows(&page)
        .iter()
        .map(|row| {
            row.split_once(r#"{"since":"#)
                .expect("its property")
                .1
                .chars()
                .take(1)
                .collect()
        })
        .collect();
    since.sort();
    assert_eq!(since, ["1", "2", "3", "4"]);
    assert!(rows(&page)[0].contains(r#""name":"#));

    let request = GetRelationshipsRequest {
        node_label: Some("ListedLeaf".to_owned()),
        ..GetRelationshipsRequest::default()
    };
    let first = relationships(&adapter, request.clone()).await.expect("works");
    assert_eq!(first.rows.len(), 50);
    let next = GetRelationshipsRequest {
        cursor: first.truncated.and_then(|truncated| truncated.next_cursor),
        ..request
    };
    assert_eq!(relationships(&adapter, next).await.expect("works").rows.len(), 22);
    let any = relationships(&adapter, GetRelationshipsRequest::default())
        .await
        .expect("works");
    assert_eq!(any.rows.len(), 50);
    // A label whose nodes have none.
    server.run(&["CREATE (:ListedAlone)"]).await;
    let request = GetRelationshipsRequest {
        node_label: Some("ListedAlone".to_owned()),
        ..GetRelationshipsRequest::default()
    };
    assert!(
        relationships(&adapter, request)
            .await
            .expect("none")
            .rows
            .is_empty()
    );
}
