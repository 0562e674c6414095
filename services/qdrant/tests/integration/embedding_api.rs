//! An embeddings endpoint for tests: a real HTTP server of the usual API, whose vectors are bags of words.
//!
//! What it does is in the name of the model that is asked: `bag-64` makes vectors of 64 dimensions, the others fail in their ways.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::stream;
use mcp_hub_chassis::Lifecycle;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) texts: Vec<String>,
    pub(crate) authorization: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// The server. It ends when it is dropped.
pub(crate) struct EmbeddingApi {
    url: String,
    state: Shared,
    lifecycle: Lifecycle,
}

#[derive(Clone, Default)]
struct Shared {
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Requests whose client went away before they were answered.
    abandoned: Arc<AtomicUsize>,
    /// Requests that were redirected and came.
    followed: Arc<AtomicUsize>,
}

impl EmbeddingApi {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Shared::default();
        let elsewhere = state.followed.clone();
        let router = Router::new()
            .route("/v1/embeddings", post(embeddings))
            .route(
                "/elsewhere/embeddings",
                axum::routing::any(async move || {
                    elsewhere.fetch_add(1, Ordering::SeqCst);
                }),
            )
            .with_state(state.clone());
        let lifecycle = Lifecycle::new();
        lifecycle.spawn_until_stopped(async move {
            axum::serve(listener, router).await.expect("serves");
        });
        Self {
            url: format!("http://{address}/v1"),
            state,
            lifecycle,
        }
    }

    /// Settings of an adapter that asks it for a model.
    pub(crate) fn settings(&self, model: &str) -> String {
        format!("embeddings-url = '{}'\nembeddings-model = '{model}'\n", self.url)
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("no panic").clone()
    }

    pub(crate) fn abandoned(&self) -> usize {
        self.state.abandoned.load(Ordering::SeqCst)
    }

    pub(crate) fn followed(&self) -> usize {
        self.state.followed.load(Ordering::SeqCst)
    }
}

impl Drop for EmbeddingApi {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

/// The vector of a text: how often a word stands in it, at the place of the word's hash; of length 1.
pub(crate) fn bag(text: &str, dimensions: usize) -> Vec<f32> {
    let mut counts = vec![0.0_f32; dimensions];
    let words = text
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty());
    for word in words {
        let hash = word
            .to_lowercase()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        counts[usize::try_from(hash % dimensions as u64).expect("small")] += 1.0;
    }
    let length = counts.iter().map(|count| count * count).sum::<f32>().sqrt();
    counts.iter().map(|count| count / length.max(1e-6)).collect()
}

struct Abandoned(Arc<AtomicUsize>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

async fn embeddings(State(state): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let texts: Vec<String> = body["input"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|text| text.as_str().expect("a text").to_owned())
        .collect();
    let authorization = headers
        .get(header::AUTHORIZATION)
        .map(|value| value.to_str().expect("ASCII").to_owned());
    state.seen.lock().expect("no panic").push(Seen {
        texts: texts.clone(),
        authorization: authorization.clone().unwrap_or_default(),
        headers: headers.clone(),
        body: body.clone(),
    });
    let model = body["model"].as_str().expect("a model");
    let refuse = |status: u16, message: &str| {
        let status = StatusCode::from_u16(status).expect("a status");
        (status, Json(json!({"error": {"message": message}}))).into_response()
    };
    let of = |texts: &[String], dimensions: usize| {
        let items = texts.iter().enumerate().map(|(index, text)| {
            json!({"object": "embedding", "index": index, "embedding": bag(text, dimensions)})
        });
        // The order is not promised, the index is.
        let items: Vec<Value> = items.rev().collect();
        Json(json!({"object": "list", "data": items, "model": model})).into_response()
    };
    if let Some(dimensions) = model.strip_prefix("bag-") {
        let asked = body["dimensions"].as_u64();
        let dimensions = asked.unwrap_or_else(|| dimensions.parse().expect("a number"));
        return of(&texts, usize::try_from(dimensions).expect("small"));
    }
    match model {
        "unauthorized" => refuse(401, &format!("wrong key {}", authorization.unwrap_or_default())),
        "busy" => {
            let mut response = refuse(429, "slow down");
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, "7".parse().expect("a value"));
            response
        }
        "broken" => refuse(500, "out of memory at http://10.1.2.3:9/"),
        "too-long" => refuse(400, "maximum context length is 512 tokens"),
        "slow" => {
            let _abandoned = Abandoned(state.abandoned.clone());
            std::future::pending().await
        }
        "few" => of(&texts[1..], 64),
        "nan" => r#"{"data": [{"index": 0, "embedding": [NaN, 1.0]}]}"#.into_response(),
        "huge" => {
            let chunk = Bytes::from(vec![b' '; 1 << 20]);
            let chunks = (0..100).map(move |_| Ok::<_, std::io::Error>(chunk.clone()));
            Body::from_stream(stream::iter(chunks)).into_response()
        }
        "redirect" => (
            StatusCode::TEMPORARY_REDIRECT,
            [(header::LOCATION, "/elsewhere/embeddings")],
        )
            .into_response(),
        model => refuse(404, &format!("model \"{model}\" not found")),
    }
}
