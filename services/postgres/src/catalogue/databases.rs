//! The databases of the server.

use mcp_hub_chassis::Fault;
use mcp_hub_proto::postgres::v1 as pb;

use super::rows;
use crate::database::Database;
use crate::traced::Shown;

/// A database that the role may not connect to has a size that it may not see.
const SQL: &str = "
    select d.datname, pg_catalog.pg_get_userbyid(d.datdba), pg_catalog.pg_encoding_to_char(d.encoding),
           case when may.connect or pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
                then pg_catalog.pg_database_size(d.oid) end,
           coalesce(pg_catalog.shobj_description(d.oid, 'pg_database'), ''),
           may.connect
      from pg_catalog.pg_database d,
           lateral (select pg_catalog.has_database_privilege(d.oid, 'CONNECT') as connect) may
     where d.datallowconn and not d.datistemplate
     order by d.datname";

/// Lists the databases: which one is asked, and which can be.
///
/// # Errors
/// When the server can't be asked.
pub(crate) async fn list_databases(database: &Database) -> Result<pb::ListDatabasesResponse, Fault> {
    let default = database.default_database()?;
    let mut databases = Vec::new();
    for row in rows(database, None, Shown::ours("SELECT pg_database"), SQL, &[]).await? {
        let name: String = row.get(0)?;
        databases.push(pb::Database {
            connected: name == default,
            queryable: row.get::<bool>(5)? && database.may_ask(&name),
            name,
            owner: row.get(1)?,
            encoding: row.get(2)?,
            size_bytes: row.get(3)?,
            comment: row.get(4)?,
        });
    }
    Ok(pb::ListDatabasesResponse { databases })
}
