//! Vectors of texts: which models there are, and asking one.
//!
//! Three kinds of models. Qdrant's own [`bm25`] makes sparse vectors inside the server, so it is only named here; an [`endpoint`] of
//! an OpenAI-compatible API and a [`local`] static model make dense ones. Which model serves which vector of a collection is
//! [`binding`](crate::binding)'s matter.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::trace::{OpenTelemetrySpanExt as _, attribute};
use mcp_hub_chassis::{Fault, trace};
use tokio::sync::OnceCell;
use tracing::Instrument as _;

use crate::config::{CollectionModel, EmbeddingConfig};
use crate::error::Error;

pub(crate) mod bm25;
mod endpoint;
mod local;

pub use bm25::Language;
use endpoint::Endpoint;
use local::Local;

/// The longest name of a model: far more than any has.
const LONGEST_NAME: usize = 256;

/// How many models' dimensions are remembered. Names come from collections' metadata too, so they are not bounded by the settings.
const MOST_REMEMBERED: usize = 64;

/// A model by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Model {
    /// Qdrant's own `qdrant/bm25`, which makes sparse vectors; in the language of the settings when it names none.
    Bm25(Option<Language>),
    /// A model that makes dense vectors: the local one, or one of the endpoint.
    Dense(Arc<str>),
}

impl FromStr for Model {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.trim();
        let lower = name.to_lowercase();
        if let Some(rest) = lower.strip_prefix(bm25::NAME) {
            return match rest.split_once(':') {
                None if rest.is_empty() => Ok(Self::Bm25(None)),
                Some(("", language)) => language.parse().map(Some).map(Self::Bm25),
                _ => Err(format!(
                    "there is no model {name:?}; Qdrant's own is {}",
                    bm25::NAME
                )),
            };
        }
        if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(format!(
                "the name of a model has 1 to {LONGEST_NAME} characters, none of them a control character"
            ));
        }
        Ok(Self::Dense(name.into()))
    }
}

impl fmt::Display for Model {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bm25(None) => formatter.write_str(bm25::NAME),
            Self::Bm25(Some(language)) => write!(formatter, "{}:{language}", bm25::NAME),
            Self::Dense(name) => formatter.write_str(name),
        }
    }
}

/// What a text is: models make different vectors of what is searched for and of what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It is searched for.
    Query,
    /// It is kept.
    Document,
}

/// The models of the settings: cheap to clone.
#[derive(Clone)]
pub struct Embeddings(Arc<Inner>);

struct Inner {
    endpoint: Option<Endpoint>,
    local: Option<Local>,
    default: Option<Model>,
    language: Language,
    bindings: Vec<CollectionModel>,
    /// How many dimensions a model's vectors have, once it has been asked.
    dimensions: Mutex<HashMap<Arc<str>, Arc<OnceCell<usize>>>>,
}

impl Embeddings {
    /// The models of the settings. The local one is loaded now; the endpoint is not asked yet.
    ///
    /// # Errors
    /// [`Error::Settings`] when a setting can never work, such as a directory without a model.
    pub async fn open(config: &EmbeddingConfig) -> Result<Self, Error> {
        config.check()?;
        let endpoint = Endpoint::new(config)?;
        let local = match &config.embeddings_dir {
            Some(directory) => Some(Local::open(directory).await?),
            None => None,
        };
        let named = config.embeddings_model.as_deref().map(Arc::from);
        let default = named.or_else(|| local.as_ref().map(Local::name));
        let embeddings = Self(Arc::new(Inner {
            endpoint,
            local,
            default: default.map(Model::Dense),
            language: config.bm25_language,
            bindings: config.collection_models.clone(),
            dimensions: Mutex::default(),
        }));
        let bound = config.collection_models.iter().map(|bound| &bound.model);
        for model in bound.chain(&embeddings.0.default) {
            if let Err(fault) = embeddings.has(model) {
                return Err(Error::Settings(fault.message));
            }
        }
        Ok(embeddings)
    }

    /// The model that serves each dense vector which nothing binds to another one.
    pub fn default_model(&self) -> Option<&Model> {
        self.0.default.as_ref()
    }

    /// The bindings of the settings.
    pub(crate) fn bindings(&self) -> &[CollectionModel] {
        &self.0.bindings
    }

    /// The language of a `qdrant/bm25`.
    pub(crate) fn language(&self, named: Option<Language>) -> Language {
        named.unwrap_or(self.0.language)
    }

    /// Whether the settings give the model.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` with what to set.
    pub(crate) fn has(&self, model: &Model) -> Result<(), Fault> {
        match model {
            Model::Bm25(_) => Ok(()),
            Model::Dense(name) => self.source(name).map(|_| ()),
        }
    }

