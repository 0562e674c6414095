//! What there is at a glance: the schemas, and the tables that most others hang on.

use std::time::Duration;

use mcp_hub_chassis::Fault;

use super::{
    ESTIMATED_ROWS, LISTS_SCHEMA, Listed, MAY_ASK_SCHEMA, RELATIONS, SCHEMATA, Schemas, VERSION,
    check_schema, is_listed, relation_type,
};
use crate::database::Database;

/// How long the glance may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The most schemas of an overview.
const SCHEMAS: u32 = 12;

/// The most tables of an overview.
const TABLES: u32 = 30;

/// What there is at a glance.
#[derive(Debug)]
pub(crate) struct Overview {
    /// The database's name.
    pub(crate) database: String,
    /// The server's version, without its distributor's.
    pub(crate) version: String,
    /// The database's comment.
    pub(crate) comment: String,
    /// The schemas with the most tables.
    pub(crate) schemas: Vec<Schema>,
    /// The tables with the most foreign keys from and to others, then the largest.
    pub(crate) tables: Vec<Related>,
    /// How many tables there are.
    pub(crate) all_tables: u64,
}

/// A schema.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) name: String,
    pub(crate) tables: u64,
    pub(crate) comment: String,
}

/// A table and what it refers to.
#[derive(Debug)]
pub(crate) struct Related {
    pub(crate) table: Listed,
    /// Its foreign keys: "customer -> shop.customers".
    pub(crate) references: Vec<String>,
}

/// Looks at a database, or at one schema of it.
///
/// # Errors
/// `OBJECT_NOT_FOUND` for a schema or a database that is not there, and when the server can't be asked.
pub(crate) async fn overview(
    database: &Database,
    name: Option<&str>,
    schema: Option<&str>,
) -> Result<Overview, Fault> {
    let schemas = Schemas::of(database.config());
    let params = [Some(schemas.allowed.as_str()), Some(&schemas.denied), schema];
    let mut transaction = database.read(name, PATIENCE).await?;
    let mut seen = Overview {
        database: String::new(),
        version: String::new(),
        comment: String::new(),
        schemas: vec![],
        tables: vec![],
        all_tables: 0,
    };
    for row in transaction.rows(SCHEMATA, &schemas_sql(), &params).await? {
        seen.database = row.get(0)?;
        let version: String = row.get(1)?;
        // "15.18 (Debian 15.18-1)"
        version
            .split(' ')
            .next()
            .unwrap_or_default()
            .clone_into(&mut seen.version);
        seen.comment = row.get(2)?;
        // The server comes alone when there is no schema.
        if row.text(3).is_some() {
            seen.schemas.push(Schema {
                name: row.get(3)?,
                tables: row.get(4)?,
                comment: row.get(5)?,
            });
        }
    }
    if let (true, Some(schema)) = (seen.schemas.is_empty(), schema) {
        drop(transaction);
        check_schema(database, name, schema).await?;
        return Ok(seen);
    }
    for row in transaction.rows(RELATIONS, &tables_sql(), &params).await? {
        seen.all_tables = row.get(6)?;
        seen.tables.push(Related {
            table: Listed {
                schema: row.get(0)?,
                name: row.get(1)?,
                kind: relation_type(row.text(2).unwrap_or_default()),
                estimated_rows: row.get(3)?,
                comment: row.get(4)?,
            },
            references: row.get(5)?,
        });
    }
    Ok(seen)
}

fn schemas_sql() -> String {
    let listed = is_listed();
    format!(
        "with schemas as (
           select n.nspname, pg_catalog.obj_description(n.oid, 'pg_namespace') as comment,
                  (select count(*) from pg_catalog.pg_class c where c.relnamespace = n.oid and {listed}) as tables
             from pg_catalog.pg_namespace n
            where {LISTS_SCHEMA})
         select pg_catalog.current_database(), pg_catalog.current_setting('server_version'),
                coalesce(pg_catalog.shobj_description(d.oid, 'pg_database'), ''),
                s.nspname, s.tables,
                -- What each new database has says nothing.
                case when s.comment <> 'standard public schema' then s.comment else '' end
           from pg_catalog.pg_database d
           left join schemas s on s.tables > 0
          where d.datname = pg_catalog.current_database()
          order by s.tables desc, s.nspname
          limit {SCHEMAS}"
    )
}

fn tables_sql() -> String {
    let listed = is_listed();
    let other_may_be_asked = MAY_ASK_SCHEMA.replace("n.nspname", "os.nspname");
    format!(
        "with relations as materialized (
           select c.oid, n.nspname, c.relname, c.relkind, c.reltuples, c.relpages
             from pg_catalog.pg_class c
             join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where {listed}),
         keys as materialized (
           select con.conname, con.conrelid, con.conkey, con.confrelid, os.nspname, o.relname
             from pg_catalog.pg_constraint con
             join relations c on c.oid = con.conrelid
             join pg_catalog.pg_class o on o.oid = con.confrelid
             join pg_catalog.pg_namespace os on os.oid = o.relnamespace
            where con.contype = 'f' and con.conparentid = 0 and {other_may_be_asked}),
         hubs as (
           select e.oid, count(*) as keys
             from (select conrelid as oid from keys union all select confrelid from keys) e
            group by e.oid),
         ranked as (
           select c.*, {ESTIMATED_ROWS} as estimated_rows, coalesce(h.keys, 0) as keys
             from relations c cross join {VERSION} left join hubs h on h.oid = c.oid)
         select r.nspname, r.relname, r.relkind, r.estimated_rows,
                coalesce(pg_catalog.obj_description(r.oid, 'pg_class'), ''),
                array(select pg_catalog.concat(columns.names, ' -> ', k.nspname, '.', k.relname)
                        from keys k
                       cross join lateral (
                         select pg_catalog.string_agg(a.attname, ', ' order by u.ord) as names
                           from pg_catalog.unnest(k.conkey) with ordinality u (num, ord)
                           join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.num) columns
                       where k.conrelid = r.oid
                       order by k.conname),
                (select count(*) from relations)
           from ranked r
          order by r.keys desc, r.estimated_rows desc nulls last, r.nspname, r.relname
          limit {TABLES}"
    )
}
