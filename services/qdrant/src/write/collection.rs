//! `CreateCollection`: its vectors follow from the models that make them, and its metadata says which these are.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::qdrant::v1 as pb;
use qdrant_client::qdrant::{
    CollectionExistsRequest, CreateCollection, Distance, Modifier, SparseVectorConfig, SparseVectorParams,
    VectorParams, VectorParamsMap, VectorsConfig, vectors_config::Config,
};

use super::index::Wanted;
use super::{failed, limit, names};
use crate::binding;
use crate::database::{Database, Name, Session, Version};
use crate::embedding::{Embeddings, Model, bm25};
use crate::guard::guard;

/// The name of the sparse vector of a new collection.
const SPARSE: &str = "bm25";

/// The version since which a collection keeps metadata.
const METADATA: Version = Version(1, 16);

/// The most dimensions of a vector.
const MOST_DIMENSIONS: u32 = 65_536;

/// The most vectors of a collection, and its most indexes. The server has no limit of its own.
const MOST_VECTORS: usize = 32;
const MOST_INDEXES: usize = 64;

/// Creates a collection.
///
/// # Errors
/// Wrong arguments, a name that is taken, those of the model that is asked for its dimensions, the server's error, time-outs. An error
/// after the collection came about says so.
pub(crate) async fn create_collection(
    database: &Database,
    embeddings: &Embeddings,
    request: &pb::CreateCollectionRequest,
    remaining: Option<Duration>,
) -> Result<pb::CreateCollectionResponse, Fault> {
    let (sparse, indexes) = guard(|| {
        names::check_collection(&request.collection)?;
        Ok((sparse(request)?, indexes(&request.payload_indexes)?))
    })?;
    let session = database.write(limit(remaining));
    let name = session.new_collection(&request.collection)?;
    let vectors = dense(request, sparse, embeddings).await?;
    if vectors.is_empty() && sparse.is_none() {
        let message = "a collection without any vector finds nothing: give vectors or sparse";
        return Err(Fault::argument("vectors", message));
    }
    if sparse.is_some() {
        session
            .needs(
                bm25::SINCE,
                "a sparse vector that words become (sparse \"\" leaves it out)",
            )
            .await?;
    }
    let create = CreateCollection {
        vectors_config: config(&vectors),
        sparse_vectors_config: sparse.map(sparse_config),
        metadata: metadata(&vectors, sparse, embeddings, &session).await?,
        ..CreateCollection::default()
    };
    check_is_free(&session, &name).await?;
    let unclear = |fault: Fault| fault.unclear("the collection was created");
    let answer = Box::pin(session.ask(&name, create)).await;
    let answer = answer.map_err(|error| failed(error, unclear))?;
    if !answer.result {
        let message = "the server has not created the collection, and does not say why; its own log may tell";
        return Err(Fault::new(Reason::DatabaseUnavailable, message));
    }
    create_indexes(&indexes, &session, &name).await?;
    let shape = session.shape(name.as_str()).await;
    let shape = shape.map_err(|error| but(error.into(), "the collection was created, but can't be shown"))?;
    Ok(pb::CreateCollectionResponse {
        collection: shape.name().to_owned(),
        vectors: shape.vectors.iter().map(ToString::to_string).collect(),
        text_search: binding::describe(&shape, embeddings),
    })
}

/// A dense vector of the collection to be.
#[derive(Clone, Debug)]
struct Dense {
    name: String,
    size: usize,
    distance: Distance,
    /// The model that is named for it, or that its size is of.
    model: Option<Model>,
}

/// The name of the sparse vector, if there is to be one.
fn sparse(request: &pb::CreateCollectionRequest) -> Result<Option<&str>, Fault> {
    let name = request.sparse.as_deref().unwrap_or(SPARSE);
    names::check_vector("sparse", name)?;
    Ok(Some(name).filter(|name| !name.is_empty()))
}

