//! Pages of points: by id, sorted, through points of the same value; and their bounds.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::data::v1::{ResultSet, TruncationReason};
use mcp_hub_proto::qdrant::v1::ScrollRequest;
use mcp_hub_testing::Qdrant;
use qdrant_client::qdrant::FieldType;
use serde_json::{Value as Json, json};

use crate::adapter::{Adapter, Server, answer, assert_fault, rows, settings, shown, value};
use crate::support::point;

fn request(collection: &str) -> ScrollRequest {
    ScrollRequest {
        collection: collection.to_owned(),
        ..ScrollRequest::default()
    }
}

async fn page(adapter: &Adapter, request: ScrollRequest) -> ResultSet {
    let response = answer(adapter.client.clone().scroll(request).await);
    response.expect("a page").result.expect("a result")
}

/// The ids of all pages, as an answer shows them, and how many pages there are.
async fn all(adapter: &Adapter, mut request: ScrollRequest) -> (Vec<String>, usize) {
    let mut ids = Vec::new();
    let mut pages = 0;
    loop {
        let result = page(adapter, request.clone()).await;
        ids.extend(result.rows.iter().map(|row| shown(&row.values[0])));
        pages += 1;
        match result.truncated.and_then(|truncated| truncated.next_cursor) {
            Some(cursor) => request.cursor = Some(cursor),
            None => return (ids, pages),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_by_id_have_each_point_once() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let server = Server::of(qdrant);
    let name = "scroll_ids";
    let payloads: Vec<Json> = (0..250).map(|n| json!({"n": n, "even": n % 2 == 0})).collect();
    server.with_payloads(name, &payloads).await;
    let uuids = [
        "00000000-0000-0000-0000-000000000001",
        "ffffffff-ffff-4fff-bfff-ffffffffffff",
    ];
    server
        .put(
            name,
            uuids.map(|uuid| point(uuid, &json!({"even": false}))).to_vec(),
        )
        .await;
    let mut expected: Vec<String> = (1..=250).map(|id| id.to_string()).collect();
    expected.extend(uuids.map(|uuid| format!("\"{uuid}\"")));
    for limit in [7, 100, 251, 252, 10_000] {
        let (ids, pages) = all(
            &adapter,
            ScrollRequest {
                limit: Some(limit),
                ..request(name)
            },
        )
        .await;
        assert_eq!(ids, expected, "{limit}");
        assert_eq!(pages, expected.len().div_ceil(limit as usize), "{limit}");
    }
    let odd = ScrollRequest {
        filter: Some(value(&json!({"even": true}))),
        limit: Some(100),
        ..request(name)
    };
    let (ids, pages) = all(&adapter, odd).await;
    assert_eq!((ids.len(), pages), (125, 2));
    assert_eq!(ids[124], "249");
}

/// Pages sorted by `order_by` with this limit are those of the values, each point once, ties by id.
async fn assert_sorted(adapter: &Adapter, name: &str, order_by: &str, limit: u32, expected: &[String]) {
    let sorted = ScrollRequest {
        order_by: Some(order_by.to_owned()),
        limit: Some(limit),
        ..request(name)
    };
    let (ids, _) = all(adapter, sorted).await;
    assert_eq!(ids, expected, "{order_by}, {limit} at a time");
}

#[tokio::test(flavor = "multi_thread")]
async fn sorted_pages_go_through_points_of_the_same_value() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let server = Server::of(qdrant);
    let name = "scroll_sorted";
    // Runs of the same value: 1, 60, 2, 120 and so on points long, whole and beyond what a double can hold.
    let value_of = |n: usize| match n {
        0 => -7_i64,
        1..=60 => 0,
        61..=62 => 3,
        63..=182 => 9_007_199_254_740_993,
        183..=299 => 9_007_199_254_740_994,
        _ => 9_007_199_254_741_000,
    };
    let payloads: Vec<Json> = (0..310)
        .map(|n| {
            let value = value_of(n);
            #[expect(clippy::cast_precision_loss, reason = "it is small")]
            let float = (value % 1000) as f64 / 8.0;
            json!({
                "whole": value,
                "float": float,
                "time": format!("2024-01-31T12:00:00.{:06}Z", value.rem_euclid(1_000_000)),
            })
        })
        .collect();
    server.with_payloads(name, &payloads).await;
    server.put(name, vec![point(1000, &json!({"other": 1}))]).await;
    for (key, kind) in [
        ("whole", FieldType::Integer),
        ("float", FieldType::Float),
        ("time", FieldType::Datetime),
    ] {
        server.index(name, key, kind).await;
        let mut expected: Vec<(Json, usize)> = payloads
            .iter()
            .enumerate()
            .map(|(index, payload)| (payload[key].clone(), index + 1))
            .collect();
        let compare = |left: &Json, right: &Json| match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => match (left.as_f64(), right.as_f64()) {
                (Some(left), Some(right)) => left.total_cmp(&right),
                _ => left.as_str().cmp(&right.as_str()),
            },
        };
        for descending in [false, true] {
            expected.sort_by(|(left, one), (right, other)| {
                let values = compare(left, right);
                let values = if descending { values.reverse() } else { values };
                values.then(one.cmp(other))
            });
            let ids: Vec<String> = expected.iter().map(|(_, id)| id.to_string()).collect();
            let order_by = format!("{key}{}", if descending { " desc" } else { "" });
            for limit in [1000, 100, 61, 13] {
                assert_sorted(&adapter, name, &order_by, limit, &ids).await;
            }
        }
    }
    let mut sorted = request(name);
    sorted.order_by = Some("whole ASC".to_owned());
    sorted.filter = Some(value(&json!({"float": {"gte": 0}})));
    sorted.limit = Some(5);
    let result = page(&adapter, sorted.clone()).await;
    assert_eq!(result.notices, ["points without \"whole\" are left out"]);
    let (ids, _) = all(&adapter, sorted).await;
    assert_eq!(ids.len(), 309, "the filter counts on each page");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_with_several_values_stands_at_each() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let server = Server::of(qdrant);
    let name = "scroll_several";
    server
        .with_payloads(
            name,
            &[json!({"n": [3, 1]}), json!({"n": 2}), json!({"n": [2, 5]})],
        )
        .await;
    server.index(name, "n", FieldType::Integer).await;
    let expected: Vec<String> = ["1", "2", "3", "1", "3"].map(str::to_owned).to_vec();
    for limit in [1, 2, 100] {
        assert_sorted(&adapter, name, "n", limit, &expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_can_t_sort_is_told_with_those_that_can() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let server = Server::of(qdrant);
    server
        .with_payloads("scroll_unsorted", &[json!({"price": 1, "color": "red"})])
        .await;
    server.index("scroll_unsorted", "price", FieldType::Float).await;
    server.index("scroll_unsorted", "color", FieldType::Keyword).await;
    for (order_by, part) in [
        (
            "size",
            r#""size" has no index, and this needs one; keys that have one: price"#,
        ),
        (
            "color desc",
            r#""color" has an index of keyword values, which does not serve this; keys that have one: price"#,
        ),
        ("a..b", "a key is a name"),
    ] {
        let sorted = ScrollRequest {
            order_by: Some(order_by.to_owned()),
            ..request("scroll_unsorted")
        };
        let result = answer(adapter.client.clone().scroll(sorted).await);
        let fault = assert_fault(result, Reason::ArgumentInvalid, part);
        assert_eq!(fault.metadata["field"], "order_by");
    }
    let writing = Adapter::start(&format!("{}\nallow_writes = true", settings(qdrant))).await;
    let sorted = ScrollRequest {
        order_by: Some("size".to_owned()),
        ..request("scroll_unsorted")
    };
    let result = answer(writing.client.clone().scroll(sorted).await);
    assert_fault(result, Reason::ArgumentInvalid, "create_payload_index makes one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_bounded_and_long_values_lose_their_rest() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let server = Server::of(qdrant);
    let name = "scroll_large";
    let payloads: Vec<Json> = (0..500)
        .map(|n| json!({"n": n, "text": "ä".repeat(1_000), "inner": {"long": "x".repeat(5_000)}}))
        .collect();
    server.with_payloads(name, &payloads).await;
    let result = page(
        &adapter,
        ScrollRequest {
            limit: Some(10_000),
            ..request(name)
        },
    )
    .await;
    let shown = rows(&result);
    let characters: usize = shown.iter().map(|row| row.chars().count()).sum();
    assert!((50_000..60_000).contains(&characters), "{characters}");
    assert_eq!(
        shown[0],
        format!(
            r#"[1,{{"inner":{{"long":{{"$cut":"{}","len":5000}}}},"n":0,"text":"{}"}}]"#,
            "x".repeat(2_048),
            "ä".repeat(1_000)
        )
    );
    let truncated = result.truncated.clone().expect("truncated");
    assert_eq!(truncated.reason(), TruncationReason::Bytes);
    let next = ScrollRequest {
        cursor: truncated.next_cursor,
        payload_fields: vec!["n".to_owned()],
        limit: Some(1),
        ..request(name)
    };
    // How much of each point is shown may change from page to page.
    let next = page(&adapter, next).await;
    assert_eq!(
        rows(&next),
        [format!(r#"[{},{{"n":{}}}]"#, shown.len() + 1, shown.len())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_are_shown_in_full_or_not_at_all() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let server = Server::of(qdrant);
    server.with_payloads("scroll_vectors", &[json!({})]).await;
    let with = ScrollRequest {
        with_vectors: Some(true),
        ..request("scroll_vectors")
    };
    let result = page(&adapter, with).await;
    assert_eq!(rows(&result), ["[1,{},[0.5,0.25]]"]);
    let columns: Vec<&str> = result.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(columns, ["id", "payload", "vectors"]);
    assert_eq!(rows(&page(&adapter, request("scroll_vectors")).await), ["[1,{}]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_are_told() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let server = Server::of(qdrant);
    server
        .with_payloads("scroll_wrong", &[json!({"n": 1}), json!({"n": 2})])
        .await;
    server.index("scroll_wrong", "n", FieldType::Integer).await;
    let one = ScrollRequest {
        limit: Some(1),
        ..request("scroll_wrong")
    };
    let cursor = page(&adapter, one.clone())
        .await
        .truncated
        .expect("more")
        .next_cursor;
    for (wrong, field) in [
        (
            ScrollRequest {
                limit: Some(0),
                ..one.clone()
            },
            "limit",
        ),
        (
            ScrollRequest {
                timeout_ms: Some(0),
                ..one.clone()
            },
            "timeout_ms",
        ),
        (
            ScrollRequest {
                payload_fields: vec!["a[".to_owned()],
                ..one.clone()
            },
            "payload_fields",
        ),
        (
            ScrollRequest {
                cursor: Some("x".to_owned()),
                ..one.clone()
            },
            "cursor",
        ),
        (
            ScrollRequest {
                cursor: cursor.clone(),
                order_by: Some("n".to_owned()),
                ..one.clone()
            },
            "cursor",
        ),
        (
            ScrollRequest {
                cursor: cursor.clone(),
                filter: Some(value(&json!({"n": 1}))),
                ..one.clone()
            },
            "cursor",
        ),
    ] {
        let fault = answer(adapter.client.clone().scroll(wrong).await).expect_err(field);
        assert_eq!(
            (fault.reason, fault.metadata["field"].as_str()),
            (Reason::ArgumentInvalid, field)
        );
    }
    let lowered = page(
        &adapter,
        ScrollRequest {
            limit: Some(20_000),
            ..one
        },
    )
    .await;
    assert_eq!(lowered.notices, ["limit was lowered from 20000 to 10000"]);
    assert!(matches!(lowered.rows[0].values[0].kind, Some(Kind::Uint(1))));
}
