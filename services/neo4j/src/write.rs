//! `Execute`: a change, in one transaction or none, never sent twice.

use std::time::Duration;

use mcp_hub_chassis::answer::Caps;
use mcp_hub_chassis::arguments;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::resource::Changed;
use mcp_hub_chassis::{Fault, confirmation};
use mcp_hub_proto::data::v1::{Entry, Map};
use mcp_hub_proto::neo4j::v1 as pb;
use prost::Message as _;

use crate::database::{Database, Shown, Summary, Transaction};
use crate::error::Error;
use crate::guard::{self, Write};
use crate::params;

/// Runs a statement in a transaction of its own. Says so to `resources` when it may have brought a label or a relationship type, or
/// taken the last of one away.
///
/// # Errors
/// The guard's refusal, `CONFIRMATION_REQUIRED`, `CONDITION_FAILED`, wrong arguments, the server's error, time-outs. All of them mean that
/// nothing was changed, unless the message says that it is not known.
pub(crate) async fn execute(
    database: &Database,
    request: &pb::ExecuteRequest,
    remaining: Option<Duration>,
    resources: &Changed,
) -> Result<pb::ExecuteResponse, Fault> {
    let mut notices = Vec::new();
    let timeout = arguments::timeout(request.timeout_ms, remaining, &mut notices)?;
    let write = guard::write(&request.cypher).map_err(|refusal| Fault::from(refusal).unchanged())?;
    let params = params::encode(&request.params)?;
    let dry_run = request.dry_run.unwrap_or_default();
    if !dry_run {
        confirm(request, &write)?;
    }
    let mut transaction = begin(database, request.database.as_deref(), timeout).await?;
    let outcome = transaction
        .run(
            Shown::theirs(&write.gist),
            &request.cypher,
            params,
            Caps::of_change(1),
        )
        .await
        .map_err(|error| Fault::from(error).unchanged())?;
    if let Some(most) = request.expect_max {
        let (changed, what) = changed(&outcome.summary);
        if changed > u64::from(most) {
            end_unchanged(transaction).await;
            let message = format!(
                "the statement changed {changed} {what}, more than {most}: it was rolled back, nothing was changed"
            );
            return Err(Fault::new(Reason::ConditionFailed, message));
        }
    }
    if dry_run {
        end_unchanged(transaction).await;
        notices.push("dry run: the statement ran and was rolled back, nothing was changed".to_owned());
    } else {
        let committed = transaction.commit().await;
        if changes_names(&outcome.summary) {
            // Also when it failed: what a connection that broke has left is not known.
            resources.perhaps();
        }
        committed.map_err(not_committed)?;
    }
    let mut result = outcome.result;
    notices.extend(outcome.summary.notices.iter().cloned());
    if !notices.is_empty() {
        result.get_or_insert_default().notices.append(&mut notices);
    }
    Ok(pb::ExecuteResponse {
        counters: Some(counters(&outcome.summary)),
        committed: Some(!dry_run),
        result,
    })
}

/// Lets a destructive call pass when it was confirmed.
fn confirm(request: &pb::ExecuteRequest, write: &Write) -> Result<(), Fault> {
    let Some(effect) = &write.effect else {
        return Ok(());
    };
    // What is confirmed is exactly this request, so the confirmation itself is not part of it, and parameters are put in order: a map
    // has another one in each process.
    let mut params: Vec<Entry> = request
        .params
        .iter()
        .map(|(key, value)| Entry {
            key: key.clone(),
            value: Some(value.clone()),
        })
        .collect();
    params.sort_unstable_by(|left, right| left.key.cmp(&right.key));
    let confirmed = pb::ExecuteRequest {
        params: std::collections::HashMap::new(),
        confirmation: None,
        dry_run: None,
        ..request.clone()
    };
    let mut confirmed = confirmed.encode_length_delimited_to_vec();
    confirmed.extend(Map { entries: params }.encode_to_vec());
    confirmation::require(&confirmed, effect, request.confirmation.as_deref())
}

/// A transaction on a connection that is known to live: a statement must not be the first to find out, because it is not sent again.
async fn begin(database: &Database, name: Option<&str>, timeout: Duration) -> Result<Transaction, Error> {
    let mut transaction = database.write(name, timeout).await?;
    transaction.first_rows("RETURN", "RETURN 1", vec![]).await?;
    Ok(transaction)
}

