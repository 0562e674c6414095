//! `CollectionInfo`: what a search or a filter needs to know of one collection.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::data::v1::{Cut, Value};
use mcp_hub_proto::json;
use mcp_hub_proto::qdrant::v1 as pb;
use qdrant_client::qdrant;
use qdrant_client::qdrant::quantization_config::Quantization;

use super::sample::Sample;
use super::{Shape, Vector, timeout};
use crate::binding;
use crate::count;
use crate::database::Database;
use crate::embedding::Embeddings;
use crate::value::{of, payload_to_value};

/// The bounds of `sample`; 0 is none.
const SAMPLE: u32 = 100;
const MOST_SAMPLED: u32 = 1000;

/// How many characters of the metadata are shown.
const METADATA: usize = 4_000;

/// How many of the server's warnings are shown.
const WARNINGS: usize = 10;

/// Describes a collection.
///
/// # Errors
/// `OBJECT_NOT_FOUND` for the collection, the server's error, time-outs.
pub(crate) async fn collection_info(
    database: &Database,
    embeddings: &Embeddings,
    request: &pb::CollectionInfoRequest,
    remaining: Option<Duration>,
) -> Result<pb::CollectionInfoResponse, Fault> {
    let mut notices = Vec::new();
    let wanted = request.sample.unwrap_or(SAMPLE);
    if wanted > MOST_SAMPLED {
        notices.push(format!("sample was lowered from {wanted} to {MOST_SAMPLED}"));
    }
    let session = database.read(timeout(remaining)?);
    let (name, aliases, info) = session.info(&request.collection).await?;
    let shape = Shape::of(name, aliases, &info);
    let (points, sample) = tokio::try_join!(
        count::exact(&session, &shape.collection, None),
        Sample::take(&session, &shape, wanted.min(MOST_SAMPLED) as usize)
    )?;
    notices.extend(particulars(&info));
    let (payload, more) = sample.keys(&shape);
    if more > 0 {
        notices.push(format!("{more} more payload keys are not shown"));
    }
    let vector = |vector: &Vector| pb::Vector {
        name: vector.name.clone(),
        kind: vector.form.as_str().to_owned(),
        size: vector.size().and_then(|size| u32::try_from(size).ok()),
        distance: vector.distance_name().to_owned(),
        model: binding::model_of(&shape, &vector.name, embeddings),
    };
    Ok(pb::CollectionInfoResponse {
        name: shape.name().to_owned(),
        status: super::status_name(info.status()).to_owned(),
        points: points.or(info.points_count),
        indexed_vectors: info.indexed_vectors_count,
        vectors: shape.vectors.iter().map(vector).collect(),
        text_search: binding::describe(&shape, embeddings),
        payload,
        metadata: metadata(&shape),
        aliases: shape.aliases,
        notices,
    })
}

fn metadata(shape: &Shape) -> Option<Value> {
    if shape.metadata.is_empty() {
        return None;
    }
    let value = payload_to_value(shape.metadata.clone());
    let mut text = String::new();
    json::write_value(&mut text, &value);
    let length = text.chars().count();
    if length <= METADATA {
        return Some(value);
    }
    Some(of(Kind::Cut(Cut {
        text: text.chars().take(METADATA).collect(),
        length: length as u64,
    })))
}

/// What is not as it usually is.
fn particulars(info: &qdrant::CollectionInfo) -> Vec<String> {
    let mut notices = Vec::new();
    let config = info.config.as_ref();
    let params = config.and_then(|config| config.params.as_ref());
    let quantization = config
        .and_then(|config| config.quantization_config.as_ref()?.quantization.as_ref())
        .map(|quantization| match quantization {
            Quantization::Scalar(_) => "scalar",
            Quantization::Product(_) => "product",
            Quantization::Binary(_) => "binary",
            Quantization::Turboquant(_) => "turbo",
        });
    if let Some(quantization) = quantization {
        notices.push(format!("vectors have {quantization} quantization"));
    }
    if let Some(shards) = params
        .map(|params| params.shard_number)
        .filter(|shards| *shards > 1)
    {
        notices.push(format!("it has {shards} shards"));
    }
    let replicas = params.and_then(|params| params.replication_factor);
    if let Some(replicas) = replicas.filter(|replicas| *replicas > 1) {
        notices.push(format!("each shard has {replicas} replicas"));
    }
    if info.optimizer_status.as_ref().is_some_and(|status| !status.ok) {
        notices.push("an optimization failed; the server's own log tells why".to_owned());
    }
    let warnings = info.warnings.iter().take(WARNINGS);
    notices.extend(warnings.map(|warning| warning.message.clone()));
    notices
}
