//! Two ends of the relay, and what happens between them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use mcp_hub_chassis::Lifecycle;
use mcp_hub_proto::relay::v1::{DeliverRequest, DeliverResponse};
use mcp_hub_testing::{eventually, traces};
use opentelemetry::trace::TraceContextExt as _;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::client::{Failure, Relay};
use super::identity::fixed::Changeable;
use super::peers::Peers;
use super::server;
use crate::transport::message::Refusal;
use crate::transport::session::{Posted, Undelivered};

mod settings;
mod strangers;
mod wire;

const SOON: Duration = Duration::from_secs(10);

/// The messages that a replica has taken.
#[derive(Clone, Debug, Default)]
struct Taken(Arc<Mutex<Vec<String>>>);

impl Taken {
    /// How often a message was taken.
    fn count(&self, message: &str) -> usize {
        let taken = self.0.lock().unwrap();
        taken.iter().filter(|one| *one == message).count()
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn take(&self, posted: &Posted) -> Result<(), Undelivered> {
        let message = String::from_utf8(posted.message.to_vec()).unwrap();
        match message.as_str() {
            "nowhere" => return Err(Undelivered::Unknown),
            "wrong" => return Err(Undelivered::Refused(Refusal::invalid("it is wrong"))),
            "a fault of ours" => panic!("a fault of ours"),
            _ => self.0.lock().unwrap().push(message),
        }
        Ok(())
    }
}

/// A replica that takes messages.
struct Replica {
    address: SocketAddr,
    taken: Taken,
    lifecycle: Lifecycle,
}

impl Replica {
    async fn start(keys: &Changeable) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), keys).await
    }

    async fn at(address: SocketAddr, keys: &Changeable) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let replica = Self {
            address: listener.local_addr().unwrap(),
            taken: Taken::default(),
            lifecycle: Lifecycle::new(),
        };
        let taken = replica.taken.clone();
        let take = move |posted: &_| taken.take(posted);
        let server = server::serve(listener, keys.identity(), take, replica.lifecycle.clone());
        replica.lifecycle.spawn(server);
        replica
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

/// A relay of another replica, whose only peer is at `address`.
fn relay_to(address: SocketAddr, keys: &Changeable) -> Relay {
    let lifecycle = Lifecycle::new();
    let own = "127.0.0.1:1".parse().unwrap();
    let peers = Peers::new(
        own,
        vec![address.to_string().parse().unwrap()],
        vec![],
        lifecycle.clone(),
    );
    Relay::new(keys.identity(), peers, lifecycle)
}

fn message(text: impl Into<String>) -> DeliverRequest {
    DeliverRequest {
        session_id: "sealed".to_owned(),
        principal: vec![7; 16],
        message: text.into().into_bytes(),
        traceparent: String::new(),
    }
}

const ACCEPTED: Result<DeliverResponse, Failure> = Ok(DeliverResponse {
    status: 202,
    error: String::new(),
});

#[tokio::test]
async fn a_message_arrives_as_it_was_posted() {
    traces::record();
    let keys = Changeable::of(&[1]);
    let (sender, mut taken) = tokio::sync::mpsc::unbounded_channel();
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let take = move |posted: &Posted| sender.send(posted.clone()).map_err(|_| Undelivered::Unknown);
    let lifecycle = Lifecycle::new();
    lifecycle.spawn(server::serve(listener, keys.identity(), take, lifecycle.clone()));

    let relay = relay_to(address, &keys);
    let caller = traces::Caller::new();
    let request = DeliverRequest {
        traceparent: caller.traceparent(),
        ..message("{}")
    };
    assert_eq!(relay.deliver(address, request).await, ACCEPTED);
    let posted = taken.recv().await.unwrap();
    assert_eq!(posted.session_id, "sealed");
    assert_eq!(posted.principal, [7; 16]);
    assert_eq!(&posted.message[..], b"{}");
    let around = posted.around.span().span_context().clone();
    assert_eq!(around.trace_id().to_string(), caller.trace_id());

    assert_eq!(relay.deliver(address, message("{}")).await, ACCEPTED);
    let another = taken
        .recv()
        .await
        .unwrap()
        .around
        .span()
        .span_context()
        .trace_id();
    assert_ne!(another, around.trace_id());
}

