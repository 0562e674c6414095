//! Sessions against a model: replicas that come, go and come back at the same address, keys that change at each of them at another
//! time, clients that err and clients that attack. For each message the model says where it must arrive, and that it arrives nowhere
//! else.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use mcp_hub_chassis::Lifecycle;
use mcp_hub_proto::relay::v1::{DeliverRequest, DeliverResponse};
use opentelemetry::Context;
use proptest::prelude::*;
use serde_json::json;

use super::keys::KeyRing;
use super::seal::{Claims, Seal};
use super::{Carry, Failure, Posted, Registration, Sessions, Undelivered};
use crate::auth::Principal;
use crate::registry::{self, Registry};
use crate::server::{Remote, Server};
use crate::transport::ToolFilter;
use crate::transport::conversation::{self, Answers, Door};
use crate::upstream::Upstreams;

/// The replicas. Two take each other's address for their own; the last has no way to the others.
const SLOTS: usize = 5;
const MISTAKEN: [usize; 2] = [2, 3];
const ALONE: usize = 4;

const KEYS: [(&str, u8); 4] = [("k0", 1), ("k1", 2), ("k2", 3), ("k3", 4)];

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    Open { slot: usize, principal: usize },
    Close { stream: prop::sample::Index },
    Kill { slot: usize },
    Start { slot: usize },
    AddKey { slot: usize, key: usize },
    PromoteKey { slot: usize },
    DropKey { slot: usize },
    Post(Post),
}

#[derive(Clone, Debug)]
struct Post {
    stream: prop::sample::Index,
    at: usize,
    wrong: Option<Wrong>,
    relay: Relaying,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    /// Somebody else posts it.
    Principal,
    /// The id is made with a secret that is none of ours, under the name of one of ours.
    Forged,
    Expired,
    Truncated(usize),
    Flipped(usize),
    /// The id is made with our key, and gives the stream to somebody else.
    Crossed,
    /// It is no JSON-RPC.
    Malformed,
}

/// What the relay does with the message, should it get it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Relaying {
    Works,
    Gone,
    UnclearBefore,
    UnclearAfter,
}

fn step() -> impl Strategy<Value = Step> {
    let slot = || 0..SLOTS;
    let wrong = prop_oneof![
        Just(Wrong::Principal),
        Just(Wrong::Forged),
        Just(Wrong::Expired),
        (0..140_usize).prop_map(Wrong::Truncated),
        (0..140 * 8_usize).prop_map(Wrong::Flipped),
        Just(Wrong::Crossed),
        Just(Wrong::Malformed),
    ];
    let relay = prop_oneof![
        5 => Just(Relaying::Works),
        1 => Just(Relaying::Gone),
        1 => Just(Relaying::UnclearBefore),
        1 => Just(Relaying::UnclearAfter),
    ];
    let post = (
        any::<prop::sample::Index>(),
        slot(),
        prop::option::weighted(0.4, wrong),
        relay,
    );
    prop_oneof![
        6 => (slot(), 0..2_usize).prop_map(|(slot, principal)| Step::Open { slot, principal }),
        2 => any::<prop::sample::Index>().prop_map(|stream| Step::Close { stream }),
        2 => slot().prop_map(|slot| Step::Kill { slot }),
        4 => slot().prop_map(|slot| Step::Start { slot }),
        2 => (slot(), 0..KEYS.len()).prop_map(|(slot, key)| Step::AddKey { slot, key }),
        1 => slot().prop_map(|slot| Step::PromoteKey { slot }),
        1 => slot().prop_map(|slot| Step::DropKey { slot }),
        16 => post.prop_map(|(stream, at, wrong, relay)| Step::Post(Post { stream, at, wrong, relay })),
    ]
}

/// The network between the replicas.
#[derive(Clone, Debug, Default)]
struct Net(Arc<Mutex<Wires>>);

#[derive(Debug, Default)]
struct Wires {
    replicas: HashMap<SocketAddr, Sessions<Net>>,
    next: Option<Relaying>,
    hops: usize,
}

