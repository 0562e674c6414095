//! Texts that become vectors in the server: BM25, which Qdrant computes itself. Any other model needs a remote service,
//! which a Qdrant that is set up by its own defaults has not.

use qdrant_client::qdrant::Document;
use qdrant_edge::VectorInternal;
use qdrant_edge::bm25_embed::{EdgeBm25, EdgeBm25Config};
use serde_json::Value;

use crate::convert::payload;
use crate::error::{Error, Result};

/// The vector of a text that is written.
pub(crate) fn stored(document: Document) -> Result<VectorInternal> {
    let (model, text) = bm25(document)?;
    Ok(VectorInternal::Sparse(model.embed_document(&text)))
}

/// The vector of a text that is searched for.
pub(crate) fn searched(document: Document) -> Result<VectorInternal> {
    let (model, text) = bm25(document).map_err(|error| Error::Inference(error.into()))?;
    Ok(VectorInternal::Sparse(model.embed_query(&text)))
}

/// What Qdrant says to everything that it can't embed itself.
pub(crate) fn remote() -> Error {
    Error::Internal("InferenceService URL not configured - please provide valid address in config".to_owned())
}

fn bm25(document: Document) -> Result<(EdgeBm25, String)> {
    if !["qdrant/bm25", "bm25"].contains(&document.model.to_lowercase().as_str()) {
        return Err(remote());
    }
    let options = Value::Object(payload::object(document.options)?);
    let config: EdgeBm25Config = serde_json::from_value(options)
        .map_err(|error| Error::BadInput(format!("Invalid BM25 config: {error:#?}")))?;
    let model = EdgeBm25::new(config).map_err(|error| Error::BadInput(error.to_string()))?;
    Ok((model, document.text))
}
