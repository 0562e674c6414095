//! Limits: however a call ends, the server has it no longer, and as many calls as may be are under way.

use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::qdrant::v1::{CountRequest, ScrollRequest};
use mcp_hub_testing::eventually;
use prost::Message as _;
use qdrant_client::qdrant as q;
use tonic::Request;

use crate::adapter::{Adapter, SOON, answer, assert_fault};
use crate::fake::{Fake, Reply};

fn count() -> CountRequest {
    CountRequest {
        collection: "any".to_owned(),
        ..CountRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_ends_the_call_on_the_server_too() {
    let fake = Fake::start("1.18.0", &[("Count", Reply::Nothing)]).await;
    let adapter = Adapter::start(&format!("url = '{}'", fake.url)).await;
    let begun = Instant::now();
    let request = CountRequest {
        timeout_ms: Some(300),
        ..count()
    };
    let fault = assert_fault(
        answer(adapter.client.clone().count(request).await),
        Reason::StatementTimedOut,
        "300 ms",
    );
    assert_eq!(fault.metadata["timeout_ms"], "300");
    assert!(
        begun.elapsed() < Duration::from_millis(1500),
        "{:?}",
        begun.elapsed()
    );
    eventually(Duration::from_secs(1), async || fake.waiting() == 0).await;
    let [call] = fake.seen("Count").try_into().expect("one call");
    // The server is told the limit in both ways: gRPC's, and that of the message, which it knows in seconds only.
    let limit = call
        .header("grpc-timeout")
        .expect("a limit")
        .trim_end_matches(char::is_alphabetic);
    assert!(!limit.is_empty());
    let sent = q::CountPoints::decode(call.message).expect("a message");
    assert_eq!((sent.timeout, sent.exact), (Some(1), Some(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_ends_the_call() {
    let fake = Fake::start("1.18.0", &[("Count", Reply::Nothing), ("Scroll", Reply::Nothing)]).await;
    let adapter = Adapter::start(&format!("url = '{}'", fake.url)).await;
    let mut client = adapter.client.clone();
    let call = adapter
        .lifecycle
        .spawn(async move { client.count(count()).await });
    let mut client = adapter.client.clone();
    let scroll = ScrollRequest {
        collection: "any".to_owned(),
        ..ScrollRequest::default()
    };
    let other = adapter
        .lifecycle
        .spawn(async move { client.scroll(scroll).await });
    eventually(SOON, async || fake.waiting() == 2).await;
    // Dropping a call resets its stream, which is what a disconnect and a cancel come to.
    call.abort();
    eventually(Duration::from_secs(1), async || fake.waiting() == 1).await;
    other.abort();
    eventually(Duration::from_secs(1), async || fake.waiting() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_s_deadline_counts() {
    let fake = Fake::start("1.18.0", &[("Count", Reply::Nothing)]).await;
    let adapter = Adapter::start(&format!("url = '{}'", fake.url)).await;
    let mut call = Request::new(count());
    call.set_timeout(Duration::from_secs(1));
    let begun = Instant::now();
    let status = adapter.client.clone().count(call).await.expect_err("fails");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // Our own limit comes before the deadline, so that the answer says what happened.
    let fault = Fault::from_status(&status);
    assert_eq!(fault.reason, Reason::StatementTimedOut);
    assert_eq!(fault.metadata.get("timeout_ms").map(String::as_str), Some("900"));
    eventually(Duration::from_secs(1), async || fake.waiting() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_more_than_may_be_waits_and_is_told() {
    let fake = Fake::start("1.18.0", &[("Count", Reply::Nothing)]).await;
    let adapter = Adapter::start(&format!("url = '{}'\npool_size = 1", fake.url)).await;
    let mut client = adapter.client.clone();
    let first = adapter
        .lifecycle
        .spawn(async move { client.count(count()).await });
    eventually(SOON, async || fake.waiting() == 1).await;
    let request = CountRequest {
        timeout_ms: Some(300),
        ..count()
    };
    let fault = assert_fault(
        answer(adapter.client.clone().count(request).await),
        Reason::DatabaseBusy,
        "try again in a moment",
    );
    assert!(fault.retry_after.is_some());
    // The look at the server does not wait for it: a busy server is one that answers.
    adapter.serving().await;
    first.abort();
    eventually(SOON, async || fake.waiting() == 0).await;
    let next = CountRequest {
        timeout_ms: Some(100),
        ..count()
    };
    assert_fault(
        answer(adapter.client.clone().count(next).await),
        Reason::StatementTimedOut,
        "100 ms",
    );
}
