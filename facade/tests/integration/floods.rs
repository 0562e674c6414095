//! Peers that speak too much: frames without end, connections that end as soon as they are made, a health that flaps. Who stands beside
//! them is served as before, and neither the log nor the clients are flooded.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcp_hub_facade::registry::{List, State};
use mcp_hub_facade::upstream::{Upstream, Upstreams};
use mcp_hub_testing::eventually;
use serde_json::json;
use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::span;

use crate::adapter::Plan;
use crate::faults::SHOP;
use crate::hub::{Hub, SOON};

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Answers each connection with `first` and then `flood`, again and again, as fast as it is read; on a thread of its own, because the
/// runtime under test is not to share its time with it. Gives its address and how many connections were made.
fn flooding(first: Vec<u8>, flood: Vec<u8>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::Relaxed);
            let (first, flood) = (first.clone(), flood.clone());
            std::thread::spawn(move || serve(stream, &first, &flood));
        }
    });
    (address, count)
}

fn serve(mut stream: TcpStream, first: &[u8], flood: &[u8]) {
    let mut reader = stream.try_clone().expect("a second handle");
    std::thread::spawn(move || while reader.read(&mut [0; 16384]).is_ok_and(|read| read > 0) {});
    if stream.write_all(first).is_err() || flood.is_empty() {
        // Orderly, so that the other end sees what was written before it.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        return;
    }
    let many = flood.repeat(1 + 65536 / flood.len());
    while stream.write_all(&many).is_ok() {}
}

#[tokio::test]
async fn frames_without_end_delay_nobody_much() {
    let good = Plan::new(SHOP).start().await;
    let hub = Hub::of(&[("good", good.url())]).await;
    hub.lists(&["good_buy", "good_find"]).await;
    let (quiet, _) = hub.latency("good_find", Duration::from_secs(1)).await;
    drop(hub);

    let settings = frame(4, 0, 0, &[]);
    let header = b"\x00\x05x-odd\x7f\x80\x7f";
    let mut bomb = vec![0x88];
    for _ in 0..500 {
        bomb.extend_from_slice(&header[..7]);
        bomb.push(20);
        bomb.extend([b'x'; 20]);
    }
    let floods = [
        ("ping", frame(6, 0, 0, &[0; 8])),
        ("settings", frame(4, 0, 0, &[])),
        ("reset", frame(3, 0, 1, &[0, 0, 0, 8])),
        ("window", frame(8, 0, 0, &[0, 0, 0, 1])),
        ("unknown", frame(0xee, 0, 0, &[0; 64])),
        ("continuation", frame(9, 0, 1, &[0; 64])),
        ("headers", frame(1, 4, 1, &bomb)),
        ("data", frame(0, 0, 1, &[0; 1024])),
        ("goaway", frame(7, 0, 0, &[0; 8])),
        ("garbage", vec![0xff; 64]),
    ];
    let mut upstreams = Upstreams::default();
    upstreams.add("good", Upstream::at(good.url())).expect("usable");
    for (key, flood) in floods.clone() {
        let (address, _) = flooding(settings.clone(), flood);
        let upstream = Upstream::at(format!("http://{address}"));
        upstreams.add(key, upstream).expect("usable");
    }
    let hub = Hub::start(upstreams, 3600).await;
    hub.lists(&["good_buy", "good_find"]).await;
    let (busy, longest) = hub.latency("good_find", Duration::from_secs(6)).await;
    eprintln!("quiet {quiet:?}, beside floods {busy:?}, at most {longest:?}");
    assert!(
        busy < quiet * 50 + Duration::from_millis(100),
        "{busy:?} {quiet:?}"
    );
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    for (key, _) in floods {
        let service = hub.service(key).await;
        assert_ne!(service.state, State::Serving, "{key}");
        assert!(!service.reason.is_empty(), "{key}");
    }
    for key in ["ping", "unknown"] {
        eventually(SOON, async || {
            hub.service(key).await.reason == "it sends frames without end"
        })
        .await;
    }
}

/// What is written to the log by the facade.
#[derive(Clone, Default)]
struct Log(Arc<AtomicUsize>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("mcp_hub_facade") && *metadata.level() <= tracing::Level::INFO
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Nothing);
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Nothing;

impl Visit for Nothing {
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

#[tokio::test]
async fn connections_that_end_at_once_do_not_fill_the_log() {
    let log = Log::default();
    // The runtime of a test has one thread, this one.
    let _guard = tracing::subscriber::set_default(log.clone());
    // A connection that is there, by all that HTTP/2 says, and then is not; at many addresses of one upstream.
    let servers: Vec<_> = (0..40).map(|_| flooding(frame(4, 0, 0, &[]), vec![])).collect();
    let upstream = Upstream {
        addresses: servers
            .iter()
            .map(|(address, _)| format!("http://{address}"))
            .collect(),
        ..Upstream::at("http://127.0.0.1:1")
    };
    let mut upstreams = Upstreams::default();
    upstreams.add("shop", upstream).expect("usable");
    let hub = Hub::start(upstreams, 3600).await;
    let connections = || {
        servers
            .iter()
            .map(|(_, count)| count.load(Ordering::Relaxed))
            .sum::<usize>()
    };
    eventually(Duration::from_secs(20), async || connections() > 160).await;
    let lines = log.0.load(Ordering::Relaxed);
    assert!(
        (1..=25).contains(&lines),
        "{lines} lines for {} connections",
        connections()
    );
    let service = hub.service("shop").await;
    assert_eq!(service.state, State::Unreachable);
    // Which of them, is a matter of whether a call or the socket notices it first.
    let reasons = [
        "the connection was lost",
        "it takes no more calls on its connection",
    ];
    assert!(reasons.contains(&&*service.reason), "{}", service.reason);
}

#[tokio::test]
async fn a_health_that_flaps_does_not_flap_the_list() {
    let more = SHOP.replace(
        "// Finds goods.",
        "// Counts.\n rpc Count(Request) returns (Response) { option (mcphub.tool.v1.tool) = {}; }\n // Finds goods.",
    );
    let (flapping, steady) = (Plan::new(SHOP).start().await, Plan::new(&more).start().await);
    let hub = Hub::with(&[("shop", flapping.url())], |upstream| {
        upstream.addresses = vec![flapping.url(), steady.url()];
    })
    .await;
    eventually(SOON, async || hub.service("shop").await.endpoints == "2 of 2").await;
    hub.lists(&["shop_buy", "shop_find"]).await;
    let changes = hub.registry.changes();
    let before = changes.borrow().of(List::Tools);
    let started = Instant::now();
    let mut flaps = 0;
    while started.elapsed() < Duration::from_secs(3) {
        flapping.serving(flaps % 2 == 1).await;
        flaps += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
        if flaps % 100 == 0 {
            assert!(!hub.call("shop_find", json!({})).await.is_error);
        }
    }
    assert!(flaps > 500, "{flaps}");
    // It went from the list's judges once, and came back at most when the test itself was held up for long.
    let times = changes.borrow().of(List::Tools) - before;
    assert!((1..=3).contains(&times), "{times} changes for {flaps} flaps");
    flapping.serving(true).await;
    hub.lists(&["shop_buy", "shop_find"]).await;
}
