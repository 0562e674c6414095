//! The little of Qdrant's REST API that says that a Qdrant is there: its version, and whether it is ready.

use axum::Router;
use axum::http::StatusCode;
use axum::response::Json;
use axum::routing::get;
use serde_json::{Value, json};

use crate::version::{TITLE, VERSION};

/// `/` and `/readyz`; anything else is not found.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(version))
        .route("/readyz", get(async || "all shards are ready"))
        .fallback(async || StatusCode::NOT_FOUND)
}

async fn version() -> Json<Value> {
    Json(json!({ "title": TITLE, "version": VERSION }))
}
