//! Filters.

use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue as ApiMatchValue;
use qdrant_client::qdrant::{
    Condition as ApiCondition, DatetimeRange, FieldCondition as ApiField, Filter as ApiFilter,
    GeoBoundingBox as ApiBox, GeoLineString as ApiLine, GeoPoint as ApiPoint, GeoPolygon as ApiPolygon,
    GeoRadius as ApiRadius, Match as ApiMatch, NestedCondition as ApiNested, Range as ApiRange,
    ValuesCount as ApiCount,
};
use qdrant_edge::{
    AnyVariants, Condition, DateTimeWrapper, FieldCondition, Filter, GeoBoundingBox, GeoPoint, GeoPolygon,
    GeoRadius, HasIdCondition, HasVectorCondition, IsEmptyCondition, IsNullCondition, Match, MatchAny,
    MatchExcept, MatchPhrase, MatchText, MatchTextAny, MatchValue, MinShould, Nested, NestedCondition, Range,
    RangeInterface, ValueVariants, ValuesCount,
};
use serde_json::{Value, json};

use super::{count, id, path, time};
use crate::error::{Error, Result};

/// A filter from a client.
pub(crate) fn from_api(filter: ApiFilter) -> Result<Filter> {
    let min_should = filter.min_should.map(|min_should| {
        let conditions = conditions("min_should.conditions", min_should.conditions)?.unwrap_or_default();
        Ok::<_, Error>(MinShould {
            conditions,
            min_count: count(min_should.min_count),
        })
    });
    Ok(Filter {
        should: conditions("should", filter.should)?,
        must: conditions("must", filter.must)?,
        must_not: conditions("must_not", filter.must_not)?,
        min_should: min_should.transpose()?,
    })
}

/// A filter that may be absent.
pub(crate) fn optional(filter: Option<ApiFilter>) -> Result<Option<Filter>> {
    filter
        .map(|filter| from_api(filter).map_err(|error| error.within("filter")))
        .transpose()
}