    /// Who makes the vectors of a dense model.
    fn source(&self, name: &str) -> Result<Source<'_>, Fault> {
        let message = match (&self.0.local, &self.0.endpoint) {
            (Some(local), _) if *local.name() == *name => return Ok(Source::Local(local)),
            (_, Some(endpoint)) => return Ok(Source::Endpoint(endpoint)),
            (None, None) => format!(
                "the model {name} makes vectors of texts at an embeddings endpoint, and none is configured: \
                 QDRANT_EMBEDDINGS_URL must be set"
            ),
            (Some(local), None) => format!(
                "there is no model {name}: the only one is {}, of QDRANT_EMBEDDINGS_DIR, until QDRANT_EMBEDDINGS_URL is set",
                local.name()
            ),
        };
        Err(Fault::new(Reason::NotSupported, message))
    }

    /// Makes dense vectors of texts, in their order, all of the same dimensions. Dropping the future drops the requests.
    ///
    /// # Errors
    /// `EMBEDDINGS_UNAVAILABLE` when the model can't be asked; `ARGUMENT_INVALID` when it does not take a text, or makes nothing of one
    /// that is searched for; `NOT_SUPPORTED` for a model that the settings do not give.
    pub async fn embed(
        &self,
        model: &Model,
        purpose: Purpose,
        texts: &[String],
    ) -> Result<Vec<Vec<f32>>, Fault> {
        let name = dense(model)?;
        let span = trace::internal("embed");
        span.set_attribute(attribute::GEN_AI_REQUEST_MODEL, name.to_string());
        let embedded = self.ask(name, purpose, texts).instrument(span.clone()).await;
        if let Err(fault) = &embedded {
            trace::fault(&span, fault);
        }
        embedded
    }

    async fn ask(&self, name: &Arc<str>, purpose: Purpose, texts: &[String]) -> Result<Vec<Vec<f32>>, Fault> {
        let vectors = match self.source(name)? {
            Source::Local(local) => local.embed(texts).await?,
            Source::Endpoint(endpoint) => endpoint.embed(name, purpose, texts).await?,
        };
        let nothing = |vector: &Vec<f32>| vector.iter().all(|number| *number == 0.0);
        if purpose == Purpose::Query && vectors.iter().any(nothing) {
            let message = format!("the model {name} makes nothing of this text: it knows none of its words");
            return Err(Fault::new(Reason::ArgumentInvalid, message));
        }
        self.remember(name, &vectors);
        Ok(vectors)
    }

    /// How many dimensions the model's vectors have, if it is known without asking.
    pub fn known_dimensions(&self, model: &Model) -> Option<usize> {
        let name = dense(model).ok()?;
        match self.source(name).ok()? {
            Source::Local(local) => Some(local.dimensions()),
            Source::Endpoint(endpoint) => endpoint
                .dimensions(name)
                .or_else(|| self.cell(name).get().copied()),
        }
    }

    /// How many dimensions the model's vectors have. It is asked once, by making a vector of one word.
    ///
    /// # Errors
    /// As [`embed`](Self::embed).
    pub async fn dimensions(&self, model: &Model) -> Result<usize, Fault> {
        if let Some(known) = self.known_dimensions(model) {
            return Ok(known);
        }
        let name = dense(model)?;
        // Those who ask meanwhile wait for the same answer; a failure is nobody's answer but this caller's.
        let cell = self.cell(name);
        let learn = async {
            let vectors = self.embed(model, Purpose::Document, &["word".to_owned()]).await?;
            Ok(vectors.first().map_or(0, Vec::len))
        };
        cell.get_or_try_init(|| learn).await.copied()
    }

    /// What is known of a model's dimensions.
    fn cell(&self, name: &Arc<str>) -> Arc<OnceCell<usize>> {
        let mut known = self.0.dimensions.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_REMEMBERED && !known.contains_key(name) {
            known.clear();
        }
        known.entry(name.clone()).or_default().clone()
    }

    /// Keeps the dimensions of vectors that came: behind a name there may be another model than before.
    fn remember(&self, name: &Arc<str>, vectors: &[Vec<f32>]) {
        let Some(dimensions) = vectors.first().map(Vec::len) else {
            return;
        };
        if self.cell(name).get() != Some(&dimensions) {
            let mut known = self.0.dimensions.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(name.clone(), Arc::new(OnceCell::new_with(Some(dimensions))));
        }
    }
}

/// Who makes the vectors of a dense model.
enum Source<'a> {
    Local(&'a Local),
    Endpoint(&'a Endpoint),
}

/// The name of a model that makes dense vectors.
fn dense(model: &Model) -> Result<&Arc<str>, Fault> {
    match model {
        Model::Dense(name) => Ok(name),
        Model::Bm25(_) => {
            let message = format!("{} makes sparse vectors, and inside Qdrant", bm25::NAME);
            Err(Fault::new(Reason::NotSupported, message))
        }
    }
}

impl fmt::Debug for Embeddings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Embeddings")
            .field("default", &self.0.default)
            .field("bindings", &self.0.bindings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
