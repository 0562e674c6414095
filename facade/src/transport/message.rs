//! One JSON-RPC message as bytes: whether it is one, and what it is answered when it is not.
//!
//! rmcp takes the messages apart; but what it can't read it answers with plain text and a status that no client understands, and
//! it does not tell one fault from another. So each message is looked at here first, on every door, without building anything.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use rmcp::model::{ErrorData, JsonRpcError, RequestId};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The longest id, as JSON. It is kept as long as its request, and sent back with every answer.
const MAX_ID_BYTES: usize = 1024;

/// What a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It wants an answer.
    Request(RequestId),
    /// It wants none.
    Notification,
    /// It answers a request of ours.
    Response,
}

/// Why a message, or the HTTP request around it, is not taken.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    body: Box<JsonRpcError>,
    /// One that belongs to the status.
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

impl Refusal {
    /// An HTTP request that is wrong, whatever its message.
    pub(super) fn new(status: StatusCode, message: &'static str) -> Self {
        Self::with_error(status, ErrorData::invalid_request(message, None))
    }

    /// A message that is JSON but no JSON-RPC message.
    pub(super) fn invalid(message: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A refusal with an error of its own.
    pub(super) fn with_error(status: StatusCode, error: ErrorData) -> Self {
        let body = Box::new(JsonRpcError::new(None, error));
        Self {
            status,
            body,
            header: None,
        }
    }

    /// Adds the header that belongs to the status: `Retry-After`, `WWW-Authenticate`.
    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some(Box::new((name, value)));
        self
    }

    /// Names the request. Without, the error has no id, as MCP wants it where the id could not be read.
    pub(super) fn with_id(mut self, id: Option<RequestId>) -> Self {
        self.body.id = id;
        self
    }

    /// A refusal that another replica made; `None` when it is none.
    pub(super) fn read(status: u32, json: &str) -> Option<Self> {
        let status = StatusCode::from_u16(status.try_into().ok()?).ok()?;
        let body = Box::new(serde_json::from_str(json).ok()?);
        let refused = status.is_client_error() || status.is_server_error();
        refused.then_some(Self {
            status,
            body,
            header: None,
        })
    }

    fn unparsable(message: &'static str) -> Self {
        Self::with_error(StatusCode::BAD_REQUEST, ErrorData::parse_error(message, None))
    }

