//! `DeletePoints`: counts first, and asks before it deletes what nobody has named one by one.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_proto::qdrant::v1 as pb;
use qdrant_client::qdrant::DeletePoints;

use super::selection::{self, Found, Selection};
use super::{MOST_UNCONFIRMED, applied, failed, limit};
use crate::collection::Shape;
use crate::database::Database;
use crate::guard::guard;

/// Deletes points.
///
/// # Errors
/// Wrong arguments, `CONFIRMATION_REQUIRED`, the server's error, time-outs. All of them mean that nothing was deleted, unless the message
/// says that it is not known.
pub(crate) async fn delete_points(
    database: &Database,
    request: &pb::DeletePointsRequest,
    remaining: Option<Duration>,
) -> Result<pb::DeletePointsResponse, Fault> {
    let dry_run = request.dry_run.unwrap_or(true);
    let ids = guard(|| selection::check(&request.ids, request.filter.as_ref()))?;
    let session = database.write(limit(remaining));
    let shape = session.shape(&request.collection).await?;
    let mut notices = vec![];
    let selection = Selection::read(ids, request.filter.as_ref(), &shape, &mut notices)?;
    let mut found = selection.find(&session, &shape).await?;
    notices.append(&mut found.notices);
    let committed = !dry_run && found.matched > 0;
    if dry_run {
        notices.push(rehearsed(&found, &shape));
    } else if found.matched == 0 {
        notices.push("there was nothing to delete".to_owned());
    }
    if committed {
        confirm(request, &found, &shape)?;
        let delete = DeletePoints {
            wait: Some(true),
            points: Some(found.selection.selector()),
            ..DeletePoints::default()
        };
        let answer = session.ask(&shape.collection, delete).await;
        let unclear = |fault: Fault| fault.unclear("the points were deleted");
        let answer = answer.map_err(|error| failed(error, unclear))?;
        applied(answer.result, session.timeout(), unclear)?;
        if found.selection.may_differ() {
            notices.push(
                "matched was counted just before: points written in between may make a difference".to_owned(),
            );
        }
    }
    Ok(pb::DeletePointsResponse {
        matched: Some(found.matched),
        committed: Some(committed),
        notices,
    })
}

/// What a dry run says.
fn rehearsed(found: &Found, shape: &Shape) -> String {
    if found.matched == 0 {
        return "dry run: there is nothing to delete".to_owned();
    }
    let then = if needs_confirmation(found) {
        "; you will be asked to confirm it"
    } else {
        ""
    };
    format!(
        "dry run: nothing was deleted; with dry_run false it deletes {}{then}",
        found.title(shape)
    )
}

/// Few points that are named one by one have been looked at; what a filter matches may surprise.
fn needs_confirmation(found: &Found) -> bool {
    found.selection.may_differ() || found.matched > MOST_UNCONFIRMED
}

/// Lets the call pass when it was confirmed.
fn confirm(request: &pb::DeletePointsRequest, found: &Found, shape: &Shape) -> Result<(), Fault> {
    if !needs_confirmation(found) {
        return Ok(());
    }
    // What is confirmed is exactly this request, so the confirmation itself is not part of it.
    let confirmed = pb::DeletePointsRequest {
        confirmation: None,
        dry_run: None,
        ..request.clone()
    };
    let effect = format!("This deletes {} for good.", found.title(shape));
    found.confirm(&confirmed, shape, &effect, request.confirmation.as_deref())
}
