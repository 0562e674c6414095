//! Objects by a part of their name or comment.

use std::collections::HashMap;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::{Bounds, given};
use mcp_hub_proto::mariadb::v1 as pb;
use pb::ObjectKind;

use super::{NEVER, exact, has, listed, marks, matches, table_comment, texts, transaction};
use crate::database::{Database, Flavor, Transaction};
use crate::error::Error;

const LIMIT: Bounds = Bounds {
    field: "limit",
    default: 50,
    maximum: 1000,
};

/// Finds objects, best matches first: the name itself, names that begin so, that contain it, and then comments.
///
/// # Errors
/// `OBJECT_NOT_FOUND` for a database that is not there, `ARGUMENT_INVALID` for an empty pattern, and the server's.
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
    let named = given(request.database.as_deref());
    let mut transaction = transaction(database).await?;
    let databases = listed(database, &mut transaction, named, None).await?;
    let mut found = Vec::new();
    if !databases.is_empty() {
        for source in SOURCES {
            let wanted =
                |kind: &ObjectKind| request.kinds.is_empty() || request.kinds.contains(&i32::from(*kind));
            if source.kinds.iter().any(wanted) {
                let rows = source
                    .search(&mut transaction, &databases, pattern, limit + 1)
                    .await?;
                found.extend(rows.into_iter().filter(|(_, object)| wanted(&object.kind())));
            }
        }
    }
    let order = |object: &pb::Object| {
        (
            object.kind,
            object.database.clone(),
            object.name.clone(),
            object.table.clone(),
        )
    };
    found.sort_by_cached_key(|(rank, object)| (*rank, order(object)));
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let mut objects: Vec<pb::Object> = found.into_iter().map(|(_, object)| object).collect();
    add_parameters(&mut transaction, &mut objects).await?;
    transaction.rollback().await?;
    Ok(pb::SearchObjectsResponse {
        objects,
        more,
        notices,
    })
}

/// Where objects of some kinds are listed.
struct Source {
    kinds: &'static [ObjectKind],
    table: &'static str,
    /// What the trace shows.
    summary: &'static str,
    /// The columns of an object's kind (as the server calls it), database, name, table, detail and comment.
    columns: [&'static str; 6],
    /// What else must hold.
    condition: &'static str,
}

const SOURCES: [&Source; 7] = [
    &Source {
        kinds: &[ObjectKind::Database],
        table: "schemata",
        summary: "SELECT information_schema.schemata",
        columns: [
            "'database'",
            "schema_name",
            "schema_name",
            "''",
            "''",
            "{schema_comment}",
        ],
        condition: "",
    },
    &Source {
        kinds: &[ObjectKind::Table, ObjectKind::View, ObjectKind::Sequence],
        table: "tables",
        summary: "SELECT information_schema.tables",
        columns: [
            "table_type",
            "table_schema",
            "table_name",
            "''",
            "''",
            "table_comment",
        ],
        condition: "",
    },
    &Source {
        kinds: &[ObjectKind::Column],
        table: "columns",
        summary: "SELECT information_schema.columns",
        columns: [
            "'column'",
            "table_schema",
            "column_name",
            "table_name",
            "column_type",
            "column_comment",
        ],
        condition: "",
    },
    &Source {
        kinds: &[ObjectKind::Routine],
        table: "routines",
        summary: "SELECT information_schema.routines",
        columns: [
            "'routine'",
            "routine_schema",
            "routine_name",
            "''",
            "routine_type",
            "routine_comment",
        ],
        condition: "",
    },
    &Source {
        kinds: &[ObjectKind::Index],
        table: "statistics",
        summary: "SELECT information_schema.statistics",
        columns: [
            "'index'",
            "table_schema",
            "index_name",
            "table_name",
            "group_concat({part} order by seq_in_index separator ', ')",
            "index_comment",
        ],
        condition: " and index_name <> 'PRIMARY' group by table_schema, table_name, index_name, index_comment",
    },
    &Source {
        kinds: &[ObjectKind::Trigger],
        table: "triggers",
        summary: "SELECT information_schema.triggers",
        columns: [
            "'trigger'",
            "trigger_schema",
            "trigger_name",
            "event_object_table",
            "concat(lower(action_timing), ' ', lower(event_manipulation))",
            "''",
        ],
        condition: "",
    },
    &Source {
        kinds: &[ObjectKind::Event],
        table: "events",
        summary: "SELECT information_schema.events",
        columns: [
            "'event'",
            "event_schema",
            "event_name",
            "''",
            "concat(lower(status), ', ', coalesce(concat('every ', interval_value, ' ', lower(interval_field)), concat('at ', execute_at)))",
            "event_comment",
        ],
        condition: "",
    },
];

impl Source {
    /// Up to `most` objects whose name or comment matches, the best first, with the rank of each.
    async fn search(
        &self,
        transaction: &mut Transaction,
        databases: &[String],
        pattern: &str,
        most: u32,
    ) -> Result<Vec<(u8, pb::Object)>, Error> {
        let [kind, schema, name, table, detail, comment] =
            self.columns.map(|column| filled(column, transaction.flavor()));
        let in_name = matches(&name);
        let in_comment = if comment == "''" {
            "0".to_owned()
        } else {
            matches(&comment)
        };
        let general = |text: &str| format!("convert({text} using utf8mb4) collate utf8mb4_general_ci");
        let sql = format!(
            "select {kind}, {schema}, {name}, {table}, {detail}, {comment},
                    case when {} = ? then 0 when locate(convert(? using utf8mb4) collate utf8mb4_general_ci, {}) = 1 then 1
                         when {in_name} then 2 else 3 end as place
               from information_schema.{}
              where {schema} in ({}) and ({in_name} or {in_comment}){}
              order by place, {}, {} limit {most}",
            general(&name),
            general(&name),
            self.table,
            marks(databases.len()),
            self.condition,
            exact(&schema),
            exact(&name),
        );
        let mut params = vec![Some(pattern); 4];
        params.extend(texts(databases));
        params.extend(vec![Some(pattern); if in_comment == "0" { 2 } else { 4 }]);
        let mut found = Vec::new();
        for row in transaction.rows(self.summary, &sql, &params).await? {
            let text = |column: usize| row.text(column).unwrap_or_default().to_owned();
            let kind = self.kind(&text(0));
            let object = pb::Object {
                kind: kind.into(),
                database: if kind == ObjectKind::Database {
                    String::new()
                } else {
                    text(1)
                },
                name: text(2),
                table: text(3),
                detail: text(4),
                comment: if kind == ObjectKind::View {
                    table_comment("view", text(5))
                } else {
                    text(5)
                },
            };
            found.push((
                row.get::<u32>(6)
                    .map(|place| u8::try_from(place).unwrap_or(u8::MAX))?,
                object,
            ));
        }
        Ok(found)
    }

