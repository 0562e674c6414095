//! Several replicas: a message for any stream is taken by any of them, and what happens when one is gone, hangs or is another.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use mcp_hub_facade::auth::token::{Entry, Scope, Token};
use mcp_hub_facade::upstream::Upstreams;
use mcp_hub_testing::{eventually, free_port};
use serde_json::{Value, json};

use crate::cable::Cable;
use crate::client::{DEADLINE, Served, Stream, call, open, post, request, send, serve, within};
use crate::hub::SOON;

/// What a session's id gets that leads nowhere.
const GONE: &str = "Could not find session";

const FIRST: &str = "first:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const SECOND: &str = "second:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// A file of session keys.
struct Keys(tempfile::TempDir);

impl Keys {
    fn of(keys: &[&str]) -> Self {
        let file = Self(tempfile::tempdir().expect("a folder"));
        file.replace(keys);
        file
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("keys")
    }

    fn replace(&self, keys: &[&str]) {
        let new = self.0.path().join("new");
        std::fs::write(&new, keys.join("\n")).expect("written");
        std::fs::rename(new, self.path()).expect("replaced");
    }
}

/// An address for a relay.
fn free() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// A replica whose relay is at `own`, with peers at `peers`.
async fn replica(own: SocketAddr, peers: &[SocketAddr], keys: &Keys, more: &[&str]) -> Served {
    replica_with(own, peers, keys, more, Upstreams::default()).await
}

async fn replica_with(
    own: SocketAddr,
    peers: &[SocketAddr],
    keys: &Keys,
    more: &[&str],
    upstreams: Upstreams,
) -> Served {
    let peers: Vec<String> = peers.iter().map(ToString::to_string).collect();
    let arguments = [
        format!("--session-keys-file={}", keys.path().display()),
        format!("--relay-listen={own}"),
        format!("--peers={}", peers.join(",")),
    ];
    let arguments: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .chain(more.iter().copied())
        .collect();
    serve(&arguments, upstreams).await
}

/// Two replicas that know each other, with the same upstreams.
pub(crate) async fn pair(upstreams: impl Fn() -> Upstreams) -> [Served; 2] {
    let keys = Keys::of(&[FIRST]);
    let addresses = [free(), free()];
    let all = addresses.map(|own| replica_with(own, &addresses, &keys, &[], upstreams()));
    let [one, other] = all;
    let (one, other) = tokio::join!(one, other);
    [one, other]
}

/// Replicas that know each other.
async fn replicas<const COUNT: usize>(keys: &Keys) -> [Served; COUNT] {
    let addresses: [SocketAddr; COUNT] = std::array::from_fn(|_| free());
    let all = addresses.map(|own| replica(own, &addresses, keys, &[]));
    let served = join_all(all).await;
    served.try_into().unwrap_or_else(|_| unreachable!("as many"))
}

fn ping(id: u32) -> Value {
    request(id, "ping", json!({}))
}

fn pong(id: u32) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": {}})
}

/// What a message for a stream is answered at a replica: the status, and the error's sentence.
async fn posted(at: &Served, endpoint: &str, message: &Value) -> (u16, String) {
    let answer = call(at.address, endpoint, message).await;
    let sentence = match answer.status.as_u16() {
        202 => String::new(),
        _ => answer.json()["error"]["message"]
            .as_str()
            .expect("a sentence")
            .to_owned(),
    };
    (answer.status.as_u16(), sentence)
}

fn gone() -> (u16, String) {
    (404, GONE.to_owned())
}