/// None at all is not the same as an empty list, which nothing matches.
fn conditions(list: &str, conditions: Vec<ApiCondition>) -> Result<Option<Vec<Condition>>> {
    let conditions = conditions
        .into_iter()
        .enumerate()
        .filter_map(|(number, condition)| Some((number, condition.condition_one_of?)))
        .map(|(number, one)| {
            condition(one).map_err(|error| error.within(&format!("{list}[{number}].condition_one_of")))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Some(conditions).filter(|conditions| !conditions.is_empty()))
}

fn condition(condition: ConditionOneOf) -> Result<Condition> {
    Ok(match condition {
        ConditionOneOf::Field(field) => Condition::Field(field_condition(field)?),
        ConditionOneOf::IsEmpty(empty) => Condition::IsEmpty(IsEmptyCondition::from(path(&empty.key)?)),
        ConditionOneOf::IsNull(null) => Condition::IsNull(IsNullCondition::from(path(&null.key)?)),
        ConditionOneOf::HasId(ids) => {
            Condition::HasId(id::list(ids.has_id)?.into_iter().collect::<HasIdCondition>())
        }
        ConditionOneOf::HasVector(vector) => {
            Condition::HasVector(HasVectorCondition::from(vector.has_vector))
        }
        ConditionOneOf::Filter(filter) => Condition::Filter(from_api(filter)?),
        ConditionOneOf::Nested(nested) => Condition::Nested(nested_condition(nested)?),
    })
}

fn nested_condition(nested: ApiNested) -> Result<NestedCondition> {
    let filter = nested
        .filter
        .ok_or_else(|| Error::malformed("Nested condition must have a filter"))?;
    Ok(NestedCondition {
        nested: Nested {
            key: path(&nested.key)?,
            filter: from_api(filter).map_err(|error| error.within("filter"))?,
        },
    })
}

fn field_condition(field: ApiField) -> Result<FieldCondition> {
    let ApiField {
        key,
        r#match,
        range,
        geo_bounding_box,
        geo_radius,
        values_count,
        geo_polygon,
        datetime_range,
        is_empty,
        is_null,
    } = field;
    let range = match (range, datetime_range) {
        (Some(range), _) => Some(RangeInterface::Float(numbers(range))),
        (None, Some(range)) => Some(RangeInterface::DateTime(times(range)?)),
        (None, None) => None,
    };
    let condition = FieldCondition {
        key: path(&key)?,
        r#match: r#match.map(match_condition).transpose()?,
        range,
        geo_bounding_box: geo_bounding_box.map(bounding_box).transpose()?,
        geo_radius: geo_radius.map(radius).transpose()?,
        geo_polygon: geo_polygon.map(polygon).transpose()?,
        values_count: values_count.map(values),
        is_empty,
        is_null,
    };
    if condition == empty(&condition) {
        return Err(Error::invalid_at_all(
            "match",
            "At least one field condition must be specified",
        ));
    }
    Ok(condition)
}

/// The same field with no condition on it.
fn empty(condition: &FieldCondition) -> FieldCondition {
    FieldCondition {
        key: condition.key.clone(),
        r#match: None,
        range: None,
        geo_bounding_box: None,
        geo_radius: None,
        geo_polygon: None,
        values_count: None,
        is_empty: None,
        is_null: None,
    }
}

fn match_condition(condition: ApiMatch) -> Result<Match> {
    let value = condition
        .match_value
        .ok_or_else(|| Error::malformed("Malformed Match condition"))?;
    let exactly = |value| Match::Value(MatchValue { value });
    Ok(match value {
        ApiMatchValue::Keyword(text) => exactly(ValueVariants::String(text)),
        ApiMatchValue::Integer(integer) => exactly(ValueVariants::Integer(integer)),
        ApiMatchValue::Boolean(flag) => exactly(ValueVariants::Bool(flag)),
        ApiMatchValue::Text(text) => Match::Text(MatchText { text }),
        ApiMatchValue::TextAny(text_any) => Match::TextAny(MatchTextAny { text_any }),
        ApiMatchValue::Phrase(phrase) => Match::Phrase(MatchPhrase { phrase }),
        ApiMatchValue::Keywords(list) => Match::Any(MatchAny {
            any: AnyVariants::Strings(list.strings.into_iter().collect()),
        }),
        ApiMatchValue::Integers(list) => Match::Any(MatchAny {
            any: AnyVariants::Integers(list.integers.into_iter().collect()),
        }),
        ApiMatchValue::ExceptKeywords(list) => Match::Except(MatchExcept {
            except: AnyVariants::Strings(list.strings.into_iter().collect()),
        }),
        ApiMatchValue::ExceptIntegers(list) => Match::Except(MatchExcept {
            except: AnyVariants::Integers(list.integers.into_iter().collect()),
        }),
    })
}

fn numbers<T: From<f64>>(range: ApiRange) -> Range<T> {
    Range {
        lt: range.lt.map(T::from),
        gt: range.gt.map(T::from),
        gte: range.gte.map(T::from),
        lte: range.lte.map(T::from),
    }
}

fn times(range: DatetimeRange) -> Result<Range<DateTimeWrapper>> {
    Ok(Range {
        lt: range.lt.map(time::from_api).transpose()?,
        gt: range.gt.map(time::from_api).transpose()?,
        gte: range.gte.map(time::from_api).transpose()?,
        lte: range.lte.map(time::from_api).transpose()?,
    })
}

fn values(range: ApiCount) -> ValuesCount {
    ValuesCount {
        lt: range.lt.map(count),
        gt: range.gt.map(count),
        gte: range.gte.map(count),
        lte: range.lte.map(count),
    }
}

fn bounding_box(area: ApiBox) -> Result<GeoBoundingBox> {
    match (area.top_left, area.bottom_right) {
        (Some(top_left), Some(bottom_right)) => Ok(GeoBoundingBox {
            top_left: point(top_left),
            bottom_right: point(bottom_right),
        }),
        _ => Err(Error::malformed("Malformed GeoBoundingBox type")),
    }
}

fn radius(area: ApiRadius) -> Result<GeoRadius> {
    let center = area
        .center
        .ok_or_else(|| Error::malformed("Malformed GeoRadius type"))?;
    Ok(GeoRadius {
        center: point(center),
        radius: f64::from(area.radius).into(),
    })
}

fn polygon(area: ApiPolygon) -> Result<GeoPolygon> {
    let exterior = area
        .exterior
        .ok_or_else(|| Error::malformed("Malformed GeoPolygon type - field `exterior` is required"))?;
    let unreadable = |error: serde_json::Error| Error::malformed(error.to_string());
    let interiors = area.interiors.iter().map(line).map(serde_json::from_value);
    Ok(GeoPolygon {
        exterior: serde_json::from_value(line(&exterior)).map_err(unreadable)?,
        interiors: Some(interiors.collect::<Result<_, _>>().map_err(unreadable)?),
    })
}

/// The engine keeps the type of a line to itself, but reads it as JSON.
fn line(line: &ApiLine) -> Value {
    let points = line.points.iter();
    let points: Vec<_> = points
        .map(|point| json!({ "lon": point.lon, "lat": point.lat }))
        .collect();
    json!({ "points": points })
}

fn point(point: ApiPoint) -> GeoPoint {
    GeoPoint {
        lon: point.lon.into(),
        lat: point.lat.into(),
    }
}
