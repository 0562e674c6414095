//! `ExplainSlowQuery`: why a statement is slow, beginning with its plan.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::prompt::Text;
use mcp_hub_proto::postgres::v1 as pb;

use super::{REPEATED, TOOLS, told_database};
use crate::catalogue::given;
use crate::database::Database;
use crate::explain;

/// How long planning may take. Longer is a finding too, but nobody waits for a prompt that long.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most characters of a plan that are shown; `explain_query` gives all of it.
const PLAN: usize = 2_500;

/// The most characters of why there is no plan.
const WHY: usize = 500;

/// Begins a conversation that makes a statement faster. The statement is planned and not run.
///
/// # Errors
/// `ARGUMENT_INVALID` without a statement, `OBJECT_NOT_FOUND` for a database that may not be asked.
pub(crate) async fn explain_slow_query(
    database: &Database,
    request: &pb::ExplainSlowQueryRequest,
) -> Result<pb::ExplainSlowQueryResponse, Fault> {
    if request.sql.trim().is_empty() {
        return Err(Fault::argument(
            "sql",
            "sql is empty: give the statement that is slow",
        ));
    }
    let name = given(request.database.as_ref());
    if let Some(name) = name.filter(|name| !database.may_ask(name)) {
        return Err(database.unknown_database(name)?);
    }
    let asked = pb::ExplainQueryRequest {
        sql: request.sql.clone(),
        database: name.map(str::to_owned),
        ..pb::ExplainQueryRequest::default()
    };
    let explained =
        tokio::time::timeout(PATIENCE, explain::explain_query(database, &asked, Some(PATIENCE))).await;
    let explained = explained.unwrap_or_else(|_| Err(Fault::timed_out(PATIENCE)));
    let text = Text::new(
        "This statement is slow on PostgreSQL. Find out why, and what would make it faster.",
    )
    .code("sql", &request.sql, REPEATED);
    let text = match explained {
        Ok(explained) => planned(text, &explained),
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

fn planned(text: Text, explained: &pb::ExplainQueryResponse) -> Text {
    text.paragraph("Its plan, by PostgreSQL's estimates, since it was not run:")
        .code("", &explained.plan.join("\n"), PLAN)
        .facts("What stands out in it", &explained.findings, 0)
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
        _ => "Try `explain_query` yourself, and if that fails as well, tell me so.",
    };
    // What a tool says of writes is about tools.
    let hint = fault
        .metadata
        .get("hint")
        .filter(|_| fault.reason != Reason::WriteNotAllowed);
    let hint = hint.map(|hint| format!(". {hint}")).unwrap_or_default();
    text.paragraph("It could not be explained here:")
        .code("", &format!("{fault}{hint}"), WHY)
        .paragraph(go_on)
}
