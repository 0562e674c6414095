//! The OpenAI-compatible embeddings API of another process: `POST {url}/embeddings`.
//!
//! The answer comes from outside, so each part of it is checked before it is used, and what of it a caller may read is decided in
//! [`answer`]. Nothing is tried twice: a caller learns of a failure at once and may try again.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::future::try_join_all;
use mcp_hub_chassis::fault::{Reason, chain};
use mcp_hub_chassis::tls::{self, Check};
use mcp_hub_chassis::trace::{OpenTelemetrySpanExt as _, attribute};
use mcp_hub_chassis::{Fault, trace};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument as _, Span};
use url::Url;

use super::Purpose;
use crate::config::EmbeddingConfig;
use crate::error::Error;

mod answer;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// Shorter than servers keep an idle connection, so that a request rarely meets one that is just being closed.
const IDLE: Duration = Duration::from_secs(4);

/// The largest answer that is read: 2,048 vectors of 1,536 dimensions, in JSON.
const LARGEST_ANSWER: usize = 64 << 20;

/// How much of a refusal is read.
const LARGEST_REFUSAL: usize = 64 << 10;

/// An embeddings API.
pub(super) struct Endpoint {
    http: reqwest::Client,
    url: Url,
    config: EmbeddingConfig,
    requests: Semaphore,
}

impl Endpoint {
    /// The endpoint of the settings, if they name one. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Settings`] for a text that is no URL, or certificates that can't be read. They do not repeat the URL.
    pub(super) fn new(config: &EmbeddingConfig) -> Result<Option<Self>, Error> {
        let Some(text) = &config.embeddings_url else {
            return Ok(None);
        };
        let url = url_of(text.expose()).map_err(|why| {
            Error::Settings(format!("QDRANT_EMBEDDINGS_URL is not the URL of an API: {why}"))
        })?;
        let secure = url.scheme() == "https";
        if config.embeddings_sslrootcert.is_some() && !secure {
            return Err(Error::Settings(
                "QDRANT_EMBEDDINGS_SSLROOTCERT needs a QDRANT_EMBEDDINGS_URL with https://".to_owned(),
            ));
        }
        let options = tls::Options {
            // Without TLS nobody has to be trusted, and a bare container has no authorities.
            check: if secure { Check::Everything } else { Check::Nothing },
            authorities: config.embeddings_sslrootcert.as_deref(),
            client: None,
        };
        let tls = tls::client_config(&options)
            .map_err(|error| Error::Settings(format!("QDRANT_EMBEDDINGS_URL: {error}")))?;
        let http = reqwest::Client::builder()
            .user_agent(concat!("mcp-hub/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            // The key must not follow to another host, and the texts must not either.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| {
                Error::Settings(format!(
                    "no HTTP client for QDRANT_EMBEDDINGS_URL: {}",
                    chain(&error.without_url())
                ))
            })?;
        Ok(Some(Self {
            http,
            url,
            requests: Semaphore::new(config.embeddings_concurrency as usize),
            config: config.clone(),
        }))
    }

    /// How many dimensions the settings ask a model for.
    pub(super) fn dimensions(&self, model: &str) -> Option<usize> {
        let asked = self
            .config
            .embeddings_dimensions
            .filter(|_| self.is_default(model))?;
        usize::try_from(asked).ok()
    }

    fn is_default(&self, model: &str) -> bool {
        self.config.embeddings_model.as_deref().map(str::trim) == Some(model)
    }

    /// Makes vectors of texts, in as many requests as the settings say.
    pub(super) async fn embed(
        &self,
        model: &Arc<str>,
        purpose: Purpose,
        texts: &[String],
    ) -> Result<Vec<Vec<f32>>, Fault> {
        let prefix = match purpose {
            _ if !self.is_default(model) => "",
            Purpose::Query => self.config.embeddings_query_prefix.as_str(),
            Purpose::Document => self.config.embeddings_document_prefix.as_str(),
        };
        let batches = self.batches(prefix, texts)?;
        let answers = try_join_all(batches.iter().map(|batch| self.ask(model, batch))).await?;
        let vectors: Vec<Vec<f32>> = answers.into_iter().flatten().collect();
        answer::check(model, &vectors, self.dimensions(model))?;
        Ok(vectors)
    }

    /// The texts of each request.
    fn batches(&self, prefix: &str, texts: &[String]) -> Result<Vec<Vec<String>>, Fault> {
        let most = self.config.embeddings_batch_characters as usize;
        let mut batches: Vec<Vec<String>> = vec![];
        let mut room = 0;
        for text in texts {
            let text = format!("{prefix}{text}");
            let characters = text.chars().count();
            if characters > most {
                let message = format!(
                    "a text has {characters} characters, and the embeddings endpoint is sent at most {most}: \
                     split it, or raise QDRANT_EMBEDDINGS_BATCH_CHARACTERS"
                );
                return Err(Fault::new(Reason::ArgumentInvalid, message));
            }
            match batches.last_mut() {
                Some(batch) if characters <= room && batch.len() < self.config.embeddings_batch as usize => {
                    room -= characters;
                    batch.push(text);
                }
                _ => {
                    room = most - characters;
                    batches.push(vec![text]);
                }
            }
        }
        Ok(batches)
    }

