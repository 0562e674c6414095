//! Names that the token stores have, at once and without a count.

use std::time::Duration;

use mcp_hub_chassis::Fault;

use super::Kind;
use crate::database::Database;

/// All labels, or all relationship types, of a database, by name.
///
/// # Errors
/// `OBJECT_NOT_FOUND` for a database that may not be asked, the server's.
pub(crate) async fn names(
    database: &Database,
    kind: Kind,
    of: Option<&str>,
    timeout: Duration,
) -> Result<Vec<String>, Fault> {
    let (summary, cypher) = match kind {
        Kind::Label => (
            "CALL db.labels",
            "CALL db.labels() YIELD label AS name RETURN name ORDER BY name",
        ),
        Kind::RelationshipType => (
            "CALL db.relationshipTypes",
            "CALL db.relationshipTypes() YIELD relationshipType AS name RETURN name ORDER BY name",
        ),
    };
    let mut transaction = database.read(of, timeout).await?;
    let rows = transaction.first_rows(summary, cypher, vec![]).await?;
    transaction.rollback().await?;
    let names: Result<_, _> = rows.iter().map(|row| row.get(0)).collect();
    Ok(names?)
}
