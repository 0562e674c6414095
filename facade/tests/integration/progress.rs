//! Progress of calls, and answers that come as a stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use mcp_hub_chassis::Fault;
use mcp_hub_proto::progress::v1::Progress;
use mcp_hub_testing::eventually;
use prost::Message as _;
use prost_reflect::Value as Field;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::adapter::{Messages, Plan, Received};
use crate::client::{
    Served, Stream, call, call_modern, modern, modern_request, open, post, request, send, serve,
};
use crate::hub::SOON;
use crate::shop::upstream;
use crate::stdio::Client;

mod hostile;

/// A shop with these RPCs beside `Find`, which is followed by `FollowFind`, and `Buy`, which is a write.
fn source(find: &str, more: &str) -> String {
    format!(
        r#"
        syntax = "proto3";
        package shop.v1;
        import "mcphub/progress/v1/progress.proto";
        import "mcphub/tool/v1/tool.proto";
        // ShopService sells.
        service ShopService {{
          // Finds goods.
          rpc Find(FindRequest) returns (FindResponse) {{
            option idempotency_level = NO_SIDE_EFFECTS;
            option (mcphub.tool.v1.tool) = {{{find}}};
          }}
          // Follows.
          rpc FollowFind(FollowRequest) returns (stream Message);
          // Lists goods.
          rpc List(FindRequest) returns (stream Message) {{
            option idempotency_level = NO_SIDE_EFFECTS;
            option (mcphub.tool.v1.tool) = {{}};
          }}
          // Buys goods.
          rpc Buy(FindRequest) returns (stream Message) {{ option (mcphub.tool.v1.tool) = {{}}; }}
          {more}
        }}
        message FindRequest {{ string what = 1; }}
        message FollowRequest {{ FindRequest find = 3; }}
        message Message {{
          mcphub.progress.v1.Progress progress = 5;
          FindResponse answer = 6;
        }}
        message FindResponse {{
          repeated string names = 1;
          string asked = 2;
        }}
    "#
    )
}

fn plan() -> Plan {
    Plan::of(
        &source(r#"progress: "FollowFind""#, ""),
        &[],
        &["shop.v1.ShopService"],
    )
    .handle(|mut received| async move {
        received
            .response
            .set_field_by_name("asked", Field::String("alone".to_owned()));
        Ok(received.response)
    })
}

/// A message of a stream in the making.
struct Say<'a>(&'a Received, &'a Messages);

impl Say<'_> {
    /// Says how far it is, the answer so far, or both. False when nobody hears it.
    async fn say(&self, progress: Option<f64>, names: &[&str]) -> bool {
        #[derive(Clone, PartialEq, prost::Message)]
        struct Message {
            #[prost(message, optional, tag = "5")]
            progress: Option<Progress>,
            #[prost(message, optional, tag = "6")]
            answer: Option<Names>,
        }
        #[derive(Clone, PartialEq, prost::Message)]
        struct Names {
            #[prost(string, repeated, tag = "1")]
            names: Vec<String>,
        }
        let message = Message {
            progress: progress.map(|progress| Progress {
                progress,
                total: Some(10.0),
                message: format!("{progress} read"),
            }),
            answer: (!names.is_empty()).then(|| Names {
                names: names.iter().map(|name| (*name).to_owned()).collect(),
            }),
        };
        let mut response = self.0.response.clone();
        response
            .merge(message.encode_to_vec().as_slice())
            .expect("the same fields");
        self.1.send(Ok(response)).await.is_ok()
    }
}

/// What tells its progress and then answers in two parts, a message whenever it is let.
fn steps(steps: &Arc<Semaphore>) -> impl Fn(Received, Messages) -> BoxFuture<'static, ()> + use<> {
    let steps = steps.clone();
    move |received, messages| {
        let steps = steps.clone();
        Box::pin(async move {
            if received.method == "FollowFind" {
                let find = received.message.get_field_by_name("find").expect("the field");
                let find = find.as_message().expect("the request of the tool");
                let what = find.get_field_by_name("what").expect("the field");
                assert_eq!(what.as_str(), Some("hat"));
            }
            let say = Say(&received, &messages);
            for (progress, names) in [
                (Some(0.0), &[][..]),
                (Some(5.0), &["a", "b"]),
                (Some(4.0), &[]),
                (Some(10.0), &["c"]),
            ] {
                steps.acquire().await.expect("open").forget();
                say.say(progress, names).await;
            }
            steps.acquire().await.expect("open").forget();
        })
    }
}

async fn facade(plan: Plan) -> (Served, crate::adapter::Adapter) {
    let adapter = plan.start().await;
    (serve(&[], upstream(&adapter.url())).await, adapter)
}

