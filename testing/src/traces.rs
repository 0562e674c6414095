//! The spans that the code under test makes in this process.
//!
//! A test makes a trace of its own ([`Caller::new`]), sends its `traceparent` with the request ([`Caller::request`]), and waits for the
//! spans that must end in it ([`Caller::ended`]). So tests that run side by side in one process do not see each other's.

use std::collections::HashMap;
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use mcp_hub_chassis::trace;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry::{Context, Value};
use opentelemetry_sdk::error::OTelSdkResult;
pub use opentelemetry_sdk::trace::SpanData;
use opentelemetry_sdk::trace::{
    IdGenerator as _, RandomIdGenerator, Sampler, SdkTracerProvider, Span, SpanProcessor,
};
use tonic::Request;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::eventually;

static ENDED: Mutex<Option<HashMap<TraceId, Vec<SpanData>>>> = Mutex::new(None);

/// How long a span that must end may take to.
const SOON: Duration = Duration::from_secs(10);

/// From now on all spans of this process are recorded, whatever a caller's `traceparent` says of sampling. To be called at the beginning
/// of each test that wants spans; the first call counts.
///
/// # Panics
///
/// When the process has another subscriber already.
pub fn record() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::AlwaysOn)
            .with_span_processor(Keep)
            .build();
        Registry::default()
            .with(mcp_hub_chassis::telemetry::spans(&provider))
            .try_init()
            .expect("no other subscriber in this process");
    });
}

/// The spans of a trace that have ended so far, in the order of their ends; children end before their parents.
///
/// # Panics
///
/// When this is no trace id.
pub fn of(trace_id: &str) -> Vec<SpanData> {
    let trace_id = TraceId::from_hex(trace_id).expect("32 hexadecimal digits");
    let ended = ENDED.lock().unwrap_or_else(PoisonError::into_inner);
    ended
        .as_ref()
        .and_then(|traces| traces.get(&trace_id))
        .cloned()
        .unwrap_or_default()
}

/// The value of a span's attribute. Of one that was set more than once it is the last, as for those who read the trace.
pub fn attribute(span: &SpanData, name: &str) -> Option<Value> {
    span.attributes
        .iter()
        .rfind(|attribute| attribute.key.as_str() == name)
        .map(|attribute| attribute.value.clone())
}

/// The same as text, as those who read the trace see it.
pub fn told(span: &SpanData, name: &str) -> Option<String> {
    attribute(span, name).map(|value| value.to_string())
}

/// How long what a span is of took; nothing if the clock was set back in between.
pub fn took(span: &SpanData) -> Duration {
    span.end_time.duration_since(span.start_time).unwrap_or_default()
}

/// The span of a caller outside this process, in a trace of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    trace_id: TraceId,
    span_id: SpanId,
}

impl Caller {
    /// A caller in a new trace.
    #[expect(clippy::new_without_default, reason = "no two of them are alike")]
    pub fn new() -> Self {
        let random = RandomIdGenerator::default();
        Self {
            trace_id: random.new_trace_id(),
            span_id: random.new_span_id(),
        }
    }

    /// Another span in the same trace.
    #[must_use]
    pub fn sibling(self) -> Self {
        Self {
            span_id: RandomIdGenerator::default().new_span_id(),
            ..self
        }
    }

    /// The id of its trace, in 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        self.trace_id.to_string()
    }

    /// The id of its span: the parent of the first span here.
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// What it sends, the flag `sampled` set.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace_id, self.span_id)
    }

    /// A message as it sends it by gRPC: with its [`traceparent`](Self::traceparent).
    ///
    /// # Panics
    ///
    /// Never: a `traceparent` is ASCII.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let traceparent = self.traceparent().parse().expect("ASCII");
        request.metadata_mut().insert("traceparent", traceparent);
        request
    }

    /// The spans that have ended in its trace so far: [`of`].
    pub fn spans(&self) -> Vec<SpanData> {
        of(&self.trace_id())
    }

    /// Its trace for a snapshot: one line for each span that has ended, below its parent, in the order of their beginnings, with kind, name,
    /// what databases answered, what went wrong, and events.
    ///
    /// # Panics
    ///
    /// When a span's parent is not there.
    pub fn tree(&self) -> String {
        let mut spans = self.spans();
        spans.sort_by_key(|span| span.start_time);
        let mut tree = String::new();
        let written = write_tree(&spans, self.span_id, 0, &mut tree);
        assert_eq!(written, spans.len(), "a span without its parent: {spans:#?}");
        tree
    }

    /// The one span of this name in its trace, once it has ended; the names that are there when it is not, or more than one is.
    pub fn span(&self, name: &str) -> Result<SpanData, String> {
        let spans = self.spans();
        let mut found = spans.iter().filter(|span| span.name == name);
        if let (Some(span), None) = (found.next(), found.next()) {
            return Ok(span.clone());
        }
        let names: Vec<&str> = spans.iter().map(|span| span.name.as_ref()).collect();
        Err(format!("not one span {name:?} but {names:?}"))
    }

    /// The one span of this name in its trace, waited for: a server's ends a moment after its answer, what cleans up behind a call even
    /// later.
    ///
    /// # Panics
    ///
    /// When there is none, or there are several, for 10 s.
    pub async fn ended(&self, name: &str) -> SpanData {
        eventually(SOON, async || self.span(name)).await
    }

    /// Its [`tree`](Self::tree), as soon as these spans have ended, each the only one of its name.
    ///
    /// # Panics
    ///
    /// As [`ended`](Self::ended) and [`tree`](Self::tree).
    pub async fn tree_after(&self, names: &[&str]) -> String {
        for name in names {
            self.ended(name).await;
        }
        self.tree()
    }

    /// Asserts that no span that has ended in its trace shows a text: in no name, attribute, event, link or status.
    ///
    /// # Panics
    ///
    /// When one does, or none has ended.
    #[track_caller]
    pub fn assert_hides(&self, text: &str) {
        let spans = self.spans();
        assert!(!spans.is_empty(), "no span has ended");
        assert!(!format!("{spans:?}").contains(text), "{text:?} in {spans:#?}");
    }
}

