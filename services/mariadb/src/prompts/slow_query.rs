//! `ExplainSlowQuery`: a slow statement with its plan, and how to find out more.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::given;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::prompt::{LATER, REPEATED, TOOLS, Text, check_statement, patiently, quoted};
use mcp_hub_proto::mariadb::v1 as pb;

use super::PATIENCE;
use crate::database::Database;
use crate::explain;

/// Begins a look at a slow statement.
///
/// # Errors
/// `ARGUMENT_INVALID` without a statement.
pub(crate) async fn explain_slow_query(
    database: &Database,
    request: &pb::ExplainSlowQueryRequest,
) -> Result<pb::ExplainSlowQueryResponse, Fault> {
    check_statement("sql", &request.sql)?;
    let name = given(request.database.as_deref());
    let explained = pb::ExplainQueryRequest {
        sql: request.sql.clone(),
        database: name.map(str::to_owned),
        ..pb::ExplainQueryRequest::default()
    };
    let explained = explain::explain_query(database, &explained, Some(PATIENCE));
    let explained = patiently(PATIENCE, explained).await;
    Ok(pb::ExplainSlowQueryResponse {
        messages: text(&request.sql, name, &explained).user(),
    })
}

fn text(sql: &str, database: Option<&str>, explained: &Result<pb::ExplainQueryResponse, Fault>) -> Text {
    let place = database
        .map(|name| format!(", run in the database {},", quoted(name)))
        .unwrap_or_default();
    let text = Text::new(format!(
        "This SQL statement{place} is slow on MariaDB or MySQL. Find out why, and what would make it faster."
    ))
    .code("sql", sql, REPEATED);
    let text = match explained {
        Ok(explained) => text
            .plan(
                "Its plan, as the server would run it now:",
                &explained.plan,
                &explained.findings,
            )
            .paragraph(&format!(
                "The optimizer expects to examine about {:.0} rows.",
                explained.estimated_rows_examined
            )),
        Err(fault) => text
            .trouble("Its plan is not here", fault)
            .paragraph(instead(fault)),
    };
    text.paragraph(TOOLS).paragraph(
        "1. explain_query for the plan, with a value in params for each ? of the statement. With analyze it really runs, for true times \
         and rows: ask me first when it may run for minutes.\n\
         2. describe_table for its tables: indexes, types of the columns that are compared, collations.\n\
         3. query for how many rows its conditions leave, one by one: an index helps where few are left.\n\
         4. explain_query again for each other way of writing it, and compare rows examined and times.",
    )
    .paragraph(
        "Then tell me the cause in one sentence, and what to do: first what needs no change of the schema, such as another way of writing \
         it, then each index as a CREATE INDEX statement, with what it costs on writes. Check that the result stays the same. Change \
         nothing yourself, unless I say so.",
    )
}

/// How to come to a plan in spite of a fault.
fn instead(fault: &Fault) -> &'static str {
    match fault.reason {
        Reason::WriteNotAllowed => {
            "Only reads are explained here. If the statement changes data, write the SELECT that finds the rows it changes, with the same \
             conditions and joins, and look at that."
        }
        Reason::ArgumentInvalid | Reason::StatementInvalid => {
            "If it has placeholders that a program fills in, such as :id, %s or {0}, put ? in their place and typical values into params. \
             If it has an error, tell me what is wrong and what it may mean."
        }
        Reason::ObjectNotFound | Reason::AccessDenied => {
            "Find out which names it means, by search_objects and list_tables, or tell me that the login may lack rights."
        }
        _ => LATER,
    }
}
