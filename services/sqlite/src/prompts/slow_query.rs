//! `ExplainSlowQuery`: why a statement is slow, beginning with its plan.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::prompt::{LATER, REPEATED, TOOLS, Text, check_statement};
use mcp_hub_proto::sqlite::v1 as pb;

use super::PATIENCE;
use crate::database::Database;
use crate::explain;

/// Begins a conversation that makes a statement faster. The statement is planned and not run.
///
/// # Errors
/// `ARGUMENT_INVALID` without a statement.
pub(crate) async fn explain_slow_query(
    database: &Database,
    request: &pb::ExplainSlowQueryRequest,
) -> Result<pb::ExplainSlowQueryResponse, Fault> {
    check_statement("sql", &request.sql)?;
    let sql = request.sql.clone();
    let explained = database.read(PATIENCE, move |session| {
        explain::explain_for_any_params(session, &sql)
    });
    let text = Text::new("This statement is slow on SQLite. Find out why, and what would make it faster.")
        .code("sql", &request.sql, REPEATED);
    let text = match explained.await.map_err(Fault::from) {
        Ok(explained) => text.plan("Its plan; it was not run:", &explained.plan, &explained.findings),
        Err(fault) => unplanned(text, &fault),
    };
    let text = text.paragraph(TOOLS).paragraph(
        "1. `describe_table` for each table that matters: its rows, keys and indexes.\n\
         2. `query` to see how many rows each condition leaves, since SQLite's plan tells no numbers, and the statement itself with LIMIT \
         for its elapsed_ms.\n\
         3. Try each other way to write it with `explain_query`, and make sure that it means the same.\n\
         4. Tell me the cause in a sentence, the step of the plan that shows it, and what to change: the statement, an index (with its \
         columns in the order that serves conditions and sorting, and what it costs writes), or ANALYZE where there are no \
         statistics. Change nothing unless I say so.",
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
        _ => LATER,
    };
    text.trouble("Its plan is not here", fault).paragraph(go_on)
}
