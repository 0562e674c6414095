//! The catalogue: which databases, tables and other objects there are, and what a table is made of.
//!
//! Each answer is one statement on `pg_catalog`, which every role may read, and works on PostgreSQL 13 to 18. Names are always
//! parameters, never part of the SQL, so any identifier works. What the configuration denies is as if it were not there.

mod databases;
mod describe;
mod names;
mod overview;
mod schemas;
mod search;
mod tables;

pub(crate) use databases::list_databases;
pub(crate) use describe::{describe, describe_table};
pub(crate) use names::{Listed, list_resources, schemas_beginning, tables_beginning};
pub(crate) use overview::{Overview, Related, Schema, overview};
pub(crate) use schemas::{check_read, check_writes};
pub(crate) use search::search_objects;
pub(crate) use tables::list_tables;

use std::time::Duration;

use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{Fault, arguments};

use crate::config::Config;
use crate::database::{Database, Transaction};
use crate::error::Error;
use crate::row::{Row, text_array};
use crate::traced::Shown;

/// The limit of a statement on the catalogue. Thousands of tables take tens of milliseconds; a lock on the catalogue may take longer.
const TIMEOUT: Duration = Duration::from_secs(arguments::TIMEOUT_MS.default as u64 / 1000);

/// What traces show of statements about relations and what belongs to them.
const RELATIONS: Shown<'static> = Shown::ours("SELECT pg_class");

/// The same, about schemas.
const SCHEMATA: Shown<'static> = Shown::ours("SELECT pg_namespace");

/// Runs one statement on the catalogue. The transaction ends in the background.
async fn rows(
    database: &Database,
    name: Option<&str>,
    shown: Shown<'_>,
    sql: &str,
    params: &[Option<&str>],
) -> Result<Vec<Row>, Error> {
    transaction(database, name).await?.rows(shown, sql, params).await
}

/// A transaction for more than one statement.
async fn transaction(database: &Database, name: Option<&str>) -> Result<Transaction, Error> {
    database.read(name, TIMEOUT).await
}

/// The configuration's lists of schemas, as the parameters that [`MAY_ASK_SCHEMA`] wants.
struct Schemas {
    allowed: String,
    denied: String,
}

impl Schemas {
    fn of(config: &Config) -> Self {
        Self {
            allowed: text_array(config.allow_schemas.iter().map(String::as_str)),
            denied: text_array(config.denied_schemas().iter().map(String::as_str)),
        }
    }
}

/// Whether the configuration lets a call ask schema `n`: `$1` are the allowed schemas (all if empty), `$2` the denied ones.
macro_rules! may_ask_schema {
    () => {
        "($1::text[] = '{}' or n.nspname = any ($1::text[])) and n.nspname <> all ($2::text[])"
    };
}

/// Whether the configuration lets a call ask schema `n`.
const MAY_ASK_SCHEMA: &str = may_ask_schema!();

/// Whether a list shows what is in schema `n`: if it may be asked, and is the one that was asked for (`$3`) or, when none was, no system
/// schema and none of `TimescaleDB`'s own.
const LISTS_SCHEMA: &str = concat!(
    "(",
    may_ask_schema!(),
    " and case when $3::text is not null then n.nspname = $3::text
               else n.nspname !~ '^(pg_|_timescaledb_)' and n.nspname <> 'information_schema' end
      and pg_catalog.has_schema_privilege(n.oid, 'USAGE'))"
);

/// Whether `c` belongs to an extension.
const OF_EXTENSION: &str = "exists (select from pg_catalog.pg_depend x
    where x.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and x.objid = c.oid and x.deptype = 'e')";

/// Whether a list shows relation `c` of schema `n`: tables, partitions left out, views and foreign tables that the role may read. Its
/// parameters are those of [`LISTS_SCHEMA`].
fn is_listed() -> String {
    format!(
        "c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition and {LISTS_SCHEMA} and not {OF_EXTENSION}
         and pg_catalog.has_any_column_privilege(c.oid, 'SELECT')"
    )
}

/// The planner's estimate of the rows of relation `c`, or NULL. Before PostgreSQL 14 "never analyzed" and "empty" look alike. A
/// partitioned table is analyzed only on command, so its partitions are added up where it was not.
const ESTIMATED_ROWS: &str = "
    case when c.relkind not in ('r', 'p', 'm', 'f') then null
         when c.reltuples > 0 or c.reltuples = 0 and (c.relpages > 0 or v.num >= 140000) then c.reltuples::bigint
         when c.relkind = 'p' then
             (select sum(leaf.reltuples)::bigint
                from pg_catalog.pg_partition_tree(c.oid) tree join pg_catalog.pg_class leaf on leaf.oid = tree.relid
               where tree.isleaf having min(leaf.reltuples) >= 0)
    end";

/// The version of the server, for [`ESTIMATED_ROWS`].
const VERSION: &str = "(select pg_catalog.current_setting('server_version_num')::int as num) v";

/// Whether a name or comment holds the pattern `$4`, any case, or is like it. A name's own collation knows only ASCII.
fn matches(text: &str) -> String {
    format!(
        "(pg_catalog.strpos(pg_catalog.lower({text} collate \"default\"), pg_catalog.lower($4::text)) > 0
          or {text} collate \"default\" ilike $4::text escape '')"
    )
}

/// What a relation of a kind is called.
fn relation_type(relkind: &str) -> &'static str {
    match relkind {
        "r" => "table",
        "p" => "partitioned table",
        "v" => "view",
        "m" => "materialized view",
        "f" => "foreign table",
        _ => "",
    }
}

/// An estimate in words.
pub(crate) fn about_rows(rows: u64) -> String {
    match rows {
        0 => "no rows".to_owned(),
        1 => "about 1 row".to_owned(),
        rows => format!("about {rows} rows"),
    }
}

/// Says that a schema is not there, or nothing when it is there and just empty.
async fn check_schema(database: &Database, name: Option<&str>, schema: &str) -> Result<(), Fault> {
    let schemas = Schemas::of(database.config());
    let sql = format!(
        "select n.nspname from pg_catalog.pg_namespace n
          where {MAY_ASK_SCHEMA} and pg_catalog.has_schema_privilege(n.oid, 'USAGE')
          order by n.nspname ~ '^pg_', n.nspname"
    );
    let params = [Some(schemas.allowed.as_str()), Some(&schemas.denied)];
    let rows = rows(database, name, SCHEMATA, &sql, &params).await?;
    let names: Vec<&str> = rows.iter().filter_map(|row| row.text(0)).collect();
    if names.contains(&schema) {
        return Ok(());
    }
    let similar = arguments::similar(schema, names.iter().copied());
    let shown = if similar.is_empty() { names } else { similar };
    let message = format!("there is no schema \"{schema}\" that can be asked");
    Err(Fault::new(Reason::ObjectNotFound, message).with(
        "did_you_mean",
        shown.into_iter().take(10).collect::<Vec<_>>().join(","),
    ))
}
