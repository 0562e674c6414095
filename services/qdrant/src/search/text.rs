//! Text: by meaning, by words, or by both.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::progress::Counter;
use mcp_hub_proto::qdrant::v1::SearchMode;
use qdrant_client::qdrant as q;

use super::{Leg, choice, request, within};
use crate::binding::{self, Bindings, Bound, By};
use crate::database::Session;
use crate::embedding::{Embeddings, Model, Purpose, bm25};
use crate::error::Error;
use crate::vector::Vector;

/// How a text is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By a dense vector of it.
    Meaning,
    /// By the sparse vector of its words.
    Words,
}

impl Way {
    fn of(bound: &Bound<'_>) -> Self {
        match bound.model {
            Model::Dense(_) => Self::Meaning,
            Model::Bm25(_) => Self::Words,
        }
    }
}

/// A text that is searched for.
pub(super) struct Text<'a, 's> {
    pub(super) session: &'a Session,
    pub(super) bindings: &'a Bindings<'s>,
    pub(super) embeddings: &'a Embeddings,
    pub(super) words: &'a str,
    pub(super) mode: SearchMode,
    pub(super) using: Option<&'a str>,
    /// Whether scores are compared with a threshold, which ranks are no use for.
    pub(super) scored: bool,
    /// Told before a model is asked.
    pub(super) counter: &'a Counter,
}

impl<'s> Text<'_, 's> {
    /// What is asked of the collection's vectors.
    pub(super) async fn legs(&self, notices: &mut Vec<String>) -> Result<Vec<Leg<'s>>, Error> {
        if let Some(name) = self.using {
            self.check_using(name)?;
        }
        match self.mode {
            SearchMode::Dense => Ok(vec![self.dense().await?.ok_or_else(|| self.no(Way::Meaning))?]),
            SearchMode::Sparse => Ok(vec![self.sparse().await?.ok_or_else(|| self.no(Way::Words))?]),
            SearchMode::Hybrid if self.scored => Err(Fault::argument(
                "score_threshold",
                "hybrid scores are ranks, which no threshold fits: leave score_threshold out, or search with mode dense or sparse",
            )
            .into()),
            SearchMode::Hybrid => {
                let sparse = self.sparse().await?.ok_or_else(|| self.no(Way::Words))?;
                let dense = self.dense().await?.ok_or_else(|| self.no(Way::Meaning))?;
                Ok(fused(vec![dense, sparse], notices))
            }
            SearchMode::Unspecified | SearchMode::Auto => self.best(notices).await,
        }
    }

    /// The best that the collection and the settings allow. A way that can't be gone now is done without where the other is left, and
    /// it is said.
    async fn best(&self, notices: &mut Vec<String>) -> Result<Vec<Leg<'s>>, Error> {
        let has_words = self.wanted(Way::Words).next().is_some();
        let mut excuse = None;
        let dense = match self.dense().await {
            Err(error) if has_words => {
                excuse = Some(excused(error)?);
                None
            }
            result => result?,
        };
        let Some(dense) = dense else {
            let sparse = self.sparse().await?;
            notices.extend(excuse.map(|why| format!("{why}; searched by words only")));
            return match sparse {
                Some(sparse) => Ok(vec![sparse]),
                None => Err(self.misfit().await.into()),
            };
        };
        if self.scored {
            let why = "score_threshold: searched by meaning only, because hybrid scores are ranks";
            notices.extend(has_words.then(|| why.to_owned()));
            return Ok(vec![dense]);
        }
        match self.sparse().await {
            Ok(Some(sparse)) => Ok(fused(vec![dense, sparse], notices)),
            Ok(None) => Ok(vec![dense]),
            Err(error) => {
                notices.push(format!("{}; searched by meaning only", excused(error)?));
                Ok(vec![dense])
            }
        }
    }

    /// The vectors that may be searched in a way, with their models.
    fn wanted(&self, way: Way) -> impl Iterator<Item = &Bound<'s>> {
        let of_way = self
            .bindings
            .all()
            .iter()
            .filter(move |bound| Way::of(bound) == way);
        // Hybrid needs a vector of the other way too.
        let named = self.using.filter(|name| {
            self.mode != SearchMode::Hybrid || of_way.clone().any(|bound| bound.vector.name == *name)
        });
        of_way.filter(move |bound| named.is_none_or(|name| bound.vector.name == name))
    }

    /// By meaning; `None` when no vector of the collection is a model's.
    async fn dense(&self) -> Result<Option<Leg<'s>>, Error> {
        let wanted: Vec<&Bound<'s>> = self.wanted(Way::Meaning).collect();
        if wanted.is_empty() {
            return Ok(None);
        }
        self.counter.phase("embedding the text");
        let bound = if let [one] = wanted.as_slice() {
            // Its dimensions show when the text is embedded.
            one
        } else {
            let fitting = within(self.session, self.bindings.fitting(self.embeddings)).await?;
            match one_of(&fitting)? {
                Some(bound) => bound,
                None => return Ok(None),
            }
        };
        let texts = [self.words.to_owned()];
        let embedded = self.embeddings.embed(&bound.model, Purpose::Query, &texts);
        let vector = within(self.session, embedded).await?.pop().unwrap_or_default();
        match self.bindings.check(bound, vector.len()) {
            Ok(()) => Ok(Some(Leg {
                vector: bound.vector,
                query: request::nearest(Vector::Dense(vector).into()),
            })),
            // Nobody said that it fits.
            Err(_) if bound.by == By::Default && self.mode != SearchMode::Dense => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    /// By words; `None` when the collection has no vector for it.
    async fn sparse(&self) -> Result<Option<Leg<'s>>, Error> {
        let wanted: Vec<&Bound<'s>> = self.wanted(Way::Words).collect();
        let Some(bound) = one_of(&wanted)? else {
            return Ok(None);
        };
        let Model::Bm25(language) = bound.model else {
            return Ok(None);
        };
        self.session.needs(bm25::SINCE, "searching text by words").await?;
        let document = bm25::document(self.words, self.embeddings.language(language));
        let input = q::VectorInput {
            variant: Some(q::vector_input::Variant::Document(document)),
        };
        Ok(Some(Leg {
            vector: bound.vector,
            query: request::nearest(input),
        }))
    }

    /// Refuses a name that is none, or that of a vector without a model.
    fn check_using(&self, name: &str) -> Result<(), Fault> {
        let vector = choice::named(self.bindings.shape(), name)?;
        if self.bindings.model(vector).is_some() {
            return Ok(());
        }
        let others = self.bindings.all().iter().map(|bound| bound.vector);
        let others = binding::names(others);
        let message = if others.is_empty() {
            self.bindings.nothing(self.embeddings).message
        } else {
            format!(
                "no model makes texts into the {}: bind it to its model by QDRANT_COLLECTION_MODELS, or search another ({others})",
                vector.title()
            )
        };
        Err(Fault::argument("using", message))
    }

    /// There is no way of the kind that the caller wants.
    fn no(&self, way: Way) -> Error {
        let way = match way {
            Way::Words => "by words (sparse)",
            Way::Meaning => "by meaning (dense)",
        };
        let how = binding::describe(self.bindings.shape(), self.embeddings);
        let message = format!(
            "`{}` can't be searched {way}; query_text is searched here: {how}",
            self.bindings.shape().name()
        );
        Fault::argument("mode", message).into()
    }

    /// Why nothing is left: the default model makes vectors of another size, or there is no model.
    async fn misfit(&self) -> Fault {
        if let Some(bound) = self.wanted(Way::Meaning).next()
            && let Ok(dimensions) = within(self.session, self.embeddings.dimensions(&bound.model)).await
            && let Err(fault) = self.bindings.check(bound, dimensions)
        {
            return fault;
        }
        self.bindings.nothing(self.embeddings)
    }
}

