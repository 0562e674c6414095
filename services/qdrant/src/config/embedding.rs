//! Settings of text search: what makes vectors of texts, and which model serves which collection.
//!
//! [`crate::embedding`] is made of them; [`crate::binding`] asks [`EmbeddingConfig::collection_models`].

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use mcp_hub_chassis::config::Secret;
use mcp_hub_chassis::server;

use crate::embedding::{Language, Model};
use crate::error::Error;

/// The settings of text search. Without any, a collection is searched by words where it has a sparse vector for it.
#[derive(clap::Args, Clone, Debug)]
pub struct EmbeddingConfig {
    /// An OpenAI-compatible API that makes vectors of texts (Ollama, vLLM, text-embeddings-inference, OpenAI):
    /// `http://localhost:11434/v1`.
    #[arg(
        long,
        env = "QDRANT_EMBEDDINGS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub embeddings_url: Option<Secret>,
    /// The model that serves each dense vector which nothing binds to another one.
    #[arg(long, env = "QDRANT_EMBEDDINGS_MODEL", value_name = "MODEL")]
    pub embeddings_model: Option<String>,
    /// The API key that the endpoint wants.
    #[arg(
        long,
        env = "QDRANT_EMBEDDINGS_API_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    pub embeddings_api_key: Option<Secret>,
    /// A file that holds the API key. It is read again for each request, so that a changed one needs no restart.
    #[arg(long, env = "QDRANT_EMBEDDINGS_API_KEY_FILE", value_name = "FILE")]
    pub embeddings_api_key_file: Option<PathBuf>,
    /// The certificates to trust when the URL begins with `https://`, as PEM; those of the system when absent.
    #[arg(long, env = "QDRANT_EMBEDDINGS_SSLROOTCERT", value_name = "FILE")]
    pub embeddings_sslrootcert: Option<PathBuf>,
    /// How long one request to the endpoint may take, in ms.
    #[arg(long, env = "QDRANT_EMBEDDINGS_TIMEOUT_MS", value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=55_000))]
    pub embeddings_timeout_ms: u32,
    /// The most texts in one request.
    #[arg(long, env = "QDRANT_EMBEDDINGS_BATCH", value_name = "COUNT", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=2_048))]
    pub embeddings_batch: u32,
    /// The most characters in one request, all texts together; a longer text is refused.
    #[arg(long, env = "QDRANT_EMBEDDINGS_BATCH_CHARACTERS", value_name = "COUNT", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    pub embeddings_batch_characters: u32,
    /// The most requests to the endpoint at a time.
    #[arg(long, env = "QDRANT_EMBEDDINGS_CONCURRENCY", value_name = "COUNT", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub embeddings_concurrency: u32,
    /// How many dimensions the endpoint is asked for; only some models have a choice. It counts for `QDRANT_EMBEDDINGS_MODEL`.
    #[arg(long, env = "QDRANT_EMBEDDINGS_DIMENSIONS", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub embeddings_dimensions: Option<u32>,
    /// What `QDRANT_EMBEDDINGS_MODEL` wants before a text that is searched for, such as "query: " for the e5 models.
    #[arg(
        long,
        env = "QDRANT_EMBEDDINGS_QUERY_PREFIX",
        value_name = "TEXT",
        default_value = ""
    )]
    pub embeddings_query_prefix: String,
    /// What it wants before a text that is kept, such as "passage: ".
    #[arg(
        long,
        env = "QDRANT_EMBEDDINGS_DOCUMENT_PREFIX",
        value_name = "TEXT",
        default_value = ""
    )]
    pub embeddings_document_prefix: String,
    /// A directory with a static embedding model (model2vec: `tokenizer.json`, `model.safetensors`, `config.json`), which makes
    /// vectors of texts in this process. The model's name is the directory's.
    #[arg(long, env = "QDRANT_EMBEDDINGS_DIR", value_name = "DIRECTORY")]
    pub embeddings_dir: Option<PathBuf>,
    /// Which model serves which vector: `reviews=all-minilm,docs/title=qdrant/bm25:german`, that is `collection=model` or
    /// `collection/vector=model`. `qdrant/bm25` is Qdrant's own model for sparse vectors, with a language behind the colon.
    #[arg(
        long,
        env = "QDRANT_COLLECTION_MODELS",
        value_name = "BINDINGS",
        value_delimiter = ','
    )]
    pub collection_models: Vec<CollectionModel>,
    /// The language of words where a binding names none: "english", "german" and so on, "none" for words as they are, or
    /// "multilingual" for scripts without spaces between words.
    #[arg(
        long,
        env = "QDRANT_BM25_LANGUAGE",
        value_name = "LANGUAGE",
        default_value = "english"
    )]
    pub bm25_language: Language,
}