    /// The JSON-RPC error.
    pub(super) fn to_json(&self) -> String {
        write(&self.body)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        let mut response = (self.status, [(CONTENT_TYPE, json)], self.to_json()).into_response();
        if matches!(
            self.status,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT
        ) {
            // The rest of the body is never read.
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(header) = self.header {
            response.headers_mut().insert(header.0, header.1);
        }
        response
    }
}

/// The outside of a message. Raw values, so that nothing is built and "absent" differs from "null".
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

/// Looks at a message.
///
/// # Errors
/// What to answer when it is none: a parse error (-32700), or an invalid request (-32600) with its id where it has one.
pub(super) fn inspect(bytes: &[u8]) -> Result<Kind, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::unparsable("the message is not UTF-8"))?;
    // serde would read a list as an envelope whose members have no names.
    let object = text.trim_ascii_start().starts_with('{');
    let envelope = object
        .then(|| serde_json::from_str::<Envelope<'_>>(text))
        .and_then(Result::ok);
    let envelope = envelope.ok_or_else(|| not_an_envelope(text))?;
    let id = envelope.id.map(read_id).transpose()?;
    let refuse = |message| Err(Refusal::invalid(message).with_id(id.clone()));
    if envelope.jsonrpc.map(RawValue::get) != Some(r#""2.0""#) {
        return refuse(r#"jsonrpc must be "2.0""#);
    }
    // Null stands for none: some languages can't leave a member out.
    if envelope
        .params
        .is_some_and(|params| !params.get().starts_with('{') && params.get() != "null")
    {
        let error = ErrorData::invalid_params("params must be an object", None);
        return Err(Refusal::with_error(StatusCode::BAD_REQUEST, error).with_id(id));
    }
    match (envelope.method, envelope.result.or(envelope.error)) {
        (Some(method), None) if method.get().starts_with('"') => {
            Ok(id.map_or(Kind::Notification, Kind::Request))
        }
        (Some(_), None) => refuse("method must be a string"),
        (Some(_), Some(_)) => refuse("a message has either a method or a result or error"),
        (None, Some(_)) => Ok(Kind::Response),
        (None, None) => refuse("method is missing"),
    }
}

fn read_id(raw: &RawValue) -> Result<RequestId, Refusal> {
    if raw.get().len() > MAX_ID_BYTES {
        return Err(Refusal::invalid("id is too long"));
    }
    serde_json::from_str(raw.get())
        .map_err(|_| Refusal::invalid("id must be a string or an integer, and not null"))
}

fn not_an_envelope(text: &str) -> Refusal {
    match serde_json::from_str::<&RawValue>(text) {
        Err(_) => Refusal::unparsable("the message is not JSON"),
        Ok(value) if value.get().starts_with('[') => {
            Refusal::invalid("batches are not served: send each message by itself")
        }
        Ok(value) if value.get().starts_with('{') => {
            Refusal::invalid("a member of the message is there twice")
        }
        Ok(_) => Refusal::invalid("a message is a JSON object"),
    }
}

/// What a message of rmcp looks like on the wire.
pub(super) fn write<M: serde::Serialize>(message: &M) -> String {
    serde_json::to_string(message).unwrap_or_else(|error| {
        // rmcp's messages are made of strings, numbers and JSON values; there is nothing in them that can't be written.
        let fault = mcp_hub_chassis::Fault::internal(&error);
        serde_json::json!({"jsonrpc": "2.0", "error": {"code": -32603, "message": fault.message}}).to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &[u8]) -> (i32, String) {
        let refusal = inspect(text).expect_err("refused");
        assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
        (refusal.body.error.code.0, refusal.to_json())
    }

    #[test]
    fn messages_are_told_apart() {
        let kind = |text: &str| inspect(text.as_bytes()).unwrap();
        assert_eq!(
            kind(r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#),
            Kind::Request(RequestId::Number(7))
        );
        assert_eq!(
            kind(r#" {"id":"a","method":"x","params":{"deep":[{}]},"jsonrpc":"2.0","more":1} "#),
            Kind::Request(RequestId::String("a".into()))
        );
        assert_eq!(
            kind(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
            Kind::Notification
        );
        assert_eq!(kind(r#"{"jsonrpc":"2.0","id":1,"result":null}"#), Kind::Response);
        assert_eq!(
            kind(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#),
            Kind::Response
        );
    }

    #[test]
    fn what_is_not_json_is_a_parse_error() {
        for text in [
            &b""[..],
            b"{",
            b"nonsense",
            b"{\"jsonrpc\":\"2.0\",",
            b"{} {}",
            b"\xff\xfe",
            b"[1,",
            b"{\"a\":\x01}",
        ] {
            assert_eq!(refused(text).0, -32700, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn what_is_no_message_is_an_invalid_request() {
        for text in [
            "1",
            "null",
            "[]",
            "{}",
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":99999999999999999999,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
        ] {
            assert_eq!(refused(text.as_bytes()).0, -32600, "{text}");
        }
    }

    #[test]
    fn params_are_an_object() {
        for params in ["[]", "1", "\"x\""] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{params}}}"#);
            assert_eq!(refused(text.as_bytes()).0, -32602, "{text}");
        }
    }

    #[test]
    fn a_refusal_names_the_request_where_it_can() {
        let (_, json) = refused(br#"{"jsonrpc":"1.0","id":"x","method":"ping"}"#);
        assert_eq!(
            json,
            r#"{"jsonrpc":"2.0","id":"x","error":{"code":-32600,"message":"jsonrpc must be \"2.0\""}}"#
        );
        assert!(!refused(b"{").1.contains("id"));
    }
}
