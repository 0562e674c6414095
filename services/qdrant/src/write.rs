//! `QdrantWriteService`: points, payloads, collections and indexes are changed here, and nowhere else.
//!
//! Each change is checked in full before the server is asked, waits until the server has applied it, and is sent once: when it is not
//! known what became of it, the caller learns just that.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::TIMEOUT_MS;
use mcp_hub_chassis::fault::Reason;
use qdrant_client::qdrant::{UpdateResult, UpdateStatus};
use tonic::Code;

use crate::error::Error;

mod collection;
mod conditions;
mod delete;
mod identity;
mod index;
mod names;
mod payload;
mod point;
mod selection;
mod upsert;

pub(crate) use collection::create_collection;
pub(crate) use delete::delete_points;
pub(crate) use index::create_payload_index;
pub(crate) use payload::update_payload;
pub(crate) use upsert::upsert;

/// How many points a call may delete or overwrite by their ids without being asked. Who names more has hardly looked at each.
const MOST_UNCONFIRMED: u64 = 100;

/// The limit of a call. Writes have no `timeout_ms`: they get as long as clients wait.
fn limit(remaining: Option<Duration>) -> Duration {
    let most = Duration::from_millis(TIMEOUT_MS.maximum.into());
    remaining.map_or(most, |remaining| remaining.min(most))
}

/// Whether nobody knows what became of a change that failed so. What the server refuses by itself, it has not done.
fn is_unclear(error: &Error) -> bool {
    match error {
        Error::Lost(_) | Error::TimedOut(_) => true,
        Error::Server(error) => !matches!(
            error.code,
            Code::InvalidArgument
                | Code::NotFound
                | Code::AlreadyExists
                | Code::PermissionDenied
                | Code::FailedPrecondition
                | Code::OutOfRange
                | Code::ResourceExhausted
                | Code::Unimplemented
                | Code::Unauthenticated
        ),
        _ => false,
    }
}

/// A change that failed; `unclear` adds what to do when it may have been made all the same.
fn failed(error: Error, unclear: impl FnOnce(Fault) -> Fault) -> Fault {
    if !is_unclear(&error) {
        return refused(error);
    }
    unclear(match error {
        Error::TimedOut(limit) => late("the server did not answer", limit),
        error => error.into(),
    })
}

/// A change that was not seen to be made in time.
fn late(what: &str, limit: Duration) -> Fault {
    let limit = limit.as_millis();
    Fault::new(Reason::StatementTimedOut, format!("{what} within {limit} ms"))
        .with("timeout_ms", limit.to_string())
}

/// A change that the server has not made.
fn refused(error: Error) -> Fault {
    let of_server = matches!(error, Error::Server(_));
    let mut fault = Fault::from(error);
    if of_server && fault.reason == Reason::AccessDenied {
        fault.message = format!(
            "the API key may not write this ({}): QDRANT_WRITE_API_KEY must be one that may",
            fault.message
        );
    }
    fault
}

/// Checks what the server says of a change that it took: it was asked to wait until it is applied.
fn applied(
    result: Option<UpdateResult>,
    limit: Duration,
    unclear: impl FnOnce(Fault) -> Fault,
) -> Result<(), Fault> {
    match result.map(|result| result.status()) {
        Some(UpdateStatus::WaitTimeout) => Err(unclear(late(
            "the server has taken the change, but did not make it",
            limit,
        ))),
        Some(UpdateStatus::ClockRejected) => {
            let message = "another change of the same points came first: try again";
            Err(Fault::new(Reason::DatabaseBusy, message))
        }
        // Replicas that are behind follow on their own.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use qdrant_client::qdrant as q;

    use super::*;
    use crate::config::tests::config;
    use crate::database::Database;
    use crate::error::ServerError;

    fn server(code: Code, message: &str) -> Error {
        Error::Server(ServerError::new(code, message))
    }

    #[test]
    fn what_became_of_a_change_is_told_as_far_as_it_is_known() {
        for (error, unclear) in [
            (Error::Lost("reset".into()), true),
            (Error::TimedOut(Duration::from_secs(1)), true),
            (server(Code::Internal, "Service internal error: disk"), true),
            (server(Code::Unavailable, "x"), true),
            (server(Code::Cancelled, "x"), true),
            (server(Code::InvalidArgument, "Wrong input: x"), false),
            (server(Code::PermissionDenied, "x"), false),
            (Error::Busy, false),
            (
                Error::Unreachable {
                    verdict: mcp_hub_chassis::doctor::Verdict::Refused,
                    reason: "connection refused".to_owned(),
                    source: None,
                },
                false,
            ),
        ] {
            let text = format!("{error:?}");
            let fault = failed(error, |fault| fault.unclear("the points were deleted"));
            let told = fault
                .message
                .contains("whether the points were deleted is not known");
            assert_eq!(told, unclear, "{text}: {fault}");
        }
    }

    #[tokio::test]
    async fn what_writes_can_t_be_sent_by_what_reads() {
        let database = Database::new(config(&["--url", "http://127.0.0.1:1"]), "test");
        let limit = Duration::from_secs(5);
        macro_rules! refused {
            ($($request:expr),*) => {
                $(for session in [database.read(limit), database.judge(limit)] {
                    let result = session.send($request).await;
                    assert!(matches!(result, Err(Error::Unexpected(_))), "{}: {result:?}", stringify!($request));
                })*
            };
        }
        refused!(
            q::UpsertPoints::default(),
            q::UpdateBatchPoints::default(),
            q::DeletePoints::default(),
            q::CreateFieldIndexCollection::default(),
            q::CreateCollection::default()
        );
        let written = database.write(limit).send(q::UpsertPoints::default()).await;
        assert!(matches!(written, Err(Error::Unreachable { .. })), "{written:?}");
    }

    #[test]
    fn a_key_that_only_reads_is_told_what_to_set() {
        let fault = refused(server(
            Code::PermissionDenied,
            "Forbidden: Global write access is required",
        ));
        assert_eq!(fault.reason, Reason::AccessDenied);
        assert_eq!(
            fault.message,
            "the API key may not write this (Global write access is required): QDRANT_WRITE_API_KEY must be one that may"
        );
    }

    #[test]
    fn a_change_that_waits_is_no_success() {
        let result = |status: UpdateStatus| {
            Some(UpdateResult {
                operation_id: Some(1),
                status: status.into(),
            })
        };
        let applied = |status| {
            applied(result(status), Duration::from_secs(1), |fault| {
                fault.unclear("it was done")
            })
        };
        assert_eq!(applied(UpdateStatus::Completed), Ok(()));
        assert_eq!(applied(UpdateStatus::Acknowledged), Ok(()));
        let late = applied(UpdateStatus::WaitTimeout).expect_err("late");
        assert_eq!(late.reason, Reason::StatementTimedOut);
        assert!(
            late.message.contains("whether it was done is not known"),
            "{late}"
        );
        assert!(applied(UpdateStatus::ClockRejected).is_err());
    }
}