/// What a tree tells of a span beside its name.
const TOLD: [(&str, &str); 5] = [
    ("connected", trace::attribute::POOL_CONNECTED),
    ("rows", trace::attribute::DB_RESPONSE_RETURNED_ROWS),
    ("truncated", trace::attribute::DB_RESPONSE_TRUNCATED),
    ("code", trace::attribute::DB_RESPONSE_STATUS_CODE),
    ("error", trace::attribute::ERROR_TYPE),
];

/// Writes the spans below a parent, and counts them.
fn write_tree(spans: &[SpanData], parent: SpanId, depth: usize, tree: &mut String) -> usize {
    let mut written = 0;
    for span in spans.iter().filter(|span| span.parent_span_id == parent) {
        let kind = format!("{:?}", span.span_kind).to_lowercase();
        let attributes = TOLD
            .iter()
            .filter_map(|(short, name)| Some(format!(" {short}={}", told(span, name)?)));
        let events = span.events.iter().map(|event| format!(" [{}]", event.name));
        let beside: String = attributes.chain(events).collect();
        let line = format!("{}{kind} {}{beside}\n", "  ".repeat(depth), span.name);
        tree.push_str(&line);
        written += 1 + write_tree(spans, span.span_context.span_id(), depth + 1, tree);
    }
    written
}

/// Keeps what has ended.
#[derive(Debug)]
struct Keep;

impl SpanProcessor for Keep {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let mut ended = ENDED.lock().unwrap_or_else(PoisonError::into_inner);
        let trace = ended.get_or_insert_default();
        trace.entry(span.span_context.trace_id()).or_default().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use mcp_hub_chassis::trace::OpenTelemetrySpanExt as _;
    use opentelemetry::trace::{SpanKind, Status};
    use tracing::Instrument as _;

    use super::*;

    #[tokio::test]
    async fn spans_of_a_caller_are_found_with_their_parents() {
        record();
        let (caller, other) = (Caller::new(), Caller::new());
        for each in [caller, other] {
            let parent = trace::context::untrusted(&each.traceparent()).expect("a context");
            let server = trace::server("tools/call x", parent);
            async {
                assert_eq!(trace::id(), Some(each.trace_id()));
                let inner = trace::internal("guard");
                inner.set_attribute("rows", 1);
                inner.set_attribute("rows", 2);
                inner.in_scope(|| tracing::info!("a log line is no event of a span"));
                drop(inner);
                let foreign = tracing::info_span!(target: "h2", "not ours");
                foreign.in_scope(|| trace::client("call").in_scope(|| {}));
            }
            .instrument(server)
            .await;
        }
        let server = caller.span("tools/call x").expect("ended");
        assert_eq!(
            (server.parent_span_id, server.span_kind),
            (caller.span_id(), SpanKind::Server)
        );
        let guard = caller.span("guard").expect("ended");
        assert_eq!(guard.parent_span_id, server.span_context.span_id());
        assert_eq!(
            (attribute(&guard, "rows"), guard.events.len()),
            (Some(2.into()), 0)
        );
        let client = caller.span("call").expect("ended");
        assert_eq!(client.parent_span_id, server.span_context.span_id());
        assert_eq!((caller.spans().len(), other.spans().len()), (3, 3));
        assert_eq!(
            caller.tree(),
            "server tools/call x\n  internal guard\n  client call\n"
        );
        assert_eq!(
            caller.span("none").err(),
            Some(r#"not one span "none" but ["guard", "call", "tools/call x"]"#.to_owned())
        );
    }

    #[test]
    fn a_request_names_its_caller() {
        let caller = Caller::new();
        let request = caller.request(());
        let sent = request.metadata().get("traceparent").expect("a header");
        assert_eq!(sent.to_str().ok(), Some(caller.traceparent().as_str()));
    }

    #[tokio::test]
    async fn what_a_span_shows_is_found_wherever_it_stands() {
        record();
        for place in ["name", "attribute", "event", "status"] {
            let caller = Caller::new();
            let context = trace::context::untrusted(&caller.traceparent()).expect("a context");
            let span = trace::server(if place == "name" { "5eCr3t" } else { "call" }, context);
            match place {
                "attribute" => span.set_attribute("note", "a 5eCr3t of mine"),
                "event" => span.add_event("5eCr3t", vec![]),
                "status" => span.set_status(Status::error("5eCr3t")),
                _ => {}
            }
            drop(span);
            assert_eq!(caller.tree_after(&[]).await.lines().count(), 1);
            caller.assert_hides("another");
            let found = std::panic::catch_unwind(|| caller.assert_hides("5eCr3t"));
            assert!(found.is_err(), "{place}");
        }
        let nothing = std::panic::catch_unwind(|| Caller::new().assert_hides("5eCr3t"));
        assert!(nothing.is_err());
    }
}
