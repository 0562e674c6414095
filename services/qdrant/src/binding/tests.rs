use mcp_hub_chassis::config::Sources;
use qdrant_client::qdrant as q;

use super::*;

/// A collection `reviews`, also called `latest`: dense vectors with their sizes, sparse ones with whether they have the modifier IDF.
pub(crate) fn shape(
    dense: &[(&str, u64)],
    sparse: &[(&str, bool)],
    metadata: HashMap<String, Value>,
) -> Shape {
    use q::vectors_config::Config;
    let params = |size: &u64| q::VectorParams {
        size: *size,
        distance: q::Distance::Cosine.into(),
        ..q::VectorParams::default()
    };
    let config = match dense {
        [] => None,
        [("", size)] => Some(Config::Params(params(size))),
        named => Some(Config::ParamsMap(q::VectorParamsMap {
            map: named
                .iter()
                .map(|(name, size)| ((*name).to_owned(), params(size)))
                .collect(),
        })),
    };
    let modifier = |idf: &bool| q::SparseVectorParams {
        modifier: idf.then_some(q::Modifier::Idf.into()),
        ..q::SparseVectorParams::default()
    };
    let sparse = sparse
        .iter()
        .map(|(name, idf)| ((*name).to_owned(), modifier(idf)))
        .collect();
    let params = q::CollectionParams {
        vectors_config: Some(q::VectorsConfig { config }),
        sparse_vectors_config: Some(q::SparseVectorConfig { map: sparse }),
        ..q::CollectionParams::default()
    };
    let config = q::CollectionConfig {
        params: Some(params),
        metadata,
        ..q::CollectionConfig::default()
    };
    let info = q::CollectionInfo {
        config: Some(config),
        ..q::CollectionInfo::default()
    };
    Shape::of("reviews".into(), vec!["latest".to_owned()], &info)
}

/// Models of an endpoint that nobody asks: `all-minilm` is the default and makes 384 dimensions.
pub(crate) async fn embeddings(bindings: &str) -> Embeddings {
    open(&format!(
        "embeddings-url = 'http://127.0.0.1:1'\nembeddings-model = 'all-minilm'\nembeddings-dimensions = 384\n\
         collection-models = [{bindings}]"
    ))
    .await
}

async fn open(text: &str) -> Embeddings {
    let config = Sources::file(text.parse().expect("TOML"))
        .load()
        .expect("settings");
    Embeddings::open(&config).await.expect("settings that work")
}

fn bound(bindings: &Bindings<'_>) -> Vec<String> {
    let bound = bindings.all().iter();
    bound
        .map(|bound| format!("{}={} {:?}", bound.vector.name, bound.model, bound.by))
        .collect()
}

fn in_metadata(models: &[(&str, &str)], embeddings: &Embeddings) -> HashMap<String, Value> {
    let models: Vec<(&str, Model)> = models
        .iter()
        .map(|(vector, model)| (*vector, model.parse().expect("a model")))
        .collect();
    metadata(models.iter().map(|(vector, model)| (*vector, model)), embeddings)
}

#[tokio::test]
async fn settings_go_before_metadata_and_both_before_the_default() {
    let embeddings = embeddings("'latest/text=a', 'other/image=b'").await;
    let metadata = in_metadata(
        &[("text", "m"), ("image", "n"), ("words", "qdrant/bm25:german")],
        &embeddings,
    );
    let shape = shape(
        &[("text", 384), ("image", 512), ("rest", 384)],
        &[("words", false), ("tags", true), ("plain", false)],
        metadata,
    );
    let bindings = Bindings::of(&shape, &embeddings);
    assert_eq!(
        bound(&bindings),
        [
            "text=a Settings",
            "image=n Metadata",
            "words=qdrant/bm25:german Metadata",
            "rest=all-minilm Default",
            "tags=qdrant/bm25:english Assumption",
        ]
    );
    assert_eq!(bindings.problems(), [""; 0]);
}

#[tokio::test]
async fn a_binding_without_a_vector_is_about_the_one_that_fits() {
    let embeddings = embeddings("'reviews=m', 'reviews=qdrant/bm25:none'").await;
    for (dense, name) in [(vec![("", 384)], ""), (vec![("text", 384)], "text")] {
        let shape = shape(&dense, &[("words", false)], HashMap::new());
        let bindings = Bindings::of(&shape, &embeddings);
        let expected = [
            format!("{name}=m Settings"),
            "words=qdrant/bm25:none Settings".to_owned(),
        ];
        assert_eq!(bound(&bindings), expected);
    }
    let shape = shape(&[("a", 1), ("b", 2)], &[], HashMap::new());
    let bindings = Bindings::of(&shape, &embeddings);
    assert_eq!(
        bindings.problems(),
        [
            "QDRANT_COLLECTION_MODELS binds the model m to the collection, which has several dense vectors: it must name one (a (1), b (2))",
            "QDRANT_COLLECTION_MODELS binds the model qdrant/bm25:none to the collection, which has no sparse vector",
        ]
    );
}

