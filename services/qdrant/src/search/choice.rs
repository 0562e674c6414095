//! Which vector of a collection a search is about, when the caller gives a vector or points.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{Fault, arguments};
use qdrant_client::qdrant::Distance;

use crate::binding::{self, Bindings, By};
use crate::collection::{Form, Shape, Vector};
use crate::vector;

/// The vector that the caller names.
///
/// # Errors
/// `OBJECT_NOT_FOUND` with the names that there are.
pub(super) fn named<'s>(shape: &'s Shape, name: &str) -> Result<&'s Vector, Fault> {
    if let Some(vector) = binding::vector(shape, name) {
        return Ok(vector);
    }
    let collection = shape.name();
    let message = match shape.vectors.as_slice() {
        [] => format!("`{collection}` has no vectors, so its points are found by scroll only"),
        [one] if one.name.is_empty() => {
            format!("`{collection}` has no vector named `{name}`, but an unnamed one: leave using out")
        }
        all => format!(
            "`{collection}` has no vector named `{name}`; there are: {}",
            binding::names(all)
        ),
    };
    let names = shape.vectors.iter().map(|vector| vector.name.as_str());
    let similar = arguments::similar(name, names.filter(|name| !name.is_empty()));
    Err(Fault::new(Reason::ObjectNotFound, message)
        .with("field", "using")
        .with("did_you_mean", similar.join(",")))
}

/// The vector that a vector is compared with.
///
/// # Errors
/// `ARGUMENT_INVALID` when none fits, or several do.
pub(super) fn for_vector<'s>(
    bindings: &Bindings<'s>,
    using: Option<&str>,
    given: &vector::Vector,
) -> Result<&'s Vector, Fault> {
    let shape = bindings.shape();
    let vector = if let Some(name) = using {
        let vector = named(shape, name)?;
        if !fits(vector, given) {
            let message = format!(
                "vector is {}, and {} is not",
                what(given),
                binding::names([vector])
            );
            return Err(Fault::argument("vector", message));
        }
        vector
    } else {
        let all = shape.vectors.iter();
        let mut fitting: Vec<&Vector> = all.filter(|vector| fits(vector, given)).collect();
        // A vector is comparable with lists of vectors too; that is meant only where there is nothing else.
        if fitting.iter().any(|vector| vector.form == Form::Dense) {
            fitting.retain(|vector| vector.form == Form::Dense);
        }
        if fitting.is_empty() {
            let message = format!(
                "no vector of `{}` fits one that is {}; there are: {}",
                shape.name(),
                what(given),
                binding::names(&shape.vectors)
            );
            return Err(Fault::argument("vector", message));
        }
        one_of(bindings, &fitting)?
    };
    let zero = match given {
        vector::Vector::Dense(numbers) => numbers.iter().all(|number| *number == 0.0),
        vector::Vector::Sparse { .. } | vector::Vector::Multi(_) => false,
    };
    if zero && vector.distance == Distance::Cosine {
        let message = "vector is all zeros, which has no direction to compare by cosine";
        return Err(Fault::argument("vector", message));
    }
    Ok(vector)
}

/// The vector by which points are alike.
///
/// # Errors
/// `ARGUMENT_INVALID` when there is none, or it is not clear which.
pub(super) fn for_points<'s>(bindings: &Bindings<'s>, using: Option<&str>) -> Result<&'s Vector, Fault> {
    let shape = bindings.shape();
    if let Some(name) = using {
        return named(shape, name);
    }
    let all: Vec<&Vector> = shape.vectors.iter().collect();
    // Beside a dense vector, a sparse one is for words.
    let dense: Vec<&Vector> = shape
        .vectors
        .iter()
        .filter(|vector| vector.form == Form::Dense)
        .collect();
    match (all.as_slice(), dense.as_slice()) {
        ([], _) => named(shape, ""),
        ([one], _) | (_, [one]) => Ok(one),
        (_, []) => one_of(bindings, &all),
        (_, several) => one_of(bindings, several),
    }
}

/// The one of several that is meant: the unnamed one, else the one that is bound to a model.
fn one_of<'s>(bindings: &Bindings<'s>, several: &[&'s Vector]) -> Result<&'s Vector, Fault> {
    if let [one] = several {
        return Ok(one);
    }
    if let Some(unnamed) = several.iter().find(|vector| vector.name.is_empty()) {
        return Ok(unnamed);
    }
    let is_bound = |vector: &&&Vector| {
        let bound = bindings.model(vector);
        bound.is_some_and(|bound| matches!(bound.by, By::Settings | By::Metadata))
    };
    let bound: Vec<&&Vector> = several.iter().filter(is_bound).collect();
    match bound.as_slice() {
        [one] => Ok(one),
        _ => Err(unclear(several.iter().copied())),
    }
}

/// The caller has to say which.
pub(super) fn unclear<'v>(several: impl IntoIterator<Item = &'v Vector> + Clone) -> Fault {
    let message = format!(
        "several vectors could be meant: name one with using ({})",
        binding::names(several.clone())
    );
    let names: Vec<&str> = several
        .into_iter()
        .map(|vector| vector.name.as_str())
        .take(10)
        .collect();
    Fault::argument("using", message).with("did_you_mean", names.join(","))
}

fn fits(vector: &Vector, given: &vector::Vector) -> bool {
    let same_form = match given {
        vector::Vector::Dense(_) => !matches!(vector.form, Form::Sparse { .. }),
        vector::Vector::Sparse { .. } => matches!(vector.form, Form::Sparse { .. }),
        vector::Vector::Multi(_) => vector.form == Form::Multi,
    };
    same_form && vector.size() == given.dimensions()
}

/// A caller's vector in words.
fn what(given: &vector::Vector) -> String {
    match given.dimensions() {
        Some(dimensions) => format!("{} with {dimensions} dimensions", given.kind()),
        None => given.kind().to_owned(),
    }
}

/// That a lower score is better, where it is.
pub(super) fn lower_is_better(vector: &Vector) -> Option<String> {
    matches!(vector.distance, Distance::Euclid | Distance::Manhattan).then(|| {
        format!(
            "score is a distance ({}): the lower the better",
            vector.distance_name()
        )
    })
}

#[cfg(test)]
mod tests;
