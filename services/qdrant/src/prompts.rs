//! Prompts: how a conversation about the server begins, with what is in it now.
//!
//! A prompt is there also when the server is not: then it tells how to find out what it would have said. So nothing here fails, and
//! nothing here waits longer than [`PATIENCE`] for the server and as long for a model.

use std::time::Duration;

use mcp_hub_chassis::prompt::quoted;

use crate::binding;
use crate::collection::Shape;
use crate::embedding::Embeddings;

mod explore;
mod semantic_search;

pub(crate) use explore::explore;
pub(crate) use semantic_search::set_up_semantic_search;

/// How long a prompt waits for the server.
const PATIENCE: Duration = Duration::from_secs(4);

/// The most payload indexes of a collection that are named.
const INDEXES: usize = 8;

/// The most names of vectors, and of aliases, of a collection.
const NAMES: usize = 6;

/// A collection in a line.
fn line(shape: &Shape, embeddings: &Embeddings) -> String {
    let aliases = shape.aliases.iter().map(|alias| quoted(alias));
    let also = match shape.aliases.as_slice() {
        [] => String::new(),
        _ => format!(" (also {})", listed(aliases, NAMES)),
    };
    let points = points(shape.points);
    let vectors = shape.vectors.iter().map(|vector| quoted(&vector.to_string()));
    let vectors = match shape.vectors.as_slice() {
        [] => "none".to_owned(),
        _ => listed(vectors, NAMES),
    };
    let ways = binding::ways(shape, embeddings);
    let keys = shape.indexes.iter();
    let keys = keys.map(|(key, index)| format!("{} {}", quoted(key), index.kind.as_str()));
    let indexed = match shape.indexes.len() {
        0 => String::new(),
        _ => format!("; indexed: {}", listed(keys, INDEXES)),
    };
    let name = quoted(shape.name());
    format!("{name}{also}: {points}; vectors: {vectors}; text search: {ways}{indexed}")
}

/// How many points there are.
fn points(count: Option<u64>) -> String {
    match count {
        Some(1) => "1 point".to_owned(),
        Some(count) => format!("{count} points"),
        None => "points unknown".to_owned(),
    }
}

/// As many as `most`, and how many more there are.
fn listed(all: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let more = all.len().saturating_sub(most);
    let listed = all.take(most).collect::<Vec<_>>().join(", ");
    match more {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

/// Steps, one a line.
fn numbered<T: std::fmt::Display>(steps: &[T]) -> String {
    let steps = steps.iter().zip(1..);
    let lines = steps.map(|(step, number)| format!("{number}. {step}"));
    lines.collect::<Vec<_>>().join("\n")
}
