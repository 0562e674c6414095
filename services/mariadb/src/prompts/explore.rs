//! `Explore`: what is in the server, and how to find out more.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::given;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::prompt::{LATER, REPEATED, TOOLS, Text, patiently, quoted};
use mcp_hub_proto::mariadb::v1 as pb;

use super::PATIENCE;
use crate::catalogue::{self, Name, Overview};
use crate::database::Database;

/// The most tables that are named; the biggest say most of what a server is for.
const TABLES: usize = 30;

/// The most databases and foreign keys that are named.
const DATABASES: usize = 20;
const REFERENCES: usize = 40;

/// How much of a table's comment is shown.
const COMMENT: usize = 80;

/// Begins an exploration.
pub(crate) async fn explore(database: &Database, request: &pb::ExploreRequest) -> pb::ExploreResponse {
    let wanted = given(request.database.as_deref());
    let found = patiently(PATIENCE, catalogue::overview(database, wanted, TABLES, PATIENCE)).await;
    let default = database.default_database().ok().flatten();
    let about = About {
        description: database.config().description.as_deref(),
        connected: default.as_deref(),
        wanted,
        question: given(request.question.as_deref()),
    };
    pb::ExploreResponse {
        messages: about.text(&found).user(),
    }
}

/// What an exploration is about.
struct About<'a> {
    /// The operator's words.
    description: Option<&'a str>,
    connected: Option<&'a str>,
    wanted: Option<&'a str>,
    question: Option<&'a str>,
}

impl About<'_> {
    fn text(&self, found: &Result<Overview, Fault>) -> Text {
        let product = found
            .as_ref()
            .map_or("MariaDB or MySQL", |found| found.flavor.name());
        let mut text = Text::new(format!(
            "Get to know this {product} server, and tell me in plain words what is in it: what it is about and whom it serves, its main \
             tables, how they hang together, and what can be asked of it."
        ));
        if let Some(wanted) = self.wanted {
            text = text.paragraph(&format!("Look at the database {} only.", quoted(wanted)));
        }
        if let Some(question) = self.question {
            text = text
                .paragraph("What I want to find out:")
                .code("text", question, REPEATED);
        }
        if let Some(description) = self.description {
            text = text.paragraph(&format!("Its operator says of it: {}", quoted(description)));
        }
        match found {
            Ok(found) => self.facts(text, found),
            Err(fault) => {
                let text = text.trouble("The server could not be looked at", fault);
                if fault.reason == Reason::ObjectNotFound {
                    text
                } else {
                    text.paragraph(LATER)
                }
            }
        }
        .paragraph(TOOLS)
        .paragraph(
            "1. list_tables for what is not named above; list_databases for the databases.\n\
             2. describe_table for each table that matters, before you write SQL on it.\n\
             3. search_objects for the words of what I want to find out, if no name says it.\n\
             4. query, with a small limit, for a few rows of the main tables, true counts, and the first and last of their dates.",
        )
        .paragraph(
            "Then tell me what you found, say which tables it is from, and what you did not look at. End with three questions that this \
             data can answer.",
        )
    }

    fn facts(&self, text: Text, found: &Overview) -> Text {
        let connected = self
            .connected
            .map(|name| format!(", connected to {}", quoted(name)));
        let server = format!(
            "{} {}{}",
            found.flavor.name(),
            found.flavor,
            connected.unwrap_or_default()
        );
        // With one database in question, its name says nothing.
        let alone = found.tables.first().map(|table| table.database.as_str());
        let is_alone = found
            .tables
            .iter()
            .all(|table| Some(table.database.as_str()) == alone);
        let alone = alone.filter(|_| is_alone);
        let name = |schema: &str, name: &str| {
            if Some(schema) == alone {
                quoted(name)
            } else {
                format!("{}.{}", quoted(schema), quoted(name))
            }
        };
        let databases = found.databases.iter().take(DATABASES);
        let databases = databases.map(|(name, count)| format!("{}: {count} tables and views", quoted(name)));
        let tables = found.tables.iter().map(|table| described(table, &name));
        let place = alone
            .map(|alone| format!(" in {}", quoted(alone)))
            .unwrap_or_default();
        let all = usize::try_from(found.count).unwrap_or(usize::MAX);
        let reference = |((from_schema, from), (to_schema, to)): &(Name, Name)| {
            format!("{} -> {}", name(from_schema, from), name(to_schema, to))
        };
        let references = found.references.iter().take(REFERENCES).map(reference);
        let text = text
            .facts(
                "The server and its databases",
                [server].into_iter().chain(databases),
                found.databases.len().saturating_sub(DATABASES),
            )
            .facts(
                &format!("Tables and views{place}, the biggest first"),
                tables,
                all.saturating_sub(found.tables.len()),
            )
            .facts(
                "Foreign keys, from the table that refers",
                references,
                found.references.len().saturating_sub(REFERENCES),
            );
        if found.tables.is_empty() {
            return text.paragraph(
                "The login sees no table there. If there should be some, tell me that the login may lack rights, and on which database.",
            );
        }
        if found.references.is_empty() {
            return text.paragraph(
                "No foreign keys are declared: columns of like names and types are all that tells how tables hang together.",
            );
        }
        text
    }
}

/// One table: its name, its size, what its makers say of it.
fn described(table: &pb::Table, name: &impl Fn(&str, &str) -> String) -> String {
    let name = name(&table.database, &table.name);
    let what = match table.estimated_rows {
        Some(rows) => format!("about {rows} rows"),
        None => table.r#type.clone(),
    };
    let comment: String = table.comment.chars().take(COMMENT).collect();
    if comment.is_empty() {
        format!("{name}: {what}")
    } else {
        format!("{name}: {what}, {}", quoted(&comment))
    }
}