#[tokio::test]
async fn what_the_other_replica_says_is_what_the_client_hears() {
    let keys = Changeable::of(&[1]);
    let replica = Replica::start(&keys).await;
    let relay = relay_to(replica.address, &keys);
    let deliver = async |request| relay.deliver(replica.address, request).await;

    assert_eq!(deliver(message("nowhere")).await, Err(Failure::Gone));
    let short = DeliverRequest {
        principal: vec![7; 15],
        ..message("x")
    };
    assert_eq!(deliver(short).await, Err(Failure::Gone));
    let refused = deliver(message("wrong")).await.unwrap();
    assert_eq!(refused.status, u32::from(StatusCode::BAD_REQUEST.as_u16()));
    assert!(refused.error.contains("it is wrong"), "{refused:?}");
    // A fault of that replica costs this message, whose fate nobody knows, and no other.
    assert_eq!(deliver(message("a fault of ours")).await, Err(Failure::Unclear));
    assert_eq!(deliver(message("x")).await, ACCEPTED);
    assert_eq!(replica.taken.len(), 1);
}

#[tokio::test]
async fn messages_of_every_size_and_many_at_once() {
    let keys = Changeable::of(&[1]);
    let replica = Replica::start(&keys).await;
    let relay = relay_to(replica.address, &keys);
    let largest = "x".repeat(super::body::MAX_MESSAGE_BYTES);
    assert_eq!(
        relay.deliver(replica.address, message(largest.clone())).await,
        ACCEPTED
    );
    assert_eq!(replica.taken.count(&largest), 1);
    // More than the doors let in.
    let larger = "x".repeat(super::MAX_MESSAGE_BYTES);
    let refused = relay.deliver(replica.address, message(larger)).await;
    assert_eq!(refused, Err(Failure::Unclear));

    let texts: Vec<String> = (0..500).map(|number| format!("message {number}")).collect();
    let sent = texts
        .iter()
        .map(|text| relay.deliver(replica.address, message(text.clone())));
    assert!(join_all(sent).await.into_iter().all(|sent| sent == ACCEPTED));
    assert!(texts.iter().all(|text| replica.taken.count(text) == 1));
}

