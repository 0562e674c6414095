//! `Schema`: what a query on the graph needs to know, in full for a small graph or for some labels, else by name; and what there is to
//! know of one label, or of one relationship type.

mod brief;
mod counts;
mod one;
mod patterns;
mod sample;

pub(crate) use one::{Found, Kind, elements, label, relationship_type};

use std::collections::BTreeMap;
use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_proto::neo4j::v1 as pb;

use super::{Index, IndexKind, indexes, timeout, unknown_label};
use crate::database::{Database, Transaction};
use crate::error::Error;
use counts::Counts;
use patterns::Patterns;
use sample::Properties;

/// The most labels that are shown in full.
const MOST_LABELS: usize = 30;

/// The most patterns that are shown.
const MOST_PATTERNS: usize = 150;

/// The most relationship types whose properties are looked at.
const MOST_TYPES: usize = 60;

/// Shows the graph's schema.
///
/// # Errors
/// `OBJECT_NOT_FOUND` for a label that no node has, `ARGUMENT_INVALID` for too many labels, the server's error, time-outs.
pub(crate) async fn schema(
    database: &Database,
    request: &pb::SchemaRequest,
    remaining: Option<Duration>,
) -> Result<pb::SchemaResponse, Fault> {
    if request.labels.len() > MOST_LABELS {
        let message = format!(
            "labels: {} are more than {MOST_LABELS}, ask in parts",
            request.labels.len()
        );
        return Err(Fault::argument("labels", message));
    }
    let mut transaction = database
        .read(request.database.as_deref(), timeout(remaining))
        .await?;
    let schema = Schema::read(&mut transaction).await?;
    for label in &request.labels {
        if !schema.counts.labels.contains_key(label) {
            let labels: Vec<String> = schema.counts.labels.keys().cloned().collect();
            return Err(unknown_label(label, &labels));
        }
    }
    if request.labels.is_empty() && schema.counts.labels.len() > MOST_LABELS {
        return Ok(schema.named());
    }
    Ok(schema.in_full(&mut transaction, &request.labels).await?)
}

/// A constraint of the graph.
struct Constraint {
    name: String,
    /// In Neo4j's words.
    r#type: String,
    of_relationships: bool,
    on: String,
    properties: Vec<String>,
}

async fn constraints(transaction: &mut Transaction) -> Result<Vec<Constraint>, Error> {
    let cypher = "SHOW CONSTRAINTS YIELD name, type, entityType, labelsOrTypes, properties \
                  RETURN name, type, entityType, labelsOrTypes, properties ORDER BY name";
    let rows = transaction.rows("SHOW CONSTRAINTS", cypher, vec![]).await?;
    let read = rows.iter().map(|row| {
        Ok(Constraint {
            name: row.get(0)?,
            r#type: row.get(1)?,
            of_relationships: row.text(2) == Some("RELATIONSHIP"),
            on: row.get::<Vec<String>>(3)?.join(", "),
            properties: row.get(4)?,
        })
    });
    read.collect()
}

/// What is known without looking at nodes.
struct Schema {
    indexes: Vec<Index>,
    constraints: Vec<Constraint>,
    counts: Counts,
}

impl Schema {
    async fn read(transaction: &mut Transaction) -> Result<Self, Error> {
        Ok(Self {
            indexes: indexes(transaction).await?,
            constraints: constraints(transaction).await?,
            counts: Counts::read(transaction).await?,
        })
    }

    /// Everything about some labels, or about all.
    async fn in_full(
        self,
        transaction: &mut Transaction,
        wanted: &[String],
    ) -> Result<pb::SchemaResponse, Error> {
        let narrowed = !wanted.is_empty();
        let of_all = self.counts.by_frequency();
        let is_wanted = |name: &str| !narrowed || wanted.iter().any(|wanted| wanted == name);
        let shown: Vec<_> = of_all
            .iter()
            .filter(|(name, _)| is_wanted(name))
            .copied()
            .collect();
        let labels: Vec<&str> = shown.iter().map(|(name, _)| *name).collect();
        let patterns = patterns::find(transaction, &self.counts, &labels, narrowed).await?;
        let types = types_of(&patterns);
        let looked_at = &types[..types.len().min(MOST_TYPES)];
        let (of_labels, of_types) = sample::properties(transaction, &labels, looked_at).await?;
        let of_types: BTreeMap<&str, Properties> = looked_at.iter().copied().zip(of_types).collect();
        let is_near = |index_on: &[String], of_relationships: bool| {
            !narrowed
                || index_on.iter().any(|name| {
                    if of_relationships {
                        types.contains(&name.as_str())
                    } else {
                        is_wanted(name)
                    }
                })
        };
        let mut notices = Vec::new();
        if shown
            .iter()
            .any(|(_, count)| *count > Some(sample::PROPERTIES_OF))
            || !of_types.is_empty()
        {
            notices.push(format!(
                "Properties and their types are those of up to {} nodes of each label and relationships of each type.",
                sample::PROPERTIES_OF
            ));
        }
        notices.extend(self.missing_lookup());
        let response = pb::SchemaResponse {
            node_count: Some(self.counts.nodes),
            relationship_count: Some(self.counts.relationships),
            labels: shown
                .iter()
                .zip(of_labels)
                .map(|((name, count), properties)| pb::Label {
                    name: (*name).to_owned(),
                    count: *count,
                    properties: self.properties(name, false, properties),
                })
                .collect(),
            patterns: self.patterns(&patterns, &of_types, &mut notices),
            constraints: self
                .constraints
                .iter()
                .filter(|constraint| {
                    is_near(std::slice::from_ref(&constraint.on), constraint.of_relationships)
                })
                .map(shown_constraint)
                .collect(),
            indexes: self
                .indexes
                .iter()
                .filter(|index| index.constraint.is_none() && is_near(&index.on, index.of_relationships))
                .filter(|index| index.kind != IndexKind::Lookup || !index.is_online())
                .map(shown_index)
                .collect(),
            notices,
        };
        Ok(response)
    }

