//! The catalogue: what is in the graph, and its nodes and relationships as lists.
//!
//! No APOC, and nothing that goes through the whole graph: counts come from the count store, types from samples, names from the token
//! stores. Labels and types from callers are data, or quoted: any name works.

mod indexes;
mod lists;
mod names;
mod schema;

pub(crate) use indexes::{Index, IndexKind, indexes};
pub(crate) use lists::{get_relationships, list_nodes};
pub(crate) use names::names;
pub(crate) use schema::{Found, Kind, elements, label, relationship_type, schema};

use std::time::Duration;

use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{Fault, arguments};

use crate::database::Transaction;
use crate::error::Error;
use crate::row::Row;
use crate::wire::packstream::Entries;

/// The limit of a statement on the catalogue.
const TIMEOUT: Duration = Duration::from_secs(arguments::TIMEOUT_MS.default as u64 / 1000);

/// The limit of a statement of a call that has so much time left.
pub(crate) fn timeout(remaining: Option<Duration>) -> Duration {
    remaining.map_or(TIMEOUT, |remaining| remaining.min(TIMEOUT))
}

/// A name as Cypher takes it: any name, as it is.
///
/// Cypher resolves `\u0060` to a backtick before it looks for the end of the name, so a backslash must not stay either; what an escape
/// resolves to begins no other escape.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``").replace('\\', "\\u005C"))
}

/// A name as one would write it in Cypher.
pub(crate) fn quoted_if_needed(name: &str) -> String {
    let mut characters = name.chars();
    let is_plain = characters
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_')
        && characters.all(|character| character.is_alphanumeric() || character == '_');
    if is_plain { name.to_owned() } else { quoted(name) }
}

impl Transaction {
    /// Runs the first statement of a read of ours. A connection that turns out to have died is replaced once.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub(crate) async fn first_rows(
        &mut self,
        summary: &'static str,
        cypher: &str,
        params: Entries,
    ) -> Result<Vec<Row>, Error> {
        match self.rows(summary, cypher, params.clone()).await {
            Err(error) if error.is_lost_connection() && self.lease().was_used() => {
                self.begin_again(error).await?;
                self.rows(summary, cypher, params).await
            }
            result => result,
        }
    }
}

/// Says that no node has a label, with those that are like it.
fn unknown_label(label: &str, labels: &[String]) -> Fault {
    let similar = arguments::similar(label, labels.iter().map(String::as_str));
    let message = format!("no node has the label \"{label}\"");
    let fault = Fault::new(Reason::ObjectNotFound, message).with("did_you_mean", similar.join(","));
    if similar.is_empty() {
        return fault.with(
            "hint",
            "The schema tool names the labels; they are case-sensitive.",
        );
    }
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_they_are() {
        assert_eq!(quoted("A b`c"), "`A b``c`");
        assert_eq!(
            quoted("a\\u0060) DETACH DELETE (n"),
            "`a\\u005Cu0060) DETACH DELETE (n`"
        );
        assert_eq!(quoted(""), "``");
    }
}
