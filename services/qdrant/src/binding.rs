//! Which model serves which vector of a collection: the settings say, else the collection's metadata, else the default.
//!
//! A collection's metadata binds with `{"mcp-hub": {"models": {"<vector, or empty>": "<model>"}}}`, which `create_collection` writes and
//! [`Bindings::of`] reads. A dense vector that nothing binds is the default model's, and a sparse one with the modifier IDF is taken to
//! be of `qdrant/bm25`. Nothing here asks a server but [`Bindings::fitting`], which may have to learn a model's dimensions.

use std::collections::HashMap;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use qdrant_client::qdrant::{Struct, Value, value};

use crate::collection::{Shape, VectorKind, VectorShape};
use crate::embedding::{Embeddings, Model};

mod sentence;

pub(crate) use sentence::{describe, model_of};

/// The key of a collection's metadata that is ours.
const METADATA: &str = "mcp-hub";

/// The key in it under which vectors have their models.
const MODELS: &str = "models";

/// Who says that a model serves a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// `QDRANT_COLLECTION_MODELS`.
    Settings,
    /// The collection's metadata.
    Metadata,
    /// Nobody: the default model serves what nothing binds.
    Default,
    /// Nobody: a sparse vector with the modifier IDF is what `qdrant/bm25` is for.
    Assumption,
}

/// A vector and the model that serves it.
#[derive(Clone, Debug)]
pub(crate) struct Bound<'s> {
    /// The vector.
    pub(crate) vector: &'s VectorShape,
    /// The model; a `qdrant/bm25` with its language.
    pub(crate) model: Model,
    /// Who says so.
    pub(crate) by: By,
}

impl Bound<'_> {
    /// Checks that vectors of the model are vectors of the collection.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` with what to set, or what to name instead.
    fn check(&self, collection: &str, dimensions: usize, others: &str) -> Result<(), Fault> {
        let Some(size) = self.vector.size.filter(|size| *size as usize != dimensions) else {
            return Ok(());
        };
        let Self { vector, model, .. } = self;
        let set = match self.by {
            By::Metadata => "its metadata binds it to a model that does not fit; QDRANT_COLLECTION_MODELS goes before",
            By::Settings => "QDRANT_COLLECTION_MODELS binds it to a model that does not fit",
            By::Default | By::Assumption => "bind the collection to its model by QDRANT_COLLECTION_MODELS",
        };
        let others = if others.is_empty() {
            String::new()
        } else {
            format!(", or name another vector with using ({others})")
        };
        let message = format!(
            "the {} of `{collection}` has {size} dimensions, the model {model} makes {dimensions}: {set}{others}",
            title(vector)
        );
        Err(Fault::argument("using", message))
    }
}

/// The vectors of a collection that texts can become.
#[derive(Clone, Debug)]
pub(crate) struct Bindings<'s> {
    shape: &'s Shape,
    bound: Vec<Bound<'s>>,
    /// Bindings that bind nothing, in words.
    problems: Vec<String>,
}

impl<'s> Bindings<'s> {
    /// The models of a collection's vectors.
    pub(crate) fn of(shape: &'s Shape, embeddings: &Embeddings) -> Self {
        let mut bindings = Self {
            shape,
            bound: vec![],
            problems: vec![],
        };
        for binding in embeddings.bindings() {
            if shape.collection.as_str() == binding.collection {
                let vector = binding.vector.as_deref().unwrap_or_default();
                bindings.bind(vector, &binding.model, By::Settings);
            }
        }
        match models(&shape.metadata) {
            Ok(models) => {
                for (vector, model) in models {
                    match model.parse() {
                        Ok(model) => bindings.bind(&vector, &model, By::Metadata),
                        Err(why) => bindings.problems.push(format!("in the collection's metadata: {why}")),
                    }
                }
            }
            Err(why) => bindings.problems.push(why),
        }
        for vector in &shape.vectors {
            if bindings.model(vector).is_some() {
                continue;
            }
            let (model, by) = match (vector.kind, embeddings.default_model()) {
                (VectorKind::Dense, Some(model)) => (model.clone(), By::Default),
                (VectorKind::Sparse, _) if vector.idf => (Model::Bm25(None), By::Assumption),
                _ => continue,
            };
            bindings.bound.push(Bound { vector, model, by });
        }
        for bound in &mut bindings.bound {
            if let Model::Bm25(language) = &mut bound.model {
                *language = Some(embeddings.language(*language));
            }
        }
        bindings
    }

