//! The read tools change nothing, whatever they are given: shown by what the server has afterwards, and by what was sent to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::Value;
use mcp_hub_proto::qdrant::v1::qdrant_service_client::QdrantServiceClient;
use mcp_hub_proto::qdrant::v1::*;
use mcp_hub_testing::Qdrant;
use qdrant_client::qdrant as q;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Channel;
use tower::{Service as _, ServiceExt as _};

use crate::adapter::{Adapter, Server, answer, value};

/// All that the read tools may send.
const READS: [&str; 11] = [
    "/qdrant.Qdrant/HealthCheck",
    "/qdrant.Collections/List",
    "/qdrant.Collections/ListAliases",
    "/qdrant.Collections/Get",
    "/qdrant.Collections/CollectionExists",
    "/qdrant.Points/Query",
    "/qdrant.Points/QueryGroups",
    "/qdrant.Points/Scroll",
    "/qdrant.Points/Get",
    "/qdrant.Points/Count",
    "/qdrant.Points/Facet",
];

/// The one RPC of the status that is no read: a change of aliases that changes none, by which it learns what the key may do.
const JUDGE: &str = "/qdrant.Collections/UpdateAliases";

/// A message without a field, as gRPC frames it.
const EMPTY: [u8; 5] = [0; 5];

/// What stands between an adapter and its server, and sees each call.
struct Between {
    url: String,
    seen: Arc<Mutex<BTreeMap<String, BTreeSet<Bytes>>>>,
    lifecycle: Lifecycle,
}

impl Between {
    async fn start(server: Channel) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(BTreeMap::<String, BTreeSet<Bytes>>::new()));
        let calls = seen.clone();
        let forward = async move |request: Request| {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.expect("a body");
            calls
                .lock()
                .expect("no panic")
                .entry(parts.uri.path().to_owned())
                .or_default()
                .insert(body.clone());
            let request = http::Request::from_parts(parts, tonic::body::Body::new(Body::from(body)));
            let mut server = server.clone();
            let response = server
                .ready()
                .await
                .expect("ready")
                .call(request)
                .await
                .expect("an answer");
            response.map(Body::new)
        };
        let router = axum::Router::new().fallback(forward);
        let lifecycle = Lifecycle::new();
        let incoming = TcpListenerStream::new(listener);
        lifecycle.spawn_until_stopped(async move {
            let server = tonic::transport::Server::builder().add_routes(router.into());
            server.serve_with_incoming(incoming).await.expect("serves");
        });
        Self { url, seen, lifecycle }
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

/// Names that no collection has, and some that would reach elsewhere if they were put into a path.
fn names() -> Vec<String> {
    let mut names = [
        "",
        ".",
        "..",
        "../kept",
        "kept/points/delete",
        "a/b",
        "kept\0",
        "kept\n",
        "kept?wait=true",
        "%2e%2e",
        "кept",
        "*",
    ]
    .map(str::to_owned)
    .to_vec();
    names.extend(["x".repeat(256), "x".repeat(100_000), "kept".to_owned()]);
    names
}

fn values() -> Vec<Value> {
    let values = [
        json!(null),
        json!(1),
        json!(-1),
        json!(1.5),
        json!("../kept"),
        json!("\0\n"),
        json!([[1], {}]),
        json!({"must": [{"delete": {}}]}),
        json!({"delete": {"filter": {}}}),
        json!({"$set": {"a": 1}}),
        json!({"n": {"gt": 0, "delete": true}}),
        json!({"a.b[0].\"": "x"}),
        json!({"n": {"in": vec![1; 1000]}}),
        json!("x".repeat(100_000)),
        json!({"indices": [0], "values": [1]}),
        json!({"n": 1}),
    ];
    values.iter().map(value).collect()
}

/// What a server has.
async fn everything(server: &Server) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for name in server.names().await {
        let info = server.info(&name).await;
        let points = server.all(&name).await;
        let mut points: Vec<String> = points
            .iter()
            .map(|point| format!("{:?} {:?}", point.id, point.payload.len()))
            .collect();
        points.sort();
        let indexes: BTreeSet<_> = info.payload_schema.keys().collect();
        all.insert(name, format!("{points:?} {indexes:?} {:?}", info.config));
    }
    let aliases = server
        .collections
        .clone()
        .list_aliases(q::ListAliasesRequest {})
        .await;
    let mut aliases: Vec<String> = aliases
        .expect("aliases")
        .into_inner()
        .aliases
        .into_iter()
        .map(|alias| format!("{} of {}", alias.alias_name, alias.collection_name))
        .collect();
    aliases.sort();
    all.insert("aliases".to_owned(), aliases.join(", "));
    all
}

