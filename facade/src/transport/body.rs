//! The body of a POST: how much of it is taken, and how long it may take.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use rmcp::model::ErrorData;

use super::message::Refusal;
use crate::metrics;

/// The largest message that is taken, in bytes. Also the bound of a line on stdio.
pub(super) const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// How long the whole body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A client writes its body before it reads: what is a little too large is read to its end, so that it sees the answer and no reset.
const DRAINED_BYTES: usize = 4 * MAX_MESSAGE_BYTES;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether the content type is JSON's.
pub(super) fn check_content_type(headers: &http::HeaderMap) -> Result<(), Refusal> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.and_then(|value| value.split(';').next()).map(str::trim);
    if essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    Err(Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "Content-Type must be application/json",
    ))
}

/// Reads the body.
pub(super) async fn read(mut body: Body) -> Result<Bytes, Refusal> {
    if body.size_hint().lower() > MAX_MESSAGE_BYTES as u64 {
        return Err(too_large(body).await);
    }
    let read = Limited::new(&mut body, MAX_MESSAGE_BYTES).collect();
    match tokio::time::timeout(BODY_TIMEOUT, read).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(body).await),
        Ok(Err(_)) => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "the body of the request broke off",
        )),
        Err(_) => Err(Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body of the request took too long",
        )),
    }
}

async fn too_large(body: Body) -> Refusal {
    if body.size_hint().lower() <= DRAINED_BYTES as u64 {
        let drained = Limited::new(body, DRAINED_BYTES);
        // However it ends, the answer is the same.
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, drain(drained)).await;
    }
    metrics::rejected("too_large");
    let message = format!("the message is larger than {MAX_MESSAGE_BYTES} bytes");
    let error = ErrorData::invalid_request(message, None);
    Refusal::with_error(StatusCode::PAYLOAD_TOO_LARGE, error)
}

async fn drain(mut body: Limited<Body>) {
    while let Some(Ok(_)) = body.frame().await {}
}
