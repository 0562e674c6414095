//! Collections as others make them, for searches.

use std::collections::HashMap;

use mcp_hub_testing::Qdrant;
use qdrant_client::qdrant::collections_client::CollectionsClient;
use qdrant_client::qdrant::points_client::PointsClient;
use qdrant_client::qdrant::{
    CreateCollection, DenseVector, Distance, Document, ListValue, Modifier, MultiDenseVector,
    MultiVectorComparator, MultiVectorConfig, NamedVectors, PointId, PointStruct, SparseVector,
    SparseVectorConfig, SparseVectorParams, Struct, UpsertPoints, Value, Vector, VectorParams,
    VectorParamsMap, Vectors, VectorsConfig, vector, vectors, vectors_config,
};
use serde_json::json;

use crate::embedding_api::bag;

/// The dimensions of the vectors of texts.
pub(crate) const TEXT: usize = 64;

/// What customers say.
pub(crate) const REVIEWS: [(u64, &str, &str, i64); 6] = [
    (1, "the tent kept us dry in heavy rain", "tent", 5),
    (2, "comfortable boots for long hikes", "boots", 4),
    (3, "the tent pole broke in the wind", "tent", 2),
    (4, "warm sleeping bag for cold winter nights", "bag", 5),
    (5, "boots leak in rain", "boots", 1),
    (6, "a tent for two with a good pole", "tent", 4),
];

/// A collection in the making.
pub(crate) struct Collection {
    name: String,
    unnamed: Option<VectorParams>,
    named: HashMap<String, VectorParams>,
    sparse: HashMap<String, SparseVectorParams>,
    metadata: HashMap<String, Value>,
}

impl Collection {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            unnamed: None,
            named: HashMap::new(),
            sparse: HashMap::new(),
            metadata: HashMap::new(),
        }
    }

    /// With a dense vector; the empty name is that of the unnamed one.
    pub(crate) fn dense(mut self, name: &str, size: usize, distance: Distance) -> Self {
        self.put(name, params(size, distance));
        self
    }

    /// With a list of vectors for each point.
    pub(crate) fn multi(mut self, name: &str, size: usize) -> Self {
        let multivector_config = Some(MultiVectorConfig {
            comparator: MultiVectorComparator::MaxSim.into(),
        });
        self.put(
            name,
            VectorParams {
                multivector_config,
                ..params(size, Distance::Cosine)
            },
        );
        self
    }

    fn put(&mut self, name: &str, params: VectorParams) {
        if name.is_empty() {
            self.unnamed = Some(params);
        } else {
            self.named.insert(name.to_owned(), params);
        }
    }

    /// With a sparse vector.
    pub(crate) fn sparse(mut self, name: &str, modifier: Modifier) -> Self {
        let params = SparseVectorParams {
            modifier: Some(modifier.into()),
            ..SparseVectorParams::default()
        };
        self.sparse.insert(name.to_owned(), params);
        self
    }

    /// With a model in its metadata.
    pub(crate) fn model(mut self, vector: &str, model: &str) -> Self {
        let metadata = json!({ "models": { vector: model } });
        self.metadata.insert("mcp-hub".to_owned(), payload(&metadata));
        self
    }

    /// Makes it, with points.
    pub(crate) async fn create(self, qdrant: &Qdrant, points: Vec<PointStruct>) {
        let config = match self.unnamed {
            Some(params) => Some(vectors_config::Config::Params(params)),
            None if self.named.is_empty() => None,
            None => Some(vectors_config::Config::ParamsMap(VectorParamsMap {
                map: self.named,
            })),
        };
        let request = CreateCollection {
            collection_name: self.name.clone(),
            vectors_config: config.map(|config| VectorsConfig { config: Some(config) }),
            sparse_vectors_config: Some(SparseVectorConfig { map: self.sparse }),
            metadata: self.metadata,
            ..CreateCollection::default()
        };
        let created = CollectionsClient::new(qdrant.channel()).create(request).await;
        created.unwrap_or_else(|status| panic!("{}: {status}", self.name));
        if points.is_empty() {
            return;
        }
        let request = UpsertPoints {
            collection_name: self.name.clone(),
            wait: Some(true),
            points,
            ..UpsertPoints::default()
        };
        let written = PointsClient::new(qdrant.channel()).upsert(request).await;
        written.unwrap_or_else(|status| panic!("{}: {status}", self.name));
    }
}

