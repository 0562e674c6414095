//! `ExplainSlowQuery`: why a statement is slow, beginning with its plan.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::given;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::prompt::{LATER, REPEATED, TOOLS, Text, check_statement, patiently};
use mcp_hub_proto::postgres::v1 as pb;

use super::{PATIENCE, told_database};
use crate::database::Database;
use crate::explain;

/// Begins a conversation that makes a statement faster. The statement is planned and not run.
///
/// # Errors
/// `ARGUMENT_INVALID` without a statement, `OBJECT_NOT_FOUND` for a database that may not be asked.
pub(crate) async fn explain_slow_query(
    database: &Database,
    request: &pb::ExplainSlowQueryRequest,
) -> Result<pb::ExplainSlowQueryResponse, Fault> {
    check_statement("sql", &request.sql)?;
    let name = given(request.database.as_deref());
    if let Some(name) = name.filter(|name| !database.may_ask(name)) {
        return Err(database.unknown_database(name)?);
    }
    let asked = pb::ExplainQueryRequest {
        sql: request.sql.clone(),
        database: name.map(str::to_owned),
        ..pb::ExplainQueryRequest::default()
    };
    let explained = explain::explain_query(database, &asked, Some(PATIENCE));
    let text = Text::new(
        "This statement is slow on PostgreSQL. Find out why, and what would make it faster.",
    )
    .code("sql", &request.sql, REPEATED);
    let text = match patiently(PATIENCE, explained).await {
        Ok(explained) => text.plan(
            "Its plan, by PostgreSQL's estimates, since it was not run:",
            &explained.plan,
            &explained.findings,
        ),
        Err(fault) => unplanned(text, &fault),
    };
    let text = told_database(text.paragraph(TOOLS), name).paragraph(
        "1. `describe_table` for each table that matters: its indexes, keys and size.\n\
         2. `explain_query` with analyze: true runs the statement, which may take as long as it does for me, and gives true times and row \
         counts; what is wrong is mostly where they differ from the estimates. Where it has parameters, give typical values in params.\n\
         3. Try each other way to write it with `explain_query`, and make sure that it means the same.\n\
         4. Tell me the cause in a sentence, the step of the plan that shows it, and what to change: the statement, an index (as CREATE \
         INDEX CONCURRENTLY, with what it costs writes), statistics (ANALYZE, CREATE STATISTICS) or a setting. Change nothing \
         unless I say so.",
    );
    Ok(pb::ExplainSlowQueryResponse {
        messages: text.user(),
    })
}

/// Why there is no plan, and how to go on without.
fn unplanned(text: Text, fault: &Fault) -> Text {
    let go_on = match fault.reason {
        Reason::WriteNotAllowed => {
            "If it changes rows, explain the SELECT that finds them instead, and look at what else a change costs: indexes, triggers, and foreign keys that refer to the table without an index."
        }
        Reason::StatementInvalid | Reason::ArgumentInvalid => {
            "If it is clear what is meant, mend it and tell me; else ask me."
        }
        Reason::AccessDenied => "Tell me what may not be read, and go on with what may.",
        Reason::StatementTimedOut => "Planning it takes long already, which may itself be the cause.",
        _ => LATER,
    };
    text.trouble("Its plan is not here", fault).paragraph(go_on)
}
