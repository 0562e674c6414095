//! The trace of a call: its spans down to each RPC of Qdrant, what they show, what they never show, and how Qdrant is told of it.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::qdrant::v1::qdrant_write_service_client::QdrantWriteServiceClient;
use mcp_hub_proto::qdrant::v1::{
    CountRequest, FollowCountRequest, Point, StreamScrollRequest, UpsertRequest,
};
use mcp_hub_testing::eventually;
use mcp_hub_testing::traces::{self, Caller, SpanData};
use opentelemetry::trace::{SpanKind, Status};
use qdrant_client::qdrant as q;
use serde_json::json;
use tokio_stream::StreamExt as _;

use crate::adapter::{Adapter, SOON, answer, assert_fault, value};
use crate::embedding_api::EmbeddingApi;
use crate::fake::{Fake, Reply, message};
use crate::search::text;

/// What is in every value of these tests that no trace may show.
const SECRET: &str = "s3cret";

/// The spans of a name that have ended.
fn named(caller: Caller, name: &str) -> Vec<SpanData> {
    let spans = caller.spans().into_iter();
    spans.filter(|span| span.name == name).collect()
}

/// The name of an RPC's server span.
fn server(rpc: &str) -> String {
    format!("mcphub.qdrant.v1.QdrantService/{rpc}")
}

#[track_caller]
fn assert_below(child: &SpanData, parent: &SpanData) {
    assert_eq!(
        child.parent_span_id,
        parent.span_context.span_id(),
        "{} is not below {}",
        child.name,
        parent.name
    );
}

/// Checks attributes, in their texts.
#[track_caller]
fn assert_shows(span: &SpanData, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        let shown = traces::told(span, name);
        assert_eq!(shown.as_deref(), Some(*value), "{name} of {}", span.name);
    }
}

#[track_caller]
fn assert_failed(span: &SpanData, error_type: &str) {
    assert_shows(span, &[("error.type", error_type)]);
    // A description could show data.
    assert_eq!(span.status, Status::error(""), "{}", span.name);
}

/// A collection whose one vector has 64 dimensions.
fn info() -> q::GetCollectionInfoResponse {
    let params = q::VectorParams {
        size: 64,
        distance: q::Distance::Dot.into(),
        ..q::VectorParams::default()
    };
    let vectors = q::VectorsConfig {
        config: Some(q::vectors_config::Config::Params(params)),
    };
    q::GetCollectionInfoResponse {
        result: Some(q::CollectionInfo {
            config: Some(q::CollectionConfig {
                params: Some(q::CollectionParams {
                    vectors_config: Some(vectors),
                    ..q::CollectionParams::default()
                }),
                ..q::CollectionConfig::default()
            }),
            ..q::CollectionInfo::default()
        }),
        time: 0.0,
    }
}

/// Points with a secret in their payloads.
fn points(count: u64) -> q::QueryResponse {
    let payload = [("note".to_owned(), format!("{SECRET} payload").into())];
    let point = |id: u64| q::ScoredPoint {
        id: Some(id.into()),
        payload: payload.clone().into(),
        ..q::ScoredPoint::default()
    };
    q::QueryResponse {
        result: (1..=count).map(point).collect(),
        ..q::QueryResponse::default()
    }
}

