//! What a server says at the end of a statement.

use std::collections::HashSet;

use crate::wire::packstream::{Entries, Packed};

/// How many sentences of the server's are passed on, and how long one may be.
const NOTICES: usize = 20;
const NOTICE_CHARACTERS: usize = 500;

/// What a statement may do, as the server judges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryType {
    /// It only reads.
    Read,
    /// It reads and writes.
    ReadWrite,
    /// It only writes.
    Write,
    /// It changes the schema or the system.
    Schema,
}

/// The end of a statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// What the statement may do; `None` when the server did not say.
    pub query_type: Option<QueryType>,
    /// The plan of `EXPLAIN`, or the profile of `PROFILE`: `operatorType`, `args`, `identifiers`, `children`, and in a profile
    /// `dbHits`, `rows`, `time`.
    pub plan: Option<Packed>,
    /// What the server has to say about the statement, each a sentence.
    pub notices: Vec<String>,
    /// The database that it ran on.
    pub database: Option<String>,
    counters: Entries,
}

impl Summary {
    /// Reads the metadata of the last answer to a statement.
    pub(crate) fn read(metadata: Entries) -> Self {
        let mut summary = Self::default();
        for (key, value) in metadata {
            match (key.as_str(), value) {
                ("type", Packed::Text(text)) => summary.query_type = query_type(&text),
                ("plan" | "profile", plan @ Packed::Map(_)) => summary.plan = Some(plan),
                ("stats", Packed::Map(counters)) => summary.counters = counters,
                ("db", Packed::Text(name)) => summary.database = Some(name),
                ("notifications" | "statuses", Packed::List(items)) => {
                    // One for each place, in the same words.
                    let mut seen = HashSet::new();
                    let new = items
                        .iter()
                        .filter_map(notice)
                        .filter(|text| seen.insert(text.clone()));
                    summary.notices = new.take(NOTICES).collect();
                }
                _ => {}
            }
        }
        summary
    }

    /// A counter by the server's name of it, such as `nodes-created`; 0 for one that it did not mention.
    pub fn counter(&self, name: &str) -> u32 {
        let counter = self.counters.iter().find(|(key, _)| key == name);
        let value = counter.and_then(|(_, value)| value.as_int()).unwrap_or_default();
        u32::try_from(value).unwrap_or_default()
    }
}

fn query_type(text: &str) -> Option<QueryType> {
    Some(match text {
        "r" => QueryType::Read,
        "rw" => QueryType::ReadWrite,
        "w" => QueryType::Write,
        "s" => QueryType::Schema,
        _ => return None,
    })
}

/// A notification as a sentence; `None` for a status that only says how it went.
fn notice(item: &Packed) -> Option<String> {
    // From version 5.6 on they come among the statuses of the GQL standard, and only they have a code of Neo4j's.
    item.get("neo4j_code").or(item.get("code"))?;
    let description = item.get("description").and_then(Packed::as_str)?;
    let text: String = description.chars().take(NOTICE_CHARACTERS).collect();
    Some(format!("the server said: {text}"))
}