/// The dense vectors.
async fn dense(
    request: &pb::CreateCollectionRequest,
    sparse: Option<&str>,
    embeddings: &Embeddings,
) -> Result<Vec<Dense>, Fault> {
    if request.vectors.is_empty() {
        let Some(model) = embeddings.default_model() else {
            return Ok(vec![]);
        };
        return Ok(vec![Dense {
            name: String::new(),
            size: embeddings.dimensions(model).await?,
            distance: Distance::Cosine,
            model: Some(model.clone()),
        }]);
    }
    check_names(&request.vectors, sparse)?;
    let mut vectors = Vec::with_capacity(request.vectors.len());
    for (index, vector) in request.vectors.iter().enumerate() {
        let (size, model) = size(&format!("vectors[{index}]"), vector, embeddings).await?;
        vectors.push(Dense {
            name: vector.name().to_owned(),
            size,
            distance: match vector.distance() {
                pb::Distance::Unspecified | pb::Distance::Cosine => Distance::Cosine,
                pb::Distance::Dot => Distance::Dot,
                pb::Distance::Euclid => Distance::Euclid,
                pb::Distance::Manhattan => Distance::Manhattan,
            },
            model,
        });
    }
    Ok(vectors)
}

fn check_names(vectors: &[pb::NewVector], sparse: Option<&str>) -> Result<(), Fault> {
    if vectors.len() > MOST_VECTORS {
        let message = format!(
            "vectors has {} items; a collection gets at most {MOST_VECTORS}",
            vectors.len()
        );
        return Err(Fault::argument("vectors", message));
    }
    let mut seen: HashSet<&str> = sparse.into_iter().collect();
    for (index, vector) in vectors.iter().enumerate() {
        let field = format!("vectors[{index}].name");
        let name = vector.name();
        names::check_vector(&field, name)?;
        if name.is_empty() && vectors.len() > 1 {
            let message = format!("{field} is missing: a vector without a name must be the only one");
            return Err(Fault::argument(&field, message));
        }
        if !seen.insert(name) {
            let message = format!("{field}: another vector has the name {name:?} already");
            return Err(Fault::argument(&field, message));
        }
    }
    Ok(())
}

/// The dimensions of a vector, and the model that they are of. A model is asked before the server is.
async fn size(
    field: &str,
    vector: &pb::NewVector,
    embeddings: &Embeddings,
) -> Result<(usize, Option<Model>), Fault> {
    let size_field = format!("{field}.size");
    if vector
        .size
        .is_some_and(|size| size == 0 || size > MOST_DIMENSIONS)
    {
        let message = format!("{size_field} must be from 1 to {MOST_DIMENSIONS}");
        return Err(Fault::argument(&size_field, message));
    }
    let given = vector.size.and_then(|size| usize::try_from(size).ok());
    let model = match vector.model.as_deref().filter(|model| !model.is_empty()) {
        Some(name) => Some(read_model(&format!("{field}.model"), name, embeddings)?),
        // A size of one's own needs no model.
        None if given.is_some() => None,
        None => embeddings.default_model().cloned(),
    };
    let Some(model) = model else {
        return given.map(|size| (size, None)).ok_or_else(|| {
            let message =
                format!("{size_field} is missing, and no embedding model is configured that would tell it");
            Fault::argument(&size_field, message)
        });
    };
    let dimensions = embeddings.dimensions(&model).await?;
    if let Some(given) = given.filter(|given| *given != dimensions) {
        let message = format!(
            "{size_field} is {given}, and the model {model} makes {dimensions} dimensions: leave size out, or model"
        );
        return Err(Fault::argument(&size_field, message));
    }
    Ok((dimensions, Some(model)))
}

fn read_model(field: &str, name: &str, embeddings: &Embeddings) -> Result<Model, Fault> {
    let model: Model = name
        .parse()
        .map_err(|why| Fault::argument(field, format!("{field}: {why}")))?;
    if matches!(model, Model::Bm25(_)) {
        let message = format!(
            "{field}: {} makes sparse vectors: name one with sparse",
            bm25::NAME
        );
        return Err(Fault::argument(field, message));
    }
    embeddings.has(&model)?;
    Ok(model)
}