impl Carry for Net {
    async fn carry(&self, owner: SocketAddr, request: DeliverRequest) -> Result<DeliverResponse, Failure> {
        let (replica, relaying) = {
            let mut wires = self.0.lock().unwrap();
            wires.hops += 1;
            (wires.replicas.get(&owner).cloned(), wires.next.unwrap())
        };
        match relaying {
            Relaying::Gone => return Err(Failure::Gone),
            Relaying::UnclearBefore => return Err(Failure::Unclear),
            Relaying::Works | Relaying::UnclearAfter => {}
        }
        let posted = Posted {
            session_id: request.session_id,
            principal: request.principal.try_into().unwrap(),
            message: request.message.into(),
            around: Context::new(),
        };
        let taken = replica.map_or(Err(Undelivered::Unknown), |replica| replica.take(&posted));
        if relaying == Relaying::UnclearAfter {
            return Err(Failure::Unclear);
        }
        match taken {
            Ok(()) => Ok(DeliverResponse {
                status: 202,
                error: String::new(),
            }),
            Err(Undelivered::Unknown) => Err(Failure::Gone),
            Err(Undelivered::Refused(refusal)) => Ok(DeliverResponse {
                status: refusal.status.as_u16().into(),
                error: refusal.to_json(),
            }),
        }
    }
}

/// Where others reach the replica of a slot.
fn address(slot: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1 + u8::try_from(slot).unwrap()], 8001))
}

/// Where it believes that they do.
fn own(slot: usize) -> Option<SocketAddr> {
    let [one, other] = MISTAKEN;
    match slot {
        ALONE => None,
        slot if slot == one => Some(address(other)),
        slot if slot == other => Some(address(one)),
        slot => Some(address(slot)),
    }
}

struct Replica {
    sessions: Sessions<Net>,
    /// Which of the processes at this slot.
    run: usize,
}

struct Stream {
    slot: usize,
    run: usize,
    principal: usize,
    id: String,
    open: Option<(Answers, Registration)>,
}

struct World {
    server: Server,
    net: Net,
    principals: [Arc<Principal>; 2],
    replicas: Vec<Option<Replica>>,
    /// Of each slot; a process that is started has those of the one before it.
    keys: Vec<(KeyRing, Vec<usize>)>,
    streams: Vec<Stream>,
    runs: usize,
    posted: u32,
}

/// What the model says of a message.
#[derive(Debug, PartialEq)]
struct Expected {
    status: u16,
    hops: usize,
    arrives: bool,
}