    /// One request.
    async fn ask(&self, model: &str, texts: &[String]) -> Result<Vec<Vec<f32>>, Fault> {
        let limit = self.config.timeout();
        let deadline = Instant::now() + limit;
        let late = |_| {
            let message = format!(
                "the embeddings endpoint did not answer within {} ms (QDRANT_EMBEDDINGS_TIMEOUT_MS)",
                limit.as_millis()
            );
            Fault::new(Reason::EmbeddingsUnavailable, message)
        };
        let permit = timeout_at(deadline, self.requests.acquire()).await;
        // The semaphore is never closed.
        let _permit = permit.map_err(late)?.ok();
        let span = self.span();
        let asked = self.post(model, texts).instrument(span.clone());
        let answer = timeout_at(deadline, asked).await;
        let answer = answer.map_err(late).flatten();
        if let Err(fault) = &answer {
            trace::fault(&span, fault);
        }
        answer
    }

    /// The span of a request. The endpoint itself is not told of the trace: it is somebody else's, and would learn which of its requests
    /// belong together, and to what.
    fn span(&self) -> Span {
        let span = trace::client("POST /embeddings");
        span.set_attribute(attribute::HTTP_REQUEST_METHOD, "POST");
        span.set_attribute(
            attribute::SERVER_ADDRESS,
            self.url.host_str().unwrap_or_default().to_owned(),
        );
        if let Some(port) = self.url.port_or_known_default() {
            span.set_attribute(attribute::SERVER_PORT, i64::from(port));
        }
        span
    }

    async fn post(&self, model: &str, texts: &[String]) -> Result<Vec<Vec<f32>>, Fault> {
        let mut body = serde_json::json!({ "model": model, "input": texts, "encoding_format": "float" });
        if let Some(dimensions) = self.dimensions(model) {
            body["dimensions"] = dimensions.into();
        }
        let mut request = self
            .http
            .post(self.url.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string());
        let key = self.config.api_key().map_err(|error| {
            tracing::debug!(error = chain(&error), "no API key");
            answer::unusable(
                "the embeddings endpoint can't be used: QDRANT_EMBEDDINGS_API_KEY_FILE can't be read",
            )
        })?;
        if let Some(key) = &key {
            let value = HeaderValue::try_from(format!("Bearer {}", key.expose().trim()));
            let mut value = value.map_err(|_| {
                answer::unusable("the embeddings endpoint can't be used: its API key has characters that a header can't have")
            })?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let response = request.send().await.map_err(|error| unreachable(&error))?;
        let status = response.status();
        Span::current().set_attribute(attribute::HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16()));
        if status.is_success() {
            let body = read(response, LARGEST_ANSWER)
                .await?
                .ok_or_else(answer::too_large)?;
            return answer::vectors(&body, texts.len());
        }
        let refusal = answer::Refusal::of(&response);
        // A refusal that is too long to be read is told by its status.
        let body = read(response, LARGEST_REFUSAL).await?.unwrap_or_default();
        let host = self.url.host_str().unwrap_or_default();
        let secrets = key.iter().map(mcp_hub_chassis::config::Secret::expose);
        let secrets: Vec<&str> = secrets.chain([host]).collect();
        Err(refusal.fault(model, &body, &secrets))
    }
}

/// The address of the API's method: that of the API, or already its own.
fn url_of(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text.trim()).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("it must begin with http:// or https://, and name a host".to_owned());
    }
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    if path.ends_with("/embeddings") {
        url.set_path(&path);
    } else {
        url.set_path(&format!("{path}/embeddings"));
    }
    Ok(url)
}

/// A body up to a size; `None` for a larger one.
async fn read(response: reqwest::Response, most: usize) -> Result<Option<BytesMut>, Fault> {
    let mut response = response;
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// What went wrong below HTTP. The address is in no answer and not in the log.
fn unreachable(error: &reqwest::Error) -> Fault {
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    tracing::debug!(error = %last, "no answer of the embeddings endpoint");
    let message = if error.is_connect() && is_tls(last) {
        "the embeddings endpoint's TLS certificate can't be trusted; QDRANT_EMBEDDINGS_SSLROOTCERT names a file with \
         who is"
    } else if error.is_connect() {
        "the embeddings endpoint can't be reached"
    } else {
        "the connection to the embeddings endpoint was lost"
    };
    Fault::new(Reason::EmbeddingsUnavailable, message)
}

/// Whether a connection failed in the TLS handshake, which the layers below reqwest wrap as invalid data.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| {
        error.kind() == std::io::ErrorKind::InvalidData || error.get_ref().is_some_and(|inner| is_tls(inner))
    })
}

#[cfg(test)]
mod tests;