/// A call of a tool with a token, in either era.
fn asking(id: u32, tool: &str, token: &Value, is_modern: bool) -> Value {
    let params = json!({"name": tool, "arguments": {"what": "hat"}});
    let mut message = if is_modern {
        modern_request(id, "tools/call", params)
    } else {
        request(id, "tools/call", params)
    };
    message["params"]["_meta"]["progressToken"] = token.clone();
    message
}

/// What is told before an answer: the progress of each message, all of which must have the token.
fn told(messages: &[Value], token: &Value) -> Vec<f64> {
    let told = messages.iter().map(|message| {
        assert_eq!(message["method"], "notifications/progress", "{message}");
        assert_eq!(&message["params"]["progressToken"], token);
        message["params"]["progress"].as_f64().expect("a number")
    });
    told.collect()
}

fn assert_found(answer: &Value, names: &[&str]) {
    assert_eq!(
        answer["result"]["structuredContent"]["names"],
        json!(names),
        "{answer}"
    );
}

/// Lets a stream go on one step at a time, and reads what is told of each; the answer is the last.
async fn follow(steps: &Semaphore, mut next: impl AsyncFnMut() -> Value) -> (Vec<Value>, Value) {
    let mut messages = vec![];
    for more in [1, 1, 2] {
        steps.add_permits(more);
        messages.push(next().await);
    }
    steps.add_permits(1);
    (messages, next().await)
}

#[tokio::test]
async fn a_post_is_told_the_progress_before_its_answer() {
    let gate = Arc::new(Semaphore::new(0));
    let (served, adapter) = facade(plan().stream(steps(&gate))).await;
    for (token, is_modern) in [
        (json!("a token"), false),
        (json!(7), false),
        (json!(0), true),
        (json!("7"), true),
    ] {
        let message = asking(1, "shop_find", &token, is_modern);
        let headers = if is_modern {
            modern(served.address, "/mcp", &message)
        } else {
            post(served.address, "/mcp")
        };
        let asked = headers.body(message.to_string().into()).expect("a request");
        gate.add_permits(1);
        let answer = open(served.address, asked).await;
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-cache"),
            ("x-accel-buffering", "no"),
        ] {
            assert_eq!(answer.headers()[name], value);
        }
        let mut stream = Stream::of(answer);
        let mut messages = vec![stream.data().await];
        for more in [1, 2] {
            gate.add_permits(more);
            messages.push(stream.data().await);
        }
        assert_eq!(told(&messages, &token), [0.0, 5.0, 10.0]);
        assert_eq!(messages[1]["params"]["total"], 10.0);
        assert_eq!(messages[1]["params"]["message"], "5 read");
        gate.add_permits(1);
        let answer = stream.data().await;
        assert_eq!(answer["id"], 1);
        assert_found(&answer, &["a", "b", "c"]);
        assert_eq!(stream.block().await, None, "nothing comes behind it");
    }
    assert_eq!(adapter.calls(), ["FollowFind"; 4]);
}

#[tokio::test]
async fn streams_and_pipes_are_told_as_well() {
    let gate = Arc::new(Semaphore::new(0));
    let (served, _adapter) = facade(plan().stream(steps(&gate))).await;
    let address = served.address;
    let mut stream = Stream::open(address, "/sse").await;
    for is_modern in [false, true] {
        let message = asking(2, "shop_find", &json!("t"), is_modern);
        let path = stream.endpoint.clone();
        assert_eq!(call(address, &path, &message).await.status, 202);
        let (messages, answer) = follow(&gate, async || stream.message().await).await;
        assert_eq!(told(&messages, &json!("t")), [0.0, 5.0, 10.0]);
        assert_found(&answer, &["a", "b", "c"]);
    }
    let mut client = Client::of(served);
    for is_modern in [false, true] {
        client.send(&asking(3, "shop_find", &json!(3), is_modern)).await;
        let (messages, answer) = follow(&gate, async || client.read().await.expect("a message")).await;
        assert_eq!(told(&messages, &json!(3)), [0.0, 5.0, 10.0]);
        assert_found(&answer, &["a", "b", "c"]);
    }
}

#[tokio::test]
async fn nobody_is_told_who_did_not_ask_or_could_not_read_it() {
    let (served, adapter) =
        facade(plan().stream(steps(&Arc::new(Semaphore::new(Semaphore::MAX_PERMITS))))).await;
    let params = json!({"name": "shop_find", "arguments": {"what": "hat"}});
    let answer = call_modern(served.address, "/mcp", &modern_request(1, "tools/call", params)).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.json()["result"]["structuredContent"]["asked"], "alone");
    // Tokens are texts and whole numbers.
    for token in [json!(null), json!({}), json!([1]), json!(true)] {
        let answer = call(served.address, "/mcp", &asking(1, "shop_find", &token, false)).await;
        assert_eq!(
            answer.json()["result"]["structuredContent"]["asked"],
            "alone",
            "{token}"
        );
    }
    let message = asking(1, "shop_find", &json!("t"), false);
    let mut json_only = post(served.address, "/mcp")
        .body(message.to_string().into())
        .expect("a request");
    let accept = "application/json".parse().expect("a value");
    json_only.headers_mut().insert("accept", accept);
    let answer = send(served.address, json_only).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.json()["result"]["structuredContent"]["asked"], "alone");
    assert!(
        adapter.calls().iter().all(|rpc| rpc == "Find"),
        "{:?}",
        adapter.calls()
    );
    // A tool that is a stream by itself answers in one piece then.
    let params = json!({"name": "shop_list", "arguments": {"what": "hat"}});
    let answer = call(served.address, "/mcp", &request(1, "tools/call", params)).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_found(&answer.json(), &["a", "b", "c"]);
}

