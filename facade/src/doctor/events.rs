//! Whether events come through at once: the stream of legacy SSE is opened, and a message posted whose answer comes on the stream.
//!
//! A proxy that buffers holds back the first event, or the answer. Where there are several replicas, the message may arrive at another
//! one than has the stream, and has to be passed on.

use std::time::Duration;

use axum::body::Body;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use mcp_hub_chassis::doctor::probe::http::{Answer, ask};
use mcp_hub_chassis::doctor::{Finding, Hop, Scope, Verdict};
use tokio::time::Instant;

use super::door::Door;

/// The media type of events.
const EVENT_STREAM: &str = "text/event-stream";

/// How long an event may take beyond the way there and back: more, and something holds it back.
const AT_ONCE: Duration = Duration::from_secs(2);

/// The most of the stream that is read.
const MOST: usize = 64 * 1024;

/// Opens a stream and waits for its events.
pub(super) async fn examine(door: &Door, scope: &Scope) -> Vec<Finding> {
    match look(door, scope).await {
        Ok(finding) | Err(finding) => vec![finding],
    }
}

async fn look(door: &Door, scope: &Scope) -> Result<Finding, Finding> {
    // The hop of a proxy, if there can be one.
    let hop = if door.hop() == Hop::PublicUrl {
        Hop::Proxy
    } else {
        door.hop()
    };
    let finding = |verdict| door.finding(hop, verdict);
    let limit = AT_ONCE.min(scope.timeout);

    let started = Instant::now();
    let mut request = door.request_with_token(Method::GET, "/sse");
    request
        .headers_mut()
        .insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
    let connection = door.open(scope).await.map_err(finding)?;
    let connected = started.elapsed();
    // The page of the same door came in time: what does not come now is held back.
    let mut answer = ask(connection, request, limit)
        .await
        .map_err(|verdict| finding(held(verdict)))?;
    if let Some(verdict) = refused(door, &mut answer, limit).await {
        let hop = if verdict == Verdict::TokenNeeded {
            hop
        } else {
            Hop::Facade
        };
        return Err(door.finding(hop, verdict));
    }

    let mut stream = Stream {
        answer,
        text: String::new(),
    };
    let target = stream
        .event("event: endpoint", limit)
        .await
        .map_err(|verdict| finding(held(verdict)))?;
    let first = started.elapsed().saturating_sub(connected);
    let posted = Instant::now();
    post(door, &target, scope).await.map_err(finding)?;
    stream
        .event("event: message", limit)
        .await
        .map_err(|verdict| finding(held(verdict)))?;
    let detail = format!(
        "the first event came after {} ms, an answer after {} ms",
        first.as_millis(),
        posted.elapsed().as_millis()
    );
    Ok(finding(Verdict::Ok).with_detail(detail).after(started.elapsed()))
}

/// What silence means where others are answered.
fn held(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Silent => Verdict::ProxyBuffers,
        other => other,
    }
}

/// Why there is no stream.
async fn refused(door: &Door, answer: &mut Answer, limit: Duration) -> Option<Verdict> {
    let kind = answer
        .headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let verdict = match answer.status {
        StatusCode::OK if kind.is_some_and(|kind| kind.starts_with(EVENT_STREAM)) => return None,
        StatusCode::UNAUTHORIZED if door.token.is_none() => Verdict::TokenNeeded,
        StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS => Verdict::TokenRefused,
        StatusCode::FORBIDDEN => Verdict::HostRefused,
        // The words are of `transport::admission` and of `transport::sse`.
        StatusCode::SERVICE_UNAVAILABLE => {
            let text = answer.text(limit).await;
            if text.contains("a file of secrets is missing") {
                Verdict::TokensMissing
            } else if text.contains("the server is stopping") {
                Verdict::NotReady
            } else {
                Verdict::ProxyError
            }
        }
        status if status.is_server_error() => Verdict::ProxyError,
        _ => Verdict::NotOurs,
    };
    Some(verdict)
}

/// Posts a ping to the session.
async fn post(door: &Door, target: &str, scope: &Scope) -> Result<(), Verdict> {
    let mut request = door.request_with_token(Method::POST, target);
    request
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *request.body_mut() = Body::from(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    let answer = ask(door.open(scope).await?, request, scope.timeout).await?;
    match answer.status {
        status if status.is_success() => Ok(()),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(Verdict::SessionLost),
        StatusCode::UNAUTHORIZED => Err(Verdict::TokenRefused),
        _ => Err(Verdict::ProxyError),
    }
}

/// The stream as far as it was read.
struct Stream {
    answer: Answer,
    text: String,
}

impl Stream {
    /// The data of the next event that begins so.
    async fn event(&mut self, beginning: &str, limit: Duration) -> Result<String, Verdict> {
        let deadline = Instant::now() + limit;
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                if let Some(event) = event.strip_prefix(beginning) {
                    let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
                    return Ok(lines.map(str::trim).collect());
                }
            }
            if self.text.len() > MOST {
                return Err(Verdict::NotOurs);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.answer.piece(left).await? {
                // Some proxies write lines their own way.
                Some(piece) => self
                    .text
                    .push_str(&String::from_utf8_lossy(&piece).replace('\r', "")),
                None => return Err(Verdict::ProxyError),
            }
        }
    }
}
