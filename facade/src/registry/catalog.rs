//! The catalogue: the tools and prompts at one moment, and who has resources; built anew whenever an upstream changes, and never changed
//! afterwards. How a list is merged is in `listing`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use super::changes::List;
use super::listing::{Entry, LeftOut, Listing};
use super::source::Source;
use crate::auth::Principal;
use crate::prompt::Prompt;
use crate::tool::Tool;
use crate::tool::offer::{Kind, Offer};
use crate::upstream::backend::Backend;
use crate::upstream::reflect::Reflection;

/// The most characters of the instructions: about 300 tokens.
const MAX_INSTRUCTIONS: usize = 1_100;

/// How many reasons why RPCs of one upstream are not offered are told: `list_services` goes to a model.
const MAX_REASONS: usize = 20;

/// What is offered at one moment.
#[derive(Debug, Default)]
pub struct Catalog {
    tools: Listing<Tool>,
    prompts: Listing<Prompt>,
    /// What upstreams have beside them, by their keys.
    sources: BTreeMap<String, Source>,
    left_out: LeftOut,
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
    /// Whether what it had stays while nothing is known of it.
    pub(super) keep: bool,
    /// How often its list of resources has changed.
    pub(super) resources: u64,
}

impl Catalog {
    /// The listed tools, sorted by name. The facade's own are among them.
    pub fn tools(&self) -> &[Arc<Tool>] {
        self.tools.listed()
    }

    /// A tool by its name. During a roll-out a tool that is not listed any more, or not yet, can still be called.
    pub fn tool(&self, name: &str) -> Option<Arc<Tool>> {
        self.tools.get(name).cloned()
    }

    /// The listed tools of an upstream.
    pub(crate) fn tools_of(&self, key: &str) -> impl Iterator<Item = &Arc<Tool>> {
        self.tools.of_key(key)
    }

    /// The listed prompts, sorted by name.
    pub fn prompts(&self) -> &[Arc<Prompt>] {
        self.prompts.listed()
    }

    /// A prompt by its name, as [`tool`](Self::tool) is found.
    pub fn prompt(&self, name: &str) -> Option<Arc<Prompt>> {
        self.prompts.get(name).cloned()
    }

    /// What upstreams have beside tools and prompts, in the order of their keys.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.sources.values()
    }

    /// The same of one upstream; `None` when nothing is known of it.
    pub(crate) fn source(&self, key: &str) -> Option<&Source> {
        self.sources.get(key)
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

    /// How many tools and how many prompts of an upstream are listed.
    pub(super) fn counts(&self, key: &str) -> (usize, usize) {
        (self.tools.of_key(key).count(), self.prompts.of_key(key).count())
    }

    /// Why what an upstream declares is not here.
    pub(super) fn left_out(&self, key: &str) -> &[String] {
        self.left_out.get(key).map_or(&[], Vec::as_slice)
    }

    /// The lists that are others than those of `before`, as clients see them.
    pub(super) fn changes(&self, before: &Self) -> Vec<List> {
        let changed = |list: &List| match list {
            List::Tools => self.tools.digests() != before.tools.digests(),
            List::Prompts => self.prompts.digests() != before.prompts.digests(),
            List::Resources => self.resources() != before.resources(),
        };
        List::ALL.into_iter().filter(changed).collect()
    }

    /// Who has resources, and how often they have changed.
    fn resources(&self) -> Vec<(&str, u64)> {
        let version = |source: &Source| source.resources();
        let sources = self.sources.iter();
        sources
            .filter_map(|(key, source)| Some((key.as_str(), version(source)?)))
            .collect()
    }

    /// The catalogue after `before`.
    pub(super) fn build(before: &Self, parts: &[Part], own: &[Arc<Tool>]) -> Self {
        let lines: Vec<(String, String)> = parts
            .iter()
            .map(|part| (part.backend.key.clone(), line(part)))
            .collect();
        let texts: Vec<&str> = lines.iter().map(|(_, line)| line.as_str()).collect();
        let mut left_out = LeftOut::new();
        for part in parts {
            let reasons = part
                .all
                .iter()
                .flat_map(|reflection| reflection.left_out.iter().cloned());
            left_out.insert(part.backend.key.clone(), reasons.collect());
        }
        let known =
            |part: &&Part| !part.deciding.is_empty() || (part.keep && before.knows(&part.backend.key));
        let mut catalog = Self {
            tools: Listing::build(&before.tools, parts, own, &mut left_out),
            prompts: Listing::build(&before.prompts, parts, &[], &mut left_out),
            sources: parts.iter().filter_map(|part| part.source(before)).collect(),
            left_out,
            known: parts
                .iter()
                .filter(known)
                .map(|part| part.backend.key.clone())
                .collect(),
            instructions: instructions(&texts),
            lines,
        };
        for reasons in catalog.left_out.values_mut() {
            reasons.sort();
            reasons.dedup();
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
    /// What it has beside tools and prompts, with its key; what it had, while nothing is known of it.
    fn source(&self, before: &Catalog) -> Option<(String, Source)> {
        let key = &self.backend.key;
        let source = if self.deciding.is_empty() {
            before.source(key).filter(|_| self.keep)?.at(self.resources)
        } else {
            Source::of(&self.backend, &self.all, self.resources)
        };
        Some((key.clone(), source))
    }
}

impl Entry for Tool {
    const KIND: Kind = Kind::Tool;
    const NOUN: &'static str = "tool";

    fn of(backend: &Arc<Backend>, offer: &Arc<Offer>) -> Self {
        Self::of(backend, offer)
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn upstream(&self) -> Option<&str> {
        self.upstream.as_deref()
    }

    fn offer(&self) -> Option<&Offer> {
        self.offer()
    }
}

impl Entry for Prompt {
    const KIND: Kind = Kind::Prompt;
    const NOUN: &'static str = "prompt";

    fn of(backend: &Arc<Backend>, offer: &Arc<Offer>) -> Self {
        Self::of(backend, offer)
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn upstream(&self) -> Option<&str> {
        Some(&self.upstream)
    }

    fn offer(&self) -> Option<&Offer> {
        Some(self.offer())
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