    fn bind(&mut self, name: &str, model: &Model, by: By) {
        match self.target(name, model) {
            // Who came first goes before.
            Ok(vector) if self.model(vector).is_some() => {}
            Ok(vector) => self.bound.push(Bound {
                vector,
                model: model.clone(),
                by,
            }),
            Err(why) => {
                let who = match by {
                    By::Settings => "QDRANT_COLLECTION_MODELS",
                    _ => "the collection's metadata",
                };
                self.problems.push(format!("{who} binds the model {model} to {why}"));
            }
        }
    }

    /// The vector that a binding is about; an empty name leaves it to the collection.
    fn target(&self, name: &str, model: &Model) -> Result<&'s VectorShape, String> {
        let kind = match model {
            Model::Bm25(_) => VectorKind::Sparse,
            Model::Dense(_) => VectorKind::Dense,
        };
        let named = self.shape.vector(name);
        match named {
            Some(vector) if vector.kind == kind => return Ok(vector),
            Some(vector) if !name.is_empty() => {
                return Err(format!("the {}, which is no {} vector", title(vector), kind.as_str()));
            }
            None if !name.is_empty() => {
                return Err(format!("the vector `{name}`, which the collection does not have"));
            }
            _ => {}
        }
        let vectors = self.shape.vectors.iter();
        let fitting: Vec<&VectorShape> = vectors.filter(|vector| vector.kind == kind).collect();
        match fitting.as_slice() {
            [vector] => Ok(vector),
            [] => Err(format!("the collection, which has no {} vector", kind.as_str())),
            several => Err(format!(
                "the collection, which has several {} vectors: it must name one ({})",
                kind.as_str(),
                list(several.iter().copied())
            )),
        }
    }

    /// The model of a vector.
    pub(crate) fn model(&self, vector: &VectorShape) -> Option<&Bound<'s>> {
        self.bound.iter().find(|bound| bound.vector.name == vector.name)
    }

    /// All vectors that have a model.
    pub(crate) fn all(&self) -> &[Bound<'s>] {
        &self.bound
    }

    /// Bindings that bind nothing, in words.
    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The sparse vectors that words can become.
    pub(crate) fn sparse(&self) -> impl Iterator<Item = &Bound<'s>> {
        self.bound
            .iter()
            .filter(|bound| matches!(bound.model, Model::Bm25(_)))
    }

    /// The dense vectors that texts can become, as far as is known without asking.
    pub(crate) fn dense(&self) -> impl Iterator<Item = &Bound<'s>> {
        self.bound
            .iter()
            .filter(|bound| matches!(bound.model, Model::Dense(_)))
    }

    /// The dense vectors that texts can become. Those that nothing binds are left out when the default model's vectors are of another
    /// size.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` for a bound vector whose model makes vectors of another size; those of
    /// [`Embeddings::dimensions`].
    pub(crate) async fn fitting(&self, embeddings: &Embeddings) -> Result<Vec<&Bound<'s>>, Fault> {
        let mut fitting = vec![];
        for bound in self.dense() {
            let dimensions = embeddings.dimensions(&bound.model).await?;
            match self.check(bound, dimensions) {
                Ok(()) => fitting.push(bound),
                Err(_) if bound.by == By::Default => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(fitting)
    }

    /// The vectors that a text becomes when it is kept: all that have a model and are not `given` by their names.
    ///
    /// # Errors
    /// As [`fitting`](Self::fitting), and `NOT_SUPPORTED` with what to set when there is none at all.
    pub(crate) async fn of_documents(
        &self,
        embeddings: &Embeddings,
        given: impl Fn(&str) -> bool,
    ) -> Result<Vec<&Bound<'s>>, Fault> {
        let mut bound = self.fitting(embeddings).await?;
        bound.extend(self.sparse());
        if bound.is_empty() {
            return Err(self.nothing(embeddings));
        }
        bound.retain(|bound| !given(&bound.vector.name));
        Ok(bound)
    }

    /// Why no text can be searched or kept.
    pub(crate) fn nothing(&self, embeddings: &Embeddings) -> Fault {
        let how = describe(self.shape, embeddings);
        let message = format!("text search in `{}`: {how}", self.shape.collection.as_str());
        Fault::new(Reason::NotSupported, message)
    }

    /// Checks that a model makes vectors of the size that the collection has.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` with what to set, or what to name instead.
    pub(crate) fn check(&self, bound: &Bound<'_>, dimensions: usize) -> Result<(), Fault> {
        let others = self.shape.vectors.iter().filter(|vector| {
            vector.kind == VectorKind::Dense
                && vector.size.is_some_and(|size| size as usize == dimensions)
                && vector.name != bound.vector.name
        });
        let others = others.map(|vector| format!("{}, {dimensions}", vector.name));
        bound.check(
            self.shape.collection.as_str(),
            dimensions,
            &others.collect::<Vec<_>>().join("; "),
        )
    }
}

