//! `GetPoints`: points by their ids.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::answer::{Caps, Push};
use mcp_hub_proto::qdrant::v1 as pb;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::{GetPoints, PointId, RetrievedPoint};

use crate::collection::timeout;
use crate::database::{Database, Name, Session};
use crate::error::Error;
use crate::guard::guard;
use crate::row::{Columns, Table};
use crate::{filter, value};

/// The most ids of a call.
const MOST: usize = 1000;

/// How many points are got at once.
const BATCH: usize = 100;

/// How many ids a notice names.
const NAMED: usize = 20;

/// Gets points, in the order of the ids.
///
/// # Errors
/// `OBJECT_NOT_FOUND` for the collection, wrong arguments, the server's error, time-outs.
pub(crate) async fn get_points(
    database: &Database,
    request: &pb::GetPointsRequest,
    remaining: Option<Duration>,
) -> Result<pb::GetPointsResponse, Fault> {
    let begun = Instant::now();
    let (ids, columns) = guard(|| {
        let columns = Columns {
            payload: filter::keys("payload_fields", &request.payload_fields)?,
            vectors: request.with_vectors(),
            ..Columns::default()
        };
        Ok((ids(request)?, columns))
    })?;
    let session = database.read(timeout(remaining)?);
    let collection = session.collection(&request.collection).await?;

    let mut table = Table::new(columns.clone(), Caps::rows(u32::MAX));
    let mut missing = Vec::new();
    let mut shown = 0;
    let mut batch = BATCH;
    'all: while shown < ids.len() {
        let wanted = &ids[shown..(shown + batch).min(ids.len())];
        let found = match get(&session, &collection, wanted, &columns).await {
            // Points may be of any size.
            Err(Error::TooLarge(_)) if batch > 1 => {
                batch = (batch / 8).max(1);
                continue;
            }
            found => found?,
        };
        let mut found: HashMap<PointIdOptions, RetrievedPoint> = found
            .into_iter()
            .filter_map(|point| Some((point.id.clone()?.point_id_options?, point)))
            .collect();
        for id in wanted {
            match id.point_id_options.as_ref().and_then(|id| found.remove(id)) {
                None => missing.push(value::id_text(id)),
                Some(point) => {
                    if table.push(point.into())? != Push::Added {
                        break 'all;
                    }
                }
            }
            shown += 1;
        }
    }
    if !missing.is_empty() {
        table.notice(no_points(&missing));
    }
    if shown < ids.len() {
        let (left, next) = (ids.len() - shown, value::id_text(&ids[shown]));
        table.notice(format!(
            "{left} more of the ids do not fit into this answer: ask for those from {next} on in another call"
        ));
    }
    let result = table.finish(begun.elapsed(), |_| None);
    Ok(pb::GetPointsResponse { result: Some(result) })
}

/// The ids, each once.
fn ids(request: &pb::GetPointsRequest) -> Result<Vec<PointId>, Fault> {
    if request.ids.is_empty() {
        return Err(Fault::argument("ids", "ids is empty: name at least one point"));
    }
    if request.ids.len() > MOST {
        let message = format!("ids has {} ids, and may have {MOST}", request.ids.len());
        return Err(Fault::argument("ids", message));
    }
    let mut seen = std::collections::HashSet::new();
    let mut ids = value::ids_from_values("ids", &request.ids)?;
    ids.retain(|id| seen.insert(id.point_id_options.clone()));
    Ok(ids)
}

async fn get(
    session: &Session,
    collection: &Name,
    ids: &[PointId],
    columns: &Columns,
) -> Result<Vec<RetrievedPoint>, Error> {
    let request = GetPoints {
        ids: ids.to_vec(),
        with_payload: Some(columns.with_payload()),
        with_vectors: Some(columns.with_vectors()),
        ..GetPoints::default()
    };
    Ok(session.ask(collection, request).await?.result)
}

/// What is said of ids that are none.
fn no_points(missing: &[String]) -> String {
    let named = &missing[..missing.len().min(NAMED)];
    let more = missing.len() - named.len();
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    format!("no point has the id {}{more}", named.join(", "))
}
