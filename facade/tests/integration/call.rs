//! A call from its arguments to its outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{Fault, trace};
use mcp_hub_facade::tool::Call;
use mcp_hub_testing::{eventually, traces};
use prost::Message as _;
use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::adapter::{Adapter, Plan, fields};
use crate::hub::{Hub, SOON, call, metric};

const SHOP: &str = r#"
    // ShopService sells.
    service ShopService {
      // Finds goods.
      rpc Find(FindRequest) returns (FindResponse) {
        option idempotency_level = NO_SIDE_EFFECTS;
        option (mcphub.tool.v1.tool) = {title: "Find goods"};
      }
      // Buys goods.
      rpc Buy(FindRequest) returns (FindResponse) {
        option (mcphub.tool.v1.tool) = {destructive: true};
      }
    }
    message FindRequest {
      // What.
      string what = 1;
      // How many.
      optional uint32 limit = 2;
      // Values.
      repeated mcphub.data.v1.Value params = 3;
    }
    message FindResponse {
      // The goods.
      mcphub.data.v1.ResultSet result = 1;
      // What was asked.
      string asked = 2;
      // How many there are.
      uint64 total = 3;
    }
"#;

/// Sets when it is dropped.
struct Ended(Arc<AtomicBool>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// An adapter that never answers, and whether a call of it has ended.
async fn hanging() -> (Adapter, Arc<AtomicBool>) {
    let ended = Arc::new(AtomicBool::new(false));
    let flag = ended.clone();
    let plan = Plan::new(SHOP).handle(move |_| {
        let ended = Ended(flag.clone());
        async move {
            let _ended = ended;
            std::future::pending().await
        }
    });
    (plan.start().await, ended)
}

#[tokio::test]
async fn arguments_go_in_and_an_answer_comes_out() {
    let adapter = Plan::new(SHOP)
        .handle(|mut received| async move {
            let result = mcp_hub_proto::data::v1::ResultSet {
                columns: vec![mcp_hub_proto::data::v1::Column {
                    name: "id".to_owned(),
                    r#type: "int8".to_owned(),
                }],
                rows: vec![mcp_hub_proto::data::v1::Row {
                    values: vec![mcp_hub_proto::data::v1::Value {
                        kind: Some(mcp_hub_proto::data::v1::value::Kind::Int(1 << 53)),
                    }],
                }],
                elapsed_ms: 3,
                ..Default::default()
            };
            let field = received.response.descriptor().get_field_by_name("result");
            let kind = field.expect("the field").kind();
            let descriptor = kind.as_message().expect("a message").clone();
            let result =
                DynamicMessage::decode(descriptor, result.encode_to_vec().as_slice()).expect("a result");
            received
                .response
                .set_field_by_name("result", Value::Message(result));
            let asked = format!("{:?}", {
                let mut fields: Vec<_> = fields(&received.message).into_iter().collect();
                fields.sort();
                fields
            });
            received.response.set_field_by_name("asked", Value::String(asked));
            received.response.set_field_by_name("total", Value::U64(u64::MAX));
            Ok(received.response)
        })
        .start()
        .await;
    let hub = Hub::of(&[("shop", adapter.url())]).await;
    let outcome = hub
        .call(
            "shop_find",
            json!({"what": "tea", "limit": 5.0, "params": [1, null]}),
        )
        .await;
    assert!(!outcome.is_error, "{}", outcome.text);
    assert_eq!(
        outcome.text,
        r#"{"columns":[{"name":"id","type":"int8"}],"rows":[["9007199254740992"]],"elapsed_ms":3,"asked":"[(\"limit\", \"5\"), (\"params\", \"[{int:1},{null:NULL_VALUE}]\"), (\"what\", \"\\\"tea\\\"\")]","total":"18446744073709551615"}"#
    );
    assert_eq!(outcome.structured, serde_json::from_str(&outcome.text).ok());
    assert_eq!(adapter.calls(), ["Find"]);
}

#[tokio::test]
async fn wrong_arguments_never_reach_the_adapter() {
    let adapter = Plan::new(SHOP).start().await;
    let hub = Hub::of(&[("shop", adapter.url())]).await;
    let outcome = hub.call("shop_find", json!({"wat": "tea"})).await;
    assert!(outcome.is_error && outcome.structured.is_none());
    assert_eq!(
        outcome.text,
        "unknown argument \"wat\": the arguments are what, limit, params\nreason: ARGUMENT_INVALID\ndid_you_mean: what\nfield: wat"
    );
    assert!(adapter.calls().is_empty());
}

#[tokio::test]
async fn what_the_adapter_says_reaches_the_model() {
    let adapter = Plan::new(SHOP)
        .handle(|_| async {
            Err(
                Fault::new(Reason::StatementInvalid, "column \"nam\" does not exist")
                    .with("sqlstate", "42703")
                    .with("hint", "did you mean name?"),
            )
        })
        .start()
        .await;
    let hub = Hub::of(&[("shop", adapter.url())]).await;
    let outcome = hub.call("shop_find", json!({"what": ""})).await;
    assert_eq!(
        outcome.text,
        "column \"nam\" does not exist\nreason: STATEMENT_INVALID\nhint: did you mean name?\nsqlstate: 42703"
    );
    assert_eq!(adapter.calls(), ["Find"], "an answer is no reason to try again");
}

#[tokio::test]
async fn a_call_carries_its_deadline_and_trace() {
    let adapter = Plan::new(SHOP)
        .handle(|mut received| async move {
            let of = |name| {
                let value = received.metadata.get(name).and_then(|value| value.to_str().ok());
                value.unwrap_or_default().to_owned()
            };
            let asked = format!("{} {}", of("grpc-timeout"), of("traceparent"));
            received.response.set_field_by_name("asked", Value::String(asked));
            Ok(received.response)
        })
        .start()
        .await;
    let hub = Hub::with(&[("shop", adapter.url())], |upstream| {
        upstream.timeout = Duration::from_secs(20);
    })
    .await;
    traces::record();
    let caller = traces::Caller::new();
    let parent = trace::context::untrusted(&caller.traceparent()).expect("a trace context");
    let outcome = hub
        .call("shop_find", json!({"what": ""}))
        .instrument(trace::server("test", parent))
        .await;
    let structured = outcome.structured.expect("a success");
    let asked = structured["asked"].as_str().expect("text");
    let (timeout, trace) = asked.split_once(' ').expect("two parts");
    let micros: u64 = timeout
        .strip_suffix('u')
        .expect("microseconds")
        .parse()
        .expect("a number");
    assert!((15_000_000..=20_000_000).contains(&micros), "{timeout}");
    let rpc = caller
        .span("shop.v1.ShopService/Find")
        .expect("a span that has ended");
    let id = rpc.span_context.span_id();
    assert_eq!(trace, format!("00-{}-{id}-01", caller.trace_id()));
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_down_to_the_adapter() {
    let (adapter, ended) = hanging().await;
    let hub = Hub::of(&[("shop", adapter.url())]).await;
    let late = Call {
        deadline: Instant::now() + Duration::from_millis(300),
        ..call()
    };
    let arguments = serde_json::Map::from_iter([("what".to_owned(), json!(""))]);
    let read = hub.tool("shop_find").call(arguments.clone(), late).await;
    assert_eq!(
        read.text,
        "the call took too long and was cancelled\nreason: STATEMENT_TIMED_OUT"
    );
    eventually(SOON, async || ended.load(Ordering::SeqCst)).await;

    let late = Call {
        deadline: Instant::now() + Duration::from_millis(300),
        ..call()
    };
    let write = hub.tool("shop_buy").call(arguments, late).await;
    assert!(
        write.text.contains("it may or may not have taken effect"),
        "{}",
        write.text
    );
    assert_eq!(adapter.calls(), ["Find", "Buy"]);
}

#[tokio::test]
async fn cancelling_and_dropping_reach_the_adapter() {
    for cancel in [true, false] {
        let (adapter, ended) = hanging().await;
        let hub = Hub::of(&[("shop", adapter.url())]).await;
        let circumstances = call();
        let token = circumstances.cancelled.clone();
        let tool = hub.tool("shop_find");
        let arguments = serde_json::Map::from_iter([("what".to_owned(), json!(""))]);
        let task = hub
            .lifecycle
            .spawn(async move { tool.call(arguments, circumstances).await });
        eventually(SOON, async || adapter.calls().len() == 1).await;
        assert!(!ended.load(Ordering::SeqCst));
        if cancel {
            token.cancel();
            let outcome = task.await.expect("no panic");
            assert_eq!(outcome.text, "the call was cancelled\nreason: CANCELLED");
        } else {
            task.abort();
        }
        eventually(SOON, async || ended.load(Ordering::SeqCst)).await;
    }
}

#[tokio::test]
async fn a_call_waits_for_its_turn_and_more_than_that_are_shed() {
    let gate = Arc::new(Semaphore::new(0));
    let open = gate.clone();
    let plan = Plan::new(SHOP).handle(move |received| {
        let open = open.clone();
        async move {
            open.acquire().await.expect("open").forget();
            Ok(received.response)
        }
    });
    let adapter = plan.start().await;
    let hub = Hub::with(&[("turns", adapter.url())], |upstream| upstream.concurrency = 1).await;
    let start = |circumstances: Call| {
        let tool = hub.tool("turns_find");
        let arguments = serde_json::Map::from_iter([("what".to_owned(), json!(""))]);
        hub.lifecycle
            .spawn(async move { tool.call(arguments, circumstances).await })
    };
    let first = start(call());
    eventually(SOON, async || adapter.calls().len() == 1).await;
    // One may wait. It does not get its turn in time.
    let waiting = start(call());
    let waits = r#"mcp_hub_upstream_waits_total{reason="turn",upstream="turns"}"#;
    eventually(SOON, async || metric(waits) == 1).await;
    let started = Instant::now();
    let outcome = hub.call("turns_find", json!({"what": ""})).await;
    assert!(started.elapsed() < Duration::from_millis(500), "at once");
    let busy =
        "1 calls of turns are under way already: try again\nreason: DATABASE_BUSY\nretry_after_ms: 500";
    assert_eq!(outcome.text, busy);
    assert_eq!(waiting.await.expect("no panic").text, busy);

    // Whoever gives up while it waits, cancelled or dropped, leaves the turn to the next.
    let cancelled = call();
    let token = cancelled.cancelled.clone();
    let waiting = start(cancelled);
    eventually(SOON, async || metric(waits) == 2).await;
    token.cancel();
    assert!(waiting.await.expect("no panic").text.contains("CANCELLED"));
    let waiting = start(call());
    eventually(SOON, async || metric(waits) == 3).await;
    waiting.abort();
    let _ = waiting.await;
    let waiting = start(call());
    eventually(SOON, async || metric(waits) == 4).await;
    gate.add_permits(2);
    assert!(!first.await.expect("no panic").is_error);
    assert!(!waiting.await.expect("no panic").is_error);
    let calls = |outcome: &str| {
        metric(&format!(
            r#"mcp_hub_upstream_calls_total{{outcome="{outcome}",upstream="turns"}}"#
        ))
    };
    assert_eq!((calls("ok"), calls("shed"), calls("cancelled")), (2, 2, 2));
    assert_eq!(adapter.calls().len(), 2);
    // Cancelled calls that ran give their turn back as well.
    for _ in 0..3 {
        let circumstances = call();
        let token = circumstances.cancelled.clone();
        let before = adapter.calls().len();
        let running = start(circumstances);
        eventually(SOON, async || adapter.calls().len() > before).await;
        token.cancel();
        assert!(running.await.expect("no panic").text.contains("CANCELLED"));
    }
}

#[tokio::test]
async fn an_adapter_whose_database_is_down_still_says_why() {
    let down = Arc::new(AtomicBool::new(true));
    let flag = down.clone();
    let adapter = Plan::new(SHOP)
        .handle(move |received| {
            let down = flag.load(Ordering::SeqCst);
            async move {
                if down {
                    Err(Fault::new(
                        Reason::DatabaseUnavailable,
                        "the database does not answer",
                    ))
                } else {
                    Ok(received.response)
                }
            }
        })
        .start()
        .await;
    adapter.serving(false).await;
    let hub = Hub::of(&[("shop", adapter.url())]).await;
    hub.lists(&["shop_buy", "shop_find"]).await;
    let outcome = hub.call("shop_find", json!({"what": ""})).await;
    assert_eq!(
        outcome.text,
        "the database does not answer\nreason: DATABASE_UNAVAILABLE\nretry_after_ms: 2000"
    );
    // No first call after a restart fails, although the adapter's health may be behind.
    down.store(false, Ordering::SeqCst);
    let outcome = hub.call("shop_find", json!({"what": ""})).await;
    assert!(!outcome.is_error, "{}", outcome.text);
}

#[tokio::test]
async fn calls_are_spread_over_the_endpoints_that_serve() {
    let counts: Vec<Arc<AtomicUsize>> = (0..3).map(|_| Arc::default()).collect();
    let mut adapters = Vec::new();
    for count in &counts {
        let count = count.clone();
        let plan = Plan::new(SHOP).handle(move |received| {
            count.fetch_add(1, Ordering::SeqCst);
            async move { Ok(received.response) }
        });
        adapters.push(plan.start().await);
    }
    let addresses: Vec<String> = adapters.iter().map(Adapter::url).collect();
    let hub = Hub::with(&[("shop", addresses[0].clone())], |upstream| {
        upstream.addresses.clone_from(&addresses);
    })
    .await;
    eventually(SOON, async || hub.service("shop").await.endpoints == "3 of 3").await;
    adapters[2].serving(false).await;
    eventually(SOON, async || hub.service("shop").await.endpoints == "2 of 3").await;
    for _ in 0..20 {
        assert!(!hub.call("shop_find", json!({"what": ""})).await.is_error);
    }
    let counts: Vec<usize> = counts.iter().map(|count| count.load(Ordering::SeqCst)).collect();
    assert_eq!(counts, [10, 10, 0]);
}