/// One binding of `QDRANT_COLLECTION_MODELS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectionModel {
    /// The collection, or an alias of it.
    pub collection: String,
    /// The vector; `None` when the binding leaves it to the collection, which then has one that fits.
    pub vector: Option<String>,
    /// The model.
    pub model: Model,
}

impl FromStr for CollectionModel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || format!("{text:?} is not of the form collection=model or collection/vector=model");
        let (target, model) = text.trim().rsplit_once('=').ok_or_else(form)?;
        // A collection's name can't hold a slash.
        let (collection, vector) = match target.trim().split_once('/') {
            Some((collection, vector)) => (collection, Some(vector)),
            None => (target.trim(), None),
        };
        if collection.is_empty() || vector == Some("") {
            return Err(form());
        }
        Ok(Self {
            collection: collection.to_owned(),
            vector: vector.map(str::to_owned),
            model: model.parse()?,
        })
    }
}

impl EmbeddingConfig {
    /// How long one request to the endpoint may take.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.embeddings_timeout_ms.into())
    }

    /// The endpoint's API key, its file read now.
    pub(crate) fn api_key(&self) -> std::io::Result<Option<Secret>> {
        match (&self.embeddings_api_key, &self.embeddings_api_key_file) {
            (Some(key), _) => Ok(Some(key.clone())),
            (None, Some(file)) => server::read_secret(file).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Refuses settings that can never work, so that a mistake shows at start.
    ///
    /// # Errors
    /// [`Error::Settings`] with a sentence for the operator.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |why: &str| Err(Error::Settings(why.to_owned()));
        let default = self.embeddings_model.as_deref();
        let dense = |model: &Model| matches!(model, Model::Dense(_));
        let names_a_model =
            default.is_some() || self.collection_models.iter().any(|bound| dense(&bound.model));
        if self.embeddings_url.is_none() {
            let needs_url = [
                (self.embeddings_api_key.is_some(), "QDRANT_EMBEDDINGS_API_KEY"),
                (
                    self.embeddings_api_key_file.is_some(),
                    "QDRANT_EMBEDDINGS_API_KEY_FILE",
                ),
                (
                    self.embeddings_sslrootcert.is_some(),
                    "QDRANT_EMBEDDINGS_SSLROOTCERT",
                ),
                (
                    self.embeddings_dimensions.is_some(),
                    "QDRANT_EMBEDDINGS_DIMENSIONS",
                ),
            ];
            if let Some((_, name)) = needs_url.iter().find(|(is_set, _)| *is_set) {
                return Err(Error::Settings(format!("{name} needs QDRANT_EMBEDDINGS_URL")));
            }
        } else if !names_a_model {
            return refuse(
                "QDRANT_EMBEDDINGS_URL needs QDRANT_EMBEDDINGS_MODEL, or a model in QDRANT_COLLECTION_MODELS",
            );
        }
        server::one_way(
            self.embeddings_api_key.is_some(),
            self.embeddings_api_key_file.is_some(),
            "QDRANT_EMBEDDINGS_API_KEY",
        )
        .map_err(Error::Settings)?;
        let of_default = self.embeddings_dimensions.is_some()
            || !self.embeddings_query_prefix.is_empty()
            || !self.embeddings_document_prefix.is_empty();
        if of_default && default.is_none() {
            return refuse(
                "QDRANT_EMBEDDINGS_DIMENSIONS and the prefixes are of QDRANT_EMBEDDINGS_MODEL, which is not set",
            );
        }
        for (position, bound) in self.collection_models.iter().enumerate() {
            let same = |other: &&CollectionModel| {
                (&other.collection, &other.vector, dense(&other.model))
                    == (&bound.collection, &bound.vector, dense(&bound.model))
            };
            if self.collection_models[..position]
                .iter()
                .any(|other| same(&other))
            {
                let collection = &bound.collection;
                return Err(Error::Settings(format!(
                    "QDRANT_COLLECTION_MODELS binds a vector of {collection} to two models"
                )));
            }
        }
        if let Some(model) = default {
            match model.parse::<Model>() {
                Ok(Model::Dense(_)) => {}
                Ok(Model::Bm25(_)) => {
                    return refuse(
                        "QDRANT_EMBEDDINGS_MODEL is for dense vectors; qdrant/bm25 needs no setting, or stands in \
                         QDRANT_COLLECTION_MODELS",
                    );
                }
                Err(why) => return Err(Error::Settings(format!("QDRANT_EMBEDDINGS_MODEL: {why}"))),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
