//! Which points a change is about: those of some ids, or those that a filter matches.

use std::collections::HashSet;

use mcp_hub_chassis::{Fault, confirmation};
use mcp_hub_proto::data::v1::Value;
use mcp_hub_proto::json;
use prost::Message;
use qdrant_client::qdrant::{
    Filter, GetPoints, PointId, PointsIdsList, PointsSelector, WithPayloadSelector, WithVectorsSelector,
    points_selector::PointsSelectorOneOf, with_payload_selector, with_vectors_selector,
};

use super::conditions::is_unconditional;
use crate::collection::Shape;
use crate::count;
use crate::database::Session;
use crate::error::Error;
use crate::{filter, value};

/// The most ids of a call.
const MOST_IDS: usize = 10_000;

/// How many ids a notice names.
const NAMED: usize = 10;

/// The points that a caller means.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Selection {
    /// Those of these ids, each once.
    Ids(Vec<PointId>),
    /// Those that match; an empty one matches all.
    Filter(Filter),
}

/// The points that there are of a selection.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) selection: Selection,
    pub(super) matched: u64,
    /// What to know about it.
    pub(super) notices: Vec<String>,
}

/// Checks the ids that a call names; none is no selection.
///
/// # Errors
/// `ARGUMENT_INVALID` for both ids and a filter, none of them, too many ids, or what is no id.
pub(super) fn check(ids: &[Value], filter: Option<&Value>) -> Result<Option<Vec<PointId>>, Fault> {
    match (ids.is_empty(), filter) {
        (true, Some(_)) => return Ok(None),
        (false, None) => {}
        (false, Some(_)) => return Err(Fault::argument("filter", "give ids or filter, not both")),
        (true, None) => {
            let message = "give the ids of the points, or a filter; the filter {} is for all points";
            return Err(Fault::argument("ids", message));
        }
    }
    if ids.len() > MOST_IDS {
        let message = format!("ids has {} items; a call takes at most {MOST_IDS}", ids.len());
        return Err(Fault::argument("ids", message));
    }
    let mut ids = value::ids_from_values("ids", ids)?;
    let mut seen = HashSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    Ok(Some(ids))
}

impl Selection {
    /// The selection of a call whose ids were [checked](check).
    ///
    /// # Errors
    /// The filter's.
    pub(super) fn read(
        ids: Option<Vec<PointId>>,
        filter: Option<&Value>,
        shape: &Shape,
        notices: &mut Vec<String>,
    ) -> Result<Self, Fault> {
        Ok(match ids {
            Some(ids) => Self::Ids(ids),
            None => Self::Filter(filter::parse(filter, shape, notices)?.unwrap_or_default()),
        })
    }

    /// Whether it names no point in any way, and so means all of them.
    pub(super) fn is_everything(&self) -> bool {
        match self {
            Self::Ids(_) => false,
            Self::Filter(filter) => is_unconditional(filter),
        }
    }

    /// Whether the points are those that match when the change is made, and not those that were counted.
    pub(super) fn may_differ(&self) -> bool {
        matches!(self, Self::Filter(_))
    }

    /// As the server takes it.
    pub(super) fn selector(&self) -> PointsSelector {
        let one_of = match self.clone() {
            Self::Ids(ids) => PointsSelectorOneOf::Points(PointsIdsList { ids }),
            Self::Filter(filter) => PointsSelectorOneOf::Filter(filter),
        };
        PointsSelector {
            points_selector_one_of: Some(one_of),
        }
    }

    /// Looks which points there are: ids that are none are left out, because the server takes them for an error.
    pub(super) async fn find(self, session: &Session, shape: &Shape) -> Result<Found, Error> {
        match self {
            Self::Ids(ids) => find_ids(ids, session, shape).await,
            Self::Filter(filter) => {
                let counted = count::exact(session, &shape.collection, Some(filter.clone())).await?;
                Ok(Found {
                    selection: Self::Filter(filter),
                    matched: counted.unwrap_or(0),
                    notices: vec![],
                })
            }
        }
    }
}

async fn find_ids(mut ids: Vec<PointId>, session: &Session, shape: &Shape) -> Result<Found, Error> {
    let get = GetPoints {
        ids: ids.clone(),
        with_payload: Some(WithPayloadSelector {
            selector_options: Some(with_payload_selector::SelectorOptions::Enable(false)),
        }),
        with_vectors: Some(WithVectorsSelector {
            selector_options: Some(with_vectors_selector::SelectorOptions::Enable(false)),
        }),
        ..GetPoints::default()
    };
    let points = session.ask(&shape.collection, get).await?.result;
    let found: HashSet<PointId> = points.into_iter().filter_map(|point| point.id).collect();
    let missing: Vec<&PointId> = ids.iter().filter(|id| !found.contains(id)).collect();
    let notices = no_points(&missing, shape.name()).into_iter().collect();
    ids.retain(|id| found.contains(id));
    Ok(Found {
        matched: ids.len() as u64,
        selection: Selection::Ids(ids),
        notices,
    })
}

