//! One table with everything that a query on it needs to know.

use mcp_hub_chassis::arguments::given;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{Fault, arguments};
use mcp_hub_proto::postgres::v1 as pb;
use serde::Deserialize;

use super::{
    ESTIMATED_ROWS, LISTS_SCHEMA, MAY_ASK_SCHEMA, RELATIONS, Schemas, VERSION, relation_type, transaction,
};
use crate::database::{Database, Transaction};
use crate::error::Error;

/// The most tables that a misspelt name is compared with.
const COMPARED: &str = "20000";

/// Describes a table or view.
///
/// # Errors
/// `OBJECT_NOT_FOUND` with `did_you_mean`, and the server's.
pub(crate) async fn describe_table(
    database: &Database,
    request: &pb::DescribeTableRequest,
) -> Result<pb::DescribeTableResponse, Fault> {
    // Not trimmed: a name may begin with a space.
    let table = request.table_name.as_str();
    if table.is_empty() {
        return Err(Fault::argument("table_name", "table_name is empty"));
    }
    let name = given(request.database.as_deref());
    describe(database, name, given(request.schema.as_deref()), table).await
}

/// Describes a table or view of the database `name`.
///
/// # Errors
/// As [`describe_table`].
pub(crate) async fn describe(
    database: &Database,
    name: Option<&str>,
    schema: Option<&str>,
    table: &str,
) -> Result<pb::DescribeTableResponse, Fault> {
    let schemas = Schemas::of(database.config());
    let params = [
        Some(schemas.allowed.as_str()),
        Some(&schemas.denied),
        schema,
        Some(table),
    ];
    let mut transaction = transaction(database, name).await?;
    let found = transaction.rows(RELATIONS, &sql(), &params).await?;
    match found.as_slice() {
        [only] => {
            let document = only.text(0).unwrap_or_default();
            let described: Result<Described, _> = serde_json::from_str(document);
            described.map(Into::into).map_err(|error| Fault::internal(&error))
        }
        [] => Err(not_found(&mut transaction, &schemas, schema, table).await?),
        several => {
            let names: Vec<&str> = several.iter().filter_map(|row| row.text(1)).collect();
            let message = format!("there are several tables \"{table}\": say which schema");
            Err(Fault::new(Reason::ObjectNotFound, message).with("did_you_mean", names.join(",")))
        }
    }
}

/// The statement that finds the table and describes it. Of all that the name may mean, only the best kind counts: the name in the given
/// schema, or on the search path, or as `schema.name`, or anywhere, or written with SQL's quotes.
fn sql() -> String {
    let other_may_be_asked = MAY_ASK_SCHEMA.replace("n.nspname", "os.nspname");
    format!(
        "with candidates as (
           select c.oid, n.nspname,
                  case when c.relname = $4::text and ($3::text is not null or pg_catalog.pg_table_is_visible(c.oid)) then 1
                       when n.nspname || '.' || c.relname = $4::text then 2
                       when c.relname = $4::text then 3
                       when pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) = $4::text
                         or pg_catalog.quote_ident(c.relname) = $4::text
                         or '\"' || c.relname || '\"' = $4::text then 4
                  end as rank
             from pg_catalog.pg_class c
             join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p', 'v', 'm', 'f')
              and {MAY_ASK_SCHEMA} and ($3::text is null or n.nspname = $3::text))
         select pg_catalog.json_build_object(
           'schema', n.nspname, 'name', c.relname, 'kind', c.relkind,
           'comment', pg_catalog.obj_description(c.oid, 'pg_class'),
           'estimated_rows', {ESTIMATED_ROWS},
           'columns', {COLUMNS},
           'primary_key', (
             select pg_catalog.json_agg(a.attname order by k.ord)
               from pg_catalog.pg_constraint con,
                    pg_catalog.unnest(con.conkey) with ordinality k (num, ord),
                    pg_catalog.pg_attribute a
              where con.conrelid = c.oid and con.contype = 'p' and a.attrelid = c.oid and a.attnum = k.num),
           'foreign_keys', (
             select pg_catalog.json_agg({FOREIGN_KEY} order by con.conname)
               from pg_catalog.pg_constraint con
               join pg_catalog.pg_class o on o.oid = con.confrelid
               join pg_catalog.pg_namespace os on os.oid = o.relnamespace
              where con.conrelid = c.oid and con.contype = 'f'
                -- A key to a partitioned table has a shadow for each partition.
                and not exists (select from pg_catalog.pg_constraint p
                                 where p.oid = con.conparentid and p.conrelid = con.conrelid)),
           'referenced_by', (
             select pg_catalog.json_agg({FOREIGN_KEY} order by os.nspname, o.relname, con.conname)
               from pg_catalog.pg_constraint con
               join pg_catalog.pg_class o on o.oid = con.conrelid
               join pg_catalog.pg_namespace os on os.oid = o.relnamespace
              where con.confrelid = c.oid and con.contype = 'f' and con.conparentid = 0
                and {other_may_be_asked}),
           'indexes', (
             select pg_catalog.json_agg(pg_catalog.json_build_object(
                      'name', i.relname, 'definition', pg_catalog.pg_get_indexdef(x.indexrelid),
                      'unique', x.indisunique, 'invalid', not (x.indisvalid and x.indisready)) order by i.relname)
               from pg_catalog.pg_index x
               join pg_catalog.pg_class i on i.oid = x.indexrelid
              where x.indrelid = c.oid and not x.indisprimary),
           'checks', (
             select pg_catalog.json_agg(pg_catalog.pg_get_constraintdef(con.oid, true) order by con.conname)
               from pg_catalog.pg_constraint con
              where con.conrelid = c.oid and con.contype = 'c'),
           'definition', case when c.relkind in ('v', 'm') then pg_catalog.pg_get_viewdef(c.oid, true) end,
           'partition_key', case when c.relkind = 'p' then pg_catalog.pg_get_partkeydef(c.oid) end,
           'partitions', case when c.relkind = 'p'
                              then (select count(*) from pg_catalog.pg_inherits h where h.inhparent = c.oid) end),
           pg_catalog.concat(n.nspname, '.', c.relname)
           from candidates best
           join pg_catalog.pg_class c on c.oid = best.oid
           join pg_catalog.pg_namespace n on n.oid = c.relnamespace
          cross join {VERSION}
          where best.rank = (select min(rank) from candidates)
          order by n.nspname
          limit 10"
    )
}