#[tokio::test]
async fn where_nobody_tells_progress_the_time_is_told() {
    let gate = Arc::new(Semaphore::new(0));
    let waiting = gate.clone();
    let plan = Plan::of(&source("", ""), &[], &["shop.v1.ShopService"]).handle(move |received| {
        let waiting = waiting.clone();
        async move {
            waiting.acquire().await.expect("open").forget();
            Ok(received.response)
        }
    });
    let (served, adapter) = facade(plan).await;
    let mut stream = Stream::open(served.address, "/sse").await;
    let message = asking(1, "shop_find", &json!(1), false);
    let path = stream.endpoint.clone();
    let started = Instant::now();
    call(served.address, &path, &message).await;
    let first = stream.message().await;
    assert!(started.elapsed() >= Duration::from_secs(5));
    assert_eq!(
        first["params"],
        json!({"progressToken": 1, "progress": 5.0, "message": "5 s: waiting for shop"})
    );
    gate.add_permits(1);
    assert_eq!(stream.message().await["id"], 1);
    assert_eq!(adapter.calls(), ["Find"]);
}

#[tokio::test]
async fn a_client_is_told_ten_times_a_second_at_most() {
    let plan = plan().stream(|received, messages| async move {
        let say = Say(&received, &messages);
        let started = Instant::now();
        let mut done = 0.0;
        while started.elapsed() < Duration::from_millis(1050) {
            done += 1.0;
            say.say(Some(done), &[]).await;
            // As fast as a database gives rows, and not as fast as this machine's one thread for all of it.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        say.say(Some(1e9), &["a"]).await;
    });
    let (served, _adapter) = facade(plan).await;
    let message = asking(1, "shop_find", &json!("t"), false);
    let answer = call(served.address, "/mcp", &message).await.text();
    let data = answer.lines().filter_map(|line| line.strip_prefix("data:"));
    let mut messages: Vec<Value> = data
        .map(|data| serde_json::from_str(data).expect("JSON"))
        .collect();
    assert_found(&messages.pop().expect("an answer"), &["a"]);
    let told = told(&messages, &json!("t"));
    assert!((5..=12).contains(&told.len()), "{told:?}");
    assert!(told.is_sorted_by(|one, next| one < next), "{told:?}");
}

#[tokio::test]
async fn who_goes_away_ends_the_call_down_to_the_adapter() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = ended.clone();
    let plan = plan().stream(move |received, messages| {
        let count = count.clone();
        async move {
            let _ended = Ended(count);
            Say(&received, &messages).say(Some(1.0), &["a"]).await;
            messages.closed().await;
        }
    });
    let (served, _adapter) = facade(plan).await;
    let address = served.address;
    // A POST whose client hangs up behind the first message.
    let message = asking(1, "shop_find", &json!("t"), false);
    let asked = post(address, "/mcp")
        .body(message.to_string().into())
        .expect("a request");
    let mut answer = Stream::of(open(address, asked).await);
    assert_eq!(answer.data().await["params"]["progress"], 1.0);
    drop(answer);
    eventually(SOON, async || ended.load(Ordering::SeqCst) == 1).await;
    // A client of a stream that cancels.
    let mut stream = Stream::open(address, "/sse").await;
    let path = stream.endpoint.clone();
    call(address, &path, &asking(2, "shop_find", &json!("t"), false)).await;
    assert_eq!(stream.message().await["params"]["progress"], 1.0);
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}});
    call(address, &path, &cancel).await;
    eventually(SOON, async || ended.load(Ordering::SeqCst) == 2).await;
}

struct Ended(Arc<AtomicUsize>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// What answers with a fault in the middle.
fn failing(fault: &Fault) -> impl Fn(Received, Messages) -> BoxFuture<'static, ()> + use<> {
    let fault = fault.clone();
    move |received, messages| {
        let fault = fault.clone();
        Box::pin(async move {
            Say(&received, &messages).say(None, &["a"]).await;
            // The caller may have gone.
            let _ = messages.send(Err(fault)).await;
        })
    }
}
