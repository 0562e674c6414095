//! Followers: what their tools answer, and what is done meanwhile.

use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::progress::v1::Progress;
use mcp_hub_proto::qdrant::v1::{
    CountRequest, FollowCountRequest, FollowScrollRequest, FollowSearchRequest, FollowSearchResponse,
    ScrollRequest, SearchRequest, SearchResponse,
};
use mcp_hub_testing::{Qdrant, eventually};
use prost::Message as _;
use qdrant_client::qdrant as q;
use serde_json::json;
use tonic::{Request, Streaming};

use crate::adapter::{Adapter, SOON, answer, assert_fault, settings, value};
use crate::embedding_api::EmbeddingApi;
use crate::fake::{Fake, Reply, message};
use crate::search::text;
use crate::search_collections::reviews_by_both;

async fn follow(adapter: &Adapter, search: SearchRequest) -> Result<Streaming<FollowSearchResponse>, Fault> {
    let request = FollowSearchRequest { search: Some(search) };
    answer(adapter.client.clone().follow_search(request).await)
}

/// What was told, and how it ended.
async fn all(
    mut stream: Streaming<FollowSearchResponse>,
) -> (Vec<Progress>, Result<Option<SearchResponse>, Fault>) {
    let (mut told, mut last) = (vec![], None);
    loop {
        match stream.message().await {
            Ok(Some(message)) => {
                told.extend(message.progress);
                assert!(last.is_none(), "nothing behind the answer");
                last = message.response;
            }
            Ok(None) => return (told, Ok(last)),
            Err(status) => return (told, Err(Fault::from_status(&status))),
        }
    }
}

