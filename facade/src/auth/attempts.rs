//! Failed logins: how many each address may have, and what of them is logged.
//!
//! A token has 256 random bits, so this keeps nobody from guessing one: there is nothing to keep. It bounds the work and the log
//! lines that strangers can cause. That is why a valid token is let in from an address that is past its limit: many users share
//! the addresses of a provider's cloud, and one of them with an old token must not lock out the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::quiet::Quiet;
use crate::rate::{Bucket, Rate};
use crate::transport::client::owner;

/// What one address may fail at once, and how soon it may once more.
const PER_ADDRESS: Rate = Rate {
    burst: 10,
    every: Duration::from_secs(6),
};

/// What is logged of all failed logins together.
const LOGGED: Rate = Rate {
    burst: 20,
    every: Duration::from_secs(3),
};

/// The most addresses that are counted by themselves: about half a megabyte. Newcomers beyond share one count, so that a caller with
/// any number of addresses (a /32 of IPv6 has 4 thousand million networks) neither grows the memory nor pushes out a count.
const MOST: usize = 10_000;

/// How often the addresses are gone through for those that have nothing to answer for any more, when there is no room.
const SWEEP: Duration = Duration::from_secs(1);

/// The failed logins of all addresses.
#[derive(Debug)]
pub(super) struct Attempts {
    counts: Mutex<Counts>,
    log: Quiet,
}

#[derive(Debug)]
struct Counts {
    by_address: HashMap<IpAddr, Bucket>,
    /// Those who came when there was no room.
    rest: Bucket,
    swept: Instant,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self {
            counts: Mutex::new(Counts {
                by_address: HashMap::new(),
                rest: Bucket::full(),
                swept: Instant::now(),
            }),
            log: Quiet::new(LOGGED),
        }
    }

    /// Counts a failed login, and logs it as far as that is bounded. `problem` must not show what was sent.
    ///
    /// # Errors
    /// The address is past its limit; when it may try again.
    pub(super) fn failed(&self, address: IpAddr, problem: &'static str) -> Result<(), Duration> {
        self.counts().bucket(address).take(PER_ADDRESS)?;
        if let Some(line) = self.log.line() {
            tracing::info!(%address, problem, unwritten = line.unwritten, "failed login");
        }
        Ok(())
    }

    /// When an address that is past its limit may try again.
    pub(super) fn limited(&self, address: IpAddr) -> Option<Duration> {
        let counts = self.counts();
        let bucket = counts.by_address.get(&owner(address))?;
        Some(bucket.wait(PER_ADDRESS)).filter(|wait| !wait.is_zero())
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn bucket(&mut self, address: IpAddr) -> &mut Bucket {
        let owner = owner(address);
        if self.by_address.len() >= MOST && !self.by_address.contains_key(&owner) {
            if self.swept.elapsed() >= SWEEP {
                self.swept = Instant::now();
                self.by_address.retain(|_, bucket| !bucket.is_full());
            }
            if self.by_address.len() >= MOST {
                return &mut self.rest;
            }
        }
        self.by_address.entry(owner).or_insert_with(Bucket::full)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn exhaust(attempts: &Attempts, address: IpAddr) -> u32 {
        (0..100)
            .take_while(|_| attempts.failed(address, "").is_ok())
            .count()
            .try_into()
            .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_may_fail_so_often_and_then_once_in_a_while() {
        let attempts = Attempts::new();
        let one = address("192.0.2.1");
        assert_eq!(attempts.limited(one), None);
        assert_eq!(exhaust(&attempts, one), PER_ADDRESS.burst);
        assert_eq!(attempts.failed(one, ""), Err(PER_ADDRESS.every));
        assert_eq!(attempts.limited(one), Some(PER_ADDRESS.every));
        // To try all the time does not make it longer.
        tokio::time::advance(PER_ADDRESS.every).await;
        assert_eq!(attempts.limited(one), None);
        assert_eq!(exhaust(&attempts, one), 1);
        tokio::time::advance(PER_ADDRESS.every * 1000).await;
        assert_eq!(exhaust(&attempts, one), PER_ADDRESS.burst);
    }

    #[tokio::test(start_paused = true)]
    async fn one_customer_has_one_count() {
        let attempts = Attempts::new();
        for (one, same, other) in [
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
        ] {
            exhaust(&attempts, address(one));
            assert!(attempts.limited(address(same)).is_some(), "{same}");
            assert!(attempts.limited(address(other)).is_none(), "{other}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn any_number_of_addresses_takes_bounded_memory_and_pushes_nobody_out() {
        let attempts = Attempts::new();
        let known = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        exhaust(&attempts, known);
        let network = |n: u64| IpAddr::V6(Ipv6Addr::from_bits(u128::from(n) << 64));
        let flood = |from: u64| {
            let admitted = (from..from + 20_000).filter(|n| attempts.failed(network(*n), "").is_ok());
            admitted.count()
        };
        let admitted = flood(1);
        assert_eq!(attempts.counts().by_address.len(), MOST);
        // Each of those who are counted, and all others together.
        assert_eq!(admitted, MOST - 1 + PER_ADDRESS.burst as usize);
        assert!(attempts.limited(known).is_some());

        // When they are forgiven there is room again.
        tokio::time::advance(PER_ADDRESS.every * PER_ADDRESS.burst).await;
        assert!(flood(1 << 32) >= MOST);
        assert_eq!(attempts.counts().by_address.len(), MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_is_bounded_for_all_together() {
        let attempts = Attempts::new();
        for n in 0..1000_u32 {
            let _ = attempts.failed(IpAddr::V4(Ipv4Addr::from_bits(n)), "");
        }
        tokio::time::advance(LOGGED.every).await;
        let unwritten = attempts.log.line().and_then(|line| line.unwritten);
        assert_eq!(unwritten, Some(1000 - u64::from(LOGGED.burst)));
    }
}
