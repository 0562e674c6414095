//! The reflection client: from a connection to what the adapter behind it offers.
//!
//! Nothing of it is trusted. Files, bytes, declarations and time are bounded before anything is built from them, and what is built
//! runs apart, so that an adapter that lies harms its own tools only.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tonic::Code;
use tonic::transport::Channel;

use super::resources;
use crate::json::wire::Malformed;
use crate::tool::offer::{Kind, Offer};
use crate::words;
use client::fetch;

mod client;
mod found;

/// How long one reflection may take.
const TIME: Duration = Duration::from_secs(5);

/// The bounds of what is fetched. Ours have about 6 files, 100 KiB and a few thousand declarations, comments included.
const MAX_SERVICES: usize = 64;
const MAX_FILES: usize = 128;
const MAX_BYTES: usize = 1024 * 1024;
const MAX_DECLARATIONS: usize = 50_000;
const MAX_NESTING: usize = 32;

/// The most bytes of one descriptor's options: they are copied whenever they are looked at.
const MAX_OPTIONS: usize = 16 * 1024;

/// The most bytes of all answers of one reflection. Servers in C++ send all imports with each service.
const MAX_RECEIVED: usize = 8 * 1024 * 1024;

/// How many different versions one upstream may have at a time: each is held in memory, and a roll-out has two.
const MAX_VERSIONS: usize = 4;

/// What is built of one upstream takes one thread at a time, and after that a pause of so many times as long: a tenth of a core, whatever
/// it offers and however often that changes.
const REST: u32 = 9;

/// Why it is not known what an adapter offers. Nothing of it tells an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("it offers no reflection")]
    Absent,
    #[error("reflection failed ({0:?})")]
    Failed(Code),
    #[error("reflection took longer than {} s", TIME.as_secs())]
    TimedOut,
    #[error("reflection answered something else than was asked")]
    Unexpected,
    #[error("reflection does not find {0}")]
    NotFound(String),
    #[error("{0} is written in an edition of protobuf, which is not understood: use proto3")]
    Edition(String),
    #[error("its endpoints offer more than {MAX_VERSIONS} different versions")]
    TooManyVersions,
    #[error("descriptors have options of more than {MAX_OPTIONS} bytes")]
    Options,
    #[error(
        "it has more than {MAX_SERVICES} services, {MAX_FILES} files, {MAX_BYTES} bytes or {MAX_DECLARATIONS} declarations"
    )]
    TooLarge,
    #[error("the descriptors are malformed")]
    Malformed,
    #[error("two different files are named {0}")]
    Ambiguous(String),
    #[error("the descriptors do not fit together")]
    Inconsistent,
}

impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Self {
        match status.code() {
            Code::Unimplemented => Self::Absent,
            Code::OutOfRange => Self::TooLarge,
            code => Self::Failed(code),
        }
    }
}

impl From<Malformed> for Error {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// What an adapter offers.
#[derive(Debug)]
pub(crate) struct Reflection {
    /// Identifies the services and all their files.
    pub(crate) digest: [u8; 32],
    /// The services that are registered, those of gRPC itself left out; sorted.
    pub(crate) services: Vec<String>,
    /// What can be called, sorted by name. Tools and prompts have no name in common.
    pub(crate) offers: Vec<Arc<Offer>>,
    /// Annotated RPCs that are not offered, and why.
    pub(crate) left_out: Vec<String>,
}

impl Reflection {
    pub(crate) fn offer(&self, rpc: &str) -> Option<&Arc<Offer>> {
        let index = self.offers.binary_search_by(|offer| offer.rpc.as_str().cmp(rpc));
        index.ok().map(|index| &self.offers[index])
    }

    /// What it offers of one kind, sorted by name.
    pub(crate) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Arc<Offer>> {
        self.offers.iter().filter(move |offer| offer.kind == kind)
    }

    /// Whether it has the service of resources.
    pub(crate) fn has_resources(&self) -> bool {
        self.services.iter().any(|service| service == resources::SERVICE)
    }

    /// The service whose health is that of the tools; the whole process when there is none.
    pub(crate) fn health_name(&self) -> &str {
        let services = self.services.iter();
        let mut with_tools = services.filter(|name| self.of_kind(Kind::Tool).any(|offer| offer.is_of(name)));
        with_tools.next().map_or("", String::as_str)
    }
}

/// What is known of one upstream's versions. Its endpoints share what they have in common.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    held: Mutex<Held>,
    /// Who builds, and when the next may.
    turn: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Held {
    /// Those that an endpoint has.
    alive: Vec<Weak<Reflection>>,
    /// The last that could not be built, so that it is not tried again and again.
    unusable: Option<([u8; 32], Error)>,
}

impl Held {
    fn get(&self, digest: [u8; 32]) -> Option<Result<Arc<Reflection>, Error>> {
        if let Some((_, error)) = self.unusable.as_ref().filter(|(known, _)| *known == digest) {
            return Some(Err(error.clone()));
        }
        let mut alive = self.alive.iter().filter_map(Weak::upgrade);
        alive.find(|known| known.digest == digest).map(Ok)
    }
}

impl Versions {
    /// Asks the adapter behind `channel` what it offers.
    pub(crate) async fn reflect(&self, channel: &Channel) -> Result<Arc<Reflection>, Error> {
        let found = tokio::time::timeout(TIME, fetch(channel))
            .await
            .map_err(|_| Error::TimedOut)??;
        let digest = found.digest();
        if let Some(known) = self.held().get(digest) {
            return known;
        }
        let mut turn = self.turn.lock().await;
        // Another endpoint may have built it meanwhile.
        if let Some(known) = self.held().get(digest) {
            return known;
        }
        {
            let mut held = self.held();
            held.alive.retain(|known| known.strong_count() > 0);
            if held.alive.len() >= MAX_VERSIONS {
                return Err(Error::TooManyVersions);
            }
        }
        if let Some(next) = *turn {
            sleep_until(next).await;
        }
        let started = Instant::now();
        // Set before, so that whoever gives up while it is built does not shorten the rest.
        *turn = Some(started + TIME);
        // On a thread of its own: building may take long for a runtime thread, and a panic in it ends there.
        let built = tokio::task::spawn_blocking(move || found.build(digest)).await;
        let now = Instant::now();
        *turn = Some(now + (now - started) * REST);
        let built = built.unwrap_or(Err(Error::Inconsistent)).map(Arc::new);
        let mut held = self.held();
        match &built {
            Ok(reflection) => held.alive.push(Arc::downgrade(reflection)),
            Err(error) => held.unusable = Some((digest, error.clone())),
        }
        built
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name as a reason shows it.
fn shown(name: &str) -> String {
    words::line(name, 200)
}