/// Names the ids that are no points.
fn no_points(missing: &[&PointId], collection: &str) -> Option<String> {
    if missing.is_empty() {
        return None;
    }
    let mut names = String::new();
    for id in missing.iter().take(NAMED) {
        if !names.is_empty() {
            names.push_str(", ");
        }
        json::write_value(&mut names, &value::id_to_value(id));
    }
    if missing.len() > NAMED {
        names.push_str(", ..");
    }
    let of = if missing.len() == 1 {
        "id is no point"
    } else {
        "ids are no points"
    };
    Some(format!("{} {of} of `{collection}`: {names}", missing.len()))
}

impl Found {
    /// Lets a change pass that was confirmed: this `request`, of this collection, for this number of points.
    ///
    /// # Errors
    /// `CONFIRMATION_REQUIRED` with the digest and the effect.
    pub(super) fn confirm(
        &self,
        request: &impl Message,
        shape: &Shape,
        effect: &str,
        given: Option<&str>,
    ) -> Result<(), Fault> {
        // The request may name the collection by an alias, which somebody may move.
        let mut confirmed = request.encode_length_delimited_to_vec();
        confirmed.extend(self.matched.to_be_bytes());
        confirmed.extend(shape.name().as_bytes());
        confirmation::require(&confirmed, effect, given)
    }

    /// "1 point of `c`", "all 5 points of `c`", "3 points of `c` that match the filter".
    pub(super) fn title(&self, shape: &Shape) -> String {
        let (points, matches) = match self.matched {
            1 => ("1 point".to_owned(), "matches"),
            matched => (format!("{matched} points"), "match"),
        };
        let collection = shape.name();
        match &self.selection {
            selection if selection.is_everything() => format!("all {points} of `{collection}`"),
            Selection::Ids(_) => format!("{points} of `{collection}`"),
            Selection::Filter(_) => format!("{points} of `{collection}` that {matches} the filter"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use mcp_hub_proto::data::v1::Map;
    use mcp_hub_proto::data::v1::value::Kind;
    use qdrant_client::qdrant::Condition;

    use super::*;
    use crate::binding::tests::shape;

    fn number(number: u64) -> Value {
        value::of(Kind::Uint(number))
    }

    #[test]
    fn points_are_named_in_one_way() {
        let filter = value::of(Kind::Map(Map::default()));
        assert_eq!(check(&[], Some(&filter)), Ok(None));
        let ids = check(&[number(1), number(2), number(1)], None).expect("ids");
        assert_eq!(ids, Some(vec![PointId::from(1), PointId::from(2)]));
        for (ids, filter, part) in [
            (vec![], None, "give the ids"),
            (vec![number(1)], Some(&filter), "not both"),
            (vec![value::of(Kind::Text("x".to_owned()))], None, "an id is"),
            (vec![number(1); MOST_IDS + 1], None, "at most 10000"),
        ] {
            let fault = check(&ids, filter).expect_err(part);
            assert!(fault.message.contains(part), "{fault}");
        }
    }

    #[test]
    fn an_effect_says_how_many_of_which() {
        let shape = shape(&[("", 2)], &[], HashMap::new());
        let title = |selection: Selection, matched| {
            let found = Found {
                selection,
                matched,
                notices: vec![],
            };
            found.title(&shape)
        };
        let some = || Selection::Filter(Filter::must([Condition::matches("a", true)]));
        assert_eq!(title(Selection::Ids(vec![]), 1), "1 point of `reviews`");
        assert_eq!(title(some(), 1), "1 point of `reviews` that matches the filter");
        assert_eq!(title(some(), 2), "2 points of `reviews` that match the filter");
        assert_eq!(
            title(Selection::Filter(Filter::default()), 2),
            "all 2 points of `reviews`"
        );
    }

    #[test]
    fn what_is_no_point_is_named_up_to_a_number() {
        let ids: Vec<PointId> = (0..12).map(PointId::from).collect();
        let ids: Vec<&PointId> = ids.iter().collect();
        assert_eq!(no_points(&[], "c"), None);
        assert_eq!(
            no_points(&ids[..1], "c").as_deref(),
            Some("1 id is no point of `c`: 0")
        );
        assert_eq!(
            no_points(&ids, "c").as_deref(),
            Some("12 ids are no points of `c`: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ..")
        );
    }
}
