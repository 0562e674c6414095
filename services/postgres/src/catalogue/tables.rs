//! The list of tables, page by page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::{Bounds, given};
use mcp_hub_proto::postgres::v1 as pb;
use sha2::{Digest as _, Sha256};

use super::{
    ESTIMATED_ROWS, LISTS_SCHEMA, OF_EXTENSION, RELATIONS, Schemas, VERSION, check_schema, matches,
    relation_type, rows,
};
use crate::database::Database;

const LIMIT: Bounds = Bounds {
    field: "limit",
    default: 100,
    maximum: 1000,
};

/// Lists tables, views, materialized views and foreign tables.
///
/// # Errors
/// `OBJECT_NOT_FOUND` for a schema that is not there, `ARGUMENT_INVALID` for a foreign cursor, and the server's.
pub(crate) async fn list_tables(
    database: &Database,
    request: &pb::ListTablesRequest,
) -> Result<pb::ListTablesResponse, Fault> {
    let mut notices = Vec::new();
    let limit = LIMIT.apply(request.limit, &mut notices)?;
    let (name, schema, pattern) = (
        given(request.database.as_deref()),
        given(request.schema.as_deref()),
        given(request.pattern.as_deref()),
    );
    let filter = Filter::of([name, schema, pattern]);
    let after = match given(request.cursor.as_deref()) {
        Some(cursor) => Some(filter.read(cursor)?),
        None => None,
    };
    let (after_schema, after_name) = after
        .as_ref()
        .map(|(schema, name)| (schema.as_str(), name.as_str()))
        .unzip();

    let schemas = Schemas::of(database.config());
    // One more than wanted tells whether there is a next page.
    let wanted = (limit + 1).to_string();
    let params = [
        Some(schemas.allowed.as_str()),
        Some(&schemas.denied),
        schema,
        pattern,
        after_schema,
        after_name,
        Some(&wanted),
    ];
    let rows = rows(database, name, RELATIONS, &sql(), &params).await?;
    let mut tables = Vec::with_capacity(rows.len());
    let mut unreadable = 0_u64;
    for row in &rows {
        unreadable = row.get(5)?;
        // The count comes alone when there is no table.
        if row.text(0).is_some() {
            tables.push(pb::Table {
                schema: row.get(0)?,
                name: row.get(1)?,
                r#type: relation_type(row.text(2).unwrap_or_default()).to_owned(),
                estimated_rows: row.get(3)?,
                comment: row.get(4)?,
            });
        }
    }
    if let (true, Some(schema), None) = (tables.is_empty(), schema, &after) {
        check_schema(database, name, schema).await?;
    }
    if unreadable > 0 && after.is_none() {
        notices.push(format!(
            "{unreadable} more are left out: the role may not read them"
        ));
    }
    let more = tables.len() > limit as usize;
    tables.truncate(limit as usize);
    let next_cursor = tables.last().filter(|_| more).map(|last| filter.cursor(last));
    Ok(pb::ListTablesResponse {
        tables,
        next_cursor,
        notices,
    })
}

fn sql() -> String {
    let matching = matches("c.relname");
    // The names' own type sorts by bytes, whatever the database's collation: so does the cursor.
    format!(
        "with relations as materialized (
           select c.oid, n.nspname, c.relname, c.relkind, c.reltuples, c.relpages,
                  pg_catalog.has_any_column_privilege(c.oid, 'SELECT') as readable
             from pg_catalog.pg_class c
             join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
              and {LISTS_SCHEMA} and ($4::text is null or {matching}) and not {OF_EXTENSION}),
         page as (
           select * from relations r
            where r.readable
              and ($5::text is null or (r.nspname, r.relname) > ($5::text::name, $6::text::name))
            order by r.nspname, r.relname
            limit $7::bigint)
         select c.nspname, c.relname, c.relkind, {ESTIMATED_ROWS},
                coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), ''),
                unreadable.count
           from {VERSION}
          cross join (select count(*) from relations where not readable) unreadable
           left join page c on true
          order by c.nspname, c.relname"
    )
}

/// What the list is narrowed to: a cursor fits only the list that gave it.
struct Filter([u8; 8]);

impl Filter {
    fn of(parts: [Option<&str>; 3]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            let part = part.unwrap_or_default();
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let mut digest = [0; 8];
        digest.copy_from_slice(&hash.finalize()[..8]);
        Self(digest)
    }

    /// The cursor that goes on behind a table: the digest, the schema, NUL, the name.
    fn cursor(&self, last: &pb::Table) -> String {
        let position = format!("{}\0{}", last.schema, last.name);
        URL_SAFE_NO_PAD.encode([&self.0, position.as_bytes()].concat())
    }

    fn read(&self, cursor: &str) -> Result<(String, String), Fault> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).unwrap_or_default();
        let position = bytes
            .split_at_checked(self.0.len())
            .and_then(|(digest, position)| {
                Some((digest, std::str::from_utf8(position).ok()?.split_once('\0')?))
            });
        match position {
            Some((digest, (schema, name))) if digest == self.0 => Ok((schema.to_owned(), name.to_owned())),
            Some(_) => Err(Fault::argument(
                "cursor",
                "this cursor belongs to another list: repeat schema, pattern and database exactly, or leave the cursor out",
            )),
            None => Err(Fault::argument(
                "cursor",
                "this is not a cursor: pass next_cursor as it was given",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_fits_its_own_list_only() {
        let filter = Filter::of([None, Some("shop"), None]);
        let last = pb::Table {
            schema: "shop".to_owned(),
            name: "ä.b".to_owned(),
            ..pb::Table::default()
        };
        let cursor = filter.cursor(&last);
        assert_eq!(filter.read(&cursor), Ok(("shop".to_owned(), "ä.b".to_owned())));
        let other = Filter::of([None, None, Some("shop")]).read(&cursor);
        assert!(other.expect_err("foreign").message.contains("another list"));
        for damaged in ["", "x", "!!", &cursor[1..], &cursor[..12]] {
            assert!(filter.read(damaged).is_err(), "{damaged}");
        }
    }
}