#[tokio::test]
async fn nobody_but_a_peer_is_dialled() {
    let keys = Changeable::of(&[1]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stranger = listener.local_addr().unwrap();
    let relay = relay_to("127.0.0.1:2".parse().unwrap(), &keys);
    assert_eq!(relay.deliver(stranger, message("x")).await, Err(Failure::Gone));
    tokio::select! {
        biased;
        _ = listener.accept() => panic!("it was dialled"),
        () = std::future::ready(()) => {}
    }
}

#[tokio::test]
async fn a_peer_that_is_not_there_costs_a_second_at_most() {
    let keys = Changeable::of(&[1]);
    // Nobody listens.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let relay = relay_to(address, &keys);
    assert_eq!(relay.deliver(address, message("x")).await, Err(Failure::Gone));

    // It takes connections and says nothing; many messages wait together.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let relay = relay_to(address, &keys);
    let start = Instant::now();
    let sent = join_all((0..20).map(|_| relay.deliver(address, message("x")))).await;
    assert!(sent.into_iter().all(|sent| sent == Err(Failure::Gone)));
    let elapsed = start.elapsed();
    assert!(
        elapsed >= Duration::from_secs(1) && elapsed < Duration::from_secs(2),
        "{elapsed:?}"
    );
}

#[tokio::test]
async fn a_replica_that_stops_loses_nothing_unsaid() {
    let keys = Changeable::of(&[1]);
    let replica = Replica::start(&keys).await;
    let relay = relay_to(replica.address, &keys);
    // Sent all the time, while it stops.
    let stop = async {
        eventually(SOON, async || replica.taken.len() >= 100).await;
        replica.lifecycle.stop();
    };
    let send = async {
        let mut outcomes = vec![];
        for number in 0.. {
            let text = format!("message {number}");
            let outcome = relay.deliver(replica.address, message(text.clone())).await;
            outcomes.push((text, outcome));
            if outcome_is_gone(outcomes.last()) {
                break;
            }
        }
        outcomes
    };
    let (outcomes, ()) = tokio::join!(send, stop);
    assert!(outcomes.len() > 100);
    for (text, outcome) in outcomes {
        let expected = usize::from(outcome == ACCEPTED);
        assert_ne!(outcome, Err(Failure::Unclear), "{text}");
        assert_eq!(replica.taken.count(&text), expected, "{text}");
    }
    let drained = Instant::now();
    replica.lifecycle.drain(SOON).await;
    assert!(
        drained.elapsed() < Duration::from_secs(2),
        "{:?}",
        drained.elapsed()
    );
}

fn outcome_is_gone(last: Option<&(String, Result<DeliverResponse, Failure>)>) -> bool {
    last.is_some_and(|(_, outcome)| outcome == &Err(Failure::Gone))
}

#[tokio::test]
async fn a_replica_that_comes_back_is_found() {
    let keys = Changeable::of(&[1]);
    let first = Replica::start(&keys).await;
    let relay = relay_to(first.address, &keys);
    assert_eq!(relay.deliver(first.address, message("x")).await, ACCEPTED);
    first.lifecycle.stop();
    first.lifecycle.drain(SOON).await;
    assert_eq!(
        relay.deliver(first.address, message("x")).await,
        Err(Failure::Gone)
    );
    let second = Replica::at(first.address, &keys).await;
    assert_eq!(relay.deliver(first.address, message("y")).await, ACCEPTED);
    assert_eq!(second.taken.len(), 1);
}

#[tokio::test]
async fn keys_rotate_without_a_lost_message() {
    let (ours, theirs) = (Changeable::of(&[1]), Changeable::of(&[1]));
    let replica = Replica::start(&theirs).await;
    let relay = relay_to(replica.address, &ours);
    let rotate = async {
        // A second key everywhere, then the first, then the old one out: never both ends at once.
        let steps: [(&Changeable, &[u8]); 6] = [
            (&theirs, &[1, 2]),
            (&ours, &[1, 2]),
            (&ours, &[2, 1]),
            (&theirs, &[2, 1]),
            (&theirs, &[2]),
            (&ours, &[2]),
        ];
        for (side, keys) in steps {
            let before = replica.taken.len();
            eventually(SOON, async || replica.taken.len() > before + 20).await;
            side.change(keys);
        }
        let before = replica.taken.len();
        eventually(SOON, async || replica.taken.len() > before + 20).await;
    };
    tokio::pin!(rotate);
    let senders = (0..4).map(|sender| {
        let (relay, replica) = (&relay, &replica);
        async move {
            for number in 0.. {
                let text = format!("{sender}: {number}");
                let outcome = relay.deliver(replica.address, message(text.clone())).await;
                assert_eq!(outcome, ACCEPTED, "{text}");
                assert_eq!(replica.taken.count(&text), 1, "{text}");
            }
        }
    });
    tokio::select! {
        () = &mut rotate => {}
        _ = join_all(senders) => unreachable!("they never stop"),
    }
}

#[tokio::test]
async fn a_key_that_was_taken_out_opens_nothing_any_more() {
    let (ours, theirs) = (Changeable::of(&[1]), Changeable::of(&[1]));
    let replica = Replica::start(&theirs).await;
    let relay = relay_to(replica.address, &ours);
    assert_eq!(relay.deliver(replica.address, message("x")).await, ACCEPTED);
    theirs.change(&[2]);
    // The connection that it opened ends as well.
    eventually(SOON, async || {
        relay.deliver(replica.address, message("x")).await == Err(Failure::Gone)
    })
    .await;
    let taken = replica.taken.len();
    for _ in 0..5 {
        assert_eq!(
            relay.deliver(replica.address, message("x")).await,
            Err(Failure::Gone)
        );
    }
    assert_eq!(replica.taken.len(), taken);
    ours.change(&[2]);
    eventually(SOON, async || {
        relay.deliver(replica.address, message("x")).await == ACCEPTED
    })
    .await;
}