/// The one of several that is meant: the one that is bound, where the others only have a default.
fn one_of<'b, 's>(several: &[&'b Bound<'s>]) -> Result<Option<&'b Bound<'s>>, Fault> {
    if let [] | [_] = several {
        return Ok(several.first().copied());
    }
    let is_bound = |bound: &&&Bound<'_>| matches!(bound.by, By::Settings | By::Metadata);
    let bound: Vec<&&Bound<'_>> = several.iter().filter(is_bound).collect();
    match bound.as_slice() {
        [one] => Ok(Some(one)),
        _ => Err(choice::unclear(several.iter().map(|bound| bound.vector))),
    }
}

/// Why a way can't be gone now.
///
/// # Errors
/// The error itself, when it is about more than this way.
fn excused(error: Error) -> Result<String, Error> {
    match error {
        Error::Fault(fault)
            if matches!(fault.reason, Reason::EmbeddingsUnavailable | Reason::NotSupported) =>
        {
            Ok(fault.message)
        }
        error => Err(error),
    }
}

/// Two searches whose ranks are fused.
fn fused<'s>(legs: Vec<Leg<'s>>, notices: &mut Vec<String>) -> Vec<Leg<'s>> {
    let titles: Vec<String> = legs.iter().map(|leg| leg.vector.title()).collect();
    notices.push(format!(
        "searched by meaning and by words ({}); score tells ranks in both (RRF), not similarity",
        titles.join(", ")
    ));
    legs
}
