//! Servers that lack something, and servers that fail.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::qdrant::v1::{CountRequest, SearchRequest};
use mcp_hub_testing::eventually;
use serde_json::json;
use tonic::Code;

use crate::adapter::{Adapter, SOON, answer, assert_fault, value};
use crate::fake::{Fake, Reply};

fn count() -> CountRequest {
    CountRequest {
        collection: "any".to_owned(),
        facet_key: Some("color".to_owned()),
        ..CountRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_server_lacks_is_told_with_both_versions() {
    let lacks = Reply::Status(Code::Unimplemented, "");
    let fake = Fake::start("1.11.5", &[("Facet", lacks)]).await;
    let adapter = Adapter::start(&format!("url = '{}'", fake.url)).await;
    let fault = assert_fault(
        answer(adapter.client.clone().count(count()).await),
        Reason::NotSupported,
        "counting per value of a payload key needs Qdrant 1.12 or newer, and this server is 1.11.5",
    );
    assert_eq!(fault.metadata["hint"], "update the server to 1.12 or newer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_too_old_is_told_in_the_status() {
    let lacks = Reply::Status(Code::Unimplemented, "");
    let fake = Fake::start("1.9.7", &[("Query", lacks)]).await;
    let adapter = Adapter::start(&format!("url = '{}'", fake.url)).await;
    eventually(SOON, async || {
        adapter.status().await.reason
            == "Qdrant 1.9.7 is older than 1.10, the oldest version that the adapter works with"
    })
    .await;
    let search = SearchRequest {
        collection: "any".to_owned(),
        like_ids: vec![value(&json!(1))],
        ..SearchRequest::default()
    };
    // A collection without vectors can't be searched; what the server lacks is not its fault then.
    let fault = answer(adapter.client.clone().search(search).await).expect_err("fails");
    assert_ne!(fault.reason, Reason::Internal, "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_s_failure_tells_nothing_of_its_inside() {
    for (code, text, reason, told) in [
        (
            Code::Internal,
            "Service internal error: peer http://10.0.0.7:6335 panicked",
            Reason::DatabaseUnavailable,
            "the server failed to answer this",
        ),
        (
            Code::InvalidArgument,
            "Wrong input: Vector dimension error: expected dim: 4, got 3",
            Reason::StatementInvalid,
            "Vector dimension error: expected dim: 4, got 3",
        ),
        (
            Code::PermissionDenied,
            "Forbidden: Access to collection any is required",
            Reason::AccessDenied,
            "Access to collection any is required",
        ),
        (
            Code::ResourceExhausted,
            "Rate limiting exceeded: Search rate limit exceeded, retry later",
            Reason::DatabaseBusy,
            "Search rate limit exceeded",
        ),
        (
            Code::DeadlineExceeded,
            "Timeout: Operation 'Count' timed out after 1 seconds",
            Reason::StatementTimedOut,
            "30000 ms",
        ),
        (
            Code::PermissionDenied,
            "Invalid api-key",
            Reason::DatabaseUnavailable,
            "the server refuses the API key",
        ),
        (
            Code::Unauthenticated,
            "Invalid API key or JWT",
            Reason::DatabaseUnavailable,
            "the server refuses the API key",
        ),
    ] {
        let fake = Fake::start("1.18.0", &[("Count", Reply::Status(code, text))]).await;
        let adapter = Adapter::start(&format!("url = '{}'\napi_key = 'key-of-ours'", fake.url)).await;
        let fault = assert_fault(answer(adapter.client.clone().count(count()).await), reason, told);
        let shown = format!("{fault:?}");
        for secret in ["10.0.0.7", "127.0.0.1", "key-of-ours"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_qdrant_is_told() {
    let all = ["HealthCheck", "Get", "ListAliases", "Count", "Facet"];
    let fake = Fake::start(
        "1.18.0",
        &all.map(|name| (name, Reply::Status(Code::Unimplemented, ""))),
    )
    .await;
    let adapter = Adapter::start(&format!("url = '{}'", fake.url)).await;
    assert_fault(
        answer(adapter.client.clone().count(count()).await),
        Reason::DatabaseUnavailable,
        "what answers is not Qdrant's gRPC",
    );
}