#[tokio::test]
async fn what_binds_nothing_is_told() {
    let embeddings = embeddings("'reviews/text=qdrant/bm25', 'reviews/txt=m'").await;
    let metadata = in_metadata(&[("words", "m")], &embeddings);
    let shape_of = |metadata| shape(&[("text", 384)], &[("words", false)], metadata);
    let shape = shape_of(metadata);
    let bindings = Bindings::of(&shape, &embeddings);
    assert_eq!(
        bindings.problems(),
        [
            "QDRANT_COLLECTION_MODELS binds the model qdrant/bm25 to the vector `text`, which is no sparse vector",
            "QDRANT_COLLECTION_MODELS binds the model m to the vector `txt`, which the collection does not have",
            "the collection's metadata binds the model m to the vector `words`, which is no dense vector",
        ]
    );
    let text = |text: &str| Value {
        kind: Some(value::Kind::StringValue(text.to_owned())),
    };
    let odd = [
        HashMap::from([("mcp-hub".to_owned(), text("all-minilm"))]),
        HashMap::from([(
            "mcp-hub".to_owned(),
            object([("models".to_owned(), text("all-minilm"))]),
        )]),
        HashMap::from([(
            "mcp-hub".to_owned(),
            object([(
                "models".to_owned(),
                object([("text".to_owned(), Value::default())]),
            )]),
        )]),
    ];
    for metadata in odd {
        let shape = shape_of(metadata);
        let problems = Bindings::of(&shape, &embeddings).problems().to_vec();
        assert!(problems[2].contains("not in the form"), "{problems:?}");
    }
    let foreign = HashMap::from([("mcp-hub".to_owned(), object([("note".to_owned(), text("x"))]))]);
    assert_eq!(Bindings::of(&shape_of(foreign), &embeddings).problems().len(), 2);
}

#[tokio::test]
async fn a_mismatch_says_what_to_set_or_to_name() {
    let embeddings = embeddings("").await;
    let shape = shape(&[("image", 512), ("text", 384)], &[], HashMap::new());
    let bindings = Bindings::of(&shape, &embeddings);
    let image = bindings.model(&shape.vectors[0]).expect("the default");
    let fault = bindings.check(image, 384).expect_err("another size");
    assert_eq!(
        fault.message,
        "the vector `image` of `reviews` has 512 dimensions, the model all-minilm makes 384: bind the collection to its model by \
         QDRANT_COLLECTION_MODELS, or name another vector with using (text, 384)"
    );
    // The default is for those that it fits.
    let fitting = bindings.fitting(&embeddings).await.expect("one fits");
    assert_eq!(
        fitting
            .iter()
            .map(|bound| bound.vector.name.as_str())
            .collect::<Vec<_>>(),
        ["text"]
    );
}

#[tokio::test]
async fn a_bound_model_that_does_not_fit_is_an_error() {
    let embeddings = embeddings("'reviews/image=all-minilm'").await;
    let shape = shape(&[("image", 512)], &[], HashMap::new());
    let bindings = Bindings::of(&shape, &embeddings);
    let fault = bindings.fitting(&embeddings).await.expect_err("another size");
    assert!(
        fault
            .message
            .ends_with("QDRANT_COLLECTION_MODELS binds it to a model that does not fit"),
        "{fault}"
    );
}

#[tokio::test]
async fn a_text_that_is_kept_becomes_all_vectors_that_have_a_model() {
    let embeddings = embeddings("").await;
    let shape = shape(
        &[("image", 512), ("text", 384)],
        &[("words", true), ("tags", false)],
        HashMap::new(),
    );
    let bindings = Bindings::of(&shape, &embeddings);
    let of = async |given: &str| {
        let bound = bindings.of_documents(&embeddings, |name| name != given).await;
        let bound = bound.expect("some");
        bound
            .iter()
            .map(|bound| bound.vector.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("").await, ["text", "words"]);
    assert_eq!(of("text").await, ["words"], "what the caller gives is not made");
}

#[tokio::test]
async fn the_sentence_about_text_search() {
    let none = open("").await;
    let default = embeddings("").await;
    let no_metadata = HashMap::new;
    let dense = shape(&[("", 384)], &[], no_metadata());
    let both = shape(
        &[("image", 512), ("text", 384)],
        &[("words", true)],
        no_metadata(),
    );
    let misfit = shape(&[("", 512)], &[], no_metadata());
    let plain = shape(&[], &[("words", false)], no_metadata());
    let two = shape(&[("a", 384), ("b", 384)], &[], no_metadata());
    let bound = embeddings("'reviews/words=qdrant/bm25:german', 'reviews/gone=m'").await;
    let sentences = [
        describe(&dense, &none),
        describe(&dense, &default),
        describe(&both, &none),
        describe(&both, &default),
        describe(&misfit, &default),
        describe(&plain, &default),
        describe(&plain, &bound),
        describe(&two, &default),
    ];
    insta::assert_snapshot!(sentences.join("\n"));
    assert_eq!(model_of(&both, "image", &default), "", "it does not fit");
    assert_eq!(model_of(&both, "text", &default), "all-minilm");
    assert_eq!(model_of(&both, "words", &default), "qdrant/bm25:english");
}
