//! The tokens in force: who holds which, and since when it is worth nothing.
//!
//! The file is watched. Each entry has a [`Principal`]; an entry that stays as it is keeps it over all changes of the file, and so its
//! streams live on. What is taken out, changed or expired ends its principal, and with it its streams.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use mcp_hub_chassis::Lifecycle;
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use super::attempts::Attempts;
use super::credential::Credential;
use super::principal::Rights;
use super::token::{self, Digest, Entry, Scope};
use super::{Denied, Error, Principal};
use crate::registry::Registry;
use crate::secrets::Awaited;
use crate::watched::{Reread, Watched};

/// The notice about a file that was changed and can't be used.
const TOPIC: &str = "tokens";
const UNUSABLE: &str =
    "the tokens file was changed and can't be used; the older tokens stay in force: see the log";
const LINE: &str = "the tokens file can't be used; the older tokens stay in force";

/// The tokens in force. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    held: ArcSwap<Vec<Held>>,
    attempts: Attempts,
}

/// A token in somebody's hands.
#[derive(Clone, Debug)]
struct Held {
    entry: Entry,
    principal: Arc<Principal>,
}

impl Held {
    fn new(entry: Entry) -> Self {
        let rights = Rights {
            read: entry.scopes.contains(&Scope::Read),
            write: entry.scopes.contains(&Scope::Write),
            upstreams: entry.upstreams.clone(),
        };
        let principal = Arc::new(Principal::new(format!("token:{}", entry.name), rights));
        Self { entry, principal }
    }
}

impl Tokens {
    /// Reads the file. No token is in force while it is waited for.
    ///
    /// # Errors
    /// It can't be used, and is not waited for.
    pub(super) fn read(path: &Path, awaited: &Awaited) -> Result<Self, Error> {
        let entries = awaited.first(TOPIC, read(path))?;
        if entries.as_ref().is_some_and(Vec::is_empty) {
            tracing::warn!("the tokens file has no token: nobody is let in");
        }
        let held = entries.into_iter().flatten().map(Held::new).collect();
        Ok(Self {
            shared: Arc::new(Shared {
                path: path.to_owned(),
                held: ArcSwap::from_pointee(held),
                attempts: Attempts::new(),
            }),
        })
    }

    /// Who shows `credential`.
    ///
    /// # Errors
    /// Why it is not let in.
    pub(super) fn admit(
        &self,
        credential: Credential<'_>,
        address: IpAddr,
    ) -> Result<Arc<Principal>, Denied> {
        let attempts = &self.shared.attempts;
        let denied = match credential {
            Credential::Token(shown) => match self.find(shown, Timestamp::now()) {
                // Without a look at the limit: see `attempts`.
                Ok(principal) => return Ok(principal),
                Err(denied) => denied,
            },
            Credential::Other => Denied::Invalid,
            Credential::Several => Denied::Several,
            Credential::None => Denied::Missing,
        };
        let problem = match denied {
            // Clients ask without a token first to learn whether one is needed: that is no failed login.
            Denied::Missing | Denied::TooMany(_) => {
                return Err(attempts.limited(address).map_or(denied, Denied::TooMany));
            }
            Denied::Several => "several tokens",
            Denied::Invalid => "no valid token",
            Denied::Expired => "an expired token",
        };
        attempts.failed(address, problem).map_err(Denied::TooMany)?;
        Err(denied)
    }

    /// The holder of a token.
    ///
    /// All entries are compared, each in constant time, so that the time tells neither whether nor where one is like it.
    fn find(&self, shown: &str, now: Timestamp) -> Result<Arc<Principal>, Denied> {
        let digest = Digest::of(shown).ok_or(Denied::Invalid)?;
        let all = self.shared.held.load();
        let mut found = 0;
        for (number, held) in (1_u64..).zip(all.iter()) {
            found.conditional_assign(&number, held.entry.digest.ct_eq(&digest));
        }
        let found = (1_u64..).zip(all.iter()).find(|(number, _)| *number == found);
        let (_, held) = found.ok_or(Denied::Invalid)?;
        if held.entry.has_expired(now) {
            return Err(Denied::Expired);
        }
        Ok(held.principal.clone())
    }

    /// Follows the file and the clock, in a task of `lifecycle`. What can't be used leaves the older tokens in force, and is told as a
    /// notice of `registry` until it can.
    pub(super) fn watch(&self, awaited: &Awaited, registry: &Registry, lifecycle: &Lifecycle) {
        let (tokens, registry) = (self.clone(), registry.clone());
        let mut reread = Reread::new(TOPIC, UNUSABLE, LINE, awaited.clone());
        lifecycle.spawn_until_stopped(async move {
            let mut file = Watched::new(&tokens.shared.path);
            loop {
                // First of all: it may have changed between the first reading and the watch.
                let path = tokens.shared.path.clone();
                let put = |entries| tokens.replace(entries);
                reread.read(&registry, move || read(&path), put).await;
                let expiry = tokens.expire(Timestamp::now());
                tokio::select! {
                    () = file.touched() => {}
                    () = until(expiry) => {}
                }
            }
        });
    }

    /// Puts other tokens in force.
    fn replace(&self, entries: Vec<Entry>) {
        let before = self.shared.held.load_full();
        if before.iter().map(|held| &held.entry).eq(&entries) {
            return;
        }
        let held: Vec<Held> = entries
            .into_iter()
            .map(|entry| {
                let same = before.iter().find(|held| held.entry == entry);
                same.cloned().unwrap_or_else(|| Held::new(entry))
            })
            .collect();
        let stays = |old: &&Held| held.iter().any(|new| Arc::ptr_eq(&new.principal, &old.principal));
        let ended: Vec<Held> = before.iter().filter(|old| !stays(old)).cloned().collect();
        tracing::info!(tokens = held.len(), ended = %names(&ended), "the tokens file changed");
        // First, so that nobody comes in again with what has ended.
        self.shared.held.store(Arc::new(held));
        for old in ended {
            old.principal.end();
        }
    }

    /// Ends what has expired, and tells when the next one does.
    fn expire(&self, now: Timestamp) -> Option<Timestamp> {
        let all = self.shared.held.load();
        let (expired, others): (Vec<&Held>, Vec<&Held>) =
            all.iter().partition(|held| held.entry.has_expired(now));
        for held in expired {
            if !held.principal.ended().is_cancelled() {
                tracing::info!(token = held.entry.name, "a token has expired");
                held.principal.end();
            }
        }
        others.iter().filter_map(|held| held.entry.expires).min()
    }
}

/// The tokens of a file.
///
/// # Errors
/// The file can't be used.
pub(crate) fn read(path: &Path) -> Result<Vec<Entry>, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    token::parse(&text).map_err(|source| Error::Tokens {
        path: path.to_owned(),
        source,
    })
}

fn names(held: &[Held]) -> String {
    let names: Vec<&str> = held.iter().map(|held| held.entry.name.as_str()).collect();
    names.join(", ")
}

/// Waits for a time of the clock on the wall. Who waits looks at that clock again: it may have been set meanwhile.
async fn until(time: Option<Timestamp>) {
    match time {
        Some(time) => {
            let left = Duration::try_from(time.duration_since(Timestamp::now()));
            // A negative one: the time is over already.
            tokio::time::sleep(left.unwrap_or_default()).await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
