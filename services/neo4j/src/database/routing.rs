//! Which servers of a cluster to use, as the cluster itself says it: what `neo4j://` means.
//!
//! A server names its cluster by the addresses that its configuration advertises. In front of one server that stands alone they do no
//! harm: told by which address we came (`address` in the routing context), it names that one. A cluster names each member's own,
//! and when those are names of another network (a pod's, a container's, 127.0.0.1) nothing here can be reached by them, although the
//! server that says so answers. That is told as what it is. Using the one reachable server in its cluster's place would be no help:
//! it may be a follower, which refuses writes, and whose reads are those of the past.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::{Address, Role, Target};
use crate::error::Error;
use crate::traced::{Current, Shown};
use crate::wire::message::Request;
use crate::wire::packstream::Packed;
use crate::wire::{Connection, routing_context};
use mcp_hub_chassis::doctor::Verdict;

/// Why no server of the cluster can be used, for callers and operators; the log has the addresses.
const ADVERTISED: &str = "the server answers, but the addresses that it advertises for its cluster can't be reached from here: set \
                          server.bolt.advertised_address (or server.default_advertised_address) at each server to one that can, or \
                          use bolt:// in NEO4J_URI, which asks this one server only";

/// The least and the most time that a table counts, whatever its server says.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(10);

/// An attempt to reach a server that takes longer is not made again at once.
const SLOW: Duration = Duration::from_secs(1);

/// How long a server that swallows what is sent to it is left alone: each attempt takes as long as a login may.
const AVOIDED_FOR: Duration = Duration::from_secs(10);

/// What is known of a cluster.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// The servers of each database; `None` is the user's home.
    tables: Mutex<HashMap<Option<String>, Arc<Table>>>,
    turn: AtomicUsize,
    /// Servers that could not be reached, and since when.
    avoided: Mutex<HashMap<Address, Instant>>,
    /// Servers that the log has been told about.
    told: Mutex<HashSet<Address>>,
}

/// The servers of one database.
#[derive(Debug, PartialEq)]
pub(super) struct Table {
    readers: Vec<Address>,
    writers: Vec<Address>,
    until: Instant,
}

impl Routes {
    /// The table of a database, unless it is too old.
    pub(super) fn known(&self, database: Option<&str>) -> Option<Arc<Table>> {
        let tables = self.tables();
        let table = tables.get(&database.map(str::to_owned))?;
        (Instant::now() < table.until).then(|| table.clone())
    }

    /// Asks a server for the table of a database.
    ///
    /// # Errors
    /// The server's, such as one for a database that does not exist; [`Error::Lost`].
    pub(super) async fn ask(
        &self,
        connection: &mut Connection,
        target: &Target,
        database: Option<&str>,
    ) -> Result<Arc<Table>, Error> {
        let statement = Shown::ours("ROUTE").begin(&target.address, database.unwrap_or_default(), "");
        let table = self.ask_once(connection, target, database).await;
        Current::new(statement).settle(&table);
        table
    }

    async fn ask_once(
        &self,
        connection: &mut Connection,
        target: &Target,
        database: Option<&str>,
    ) -> Result<Arc<Table>, Error> {
        let name = database.map_or(Packed::Null, Packed::from);
        // Before version 4.4 it would be the name itself.
        let extra = Packed::Map(vec![("db".to_owned(), name)]);
        connection.queue(
            Request::Route,
            vec![routing_context(target), Packed::List(vec![]), extra],
        );
        connection.flush().await?;
        let metadata = Packed::Map(connection.success().await?);
        let table = metadata.get("rt").and_then(Table::read);
        let table = Arc::new(table.ok_or(Error::Protocol("a routing table that can't be read"))?);
        self.tables().insert(database.map(str::to_owned), table.clone());
        Ok(table)
    }

    /// Keeps in mind that a server could not be reached, and how long it took to find out.
    pub(super) fn unreachable(&self, address: &Address, reason: &str, took: Duration) {
        if lock(&self.told).insert(address.clone()) {
            tracing::warn!(%address, reason, "a server that the cluster advertises can't be reached");
        }
        if took >= SLOW {
            let mut avoided = lock(&self.avoided);
            avoided.retain(|_, since| since.elapsed() < AVOIDED_FOR);
            avoided.insert(address.clone(), Instant::now());
        }
    }

    /// Forgets all tables: the cluster has changed.
    pub(super) fn forget(&self) {
        self.tables().clear();
    }

    /// The servers of a table for a role that are worth trying, beginning with another one at each call.
    pub(super) fn servers(&self, table: &Table, role: Role) -> Vec<Address> {
        let mut servers = table.of(role).to_vec();
        let avoided = lock(&self.avoided);
        servers.retain(|server| {
            let since = avoided.get(server);
            since.is_none_or(|since| since.elapsed() >= AVOIDED_FOR)
        });
        if !servers.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % servers.len();
            servers.rotate_left(turn);
        }
        servers
    }

    fn tables(&self) -> MutexGuard<'_, HashMap<Option<String>, Arc<Table>>> {
        lock(&self.tables)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Table {
    /// Reads `{ttl: seconds, servers: [{role: "READ" | "WRITE" | "ROUTE", addresses: [..]}]}`.
    fn read(table: &Packed) -> Option<Self> {
        let seconds = u64::try_from(table.get("ttl")?.as_int()?).ok()?;
        let life = Duration::from_secs(seconds).clamp(SHORTEST, LONGEST);
        let of = |role: &str| {
            let servers = table.get("servers").map(Packed::items).unwrap_or_default();
            let servers = servers
                .iter()
                .filter(|server| server.get("role").and_then(Packed::as_str) == Some(role));
            let addresses =
                servers.flat_map(|server| server.get("addresses").map(Packed::items).unwrap_or_default());
            addresses
                .filter_map(|address| Address::parse(address.as_str()?))
                .collect()
        };
        Some(Self {
            readers: of("READ"),
            writers: of("WRITE"),
            until: Instant::now() + life,
        })
    }

    /// All servers, each once.
    pub(super) fn addresses(&self) -> Vec<Address> {
        let all: HashSet<&Address> = self.readers.iter().chain(&self.writers).collect();
        all.into_iter().cloned().collect()
    }

    /// Why none of the servers can be used.
    pub(super) fn nobody(&self, role: Role) -> Error {
        let (verdict, reason) = match role {
            role if !self.of(role).is_empty() => (Verdict::AdvertisedUnreachable, ADVERTISED),
            Role::Reader => (Verdict::NotWorking, "the cluster has no server for reads now"),
            Role::Writer => (Verdict::NotWorking, "the cluster has no server for writes now"),
        };
        Error::Unavailable {
            verdict,
            reason: reason.to_owned(),
            source: None,
        }
    }

    fn of(&self, role: Role) -> &[Address] {
        match role {
            Role::Reader => &self.readers,
            Role::Writer => &self.writers,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