fn params(size: usize, distance: Distance) -> VectorParams {
    VectorParams {
        size: size as u64,
        distance: distance.into(),
        ..VectorParams::default()
    }
}

/// The reviews as points.
pub(crate) fn reviews(vectors: impl Fn(&str) -> Vectors) -> Vec<PointStruct> {
    let points = REVIEWS.iter().map(|(id, text, product, stars)| {
        let payload = json!({
            "text": text, "product": product, "stars": stars, "shop": { "city": "Basel", "id": id },
        });
        point(*id, vectors(text), &payload)
    });
    points.collect()
}

/// A point with a payload.
pub(crate) fn point(id: u64, vectors: Vectors, object: &serde_json::Value) -> PointStruct {
    let fields = object.as_object().expect("an object").iter();
    PointStruct {
        id: Some(PointId::from(id)),
        vectors: Some(vectors),
        payload: fields.map(|(key, value)| (key.clone(), payload(value))).collect(),
    }
}

/// JSON as Qdrant's messages have it.
fn payload(json: &serde_json::Value) -> Value {
    use qdrant_client::qdrant::value::Kind;
    use serde_json::Value as Json;
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(value) => Kind::BoolValue(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Kind::IntegerValue(number),
            None => Kind::DoubleValue(number.as_f64().expect("a double")),
        },
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(items) => Kind::ListValue(ListValue {
            values: items.iter().map(payload).collect(),
        }),
        Json::Object(fields) => Kind::StructValue(Struct {
            fields: fields
                .iter()
                .map(|(key, value)| (key.clone(), payload(value)))
                .collect(),
        }),
    };
    Value { kind: Some(kind) }
}

/// The unnamed vector of a point.
pub(crate) fn unnamed(vector: Vector) -> Vectors {
    Vectors {
        vectors_options: Some(vectors::VectorsOptions::Vector(vector)),
    }
}

/// The named vectors of a point.
pub(crate) fn named<const N: usize>(vectors: [(&str, Vector); N]) -> Vectors {
    let vectors = vectors.map(|(name, vector)| (name.to_owned(), vector));
    Vectors {
        vectors_options: Some(vectors::VectorsOptions::Vectors(NamedVectors {
            vectors: vectors.into(),
        })),
    }
}

/// The vector that `bag-64` makes of a text.
pub(crate) fn meaning(text: &str) -> Vector {
    dense(bag(text, TEXT))
}

pub(crate) fn dense(data: Vec<f32>) -> Vector {
    of(vector::Vector::Dense(DenseVector { data }))
}

pub(crate) fn sparse(indices: &[u32], values: &[f32]) -> Vector {
    of(vector::Vector::Sparse(SparseVector {
        indices: indices.to_vec(),
        values: values.to_vec(),
    }))
}

pub(crate) fn multi(vectors: &[&[f32]]) -> Vector {
    let dense = |data: &&[f32]| DenseVector { data: data.to_vec() };
    of(vector::Vector::MultiDense(MultiDenseVector {
        vectors: vectors.iter().map(dense).collect(),
    }))
}

/// The vector that Qdrant makes of a text's words.
pub(crate) fn words(text: &str) -> Vector {
    of(vector::Vector::Document(Document {
        text: text.to_owned(),
        model: "qdrant/bm25".to_owned(),
        ..Document::default()
    }))
}

fn of(vector: vector::Vector) -> Vector {
    Vector {
        vector: Some(vector),
        ..Vector::default()
    }
}

/// Makes a collection of the reviews with their meaning in the vector `body` and their words in `words`.
pub(crate) async fn reviews_by_both(qdrant: &Qdrant, name: &str) {
    let collection = Collection::new(name)
        .dense("body", TEXT, Distance::Cosine)
        .sparse("words", Modifier::Idf);
    collection
        .create(
            qdrant,
            reviews(|text| named([("body", meaning(text)), ("words", words(text))])),
        )
        .await;
}
