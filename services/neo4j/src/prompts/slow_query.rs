//! `ExplainSlowQuery`: a slow statement with its plan, and how to find out more.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::given;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::prompt::{LATER, REPEATED, TOOLS, Text, check_statement, patiently, quoted};
use mcp_hub_proto::neo4j::v1 as pb;

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
    check_statement("cypher", &request.cypher)?;
    let name = given(request.database.as_deref());
    let explained = pb::ExplainQueryRequest {
        cypher: request.cypher.clone(),
        database: name.map(str::to_owned),
        ..pb::ExplainQueryRequest::default()
    };
    let explained = explain::explain_query(database, &explained, Some(PATIENCE));
    let explained = patiently(PATIENCE, explained).await;
    Ok(pb::ExplainSlowQueryResponse {
        messages: text(&request.cypher, name, &explained).user(),
    })
}

fn text(cypher: &str, database: Option<&str>, explained: &Result<pb::ExplainQueryResponse, Fault>) -> Text {
    let place = database
        .map(|name| format!(", run in the database {},", quoted(name)))
        .unwrap_or_default();
    let text = Text::new(format!(
        "This Cypher statement{place} is slow on Neo4j. Find out why, and what would make it faster."
    ))
    .code("cypher", cypher, REPEATED);
    let text = match explained {
        Ok(explained) => text
            .plan(
                "Its plan, as the server would run it now:",
                &explained.plan,
                &explained.findings,
            )
            .paragraph(&format!(
                "The planner expects about {:.0} rows.",
                explained.estimated_rows
            )),
        Err(fault) => text
            .trouble("Its plan is not here", fault)
            .paragraph(instead(fault)),
    };
    text.paragraph(TOOLS).paragraph(
        "1. explain_query with analyze and a value in params for each $parameter, for true rows and database hits: it really runs then, so \
         ask me first when it may run for minutes.\n\
         2. schema, with its labels, for the indexes and constraints that there are, and how many nodes and relationships.\n\
         3. query for how many nodes each of its patterns and conditions leaves: a good plan begins where few are.\n\
         4. explain_query again for each other way of writing it, and compare database hits.",
    )
    .paragraph(
        "Then tell me the cause in one sentence, and what to do: first what needs no change of the schema, such as a direction, a type or a \
         label where there is none, an earlier LIMIT or WITH, or no product of unconnected patterns; then each index as a CREATE INDEX \
         statement. Check that the result stays the same. Change nothing yourself, unless I say so.",
    )
}

/// How to come to a plan in spite of a fault.
fn instead(fault: &Fault) -> &'static str {
    match fault.reason {
        Reason::WriteNotAllowed => {
            "Only reads are explained here. If the statement changes the graph, write the MATCH that finds what it changes, with the same \
             patterns and conditions, and look at that."
        }
        Reason::ArgumentInvalid | Reason::StatementInvalid => {
            "If it has placeholders that a program fills in, put $parameters in their place and typical values into params. If it has an \
             error, tell me what is wrong and what it may mean."
        }
        Reason::ObjectNotFound | Reason::AccessDenied => {
            "Find out which names it means, by schema, or tell me that the login may lack rights."
        }
        _ => LATER,
    }
}