/// Makes each read with a hostile name and a hostile value; answers how many of the calls were answered.
async fn read_all(client: &QdrantServiceClient<Channel>, name: &str, odd: &Value) -> usize {
    let mut answered = 0;
    let mut count = |what: &str, reason: Option<Reason>| match reason {
        None => answered += 1,
        Some(reason) => assert_ne!(reason, Reason::Internal, "{what} {name:?} {odd:?}"),
    };
    let collection = name.to_owned();
    macro_rules! read {
        ($rpc:ident, $request:expr) => {
            let result = answer(client.clone().$rpc($request).await);
            count(stringify!($rpc), result.err().map(|fault| fault.reason));
        };
    }
    let text = format!("{name}\0{odd:?}");
    // Where the name is a good one, the other arguments are as well, so that more than the first check is reached.
    let odd_name = (name != "kept").then(|| name.to_owned());
    let fields: Vec<String> = odd_name.iter().cloned().collect();
    read!(
        list_collections,
        ListCollectionsRequest {
            pattern: Some(name.to_owned()),
            cursor: odd_name.clone(),
            ..ListCollectionsRequest::default()
        }
    );
    read!(
        collection_info,
        CollectionInfoRequest {
            collection: collection.clone(),
            sample: Some(1000),
        }
    );
    for by in 0..3 {
        let search = SearchRequest {
            collection: collection.clone(),
            query_text: (by == 0).then(|| text.clone()),
            vector: (by == 1).then(|| odd.clone()),
            like_ids: if by == 2 { vec![odd.clone()] } else { vec![] },
            using: odd_name.clone().filter(|_| by == 0),
            filter: Some(odd.clone()),
            group_by: odd_name.clone().filter(|_| by == 1),
            payload_fields: fields.clone(),
            with_vectors: Some(true),
            ..SearchRequest::default()
        };
        read!(search, search);
    }
    for filter in [Some(odd.clone()), None] {
        let scroll = ScrollRequest {
            collection: collection.clone(),
            filter,
            order_by: odd_name.clone(),
            cursor: odd_name.clone(),
            payload_fields: fields.clone(),
            ..ScrollRequest::default()
        };
        read!(scroll, scroll);
    }
    read!(
        get_points,
        GetPointsRequest {
            collection: collection.clone(),
            ids: vec![odd.clone(), value(&json!(1))],
            ..GetPointsRequest::default()
        }
    );
    for facet_key in [odd_name.clone(), None] {
        let request = CountRequest {
            collection: collection.clone(),
            filter: Some(odd.clone()),
            facet_key,
            ..CountRequest::default()
        };
        read!(count, request);
    }
    let stream = StreamScrollRequest {
        collection,
        filter: Some(odd.clone()),
        ..StreamScrollRequest::default()
    };
    if let Ok(mut batches) = answer(client.clone().stream_scroll(stream).await) {
        while let Some(batch) = batches.next().await {
            count(
                "stream_scroll",
                batch
                    .err()
                    .map(|status| mcp_hub_chassis::Fault::from_status(&status).reason),
            );
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_change_nothing_and_send_nothing_that_could() {
    let Some(qdrant) = Qdrant::start().await else {
        return;
    };
    let writer = Adapter::start(&format!("url = '{}'\nallow-writes = true", qdrant.url())).await;
    let mut write = qdrant_write_service_client::QdrantWriteServiceClient::new(writer.channel.clone());
    let create = CreateCollectionRequest {
        collection: "kept".to_owned(),
        vectors: vec![NewVector {
            size: Some(1),
            ..NewVector::default()
        }],
        payload_indexes: vec![PayloadIndex {
            key: "n".to_owned(),
            r#type: PayloadType::Integer.into(),
        }],
        ..CreateCollectionRequest::default()
    };
    write.create_collection(create).await.expect("created");
    let points = (1..=20).map(|n| Point {
        id: Some(value(&json!(n))),
        text: Some(format!("tent {n}")),
        vector: Some(value(&json!({"": [n]}))),
        payload: Some(value(&json!({"n": n}))),
    });
    let upsert = UpsertRequest {
        collection: "kept".to_owned(),
        points: points.collect(),
    };
    write.upsert(upsert).await.expect("written");
    let server = Server::of(&qdrant);
    server.alias("kept", "also_kept").await;
    let before = everything(&server).await;

    let between = Between::start(qdrant.channel()).await;
    // With writes on: what reads is as bound as it is without.
    let reader = Adapter::start(&format!("url = '{}'\nallow-writes = true", between.url)).await;
    reader.serving().await;
    let mut answered = 0;
    for name in names() {
        read_all(&reader.client, &name, &value(&json!({"n": 1}))).await;
    }
    for odd in values() {
        answered += read_all(&reader.client, "kept", &odd).await;
    }
    assert!(
        answered > 60,
        "only {answered} calls were answered: they show nothing"
    );
    assert_eq!(everything(&server).await, before);
    let seen = between.seen.lock().expect("no panic").clone();
    for (path, bodies) in &seen {
        let empty = BTreeSet::from([Bytes::from_static(&EMPTY)]);
        assert!(
            READS.contains(&path.as_str()) || (path == JUDGE && *bodies == empty),
            "{path} was sent: {bodies:?}"
        );
    }
    for path in [
        "/qdrant.Points/Query",
        "/qdrant.Points/Scroll",
        "/qdrant.Points/Count",
        "/qdrant.Collections/Get",
    ] {
        assert!(
            seen.contains_key(path),
            "{path} was not even sent: {:?}",
            seen.keys()
        );
    }
}
