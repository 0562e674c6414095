//! Points in batches, from a position on, each with its own.
//!
//! Qdrant pages by id. Sorted points it gives only from a value on, and a page may end amid points of the same value: those are read
//! by id, so that none is left out and none comes twice, however many they are.

use std::cmp::Ordering;

use prost::Message as _;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::{Filter, PointId, RetrievedPoint, ScrollPoints};

use super::order::{self, Order};
use super::position::{Position, Value};
use crate::database::{Name, Session};
use crate::error::Error;
use crate::row::Columns;

/// How many points are asked for at first, and at most.
const FIRST: usize = 100;
const MOST: usize = 1000;

/// How many bytes a batch should have.
const BYTES: usize = 4 * 1024 * 1024;

/// How many sorted points are asked for at most when the values of all of them may be those of the page before.
const MOST_OF_ONE_VALUE: usize = 100_000;

/// Which points, in what order, with what of them.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) filter: Option<Filter>,
    pub(crate) order: Option<Order>,
    pub(crate) columns: Columns,
}

/// What comes next.
#[derive(Clone, Debug)]
enum Next {
    /// All points from this id on.
    Ids(Option<PointId>),
    /// The points of values behind this one.
    Sorted(Option<Value>),
    /// The points of this value from this id on, then those behind it.
    Same(Value, Option<PointId>),
    End,
}

/// Reads points.
pub(crate) struct Reader<'a> {
    session: &'a Session,
    collection: &'a Name,
    wanted: Wanted,
    next: Next,
    /// How many points a batch has.
    batch: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        session: &'a Session,
        collection: &'a Name,
        wanted: Wanted,
        position: Position,
    ) -> Self {
        let next = match position {
            Position::At(id) => Next::Ids(Some(id)),
            Position::Among(value, id) => Next::Same(value, Some(id)),
            Position::Start if wanted.order.is_some() => Next::Sorted(None),
            Position::Start => Next::Ids(None),
        };
        Self {
            session,
            collection,
            wanted,
            next,
            batch: FIRST,
        }
    }

    /// Some more points, `limit` at most as far as that is worth while; `None` behind the last one.
    pub(crate) async fn next(
        &mut self,
        limit: usize,
    ) -> Result<Option<Vec<(Position, RetrievedPoint)>>, Error> {
        loop {
            let points = match self.next.clone() {
                Next::End => return Ok(None),
                Next::Ids(from) => self.by_id(from, limit).await?,
                Next::Same(value, from) => self.of_value(value, from, limit).await?,
                Next::Sorted(behind) => match self.wanted.order.clone() {
                    Some(order) => self.sorted(&order, behind, limit).await?,
                    None => return Ok(None),
                },
            };
            if !points.is_empty() {
                return Ok(Some(points));
            }
        }
    }

    async fn by_id(
        &mut self,
        from: Option<PointId>,
        limit: usize,
    ) -> Result<Vec<(Position, RetrievedPoint)>, Error> {
        let request = ScrollPoints {
            filter: self.wanted.filter.clone(),
            offset: from,
            ..ScrollPoints::default()
        };
        let (points, next, _) = self.ask(request, limit).await?;
        self.next = next.map_or(Next::End, |next| Next::Ids(Some(next)));
        let placed = points.into_iter().filter_map(|point| {
            let position = Position::At(point.id.clone()?);
            Some((position, point))
        });
        Ok(placed.collect())
    }

    async fn of_value(
        &mut self,
        value: Value,
        from: Option<PointId>,
        limit: usize,
    ) -> Result<Vec<(Position, RetrievedPoint)>, Error> {
        let mut filter = Filter::must(self.wanted.order.iter().map(|order| order.has(value)));
        if let Some(wanted) = self.wanted.filter.clone() {
            filter.must.push(wanted.into());
        }
        let request = ScrollPoints {
            filter: Some(filter),
            offset: from,
            ..ScrollPoints::default()
        };
        let (points, next, _) = self.ask(request, limit).await?;
        self.next = match next {
            Some(next) => Next::Same(value, Some(next)),
            None => Next::Sorted(Some(value)),
        };
        Ok(points
            .into_iter()
            .filter_map(|point| placed(value, point))
            .collect())
    }

    async fn sorted(
        &mut self,
        order: &Order,
        behind: Option<Value>,
        limit: usize,
    ) -> Result<Vec<(Position, RetrievedPoint)>, Error> {
        let request = ScrollPoints {
            filter: self.wanted.filter.clone(),
            order_by: Some(order.behind(behind)),
            ..ScrollPoints::default()
        };
        let mut most = limit;
        let (may_go_on, mut points) = loop {
            let (points, _, asked) = self.ask(request.clone(), most).await?;
            let full = points.len() >= asked;
            let points: Vec<(Value, RetrievedPoint)> = points
                .into_iter()
                .filter_map(|point| Some((order::value(&point)?, point)))
                .filter(|(value, _)| behind.is_none_or(|behind| order.is_behind(*value, behind)))
                .collect();
            if !points.is_empty() || !full {
                break (full, points);
            }
            // Values that a double can't tell apart may come again.
            if asked >= MOST_OF_ONE_VALUE {
                return Err(Error::Unexpected("very many points of values beyond 2^53"));
            }
            self.batch = asked * 4;
            most = self.batch;
        };
        let last = points.last().map(|(value, _)| *value);
        self.next = match last {
            // There may be more points of the last value.
            Some(last) if may_go_on => {
                points.retain(|(value, _)| *value != last);
                Next::Same(last, None)
            }
            _ => Next::End,
        };
        // Among the same value by id, as a page that begins there reads them.
        points.sort_by(|(left, one), (right, other)| {
            if order.is_behind(*left, *right) {
                Ordering::Greater
            } else if order.is_behind(*right, *left) {
                Ordering::Less
            } else {
                rank(one).cmp(&rank(other))
            }
        });
        Ok(points
            .into_iter()
            .filter_map(|(value, point)| placed(value, point))
            .collect())
    }

    /// Asks for as many points as fit a message, and learns how many those are. The last is how many were asked for.
    async fn ask(
        &mut self,
        mut request: ScrollPoints,
        limit: usize,
    ) -> Result<(Vec<RetrievedPoint>, Option<PointId>, usize), Error> {
        request.with_payload = Some(self.wanted.columns.with_payload());
        request.with_vectors = Some(self.wanted.columns.with_vectors());
        loop {
            let batch = self.batch.min(limit).max(1);
            request.limit = Some(u32::try_from(batch).unwrap_or(u32::MAX));
            let response = match self.session.ask(self.collection, request.clone()).await {
                Err(Error::TooLarge(_)) if batch > 1 => {
                    self.batch = (batch / 8).max(1);
                    continue;
                }
                response => response?,
            };
            let bytes = response.encoded_len() / response.result.len().max(1);
            let fitting = (BYTES / bytes.max(1)).clamp(1, MOST);
            // A later batch may be of larger points: it grows slowly.
            self.batch = fitting.min(self.batch * 4);
            return Ok((response.result, response.next_page_offset, batch));
        }
    }
}

fn placed(value: Value, point: RetrievedPoint) -> Option<(Position, RetrievedPoint)> {
    Some((Position::Among(value, point.id.clone()?), point))
}

/// Qdrant sorts numbers before UUIDs.
fn rank(point: &RetrievedPoint) -> (u64, &str) {
    match point.id.as_ref().and_then(|id| id.point_id_options.as_ref()) {
        Some(PointIdOptions::Num(number)) => (*number, ""),
        Some(PointIdOptions::Uuid(uuid)) => (u64::MAX, uuid),
        None => (u64::MAX, ""),
    }
}
