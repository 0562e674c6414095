//! The sentence about text search that a caller reads before the first search.

use super::{Bindings, Bound, By};
use crate::collection::{Form, Shape};
use crate::embedding::Embeddings;

/// The beginning of the sentence where there is no way.
const NOT_POSSIBLE: &str = "not possible";

/// How `query_text` is searched in a collection, or what to set so that it works. Nothing is asked for it: while a model's dimensions
/// are not known, it is taken to fit.
pub(crate) fn describe(shape: &Shape, embeddings: &Embeddings) -> String {
    let bindings = Bindings::of(shape, embeddings);
    let (dense, misfits) = dense(&bindings, embeddings);
    let sparse: Vec<&Bound<'_>> = bindings.sparse().collect();
    let mut text = match (legs(&dense), legs(&sparse)) {
        (Some(dense), Some(sparse)) => {
            format!("by meaning ({dense}) and by words ({sparse}); mode auto fuses both")
        }
        (Some(dense), None) => format!("by meaning ({dense})"),
        (None, Some(sparse)) => format!("by words ({sparse})"),
        (None, None) => missing(shape, embeddings, misfits.is_empty()),
    };
    if dense.len() > 1 || sparse.len() > 1 {
        text.push_str("; name a vector with using");
    }
    // What the default model does not fit matters only where nothing else is searched.
    let serious = misfits
        .into_iter()
        .filter(|(by, _)| *by != By::Default || (dense.is_empty() && sparse.is_empty()));
    for why in serious
        .map(|(_, why)| why)
        .chain(bindings.problems().iter().cloned())
    {
        text.push_str(if text == NOT_POSSIBLE { ": " } else { ". " });
        text.push_str(&why);
    }
    text
}

/// In which ways texts are searched in a collection, as far as is known without asking.
pub(crate) fn ways(shape: &Shape, embeddings: &Embeddings) -> Ways {
    let bindings = Bindings::of(shape, embeddings);
    Ways {
        meaning: !dense(&bindings, embeddings).0.is_empty(),
        words: bindings.sparse().next().is_some(),
    }
}

/// The ways in which texts are searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ways {
    /// By the dense vector of a model.
    pub(crate) meaning: bool,
    /// By a sparse vector.
    pub(crate) words: bool,
}

/// In a few words.
impl std::fmt::Display for Ways {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match (self.meaning, self.words) {
            (true, true) => "by meaning and by words",
            (true, false) => "by meaning",
            (false, true) => "by words",
            (false, false) => NOT_POSSIBLE,
        })
    }
}

/// The dense vectors that texts can become, and why others can't.
fn dense<'b, 's>(
    bindings: &'b Bindings<'s>,
    embeddings: &Embeddings,
) -> (Vec<&'b Bound<'s>>, Vec<(By, String)>) {
    let (mut dense, mut misfits) = (vec![], vec![]);
    for bound in bindings.dense() {
        let dimensions = embeddings.known_dimensions(&bound.model);
        match dimensions.map_or(Ok(()), |dimensions| bindings.check(bound, dimensions)) {
            Ok(()) => dense.push(bound),
            Err(fault) => misfits.push((bound.by, fault.message)),
        }
    }
    (dense, misfits)
}

/// The model by which text becomes a vector; empty without one.
pub(crate) fn model_of(shape: &Shape, vector: &str, embeddings: &Embeddings) -> String {
    let bindings = Bindings::of(shape, embeddings);
    let bound = bindings.all().iter().find(|bound| bound.vector.name == vector);
    let fits = |bound: &&Bound<'_>| {
        let dimensions = embeddings.known_dimensions(&bound.model);
        dimensions.is_none_or(|dimensions| bindings.check(bound, dimensions).is_ok())
    };
    bound
        .filter(fits)
        .map(|bound| bound.model.to_string())
        .unwrap_or_default()
}

/// Vectors with their models.
fn legs(bound: &[&Bound<'_>]) -> Option<String> {
    let leg = |bound: &&Bound<'_>| {
        let assumed = if bound.by == By::Assumption {
            ", assumed from its modifier idf"
        } else {
            ""
        };
        format!("{} by {}{assumed}", bound.vector.title(), bound.model)
    };
    let legs: Vec<String> = bound.iter().map(leg).collect();
    (!legs.is_empty()).then(|| legs.join(", "))
}

/// What there is not, and what to do about it.
fn missing(shape: &Shape, embeddings: &Embeddings, unbound: bool) -> String {
    let has = |is: fn(Form) -> bool| shape.vectors.iter().any(|vector| is(vector.form));
    let has_dense = has(|form| form == Form::Dense);
    let has_sparse = has(|form| matches!(form, Form::Sparse { .. }));
    let mut text = NOT_POSSIBLE.to_owned();
    if has_dense && embeddings.default_model().is_none() && unbound {
        text.push_str(
            ": no embeddings are configured; QDRANT_EMBEDDINGS_URL and QDRANT_EMBEDDINGS_MODEL must be set, or \
             QDRANT_EMBEDDINGS_DIR",
        );
    } else if !has_dense {
        text.push_str(": the collection has no vector for one dense embedding of a text");
    }
    if has_sparse {
        text.push_str(
            ". Its sparse vector has no modifier idf: if its points were made by qdrant/bm25, QDRANT_COLLECTION_MODELS can say so",
        );
    }
    text
}