/// The columns of `c`. A domain's NOT NULL counts like the column's; a view's columns tell nothing about NULL.
const COLUMNS: &str = "(
    select pg_catalog.json_agg(pg_catalog.json_build_object(
             'name', a.attname,
             'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
             'nullable', case when c.relkind not in ('v', 'm') then not (a.attnotnull or t.typnotnull) end,
             'default', pg_catalog.pg_get_expr(d.adbin, d.adrelid, true),
             'generated', case when a.attidentity = 'a' then 'always' when a.attidentity = 'd' then 'by default'
                               when a.attgenerated = 's' then 'stored' when a.attgenerated = 'v' then 'virtual' end,
             'enum_values', (select pg_catalog.json_agg(e.enumlabel order by e.enumsortorder) from pg_catalog.pg_enum e
                              where e.enumtypid in (t.oid, t.typbasetype, t.typelem)),
             'comment', pg_catalog.col_description(c.oid, a.attnum)) order by a.attnum)
      from pg_catalog.pg_attribute a
      join pg_catalog.pg_type t on t.oid = a.atttypid
      left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)";

/// Foreign key `con`, whose other table is `o` in schema `os`.
const FOREIGN_KEY: &str = "pg_catalog.json_build_object(
    'name', con.conname,
    'table', pg_catalog.concat(os.nspname, '.', o.relname),
    'columns', (select pg_catalog.json_agg(a.attname order by k.ord)
                  from pg_catalog.unnest(con.conkey) with ordinality k (num, ord)
                  join pg_catalog.pg_attribute a on a.attrelid = con.conrelid and a.attnum = k.num),
    'referenced_columns', (select pg_catalog.json_agg(a.attname order by k.ord)
                             from pg_catalog.unnest(con.confkey) with ordinality k (num, ord)
                             join pg_catalog.pg_attribute a on a.attrelid = con.confrelid and a.attnum = k.num),
    'on_delete', case con.confdeltype when 'c' then 'cascade' when 'r' then 'restrict' when 'n' then 'set null'
                                      when 'd' then 'set default' end)";

