//! Ports for servers that can't be asked to choose one.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// Below the range from which Linux takes the ports of outgoing connections (32768 and up): a server that is stopped
/// and started again finds its port free.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// The ports that have been handed out: their servers may not listen yet, or not at the moment.
static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A loopback port on which nothing listens, and which this process was not given before.
///
/// # Panics
///
/// When 100 ports tried at random are all taken.
pub fn free_port() -> u16 {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = taken.get_or_insert_default();
    (0..100_u8)
        .map(|attempt| {
            let offset = RandomState::new().hash_one(attempt) % u64::from(RANGE.end - RANGE.start);
            RANGE.start + u16::try_from(offset).expect("the range fits u16")
        })
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok() && taken.insert(*port))
        .expect("a free port in 100 attempts")
}
