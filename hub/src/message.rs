//! JSON-RPC messages as far as a relay looks into them, and HTTP answers as a row of such messages.

use std::borrow::Cow;
use std::pin::Pin;

use base64::Engine as _;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use sse_stream::SseStream;

use mcp_hub_chassis::trace::context;

use crate::error::{Error, Result};

/// One message, borrowed from its text: what is not named here is relayed unread.
#[derive(Debug, Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) error: Option<&'a RawValue>,
}

/// Why a text is no message.
#[derive(Debug, thiserror::Error)]
pub enum NoMessage {
    /// It is no JSON.
    #[error("this is not JSON")]
    Json(#[source] serde_json::Error),
    /// It is other JSON.
    #[error("a message is one JSON-RPC object; batches are not taken")]
    Shape,
}

impl NoMessage {
    /// The JSON-RPC error code.
    pub(crate) fn code(&self) -> i32 {
        match self {
            Self::Json(_) => -32700,
            Self::Shape => -32600,
        }
    }
}

/// What parameters say to a relay.
#[derive(Debug, Default, Deserialize)]
struct Params<'a> {
    name: Option<String>,
    uri: Option<String>,
    #[serde(borrow, rename = "requestId")]
    request_id: Option<&'a RawValue>,
    #[serde(rename = "_meta", default)]
    meta: Meta,
}

#[derive(Debug, Default, Deserialize)]
struct Meta {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    protocol_version: Option<String>,
    /// Text, unless somebody is mistaken: that must not hide the rest.
    traceparent: Option<Value>,
}

impl<'a> Message<'a> {
    /// Reads a message.
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, NoMessage> {
        let is_object = text.trim_ascii_start().starts_with(b"{");
        match serde_json::from_slice(text) {
            Ok(message) if is_object => Ok(message),
            _ if serde_json::from_slice::<IgnoredAny>(text).is_ok() => Err(NoMessage::Shape),
            Ok(_) => Err(NoMessage::Shape),
            Err(error) => Err(NoMessage::Json(error)),
        }
    }

    /// Whether somebody waits for an answer to it.
    pub(crate) fn is_request(&self) -> bool {
        self.id.is_some() && self.method.is_some()
    }

    /// Whether it answers the request of this id.
    pub(crate) fn answers(&self, id: &str) -> bool {
        self.method.is_none()
            && (self.result.is_some() || self.error.is_some())
            && self.id.is_some_and(|own| own.get() == id)
    }

    /// The id of the request that this message cancels.
    pub(crate) fn cancels(&self) -> Option<&'a str> {
        (self.method.as_deref() == Some("notifications/cancelled"))
            .then(|| self.params().request_id.map(RawValue::get))
            .flatten()
    }

    /// The protocol version that the answer to `initialize` settles on.
    pub(crate) fn negotiated_version(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Initialized {
            #[serde(rename = "protocolVersion")]
            protocol_version: String,
        }
        let result = serde_json::from_str::<Initialized>(self.result?.get()).ok()?;
        Some(result.protocol_version)
    }

    /// The headers that go with the message: for a modern one what the specification wants to see repeated outside the body, else
    /// the version that `initialize` settled on. The trace that it names is repeated too, so that what does not look into bodies, such as
    /// a proxy, is in it as well; the hub goes by the body.
    pub(crate) fn headers(&self, negotiated: Option<&str>) -> HeaderMap {
        let params = self.params();
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: &str| {
            headers.insert(HeaderName::from_static(name), header_value(value));
        };
        let traceparent = params.meta.traceparent.as_ref().and_then(Value::as_str);
        if let Some(traceparent) = traceparent.filter(|text| context::untrusted(text).is_some()) {
            put(context::TRACEPARENT, traceparent);
        }
        let Some(version) = params.meta.protocol_version else {
            if let Some(version) = negotiated {
                put("mcp-protocol-version", version);
            }
            return headers;
        };
        put("mcp-protocol-version", &version);
        let method = self.method.as_deref().unwrap_or_default();
        put("mcp-method", method);
        let name = match method {
            "tools/call" | "prompts/get" => params.name,
            "resources/read" => params.uri,
            _ => None,
        };
        if let Some(name) = name {
            put("mcp-name", &name);
        }
        headers
    }

    fn params(&self) -> Params<'a> {
        // Parameters of another shape say nothing to a relay; the hub judges them.
        self.params
            .and_then(|params| serde_json::from_str(params.get()).ok())
            .unwrap_or_default()
    }
}

/// Text as the value of a header: as it is when HTTP carries it unchanged, else `=?base64?..?=`.
fn header_value(text: &str) -> HeaderValue {
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && text.trim() == text
        && !(text.starts_with("=?base64?") && text.ends_with("?="));
    let text = if plain {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!(
            "=?base64?{}?=",
            base64::engine::general_purpose::STANDARD.encode(text)
        ))
    };
    HeaderValue::from_str(&text).expect("printable ASCII is a header value")
}

/// The messages of one HTTP answer, each as one line of text.
pub(crate) enum Incoming {
    /// A JSON body, until it is taken.
    One(Option<String>),
    /// Server-sent events.
    Stream(SseStream<Body>),
}

type Body = sse_stream::ByteStreamBody<Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>, Bytes>;

