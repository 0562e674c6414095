//! `UpdatePayload`: keys of payloads are set, replaced or deleted, in one request.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_proto::qdrant::v1 as pb;
use qdrant_client::qdrant::points_update_operation::{
    DeletePayload, Operation, OverwritePayload, SetPayload,
};
use qdrant_client::qdrant::{PointsSelector, PointsUpdateOperation, UpdateBatchPoints, Value};

use super::conditions::{self, top};
use super::point::{TEXT, check_size};
use super::selection::{self, Found, Selection};
use super::{MOST_UNCONFIRMED, applied, failed, limit};
use crate::binding::Bindings;
use crate::collection::Shape;
use crate::database::Database;
use crate::embedding::Embeddings;
use crate::guard::guard;
use crate::{filter, value};

/// The most keys that a call deletes.
const MOST_KEYS: usize = 100;

/// Changes payloads.
///
/// # Errors
/// Wrong arguments, `CONFIRMATION_REQUIRED`, the server's error, time-outs. All of them mean that nothing was changed, unless the message
/// says that it is not known.
pub(crate) async fn update_payload(
    database: &Database,
    embeddings: &Embeddings,
    request: &pb::UpdatePayloadRequest,
    remaining: Option<Duration>,
) -> Result<pb::UpdatePayloadResponse, Fault> {
    let dry_run = request.dry_run.unwrap_or_default();
    let (ids, change) = guard(|| {
        let ids = selection::check(&request.ids, request.filter.as_ref())?;
        Ok((ids, Change::read(request)?))
    })?;
    let session = database.write(limit(remaining));
    let shape = session.shape(&request.collection).await?;
    let mut notices = vec![];
    let selection = Selection::read(ids, request.filter.as_ref(), &shape, &mut notices)?;
    let order = change.order(&selection)?;
    let touches_text = change.touches_text();
    let mut found = selection.find(&session, &shape).await?;
    notices.append(&mut found.notices);
    let committed = !dry_run && found.matched > 0;
    if dry_run {
        notices.push("dry run: nothing was changed".to_owned());
    } else if found.matched == 0 {
        notices.push("there was nothing to change".to_owned());
    }
    if committed {
        confirm(request, &found, &shape)?;
        let batch = UpdateBatchPoints {
            wait: Some(true),
            operations: change.operations(order, &found.selection.selector()),
            ..UpdateBatchPoints::default()
        };
        let answer = session.ask(&shape.collection, batch).await;
        let unclear = |fault: Fault| fault.unclear("the payloads were changed, all or some,");
        for result in answer.map_err(|error| failed(error, unclear))?.result {
            applied(Some(result), session.timeout(), unclear)?;
        }
        if touches_text && !Bindings::of(&shape, embeddings).all().is_empty() {
            notices.push(format!(
                "vectors that were made of `{TEXT}` are as before: upsert makes them anew"
            ));
        }
    }
    Ok(pb::UpdatePayloadResponse {
        matched: Some(found.matched),
        committed: Some(committed),
        notices,
    })
}

/// Lets the call pass when it was confirmed.
fn confirm(request: &pb::UpdatePayloadRequest, found: &Found, shape: &Shape) -> Result<(), Fault> {
    let overwrite = request.overwrite.unwrap_or_default();
    let unseen = found.selection.may_differ() || found.matched > MOST_UNCONFIRMED;
    let destroys = overwrite && unseen;
    if !destroys && !found.selection.is_everything() {
        return Ok(());
    }
    // What is confirmed is exactly this request, so the confirmation itself is not part of it.
    let confirmed = pb::UpdatePayloadRequest {
        confirmation: None,
        dry_run: None,
        ..request.clone()
    };
    let does = if overwrite {
        "replaces the whole payload of"
    } else {
        "changes the payload of"
    };
    let effect = format!("This {does} {}.", found.title(shape));
    found.confirm(&confirmed, shape, &effect, request.confirmation.as_deref())
}

/// What is done to a payload.
#[derive(Clone, Debug, PartialEq)]
enum Change {
    /// It becomes this one.
    Overwrite(HashMap<String, Value>),
    /// Keys are set and deleted, never the same ones.
    Keys {
        set: HashMap<String, Value>,
        delete: Vec<String>,
    },
}

