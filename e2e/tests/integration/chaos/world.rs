//! Facades, shops and the cables between them, and the troubles that come over them.

use std::collections::BTreeMap;
use std::time::Duration;

use mcp_hub_e2e::{Cable, Cluster, Replica};
use mcp_hub_testing::{eventually, free_port};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, sleep};

use super::trouble::{Class, Disturbance, Network, Trouble};
use super::usage::Usage;
use crate::shops::{SEES, Shops, is_seen};

const FACADES: usize = 3;
const SHOPS: usize = 3;

/// How much more a facade may hold in the end than in the beginning: what allocators and pools keep.
const MORE_KIB: u64 = 64 * 1024;
const MORE_DESCRIPTORS: usize = 40;

/// All that can go wrong.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) shops: Shops,
    /// What has gone wrong.
    pub(crate) log: Vec<Disturbance>,
    to_shops: Vec<Cable>,
    to_replicas: Vec<Cable>,
    active: Vec<Active>,
    random: StdRng,
}

/// A trouble that lasts.
#[derive(Clone, Copy, Debug)]
struct Active {
    trouble: Trouble,
    from: Instant,
    ends: Instant,
}

impl World {
    /// Everything up, known to everybody. `None` when there is no proxy.
    pub(crate) async fn start(seed: u64) -> Option<Self> {
        let shops = Shops::start(SHOPS, 1).await;
        let mut to_shops = Vec::new();
        for shop in &shops.replicas {
            to_shops.push(Cable::to(shop.address()).await);
        }
        let urls: Vec<String> = to_shops
            .iter()
            .map(|cable| format!("http://{}", cable.address()))
            .collect();
        let cluster = shops.reached_by(&urls, FACADES).await?;
        let mut world = Self {
            cluster,
            shops,
            log: Vec::new(),
            to_shops,
            to_replicas: Vec::new(),
            active: Vec::new(),
            random: StdRng::seed_from_u64(seed),
        };
        world.lay_between_replicas().await;
        Some(world)
    }

    /// Lets the replicas reach each other by cables.
    async fn lay_between_replicas(&mut self) {
        let mut listens = Vec::new();
        for _ in 0..FACADES {
            let address = format!("127.0.0.1:{}", free_port());
            self.to_replicas
                .push(Cable::to(address.parse().expect("an address")).await);
            listens.push(address);
        }
        let peers: Vec<String> = self
            .to_replicas
            .iter()
            .map(|cable| cable.address().to_string())
            .collect();
        for (facade, listen) in listens.iter().enumerate() {
            let replica = self.cluster.replica(facade);
            replica.set("MCP_HUB_RELAY_LISTEN", listen);
            replica.set("MCP_HUB_RELAY_ADDRESS", &peers[facade]);
            replica.set("MCP_HUB_PEERS", &peers.join(","));
            replica.terminate().await;
            replica.restart().await;
            self.facade_sees(facade).await;
        }
    }