/// A server with a collection of one dense vector, which does not answer this.
async fn silent(rpc: &str) -> Fake {
    let params = q::VectorParams {
        size: 2,
        distance: q::Distance::Dot.into(),
        ..q::VectorParams::default()
    };
    let info = q::CollectionInfo {
        config: Some(q::CollectionConfig {
            params: Some(q::CollectionParams {
                vectors_config: Some(q::VectorsConfig {
                    config: Some(q::vectors_config::Config::Params(params)),
                }),
                ..q::CollectionParams::default()
            }),
            ..q::CollectionConfig::default()
        }),
        ..q::CollectionInfo::default()
    };
    let get = message(&q::GetCollectionInfoResponse {
        result: Some(info),
        time: 0.0,
    });
    Fake::start("1.18.0", &[("Get", get), (rpc, Reply::Nothing)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_answers_what_the_tool_answers() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    reviews_by_both(qdrant, "follow_reviews").await;
    let api = EmbeddingApi::start().await;
    let adapter = Adapter::start(&format!("{}\n{}", settings(qdrant), api.settings("bag-64"))).await;
    let request = text("follow_reviews", "tent pole");
    let tool = answer(adapter.client.clone().search(request.clone()).await).expect("answers");
    let (_, last) = all(follow(&adapter, request).await.expect("follows")).await;
    let rows = |response: Option<SearchResponse>| {
        let result = response.expect("an answer").result.expect("a result");
        (result.rows, result.columns, result.notices)
    };
    assert_eq!(rows(last.expect("answers")), rows(Some(tool)));

    let scroll = ScrollRequest {
        collection: "follow_reviews".to_owned(),
        limit: Some(4),
        ..ScrollRequest::default()
    };
    let request = FollowScrollRequest { scroll: Some(scroll) };
    let stream = answer(adapter.client.clone().follow_scroll(request).await);
    let last = stream.expect("follows").message().await.expect("goes on");
    let result = last.and_then(|message| message.response?.result);
    assert_eq!(result.expect("a result").rows.len(), 4);

    let count = CountRequest {
        collection: "follow_reviews".to_owned(),
        ..CountRequest::default()
    };
    let request = FollowCountRequest { count: Some(count) };
    let stream = answer(adapter.client.clone().follow_count(request).await);
    let last = stream.expect("follows").message().await.expect("goes on");
    let counted = last.and_then(|message| message.response?.count);
    assert_eq!(counted, Some(6));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_that_a_text_is_embedded_and_that_it_is_searched() {
    let fake = silent("Query").await;
    let api = EmbeddingApi::start().await;
    let slow = Adapter::start(&format!("url = '{}'\n{}", fake.url, api.settings("slow"))).await;
    let quick = Adapter::start(&format!("url = '{}'\n{}", fake.url, api.settings("bag-2"))).await;
    let request = SearchRequest {
        timeout_ms: Some(120_000),
        ..text("any", "tent")
    };
    for (adapter, doing) in [(&slow, "embedding the text"), (&quick, "searching")] {
        let mut stream = follow(adapter, request.clone()).await.expect("follows");
        let first = stream.message().await.expect("goes on").expect("goes on");
        let told = first.progress.expect("progress");
        assert_eq!(told.message, format!("1 s: {doing}"));
        assert_eq!((told.progress, told.total), (1.0, Some(120.0)));
    }
    // Who goes away ends what is done.
    eventually(SOON, async || api.abandoned() == 1).await;
    eventually(SOON, async || fake.waiting() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scroll_and_a_count_tell_what_they_do() {
    let points = (1..=100_u64).map(|id| q::RetrievedPoint {
        id: Some(id.into()),
        ..q::RetrievedPoint::default()
    });
    let page = q::ScrollResponse {
        result: points.collect(),
        next_page_offset: Some(101.into()),
        ..q::ScrollResponse::default()
    };
    let fake = Fake::start("1.18.0", &[("Scroll", Reply::Once(page.encode_to_vec()))]).await;
    let adapter = Adapter::start(&format!("url = '{}'", fake.url)).await;
    let scroll = ScrollRequest {
        collection: "any".to_owned(),
        limit: Some(1_000),
        timeout_ms: Some(290_000),
        ..ScrollRequest::default()
    };
    let request = FollowScrollRequest { scroll: Some(scroll) };
    let stream = answer(adapter.client.clone().follow_scroll(request).await);
    let first = stream.expect("follows").message().await.expect("goes on");
    let told = first.and_then(|message| message.progress).expect("progress");
    assert_eq!(
        (told.message.as_str(), told.total),
        ("1 s: 100 rows read", Some(290.0))
    );
    eventually(SOON, async || fake.waiting() == 0).await;

    let fake = silent("Count").await;
    let adapter = Adapter::start(&format!("url = '{}'", fake.url)).await;
    let count = CountRequest {
        collection: "any".to_owned(),
        timeout_ms: Some(1_000_000),
        ..CountRequest::default()
    };
    let request = FollowCountRequest { count: Some(count) };
    let stream = answer(adapter.client.clone().follow_count(request).await);
    let first = stream.expect("follows").message().await.expect("goes on");
    let told = first.and_then(|message| message.progress).expect("progress");
    assert_eq!(
        (told.message.as_str(), told.total),
        ("1 s: counting", Some(290.0))
    );
    eventually(SOON, async || fake.waiting() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_may_wait_longer_and_no_longer_than_that() {
    let fake = silent("Query").await;
    let adapter = Adapter::start(&format!("url = '{}'", fake.url)).await;
    let request = |timeout_ms: u32| SearchRequest {
        collection: "any".to_owned(),
        vector: Some(value(&json!([1, 0]))),
        timeout_ms: Some(timeout_ms),
        ..SearchRequest::default()
    };
    for (asked, total) in [(120_000, 120.0), (290_000, 290.0), (1_000_000, 290.0)] {
        let mut stream = follow(&adapter, request(asked)).await.expect("follows");
        let first = stream.message().await.expect("goes on").expect("goes on");
        assert_eq!(first.progress.and_then(|told| told.total), Some(total), "{asked}");
    }
    let wrong = follow(&adapter, request(0)).await;
    assert_fault(wrong.map(|_| ()), Reason::ArgumentInvalid, "timeout_ms");
    // The limit is kept, and told.
    let begun = Instant::now();
    let (told, last) = all(follow(&adapter, request(1_500)).await.expect("follows")).await;
    let fault = assert_fault(last, Reason::StatementTimedOut, "1500 ms");
    assert_eq!(fault.metadata["timeout_ms"], "1500");
    assert_eq!(told.len(), 1);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    // And so is the caller's own deadline.
    let mut call = Request::new(FollowSearchRequest {
        search: Some(request(120_000)),
    });
    call.set_timeout(Duration::from_secs(1));
    let stream = answer(adapter.client.clone().follow_search(call).await).expect("follows");
    let (_, last) = all(stream).await;
    let fault = last.expect_err("ends");
    assert_eq!(fault.reason, Reason::StatementTimedOut);
    eventually(SOON, async || fake.waiting() == 0).await;
}
