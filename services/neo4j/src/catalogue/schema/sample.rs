//! What only nodes and relationships themselves tell, from a few of each: their properties, and which labels they connect where the
//! counts leave it open.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::quoted;
use crate::database::Transaction;
use crate::error::Error;

/// Nodes of a label, or relationships of a type, whose properties are looked at.
pub(super) const PROPERTIES_OF: u64 = 300;

/// Relationships whose ends are looked at.
pub(super) const ENDS_OF: u64 = 1_000;

/// The most properties that are shown of one label or type.
const MOST_PROPERTIES: usize = 60;

/// Properties with their types, the most frequent first.
pub(super) type Properties = Vec<(String, String)>;

/// The properties of labels and of relationship types, in their order.
pub(super) async fn properties(
    transaction: &mut Transaction,
    labels: &[&str],
    types: &[&str],
) -> Result<(Vec<Properties>, Vec<Properties>), Error> {
    let nodes = labels.iter().map(|label| format!("(x:{})", quoted(label)));
    let relationships = types.iter().map(|name| format!("()-[x:{}]->()", quoted(name)));
    let branches: Vec<String> = nodes
        .chain(relationships)
        .enumerate()
        .map(|(item, pattern)| {
            format!(
                "MATCH {pattern} WITH x LIMIT {PROPERTIES_OF} UNWIND keys(x) AS key \
                 RETURN {item} AS item, key, collect(DISTINCT valueType(x[key])) AS types, count(*) AS many"
            )
        })
        .collect();
    let mut found: Vec<Vec<(u64, String, String)>> = vec![vec![]; branches.len()];
    for row in union(transaction, &branches).await? {
        let item: u64 = row.get(0)?;
        let types: Vec<String> = row.get(2)?;
        if let Some(properties) = usize::try_from(item).ok().and_then(|item| found.get_mut(item)) {
            properties.push((row.get(3)?, row.get(1)?, type_name(&types)));
        }
    }
    let mut properties = found.into_iter().map(|mut properties| {
        properties.sort_by(|left, right| right.0.cmp(&left.0).then_with(|| left.1.cmp(&right.1)));
        properties.truncate(MOST_PROPERTIES);
        let named = properties.into_iter().map(|(_, name, r#type)| (name, r#type));
        named.collect()
    });
    let of_labels = properties.by_ref().take(labels.len()).collect();
    Ok((of_labels, properties.collect()))
}

/// Cypher's words for the types of a property, which is never null where it is.
fn type_name(types: &[String]) -> String {
    let names: BTreeSet<String> = types.iter().map(|name| name.replace(" NOT NULL", "")).collect();
    names.into_iter().collect::<Vec<_>>().join(" | ")
}

/// Relationships to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Around {
    /// All of a type.
    Type(String),
    /// Those that start at a label, of a type or of any.
    From(String, Option<String>),
    /// Those that end at a label, of a type or of any.
    To(String, Option<String>),
}

/// What was seen around one place.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// How many relationships by start label, type and end label; no label is the empty one.
    pub(super) patterns: BTreeMap<(String, String, String), u64>,
    /// How many relationships there were.
    pub(super) total: u64,
}

impl Seen {
    /// Whether these were all.
    pub(super) fn is_complete(&self) -> bool {
        self.total < ENDS_OF
    }
}

/// Which labels relationships connect, for each place.
pub(super) async fn ends(transaction: &mut Transaction, places: &[Around]) -> Result<Vec<Seen>, Error> {
    let of_type = |name: &Option<String>| {
        name.as_ref()
            .map_or_else(String::new, |name| format!(":{}", quoted(name)))
    };
    let branches: Vec<String> = places
        .iter()
        .enumerate()
        .map(|(item, place)| {
            let pattern = match place {
                Around::Type(name) => format!("(a)-[r:{}]->(b)", quoted(name)),
                Around::From(label, name) => format!("(a:{})-[r{}]->(b)", quoted(label), of_type(name)),
                Around::To(label, name) => format!("(a)-[r{}]->(b:{})", of_type(name), quoted(label)),
            };
            format!(
                "MATCH {pattern} WITH a, r, b LIMIT {ENDS_OF} \
                 RETURN {item} AS item, type(r) AS type, labels(a) AS starts, labels(b) AS ends, count(*) AS many"
            )
        })
        .collect();
    let mut seen: Vec<Seen> = places.iter().map(|_| Seen::default()).collect();
    for row in union(transaction, &branches).await? {
        let item: u64 = row.get(0)?;
        let Some((place, seen)) = usize::try_from(item)
            .ok()
            .and_then(|item| Some((places.get(item)?, seen.get_mut(item)?)))
        else {
            continue;
        };
        let (mut starts, mut ends): (Vec<String>, Vec<String>) = (row.get(2)?, row.get(3)?);
        // At the label that was asked for, the node's other labels say nothing new.
        match place {
            Around::From(label, _) => starts = vec![label.clone()],
            Around::To(label, _) => ends = vec![label.clone()],
            Around::Type(_) => {}
        }
        for labels in [&mut starts, &mut ends] {
            if labels.is_empty() {
                labels.push(String::new());
            }
        }
        let (name, many): (String, u64) = (row.get(1)?, row.get(4)?);
        seen.total += many;
        for start in &starts {
            for end in &ends {
                let pattern = (start.clone(), name.clone(), end.clone());
                *seen.patterns.entry(pattern).or_default() += many;
            }
        }
    }
    Ok(seen)
}

/// The rows of several statements in one.
async fn union(transaction: &mut Transaction, branches: &[String]) -> Result<Vec<crate::row::Row>, Error> {
    if branches.is_empty() {
        return Ok(vec![]);
    }
    let cypher = branches.join(" UNION ALL ");
    transaction.rows("MATCH", &cypher, vec![]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_in_cypher_s_words() {
        let types = [
            "STRING NOT NULL",
            "LIST<INTEGER NOT NULL> NOT NULL",
            "STRING NOT NULL",
        ];
        assert_eq!(type_name(&types.map(str::to_owned)), "LIST<INTEGER> | STRING");
    }
}
