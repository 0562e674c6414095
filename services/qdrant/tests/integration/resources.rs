//! Collections as documents: what is listed and what is read, by any name, and what is hidden.

use std::time::Duration;

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::content::v1::{ResourceContents, ResourceLink, resource_contents};
use mcp_hub_proto::qdrant::v1::qdrant_write_service_client::QdrantWriteServiceClient;
use mcp_hub_proto::qdrant::v1::{
    CollectionInfoRequest, CollectionInfoResponse, CreateCollectionRequest, NewVector,
};
use mcp_hub_proto::resource::v1::resource_service_client::ResourceServiceClient;
use mcp_hub_proto::resource::v1::{
    ListResourceTemplatesRequest, ListResourcesRequest, ReadResourceRequest, WatchResourcesRequest,
};
use mcp_hub_testing::Qdrant;
use prost::{Message as _, Name as _};
use qdrant_client::qdrant as q;
use serde_json::json;
use tonic::Code;
use tonic::transport::Channel;

use crate::adapter::{Adapter, Server, answer, assert_fault, settings};
use crate::fake::{Fake, Reply, message};

fn client(adapter: &Adapter) -> ResourceServiceClient<Channel> {
    ResourceServiceClient::new(adapter.channel.clone())
}

/// All pages, and how many there were.
async fn list(adapter: &Adapter) -> Result<(Vec<ResourceLink>, usize), Fault> {
    let (mut all, mut pages) = (vec![], 0);
    let mut cursor = None;
    loop {
        let page = answer(
            client(adapter)
                .list_resources(ListResourcesRequest { cursor })
                .await,
        )?;
        all.extend(page.resources);
        pages += 1;
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok((all, pages));
        }
    }
}

async fn names(adapter: &Adapter) -> Vec<String> {
    let (all, _) = list(adapter).await.expect("a list");
    all.into_iter().map(|link| link.name).collect()
}

async fn read(adapter: &Adapter, uri: &str) -> Result<CollectionInfoResponse, Fault> {
    let uri = uri.to_owned();
    let request = ReadResourceRequest { uri: uri.clone() };
    let read = answer(client(adapter).read_resource(request).await)?;
    let [contents] = read.contents.try_into().expect("one part");
    let ResourceContents {
        uri: own,
        mime_type,
        kind: Some(resource_contents::Kind::Message(any)),
    } = contents
    else {
        panic!("no message: {contents:?}");
    };
    assert_eq!((own.as_str(), mime_type.as_str()), (uri.as_str(), ""));
    assert_eq!(any.type_url, CollectionInfoResponse::type_url());
    Ok(CollectionInfoResponse::decode(any.value.as_slice()).expect("a message"))
}