/// How much a statement changed: nodes and relationships that came and went, or, when there are none, what was set on others.
fn changed(summary: &Summary) -> (u64, &'static str) {
    let sum = |names: &[&str]| names.iter().map(|name| u64::from(summary.counter(name))).sum();
    let elements = sum(&[
        "nodes-created",
        "nodes-deleted",
        "relationships-created",
        "relationships-deleted",
    ]);
    if elements > 0 {
        return (elements, "nodes and relationships");
    }
    let set = sum(&["properties-set", "labels-added", "labels-removed"]);
    (set, "properties and labels")
}

/// Whether there may be other labels and relationship types than before.
fn changes_names(summary: &Summary) -> bool {
    let counters = [
        "labels-added",
        "labels-removed",
        "nodes-deleted",
        "relationships-created",
        "relationships-deleted",
    ];
    counters.iter().any(|name| summary.counter(name) > 0)
}

fn counters(summary: &Summary) -> pb::Counters {
    let counter = |name| Some(summary.counter(name)).filter(|count| *count > 0);
    pb::Counters {
        nodes_created: counter("nodes-created"),
        nodes_deleted: counter("nodes-deleted"),
        relationships_created: counter("relationships-created"),
        relationships_deleted: counter("relationships-deleted"),
        properties_set: counter("properties-set"),
        labels_added: counter("labels-added"),
        labels_removed: counter("labels-removed"),
        indexes_added: counter("indexes-added"),
        indexes_removed: counter("indexes-removed"),
        constraints_added: counter("constraints-added"),
        constraints_removed: counter("constraints-removed"),
    }
}

/// Rolls back. A connection that is lost meanwhile has the same effect.
async fn end_unchanged(transaction: Transaction) {
    if let Err(error) = transaction.rollback().await {
        tracing::debug!(error = mcp_hub_chassis::fault::chain(&error), "rollback");
    }
}

/// An error of the commit. If the server said it, nothing was changed; if it said nothing, nobody knows.
fn not_committed(error: Error) -> Fault {
    let known = matches!(&error, Error::Server(error) if !error.is_terminated());
    let fault = Fault::from(error);
    if known {
        fault.unchanged()
    } else {
        fault.unclear("the changes were made")
    }
}

#[cfg(test)]
mod tests {
    use mcp_hub_proto::data::v1::Value;
    use mcp_hub_proto::data::v1::value::Kind as Form;

    use super::*;

    fn request(cypher: &str) -> pb::ExecuteRequest {
        pb::ExecuteRequest {
            cypher: cypher.to_owned(),
            ..pb::ExecuteRequest::default()
        }
    }

    fn confirmed(request: &pb::ExecuteRequest) -> Result<(), Fault> {
        confirm(request, &guard::write(&request.cypher)?)
    }

    #[test]
    fn a_destructive_statement_needs_the_digest_of_its_own_request() {
        assert_eq!(confirmed(&request("MATCH (n:A {id: 1}) DELETE n")), Ok(()));
        let mut delete = request("MATCH (n:A) DETACH DELETE n");
        let value = |number| Value {
            kind: Some(Form::Int(number)),
        };
        delete.params = (0..20)
            .map(|number| (number.to_string(), value(number)))
            .collect();
        let fault = confirmed(&delete).expect_err("asks");
        assert_eq!(fault.reason, Reason::ConfirmationRequired);
        assert!(
            fault.metadata["effect"].starts_with("`MATCH (n:A) DETACH DELETE n` deletes"),
            "{fault}"
        );
        delete.confirmation = Some(fault.metadata["digest"].clone());
        // The same parameters in a map of another process, whose order is another one.
        delete.params = delete.params.clone().into_iter().collect();
        assert_eq!(confirmed(&delete), Ok(()));
        // Rehearsed before, with the same digest after.
        delete.dry_run = Some(false);
        assert_eq!(confirmed(&delete), Ok(()));
        delete.params.insert("0".to_owned(), value(9));
        assert!(confirmed(&delete).is_err());
    }

    #[test]
    fn an_unclear_commit_is_told_as_such_and_not_to_be_repeated() {
        let lost = not_committed(Error::Lost(std::io::ErrorKind::UnexpectedEof.into()));
        assert!(lost.message.contains("not known"), "{lost}");
        assert_eq!(lost.retry_after, None);
    }
}
