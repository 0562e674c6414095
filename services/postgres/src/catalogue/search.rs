//! Objects of all kinds by a part of their name or comment.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::{Bounds, given};
use mcp_hub_proto::postgres::v1 as pb;

use super::{LISTS_SCHEMA, OF_EXTENSION, RELATIONS, Schemas, check_schema, matches, rows};
use crate::database::Database;
use crate::row::text_array;

const LIMIT: Bounds = Bounds {
    field: "limit",
    default: 50,
    maximum: 1000,
};

/// Finds objects: those with exactly that name first, then those whose name begins with it, contains it, and last those whose comment does.
///
/// # Errors
/// `ARGUMENT_INVALID` without a pattern, `OBJECT_NOT_FOUND` for a schema that is not there, and the server's.
pub(crate) async fn search_objects(
    database: &Database,
    request: &pb::SearchObjectsRequest,
) -> Result<pb::SearchObjectsResponse, Fault> {
    let mut notices = Vec::new();
    let limit = LIMIT.apply(request.limit, &mut notices)?;
    let pattern = request.pattern.trim();
    if pattern.is_empty() {
        return Err(Fault::argument(
            "pattern",
            "pattern is empty: give a part of a name, or % for all",
        ));
    }
    let (name, schema) = (
        given(request.database.as_deref()),
        given(request.schema.as_deref()),
    );
    let kinds: Vec<String> = if request.kinds.is_empty() {
        (1..=pb::ObjectKind::Extension as i32)
            .map(|kind| kind.to_string())
            .collect()
    } else {
        request.kinds.iter().map(i32::to_string).collect()
    };
    let kinds = text_array(kinds.iter().map(String::as_str));
    let schemas = Schemas::of(database.config());
    let wanted = (limit + 1).to_string();
    let params = [
        Some(schemas.allowed.as_str()),
        Some(&schemas.denied),
        schema,
        Some(pattern),
        Some(&kinds),
        Some(&wanted),
    ];
    let rows = rows(database, name, RELATIONS, &sql(), &params).await?;
    if let (true, Some(schema)) = (rows.is_empty(), schema) {
        check_schema(database, name, schema).await?;
    }
    let mut objects = Vec::with_capacity(rows.len());
    for row in &rows {
        objects.push(pb::Object {
            kind: row.get(0)?,
            schema: row.get(1)?,
            name: row.get(2)?,
            table: row.get(3)?,
            detail: row.get(4)?,
            comment: row.get(5)?,
        });
    }
    let more = objects.len() > limit as usize;
    objects.truncate(limit as usize);
    Ok(pb::SearchObjectsResponse {
        objects,
        more,
        notices,
    })
}

