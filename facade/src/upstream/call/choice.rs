//! Which endpoint is asked.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use mcp_hub_chassis::Fault;
use tokio::time::Instant;

use super::failure::Failure;
use crate::tool::offer::Offer;
use crate::tool::version::Asked;
use crate::upstream::backend::Backend;
use crate::upstream::breaker::Standing;
use crate::upstream::connection::Connection;
use crate::upstream::endpoint::Endpoint;

/// How many calls in flight a failure weighs: an endpoint that fails fast is never loaded, and must not draw all calls.
const FAILURE_WEIGHT: usize = 16;

/// An endpoint for a call, and the call as its version of the tool takes it.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) connection: Arc<Connection>,
    pub(super) offer: Arc<Offer>,
    pub(super) message: Bytes,
    /// Whether it is a broken one that is tried again, though others are there.
    pub(super) probe: bool,
}

/// An endpoint that could be asked.
struct Candidate<'a> {
    endpoint: &'a Arc<Endpoint>,
    connection: Arc<Connection>,
    /// The less, the better.
    cost: (u8, usize),
    /// The index of its version of the tool.
    version: usize,
    standing: Standing,
}

impl Backend {
    /// The best endpoint for a call: one that serves, else one that says why it does not; among equals the least loaded, in turn. In a
    /// roll-out, only those whose version of the tool stands for the listed one and takes the arguments. A broken one gets one call in a
    /// while: a read, which can go elsewhere, or any when there is no other.
    ///
    /// # Errors
    /// No version takes the arguments, or there is no endpoint, or only broken ones.
    pub(super) fn choose<T>(
        &self,
        asked: &Asked<'_, T>,
        except: Option<&Arc<Endpoint>>,
    ) -> Result<Chosen, Failure> {
        let endpoints = self.endpoints();
        // Endpoints of one version share it, so that the arguments are encoded once for all of them.
        let mut versions: Vec<(Arc<Offer>, Result<Bytes, Fault>)> = Vec::with_capacity(1);
        let (mut closed, mut open) = (Vec::with_capacity(endpoints.len()), Vec::new());
        // Of this one look: one that is understood a moment later may well offer it.
        let mut understood = false;
        for endpoint in endpoints.iter() {
            if except.is_some_and(|except| Arc::ptr_eq(except, endpoint)) {
                continue;
            }
            let Some((rank, connection, offer)) = endpoint.candidate(&asked.listed.rpc) else {
                continue;
            };
            understood = true;
            let Some(offer) = offer else {
                continue;
            };
            let known = versions.iter().position(|(known, _)| Arc::ptr_eq(known, &offer));
            let version = match known {
                Some(version) => version,
                None if offer.stands_for(asked.listed) => {
                    let message = asked.encode(&offer);
                    versions.push((offer, message));
                    versions.len() - 1
                }
                None => continue,
            };
            if versions[version].1.is_err() {
                continue;
            }
            let standing = endpoint.breaker.standing();
            let (failures, side) = match standing {
                Standing::Closed { failures } => (failures as usize, &mut closed),
                Standing::Open { .. } => (0, &mut open),
            };
            side.push(Candidate {
                endpoint,
                connection,
                cost: (rank, endpoint.load() + failures * FAILURE_WEIGHT),
                version,
                standing,
            });
        }
        let Some((chosen, probe)) = self.pick(asked, &mut closed, &mut open, except.is_some()) else {
            // A mistake of the caller's is told first; of the listed version's, which is the one that it knows.
            asked.encode(asked.listed).map_err(Failure::Argument)?;
            return Err(self.nobody(&open, understood));
        };
        let (offer, message) = versions.swap_remove(chosen.version);
        Ok(Chosen {
            endpoint: chosen.endpoint.clone(),
            connection: chosen.connection,
            offer,
            message: message.map_err(Failure::Argument)?,
            probe,
        })
    }

    /// One of those that work, or a broken one whose turn it is; in that case, whether there were others.
    fn pick<'a, T>(
        &self,
        asked: &Asked<'_, T>,
        closed: &mut Vec<Candidate<'a>>,
        open: &mut Vec<Candidate<'a>>,
        retry: bool,
    ) -> Option<(Candidate<'a>, bool)> {
        // Not a second attempt: it has no third to go to.
        if closed.is_empty() || (asked.listed.read_only && !retry) {
            let due = open
                .iter()
                .position(|candidate| candidate.endpoint.breaker.probe());
            if let Some(index) = due {
                return Some((open.swap_remove(index), !closed.is_empty()));
            }
        }
        let best = closed.iter().map(|candidate| candidate.cost).min()?;
        closed.retain(|candidate| candidate.cost == best);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % closed.len();
        Some((closed.swap_remove(turn), false))
    }

    /// Why there is nobody to ask: all that are `open` are broken, some are `understood` and have nothing that stands for it, or none is there.
    fn nobody(&self, open: &[Candidate<'_>], understood: bool) -> Failure {
        let probes = open.iter().filter_map(|candidate| match candidate.standing {
            Standing::Open { probe_at } => Some(probe_at),
            Standing::Closed { .. } => None,
        });
        if let Some(probe_at) = probes.min() {
            return Failure::Broken(probe_at.saturating_duration_since(Instant::now()));
        }
        if understood {
            return Failure::NotOffered;
        }
        Failure::Unreachable(self.problem())
    }
}