impl Incoming {
    /// Looks at status and type of an answer. A JSON body is read whole.
    ///
    /// # Errors
    /// What a status says that brings no JSON-RPC message.
    pub(crate) async fn new(response: reqwest::Response) -> Result<Self> {
        let status = response.status();
        let header = |name| {
            let value: Option<&HeaderValue> = response.headers().get(name);
            value.and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        if status == StatusCode::UNAUTHORIZED {
            return Err(Error::Unauthorized);
        }
        if status.is_redirection() {
            return Err(Error::Moved {
                location: header(LOCATION).to_owned(),
            });
        }
        if status.is_success() && header(CONTENT_TYPE).starts_with("text/event-stream") {
            let bytes: Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(response.bytes_stream());
            return Ok(Self::Stream(SseStream::from_bytes_stream(bytes)));
        }
        let text = response.text().await.map_err(Error::Interrupted)?;
        if text.trim().is_empty() && status.is_success() {
            return Ok(Self::One(None));
        }
        match Message::parse(text.as_bytes()) {
            Ok(message)
                if message.result.is_some() || message.error.is_some() || message.method.is_some() =>
            {
                Ok(Self::One(Some(one_line(text))))
            }
            _ => Err(Error::Status {
                status,
                text: text
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .chars()
                    .take(200)
                    .collect(),
            }),
        }
    }

    /// The next message; `None` when the answer is over.
    pub(crate) async fn next(&mut self) -> Result<Option<String>> {
        match self {
            Self::One(text) => Ok(text.take()),
            Self::Stream(events) => {
                while let Some(event) = events.next().await {
                    let event = event.map_err(Error::Stream)?;
                    let is_message = event.event.is_none_or(|name| name == "message");
                    if let Some(data) = event.data.filter(|data| is_message && !data.is_empty()) {
                        return Ok(Some(one_line(data)));
                    }
                }
                Ok(None)
            }
        }
    }
}

/// JSON without line breaks. In JSON they stand only between tokens, so a blank says the same.
fn one_line(mut text: String) -> String {
    if text.contains(['\n', '\r']) {
        text = text.trim().replace(['\n', '\r'], " ");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(text: &str, negotiated: Option<&str>) -> Vec<(String, String)> {
        let message = Message::parse(text.as_bytes()).expect("a message");
        let mut headers: Vec<_> = message
            .headers(negotiated)
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").to_owned()))
            .collect();
        headers.sort();
        headers
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_modern_message_repeats_version_method_and_name() {
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"größe",
            "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        assert_eq!(
            headers(call, Some("2025-11-25")),
            pairs(&[
                ("mcp-method", "tools/call"),
                ("mcp-name", "=?base64?Z3LDtsOfZQ==?="),
                ("mcp-protocol-version", "2026-07-28"),
            ])
        );
    }

    #[test]
    fn a_legacy_message_has_the_negotiated_version_only() {
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        assert_eq!(headers(list, None), []);
        assert_eq!(
            headers(list, Some("2025-06-18")),
            pairs(&[("mcp-protocol-version", "2025-06-18")])
        );
    }

    #[test]
    fn the_trace_of_a_message_is_repeated_if_it_is_one() {
        let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let call = |traceparent: &str| {
            let params = serde_json::json!({ "name": "x", "_meta": { "traceparent": traceparent } });
            serde_json::json!({ "id": 1, "method": "tools/call", "params": params }).to_string()
        };
        assert_eq!(
            headers(&call(traceparent), None),
            pairs(&[("traceparent", traceparent)])
        );
        for wrong in ["", "00-x", "a\nb", "größe"] {
            assert_eq!(headers(&call(wrong), None), [], "{wrong:?}");
        }
        let odd = r#"{"id":1,"method":"ping","params":{"_meta":{"traceparent":7,
            "io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        assert_eq!(
            headers(odd, None),
            pairs(&[("mcp-method", "ping"), ("mcp-protocol-version", "2026-07-28")])
        );
    }

    #[test]
    fn header_values_survive_http() {
        for (text, expected) in [
            ("plain", "plain"),
            (" padded", "=?base64?IHBhZGRlZA==?="),
            ("a\nb", "=?base64?YQpi?="),
            ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
        ] {
            assert_eq!(header_value(text), expected, "{text:?}");
        }
    }

    #[test]
    fn kinds_of_messages_are_told_apart() {
        let parse = |text: &'static str| Message::parse(text.as_bytes()).expect("a message");
        assert!(parse(r#"{"id":1,"method":"ping"}"#).is_request());
        assert!(!parse(r#"{"method":"ping"}"#).is_request());
        assert!(!parse(r#"{"id":null,"method":"ping"}"#).is_request());
        assert!(parse(r#"{"id":"a","result":{}}"#).answers("\"a\""));
        assert!(!parse(r#"{"id":"a","method":"ping"}"#).answers("\"a\""));
        let cancel = parse(r#"{"method":"notifications/cancelled","params":{"requestId":7}}"#);
        assert_eq!(cancel.cancels(), Some("7"));
        let code = |text: &str| Message::parse(text.as_bytes()).expect_err("no message").code();
        for text in [
            "[]",
            "1",
            r#"[{"id":1,"method":"ping"}]"#,
            r#"{"method":5}"#,
            "[1,2,3,4,5]",
        ] {
            assert_eq!(code(text), -32600, "{text}");
        }
        for text in ["", "{", "hello", "{}}"] {
            assert_eq!(code(text), -32700, "{text}");
        }
    }

    #[test]
    fn a_message_becomes_one_line() {
        assert_eq!(one_line("{\n \"a\": 1\r\n}\n".to_owned()), "{  \"a\": 1  }");
    }
}
