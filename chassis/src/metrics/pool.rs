//! The metrics of a pool of connections to a database, by the conventions' names.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;

/// The conventions' names of the attributes.
const POOL: &str = "db.client.connection.pool.name";
const STATE: &str = "db.client.connection.state";

crate::instruments! {
    /// The instruments of pools.
    pub(crate) static INSTRUMENTS;
    /// Connections of a pool that are open, in use and idle.
    static CONNECTIONS: UpDown = ("db.client.connection.count", "{connection}", [POOL, STATE]);
    /// The most connections that a pool may have.
    static MAX: UpDown = ("db.client.connection.max", "{connection}", [POOL]);
    /// Calls that wait for a connection.
    static PENDING: UpDown = ("db.client.connection.pending_requests", "{request}", [POOL]);
    /// Calls that got no connection in time.
    static TIMEOUTS: Counter = ("db.client.connection.timeouts", "{timeout}", [POOL]);
    /// How long calls waited until they had a connection.
    static WAIT: Histogram = (
        "db.client.connection.wait_time",
        "s",
        [POOL],
        [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0],
    );
    /// How long it took to make a connection, with all that a session needs before its first statement.
    static CREATE: Histogram = (
        "db.client.connection.create_time",
        "s",
        [POOL],
        [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0],
    );
}

/// The metrics of one pool. Clones are of the same pool; it is gone with the last of them and of what they count.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: [KeyValue; 1],
    used: [KeyValue; 2],
    idle: [KeyValue; 2],
    max: i64,
}

impl Pool {
    /// A pool of at most `max` connections. Its name is a label: that of the database, when there are not many; never an address.
    pub fn new(name: &str, max: u32) -> Self {
        let name = KeyValue::new(POOL, Arc::<str>::from(name));
        let state = |state: &'static str| [name.clone(), KeyValue::new(STATE, state)];
        let inner = Inner {
            used: state("used"),
            idle: state("idle"),
            max: max.into(),
            name: [name],
        };
        MAX.add(inner.max, &inner.name);
        // All series are there from the beginning: a rate over one that appears with its first failure misses that.
        for state in [&inner.used, &inner.idle] {
            CONNECTIONS.add(0, state);
        }
        PENDING.add(0, &inner.name);
        TIMEOUTS.add(0, &inner.name);
        Self(Arc::new(inner))
    }

    /// A call got a connection after so long, which is 0 when one was free.
    pub fn waited(&self, time: Duration) {
        WAIT.record(time.as_secs_f64(), &self.0.name);
    }

    /// A connection was made in so long.
    pub fn connected(&self, time: Duration) {
        CREATE.record(time.as_secs_f64(), &self.0.name);
    }

    /// A call got no connection in time.
    pub fn timed_out(&self) {
        TIMEOUTS.add(1, &self.0.name);
    }

    /// Counts a call that waits for a connection, until this is dropped.
    pub fn pending(&self) -> Pending {
        PENDING.add(1, &self.0.name);
        Pending(self.0.clone())
    }

    /// Counts a connection that is in use, until this is dropped.
    pub fn used(&self) -> Connection {
        CONNECTIONS.add(1, &self.0.used);
        Connection {
            pool: self.0.clone(),
            idle: false,
        }
    }

    /// Counts a connection that is idle, until this is dropped.
    pub fn idle(&self) -> Connection {
        CONNECTIONS.add(1, &self.0.idle);
        Connection {
            pool: self.0.clone(),
            idle: true,
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        MAX.add(-self.max, &self.name);
    }
}

/// A call that waits.
#[derive(Debug)]
#[must_use = "it counts as long as it lives"]
pub struct Pending(Arc<Inner>);

impl Drop for Pending {
    fn drop(&mut self) {
        PENDING.add(-1, &self.0.name);
    }
}

/// An open connection.
#[derive(Debug)]
#[must_use = "it counts as long as it lives"]
pub struct Connection {
    pool: Arc<Inner>,
    idle: bool,
}

impl Connection {
    /// It is in use from now on.
    pub fn now_used(&mut self) {
        self.change(false);
    }

    /// It is idle from now on.
    pub fn now_idle(&mut self) {
        self.change(true);
    }

    fn change(&mut self, idle: bool) {
        if self.idle != idle {
            CONNECTIONS.add(-1, self.state());
            self.idle = idle;
            CONNECTIONS.add(1, self.state());
        }
    }

    fn state(&self) -> &[KeyValue] {
        if self.idle {
            &self.pool.idle
        } else {
            &self.pool.used
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        CONNECTIONS.add(-1, self.state());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, pool: &str, state: &str) -> Option<String> {
        let text = crate::metrics::text();
        let line = text.lines().find(|line| {
            line.starts_with(name) && line.contains(&format!("\"{pool}\"")) && line.contains(state)
        })?;
        line.rsplit(' ').next().map(str::to_owned)
    }

    #[test]
    fn connections_are_counted_by_what_they_do() {
        let pool = Pool::new("orders", 4);
        let count = |state| series("db_client_connection_count", "orders", state);
        let mut one = pool.used();
        let other = pool.idle();
        assert_eq!(
            (count("used"), count("idle")),
            (Some("1".into()), Some("1".into()))
        );
        one.now_idle();
        one.now_idle();
        assert_eq!(
            (count("used"), count("idle")),
            (Some("0".into()), Some("2".into()))
        );
        one.now_used();
        drop(other);
        assert_eq!(
            (count("used"), count("idle")),
            (Some("1".into()), Some("0".into()))
        );
        drop(one);
        assert_eq!(count("used"), Some("0".into()));
    }

    #[test]
    fn a_pool_says_its_size_as_long_as_it_is_there() {
        let max = || series("db_client_connection_max", "short", "");
        let pool = Pool::new("short", 7);
        let used = pool.used();
        assert_eq!(max(), Some("7".into()));
        drop(pool);
        assert_eq!(max(), Some("7".into()));
        drop(used);
        assert_eq!(max(), Some("0".into()));
    }

    #[test]
    fn waiting_is_counted() {
        let pool = Pool::new("waits", 1);
        let pending = || series("db_client_connection_pending_requests", "waits", "");
        assert_eq!(
            series("db_client_connection_timeouts_total", "waits", ""),
            Some("0".into())
        );
        let waits = pool.pending();
        assert_eq!(pending(), Some("1".into()));
        drop(waits);
        assert_eq!(pending(), Some("0".into()));
        pool.timed_out();
        pool.waited(Duration::from_millis(20));
        pool.connected(Duration::from_millis(30));
        assert_eq!(
            series("db_client_connection_timeouts_total", "waits", ""),
            Some("1".into())
        );
        assert_eq!(
            series("db_client_connection_wait_time_seconds_sum", "waits", ""),
            Some("0.02".into())
        );
        assert_eq!(
            series("db_client_connection_create_time_seconds_count", "waits", ""),
            Some("1".into())
        );
    }
}