/// One branch per kind, each skipped by its constant condition when the kind is not wanted. Details are made only for what is returned.
fn sql() -> String {
    let (name, comment) = (matches("o.name"), matches("o.comment"));
    let readable = "pg_catalog.has_any_column_privilege(c.oid, 'SELECT')";
    let table = "c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition";
    let of_extension = |class: &str, oid: &str| {
        OF_EXTENSION
            .replace("pg_catalog.pg_class", &format!("pg_catalog.{class}"))
            .replace("c.oid", oid)
    };
    let (function_of_extension, type_of_extension) =
        (of_extension("pg_proc", "p.oid"), of_extension("pg_type", "t.oid"));
    format!(
        "with objects as (
           select 1 as kind, n.nspname as schema, n.nspname::text as name, ''::text as parent, n.oid, 0 as sub,
                  pg_catalog.obj_description(n.oid, 'pg_namespace') as comment
             from pg_catalog.pg_namespace n
            where '1' = any ($5::text[]) and {LISTS_SCHEMA}
           union all
           select case when c.relkind in ('v', 'm') then 3 else 2 end, n.nspname, c.relname, '', c.oid, 0,
                  pg_catalog.obj_description(c.oid, 'pg_class')
             from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where case when c.relkind in ('v', 'm') then '3' else '2' end = any ($5::text[])
              and {table} and {LISTS_SCHEMA} and {readable} and not {OF_EXTENSION}
           union all
           select 4, n.nspname, a.attname, c.relname, c.oid, a.attnum, d.description
             from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
             left join pg_catalog.pg_description d on d.objoid = c.oid and d.objsubid = a.attnum
                                                  and d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
            where '4' = any ($5::text[]) and {table} and {LISTS_SCHEMA} and {readable} and not {OF_EXTENSION}
           union all
           select 5, n.nspname, p.proname, '', p.oid, 0, pg_catalog.obj_description(p.oid, 'pg_proc')
             from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
            where '5' = any ($5::text[]) and {LISTS_SCHEMA} and pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
              and not {function_of_extension}
           union all
           select 6, n.nspname, i.relname, c.relname, i.oid, 0, pg_catalog.obj_description(i.oid, 'pg_class')
             from pg_catalog.pg_index x
             join pg_catalog.pg_class i on i.oid = x.indexrelid and not i.relispartition
             join pg_catalog.pg_class c on c.oid = x.indrelid
             join pg_catalog.pg_namespace n on n.oid = i.relnamespace
            where '6' = any ($5::text[]) and {table} and {LISTS_SCHEMA} and {readable} and not {OF_EXTENSION}
           union all
           select 7, n.nspname, t.typname, '', t.oid, 0, pg_catalog.obj_description(t.oid, 'pg_type')
             from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
             left join pg_catalog.pg_class c on c.oid = t.typrelid
            where '7' = any ($5::text[]) and (t.typtype in ('e', 'd', 'r') or t.typtype = 'c' and c.relkind = 'c')
              and {LISTS_SCHEMA} and not {type_of_extension}
           union all
           select 8, n.nspname, c.relname, '', c.oid, 0, pg_catalog.obj_description(c.oid, 'pg_class')
             from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where '8' = any ($5::text[]) and c.relkind = 'S' and {LISTS_SCHEMA}
              -- The function fails on what is no sequence, and conditions are tried in any order.
              and case when c.relkind = 'S' then pg_catalog.has_sequence_privilege(c.oid, 'SELECT, USAGE') end
              and not {OF_EXTENSION}
           union all
           select 9, n.nspname, g.tgname, c.relname, g.oid, 0, pg_catalog.obj_description(g.oid, 'pg_trigger')
             from pg_catalog.pg_trigger g join pg_catalog.pg_class c on c.oid = g.tgrelid
             join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where '9' = any ($5::text[]) and not g.tgisinternal and not c.relispartition
              and {LISTS_SCHEMA} and {readable} and not {OF_EXTENSION}
           union all
           select 10, '', e.extname, '', e.oid, 0, pg_catalog.obj_description(e.oid, 'pg_extension')
             from pg_catalog.pg_extension e
            where '10' = any ($5::text[]) and $3::text is null),
         found as (
           select *, case when pg_catalog.lower(o.name collate \"default\") = pg_catalog.lower($4::text) then 0
                          when pg_catalog.starts_with(pg_catalog.lower(o.name collate \"default\"), pg_catalog.lower($4::text)) then 1
                          when {name} then 2
                          else 3 end as rank
             from objects o
            where {name} or {comment}
            order by rank, kind, schema, name, parent, oid
            limit $6::bigint)
         select kind, case when kind in (1, 10) then '' else schema end, name, parent,
                coalesce(case kind
                  when 4 then (select pg_catalog.format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_attribute a
                                where a.attrelid = f.oid and a.attnum = f.sub)
                  when 5 then pg_catalog.concat('(', pg_catalog.pg_get_function_arguments(f.oid), ')',
                                                ' -> ' || pg_catalog.pg_get_function_result(f.oid))
                  when 6 then pg_catalog.pg_get_indexdef(f.oid)
                  when 7 then (select case t.typtype
                                 when 'e' then (select pg_catalog.concat('enum: ', pg_catalog.string_agg(l.enumlabel, ', ' order by l.enumsortorder))
                                                  from pg_catalog.pg_enum l where l.enumtypid = t.oid)
                                 when 'd' then 'domain over ' || pg_catalog.format_type(t.typbasetype, t.typtypmod)
                                 when 'r' then 'range'
                                 else 'composite' end
                                 from pg_catalog.pg_type t where t.oid = f.oid)
                  when 9 then pg_catalog.pg_get_triggerdef(f.oid, true)
                  when 10 then (select e.extversion from pg_catalog.pg_extension e where e.oid = f.oid)
                end, ''),
                coalesce(f.comment, '')
           from found f
          order by rank, kind, schema, name, parent, oid"
    )
}
