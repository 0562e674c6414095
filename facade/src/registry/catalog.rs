//! The catalogue: the tools at one moment, built anew whenever an upstream changes, and never changed afterwards.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use crate::auth::Principal;
use crate::tool::offer::{Kind, Offer};
use crate::tool::{MAX_NAME, Tool};
use crate::upstream::backend::Backend;
use crate::upstream::reflect::Reflection;

/// The most characters of the instructions: about 300 tokens.
const MAX_INSTRUCTIONS: usize = 1_100;

/// How many reasons why RPCs of one upstream are no tools are told: `list_services` goes to a model.
const MAX_REASONS: usize = 20;

/// The tools at one moment.
#[derive(Debug, Default)]
pub struct Catalog {
    listed: Vec<Arc<Tool>>,
    callable: HashMap<String, Arc<Tool>>,
    left_out: BTreeMap<String, Vec<String>>,
    /// The keys of the upstreams of which something is known: what they offer, or what they offered.
    known: HashSet<String>,
    /// What the instructions say of each upstream, with its key.
    lines: Vec<(String, String)>,
    /// The instructions for who knows them all.
    instructions: String,
}

/// What one upstream brings to a catalogue.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) backend: Arc<Backend>,
    /// What the endpoints offer that decide on the list.
    pub(super) deciding: Vec<Arc<Reflection>>,
    /// What all endpoints offer.
    pub(super) all: Vec<Arc<Reflection>>,
    /// Whether the tools that it had stay while nothing is known of it.
    pub(super) keep: bool,
}

impl Catalog {
    /// The listed tools, sorted by name. The facade's own are among them.
    pub fn tools(&self) -> &[Arc<Tool>] {
        &self.listed
    }

    /// A tool by its name. During a roll-out a tool that is not listed any more, or not yet, can still be called.
    pub fn tool(&self, name: &str) -> Option<Arc<Tool>> {
        self.callable.get(name).cloned()
    }

    /// Whether it is known what an upstream offers, be it nothing.
    pub(super) fn knows(&self, key: &str) -> bool {
        self.known.contains(key)
    }

    /// What the server says of itself to a model: which databases there are.
    pub fn instructions(&self) -> &str {
        &self.instructions
    }

    /// The same for a caller to whom not all of them may exist.
    pub(crate) fn instructions_of(&self, caller: &Principal) -> Cow<'_, str> {
        if caller.knows_all() {
            return Cow::Borrowed(&self.instructions);
        }
        let known = self.lines.iter().filter(|(key, _)| caller.knows(key));
        let lines: Vec<&str> = known.map(|(_, line)| line.as_str()).collect();
        Cow::Owned(instructions(&lines))
    }

    /// How many tools of an upstream are listed.
    pub(super) fn count(&self, key: &str) -> usize {
        let of_key = |tool: &&Arc<Tool>| tool.upstream.as_deref() == Some(key);
        self.listed.iter().filter(of_key).count()
    }

    /// Why tools of an upstream are not here.
    pub(super) fn left_out(&self, key: &str) -> &[String] {
        self.left_out.get(key).map_or(&[], Vec::as_slice)
    }

    /// What clients see of the list.
    pub(super) fn digests(&self) -> Vec<(&str, Option<[u8; 32]>)> {
        let listed = self.listed.iter();
        listed
            .map(|tool| (tool.name.as_str(), tool.offer().map(|offer| offer.digest)))
            .collect()
    }

    /// The catalogue after `before`.
    pub(super) fn build(before: &Self, parts: &[Part], own: &[Arc<Tool>]) -> Self {
        let lines: Vec<(String, String)> = parts
            .iter()
            .map(|part| (part.backend.key.clone(), line(part)))
            .collect();
        let texts: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
        let mut catalog = Self {
            listed: own.to_vec(),
            callable: own.iter().map(|tool| (tool.name.clone(), tool.clone())).collect(),
            left_out: BTreeMap::new(),
            known: parts
                .iter()
                .filter(|part| !part.deciding.is_empty() || (part.keep && before.knows(&part.backend.key)))
                .map(|part| part.backend.key.clone())
                .collect(),
            instructions: instructions(&texts),
            lines,
        };
        let mut candidates: Vec<(bool, Arc<Tool>)> = Vec::new();
        for part in parts {
            let reasons = catalog.left_out.entry(part.backend.key.clone()).or_default();
            reasons.extend(
                part.all
                    .iter()
                    .flat_map(|reflection| reflection.left_out.iter().cloned()),
            );
            candidates.extend(part.tools(before, reasons));
            reasons.sort();
            reasons.dedup();
        }
        // `a` with `b_query` and `a_b` with `query` have one name. It is that of the longer key, whose prefix it begins with: whatever
        // came first, so that all replicas agree on who is asked, and so does this one when it starts again.
        candidates.sort_by_key(|(_, tool)| Reverse(tool.upstream.as_ref().map(String::len)));
        for (listed, tool) in candidates {
            if let Some(taken) = catalog.callable.get(&tool.name) {
                let owner = taken.upstream.as_deref().unwrap_or("the facade");
                let reason = format!("{}: {owner} has a tool of this name already", tool.name);
                let key = tool.upstream.clone().unwrap_or_default();
                catalog.left_out.entry(key).or_default().push(reason);
                continue;
            }
            catalog.callable.insert(tool.name.clone(), tool.clone());
            if listed {
                catalog.listed.push(tool);
            }
        }
        catalog.listed.sort_by(|left, right| left.name.cmp(&right.name));
        for reasons in catalog.left_out.values_mut() {
            if reasons.len() > MAX_REASONS {
                let more = reasons.len() - MAX_REASONS;
                reasons.truncate(MAX_REASONS);
                reasons.push(format!("and {more} more"));
            }
        }
        catalog
    }
}