/// What a new collection's metadata says of the models of its vectors, so that each who opens it knows. A `qdrant/bm25` without a
/// language gets that of the settings, because what is kept stays in it.
pub(crate) fn metadata<'m>(
    models: impl IntoIterator<Item = (&'m str, &'m Model)>,
    embeddings: &Embeddings,
) -> HashMap<String, Value> {
    let model = |(vector, model): (&str, &Model)| {
        let model = match model {
            Model::Bm25(language) => Model::Bm25(Some(embeddings.language(*language))),
            dense => dense.clone(),
        };
        let kind = value::Kind::StringValue(model.to_string());
        (vector.to_owned(), Value { kind: Some(kind) })
    };
    let models: HashMap<String, Value> = models.into_iter().map(model).collect();
    if models.is_empty() {
        return HashMap::new();
    }
    HashMap::from([(
        METADATA.to_owned(),
        object([(MODELS.to_owned(), object(models))]),
    )])
}

fn object(fields: impl IntoIterator<Item = (String, Value)>) -> Value {
    let fields = fields.into_iter().collect();
    Value {
        kind: Some(value::Kind::StructValue(Struct { fields })),
    }
}

/// The models of a collection's metadata by the names of its vectors, sorted.
fn models(metadata: &HashMap<String, Value>) -> Result<Vec<(String, String)>, String> {
    let Some(ours) = metadata.get(METADATA) else {
        return Ok(vec![]);
    };
    let wrong = || {
        format!(
            "the collection's metadata has {METADATA:?}, but not in the form {{\"{MODELS}\": {{\"<vector, or empty>\": \"<model>\"}}}}"
        )
    };
    let fields = |value: &Value| match &value.kind {
        Some(value::Kind::StructValue(object)) => Some(object.fields.clone()),
        _ => None,
    };
    let Some(models) = fields(ours).ok_or_else(wrong)?.remove(MODELS) else {
        return Ok(vec![]);
    };
    let models = fields(&models).ok_or_else(wrong)?.into_iter();
    let mut models: Vec<(String, String)> = models
        .map(|(vector, model)| match model.kind {
            Some(value::Kind::StringValue(model)) => Ok((vector, model)),
            _ => Err(wrong()),
        })
        .collect::<Result<_, _>>()?;
    models.sort_unstable();
    Ok(models)
}

/// A vector as a sentence names it, behind "the".
pub(crate) fn title(vector: &VectorShape) -> String {
    if vector.name.is_empty() {
        "unnamed vector".to_owned()
    } else {
        format!("vector `{}`", vector.name)
    }
}

/// Vectors as errors list them: "text (384), image (512), words (sparse)".
pub(crate) fn list<'v>(vectors: impl IntoIterator<Item = &'v VectorShape>) -> String {
    let names = vectors.into_iter().map(|vector| {
        let name = if vector.name.is_empty() { "the unnamed one" } else { &vector.name };
        match (vector.size, vector.kind) {
            (Some(size), VectorKind::Dense) => format!("{name} ({size})"),
            (Some(size), kind) => format!("{name} ({} {size})", kind.as_str()),
            (None, kind) => format!("{name} ({})", kind.as_str()),
        }
    });
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