#[tokio::test]
async fn any_replica_takes_a_message_for_any_stream() {
    let all: [Served; 3] = replicas(&Keys::of(&[FIRST])).await;
    for owner in &all {
        let mut stream = Stream::open(owner.address, "/sse").await;
        for (id, at) in (0..).zip(&all) {
            // Right after the id was told; at each replica it is the first.
            assert_eq!(stream.call(at.address, &ping(id)).await, pong(id));
        }
        // What the stream refuses is told as if it were here.
        let at = &all[2];
        let invalid = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": 7}});
        let here = call(owner.address, &stream.endpoint, &invalid).await;
        let there = call(at.address, &stream.endpoint, &invalid).await;
        assert_eq!((here.status, here.text()), (there.status, there.text()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_sessions_in_turn_at_three_replicas() {
    const CALLS: u32 = 6;
    let all: [Served; 3] = replicas(&Keys::of(&[FIRST])).await;
    let turn = AtomicUsize::new(0);
    let next = || &all[turn.fetch_add(1, Ordering::Relaxed) % all.len()];
    let session = async || {
        let mut stream = Stream::open(next().address, "/sse").await;
        for id in 0..CALLS {
            assert_eq!(stream.call(next().address, &ping(id)).await, pong(id));
        }
    };
    // As many at the same time as a busy hub has.
    for _ in 0..4 {
        join_all((0..50).map(|_| session())).await;
    }
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_many_come_at_once() {
    let [one, other]: [Served; 2] = replicas(&Keys::of(&[FIRST])).await;
    let mut streams = vec![];
    for _ in 0..4 {
        streams.push(Stream::open(one.address, "/sse").await);
    }
    let all = streams.iter().flat_map(|stream| {
        let (one, other) = (&one, &other);
        (0..16).map(move |id| {
            let at = if id % 2 == 0 { one } else { other };
            async move { posted(at, &stream.endpoint, &ping(id)).await }
        })
    });
    let all = join_all(all).await;
    assert!(all.iter().all(|(status, _)| *status == 202), "{all:?}");
    for stream in &mut streams {
        let mut answered = vec![];
        for _ in 0..16 {
            let answer = stream.message().await;
            answered.push(answer["id"].as_u64().expect("an id"));
        }
        answered.sort_unstable();
        assert_eq!(answered, (0..16).collect::<Vec<_>>());
        // And nothing besides.
        assert_eq!(stream.call(other.address, &ping(99)).await, pong(99));
    }
}

#[tokio::test]
async fn the_largest_message_is_taken_elsewhere_too() {
    const LARGEST: usize = 4 * 1024 * 1024;
    let [one, other]: [Served; 2] = replicas(&Keys::of(&[FIRST])).await;
    let mut stream = Stream::open(one.address, "/sse").await;
    let sized = |size: usize| {
        let empty = request(1, "ping", json!({"pad": ""})).to_string().len();
        let message = request(1, "ping", json!({"pad": "x".repeat(size - empty)})).to_string();
        assert_eq!(message.len(), size);
        post(other.address, &stream.endpoint)
            .body(message.into())
            .unwrap()
    };
    let answer = send(other.address, sized(LARGEST)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let answer = send(other.address, sized(LARGEST + 1)).await;
    assert_eq!(answer.status, 413);
    assert_eq!(stream.message().await, pong(1));
}

#[tokio::test]
async fn replicas_find_each_other_by_ipv6_and_by_network() {
    let keys = Keys::of(&[FIRST]);
    let (one_at, other_at) = (free_port(), free_port());
    let relay = |port: u16| format!("--relay-listen=[::1]:{port}");
    let file = format!("--session-keys-file={}", keys.path().display());
    // One knows a network and the port, the other an address.
    let one = serve(
        &[
            &relay(one_at),
            &file,
            "--peer-networks=::1/128",
            &format!("--peers=[::2]:{other_at}"),
        ],
        Upstreams::default(),
    )
    .await;
    let other = serve(
        &[&relay(other_at), &file, &format!("--peers=[::1]:{one_at}")],
        Upstreams::default(),
    )
    .await;
    for (owner, at) in [(&one, &other), (&other, &one)] {
        let mut stream = Stream::open(owner.address, "/sse").await;
        assert_eq!(stream.call(at.address, &ping(1)).await, pong(1));
    }
}

#[tokio::test]
async fn a_name_stands_for_its_addresses() {
    let keys = Keys::of(&[FIRST]);
    let port = free_port();
    let one = replica(([127, 0, 0, 1], port).into(), &[free()], &keys, &[]).await;
    let other = serve(
        &[
            &format!("--session-keys-file={}", keys.path().display()),
            &format!("--relay-listen={}", free()),
            &format!("--peers=localhost:{port}"),
        ],
        Upstreams::default(),
    )
    .await;
    let mut stream = Stream::open(one.address, "/sse").await;
    assert_eq!(stream.call(other.address, &ping(1)).await, pong(1));
}

#[tokio::test]
async fn a_replica_that_does_not_know_the_other_dials_nobody() {
    let keys = Keys::of(&[FIRST]);
    let (one_at, other_at) = (free(), free());
    let one = replica(one_at, &[other_at], &keys, &[]).await;
    // The same keys, but the one is none of its peers.
    let other = replica(other_at, &[free()], &keys, &[]).await;
    let stream = Stream::open(one.address, "/sse").await;
    assert_eq!(posted(&other, &stream.endpoint, &ping(1)).await, gone());
    let mut back = Stream::open(other.address, "/sse").await;
    assert_eq!(back.call(one.address, &ping(1)).await, pong(1));
}

#[tokio::test]
async fn other_keys_open_nothing() {
    let (one_at, other_at) = (free(), free());
    let one = replica(one_at, &[other_at], &Keys::of(&[FIRST]), &[]).await;
    let other = replica(other_at, &[one_at], &Keys::of(&[SECOND]), &[]).await;
    let stream = Stream::open(one.address, "/sse").await;
    assert_eq!(posted(&other, &stream.endpoint, &ping(1)).await, gone());
}

#[tokio::test]
async fn the_streams_of_a_dead_replica_are_gone_at_once() {
    let keys = Keys::of(&[FIRST]);
    let (one_at, other_at) = (free(), free());
    let peers = [one_at, other_at];
    let one = replica(one_at, &peers, &keys, &[]).await;
    let other = replica(other_at, &peers, &keys, &[]).await;
    let mut stream = Stream::open(one.address, "/sse").await;
    assert_eq!(stream.call(other.address, &ping(1)).await, pong(1));

    one.lifecycle.stop();
    within(one.lifecycle.drain(DEADLINE)).await;
    let start = Instant::now();
    assert_eq!(posted(&other, &stream.endpoint, &ping(2)).await, gone());
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());

    // Another process at the same address has not the same streams.
    let again = replica(one_at, &peers, &keys, &[]).await;
    let mut fresh = Stream::open(again.address, "/sse").await;
    for at in [&other, &again] {
        assert_eq!(posted(at, &stream.endpoint, &ping(3)).await, gone());
    }
    assert_eq!(fresh.call(other.address, &ping(4)).await, pong(4));
}

#[tokio::test]
async fn a_replica_that_hangs_is_unclear_once_and_gone_then() {
    let keys = Keys::of(&[FIRST]);
    let (one_at, other_at) = (free(), free());
    let cable = Cable::to(one_at).await;
    let address = format!("--relay-address={}", cable.address);
    let one = replica(one_at, &[other_at], &keys, &[&address]).await;
    let other = replica(other_at, &[cable.address], &keys, &[]).await;
    let mut stream = Stream::open(one.address, "/sse").await;
    assert_eq!(stream.call(other.address, &ping(1)).await, pong(1));

    cable.stall();
    let start = Instant::now();
    let (status, sentence) = posted(&other, &stream.endpoint, &ping(2)).await;
    assert_eq!(status, 502, "{sentence}");
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    let start = Instant::now();
    assert_eq!(posted(&other, &stream.endpoint, &ping(3)).await, gone());
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    // Its own clients notice nothing.
    assert_eq!(stream.call(one.address, &ping(4)).await, pong(4));
}

#[tokio::test]
async fn an_id_that_was_tampered_with_reaches_nobody() {
    let [one, other]: [Served; 2] = replicas(&Keys::of(&[FIRST])).await;
    let mut stream = Stream::open(one.address, "/sse").await;
    let endpoint = stream.endpoint.clone();
    let start = endpoint.find('=').expect("a parameter") + 1;
    for place in (start..endpoint.len()).step_by(3) {
        let mut forged = endpoint.clone().into_bytes();
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).expect("ASCII");
        assert_eq!(posted(&other, &forged, &ping(1)).await, gone(), "{place}");
    }
    for cut in [start, start + 8, endpoint.len() - 1] {
        assert_eq!(posted(&other, &endpoint[..cut], &ping(1)).await, gone(), "{cut}");
    }
    // None of them came through.
    assert_eq!(stream.call(other.address, &ping(2)).await, pong(2));
}

#[tokio::test]
async fn an_id_of_somebody_else_reaches_nobody() {
    let (one_at, other_at) = (free(), free());
    let keys = Keys::of(&[FIRST]);
    let tokens = tempfile::NamedTempFile::new().expect("a file");
    let (alice, bob) = (token("alice"), token("bob"));
    std::fs::write(tokens.path(), format!("[tokens]\n{}{}", alice.1, bob.1)).expect("written");
    let lock = format!("--tokens-file={}", tokens.path().display());
    let one = replica(one_at, &[other_at], &keys, &[&lock]).await;
    let other = replica(other_at, &[one_at], &keys, &[&lock]).await;

    let get = http::Request::get("/sse")
        .header("host", one.address.to_string())
        .header("authorization", &alice.0);
    let mut stream = Stream::of(open(one.address, get.body(Bytes::new().into()).unwrap()).await);
    let (_, endpoint) = stream.event().await.expect("an event");
    let posted_by = async |at: &Served, authorization: &str, id: u32| {
        let message = post(at.address, &endpoint).header("authorization", authorization);
        send(at.address, message.body(ping(id).to_string().into()).unwrap()).await
    };
    for at in [&one, &other] {
        let answer = posted_by(at, &bob.0, 1).await;
        assert_eq!(answer.error().0, 404, "{answer:?}");
        assert_eq!(answer.json()["error"]["message"], GONE);
    }
    assert_eq!(posted_by(&other, &alice.0, 2).await.status, 202);
    // The first that came.
    assert_eq!(stream.message().await, pong(2));
}

/// A token that may do everything: as the header that shows it, and as its entry in the file.
fn token(name: &str) -> (String, String) {
    let token = Token::generate().expect("random bytes");
    let entry = Entry {
        name: name.to_owned(),
        digest: token.digest(),
        scopes: vec![Scope::Read, Scope::Write],
        upstreams: None,
        expires: None,
    };
    (format!("Bearer {}", token.expose()), entry.to_string())
}

/// Waits until a message for a stream is answered with a status.
async fn comes_to(status: u16, at: &Served, stream: &Stream) {
    // A changed file is noticed at once, or by the look every few seconds.
    eventually(DEADLINE, async || {
        let (answered, _) = posted(at, &stream.endpoint, &ping(1)).await;
        if answered == status { Ok(()) } else { Err(answered) }
    })
    .await;
}

/// Opens a stream at one replica and uses it at another, as often as it is polled.
async fn traffic(one: &Served, other: &Served) {
    loop {
        for (owner, at) in [(one, other), (other, one)] {
            let mut stream = Stream::open(owner.address, "/sse").await;
            for id in 0..3 {
                assert_eq!(stream.call(at.address, &ping(id)).await, pong(id));
            }
        }
    }
}

#[tokio::test]
async fn keys_rotate_without_a_failed_message() {
    let (one_keys, other_keys) = (Keys::of(&[FIRST]), Keys::of(&[FIRST]));
    let (one_at, other_at, ahead_at) = (free(), free(), free());
    let peers = [one_at, other_at, ahead_at];
    let one = replica(one_at, &peers, &one_keys, &[]).await;
    let other = replica(other_at, &peers, &other_keys, &[]).await;
    // One that is a step ahead: it is let in only by those who have the second key, which is how the test sees that they have.
    let ahead = replica(ahead_at, &peers, &Keys::of(&[SECOND, FIRST]), &[]).await;

    let rotate = async {
        let both = [(&one, &one_keys), (&other, &other_keys)];
        let mut old = vec![];
        for (replica, keys) in both {
            let stream = Stream::open(replica.address, "/sse").await;
            assert_eq!(posted(&ahead, &stream.endpoint, &ping(1)).await, gone());
            keys.replace(&[FIRST, SECOND]);
            comes_to(202, &ahead, &stream).await;
            old.push(stream);
        }
        for (replica, keys) in both {
            keys.replace(&[SECOND, FIRST]);
            eventually(SOON, async || {
                let stream = Stream::open(replica.address, "/sse").await;
                stream.endpoint.contains("=second.")
            })
            .await;
        }
        for ((replica, keys), old) in both.iter().zip(&old) {
            assert_eq!(posted(replica, &old.endpoint, &ping(1)).await.0, 202);
            keys.replace(&[SECOND]);
            comes_to(404, replica, old).await;
        }
    };
    tokio::select! {
        () = rotate => {}
        () = traffic(&one, &other) => unreachable!("it never ends"),
    }
}
