//! `Explore`: what is in the file, and how its tables hang together.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::given;
use mcp_hub_chassis::prompt::{LATER, REPEATED, TOOLS, Text, quoted};
use mcp_hub_proto::sqlite::v1 as pb;

use super::PATIENCE;
use crate::catalogue::overview::{Overview, Related, overview};
use crate::database::Database;

/// Begins a conversation that gets to know the file. `description` is its operator's.
pub(crate) async fn explore(
    database: &Database,
    description: &str,
    request: &pb::ExploreRequest,
) -> pb::ExploreResponse {
    let text = match given(request.question.as_deref()) {
        Some(question) => Text::new(
            "Explore this SQLite database as far as you need it to answer my question:",
        )
        .code("text", question, REPEATED)
        .paragraph(
            "Then answer it. Say which tables and conditions the answer rests on, and how sure it is.",
        ),
        None => Text::new(
            "Explore this SQLite database, and tell me what it is about and for whom; its main tables, what one row of each stands for, and \
             how they hang together; how much data there is, and how fresh; a few questions that it answers well; and what is odd, \
             empty or misleading in it.",
        ),
    };
    let text = match database.read(PATIENCE, overview).await.map_err(Fault::from) {
        Ok(overview) => facts(text, &overview, &database.name(), description),
        Err(fault) => text
            .trouble("What there is could not be read just now", &fault)
            .paragraph(LATER),
    };
    let text = text.paragraph(TOOLS).paragraph(
        "1. `list_tables` and `search_objects` find what is not named above.\n\
         2. `describe_table` before you query a table: its columns, its foreign keys in both directions, which are how tables hang together, \
         and the SQL that made it. A view's SQL tells how its makers join them.\n\
         3. `query` for a look: a few rows with LIMIT, the most frequent values, the first and last dates. SQLite does not hold columns to \
         their types, so look at typeof() where it matters; dates are texts or numbers. Never read a large table as a whole.",
    );
    pb::ExploreResponse {
        messages: text.user(),
    }
}

fn facts(text: Text, overview: &Overview, name: &str, description: &str) -> Text {
    let mut about = vec![format!("SQLite {}, file {}", rusqlite::version(), quoted(name))];
    if !description.is_empty() {
        about.push(format!("in its operator's words: {}", quoted(description)));
    }
    about.extend(overview.tables.iter().map(table));
    let more = overview.all - overview.tables.len();
    text.facts(
        "What there is, tables with the most foreign keys first",
        about,
        more,
    )
}

fn table(related: &Related) -> String {
    let name = quoted(&related.table.name);
    let rows = related.estimated_rows.map(|rows| match rows {
        1 => "1 row".to_owned(),
        rows => format!("{rows} rows"),
    });
    let mut fact = vec![match (related.table.kind, rows) {
        ("table", Some(rows)) => format!("{name}: {rows}"),
        (kind, Some(rows)) => format!("{name}: {kind}, {rows}"),
        (kind, None) => format!("{name}: {kind}"),
    }];
    fact.extend(related.references.iter().map(|reference| quoted(reference)));
    fact.join("; ")
}