async fn not_found(
    transaction: &mut Transaction,
    schemas: &Schemas,
    schema: Option<&str>,
    table: &str,
) -> Result<Fault, Error> {
    let sql = format!(
        "select n.nspname, c.relname, pg_catalog.pg_table_is_visible(c.oid)
           from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
          where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition and {LISTS_SCHEMA}
          order by pg_catalog.pg_table_is_visible(c.oid) desc, n.nspname, c.relname
          limit $4::bigint"
    );
    // In all schemas: the schema may be what is wrong.
    let params = [
        Some(schemas.allowed.as_str()),
        Some(&schemas.denied),
        None,
        Some(COMPARED),
    ];
    let rows = transaction.rows(RELATIONS, &sql, &params).await?;
    let mut tables: Vec<(&str, &str, bool)> = Vec::with_capacity(rows.len());
    for row in &rows {
        tables.push((
            row.text(0).unwrap_or_default(),
            row.text(1).unwrap_or_default(),
            row.get(2)?,
        ));
    }
    let wanted = table.rsplit('.').next().unwrap_or(table).trim_matches('"');
    let similar: Vec<String> = arguments::similar(wanted, tables.iter().map(|(_, name, _)| *name))
        .into_iter()
        .flat_map(|similar| tables.iter().filter(move |(_, name, _)| *name == similar))
        .map(|(schema, name, visible)| {
            if *visible {
                (*name).to_owned()
            } else {
                format!("{schema}.{name}")
            }
        })
        .take(5)
        .collect();
    let place = schema
        .map(|schema| format!(" in schema \"{schema}\""))
        .unwrap_or_default();
    let message = format!("there is no table or view \"{table}\"{place}");
    Ok(Fault::new(Reason::ObjectNotFound, message).with("did_you_mean", similar.join(",")))
}

/// The document that the server makes.
#[derive(Deserialize)]
struct Described {
    schema: String,
    name: String,
    kind: String,
    comment: Option<String>,
    estimated_rows: Option<u64>,
    columns: Option<Vec<Column>>,
    primary_key: Option<Vec<String>>,
    foreign_keys: Option<Vec<ForeignKey>>,
    referenced_by: Option<Vec<ForeignKey>>,
    indexes: Option<Vec<Index>>,
    checks: Option<Vec<String>>,
    definition: Option<String>,
    partition_key: Option<String>,
    partitions: Option<u32>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    r#type: String,
    nullable: Option<bool>,
    default: Option<String>,
    generated: Option<String>,
    enum_values: Option<Vec<String>>,
    comment: Option<String>,
}

#[derive(Deserialize)]
struct ForeignKey {
    name: String,
    table: String,
    columns: Vec<String>,
    referenced_columns: Vec<String>,
    on_delete: Option<String>,
}

#[derive(Deserialize)]
struct Index {
    name: String,
    definition: String,
    unique: bool,
    invalid: bool,
}

impl From<Described> for pb::DescribeTableResponse {
    fn from(described: Described) -> Self {
        let all = |items: Option<Vec<ForeignKey>>| items.into_iter().flatten().map(Into::into).collect();
        Self {
            schema: described.schema,
            name: described.name,
            r#type: relation_type(&described.kind).to_owned(),
            comment: described.comment.unwrap_or_default(),
            estimated_rows: described.estimated_rows,
            columns: described.columns.into_iter().flatten().map(Into::into).collect(),
            primary_key: described.primary_key.unwrap_or_default(),
            foreign_keys: all(described.foreign_keys),
            referenced_by: all(described.referenced_by),
            indexes: described.indexes.into_iter().flatten().map(Into::into).collect(),
            checks: described.checks.unwrap_or_default(),
            definition: described.definition.unwrap_or_default(),
            partition_key: described.partition_key.unwrap_or_default(),
            partitions: described.partitions,
        }
    }
}

impl From<Column> for pb::TableColumn {
    fn from(column: Column) -> Self {
        Self {
            name: column.name,
            r#type: column.r#type,
            nullable: column.nullable,
            default: column.default.unwrap_or_default(),
            generated: column.generated.unwrap_or_default(),
            enum_values: column.enum_values.unwrap_or_default(),
            comment: column.comment.unwrap_or_default(),
        }
    }
}

impl From<ForeignKey> for pb::ForeignKey {
    fn from(key: ForeignKey) -> Self {
        Self {
            name: key.name,
            columns: key.columns,
            table: key.table,
            referenced_columns: key.referenced_columns,
            on_delete: key.on_delete.unwrap_or_default(),
        }
    }
}

impl From<Index> for pb::Index {
    fn from(index: Index) -> Self {
        Self {
            name: index.name,
            definition: index.definition,
            unique: index.unique,
            invalid: index.invalid,
        }
    }
}