    fn properties(&self, on: &str, of_relationships: bool, properties: Properties) -> Vec<pb::Property> {
        let with_index = properties.into_iter().map(|(name, r#type)| pb::Property {
            index: self.index_of(on, of_relationships, &name),
            mandatory: self.constraints.iter().any(|constraint| {
                let requires = ["EXISTENCE", "KEY"]
                    .iter()
                    .any(|word| constraint.r#type.contains(word));
                requires
                    && constraint.of_relationships == of_relationships
                    && constraint.on == on
                    && constraint.properties.contains(&name)
            }),
            name,
            r#type,
        });
        with_index.collect()
    }

    /// The indexes that serve a property, the most telling first. One of several properties serves none of them alone.
    fn index_of(&self, on: &str, of_relationships: bool, property: &str) -> String {
        let serving = self.indexes.iter().filter(|index| {
            index.of_relationships == of_relationships
                && index.on.iter().any(|name| name == on)
                && index.properties.iter().any(|name| name == property)
                && (index.properties.len() == 1 || index.kind == IndexKind::Fulltext)
        });
        let mut words: Vec<(IndexKind, String)> = serving
            .map(|index| {
                let owner = index.constraint.as_ref();
                let owner = owner.and_then(|name| {
                    self.constraints
                        .iter()
                        .find(|constraint| constraint.name == *name)
                });
                let word = match owner {
                    Some(constraint) if constraint.r#type.contains("KEY") => "key",
                    Some(_) => "unique",
                    None => index.kind.name(),
                };
                let state = if index.is_online() {
                    String::new()
                } else {
                    format!(" ({})", index.state)
                };
                (index.kind, format!("{word}{state}"))
            })
            .collect();
        words.sort();
        words
            .into_iter()
            .map(|(_, word)| word)
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn patterns(
        &self,
        patterns: &Patterns,
        of_types: &BTreeMap<&str, Properties>,
        notices: &mut Vec<String>,
    ) -> Vec<pb::Pattern> {
        if !patterns.estimated.is_empty() {
            let names: Vec<&str> = patterns.estimated.iter().take(20).map(String::as_str).collect();
            notices.push(format!(
                "Patterns of {} are from {} relationships of each: their counts are estimates, and rare ones may be missing.",
                names.join(", "),
                sample::ENDS_OF
            ));
        }
        let mut shown: Vec<_> = patterns.counts.iter().collect();
        shown.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let left_out = shown.len().saturating_sub(MOST_PATTERNS);
        if left_out > 0 || patterns.incomplete {
            notices.push("Some rare patterns are left out: ask with fewer labels.".to_owned());
        }
        shown.truncate(MOST_PATTERNS);
        let shown = shown.into_iter().map(|((start, name, end), count)| pb::Pattern {
            start: start.clone(),
            r#type: name.clone(),
            end: end.clone(),
            count: *count,
            properties: of_types
                .get(name.as_str())
                .map(|properties| self.properties(name, true, properties.clone()))
                .unwrap_or_default(),
        });
        shown.collect()
    }

    /// Says that labels or types have no index of their own, which makes each look-up go through all nodes or relationships.
    fn missing_lookup(&self) -> Option<String> {
        let has = |of_relationships: bool| {
            self.indexes
                .iter()
                .any(|index| index.kind == IndexKind::Lookup && index.of_relationships == of_relationships)
        };
        let what = match (has(false), has(true)) {
            (true, true) => return None,
            (false, true) => "labels",
            (true, false) => "relationship types",
            (false, false) => "labels and relationship types",
        };
        Some(format!(
            "There is no lookup index on {what}: queries that begin with one go through the whole graph."
        ))
    }
}

/// The relationship types of patterns, the most frequent first.
fn types_of(patterns: &Patterns) -> Vec<&str> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for ((_, name, _), count) in &patterns.counts {
        *counts.entry(name).or_default() += count.unwrap_or_default();
    }
    let mut names: Vec<_> = counts.into_iter().collect();
    names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    names.into_iter().map(|(name, _)| name).collect()
}

fn shown_constraint(constraint: &Constraint) -> pb::Constraint {
    pb::Constraint {
        name: constraint.name.clone(),
        r#type: constraint.r#type.clone(),
        on: constraint.on.clone(),
        properties: constraint.properties.clone(),
    }
}

fn shown_index(index: &Index) -> pb::Index {
    pb::Index {
        name: index.name.clone(),
        r#type: index.kind.name().to_owned(),
        on: index.on.clone(),
        properties: index.properties.clone(),
        state: if index.is_online() {
            String::new()
        } else {
            index.state.clone()
        },
        dimensions: index.dimensions,
        function: index.function.clone(),
    }
}
