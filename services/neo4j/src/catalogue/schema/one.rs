//! Labels and relationship types one by one: which there are, and what there is to know of one.

use std::collections::BTreeMap;

use mcp_hub_chassis::{Fault, arguments};
use mcp_hub_proto::neo4j::v1 as pb;

use super::counts::Counts;
use super::{Schema, patterns, sample, shown_constraint, shown_index};
use crate::catalogue::{IndexKind, TIMEOUT};
use crate::database::{Database, Transaction};
use crate::error::Error;

/// What has a name in a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Labels of nodes.
    Label,
    /// Types of relationships.
    RelationshipType,
}

/// A label or relationship type, or those that one which is not there may mean.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found<T> {
    /// It is there.
    It(T),
    /// It is not.
    Similar(Vec<String>),
}

/// All labels and relationship types, each with how many have it, by name.
///
/// # Errors
/// The server's.
pub(crate) async fn elements(database: &Database) -> Result<Vec<(Kind, String, Option<u64>)>, Fault> {
    let mut transaction = database.read(None, TIMEOUT).await?;
    let Counts { labels, types, .. } = Counts::read(&mut transaction).await?;
    transaction.rollback().await?;
    let of = |kind| move |(name, count)| (kind, name, count);
    let labels = labels.into_iter().map(of(Kind::Label));
    Ok(labels
        .chain(types.into_iter().map(of(Kind::RelationshipType)))
        .collect())
}

/// What there is to know of one label: what the schema tool answers when it is asked for this label alone.
///
/// # Errors
/// As [`schema`](super::schema), but for a label that is not there.
pub(crate) async fn label(
    database: &Database,
    name: &str,
    of: Option<&str>,
) -> Result<Found<pb::SchemaResponse>, Fault> {
    let mut transaction = database.read(of, TIMEOUT).await?;
    let schema = Schema::read(&mut transaction).await?;
    if !schema.counts.labels.contains_key(name) {
        return Ok(similar(name, &schema.counts.labels));
    }
    let response = schema.in_full(&mut transaction, &[name.to_owned()]).await?;
    transaction.rollback().await?;
    Ok(Found::It(response))
}

/// What there is to know of one relationship type.
///
/// # Errors
/// The server's.
pub(crate) async fn relationship_type(
    database: &Database,
    name: &str,
    of: Option<&str>,
) -> Result<Found<pb::RelationshipType>, Fault> {
    let mut transaction = database.read(of, TIMEOUT).await?;
    let schema = Schema::read(&mut transaction).await?;
    let Some(count) = schema.counts.types.get(name).copied() else {
        return Ok(similar(name, &schema.counts.types));
    };
    let response = schema.of_type(&mut transaction, name, count).await?;
    transaction.rollback().await?;
    Ok(Found::It(response))
}

fn similar<T>(name: &str, counts: &BTreeMap<String, Option<u64>>) -> Found<T> {
    let similar = arguments::similar(name, counts.keys().map(String::as_str));
    Found::Similar(similar.into_iter().map(str::to_owned).collect())
}

impl Schema {
    async fn of_type(
        &self,
        transaction: &mut Transaction,
        name: &str,
        count: Option<u64>,
    ) -> Result<pb::RelationshipType, Error> {
        let patterns = patterns::of_type(transaction, &self.counts, name).await?;
        let (_, properties) = sample::properties(transaction, &[], &[name]).await?;
        let properties = properties.into_iter().next().unwrap_or_default();
        let mut notices = Vec::new();
        if count > Some(sample::PROPERTIES_OF) {
            notices.push(format!(
                "Properties and their types are those of up to {} relationships.",
                sample::PROPERTIES_OF
            ));
        }
        // The properties are those of the type, not of each of its patterns.
        let patterns = self.patterns(&patterns, &BTreeMap::new(), &mut notices);
        let constraints = self
            .constraints
            .iter()
            .filter(|constraint| constraint.of_relationships && constraint.on == name);
        let indexes = self.indexes.iter().filter(|index| {
            index.of_relationships
                && index.constraint.is_none()
                && index.kind != IndexKind::Lookup
                && index.on.iter().any(|on| on == name)
        });
        Ok(pb::RelationshipType {
            name: name.to_owned(),
            count,
            properties: self.properties(name, true, properties),
            patterns,
            constraints: constraints.map(shown_constraint).collect(),
            indexes: indexes.map(shown_index).collect(),
            notices,
        })
    }
}
