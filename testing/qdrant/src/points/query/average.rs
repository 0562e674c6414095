//! The one vector that stands for liked and disliked ones.

use std::collections::BTreeMap;

use qdrant_edge::{SparseVector, Vector, VectorInternal};

use crate::error::{Error, Result};

/// Twice the mean of the liked vectors less the mean of the disliked ones; the mean of the liked ones when none is
/// disliked.
pub(super) fn average(liked: Vec<VectorInternal>, disliked: Vec<VectorInternal>) -> Result<VectorInternal> {
    let liked = mean(liked)?;
    if disliked.is_empty() {
        return Ok(liked);
    }
    let difference = |liked: f32, disliked: f32| liked + liked - disliked;
    match (liked, mean(disliked)?) {
        (VectorInternal::Dense(liked), VectorInternal::Dense(disliked)) => {
            let both = liked.into_iter().zip(disliked);
            Ok(VectorInternal::Dense(
                both.map(|(liked, disliked)| difference(liked, disliked)).collect(),
            ))
        }
        (VectorInternal::Sparse(liked), VectorInternal::Sparse(disliked)) => combine(&liked, &disliked, difference),
        (VectorInternal::MultiDense(liked), VectorInternal::MultiDense(disliked)) => {
            let mut all = liked.into_multi_vectors();
            let opposite = disliked.into_multi_vectors().into_iter();
            all.extend(opposite.map(|vector| vector.into_iter().map(|value| -value).collect()));
            Ok(Vector::new_multi(all)?.0)
        }
        _ => Err(Error::BadInput(
            "Positive and negative vectors should be of the same type, either all dense or all sparse or all multi"
                .to_owned(),
        )),
    }
}

/// Of one kind; multivectors are put together instead, as Qdrant does.
fn mean(vectors: Vec<VectorInternal>) -> Result<VectorInternal> {
    // Exact up to 16 million vectors.
    #[expect(clippy::cast_precision_loss, reason = "no request holds so many")]
    let number = vectors.len() as f32;
    let sum = vectors
        .into_iter()
        .map(Ok)
        .reduce(|sum, vector| match (sum?, vector?) {
            (VectorInternal::Dense(mut sum), VectorInternal::Dense(vector)) => {
                sum.resize(sum.len().max(vector.len()), 0.0);
                for (sum, value) in sum.iter_mut().zip(vector) {
                    *sum += value;
                }
                Ok(VectorInternal::Dense(sum))
            }
            (VectorInternal::Sparse(sum), VectorInternal::Sparse(vector)) => {
                combine(&sum, &vector, |sum, value| sum + value)
            }
            (VectorInternal::MultiDense(all), VectorInternal::MultiDense(vectors)) => {
                let mut all = all.into_multi_vectors();
                all.extend(vectors.into_multi_vectors());
                Ok(Vector::new_multi(all)?.0)
            }
            _ => Err(Error::BadInput(
                "Can't average vectors with different types".to_owned(),
            )),
        });
    let missing =
        || Error::BadInput("Positive vectors should not be empty with `average` strategy".to_owned());
    Ok(match sum.ok_or_else(missing)?? {
        VectorInternal::Dense(sum) => {
            VectorInternal::Dense(sum.into_iter().map(|value| value / number).collect())
        }
        VectorInternal::Sparse(mut sum) => {
            sum.values.iter_mut().for_each(|value| *value /= number);
            VectorInternal::Sparse(sum)
        }
        VectorInternal::MultiDense(all) => VectorInternal::MultiDense(all),
    })
}

/// Value by value; what one of them lacks is zero.
fn combine(
    left: &SparseVector,
    right: &SparseVector,
    with: impl Fn(f32, f32) -> f32,
) -> Result<VectorInternal> {
    let mut pairs: BTreeMap<u32, (f32, f32)> = BTreeMap::new();
    for (index, value) in left.indices.iter().zip(&left.values) {
        pairs.entry(*index).or_default().0 = *value;
    }
    for (index, value) in right.indices.iter().zip(&right.values) {
        pairs.entry(*index).or_default().1 = *value;
    }
    let (indices, values): (Vec<_>, Vec<_>) = pairs
        .into_iter()
        .map(|(index, (left, right))| (index, with(left, right)))
        .unzip();
    Ok(Vector::new_sparse(indices, values)?.0)
}
