//! `Explore`: what is in a database, and how its tables hang together.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::given;
use mcp_hub_chassis::prompt::{LATER, REPEATED, TOOLS, Text, patiently, quoted};
use mcp_hub_proto::postgres::v1 as pb;

use super::{PATIENCE, can_do_without, told_database};
use crate::catalogue::{self, Overview, Related, Schema};
use crate::database::Database;

/// Begins a conversation that gets to know a database.
///
/// # Errors
/// `OBJECT_NOT_FOUND` for a schema or a database that is not there.
pub(crate) async fn explore(
    database: &Database,
    request: &pb::ExploreRequest,
) -> Result<pb::ExploreResponse, Fault> {
    let (name, schema) = (
        given(request.database.as_deref()),
        given(request.schema.as_deref()),
    );
    let overview = patiently(PATIENCE, catalogue::overview(database, name, schema)).await;
    let text = match given(request.question.as_deref()) {
        Some(question) => Text::new(
            "Explore this PostgreSQL database as far as you need it to answer my question:",
        )
        .code("text", question, REPEATED)
        .paragraph(
            "Then answer it. Say which tables and conditions the answer rests on, and how sure it is.",
        ),
        None => Text::new(
            "Explore this PostgreSQL database, and tell me what it is about and for whom; its main tables, what one row of each stands \
             for, and how they hang together; how much data there is, and how fresh; a few questions that it answers well; \
             and what is odd, empty or misleading in it.",
        ),
    };
    let text = match schema {
        Some(schema) => text.paragraph(&format!("Look at the schema {} only.", quoted(schema))),
        None => text,
    };
    let text = match overview {
        Ok(overview) => facts(text, &overview, database.config().description.as_deref()),
        Err(fault) if can_do_without(&fault) => text
            .trouble("What there is could not be read just now", &fault)
            .paragraph(LATER),
        Err(fault) => return Err(fault),
    };
    let text = told_database(text.paragraph(TOOLS), name).paragraph(
        "1. `list_tables` and `search_objects` find what is not named above.\n\
         2. `describe_table` before you query a table: its columns, comments and enum values, and its foreign keys in both directions, \
         which are how tables hang together. A view's definition tells how its makers join them.\n\
         3. `query` for a look: a few rows with LIMIT, the most frequent values, the first and last dates. For the size of a large table \
         its estimate is good enough; never read it as a whole.",
    );
    Ok(pb::ExploreResponse {
        messages: text.user(),
    })
}

fn facts(text: Text, overview: &Overview, description: Option<&str>) -> Text {
    let mut about = vec![format!(
        "PostgreSQL {}, database {}",
        overview.version,
        quoted(&overview.database)
    )];
    about.extend(description.map(|description| format!("in its operator's words: {}", quoted(description))));
    about.extend(commented("its comment", &overview.comment));
    about.extend(overview.schemas.iter().map(schema));
    about.extend(overview.tables.iter().map(table));
    let shown = overview.tables.len() as u64;
    let more = usize::try_from(overview.all_tables.saturating_sub(shown)).unwrap_or(usize::MAX);
    text.facts(
        "What there is, tables with the most foreign keys first",
        about,
        more,
    )
}

fn schema(schema: &Schema) -> String {
    let tables = if schema.tables == 1 {
        "table or view"
    } else {
        "tables and views"
    };
    let fact = format!("schema {}: {} {tables}", quoted(&schema.name), schema.tables);
    [Some(fact), commented("comment", &schema.comment)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("; ")
}

fn table(related: &Related) -> String {
    let table = &related.table;
    let name = quoted(&format!("{}.{}", table.schema, table.name));
    let rows = table.estimated_rows.map(catalogue::about_rows);
    let mut fact = vec![match (table.kind, rows) {
        ("table", Some(rows)) => format!("{name}: {rows}"),
        (kind, Some(rows)) => format!("{name}: {kind}, {rows}"),
        (kind, None) => format!("{name}: {kind}"),
    }];
    fact.extend(related.references.iter().map(|reference| quoted(reference)));
    fact.extend(commented("comment", &table.comment));
    fact.join("; ")
}

fn commented(what: &str, comment: &str) -> Option<String> {
    (!comment.is_empty()).then(|| format!("{what} {}", quoted(comment)))
}
