//! What an embeddings API answered: vectors that were checked, or a refusal in words for the caller.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use serde::Deserialize;

/// How much of the endpoint's own words an error repeats.
const QUOTED: usize = 200;

/// The longest that a caller is told to wait.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    /// Which text it is of; servers that leave it out answer in order.
    index: Option<usize>,
    embedding: Vec<f32>,
}

/// The vectors of a body, in the order of the texts.
///
/// # Errors
/// `EMBEDDINGS_UNAVAILABLE` when it is not one vector for each text.
pub(super) fn vectors(body: &[u8], texts: usize) -> Result<Vec<Vec<f32>>, Fault> {
    let answer: Answer = serde_json::from_slice(body).map_err(|error| {
        tracing::debug!(%error, "an answer of the embeddings endpoint");
        unusable("the embeddings endpoint's answer is not a list of vectors as the OpenAI API has it")
    })?;
    if answer.data.len() != texts {
        return Err(unusable(format!(
            "the embeddings endpoint made {} vectors of {texts} texts",
            answer.data.len()
        )));
    }
    let mut vectors: Vec<Option<Vec<f32>>> = vec![None; texts];
    for (position, item) in answer.data.into_iter().enumerate() {
        let index = item.index.unwrap_or(position);
        match vectors.get_mut(index) {
            Some(place @ None) => *place = Some(item.embedding),
            _ => {
                return Err(unusable(
                    "the embeddings endpoint's answer does not say which vector is of which text",
                ));
            }
        }
    }
    // As many items as places, each in a place of its own.
    Ok(vectors.into_iter().flatten().collect())
}

/// Checks the numbers of all vectors that belong together.
///
/// # Errors
/// `EMBEDDINGS_UNAVAILABLE` for vectors that are empty, differ in size, or hold a number that is not finite.
pub(super) fn check(model: &str, vectors: &[Vec<f32>], asked: Option<usize>) -> Result<(), Fault> {
    let Some(dimensions) = vectors.first().map(Vec::len) else {
        return Ok(());
    };
    if dimensions == 0 || vectors.iter().any(|vector| vector.len() != dimensions) {
        return Err(unusable(format!(
            "the embeddings endpoint made vectors of different sizes with the model {model}"
        )));
    }
    if let Some(asked) = asked.filter(|asked| *asked != dimensions) {
        return Err(unusable(format!(
            "the embeddings endpoint was asked for {asked} dimensions (QDRANT_EMBEDDINGS_DIMENSIONS), and made \
             {dimensions} with the model {model}"
        )));
    }
    if vectors.iter().flatten().any(|number| !number.is_finite()) {
        return Err(unusable(format!(
            "the embeddings endpoint made a vector with a number that is not finite with the model {model}"
        )));
    }
    Ok(())
}

/// More than is read.
pub(super) fn too_large() -> Fault {
    unusable("the embeddings endpoint's answer is too large; QDRANT_EMBEDDINGS_BATCH may be lowered")
}

/// The endpoint answers, but not with what is needed; trying again does not help.
pub(super) fn unusable(message: impl Into<String>) -> Fault {
    Fault {
        retry_after: None,
        ..Fault::new(Reason::EmbeddingsUnavailable, message)
    }
}

/// A refusal: a status other than 2xx.
pub(super) struct Refusal {
    status: StatusCode,
    retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn of(response: &reqwest::Response) -> Self {
        let seconds = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Self {
            status: response.status(),
            retry_after: seconds.map(Duration::from_secs),
        }
    }

    /// The refusal in words. `secrets` are left out wherever the body repeats them.
    pub(super) fn fault(&self, model: &str, body: &[u8], secrets: &[&str]) -> Fault {
        let code = self.status.as_u16();
        let quoted = quoted(body, secrets);
        tracing::debug!(status = code, body = quoted, "the embeddings endpoint refused");
        let says = if quoted.is_empty() {
            String::new()
        } else {
            format!(": {quoted}")
        };
        match code {
            // Its own words may repeat a part of the key.
            401 | 403 => unusable(format!(
                "the embeddings endpoint refuses the API key ({code}): QDRANT_EMBEDDINGS_API_KEY must be set to one that it takes"
            )),
            404 => unusable(format!(
                "the embeddings endpoint has no model {model}, or QDRANT_EMBEDDINGS_URL is not that of an \
                 OpenAI-compatible API (404){says}"
            )),
            400 | 413 | 422 => Fault::new(
                Reason::ArgumentInvalid,
                format!("the embeddings endpoint does not take the text ({code}){says}"),
            ),
            300..=399 => unusable(format!(
                "the embeddings endpoint answers with a redirect ({code}), which is not followed: QDRANT_EMBEDDINGS_URL must be \
                 the final address"
            )),
            408 | 425 | 429 | 500.. => {
                let what = if code == 429 { "is too busy" } else { "failed" };
                let fault = Fault::new(
                    Reason::EmbeddingsUnavailable,
                    format!("the embeddings endpoint {what} ({code}){says}"),
                );
                Fault {
                    retry_after: self
                        .retry_after
                        .map(|wait| wait.min(LONGEST_WAIT))
                        .or(fault.retry_after),
                    ..fault
                }
            }
            _ => unusable(format!(
                "the embeddings endpoint refused the request ({code}){says}"
            )),
        }
    }
}

/// The endpoint's own sentence, from the forms that APIs give it: `{"error": {"message"}}`, `{"error"}`, `{"message"}`,
/// `{"detail"}`. Pages of proxies are not repeated.
fn quoted(body: &[u8], secrets: &[&str]) -> String {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let places = ["/error/message", "/error", "/message", "/detail"];
    let Some(text) = places.iter().find_map(|place| body.pointer(place)?.as_str()) else {
        return String::new();
    };
    let words = text.split_whitespace().map(|word| {
        let secret = |secret: &&str| secret.len() >= 4 && word.contains(*secret);
        if secrets.iter().any(secret) || word.contains("://") {
            "***"
        } else {
            word
        }
    });
    let text = words.collect::<Vec<_>>().join(" ");
    let text: String = text.chars().filter(|character| !character.is_control()).collect();
    if text.chars().count() > QUOTED {
        return text.chars().take(QUOTED).chain(['…']).collect();
    }
    text
}

#[cfg(test)]
mod tests;