impl Part {
    /// Its tools, each with whether it is listed.
    fn tools(&self, before: &Catalog, left_out: &mut Vec<String>) -> Vec<(bool, Arc<Tool>)> {
        let settings = self.backend.settings();
        let key = &self.backend.key;
        let Some(first) = self.deciding.first() else {
            let kept = before.callable.values().filter(|tool| {
                self.keep
                    && tool.upstream.as_ref() == Some(key)
                    && tool.offer().is_some_and(|offer| settings.admits(&offer.rpc))
            });
            let was_listed = |tool: &Arc<Tool>| before.listed.iter().any(|listed| Arc::ptr_eq(listed, tool));
            return kept.map(|tool| (was_listed(tool), tool.clone())).collect();
        };
        let everywhere = |rpc: &str| {
            self.deciding.iter().all(|reflection| {
                reflection
                    .offer(rpc)
                    .is_some_and(|offer| offer.kind == Kind::Tool)
            })
        };
        let listed = first.of_kind(Kind::Tool).filter(|offer| everywhere(&offer.rpc));
        let mut offers: Vec<(bool, &Arc<Offer>)> =
            listed.map(|offer| (true, self.version(offer, before))).collect();
        for offer in self
            .all
            .iter()
            .flat_map(|reflection| reflection.of_kind(Kind::Tool))
        {
            if !offers.iter().any(|(_, known)| known.rpc == offer.rpc) {
                offers.push((false, offer));
            }
        }
        offers.retain(|(_, offer)| settings.admits(&offer.rpc));
        let tools = offers
            .into_iter()
            .map(|(listed, offer)| (listed, Tool::of(&self.backend, offer)));
        let mut fit = Vec::new();
        for (listed, tool) in tools {
            if tool.name.len() > MAX_NAME {
                left_out.push(format!(
                    "{}: the name is longer than {MAX_NAME} characters: give {key} a shorter key",
                    tool.name
                ));
            } else {
                fit.push((listed, Arc::new(tool)));
            }
        }
        fit
    }

    /// The version of an offer to list: in a roll-out, the one that was listed before as long as somebody has it; else the one that
    /// most have. Clients of either are served, whatever is listed.
    fn version<'a>(&'a self, offer: &'a Arc<Offer>, before: &Catalog) -> &'a Arc<Offer> {
        let name = format!("{}_{}", self.backend.key, offer.rpc);
        let tool = before.callable.get(&name);
        let listed = tool
            .and_then(|tool| tool.offer())
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

/// Which databases there are, so that a model asks the right one. The same for the same upstreams, whether they are up or not.
fn instructions(lines: &[&str]) -> String {
    if lines.is_empty() {
        return "No database is configured yet. list_services shows the state.".to_owned();
    }
    let mut text = "Databases behind this server. The tools of each begin with its key:".to_owned();
    let end = "\nlist_services tells which of them can be reached now.";
    for (index, line) in lines.iter().enumerate() {
        if text.len() + line.len() + end.len() + 40 > MAX_INSTRUCTIONS {
            // A `String` takes whatever is written to it.
            let _ = write!(text, "\nand {} more: see list_services", lines.len() - index);
            break;
        }
        text.push_str(line);
    }
    text.push_str(end);
    text
}

fn line(part: &Part) -> String {
    let kind = part
        .backend
        .status()
        .map(|status| status.kind)
        .unwrap_or_default();
    let description = part.backend.description();
    let mut line = format!("\n- {}", part.backend.key);
    if !kind.is_empty() {
        let _ = write!(line, " ({kind})");
    }
    if !description.is_empty() {
        let _ = write!(line, ": {description}");
    }
    line
}
