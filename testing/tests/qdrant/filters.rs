//! Filters, on keys with and without an index.

use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::{
    Condition, DatetimeRange, FieldType, Filter, GeoBoundingBox, GeoLineString, GeoPoint, GeoPolygon,
    GeoRadius, Range, RepeatedStrings, Timestamp, ValuesCount,
};

use crate::setup::{Setup, list, nested, point};

/// Four points with a bit of everything.
async fn filled(name: &str) -> Option<Setup> {
    let setup = Setup::with_collection(name).await?;
    let place = |lon: f64, lat: f64| nested([("lon", lon.into()), ("lat", lat.into())]);
    let null = qdrant_client::qdrant::Value {
        kind: Some(qdrant_client::qdrant::value::Kind::NullValue(0)),
    };
    setup
        .upsert(vec![
            point(
                1,
                vec![1.0; 4],
                [
                    ("city", "Berlin".into()),
                    ("n", 1.into()),
                    ("open", true.into()),
                    ("text", "The quick brown fox".into()),
                    ("at", "2024-01-01T00:00:00Z".into()),
                    ("place", place(13.4, 52.5)),
                ],
            ),
            point(
                2,
                vec![1.0; 4],
                [
                    ("city", list(["Paris".into(), "Lyon".into()])),
                    ("n", 2.into()),
                    ("open", false.into()),
                    ("text", "a lazy dog, quick".into()),
                    ("at", "2025-06-01T12:00:00Z".into()),
                    ("place", place(2.35, 48.85)),
                ],
            ),
            point(
                3,
                vec![1.0; 4],
                [
                    ("city", "London".into()),
                    ("n", 2.5.into()),
                    ("none", null),
                    (
                        "parts",
                        list([
                            nested([("name", "x".into()), ("size", 1.into())]),
                            nested([("name", "y".into()), ("size", 2.into())]),
                        ]),
                    ),
                ],
            ),
            point(4, vec![1.0; 4], []),
        ])
        .await
        .expect("it is written");
    Some(setup)
}

fn check(setup: &Setup) -> impl AsyncFn(Condition) -> Vec<u64> + '_ {
    async |condition| setup.matching(Filter::must([condition])).await
}

#[tokio::test]
async fn values_match() {
    let Some(setup) = filled("match").await else {
        return;
    };
    let found = check(&setup);
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(found(Condition::matches("city", "Berlin".to_owned())).await, [1]);
    assert_eq!(
        found(Condition::matches("city", "Lyon".to_owned())).await,
        [2],
        "one of a list"
    );
    assert_eq!(found(Condition::matches("n", 2)).await, [2]);
    assert_eq!(found(Condition::matches("open", false)).await, [2]);
    assert_eq!(
        found(Condition::matches("city", texts(&["Berlin", "London"]))).await,
        [1, 3]
    );
    assert_eq!(found(Condition::matches("n", vec![1, 2])).await, [1, 2]);
    let except = MatchValue::ExceptKeywords(RepeatedStrings {
        strings: texts(&["Berlin"]),
    });
    assert_eq!(found(Condition::matches("city", except)).await, [2, 3]);
    assert_eq!(found(Condition::matches("nowhere", 1)).await, [0_u64; 0]);
}

#[tokio::test]
async fn texts_match_by_words_with_an_index_and_as_a_part_without() {
    let Some(setup) = filled("text").await else {
        return;
    };
    let found = check(&setup);
    let part = Condition::matches_text("text", "ick br");
    assert_eq!(found(part.clone()).await, [1]);
    setup.index("text", FieldType::Text).await;
    assert_eq!(found(part).await, [0_u64; 0]);
    assert_eq!(found(Condition::matches_text("text", "QUICK")).await, [1, 2]);
    assert_eq!(found(Condition::matches_text("text", "fox quick")).await, [1]);
    assert_eq!(
        found(Condition::matches_text_any("text", "fox dog")).await,
        [1, 2]
    );
}

