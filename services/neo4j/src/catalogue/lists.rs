//! Nodes and relationships as lists, a page at a time.

use std::time::{Duration, Instant};

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::answer::Caps;
use mcp_hub_chassis::arguments::{Bounds, given};
use mcp_hub_chassis::cursor::Statement;
use mcp_hub_chassis::progress::Counter;
use mcp_hub_proto::data::v1::ResultSet;
use mcp_hub_proto::neo4j::v1 as pb;

use super::{quoted, timeout, unknown_label};
use crate::database::{Database, Shown};
use crate::query::Page;

const NODES: Bounds = Bounds {
    field: "limit",
    default: 100,
    maximum: 10_000,
};

const RELATIONSHIPS: Bounds = Bounds { default: 50, ..NODES };

/// Lists nodes, all or those with a label, in the order in which the server keeps them.
///
/// # Errors
/// `OBJECT_NOT_FOUND` for a label that no node has, wrong arguments, the server's error, time-outs.
pub(crate) async fn list_nodes(
    database: &Database,
    request: &pb::ListNodesRequest,
    remaining: Option<Duration>,
) -> Result<pb::ListNodesResponse, Fault> {
    let label = given(request.label.as_deref());
    let cypher = match label {
        Some(label) => format!("MATCH (node:{}) RETURN node", quoted(label)),
        None => "MATCH (node) RETURN node".to_owned(),
    };
    let list = List {
        cypher: &cypher,
        label,
        bounds: NODES,
        limit: request.limit,
        cursor: request.cursor.as_deref(),
        database: request.database.as_deref(),
    };
    let result = list.page(database, remaining).await?;
    Ok(pb::ListNodesResponse { result: Some(result) })
}

/// Lists relationships with the nodes at both ends: all, or those of nodes with a label, in either direction.
///
/// # Errors
/// As [`list_nodes`].
pub(crate) async fn get_relationships(
    database: &Database,
    request: &pb::GetRelationshipsRequest,
    remaining: Option<Duration>,
) -> Result<pb::GetRelationshipsResponse, Fault> {
    let label = given(request.node_label.as_deref());
    let cypher = match label {
        Some(label) => {
            // Two patterns, each of which begins at the label: one pattern with OR would go through the whole graph.
            let label = quoted(label);
            format!(
                "MATCH (`start`:{label})-[relationship]->(`end`) RETURN `start`, relationship, `end` \
                 UNION ALL \
                 MATCH (`start`)-[relationship]->(`end`:{label}) WHERE NOT `start`:{label} RETURN `start`, relationship, `end`"
            )
        }
        None => "MATCH (`start`)-[relationship]->(`end`) RETURN `start`, relationship, `end`".to_owned(),
    };
    let list = List {
        cypher: &cypher,
        label,
        bounds: RELATIONSHIPS,
        limit: request.limit,
        cursor: request.cursor.as_deref(),
        database: request.database.as_deref(),
    };
    let result = list.page(database, remaining).await?;
    Ok(pb::GetRelationshipsResponse { result: Some(result) })
}

/// What both lists have in common.
struct List<'a> {
    cypher: &'a str,
    label: Option<&'a str>,
    bounds: Bounds,
    limit: Option<u32>,
    cursor: Option<&'a str>,
    database: Option<&'a str>,
}

impl List<'_> {
    async fn page(&self, database: &Database, remaining: Option<Duration>) -> Result<ResultSet, Fault> {
        let begun = Instant::now();
        let mut notices = Vec::new();
        let limit = self.bounds.apply(self.limit, &mut notices)?;
        let name = self.database.unwrap_or_default();
        let statement = Statement::of([self.cypher.as_bytes(), name.as_bytes()]);
        let page = Page {
            shown: Shown::ours("MATCH"),
            cypher: self.cypher,
            params: vec![],
            delivered: statement.delivered(self.cursor)?,
            caps: Caps::rows(limit),
            counter: Counter::default(),
        };
        let mut transaction = database.read(self.database, timeout(remaining)).await?;
        let mut table = transaction.page(&page).await?;
        for notice in notices {
            table.notice(notice);
        }
        let result = table.finish(begun.elapsed(), |rows| {
            Some(statement.cursor(page.delivered + rows as u64))
        });
        if let (Some(label), true, 0) = (self.label, result.rows.is_empty(), page.delivered) {
            let cypher = "CALL db.labels() YIELD label RETURN collect(label)";
            let labels: Vec<String> = transaction
                .rows("CALL db.labels", cypher, vec![])
                .await?
                .first()
                .map_or(Ok(vec![]), |row| row.get(0))?;
            if !labels.iter().any(|known| known == label) {
                return Err(unknown_label(label, &labels));
            }
        }
        Ok(result)
    }
}