impl World {
    fn new(lifecycle: &Lifecycle) -> Self {
        let config = registry::Config { tools_kept: 3600 };
        let registry = Registry::start(&config, Upstreams::default(), lifecycle);
        let mut world = Self {
            server: Server::new(registry, lifecycle.clone()),
            net: Net::default(),
            principals: [Arc::new(Principal::anybody()), Arc::new(Principal::nobody())],
            replicas: (0..SLOTS).map(|_| None).collect(),
            keys: (0..SLOTS)
                .map(|_| (KeyRing::fixed(&KEYS[..1]), vec![0]))
                .collect(),
            streams: vec![],
            runs: 0,
            posted: 0,
        };
        for slot in 0..SLOTS {
            world.start(slot);
        }
        world
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Open { slot, principal } => self.open(slot, principal),
            Step::Close { stream } if !self.streams.is_empty() => {
                stream.get_mut(&mut self.streams).open = None;
            }
            Step::Kill { slot } => self.kill(slot),
            Step::Start { slot } => self.start(slot),
            Step::AddKey { slot, key } => self.rotate(slot, |keys| {
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }),
            Step::PromoteKey { slot } => self.rotate(slot, |keys| keys.rotate_right(1)),
            Step::DropKey { slot } => self.rotate(slot, |keys| keys.truncate(1.max(keys.len() - 1))),
            Step::Post(post) if !self.streams.is_empty() => self.post(&post).await,
            Step::Close { .. } | Step::Post(_) => {}
        }
    }

    fn start(&mut self, slot: usize) {
        if self.replicas[slot].is_some() {
            return;
        }
        let carrier = (slot != ALONE).then(|| self.net.clone());
        let sessions = Sessions::new(&self.keys[slot].0, own(slot), carrier);
        self.net
            .0
            .lock()
            .unwrap()
            .replicas
            .insert(address(slot), sessions.clone());
        self.runs += 1;
        self.replicas[slot] = Some(Replica {
            sessions,
            run: self.runs,
        });
    }

    fn kill(&mut self, slot: usize) {
        self.replicas[slot] = None;
        self.net.0.lock().unwrap().replicas.remove(&address(slot));
        for stream in &mut self.streams {
            if stream.slot == slot {
                stream.open = None;
            }
        }
    }

    fn rotate(&mut self, slot: usize, change: impl FnOnce(&mut Vec<usize>)) {
        let (ring, keys) = &mut self.keys[slot];
        change(keys);
        let named: Vec<_> = keys.iter().map(|key| KEYS[*key]).collect();
        ring.rotate(&named);
    }

    fn open(&mut self, slot: usize, principal: usize) {
        let Some(replica) = &self.replicas[slot] else {
            return;
        };
        let (conversation, answers) = conversation::open(
            self.server.clone(),
            ToolFilter::all(),
            self.principals[principal].clone(),
            Remote::pipe(),
            Door::Sse,
        );
        let registration = replica.sessions.register(&conversation);
        self.streams.push(Stream {
            slot,
            run: replica.run,
            principal,
            id: registration.id().to_owned(),
            open: Some((answers, registration)),
        });
    }

    async fn post(&mut self, post: &Post) {
        let Some(replica) = &self.replicas[post.at] else {
            return;
        };
        let index = post.stream.index(self.streams.len());
        let stream = &self.streams[index];
        let expected = self.expect(post, stream);
        self.posted += 1;
        let message = match post.wrong {
            Some(Wrong::Malformed) => "[]".to_owned(),
            _ => json!({"jsonrpc": "2.0", "id": self.posted, "method": "ping"}).to_string(),
        };
        let poster = match post.wrong {
            Some(Wrong::Principal | Wrong::Crossed) => 1 - stream.principal,
            _ => stream.principal,
        };
        let sent = Posted {
            session_id: self.spoil(&stream.id, post.wrong),
            principal: self.principals[poster].fingerprint(),
            message: message.into(),
            around: Context::new(),
        };
        {
            let mut wires = self.net.0.lock().unwrap();
            (wires.hops, wires.next) = (0, Some(post.relay));
        }
        let delivered = replica.sessions.deliver(sent).await;
        let status = delivered.map_or_else(|refusal| refusal.status.as_u16(), |()| 202);
        let hops = self.net.0.lock().unwrap().hops;
        // The clock is paused: it goes on when nothing else can.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut arrived = vec![];
        for (index, stream) in self.streams.iter_mut().enumerate() {
            while let Some((answers, _)) = &mut stream.open
                && let Some(message) = answers.next().now_or_never()
            {
                let message = message.expect("the stream has not ended");
                arrived.push((index, message.contains(&format!("\"id\":{}", self.posted))));
            }
        }
        let there = arrived == [(index, true)];
        assert!(there || arrived.is_empty(), "{post:?}: {arrived:?}");
        let found = Expected {
            status,
            hops,
            arrives: there,
        };
        assert_eq!(found, expected, "{post:?}");
    }

    /// The id as the client sends it.
    fn spoil(&self, id: &str, wrong: Option<Wrong>) -> String {
        let reseal = |key: u8, change: &dyn Fn(&mut Claims)| {
            let all = Seal::new(KeyRing::fixed(&KEYS));
            let mut claims = all.open(id, SystemTime::now()).expect("one of ours");
            change(&mut claims);
            let name = id.split('.').next().expect("the name of a key");
            let (_, byte) = KEYS.iter().find(|(known, _)| *known == name).expect("a key");
            Seal::new(KeyRing::fixed(&[(name, byte ^ key)])).seal(&claims)
        };
        match wrong {
            Some(Wrong::Forged) => reseal(0x80, &|_| {}),
            Some(Wrong::Expired) => reseal(0, &|claims| claims.expires = super::seconds(SystemTime::now())),
            Some(Wrong::Crossed) => reseal(0, &|claims| {
                let other = self.principals.iter().map(|principal| principal.fingerprint());
                claims.principal = other
                    .into_iter()
                    .find(|other| *other != claims.principal)
                    .unwrap();
            }),
            Some(Wrong::Truncated(length)) => id[..length.min(id.len() - 1)].to_owned(),
            Some(Wrong::Flipped(bit)) => {
                let mut bytes = id.as_bytes().to_vec();
                let byte = bit / 8 % bytes.len();
                // Only characters that a query can have arrive at all.
                bytes[byte] = (bytes[byte] ^ (1 << (bit % 7))) & 0x7f;
                String::from_utf8(bytes).unwrap()
            }
            None | Some(Wrong::Principal | Wrong::Malformed) => id.to_owned(),
        }
    }

    fn expect(&self, post: &Post, stream: &Stream) -> Expected {
        let nowhere = |status, hops| Expected {
            status,
            hops,
            arrives: false,
        };
        let reads = |slot: usize| {
            let keys = &self.keys[slot].1;
            keys.iter()
                .any(|key| stream.id.starts_with(&format!("{}.", KEYS[*key].0)))
        };
        match post.wrong {
            // The claims are the poster's, but the stream is not; that only the owner knows.
            None | Some(Wrong::Malformed | Wrong::Crossed) if reads(post.at) => {}
            _ => return nowhere(404, 0),
        }
        let is_run = |slot: usize| matches!(&self.replicas[slot], Some(replica) if replica.run == stream.run);
        let crossed = post.wrong == Some(Wrong::Crossed);
        if is_run(post.at) {
            return match (stream.open.is_some() && !crossed, post.wrong) {
                (false, _) => nowhere(404, 0),
                (true, Some(_)) => nowhere(400, 0),
                (true, None) => Expected {
                    status: 202,
                    hops: 0,
                    arrives: true,
                },
            };
        }
        let Some(owner) = own(stream.slot).filter(|owner| own(post.at) != Some(*owner) && post.at != ALONE)
        else {
            return nowhere(404, 0);
        };
        if post.wrong == Some(Wrong::Malformed) {
            return nowhere(400, 0);
        }
        let there = (0..SLOTS).find(|slot| address(*slot) == owner).unwrap();
        let takes = is_run(there) && reads(there) && stream.open.is_some() && !crossed;
        match post.relay {
            Relaying::Gone => nowhere(404, 1),
            Relaying::UnclearBefore => nowhere(502, 1),
            Relaying::Works if !takes => nowhere(404, 1),
            Relaying::Works => Expected {
                status: 202,
                hops: 1,
                arrives: true,
            },
            Relaying::UnclearAfter => Expected {
                status: 502,
                hops: 1,
                arrives: takes,
            },
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn each_message_arrives_where_it_must_and_nowhere_else(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let lifecycle = Lifecycle::new();
            let mut world = World::new(&lifecycle);
            for step in steps {
                world.step(step).await;
            }
            lifecycle.stop();
        });
    }
}

/// The model can't see it, because no process has the stream of another by chance.
#[tokio::test]
async fn an_id_of_an_earlier_process_at_the_same_address_leads_nowhere() {
    let mut world = World::new(&Lifecycle::new());
    world.open(0, 0);
    let replica = world.replicas[0].as_ref().unwrap();
    let seal = Seal::new(world.keys[0].0.clone());
    let claims = seal.open(&world.streams[0].id, SystemTime::now()).unwrap();
    let posted = |claims: &Claims| Posted {
        session_id: seal.seal(claims),
        principal: claims.principal,
        message: r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.into(),
        around: Context::new(),
    };
    replica.sessions.take(&posted(&claims)).expect("its own stream");
    let mut earlier = claims;
    earlier.owner.boot[0] ^= 1;
    let taken = replica.sessions.take(&posted(&earlier));
    assert!(matches!(taken, Err(Undelivered::Unknown)), "{taken:?}");
    let delivered = replica.sessions.deliver(posted(&earlier)).await;
    assert_eq!(delivered.expect_err("not delivered").status, 404);
}