async fn told_by_the_tool(adapter: &Adapter, collection: &str) -> CollectionInfoResponse {
    let request = CollectionInfoRequest {
        collection: collection.to_owned(),
        sample: None,
    };
    answer(adapter.client.clone().collection_info(request).await).expect("info")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_says_what_the_tool_says_by_any_of_its_names() {
    // What a name may hold, and what means something in an address.
    const HOSTILE: &str = "res ä%2F#1&'x=y+;drop";
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let server = Server::of(qdrant);
    for name in ["res_one", HOSTILE] {
        server
            .with_payloads(name, &[json!({"color": "red"}), json!({"color": "blue", "n": 1})])
            .await;
    }
    server.alias("res_one", "res live").await;
    let (listed, _) = list(&adapter).await.expect("a list");
    let link = |name: &str| {
        let found = listed.iter().find(|link| link.name == name);
        found
            .unwrap_or_else(|| panic!("{name} is not in {listed:?}"))
            .clone()
    };
    let one = link("res_one");
    assert_eq!(
        (one.uri.as_str(), one.description.as_str(), one.mime_type.as_str()),
        ("res_one", "also res live", "application/json")
    );
    let hostile = link(HOSTILE).uri;
    assert_eq!(hostile, "res%20%C3%A4%252F%231%26%27x%3Dy%2B%3Bdrop");
    for (uri, name) in [
        ("res_one", "res_one"),
        ("res%20live", "res_one"),
        (hostile.as_str(), HOSTILE),
    ] {
        let told = read(&adapter, uri).await.expect(uri);
        assert_eq!(told.name, name);
        assert_eq!(told.payload.len(), 2);
        assert_eq!(told, told_by_the_tool(&adapter, name).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_not_found() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    Server::of(qdrant).with_vectors_of_two("res similar to").await;
    let fault = assert_fault(
        read(&adapter, "res%20similar%20too").await,
        Reason::ObjectNotFound,
        "similar names: res similar to",
    );
    assert!(
        fault.metadata["did_you_mean"]
            .split(',')
            .any(|uri| uri == "res%20similar%20to"),
        "addresses: {fault:?}"
    );
    let long = "x".repeat(2_000);
    for uri in ["", "a/b", "res_one?database=x", &long] {
        let result = read(&adapter, uri).await;
        assert_fault(result, Reason::ObjectNotFound, "there is no resource at");
    }
    for uri in ["%zz", "%ff", "http://x/y", "a#b"] {
        assert_fault(read(&adapter, uri).await, Reason::ArgumentInvalid, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_collection_is_no_document() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let server = Server::of(qdrant);
    for name in ["res_open", "res_secret"] {
        server.with_vectors_of_two(name).await;
        server.alias(name, &format!("{name}_alias")).await;
    }
    for lists in [
        "allow_collections = ['res_open', 'res_secret_alias']",
        "allow_collections = ['res_open', 'res_secret']\ndeny_collections = ['res_secret']",
    ] {
        let adapter = Adapter::start(&format!("{}\n{lists}", settings(qdrant))).await;
        assert_eq!(names(&adapter).await, ["res_open"]);
        let told = read(&adapter, "res_open_alias").await.expect("is there");
        assert_eq!(told.name, "res_open");
        for uri in ["res_secret", "res_secret_alias"] {
            let fault = assert_fault(
                read(&adapter, uri).await,
                Reason::ObjectNotFound,
                "there is no collection",
            );
            let similar = fault.metadata.get("did_you_mean");
            assert!(similar.is_none_or(|names| !names.contains("secret")), "{fault:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_are_listed_as_far_as_is_of_use_and_by_two_calls_a_page() {
    let collections = (0..1_500).map(|number| q::CollectionDescription {
        name: format!("many_{number:04}"),
    });
    let reply = message(&q::ListCollectionsResponse {
        collections: collections.collect(),
        time: 0.0,
    });
    let fake = Fake::start("1.18.0", &[("List", reply)]).await;
    let adapter = Adapter::start(&format!("url = '{}'", fake.url)).await;
    let (all, pages) = list(&adapter).await.expect("a list");
    assert_eq!((all.len(), pages), (1_000, 10));
    let last = all.last().map(|link| link.uri.as_str());
    assert_eq!(last, Some("many_0999"));
    assert_eq!(
        (fake.seen("List").len(), fake.seen("ListAliases").len()),
        (10, 10)
    );
    assert!(fake.seen("Get").is_empty(), "none is looked at");
    // What is not listed is read all the same.
    read(&adapter, "many_1400").await.expect("is there");
    let request = ListResourcesRequest {
        cursor: Some("x".to_owned()),
    };
    let refused = answer(client(&adapter).list_resources(request).await);
    assert_fault(refused, Reason::ArgumentInvalid, "cursor");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_key_sees_what_it_may() {
    let forbidden = Reply::Status(Code::PermissionDenied, "Forbidden: Global access is required");
    let reply = message(&q::ListCollectionsResponse {
        collections: vec![q::CollectionDescription {
            name: "mine".to_owned(),
        }],
        time: 0.0,
    });
    let replies = [
        ("List", reply),
        ("ListAliases", forbidden.clone()),
        ("Count", forbidden),
    ];
    let fake = Fake::start("1.18.0", &replies).await;
    let adapter = Adapter::start(&format!("url = '{}'", fake.url)).await;
    assert_eq!(names(&adapter).await, ["mine"]);
    let refused = read(&adapter, "mine").await;
    assert_fault(refused, Reason::AccessDenied, "Global access is required");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_there_is_no_list_but_the_form_of_addresses() {
    let adapter = Adapter::start("url = 'http://127.0.0.1:1'").await;
    let fault = assert_fault(
        list(&adapter).await,
        Reason::DatabaseUnavailable,
        "connection refused",
    );
    assert!(!format!("{fault:?}").contains("127.0.0.1"), "{fault:?}");
    assert_fault(
        read(&adapter, "any").await,
        Reason::DatabaseUnavailable,
        "connection refused",
    );
    let request = ListResourceTemplatesRequest {};
    let templates = answer(client(&adapter).list_resource_templates(request).await).expect("templates");
    let templates: Vec<&str> = templates
        .templates
        .iter()
        .map(|template| template.uri_template.as_str())
        .collect();
    assert_eq!(templates, ["{collection}"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_is_told_of_a_new_collection_at_once() {
    let Some(qdrant) = Qdrant::start().await else {
        return;
    };
    let adapter = Adapter::start(&format!("{}\nallow_writes = true", settings(&qdrant))).await;
    let watch = client(&adapter).watch_resources(WatchResourcesRequest {}).await;
    let mut watch = watch.expect("watches").into_inner();
    let beginning = watch.message().await.expect("goes on").expect("goes on").digest;
    let create = CreateCollectionRequest {
        collection: "res_new".to_owned(),
        vectors: vec![NewVector {
            size: Some(2),
            ..NewVector::default()
        }],
        ..CreateCollectionRequest::default()
    };
    let mut write = QdrantWriteServiceClient::new(adapter.channel.clone());
    answer(write.create_collection(create).await).expect("creates");
    // Far sooner than anybody looks by himself.
    let changed = tokio::time::timeout(Duration::from_secs(5), watch.message()).await;
    let changed = changed.expect("soon").expect("goes on").expect("goes on").digest;
    assert_ne!(changed, beginning);
    assert_eq!(names(&adapter).await, ["res_new"]);
}