fn config(vectors: &[Dense]) -> Option<VectorsConfig> {
    let params = |vector: &Dense| VectorParams {
        size: vector.size as u64,
        distance: vector.distance.into(),
        ..VectorParams::default()
    };
    let config = match vectors {
        [] => return None,
        [unnamed] if unnamed.name.is_empty() => Config::Params(params(unnamed)),
        named => Config::ParamsMap(VectorParamsMap {
            map: named
                .iter()
                .map(|vector| (vector.name.clone(), params(vector)))
                .collect(),
        }),
    };
    Some(VectorsConfig { config: Some(config) })
}

/// BM25 wants the server to weigh words by how rare they are.
fn sparse_config(name: &str) -> SparseVectorConfig {
    let params = SparseVectorParams {
        modifier: Some(Modifier::Idf.into()),
        ..SparseVectorParams::default()
    };
    SparseVectorConfig {
        map: HashMap::from([(name.to_owned(), params)]),
    }
}

/// What the collection notes about the models of its vectors. A server that keeps no metadata is enough where the settings of every
/// adapter would say the same.
async fn metadata(
    vectors: &[Dense],
    sparse: Option<&str>,
    embeddings: &Embeddings,
    session: &Session,
) -> Result<HashMap<String, qdrant_client::qdrant::Value>, Fault> {
    let dense = vectors
        .iter()
        .filter_map(|vector| Some((vector.name.as_str(), vector.model.as_ref()?)));
    let is_default = |model: &Model| embeddings.default_model() == Some(model);
    if let Some((_, model)) = dense.clone().find(|(_, model)| !is_default(model)) {
        let what = format!("noting in the collection that {model} makes its vectors");
        session.needs(METADATA, &what).await?;
    } else if Version::parse(&session.version().await?).is_some_and(|version| version < METADATA) {
        return Ok(HashMap::new());
    }
    let bm25 = Model::Bm25(None);
    let sparse = sparse.map(|name| (name, &bm25));
    Ok(binding::metadata(dense.chain(sparse), embeddings))
}

/// Checks that neither a collection nor an alias has the name.
async fn check_is_free(session: &Session, name: &Name) -> Result<(), Fault> {
    let answer = session.ask(name, CollectionExistsRequest::default()).await?;
    if answer.result.is_some_and(|result| result.exists) {
        let message =
            format!("there is a collection, or an alias of one, named `{name}` already: choose another name");
        return Err(Fault::argument("collection", message));
    }
    Ok(())
}

fn indexes(given: &[pb::PayloadIndex]) -> Result<Vec<Wanted>, Fault> {
    if given.len() > MOST_INDEXES {
        let message = format!(
            "payload_indexes has {} items; a call takes at most {MOST_INDEXES}",
            given.len()
        );
        return Err(Fault::argument("payload_indexes", message));
    }
    let mut indexes: Vec<Wanted> = Vec::with_capacity(given.len());
    for (position, index) in given.iter().enumerate() {
        let field = format!("payload_indexes[{position}].");
        let wanted = Wanted::read(&field, &index.key, index.r#type())?;
        if indexes.iter().any(|other| other.key == wanted.key) {
            let message = format!("{field}key: `{}` stands twice", wanted.key);
            return Err(Fault::argument(&format!("{field}key"), message));
        }
        indexes.push(wanted);
    }
    Ok(indexes)
}

async fn create_indexes(indexes: &[Wanted], session: &Session, name: &Name) -> Result<(), Fault> {
    for (done, index) in indexes.iter().enumerate() {
        if let Err(fault) = index.create(session, name).await {
            let created: Vec<&str> = indexes[..done].iter().map(|index| index.key.as_str()).collect();
            let with = match created.as_slice() {
                [] => "without an index".to_owned(),
                created => format!("with the indexes {}", created.join(", ")),
            };
            let what = format!(
                "the collection was created {with}, but the index on `{}` failed",
                index.key
            );
            return Err(but(fault, &what));
        }
    }
    Ok(())
}

/// A failure after something was done.
fn but(mut fault: Fault, what: &str) -> Fault {
    fault.message = format!("{what}: {}", fault.message);
    fault.retry_after = None;
    fault
}

#[cfg(test)]
mod tests;
