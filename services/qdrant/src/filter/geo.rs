//! Conditions on places.

use qdrant_client::qdrant::{
    Condition, FieldCondition, GeoBoundingBox, GeoLineString, GeoPoint, GeoPolygon, GeoRadius,
};

use super::condition::{field, number};
use super::document::Document;
use super::{Mistake, Path, listed};

/// Qdrant's words for them, the same in both forms.
pub(super) const WORDS: [&str; 3] = ["geo_radius", "geo_bounding_box", "geo_polygon"];

/// The condition that one of [`WORDS`] stands for.
pub(super) fn condition(key: &str, word: &str, value: &Document, path: &Path) -> Result<Condition, Mistake> {
    let key = key.to_owned();
    let condition = match word {
        "geo_radius" => FieldCondition {
            geo_radius: Some(radius(value, path)?),
            key,
            ..FieldCondition::default()
        },
        "geo_bounding_box" => FieldCondition {
            geo_bounding_box: Some(bounding_box(value, path)?),
            key,
            ..FieldCondition::default()
        },
        _ => FieldCondition {
            geo_polygon: Some(polygon(value, path)?),
            key,
            ..FieldCondition::default()
        },
    };
    Ok(field(condition))
}

fn radius(value: &Document, path: &Path) -> Result<GeoRadius, Mistake> {
    let [center, radius] = fields(value, ["center", "radius"], path)?;
    let meters = number(radius, &path.key("radius"))?;
    if meters <= 0.0 {
        return path.key("radius").mistake("a radius is in meters, more than 0");
    }
    Ok(GeoRadius {
        center: Some(point(center, &path.key("center"))?),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "meters, which Qdrant has as a single"
        )]
        radius: meters as f32,
    })
}

fn bounding_box(value: &Document, path: &Path) -> Result<GeoBoundingBox, Mistake> {
    let [top_left, bottom_right] = fields(value, ["top_left", "bottom_right"], path)?;
    Ok(GeoBoundingBox {
        top_left: Some(point(top_left, &path.key("top_left"))?),
        bottom_right: Some(point(bottom_right, &path.key("bottom_right"))?),
    })
}

fn polygon(value: &Document, path: &Path) -> Result<GeoPolygon, Mistake> {
    let Document::Object(entries) = value else {
        return path.mistake(format!("an object is needed, and this is {}", value.kind()));
    };
    let mut polygon = GeoPolygon::default();
    for (name, value) in entries {
        let path = path.key(name);
        match name.as_str() {
            "exterior" => polygon.exterior = Some(line(value, &path)?),
            "interiors" => {
                let Document::List(lines) = value else {
                    return path.mistake(format!("a list is needed, and this is {}", value.kind()));
                };
                let lines = lines.iter().enumerate();
                let lines = lines.map(|(index, value)| line(value, &path.item(index)));
                polygon.interiors = lines.collect::<Result<_, _>>()?;
            }
            _ => return path.mistake("a polygon has exterior and interiors"),
        }
    }
    if polygon.exterior.is_none() {
        return path.mistake("a polygon needs exterior: {\"points\": [..]}");
    }
    Ok(polygon)
}

/// A closed line: `{"points": [..]}`, or the points alone.
fn line(value: &Document, path: &Path) -> Result<GeoLineString, Mistake> {
    let (points, path) = match value {
        Document::List(points) => (points, path.clone()),
        value => {
            let [points] = fields(value, ["points"], path)?;
            match points {
                Document::List(points) => (points, path.key("points")),
                other => return path.mistake(format!("points are a list, and this is {}", other.kind())),
            }
        }
    };
    let each = points.iter().enumerate();
    let points: Vec<GeoPoint> = each
        .map(|(index, value)| point(value, &path.item(index)))
        .collect::<Result<_, _>>()?;
    if points.len() < 4 || points.first() != points.last() {
        return path.mistake("a closed line has at least four points, the last one equal to the first");
    }
    Ok(GeoLineString { points })
}

fn point(value: &Document, path: &Path) -> Result<GeoPoint, Mistake> {
    let [lon, lat] = fields(value, ["lon", "lat"], path)?;
    let (lon, lat) = (number(lon, &path.key("lon"))?, number(lat, &path.key("lat"))?);
    if !(-180.0..=180.0).contains(&lon) || !(-90.0..=90.0).contains(&lat) {
        return path.mistake("lon is from -180 to 180, lat from -90 to 90");
    }
    Ok(GeoPoint { lon, lat })
}

/// The fields of an object that has these and no others.
fn fields<'a, const N: usize>(
    value: &'a Document,
    names: [&str; N],
    path: &Path,
) -> Result<[&'a Document; N], Mistake> {
    let wrong = || path.mistake(format!("an object with {} is needed", listed(&names)));
    let Document::Object(entries) = value else {
        return wrong();
    };
    let found = names.map(|name| {
        entries
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    });
    if entries.len() != N || found.iter().any(Option::is_none) {
        return wrong();
    }
    Ok(found.map(|value| value.unwrap_or(&Document::Null)))
}
