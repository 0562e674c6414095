//! Points by their ids, counts, and counts per value.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::ResultSet;
use mcp_hub_proto::qdrant::v1::{CountRequest, CountResponse, GetPointsRequest};
use mcp_hub_testing::Qdrant;
use qdrant_client::qdrant::FieldType;
use serde_json::{Value as Json, json};

use crate::adapter::{Adapter, Server, answer, assert_fault, rows, settings, shown, value};
use crate::support::point;

fn get(collection: &str, ids: &Json) -> GetPointsRequest {
    GetPointsRequest {
        collection: collection.to_owned(),
        ids: ids.as_array().expect("a list").iter().map(value).collect(),
        ..GetPointsRequest::default()
    }
}

async fn got(adapter: &Adapter, request: GetPointsRequest) -> ResultSet {
    let response = answer(adapter.client.clone().get_points(request).await);
    response.expect("points").result.expect("a result")
}

#[tokio::test(flavor = "multi_thread")]
async fn points_come_in_the_order_of_their_ids() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let server = Server::of(qdrant);
    let name = "points_order";
    server
        .with_payloads(name, &[json!({"n": 1, "m": "a"}), json!({"n": 2}), json!({})])
        .await;
    let uuid = "f47ac10b-58cc-4372-a567-0e02b2c3d479";
    server.put(name, vec![point(uuid, &json!({"n": 4}))]).await;
    let ids = json!([
        uuid.to_uppercase(),
        3,
        "2",
        1,
        1,
        77,
        "00000000-0000-0000-0000-000000000000"
    ]);
    let result = got(&adapter, get(name, &ids)).await;
    assert_eq!(
        rows(&result),
        [
            format!(r#"["{uuid}",{{"n":4}}]"#).as_str(),
            "[3,{}]",
            r#"[2,{"n":2}]"#,
            r#"[1,{"m":"a","n":1}]"#,
        ]
    );
    assert_eq!(
        result.notices,
        ["no point has the id 77, 00000000-0000-0000-0000-000000000000"]
    );
    let mut narrow = get(name, &json!([1]));
    narrow.payload_fields = vec!["m".to_owned()];
    narrow.with_vectors = Some(true);
    assert_eq!(
        rows(&got(&adapter, narrow).await),
        [r#"[1,{"m":"a"},[0.5,0.25]]"#]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn points_that_do_not_fit_are_named() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let payloads: Vec<Json> = (0..100).map(|_| json!({"text": "x".repeat(1_900)})).collect();
    Server::of(qdrant).with_payloads("points_large", &payloads).await;
    let ids: Vec<u64> = (1..=100).collect();
    let result = got(&adapter, get("points_large", &json!(ids))).await;
    let shown = result.rows.len();
    assert!((25..35).contains(&shown), "{shown}");
    assert_eq!(
        result.notices,
        [format!(
            "{} more of the ids do not fit into this answer: ask for those from {} on in another call",
            100 - shown,
            shown + 1
        )]
    );
    let truncated = result.truncated.expect("truncated");
    assert_eq!(truncated.next_cursor, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_ids_are_told() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    Server::of(qdrant)
        .with_payloads("points_wrong", &[json!({})])
        .await;
    let many: Vec<u64> = (0..1001).collect();
    for (ids, part) in [
        (json!(["one"]), "a whole number from 0 or a UUID"),
        (json!([1.5]), "a whole number from 0 or a UUID"),
        (json!([]), "at least one"),
        (json!(many), "may have 1000"),
    ] {
        let result = answer(adapter.client.clone().get_points(get("points_wrong", &ids)).await);
        let fault = assert_fault(result, Reason::ArgumentInvalid, part);
        assert_eq!(fault.metadata["field"], "ids");
    }
}

async fn count(adapter: &Adapter, request: CountRequest) -> CountResponse {
    answer(adapter.client.clone().count(request).await).expect("a count")
}

fn facets(response: &CountResponse) -> Vec<String> {
    let facets = response.facets.iter();
    facets
        .map(|facet| {
            format!(
                "{} {}",
                shown(facet.value.as_ref().expect("a value")),
                facet.count()
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_exact_and_per_value() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let server = Server::of(qdrant);
    let name = "count_values";
    let payloads: Vec<Json> = (0..30)
        .map(|n| {
            let color = ["red", "red", "red", "blue", "blue", "green"][n % 6];
            json!({"color": color, "size": n % 2, "flag": n % 3 == 0, "plain": n})
        })
        .collect();
    server.with_payloads(name, &payloads).await;
    for (key, kind) in [
        ("color", FieldType::Keyword),
        ("size", FieldType::Integer),
        ("flag", FieldType::Bool),
        ("plain", FieldType::Float),
    ] {
        server.index(name, key, kind).await;
    }
    let request = CountRequest {
        collection: name.to_owned(),
        ..CountRequest::default()
    };
    assert_eq!(count(&adapter, request.clone()).await.count, Some(30));
    let filtered = CountRequest {
        filter: Some(value(&json!({"color": "blue"}))),
        facet_key: Some("size".to_owned()),
        ..request.clone()
    };
    let response = count(&adapter, filtered).await;
    assert_eq!(response.count, Some(10));
    assert_eq!(facets(&response), ["0 5", "1 5"]);
    for (key, expected) in [
        ("color", &[r#""red" 15"#, r#""blue" 10"#, r#""green" 5"#][..]),
        ("flag", &["false 20", "true 10"]),
    ] {
        let by_key = CountRequest {
            facet_key: Some(key.to_owned()),
            ..request.clone()
        };
        assert_eq!(facets(&count(&adapter, by_key).await), expected, "{key}");
    }
    let few = CountRequest {
        facet_key: Some("color".to_owned()),
        limit: Some(2),
        ..request.clone()
    };
    let response = count(&adapter, few).await;
    assert_eq!(facets(&response), [r#""red" 15"#, r#""blue" 10"#]);
    assert_eq!(
        response.notices,
        ["there are more values: these are the 2 most frequent"]
    );
    for (key, part) in [
        (
            "weight",
            r#""weight" has no index, and this needs one; keys that have one: color, flag, size"#,
        ),
        (
            "plain",
            r#""plain" has an index of float values, which does not serve this"#,
        ),
    ] {
        let by_key = CountRequest {
            facet_key: Some(key.to_owned()),
            ..request.clone()
        };
        let result = answer(adapter.client.clone().count(by_key.clone()).await);
        let fault = assert_fault(result, Reason::ArgumentInvalid, part);
        assert_eq!(fault.metadata["field"], "facet_key");
        assert!(!fault.message.contains("create_payload_index"), "{fault}");
        let writing = Adapter::start(&format!("{}\nallow_writes = true", settings(qdrant))).await;
        let result = answer(writing.client.clone().count(by_key).await);
        assert_fault(result, Reason::ArgumentInvalid, "create_payload_index makes one");
    }
}
