//! Texts that the server embeds, and what is found by them.

use std::collections::HashMap;

use qdrant_client::qdrant::query::Variant;
use qdrant_client::qdrant::vector_output::Vector as Output;
use qdrant_client::qdrant::vectors_output::VectorsOptions;
use qdrant_client::qdrant::{
    CreateCollectionBuilder, Distance, Document, Fusion, Modifier, NamedVectors, PrefetchQuery, Query,
    QueryPoints, SparseVector, SparseVectorParamsBuilder, SparseVectorsConfigBuilder, Vector, VectorInput,
    VectorParamsBuilder, Vectors, VectorsConfigBuilder,
};

use crate::setup::{Setup, object, point};

fn nearest(vector: impl Into<VectorInput>) -> QueryPoints {
    query(Variant::Nearest(vector.into()))
}

fn query(variant: Variant) -> QueryPoints {
    QueryPoints {
        query: Some(Query {
            variant: Some(variant),
        }),
        ..QueryPoints::default()
    }
}

async fn collection(name: &str) -> Option<Setup> {
    let setup = Setup::new(name).await?;
    let mut sparse = SparseVectorsConfigBuilder::default();
    sparse.add_named_vector_params("text", SparseVectorParamsBuilder::default());
    setup
        .create(CreateCollectionBuilder::new("").sparse_vectors_config(sparse))
        .await;
    Some(setup)
}

/// The vector of a text in a language.
async fn embedded(setup: &Setup, text: &str, language: &str) -> SparseVector {
    let document = Document {
        text: text.to_owned(),
        model: "Qdrant/bm25".to_owned(),
        options: object([("language", language.into())]),
    };
    let vectors = NamedVectors {
        vectors: [("text".to_owned(), Vector::from(document))].into(),
    };
    setup
        .upsert(vec![point(1, vectors, [])])
        .await
        .expect("it is embedded");
    let point = setup.get(vec![1.into()]).await.pop().expect("a point");
    let Some(VectorsOptions::Vectors(named)) = point.vectors.and_then(|vectors| vectors.vectors_options)
    else {
        panic!("named vectors");
    };
    match named.vectors["text"].clone().into_vector() {
        Output::Sparse(vector) => vector,
        other => panic!("{other:?} is not sparse"),
    }
}

#[tokio::test]
async fn a_text_becomes_words_and_weights() {
    let Some(setup) = collection("bm25").await else {
        return;
    };
    let vector = embedded(&setup, "The quick brown foxes", "english").await;
    // The murmur3 of fox, quick and brown: the article is left out, and plurals are stemmed. The weights are those of three
    // words where 256 are expected.
    assert_eq!(vector.indices, [741_580_288, 771_291_085, 1_621_867_415]);
    assert!(
        vector.values.iter().all(|value| (value - 1.67).abs() < 0.01),
        "{vector:?}"
    );
}

#[tokio::test]
async fn a_language_that_the_server_does_not_know_is_none() {
    let Some(setup) = collection("bm25-none").await else {
        return;
    };
    let words = async |text, language| embedded(&setup, text, language).await.indices;
    assert_eq!(words("the foxes", "none").await.len(), 2);
    assert_ne!(words("foxes", "none").await, words("fox", "none").await);
    assert_eq!(words("foxes", "english").await, words("fox", "english").await);
}

#[tokio::test]
async fn words_are_found_by_their_rarity() {
    let Some(setup) = Setup::new("hybrid").await else {
        return;
    };
    let mut vectors = VectorsConfigBuilder::default();
    vectors.add_named_vector_params("dense", VectorParamsBuilder::new(2, Distance::Cosine));
    let mut sparse = SparseVectorsConfigBuilder::default();
    sparse.add_named_vector_params(
        "text",
        SparseVectorParamsBuilder::default().modifier(Modifier::Idf),
    );
    setup
        .create(
            CreateCollectionBuilder::new("")
                .vectors_config(vectors)
                .sparse_vectors_config(sparse),
        )
        .await;
    let document = |text: &str| Document {
        text: text.to_owned(),
        model: "qdrant/bm25".to_owned(),
        options: HashMap::new(),
    };
    let texts = ["red shoes", "red hats", "red shoes and blue hats", "a cat"];
    let points = (1..).zip(texts).map(|(id, text)| {
        let vectors = NamedVectors {
            vectors: [
                ("dense".to_owned(), Vector::from(vec![1.0, 1.0])),
                ("text".to_owned(), Vector::from(document(text))),
            ]
            .into(),
        };
        point(id, Vectors::from(vectors), [])
    });
    setup.upsert(points.collect()).await.expect("it is written");
    let words = |text: &str| QueryPoints {
        using: Some("text".to_owned()),
        ..nearest(document(text))
    };
    assert_eq!(setup.found(words("blue")).await, [3]);
    assert_eq!(setup.found(words("Shoes")).await, [1, 3]);
    assert_eq!(
        setup.found(words("blue red")).await[0],
        3,
        "the rare word weighs more"
    );
    assert_eq!(setup.found(words("the")).await, [0_u64; 0]);
    let hybrid = QueryPoints {
        prefetch: vec![
            PrefetchQuery {
                query: nearest(document("cat")).query,
                using: Some("text".to_owned()),
                ..PrefetchQuery::default()
            },
            PrefetchQuery {
                query: nearest(vec![1.0, 0.0]).query,
                using: Some("dense".to_owned()),
                ..PrefetchQuery::default()
            },
        ],
        ..query(Variant::Fusion(Fusion::Rrf.into()))
    };
    assert_eq!(setup.found(hybrid).await.len(), 4);
}
