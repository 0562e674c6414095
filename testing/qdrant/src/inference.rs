//! Texts that become vectors in the server: BM25, which Qdrant computes itself. Any other model needs a remote service,
//! which a Qdrant that is set up by its own defaults has not.

use qdrant_client::qdrant::Document;
use qdrant_edge::bm25_embed::{EdgeBm25, EdgeBm25Config};
use qdrant_edge::{Language, SnowballLanguage, VectorInternal};
use serde_json::{Map, Value, json};

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
    let mut options = payload::object(document.options)?;
    without_language(&mut options);
    let config: EdgeBm25Config = serde_json::from_value(Value::Object(options))
        .map_err(|error| Error::BadInput(format!("Invalid BM25 config: {error:#?}")))?;
    let model = EdgeBm25::new(config).map_err(|error| Error::BadInput(error.to_string()))?;
    Ok((model, document.text))
}

/// A language that Qdrant has no stop words of has none, and no stems but those of its own name. The engine refuses such a
/// language, so one that it has no stems of stands for it.
fn without_language(options: &mut Map<String, Value>) {
    let Some(language) = options.get("language").and_then(Value::as_str) else {
        return;
    };
    if language.parse::<Language>().is_ok() {
        return;
    }
    let stemmer = language
        .parse::<SnowballLanguage>()
        .map(|_| json!({ "type": "snowball", "language": language }));
    if let Ok(stemmer) = stemmer {
        options.entry("stemmer").or_insert(stemmer);
    }
    options.entry("stopwords").or_insert(json!({}));
    options.insert("language".to_owned(), "japanese".into());
}