#[tokio::test]
async fn ranges_are_of_numbers_and_times() {
    let Some(setup) = filled("range").await else {
        return;
    };
    let found = check(&setup);
    let range = |gt, gte, lt, lte| Condition::range("n", Range { lt, gt, gte, lte });
    assert_eq!(found(range(Some(1.0), None, None, None)).await, [2, 3]);
    assert_eq!(found(range(None, Some(1.0), None, Some(2.0))).await, [1, 2]);
    assert_eq!(found(range(None, None, Some(2.0), None)).await, [1]);
    let since = |seconds| {
        Condition::datetime_range(
            "at",
            DatetimeRange {
                gte: Some(Timestamp { seconds, nanos: 0 }),
                ..DatetimeRange::default()
            },
        )
    };
    assert_eq!(found(since(1_704_067_200)).await, [1, 2]);
    assert_eq!(found(since(1_704_067_201)).await, [2]);
    for (field, field_type) in [("n", FieldType::Float), ("at", FieldType::Datetime)] {
        setup.index(field, field_type).await;
    }
    assert_eq!(found(range(Some(1.0), None, None, None)).await, [2, 3]);
    assert_eq!(found(since(1_704_067_201)).await, [2]);
}

#[tokio::test]
async fn places_lie_in_areas() {
    let Some(setup) = filled("geo").await else {
        return;
    };
    let found = check(&setup);
    let at = |lon, lat| GeoPoint { lon, lat };
    let areas = || {
        [
            Condition::geo_radius(
                "place",
                GeoRadius {
                    center: Some(at(13.0, 52.0)),
                    radius: 100_000.0,
                },
            ),
            Condition::geo_bounding_box(
                "place",
                GeoBoundingBox {
                    top_left: Some(at(13.0, 53.0)),
                    bottom_right: Some(at(14.0, 52.0)),
                },
            ),
            Condition::geo_polygon(
                "place",
                GeoPolygon {
                    exterior: Some(GeoLineString {
                        points: vec![at(13.0, 52.0), at(14.0, 52.0), at(13.5, 53.0), at(13.0, 52.0)],
                    }),
                    interiors: Vec::new(),
                },
            ),
        ]
    };
    for area in areas() {
        assert_eq!(found(area.clone()).await, [1], "{area:?}");
    }
    setup.index("place", FieldType::Geo).await;
    for area in areas() {
        assert_eq!(found(area.clone()).await, [1], "{area:?}");
    }
}

#[tokio::test]
async fn what_is_missing_is_empty_and_what_is_null_is_null() {
    let Some(setup) = filled("empty").await else {
        return;
    };
    let found = check(&setup);
    assert_eq!(found(Condition::is_empty("city")).await, [4]);
    assert_eq!(found(Condition::is_null("none")).await, [3]);
    assert_eq!(found(Condition::is_empty("none")).await, [1, 2, 3, 4]);
    let several = ValuesCount {
        gte: Some(2),
        ..ValuesCount::default()
    };
    assert_eq!(found(Condition::values_count("city", several)).await, [2]);
    assert_eq!(found(Condition::has_id([3, 9])).await, [3]);
    assert_eq!(found(Condition::has_vector("")).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_nested_filter_is_about_one_element() {
    let Some(setup) = filled("nested").await else {
        return;
    };
    let found = check(&setup);
    let part = |name: &str, size: i64| {
        Condition::nested(
            "parts",
            Filter::must([
                Condition::matches("name", name.to_owned()),
                Condition::matches("size", size),
            ]),
        )
    };
    assert_eq!(found(part("x", 1)).await, [3]);
    assert_eq!(found(part("x", 2)).await, [0_u64; 0]);
    assert_eq!(found(Condition::matches("parts[].size", 2)).await, [3]);
}

#[tokio::test]
async fn conditions_combine() {
    let Some(setup) = filled("combined").await else {
        return;
    };
    let berlin = || Condition::matches("city", "Berlin".to_owned());
    let two = || Condition::matches("n", 2);
    let closed = || Condition::matches("open", false);
    assert_eq!(setup.matching(Filter::should([berlin(), two()])).await, [1, 2]);
    assert_eq!(setup.matching(Filter::must_not([berlin(), two()])).await, [3, 4]);
    assert_eq!(
        setup
            .matching(Filter::min_should(2, [berlin(), two(), closed()]))
            .await,
        [2]
    );
    let inner = Filter::should([berlin(), two()]);
    let both = Filter {
        must: vec![inner.into()],
        must_not: vec![closed()],
        ..Filter::default()
    };
    assert_eq!(setup.matching(both).await, [1]);
    assert_eq!(setup.matching(Filter::default()).await, [1, 2, 3, 4]);
}
