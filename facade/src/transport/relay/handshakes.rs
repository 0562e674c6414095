//! The connections that have not proved anything yet, and how many of them there may be.
//!
//! A stranger who opens connections and says nothing must not keep a replica out. So there is no queue and no refusal of those who come
//! last: when there are too many, the oldest of the address that has the most is ended. A replica is done in milliseconds; whoever is
//! slow among thousands is no replica.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The handshakes that are under way. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Handshakes {
    most: usize,
    pending: Arc<Mutex<Pending>>,
}

#[derive(Debug, Default)]
struct Pending {
    next: u64,
    /// In the order in which they began.
    all: BTreeMap<u64, (IpAddr, CancellationToken)>,
    of_address: HashMap<IpAddr, usize>,
}

/// A handshake under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Handshake {
    number: u64,
    evicted: CancellationToken,
    pending: Arc<Mutex<Pending>>,
}

impl Handshakes {
    /// At most so many at the same time.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            pending: Arc::default(),
        }
    }

    /// Begins one, and ends another if that makes too many.
    pub(super) fn begin(&self, address: IpAddr) -> Handshake {
        let mut pending = lock(&self.pending);
        if pending.all.len() >= self.most {
            pending.evict();
        }
        let number = pending.next;
        pending.next += 1;
        let evicted = CancellationToken::new();
        pending.all.insert(number, (address, evicted.clone()));
        *pending.of_address.entry(address).or_default() += 1;
        Handshake {
            number,
            evicted,
            pending: self.pending.clone(),
        }
    }
}

impl Pending {
    fn evict(&mut self) {
        let most = self.of_address.values().copied().max().unwrap_or_default();
        let oldest = self
            .all
            .iter()
            .find(|(_, (address, _))| self.of_address.get(address) == Some(&most))
            .map(|(number, _)| *number);
        if let Some(evicted) = oldest.and_then(|number| self.remove(number)) {
            evicted.cancel();
        }
    }

    fn remove(&mut self, number: u64) -> Option<CancellationToken> {
        let (address, evicted) = self.all.remove(&number)?;
        if let Some(count) = self.of_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.of_address.remove(&address);
            }
        }
        Some(evicted)
    }
}

impl Handshake {
    /// Resolves when it has to make room.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        lock(&self.pending).remove(self.number);
    }
}

fn lock(pending: &Mutex<Pending>) -> MutexGuard<'_, Pending> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greediest_address_makes_room() {
        let handshakes = Handshakes::new(4);
        let begin = |address: &str| handshakes.begin(address.parse().unwrap());
        let is_evicted = |handshake: &Handshake| handshake.evicted.is_cancelled();
        let replica = begin("10.0.0.1");
        let flood: Vec<_> = (0..1000).map(|_| begin("10.0.0.2")).collect();
        assert!(!is_evicted(&replica));
        assert_eq!(flood.iter().filter(|one| !is_evicted(one)).count(), 3);
        assert!(flood[997..].iter().all(|one| !is_evicted(one)), "the newest stay");
        let another = begin("10.0.0.3");
        assert!(is_evicted(&flood[997]) && !is_evicted(&replica));
        drop((replica, flood, another));
        let pending = lock(&handshakes.pending);
        assert!(pending.all.is_empty() && pending.of_address.is_empty());
    }

    #[test]
    fn among_equals_the_oldest_makes_room() {
        let handshakes = Handshakes::new(3);
        let all: Vec<_> = (1..=9)
            .map(|last| handshakes.begin(format!("10.0.0.{last}").parse().unwrap()))
            .collect();
        let evicted: Vec<bool> = all.iter().map(|one| one.evicted.is_cancelled()).collect();
        assert_eq!(evicted, [vec![true; 6], vec![false; 3]].concat());
    }
}
