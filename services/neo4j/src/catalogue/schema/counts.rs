//! How many there are: from the count store, never by going through the graph.

use std::collections::BTreeMap;

use crate::catalogue::quoted;
use crate::database::Transaction;
use crate::error::Error;

/// Names of labels or types that are counted one by one where the server does not tell all counts at once: each takes some
/// milliseconds to plan.
const MOST_COUNTED: usize = 300;

/// How many of them go into one statement.
const COUNTED_TOGETHER: usize = 100;

/// What the count store knows.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) nodes: u64,
    pub(super) relationships: u64,
    /// Nodes by label.
    pub(super) labels: BTreeMap<String, Option<u64>>,
    /// Relationships by type.
    pub(super) types: BTreeMap<String, Option<u64>>,
    /// Relationships by type and by label of their ends; `None` where this user is not told.
    pub(super) ends: Option<Ends>,
}

/// Relationships by type, then by a label of the node that they start or end at.
#[derive(Debug, Default)]
pub(super) struct Ends {
    pub(super) starts: BTreeMap<String, BTreeMap<String, u64>>,
    pub(super) ends: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Counts {
    /// Reads the counts.
    pub(super) async fn read(transaction: &mut Transaction) -> Result<Self, Error> {
        // With rights management this is for administrators; a statement that fails would end the transaction, so ask first.
        let cypher = "SHOW PROCEDURES EXECUTABLE YIELD name WHERE name = 'db.stats.retrieve' RETURN name";
        if transaction
            .first_rows("SHOW PROCEDURES", cypher, vec![])
            .await?
            .is_empty()
        {
            Self::one_by_one(transaction).await
        } else {
            Self::all_at_once(transaction).await
        }
    }

    async fn all_at_once(transaction: &mut Transaction) -> Result<Self, Error> {
        let cypher = "CALL db.stats.retrieve('GRAPH COUNTS') YIELD data \
                      UNWIND [n IN data.nodes | ['nodes', n.label, null, null, n.count]] \
                           + [r IN data.relationships | ['relationships', r.relationshipType, r.startLabel, r.endLabel, r.count]] AS x \
                      WITH x WHERE x[4] > 0 \
                      RETURN x[0] AS of, x[1] AS name, x[2] AS `start`, x[3] AS `end`, x[4] AS count";
        let mut counts = Self::default();
        let mut ends = Ends::default();
        for row in transaction.rows("CALL db.stats.retrieve", cypher, vec![]).await? {
            let count: u64 = row.get(4)?;
            match (row.text(0), row.text(1), row.text(2), row.text(3)) {
                (Some("nodes"), None, ..) => counts.nodes = count,
                (Some("nodes"), Some(label), ..) => drop(counts.labels.insert(label.to_owned(), Some(count))),
                (_, None, None, None) => counts.relationships = count,
                (_, Some(name), None, None) => drop(counts.types.insert(name.to_owned(), Some(count))),
                (_, Some(name), Some(label), None) => count_end(&mut ends.starts, name, label, count),
                (_, Some(name), None, Some(label)) => count_end(&mut ends.ends, name, label, count),
                _ => {}
            }
        }
        counts.ends = Some(ends);
        Ok(counts)
    }

    async fn one_by_one(transaction: &mut Transaction) -> Result<Self, Error> {
        let cypher = "CALL { CALL db.labels() YIELD label RETURN collect(label) AS labels } \
                      CALL { CALL db.relationshipTypes() YIELD relationshipType RETURN collect(relationshipType) AS types } \
                      RETURN labels, types, COUNT { () } AS nodes, COUNT { ()-->() } AS relationships";
        let rows = transaction
            .rows("CALL db.labels db.relationshipTypes", cypher, vec![])
            .await?;
        let Some(row) = rows.first() else {
            return Err(Error::Protocol("no counts"));
        };
        let (labels, types): (Vec<String>, Vec<String>) = (row.get(0)?, row.get(1)?);
        let labels = count(transaction, labels, |label| format!("(:{})", quoted(label))).await?;
        let types = count(transaction, types, |name| format!("()-[:{}]->()", quoted(name))).await?;
        Ok(Self {
            nodes: row.get(2)?,
            relationships: row.get(3)?,
            labels,
            types,
            ends: None,
        })
    }

    /// The same of one relationship type alone.
    pub(super) fn of_type(&self, name: &str) -> Self {
        let only = |counts: &BTreeMap<String, BTreeMap<String, u64>>| {
            let found = counts.get(name).map(|labels| (name.to_owned(), labels.clone()));
            found.into_iter().collect()
        };
        Self {
            types: self
                .types
                .get(name)
                .map(|count| (name.to_owned(), *count))
                .into_iter()
                .collect(),
            ends: self.ends.as_ref().map(|ends| Ends {
                starts: only(&ends.starts),
                ends: only(&ends.ends),
            }),
            ..Self::default()
        }
    }

    /// The labels, the most frequent first.
    pub(super) fn by_frequency(&self) -> Vec<(&str, Option<u64>)> {
        by_frequency(&self.labels)
    }
}

/// Names with their counts, the most frequent first.
pub(super) fn by_frequency(counts: &BTreeMap<String, Option<u64>>) -> Vec<(&str, Option<u64>)> {
    let mut names: Vec<_> = counts
        .iter()
        .map(|(name, count)| (name.as_str(), *count))
        .collect();
    names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    names
}

fn count_end(ends: &mut BTreeMap<String, BTreeMap<String, u64>>, name: &str, label: &str, count: u64) {
    ends.entry(name.to_owned())
        .or_default()
        .insert(label.to_owned(), count);
}

/// Counts patterns that the count store answers.
async fn count(
    transaction: &mut Transaction,
    names: Vec<String>,
    pattern: fn(&str) -> String,
) -> Result<BTreeMap<String, Option<u64>>, Error> {
    let mut counts = BTreeMap::new();
    let counted = &names[..names.len().min(MOST_COUNTED)];
    for names in counted.chunks(COUNTED_TOGETHER) {
        let parts: Vec<String> = names
            .iter()
            .map(|name| format!("COUNT {{ {} }}", pattern(name)))
            .collect();
        let cypher = format!("RETURN [{}]", parts.join(", "));
        let rows = transaction.rows("RETURN", &cypher, vec![]).await?;
        let found: Vec<u64> = rows.first().map_or(Ok(vec![]), |row| row.get(0))?;
        counts.extend(names.iter().cloned().zip(found.into_iter().map(Some)));
    }
    counts.retain(|_, count| *count != Some(0));
    counts.extend(names.into_iter().skip(MOST_COUNTED).map(|name| (name, None)));
    Ok(counts)
}
