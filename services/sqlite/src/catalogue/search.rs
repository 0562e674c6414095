//! The search over the names of all that is in the file.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::Bounds;
use mcp_hub_proto::sqlite::v1::{Object, ObjectKind, SearchObjectsRequest, SearchObjectsResponse};
use rusqlite::Connection;

use super::Pattern;
use crate::database::Session;
use crate::error::Error;

const LIMIT: Bounds = Bounds {
    field: "limit",
    default: 50,
    maximum: 1_000,
};

/// Everything that has a name, without what belongs to SQLite or to a virtual table's inside.
const OBJECTS: &str = "
    with relation as (
        select name, type from pragma_table_list
        where schema = 'main' and type in ('table', 'view', 'virtual') and name not like 'sqlite~_%' escape '~'
    )
    select case type when 'view' then 'view' else 'table' end, name, '', '' from relation
    union all
    select 'column', c.name, r.name, c.type from relation r join pragma_table_xinfo(r.name) c where c.hidden <> 1
    union all
    select s.type, s.name, s.tbl_name, '' from sqlite_schema s join relation r on r.name = s.tbl_name collate nocase
    where s.type in ('index', 'trigger') and s.name not like 'sqlite~_%' escape '~'";

/// Finds objects by a part of their name, best matches first.
pub(crate) fn search(
    session: &Session<'_>,
    request: &SearchObjectsRequest,
) -> Result<SearchObjectsResponse, Error> {
    let mut notices = Vec::new();
    let limit = LIMIT.apply(request.limit, &mut notices)? as usize;
    let mut kinds = Vec::new();
    for kind in request.kinds() {
        if kind == ObjectKind::Unspecified {
            return Err(Fault::argument("kinds", "kinds holds a kind that does not exist").into());
        }
        kinds.push(kind);
    }
    let pattern = Pattern::new(&request.pattern);
    let mut objects = session.ours(super::SCHEMA, read)?;
    objects.retain(|object| {
        (kinds.is_empty() || kinds.contains(&object.kind())) && pattern.matches(&object.name)
    });

    let wanted = request.pattern.to_lowercase();
    objects.sort_by_cached_key(|object| {
        let name = object.name.to_lowercase();
        (closeness(&name, &wanted), object.kind, name, object.table.clone())
    });
    let more = objects.len() > limit;
    objects.truncate(limit);
    Ok(SearchObjectsResponse {
        objects,
        more,
        notices,
    })
}

/// The same name, then one that begins so, then the rest.
fn closeness(name: &str, wanted: &str) -> u8 {
    if name == wanted {
        0
    } else if name.starts_with(wanted) {
        1
    } else {
        2
    }
}

fn read(raw: &Connection) -> Result<Vec<Object>, Error> {
    let mut statement = raw.prepare(OBJECTS)?;
    let rows = statement.query_map([], |row| {
        let kind = match row.get_ref(0)?.as_str()? {
            "view" => ObjectKind::View,
            "column" => ObjectKind::Column,
            "index" => ObjectKind::Index,
            "trigger" => ObjectKind::Trigger,
            _ => ObjectKind::Table,
        };
        Ok(Object {
            kind: kind.into(),
            name: row.get(1)?,
            table: row.get(2)?,
            detail: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
