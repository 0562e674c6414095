//! What stands between a process and what it needs, looked at hop by hop, and what to do about what is wrong.
//!
//! A check comes to [`Finding`]s. Each has a [`Verdict`], of which there is one [table](verdict) with the words for people:
//! `docs/network.md` is made from it. [`probe`] looks up names, connects, speaks TLS and says what answers on a port;
//! [`surroundings`] says where an address lies. [`Examination`] runs checks side by side with time limits, [`report`] tells what they
//! found, and [`diagnosis`] is how an adapter shares it with others.
//!
//! Adapters examine their own database, the facade its upstreams, the command `mcp-hub doctor` everything that it can see from where
//! it runs. Nothing here knows a database or MCP.

use std::sync::Arc;
use std::time::Duration;

pub mod database;
pub mod diagnosis;
mod examination;
pub mod probe;
pub mod report;
pub mod surroundings;
mod verdict;

pub use examination::Examination;
pub use report::{Error, Options, tell};
pub use surroundings::Surroundings;
pub use verdict::{Severity, Verdict};

/// A part of the way from a client to the data, in the order of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hop {
    /// The URL that clients use: its name, and what answers there.
    PublicUrl,
    /// TLS in front of the facade.
    Tls,
    /// The reverse proxy in front of the facade.
    Proxy,
    /// The port of the node.
    NodePort,
    /// The Service of the cluster.
    Service,
    /// The facade.
    Facade,
    /// An adapter.
    Adapter,
    /// The name or address of a database's host.
    Host,
    /// The port of a database.
    Port,
    /// The login at a database.
    Login,
    /// What the login may do.
    Posture,
    /// What this machine publishes to others.
    Exposure,
    /// The clocks on both ends of a hop.
    Clock,
}

impl Hop {
    /// All of them, in the order of the way.
    pub const ALL: [Self; 13] = [
        Self::PublicUrl,
        Self::Tls,
        Self::Proxy,
        Self::NodePort,
        Self::Service,
        Self::Facade,
        Self::Adapter,
        Self::Host,
        Self::Port,
        Self::Login,
        Self::Posture,
        Self::Exposure,
        Self::Clock,
    ];

    /// As tables, JSON and metrics call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PublicUrl => "public-url",
            Self::Tls => "tls",
            Self::Proxy => "proxy",
            Self::NodePort => "node-port",
            Self::Service => "service",
            Self::Facade => "facade",
            Self::Adapter => "adapter",
            Self::Host => "host",
            Self::Port => "port",
            Self::Login => "login",
            Self::Posture => "posture",
            Self::Exposure => "exposure",
            Self::Clock => "clock",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hop| hop.name() == name)
    }
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which part of the way.
    pub hop: Hop,
    /// What was looked at, for the person who runs the check: `orders: db.example.com:5432`. It may hold addresses, and never a secret.
    pub subject: String,
    /// The setting that says what was looked at, `POSTGRES_HOST`: what those are told who must not learn the address. Empty when there
    /// is none.
    pub setting: String,
    /// What it comes to.
    pub verdict: Verdict,
    /// What was seen, in a few words that hold neither address nor secret; empty when the verdict says it all.
    pub detail: String,
    /// How long the check took.
    pub took: Duration,
    /// What stands for the blanks of the verdict's mend.
    blanks: Vec<(&'static str, String)>,
}

impl Finding {
    /// A finding about `subject`.
    pub fn new(hop: Hop, subject: impl Into<String>, verdict: Verdict) -> Self {
        Self {
            hop,
            subject: subject.into(),
            setting: String::new(),
            verdict,
            detail: String::new(),
            took: Duration::ZERO,
            blanks: vec![],
        }
    }

    /// The setting that says what was looked at.
    #[must_use]
    pub fn of_setting(mut self, setting: impl Into<String>) -> Self {
        self.setting = setting.into();
        self
    }

    /// What was seen, in a few words without address and secret.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// How long the check took.
    #[must_use]
    pub fn after(mut self, took: Duration) -> Self {
        self.took = took;
        self
    }

    /// Fills a blank of the mend: `{port}` by `("port", "5432")`. Blanks that nobody fills stay as words in capitals.
    #[must_use]
    pub fn fill(mut self, blank: &'static str, value: impl Into<String>) -> Self {
        self.blanks.push((blank, value.into()));
        self
    }

    /// What to do about it, for the person who runs the check; empty when there is nothing to do.
    pub fn mend(&self) -> String {
        let mut mend = self.verdict.mend().to_owned();
        let setting = Some(("setting", &self.setting)).filter(|(_, value)| !value.is_empty());
        let blanks = self.blanks.iter().map(|(blank, value)| (*blank, value));
        for (blank, value) in blanks.chain(setting) {
            mend = mend.replace(&format!("{{{blank}}}"), value);
        }
        verdict::in_words(&mend)
    }

    /// The detail for those who must not learn addresses: empty where it holds one after all.
    fn public_detail(&self) -> String {
        let mut hosts = self
            .blanks
            .iter()
            .filter(|(blank, host)| *blank == "host" && host.contains(['.', ':']));
        if hosts.any(|(_, host)| self.detail.contains(host.as_str())) {
            return String::new();
        }
        self.detail.clone()
    }

    /// Whether something does not work.
    pub fn failed(&self) -> bool {
        self.verdict.severity() == Severity::Failure
    }
}

/// What a look from here may cost, and what is known of here. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The longest that one step (a look-up, a connection, a login) may take.
    pub timeout: Duration,
    /// The longest that all checks together may take.
    pub deadline: Duration,
    /// The networks here.
    pub surroundings: Arc<Surroundings>,
}

#[cfg(test)]
mod tests;
