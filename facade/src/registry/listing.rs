//! One list of the catalogue, of tools or of prompts: what its upstreams offer of a kind, merged over their endpoints.
//!
//! An entry is listed when all endpoints have it that decide, and can be called as long as one has it. While nothing is known of an
//! upstream, its entries stay as they were. What two upstreams would call by one name is that of the longer key.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::catalog::Part;
use crate::tool::MAX_NAME;
use crate::tool::offer::{Kind, Offer};
use crate::upstream::backend::Backend;

/// What a list is made of.
pub(super) trait Entry: Sized {
    /// What its upstream offers it as.
    const KIND: Kind;
    /// What it is called.
    const NOUN: &'static str;

    /// The entry of an offer.
    fn of(backend: &Arc<Backend>, offer: &Arc<Offer>) -> Self;

    /// Unique in the list: the key of its upstream and the name of its RPC.
    fn name(&self) -> &str;

    /// The key of its upstream; `None` for the facade's own.
    fn upstream(&self) -> Option<&str>;

    /// What its upstream offers; `None` for the facade's own.
    fn offer(&self) -> Option<&Offer>;
}

/// Why entries of each upstream are not here, by its key.
pub(super) type LeftOut = BTreeMap<String, Vec<String>>;

/// One list.
#[derive(Debug)]
pub(super) struct Listing<T> {
    listed: Vec<Arc<T>>,
    callable: HashMap<String, Arc<T>>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self {
            listed: Vec::new(),
            callable: HashMap::new(),
        }
    }
}

impl<T: Entry> Listing<T> {
    /// The listed entries, sorted by name.
    pub(super) fn listed(&self) -> &[Arc<T>] {
        &self.listed
    }

    /// An entry by its name, also one that is not listed any more, or not yet.
    pub(super) fn get(&self, name: &str) -> Option<&Arc<T>> {
        self.callable.get(name)
    }

    /// The listed entries of an upstream.
    pub(super) fn of_key(&self, key: &str) -> impl Iterator<Item = &Arc<T>> {
        self.listed
            .iter()
            .filter(move |entry| entry.upstream() == Some(key))
    }

    /// What clients see of the list.
    pub(super) fn digests(&self) -> Vec<(&str, Option<[u8; 32]>)> {
        let listed = self.listed.iter();
        listed
            .map(|entry| (entry.name(), entry.offer().map(|offer| offer.digest)))
            .collect()
    }

    /// The list after `before`, of what `parts` bring and what is the facade's own.
    pub(super) fn build(before: &Self, parts: &[Part], own: &[Arc<T>], left_out: &mut LeftOut) -> Self {
        let named = |entry: &Arc<T>| (entry.name().to_owned(), entry.clone());
        let mut list = Self {
            listed: own.to_vec(),
            callable: own.iter().map(named).collect(),
        };
        let mut candidates: Vec<(bool, Arc<T>)> = Vec::new();
        for part in parts {
            let reasons = left_out.entry(part.backend.key.clone()).or_default();
            candidates.extend(part.entries(before, reasons));
        }
        // `a` with `b_query` and `a_b` with `query` have one name. It is that of the longer key, whose prefix it begins with: whatever
        // came first, so that all replicas agree on who is asked, and so does this one when it starts again.
        candidates.sort_by_key(|(_, entry)| Reverse(entry.upstream().map(str::len)));
        for (listed, entry) in candidates {
            if let Some(taken) = list.callable.get(entry.name()) {
                let owner = taken.upstream().unwrap_or("the facade");
                let reason = format!("{}: {owner} has a {} of this name already", entry.name(), T::NOUN);
                let key = entry.upstream().unwrap_or_default().to_owned();
                left_out.entry(key).or_default().push(reason);
                continue;
            }
            list.callable.insert(entry.name().to_owned(), entry.clone());
            if listed {
                list.listed.push(entry);
            }
        }
        list.listed.sort_by(|left, right| left.name().cmp(right.name()));
        list
    }
}

impl Part {
    /// The entries of the upstream, and whether each is listed.
    fn entries<T: Entry>(&self, before: &Listing<T>, left_out: &mut Vec<String>) -> Vec<(bool, Arc<T>)> {
        let key = &self.backend.key;
        let settings = self.backend.settings();
        let Some(first) = self.deciding.first() else {
            let kept = before.callable.values().filter(|entry| {
                self.keep
                    && entry.upstream() == Some(key)
                    && entry.offer().is_some_and(|offer| settings.admits(&offer.rpc))
            });
            let was_listed = |entry: &Arc<T>| before.listed.iter().any(|listed| Arc::ptr_eq(listed, entry));
            return kept.map(|entry| (was_listed(entry), entry.clone())).collect();
        };
        let everywhere = |rpc: &str| {
            let has = |offer: &Arc<Offer>| offer.kind == T::KIND;
            self.deciding
                .iter()
                .all(|reflection| reflection.offer(rpc).is_some_and(has))
        };
        let listed = first.of_kind(T::KIND).filter(|offer| everywhere(&offer.rpc));
        let mut offers: Vec<(bool, &Arc<Offer>)> =
            listed.map(|offer| (true, self.version(offer, before))).collect();
        for offer in self.all.iter().flat_map(|reflection| reflection.of_kind(T::KIND)) {
            if !offers.iter().any(|(_, known)| known.rpc == offer.rpc) {
                offers.push((false, offer));
            }
        }
        offers.retain(|(_, offer)| settings.admits(&offer.rpc));
        let entries = offers
            .into_iter()
            .map(|(listed, offer)| (listed, T::of(&self.backend, offer)));
        let mut fit = Vec::new();
        for (listed, entry) in entries {
            if entry.name().len() > MAX_NAME {
                left_out.push(format!(
                    "{}: the name is longer than {MAX_NAME} characters: give {key} a shorter key",
                    entry.name()
                ));
            } else {
                fit.push((listed, Arc::new(entry)));
            }
        }
        fit
    }

    /// The version of an offer to list: in a roll-out, the one that was listed before as long as somebody has it; else the one that
    /// most have. Clients of either are served, whatever is listed.
    fn version<'a, T: Entry>(&'a self, offer: &'a Arc<Offer>, before: &Listing<T>) -> &'a Arc<Offer> {
        let name = format!("{}_{}", self.backend.key, offer.rpc);
        let listed = before
            .get(&name)
            .and_then(|entry| entry.offer())
            .map(|old| (&old.path, old.digest));
        let versions = || {
            self.deciding
                .iter()
                .filter_map(|reflection| reflection.offer(&offer.rpc))
        };
        let same = |version: &Arc<Offer>| Some((&version.path, version.digest)) == listed;
        let number = |digest| versions().filter(|version| version.digest == digest).count();
        versions()
            .find(|version| same(version))
            // The last of those with the greatest key: of two that are as frequent, any, but all replicas the same.
            .or_else(|| versions().max_by_key(|version| (number(version.digest), version.digest)))
            .unwrap_or(offer)
    }
}