/// What comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    SetFirst,
    DeleteFirst,
}

impl Change {
    fn read(request: &pb::UpdatePayloadRequest) -> Result<Self, Fault> {
        let set = match &request.set {
            Some(set) => {
                let set = value::value_to_payload(set)
                    .map_err(|why| Fault::argument("set", format!("set: {why}")))?;
                check_size("set", &set)?;
                Some(set)
            }
            None => None,
        };
        if request.overwrite.unwrap_or_default() {
            if !request.delete_keys.is_empty() {
                let message = "overwrite replaces the whole payload: leave delete_keys out, or overwrite";
                return Err(Fault::argument("delete_keys", message));
            }
            let message = "overwrite needs set, the new payload; {} for an empty one";
            return set
                .map(Self::Overwrite)
                .ok_or_else(|| Fault::argument("set", message));
        }
        let set = set.unwrap_or_default();
        if set.is_empty() && request.delete_keys.is_empty() {
            let message = "give set, delete_keys or both: there is nothing to change";
            return Err(Fault::argument("set", message));
        }
        if request.delete_keys.len() > MOST_KEYS {
            let message = format!(
                "delete_keys has {} items; a call takes at most {MOST_KEYS}",
                request.delete_keys.len()
            );
            return Err(Fault::argument("delete_keys", message));
        }
        // Checked here, because of a request with several changes the server makes the first before it looks at the second.
        let delete = filter::keys("delete_keys", &request.delete_keys)?;
        if let Some(both) = delete.iter().find(|key| set.contains_key(top(key))) {
            let message = format!("`{}` is both in set and in delete_keys", top(both));
            return Err(Fault::argument("delete_keys", message));
        }
        Ok(Self::Keys { set, delete })
    }

    /// Which change comes first. The server finds the points for each anew, so that the first must not change what the filter asks for.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` when both would.
    fn order(&self, selection: &Selection) -> Result<Order, Fault> {
        let (Self::Keys { set, delete }, Selection::Filter(filter)) = (self, selection) else {
            return Ok(Order::SetFirst);
        };
        let asked = conditions::keys(filter);
        let set: BTreeSet<&str> = set.keys().map(String::as_str).collect();
        let delete: BTreeSet<&str> = delete.iter().map(|key| top(key)).collect();
        if asked.is_disjoint(&set) || delete.is_empty() {
            return Ok(Order::SetFirst);
        }
        if asked.is_disjoint(&delete) {
            return Ok(Order::DeleteFirst);
        }
        let message = "set and delete_keys both change keys that the filter asks for, so that the second would not find the points \
                       any more: give the ids of the points";
        Err(Fault::argument("filter", message))
    }

    fn operations(self, order: Order, selector: &PointsSelector) -> Vec<PointsUpdateOperation> {
        let points_selector = || Some(selector.clone());
        let (set, delete) = match self {
            Self::Overwrite(payload) => {
                let overwrite = OverwritePayload {
                    payload,
                    points_selector: points_selector(),
                    ..OverwritePayload::default()
                };
                (Some(Operation::OverwritePayload(overwrite)), None)
            }
            Self::Keys { set, delete } => {
                let set = (!set.is_empty()).then(|| {
                    Operation::SetPayload(SetPayload {
                        payload: set,
                        points_selector: points_selector(),
                        ..SetPayload::default()
                    })
                });
                let delete = (!delete.is_empty()).then(|| {
                    Operation::DeletePayload(DeletePayload {
                        keys: delete,
                        points_selector: points_selector(),
                        ..DeletePayload::default()
                    })
                });
                (set, delete)
            }
        };
        let operations = match order {
            Order::SetFirst => [set, delete],
            Order::DeleteFirst => [delete, set],
        };
        let operations = operations.into_iter().flatten();
        operations
            .map(|operation| PointsUpdateOperation {
                operation: Some(operation),
            })
            .collect()
    }

    /// Whether it changes the text that vectors may have been made of.
    fn touches_text(&self) -> bool {
        match self {
            Self::Overwrite(_) => true,
            Self::Keys { set, delete } => set.contains_key(TEXT) || delete.iter().any(|key| top(key) == TEXT),
        }
    }
}

#[cfg(test)]
mod tests;
