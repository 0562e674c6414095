//! The golden file of values: what a payload and a point's vectors can hold, and how an answer shows it.

use std::fmt::Write as _;

use mcp_hub_proto::qdrant::v1::GetPointsRequest;
use mcp_hub_testing::Qdrant;
use qdrant_client::qdrant as q;
use serde_json::{Value as Json, json};

use crate::adapter::{Adapter, Server, answer, shown, value};
use crate::support::payload_value;

const NAME: &str = "types";

/// Payloads with what JSON and Qdrant's indexes know.
fn payloads() -> Vec<(&'static str, Json)> {
    vec![
        ("null", json!(null)),
        ("bool", json!(true)),
        ("integer", json!(7)),
        ("integer, negative", json!(-7)),
        ("integer, safe", json!(9_007_199_254_740_991_i64)),
        ("integer, unsafe", json!(9_007_199_254_740_993_i64)),
        ("integer, largest", json!(i64::MAX)),
        ("integer, smallest", json!(i64::MIN)),
        ("float", json!(0.1)),
        ("float, whole", json!(7.0)),
        ("float, large", json!(1e300)),
        ("float, small", json!(5e-324)),
        ("float, negative zero", json!(-0.0)),
        ("text", json!("a \"b\" \\ \n ä 😀 \u{0}")),
        ("text, empty", json!("")),
        ("text, of a number", json!("007")),
        ("time", json!("2024-01-31T12:00:00.123456789+01:00")),
        ("time, a date", json!("2024-01-31")),
        ("uuid", json!("F47AC10B-58CC-4372-A567-0E02B2C3D479")),
        ("place", json!({"lon": 13.4, "lat": 52.5})),
        ("list", json!([1, 2.5, "x", null, [true]])),
        ("list, empty", json!([])),
        ("object", json!({"a": {"b": 1}, "": 2, "$or": 3})),
        ("object, empty", json!({})),
        ("text, long", json!("ä".repeat(3_000))),
    ]
}

fn sparse() -> q::Vector {
    vector(q::vector::Vector::Sparse(q::SparseVector {
        indices: vec![3, 70_000],
        values: vec![0.1, -2.0],
    }))
}

fn vector(vector: q::vector::Vector) -> q::Vector {
    q::Vector {
        vector: Some(vector),
        ..q::Vector::default()
    }
}

fn dense(values: &[f32]) -> q::Vector {
    vector(q::vector::Vector::Dense(q::DenseVector {
        data: values.to_vec(),
    }))
}

fn multi(vectors: &[&[f32]]) -> q::Vector {
    let vectors = vectors.iter().map(|values| q::DenseVector {
        data: values.to_vec(),
    });
    vector(q::vector::Vector::MultiDense(q::MultiDenseVector {
        vectors: vectors.collect(),
    }))
}

fn point(
    id: impl Into<q::PointId>,
    vectors: Vec<(&str, q::Vector)>,
    payload: Option<&Json>,
) -> q::PointStruct {
    let named = vectors
        .into_iter()
        .map(|(name, vector)| (name.to_owned(), vector));
    q::PointStruct {
        id: Some(id.into()),
        vectors: Some(q::Vectors {
            vectors_options: Some(q::vectors::VectorsOptions::Vectors(q::NamedVectors {
                vectors: named.collect(),
            })),
        }),
        payload: payload
            .into_iter()
            .map(|json| ("v".to_owned(), payload_value(json)))
            .collect(),
    }
}

async fn fill(server: &Server) {
    server.drop(NAME).await;
    let params = |multi: bool| q::VectorParams {
        size: 3,
        distance: q::Distance::Dot.into(),
        multivector_config: multi.then(|| q::MultiVectorConfig {
            comparator: q::MultiVectorComparator::MaxSim.into(),
        }),
        ..q::VectorParams::default()
    };
    let map = [("dense", params(false)), ("multi", params(true))];
    server
        .create(q::CreateCollection {
            collection_name: NAME.to_owned(),
            vectors_config: Some(q::VectorsConfig {
                config: Some(q::vectors_config::Config::ParamsMap(q::VectorParamsMap {
                    map: map.map(|(name, params)| (name.to_owned(), params)).into(),
                })),
            }),
            sparse_vectors_config: Some(q::SparseVectorConfig {
                map: [("sparse".to_owned(), q::SparseVectorParams::default())].into(),
            }),
            ..q::CreateCollection::default()
        })
        .await;
    let payloads = payloads();
    let with_payload = payloads
        .iter()
        .zip(1_u64..)
        .map(|((_, json), id)| point(id, vec![], Some(json)));
    let mut points: Vec<q::PointStruct> = with_payload.collect();
    let singles = [0.1, -1.5e-7, 16_777_216.0];
    points.extend([
        point(1001, vec![("dense", dense(&singles))], None),
        point(1002, vec![("sparse", sparse())], None),
        point(1003, vec![("multi", multi(&[&singles, &[1.0, 2.0, 3.0]]))], None),
        point(
            1004,
            vec![("sparse", sparse()), ("dense", dense(&[1.0, 0.0, 0.5]))],
            None,
        ),
        point(u64::MAX, vec![], None),
        point("f47ac10b-58cc-4372-a567-0e02b2c3d479", vec![], None),
    ]);
    server.put(NAME, points).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn types() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    fill(&Server::of(qdrant)).await;
    let get = async |ids: &[Json], with_vectors: bool| {
        let request = GetPointsRequest {
            collection: NAME.to_owned(),
            ids: ids.iter().map(value).collect(),
            with_vectors: Some(with_vectors),
            ..GetPointsRequest::default()
        };
        let response = answer(adapter.client.clone().get_points(request).await);
        response.expect("points").result.expect("a result")
    };
    let mut told = String::new();
    let payloads = payloads();
    let ids: Vec<Json> = (1..=payloads.len()).map(|id| json!(id)).collect();
    let result = get(&ids, false).await;
    assert_eq!(result.rows.len(), payloads.len());
    for ((what, _), row) in payloads.iter().zip(&result.rows) {
        let shown = shown(&row.values[1]);
        let shown = shown.replace(&"ä".repeat(2_048), "ä*2048");
        writeln!(told, "{what}: {shown}").expect("a string");
    }
    let ids = [
        json!(1001),
        json!(1002),
        json!(1003),
        json!(1004),
        json!("18446744073709551615"),
        json!("f47ac10b-58cc-4372-a567-0e02b2c3d479"),
    ];
    let result = get(&ids, true).await;
    for row in &result.rows {
        let values: Vec<String> = row.values.iter().map(shown).collect();
        writeln!(told, "point {}", values.join(" ")).expect("a string");
    }
    insta::assert_snapshot!(told);
}