    /// Has trouble of these classes at random moments for so long, and then none.
    pub(crate) async fn has(&mut self, classes: &[Class], time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            // The moments are the point; there is no condition to wait for.
            sleep(self.some_ms(50..300)).await;
            if let Some(index) = self
                .active
                .iter()
                .position(|active| active.ends <= Instant::now())
            {
                self.end(index).await;
                continue;
            }
            let class = classes[self.random.random_range(0..classes.len())];
            if self.may_begin(class) {
                self.begin(class).await;
            }
        }
        while !self.active.is_empty() {
            self.end(0).await;
        }
    }

    fn some_ms(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.random.random_range(range))
    }

    /// One trouble of a class at a time, and all shops do not die under one that fails already.
    fn may_begin(&self, class: Class) -> bool {
        let has = |class| self.active.iter().any(|active| active.trouble.class() == class);
        match class {
            Class::OneShop | Class::AllShops => !has(Class::OneShop) && !has(Class::AllShops),
            class => !has(class),
        }
    }

    async fn begin(&mut self, class: Class) {
        let trouble = Trouble::any(class, FACADES, SHOPS, &mut self.random);
        let from = Instant::now();
        match trouble {
            Trouble::FacadeKilled(facade) => {
                self.cluster.kill(facade).await;
            }
            Trouble::ShopKilled(shop) => {
                self.shops.replicas[shop].kill().await;
            }
            Trouble::ShopHalted(shop) => self.shops.replicas[shop].process().signal("STOP").await,
            Trouble::AllShopsKilled => {
                for shop in &mut self.shops.replicas {
                    shop.kill().await;
                }
            }
            Trouble::ShopCutOff(shop, network) => fail(&self.to_shops[shop], network).await,
            Trouble::ReplicaCutOff(facade, network) => fail(&self.to_replicas[facade], network).await,
        }
        let ends = Instant::now() + self.some_ms(100..2_500);
        self.active.push(Active { trouble, from, ends });
    }

    /// Ends a trouble, and waits until everybody has noticed.
    async fn end(&mut self, index: usize) {
        let trouble = self.active[index].trouble;
        match trouble {
            Trouble::FacadeKilled(facade) => self.cluster.restart(facade).await,
            Trouble::ShopKilled(shop) => self.shops.replicas[shop].restart().await,
            Trouble::ShopHalted(shop) => self.shops.replicas[shop].process().signal("CONT").await,
            Trouble::AllShopsKilled => {
                for shop in &mut self.shops.replicas {
                    shop.restart().await;
                }
            }
            Trouble::ShopCutOff(shop, _) => self.to_shops[shop].heal().await,
            Trouble::ReplicaCutOff(facade, _) => self.to_replicas[facade].heal().await,
        }
        let ended = self.active.remove(index);
        for facade in 0..FACADES {
            self.facade_sees(facade).await;
        }
        self.log.push(Disturbance {
            trouble,
            from: ended.from,
            until: Instant::now(),
        });
    }

    /// Waits until a facade, if it runs, has answers from all shops that nothing is wrong with.
    async fn facade_sees(&self, facade: usize) {
        if !self.cluster.replicas()[facade].is_running() {
            return;
        }
        let wrong = |shop: usize| {
            self.active.iter().any(|active| match active.trouble {
                Trouble::ShopKilled(other) | Trouble::ShopHalted(other) | Trouble::ShopCutOff(other, _) => {
                    other == shop
                }
                Trouble::AllShopsKilled => true,
                Trouble::FacadeKilled(_) | Trouble::ReplicaCutOff(..) => false,
            })
        };
        for (index, shop) in self.shops.replicas.iter().enumerate() {
            if !wrong(index) {
                is_seen(&self.cluster, facade, shop.address().port(), None).await;
            }
        }
    }

    /// What each facade holds now.
    pub(crate) fn usage(&self) -> Vec<Usage> {
        let usage = |replica: &Replica| Usage::of(replica.process().id());
        self.cluster.replicas().iter().map(usage).collect()
    }

    /// No facade holds much more than in the beginning, some time after its clients have gone.
    pub(crate) async fn has_leaked_nothing(&self, before: &[Usage]) {
        eventually(SEES, async || {
            let after = self.usage();
            let leaks = before.iter().zip(&after).any(|(before, after)| {
                after.resident > before.resident + MORE_KIB
                    || after.descriptors > before.descriptors + MORE_DESCRIPTORS
            });
            if leaks {
                Err(format!("{before:?} became {after:?}"))
            } else {
                eprintln!("{before:?} became {after:?}");
                Ok(())
            }
        })
        .await;
    }

    /// How often each thing went wrong.
    pub(crate) fn summary(&self) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for disturbance in &self.log {
            *counts.entry(disturbance.trouble.to_string()).or_default() += 1;
        }
        let counts: Vec<String> = counts
            .iter()
            .map(|(what, count)| format!("{what} {count}"))
            .collect();
        counts.join(", ")
    }
}

async fn fail(cable: &Cable, network: Network) {
    match network {
        Network::Cut => cable.cut(),
        Network::Stalled => cable.stall(),
        Network::Pulled => cable.pull().await,
    }
}
