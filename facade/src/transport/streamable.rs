//! Streamable HTTP, stateless, in both eras: `POST /mcp` and `POST /sse`.
//!
//! rmcp serves the protocol. In front of it stands what it is too strict or too terse about: the `Accept` header, and requests
//! that it refuses with plain text.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http_body_util::combinators::BoxBody;
use opentelemetry::Context;
use rmcp::model::{ErrorCode, ErrorData, ProtocolVersion, RequestId};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tower::Service as _;

use super::client::Client;
use super::filter::ToolFilter;
use super::message::{self, Kind, Refusal};
use super::{Doors, admission, body, media};
use crate::server::{Caller, Remote, Server};

/// rmcp's service. Cheap to clone.
pub(super) type Service = StreamableHttpService<Server, NeverSessionManager>;

/// The service that answers with `server`.
pub(super) fn service(server: Server) -> Service {
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(body::MAX_MESSAGE_BYTES)
        // Host and Origin are checked once for all doors, in `host`.
        .disable_allowed_hosts()
        .disable_allowed_origins();
    StreamableHttpService::new(move || Ok(server.clone()), Arc::default(), config)
}

/// `POST /mcp`, `POST /sse`.
pub(super) async fn post(State(doors): State<Doors>, request: Request) -> Response {
    match prepare(&doors, request).await {
        Ok((request, id)) => {
            let answer: Result<_, Infallible> = doors.streamable.clone().call(request).await;
            match answer {
                Ok(answer) => in_json(answer, id),
                Err(never) => match never {},
            }
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// The request as rmcp wants it, and the id of its message.
async fn prepare(doors: &Doors, request: Request) -> Result<(Request, Option<RequestId>), Refusal> {
    let (mut parts, body) = request.into_parts();
    let accepts = |media| media::accepts(&parts.headers, &ACCEPT, media);
    let events = accepts(media::EVENT_STREAM);
    if !accepts(media::JSON) && !events {
        let sentence = "Accept must allow application/json and text/event-stream";
        return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, sentence));
    }
    body::check_content_type(&parts.headers)?;
    let bytes = body::read(body).await?;
    let id = match message::inspect(&bytes)? {
        Kind::Request(id) => Some(id),
        Kind::Notification | Kind::Response => None,
    };
    // Either type counts as both: the clients that name only one can read either, or do not read at all. But what comes before the
    // answer is sent to those only that say that they can read it.
    parts.headers.insert(
        ACCEPT,
        HeaderValue::from_static("application/json, text/event-stream"),
    );
    parts.extensions.insert(Caller {
        principal: admission::principal(&parts.extensions),
        tools: ToolFilter::of_query(parts.uri.query()),
        around: Context::current(),
        remote: Remote::http(Client::within(&parts.extensions).address, &parts.headers).into(),
        hears: events,
        streams: false,
        life: doors.server.lifecycle().clone(),
    });
    Ok((Request::from_parts(parts, Body::from(bytes)), id))
}

/// rmcp's answer, an error in plain text turned into a JSON-RPC error.
fn in_json(answer: http::Response<BoxBody<Bytes, Infallible>>, id: Option<RequestId>) -> Response {
    let status = answer.status();
    if !(status.is_client_error() || status.is_server_error()) || answer.headers().contains_key(CONTENT_TYPE)
    {
        return answer.map(Body::new).into_response();
    }
    let refusal = match status {
        // Only its reading of the message ends so; everything else that has this status was refused before.
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Refusal::invalid("the message is no JSON-RPC message of MCP, or is nested too deeply")
        }
        StatusCode::BAD_REQUEST => {
            let supported: Vec<_> = ProtocolVersion::KNOWN_VERSIONS
                .iter()
                .map(ProtocolVersion::as_str)
                .collect();
            let data = serde_json::json!({"supported": supported});
            let sentence = "the MCP-Protocol-Version header names no version that is served";
            Refusal::with_error(
                status,
                ErrorData::new(ErrorCode::UNSUPPORTED_PROTOCOL_VERSION, sentence, Some(data)),
            )
        }
        _ => Refusal::with_error(status, ErrorData::internal_error("internal error", None)),
    };
    refusal.with_id(id).into_response()
}