fn count(collection: &str) -> CountRequest {
    CountRequest {
        collection: collection.to_owned(),
        ..CountRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_one_trace_without_any_value() {
    traces::record();
    let replies = [("Get", message(&info())), ("Query", message(&points(2)))];
    let fake = Fake::start("1.18.0", &replies).await;
    let api = EmbeddingApi::start().await;
    let settings = format!(
        "url = '{}'\napi-key = '{SECRET}-key'\nembeddings-api-key = '{SECRET}-key'\n{}",
        fake.url,
        api.settings("bag-64")
    );
    let adapter = Adapter::start(&settings).await;
    let caller = Caller::new();
    let mut search = text("products", &format!("{SECRET} words"));
    search.filter = Some(value(&json!({"color": format!("{SECRET} color")})));
    search.limit = Some(1);
    let found = adapter.client.clone().search(caller.request(search)).await;
    assert_eq!(
        answer(found).expect("works").result.expect("a result").rows.len(),
        1
    );

    let server = caller.ended(&server("Search")).await;
    assert_eq!(
        (server.span_kind.clone(), server.parent_span_id),
        (SpanKind::Server, caller.span_id())
    );
    // One point more than was wanted tells that there are more.
    assert_shows(&server, &[("mcp_hub.db.response.truncated", "true")]);
    let [info, query] = ["get_collection_info products", "query_points products"];
    let [info, query] = [caller.ended(info).await, caller.ended(query).await];
    let address = fake.url.trim_start_matches("http://").split_once(':');
    let (host, port) = address.expect("host and port");
    for (rpc, operation, rows) in [(&info, "get_collection_info", "1"), (&query, "query_points", "2")] {
        assert_below(rpc, &server);
        assert_eq!(rpc.span_kind, SpanKind::Client);
        assert_shows(
            rpc,
            &[
                ("db.system.name", "qdrant"),
                ("db.operation.name", operation),
                ("db.collection.name", "products"),
                ("db.query.summary", &format!("{operation} products")),
                ("db.response.returned_rows", rows),
                ("server.address", host),
                ("server.port", port),
            ],
        );
        assert_eq!(traces::told(rpc, "db.namespace"), None);
        assert_eq!(traces::told(rpc, "db.query.text"), None);
        assert_eq!(rpc.status, Status::Unset);
    }
    let bytes = prost::Message::encoded_len(&points(2)).to_string();
    assert_shows(&query, &[("mcp_hub.db.response.bytes", &bytes)]);

    let embed = caller.ended("embed").await;
    assert_below(&embed, &server);
    let request = caller.ended("POST /embeddings").await;
    assert_below(&request, &embed);
    assert_eq!(request.span_kind, SpanKind::Client);
    assert_shows(
        &request,
        &[
            ("http.request.method", "POST"),
            ("http.response.status_code", "200"),
        ],
    );
    // Its arguments, and its filter.
    let guards = named(caller, "guard");
    assert_eq!(guards.len(), 2);
    for guard in &guards {
        assert_below(guard, &server);
    }

    caller.assert_hides(SECRET);

    // The server is told; who is not ours is not.
    let [seen] = fake.seen("Query").try_into().expect("one call");
    let told = format!("00-{}-{}-01", caller.trace_id(), query.span_context.span_id());
    assert_eq!(seen.header("traceparent"), Some(told.as_str()));
    for call in fake.seen("HealthCheck") {
        assert_eq!(call.header("traceparent"), None, "a probe is of no trace");
    }
    let [asked] = api.seen().try_into().expect("one request");
    assert!(!asked.headers.contains_key("traceparent"), "{:?}", asked.headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_call_that_connects_shows_it() {
    traces::record();
    let fake = Fake::start("1.18.0", &[]).await;
    let adapter = Adapter::start(&format!("url = '{}'", fake.url)).await;
    adapter.serving().await;
    let caller = Caller::new();
    answer(adapter.client.clone().count(caller.request(count("c"))).await).expect("works");
    caller.ended(&server("Count")).await;
    // The probe had connected.
    assert!(caller.span("acquire connection").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_shows_reason_and_code_and_no_message() {
    traces::record();
    let refusal = Reply::Status(tonic::Code::InvalidArgument, "Wrong input: s3cret is no number");
    let fake = Fake::start("1.18.0", &[("Count", refusal)]).await;
    let adapter = Adapter::start(&format!("url = '{}'", fake.url)).await;
    let caller = Caller::new();
    let fault = adapter.client.clone().count(caller.request(count("c"))).await;
    assert_fault(answer(fault), Reason::StatementInvalid, SECRET);
    let rpc = caller.ended("count_points c").await;
    assert_failed(&rpc, "STATEMENT_INVALID");
    assert_shows(&rpc, &[("db.response.status_code", "INVALID_ARGUMENT")]);

    let wrong = CountRequest {
        filter: Some(value(&json!({"price": {"s3cret": 1}}))),
        ..count("c")
    };
    let other = Caller::new();
    let fault = adapter.client.clone().count(other.request(wrong)).await;
    assert_fault(answer(fault), Reason::ArgumentInvalid, "filter.price");
    other.ended(&server("Count")).await;
    let checks = named(other, "guard");
    assert_failed(checks.last().expect("a check"), "ARGUMENT_INVALID");
    caller.assert_hides(SECRET);
    other.assert_hides(SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_an_error_of_the_connection() {
    traces::record();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let adapter = Adapter::start(&format!("url = 'http://{address}'")).await;
    let caller = Caller::new();
    let fault = adapter.client.clone().count(caller.request(count("c"))).await;
    assert_fault(answer(fault), Reason::DatabaseUnavailable, "connection refused");
    let rpc = caller.ended("get_collection_info c").await;
    assert_failed(&rpc, "DATABASE_UNAVAILABLE");
    caller.ended(&server("Count")).await;
    let connects = named(caller, "acquire connection");
    assert!(!connects.is_empty());
    for connect in connects {
        let spans = caller.spans();
        let parent = |span: &&SpanData| span.span_context.span_id() == connect.parent_span_id;
        let rpc = spans.iter().find(parent).expect("it is there");
        assert_shows(rpc, &[("db.system.name", "qdrant")]);
        assert_failed(&connect, "DATABASE_UNAVAILABLE");
        assert_shows(&connect, &[("mcp_hub.pool.connected", "true")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_given_up_is_cancelled_and_one_that_was_late_is_late() {
    traces::record();
    let fake = Fake::start("1.18.0", &[("Count", Reply::Nothing)]).await;
    let adapter = Adapter::start(&format!("url = '{}'", fake.url)).await;
    let caller = Caller::new();
    let mut client = adapter.client.clone();
    let call = adapter
        .lifecycle
        .spawn(async move { client.count(caller.request(count("c"))).await });
    eventually(SOON, async || fake.waiting() == 1).await;
    call.abort();
    assert_failed(&caller.ended("count_points c").await, "CANCELLED");

    let caller = Caller::new();
    let short = CountRequest {
        timeout_ms: Some(200),
        ..count("c")
    };
    let fault = adapter.client.clone().count(caller.request(short)).await;
    assert_fault(answer(fault), Reason::StatementTimedOut, "200 ms");
    assert_failed(&caller.ended("count_points c").await, "STATEMENT_TIMED_OUT");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_others_is_shown_and_counted() {
    traces::record();
    let fake = Fake::start("1.18.0", &[("Count", Reply::Nothing)]).await;
    let settings = format!("url = '{}'\npool_size = 1", fake.url);
    let adapter = Adapter::start_as("one_at_a_time", &settings).await;
    let mut client = adapter.client.clone();
    let first = adapter
        .lifecycle
        .spawn(async move { client.count(count("c")).await });
    eventually(SOON, async || fake.waiting() == 1).await;
    let caller = Caller::new();
    let mut client = adapter.client.clone();
    let second = adapter
        .lifecycle
        .spawn(async move { client.count(caller.request(count("c"))).await });
    eventually(SOON, async || {
        metric("db_client_connection_pending_requests").filter(|count| *count > 0.0)
    })
    .await;
    assert_eq!(metric("db_client_connection_max"), Some(1.0));
    first.abort();
    // It has a place now.
    eventually(SOON, async || !fake.seen("Get").is_empty() && fake.waiting() == 1).await;
    second.abort();
    let of_call = caller.ended(&server("Count")).await;
    let waits = named(caller, "acquire connection");
    assert!(!waits.is_empty());
    for wait in &waits {
        assert_below(wait, &of_call);
    }
    assert_eq!(
        metric("db_client_connection_create_time_seconds_count"),
        Some(1.0)
    );
    eventually(SOON, async || {
        metric("db_client_connection_count").filter(|count| *count == 0.0)
    })
    .await;
}

/// A metric of the adapter with one place.
fn metric(name: &str) -> Option<f64> {
    let text = mcp_hub_chassis::metrics::text();
    let mut lines = text.lines();
    let line = lines.find(|line| {
        line.starts_with(name) && line.contains("\"one_at_a_time\"") && !line.contains("\"idle\"")
    })?;
    line.rsplit(' ').next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_streams_and_what_is_followed_stays_in_its_trace() {
    traces::record();
    let page = q::ScrollResponse {
        result: vec![q::RetrievedPoint {
            id: Some(1.into()),
            ..q::RetrievedPoint::default()
        }],
        ..q::ScrollResponse::default()
    };
    let counted = q::CountResponse {
        result: Some(q::CountResult { count: 5 }),
        ..q::CountResponse::default()
    };
    let replies = [("Scroll", message(&page)), ("Count", message(&counted))];
    let fake = Fake::start("1.18.0", &replies).await;
    let adapter = Adapter::start(&format!("url = '{}'", fake.url)).await;
    let caller = Caller::new();
    let all = StreamScrollRequest {
        collection: "c".to_owned(),
        ..StreamScrollRequest::default()
    };
    let stream = adapter.client.clone().stream_scroll(caller.request(all)).await;
    let batches: Vec<_> = stream.expect("a stream").into_inner().collect().await;
    assert!(batches.iter().all(Result::is_ok), "{batches:?}");
    let rpc = caller.ended("scroll_points c").await;
    let of_stream = caller.ended(&server("StreamScroll")).await;
    assert_below(&rpc, &of_stream);
    assert!(rpc.end_time <= of_stream.end_time);

    let caller = Caller::new();
    let follow = FollowCountRequest {
        count: Some(count("c")),
    };
    let stream = adapter.client.clone().follow_count(caller.request(follow)).await;
    let told: Vec<_> = stream.expect("a stream").into_inner().collect().await;
    assert!(told.iter().all(Result::is_ok), "{told:?}");
    let rpc = caller.ended("count_points c").await;
    assert_below(&rpc, &caller.ended(&server("FollowCount")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_shows_what_it_does_and_no_value() {
    traces::record();
    let fake = Fake::start("1.18.0", &[("Get", message(&info()))]).await;
    let adapter = Adapter::start(&format!("url = '{}'\nallow-writes = true", fake.url)).await;
    let caller = Caller::new();
    let point = Point {
        id: Some(value(&json!(7))),
        vector: Some(value(&json!(vec![0.25; 64]))),
        payload: Some(value(&json!({"note": format!("{SECRET} payload")}))),
        ..Point::default()
    };
    let upsert = UpsertRequest {
        collection: "c".to_owned(),
        points: vec![point],
    };
    let mut client = QdrantWriteServiceClient::new(adapter.channel.clone());
    answer(client.upsert(caller.request(upsert)).await).expect("works");
    let rpc = caller.ended("upsert_points c").await;
    assert_eq!(traces::told(&rpc, "db.response.returned_rows"), None);
    assert_eq!(rpc.status, Status::Unset);
    let server = caller.ended("mcphub.qdrant.v1.QdrantWriteService/Upsert").await;
    assert_below(&rpc, &server);
    let guards = named(caller, "guard");
    assert_eq!(guards.len(), 1);
    assert_below(&guards[0], &server);
    caller.assert_hides(SECRET);
    caller.assert_hides("0.25");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_the_embeddings_endpoint_is_told_without_its_words() {
    traces::record();
    let fake = Fake::start("1.18.0", &[("Get", message(&info()))]).await;
    let api = EmbeddingApi::start().await;
    for (model, error_type, status) in [
        ("unauthorized", "EMBEDDINGS_UNAVAILABLE", Some("401")),
        ("too-long", "ARGUMENT_INVALID", Some("400")),
        ("slow", "EMBEDDINGS_UNAVAILABLE", None),
    ] {
        let settings = format!(
            "url = '{}'\nembeddings-timeout-ms = 300\nembeddings-api-key = '{SECRET}-key'\n{}",
            fake.url,
            api.settings(model)
        );
        let adapter = Adapter::start(&settings).await;
        let caller = Caller::new();
        let search = caller.request(text("c", &format!("{SECRET} words")));
        adapter.client.clone().search(search).await.expect_err("fails");
        caller.ended(&server("Search")).await;
        for name in ["embed", "POST /embeddings"] {
            assert_failed(&caller.ended(name).await, error_type);
        }
        let post = caller.ended("POST /embeddings").await;
        let shown = traces::told(&post, "http.response.status_code");
        assert_eq!(shown.as_deref(), status, "{model}");
        caller.assert_hides(SECRET);
    }
}
