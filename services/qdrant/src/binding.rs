//! Which model serves which vector of a collection: the settings say, else the collection's metadata, else the default.
//!
//! A collection's metadata binds with `{"mcp-hub": {"models": {"<vector, or empty>": "<model>"}}}`, which `create_collection` writes and
//! [`Bindings::of`] reads. A dense vector that nothing binds is the default model's, and a sparse one with the modifier IDF is taken to
//! be of `qdrant/bm25`. Nothing here asks a server but [`Bindings::fitting`], which may have to learn a model's dimensions.

use std::collections::HashMap;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use qdrant_client::qdrant::{Struct, Value, value};

use crate::collection::{Form, Shape, Vector};
use crate::embedding::{Embeddings, Model};

mod sentence;

pub(crate) use sentence::{Ways, describe, model_of, ways};

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
    pub(crate) vector: &'s Vector,
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
        let Some(size) = self.vector.size().filter(|size| *size != dimensions) else {
            return Ok(());
        };
        let Self { vector, model, .. } = self;
        let set = match self.by {
            By::Metadata => {
                "its metadata binds it to a model that does not fit; QDRANT_COLLECTION_MODELS goes before"
            }
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
            vector.title()
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
            if shape.is_called(&binding.collection) {
                let vector = binding.vector.as_deref().unwrap_or_default();
                bindings.bind(vector, &binding.model, By::Settings);
            }
        }
        match models(&shape.metadata) {
            Ok(models) => {
                for (vector, model) in models {
                    match model.parse() {
                        Ok(model) => bindings.bind(&vector, &model, By::Metadata),
                        Err(why) => bindings
                            .problems
                            .push(format!("in the collection's metadata: {why}")),
                    }
                }
            }
            Err(why) => bindings.problems.push(why),
        }
        for vector in &shape.vectors {
            if bindings.model(vector).is_some() {
                continue;
            }
            let (model, by) = match (vector.form, embeddings.default_model()) {
                (Form::Dense, Some(model)) => (model.clone(), By::Default),
                (Form::Sparse { idf: true }, _) => (Model::Bm25(None), By::Assumption),
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
                self.problems
                    .push(format!("{who} binds the model {model} to {why}"));
            }
        }
    }

    /// The vector that a binding is about; an empty name leaves it to the collection.
    fn target(&self, name: &str, model: &Model) -> Result<&'s Vector, String> {
        let form = form_of(model);
        match vector(self.shape, name) {
            Some(vector) if vector.form.as_str() == form => return Ok(vector),
            Some(vector) if !name.is_empty() => {
                return Err(format!("the {}, which is no {form} vector", vector.title()));
            }
            None if !name.is_empty() => {
                return Err(format!("the vector `{name}`, which the collection does not have"));
            }
            _ => {}
        }
        let vectors = self.shape.vectors.iter();
        let fitting: Vec<&Vector> = vectors.filter(|vector| vector.form.as_str() == form).collect();
        match fitting.as_slice() {
            [vector] => Ok(vector),
            [] => Err(format!("the collection, which has no {form} vector")),
            several => Err(format!(
                "the collection, which has several {form} vectors: it must name one ({})",
                names(several.iter().copied())
            )),
        }
    }

    /// The collection.
    pub(crate) fn shape(&self) -> &'s Shape {
        self.shape
    }

    /// The model of a vector.
    pub(crate) fn model(&self, vector: &Vector) -> Option<&Bound<'s>> {
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
            if self.fits(bound, embeddings).await? {
                fitting.push(bound);
            }
        }
        Ok(fitting)
    }

    /// Whether the model of a dense vector makes vectors of its size; one that nothing binds may not.
    async fn fits(&self, bound: &Bound<'_>, embeddings: &Embeddings) -> Result<bool, Fault> {
        let dimensions = embeddings.dimensions(&bound.model).await?;
        match self.check(bound, dimensions) {
            Ok(()) => Ok(true),
            Err(_) if bound.by == By::Default => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// The vectors that texts become when they are kept: all that have a model and are `wanted` by their names. Models of others are
    /// not asked.
    ///
    /// # Errors
    /// As [`fitting`](Self::fitting).
    pub(crate) async fn of_documents(
        &self,
        embeddings: &Embeddings,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<&Bound<'s>>, Fault> {
        let mut documents = vec![];
        for bound in self.bound.iter().filter(|bound| wanted(&bound.vector.name)) {
            if matches!(bound.model, Model::Bm25(_)) || self.fits(bound, embeddings).await? {
                documents.push(bound);
            }
        }
        Ok(documents)
    }

    /// Why no text can be searched or kept.
    pub(crate) fn nothing(&self, embeddings: &Embeddings) -> Fault {
        let how = describe(self.shape, embeddings);
        let message = format!("text search in `{}`: {how}", self.shape.name());
        Fault::new(Reason::NotSupported, message)
    }

    /// Checks that a model makes vectors of the size that the collection has.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` with what to set, or what to name instead.
    pub(crate) fn check(&self, bound: &Bound<'_>, dimensions: usize) -> Result<(), Fault> {
        let others = self.shape.vectors.iter().filter(|vector| {
            vector.form == Form::Dense
                && vector.size() == Some(dimensions)
                && vector.name != bound.vector.name
        });
        let others = others.map(|vector| format!("{}, {dimensions}", vector.name));
        bound.check(
            self.shape.name(),
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
            dense @ Model::Dense(_) => dense.clone(),
        };
        let kind = value::Kind::StringValue(model.to_string());
        (vector.to_owned(), Value { kind: Some(kind) })
    };
    let models: HashMap<String, Value> = models.into_iter().map(model).collect();
    if models.is_empty() {
        return HashMap::new();
    }
    HashMap::from([(METADATA.to_owned(), object([(MODELS.to_owned(), object(models))]))])
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

/// The form of a model's vectors.
fn form_of(model: &Model) -> &'static str {
    match model {
        Model::Bm25(_) => Form::Sparse { idf: true }.as_str(),
        Model::Dense(_) => Form::Dense.as_str(),
    }
}

/// The vector of a name; the empty one is that of the unnamed vector.
pub(crate) fn vector<'s>(shape: &'s Shape, name: &str) -> Option<&'s Vector> {
    shape.vectors.iter().find(|vector| vector.name == name)
}

/// Vectors as errors list them: "text (384), image (512), words (sparse)".
pub(crate) fn names<'v>(vectors: impl IntoIterator<Item = &'v Vector>) -> String {
    let names = vectors.into_iter().map(|vector| {
        let name = if vector.name.is_empty() {
            "the unnamed one"
        } else {
            &vector.name
        };
        match (vector.size(), vector.form) {
            (Some(size), Form::Dense) => format!("{name} ({size})"),
            (Some(size), form) => format!("{name} ({} {size})", form.as_str()),
            (None, form) => format!("{name} ({})", form.as_str()),
        }
    });
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
pub(crate) mod tests;