    fn kind(&self, name: &str) -> ObjectKind {
        match (self.kinds, name) {
            ([only], _) => *only,
            (_, "SEQUENCE") => ObjectKind::Sequence,
            (_, "VIEW" | "SYSTEM VIEW") => ObjectKind::View,
            _ => ObjectKind::Table,
        }
    }
}

/// A column, with what only some servers have.
fn filled(column: &str, flavor: Flavor) -> String {
    let comment = if has(flavor, (10, 5, 0), NEVER) {
        "schema_comment"
    } else {
        "''"
    };
    let part = if has(flavor, NEVER, (8, 0, 13)) {
        "coalesce(column_name, expression)"
    } else {
        "column_name"
    };
    column
        .replace("{schema_comment}", comment)
        .replace("{part}", part)
}

/// Adds parameters and result to routines: `function (a int) -> int`.
async fn add_parameters(transaction: &mut Transaction, objects: &mut [pb::Object]) -> Result<(), Error> {
    let is_routine = |object: &&mut pb::Object| object.kind() == ObjectKind::Routine;
    let names: Vec<String> = objects
        .iter_mut()
        .filter(is_routine)
        .flat_map(|object| [object.database.clone(), object.name.clone()])
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "select specific_schema, specific_name, routine_type, ordinal_position, parameter_mode, parameter_name, dtd_identifier
           from information_schema.parameters where (specific_schema, specific_name) in ({})
          order by ordinal_position",
        vec!["(?, ?)"; names.len() / 2].join(", ")
    );
    let mut parameters: HashMap<(String, String, String), (Vec<String>, String)> = HashMap::new();
    for row in transaction
        .rows("SELECT information_schema.parameters", &sql, &texts(&names))
        .await?
    {
        let text = |column: usize| row.text(column).unwrap_or_default().to_owned();
        let (list, result) = parameters.entry((text(0), text(1), text(2))).or_default();
        if row.get::<u32>(3)? == 0 {
            *result = format!(" -> {}", text(6));
        } else {
            let mode = match text(4).as_str() {
                "" | "IN" => String::new(),
                mode => format!("{} ", mode.to_lowercase()),
            };
            list.push(format!("{mode}{} {}", text(5), text(6)));
        }
    }
    for object in objects.iter_mut().filter(is_routine) {
        let key = (
            object.database.clone(),
            object.name.clone(),
            object.detail.clone(),
        );
        let (list, result) = parameters.remove(&key).unwrap_or_default();
        object.detail = format!("{} ({}){result}", object.detail.to_lowercase(), list.join(", "));
    }
    Ok(())
}
