use pb::PayloadType::{Integer, Keyword, Unspecified};

use super::*;
use crate::binding::tests::embeddings;

fn vector(name: &str, size: Option<u32>, model: Option<&str>) -> pb::NewVector {
    pb::NewVector {
        name: Some(name.to_owned()),
        size,
        model: model.map(str::to_owned),
        ..pb::NewVector::default()
    }
}

async fn planned(vectors: Vec<pb::NewVector>) -> Result<Vec<String>, Fault> {
    let request = pb::CreateCollectionRequest {
        vectors,
        ..pb::CreateCollectionRequest::default()
    };
    let vectors = dense(&request, Some(SPARSE), &embeddings("").await).await?;
    let vectors = vectors.iter().map(|vector| {
        let model = vector.model.as_ref().map(ToString::to_string);
        format!("{:?} {} {}", vector.name, vector.size, model.unwrap_or_default())
    });
    Ok(vectors.collect())
}

#[tokio::test]
async fn sizes_follow_from_models() {
    assert_eq!(
        planned(vec![]).await.expect("the default"),
        ["\"\" 384 all-minilm"]
    );
    let vectors = vec![
        vector("a", Some(7), None),
        vector("b", None, None),
        vector("c", Some(384), Some("all-minilm")),
    ];
    assert_eq!(
        planned(vectors).await.expect("fine"),
        ["\"a\" 7 ", "\"b\" 384 all-minilm", "\"c\" 384 all-minilm"]
    );
}

#[tokio::test]
async fn vectors_that_can_t_be_are_refused_before_a_request() {
    for (vectors, field, part) in [
        (
            vec![vector("", Some(0), None)],
            "vectors[0].size",
            "from 1 to 65536",
        ),
        (
            vec![vector("", Some(65_537), None)],
            "vectors[0].size",
            "from 1 to 65536",
        ),
        (
            vec![vector("", Some(7), Some("all-minilm"))],
            "vectors[0].size",
            "is 7, and the model all-minilm makes 384",
        ),
        (
            vec![vector("a", Some(1), None), vector("", Some(1), None)],
            "vectors[1].name",
            "must be the only one",
        ),
        (
            vec![vector("a", Some(1), None), vector("a", Some(1), None)],
            "vectors[1].name",
            "another vector has the name",
        ),
        (
            vec![vector("bm25", Some(1), None)],
            "vectors[0].name",
            "another vector has the name",
        ),
        (
            vec![vector("a/b", Some(1), None)],
            "vectors[0].name",
            "can't have '/'",
        ),
        (
            vec![vector("a", None, Some("qdrant/bm25"))],
            "vectors[0].model",
            "makes sparse vectors",
        ),
        (
            vec![vector("a", Some(1), None); MOST_VECTORS + 1],
            "vectors",
            "at most 32",
        ),
    ] {
        let fault = planned(vectors).await.expect_err(part);
        assert_eq!(fault.metadata["field"], field, "{fault}");
        assert!(fault.message.contains(part), "{fault}");
    }
}

#[test]
fn indexes_are_checked_before_the_collection_is_created() {
    let index = |key: &str, kind: pb::PayloadType| pb::PayloadIndex {
        key: key.to_owned(),
        r#type: kind.into(),
    };
    assert_eq!(
        indexes(&[index("a", Keyword), index("a.b", Integer)]).map(|list| list.len()),
        Ok(2)
    );
    for (given, field) in [
        (
            vec![index("a", Keyword), index("\"a\"", Integer)],
            "payload_indexes[1].key",
        ),
        (vec![index("a", Unspecified)], "payload_indexes[0].type"),
        (vec![index("a..b", Keyword)], "payload_indexes[0].key"),
        (vec![index("a", Keyword); MOST_INDEXES + 1], "payload_indexes"),
    ] {
        let fault = indexes(&given).expect_err(field);
        assert_eq!(fault.metadata["field"], field);
    }
}
