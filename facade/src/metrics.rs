//! The facade's instruments, each declared once. Attributes are few and bounded: methods and tools that exist, keys of upstreams, reasons;
//! never a caller or an address.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp_hub_chassis::trace::attribute::{
    ERROR_TYPE, GEN_AI_TOOL_NAME, MCP_METHOD_NAME, OUTCOME, RPC_METHOD, RPC_RESPONSE_STATUS_CODE, UPSTREAM,
};
use mcp_hub_chassis::trace::grpc::code_name;
use opentelemetry::KeyValue;

mcp_hub_chassis::instruments! {
    /// All of them, for the page of metrics.
    pub static INSTRUMENTS;

    /// How long requests and notifications of MCP clients took. A tool's error counts as one: `error.type` is `tool_error` then, and the outcome is its reason.
    static OPERATION_DURATION: Histogram = (
        "mcp.server.operation.duration",
        "s",
        [MCP_METHOD_NAME, GEN_AI_TOOL_NAME, UPSTREAM, OUTCOME, ERROR_TYPE],
        [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0],
    );

    /// How long streams of legacy SSE were open.
    static SESSION_DURATION: Histogram = (
        "mcp.server.session.duration",
        "s",
        [],
        [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0],
    );

    /// How long attempts of calls to adapters took, as their caller sees it.
    static RPC_DURATION: Histogram = (
        "rpc.client.call.duration",
        "s",
        [RPC_METHOD, UPSTREAM, RPC_RESPONSE_STATUS_CODE, ERROR_TYPE],
        [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0],
    );

    /// Requests that were turned away before they reached an adapter, by reason: the caller's token is `missing`, `invalid` or `expired`, or it sent wrong ones too often (`limited`); a file of secrets is not there yet, so that nobody is let in (`waiting`); the request was for another `host`, from a foreign `origin`, `too_large`, or one too many (`shed`).
    static REJECTED: Counter = ("mcp_hub.requests.rejected", "{request}", ["reason"]);

    /// Requests that were not let in for their token, by reason: `missing`, `invalid`, `expired`, `limited`.
    pub(crate) static REFUSED: Counter = ("mcp_hub.auth.refused", "{request}", ["reason"]);

    /// Open streams of legacy SSE.
    pub(crate) static SSE_STREAMS: UpDown = ("mcp_hub.sse.streams", "{stream}", []);

    /// Messages posted on legacy SSE, by result: `here` and `relayed` arrived, `gone` had no stream, `refused` were not taken by theirs, and of `unclear` nobody knows.
    pub(crate) static SSE_MESSAGES: Counter = ("mcp_hub.sse.messages", "{message}", ["result"]);

    /// Messages that were handed to other replicas, by result: `taken`, `refused` by their stream, `gone` when there was none, and `unclear` when nobody knows.
    pub(crate) static RELAYED: Counter = ("mcp_hub.relay.messages", "{message}", ["result"]);

    /// How long it took to hand a message to another replica, by result.
    pub(crate) static RELAY_DURATION: Histogram = (
        "mcp_hub.relay.duration",
        "s",
        ["result"],
        [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0],
    );

    /// Connections to the relay's port that were not let in, by reason.
    pub(crate) static RELAY_REFUSED: Counter = ("mcp_hub.relay.refused", "{connection}", ["reason"]);

    /// Calls of upstreams, by outcome: `ok`; `refused` by the adapter; `argument`, `shed`, `broken`, `unreachable` and `not_offered` were not sent; `busy`, `deadline_exceeded`, `lost` and `garbled` had no answer, and `too_large` none that is shown; `cancelled`.
    pub(crate) static UPSTREAM_CALLS: Counter = ("mcp_hub.upstream.calls", "{call}", ["upstream", "outcome"]);

    /// Attempts after the first of a call, by reason.
    pub(crate) static UPSTREAM_RETRIES: Counter = ("mcp_hub.upstream.retries", "{attempt}", ["upstream", "reason"]);

    /// Calls that waited, by reason: for their `turn`, or for an `endpoint` that had gone just before.
    pub(crate) static UPSTREAM_WAITS: Counter = ("mcp_hub.upstream.waits", "{call}", ["upstream", "reason"]);

    /// Circuit breakers of endpoints that changed, by the state that they changed to.
    pub(crate) static UPSTREAM_BREAKER: Counter = ("mcp_hub.upstream.breaker.transitions", "{transition}", ["upstream", "to"]);

    /// Endpoints, by state: `serving`, `not_serving`, `broken` (its breaker is open), `unreachable`.
    pub(crate) static UPSTREAM_ENDPOINTS: UpDown = ("mcp_hub.upstream.endpoints", "{endpoint}", ["upstream", "state"]);

    /// Whether an upstream has an endpoint that serves: 1 or 0. An upstream that is no longer configured is not there.
    static UPSTREAM_UP: Observed = ("mcp_hub.upstream.up", "{upstream}", ["upstream"]);

    /// Changes of the list of tools.
    pub(crate) static CATALOGUE_CHANGES: Counter = ("mcp_hub.catalogue.changes", "{change}", []);
}

/// Stands for all methods that do not exist.
const OTHER: &str = "_OTHER";

/// The methods of MCP that are told apart, of all versions that are spoken.
const METHODS: [&str; 25] = [
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "tools/call",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
    "logging/setLevel",
    "subscriptions/listen",
    "tasks/get",
    "tasks/list",
    "tasks/cancel",
    "tasks/result",
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/roots/list_changed",
    "notifications/message",
    "notifications/tasks/status",
];

/// Why requests are turned away: the labels of [`rejected`].
const REJECTIONS: [&str; 5] = ["waiting", "host", "origin", "too_large", "shed"];

/// And of [`refused`].
const REFUSALS: [&str; 4] = ["missing", "invalid", "expired", "limited"];

/// The outcomes of calls of upstreams.
const UPSTREAM_OUTCOMES: [&str; 13] = [
    "ok",
    "refused",
    "argument",
    "shed",
    "broken",
    "unreachable",
    "not_offered",
    "busy",
    "deadline_exceeded",
    "lost",
    "garbled",
    "too_large",
    "cancelled",
];

/// Makes the series whose labels are known before anything happens: a rate over a series that begins with its first failure misses that.
pub(crate) fn start() {
    for reason in REJECTIONS.into_iter().chain(REFUSALS) {
        REJECTED.add(0, &[self::reason(reason)]);
    }
    for reason in REFUSALS {
        REFUSED.add(0, &[self::reason(reason)]);
    }
    SSE_STREAMS.add(0, &[]);
    for result in ["here", "relayed", "gone", "refused", "unclear"] {
        SSE_MESSAGES.add(0, &[self::result(result)]);
    }
    for result in ["taken", "refused", "gone", "unclear"] {
        RELAYED.add(0, &[self::result(result)]);
    }
    for reason in ["identity", "handshake", "timeout", "evicted", "too_many"] {
        RELAY_REFUSED.add(0, &[self::reason(reason)]);
    }
    CATALOGUE_CHANGES.add(0, &[]);
    UPSTREAM_UP.observe(|say| {
        for (key, told) in &*upstreams() {
            let serves = told.iter().any(|serving| serving.serves);
            say(i64::from(serves), &[upstream(key)]);
        }
    });
}

/// Counts a request that was turned away, by one of [`REJECTIONS`].
pub(crate) fn rejected(reason: &'static str) {
    REJECTED.add(1, &[self::reason(reason)]);
}

/// Counts a request that was not let in for its token, by one of [`REFUSALS`]; it was turned away as well.
pub(crate) fn refused(reason: &'static str) {
    REFUSED.add(1, &[self::reason(reason)]);
    rejected(reason);
}

/// What came of a request of MCP, to be counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation<'a> {
    /// As the client has written it.
    pub(crate) method: &'a str,
    /// The tool of `tools/call`, when there is one of this name.
    pub(crate) tool: Option<&'a str>,
    /// The key of the upstream that was to answer.
    pub(crate) upstream: Option<&'a str>,
    /// `ok`, or the name of the reason why not.
    pub(crate) outcome: &'static str,
    /// `tool_error`, or JSON-RPC's code.
    pub(crate) error_type: Option<&'a str>,
}

impl Operation<'_> {
    /// Counts it. To be called in the span that it was served in: so the histogram leads to the trace.
    pub(crate) fn took(self, duration: Duration) {
        let mut attributes = Vec::with_capacity(5);
        attributes.push(KeyValue::new(MCP_METHOD_NAME, method(self.method)));
        attributes.push(KeyValue::new(OUTCOME, self.outcome));
        let more = [
            (GEN_AI_TOOL_NAME, self.tool),
            (UPSTREAM, self.upstream),
            (ERROR_TYPE, self.error_type),
        ];
        for (key, value) in more {
            attributes.extend(value.map(|value| KeyValue::new(key, value.to_owned())));
        }
        OPERATION_DURATION.record(duration.as_secs_f64(), &attributes);
    }
}

/// A method as metrics and the names of spans have it: itself, if there is one of this name.
pub(crate) fn method(method: &str) -> &'static str {
    let known = METHODS.into_iter().find(|known| *known == method);
    known.unwrap_or(OTHER)
}

/// Counts a stream of legacy SSE that has ended.
pub(crate) fn session(duration: Duration) {
    SESSION_DURATION.record(duration.as_secs_f64(), &[]);
}

/// Counts an attempt of a call: of a full method without the slash in front, with the code it ended with, and the `error.type` when that is
/// not OK. To be called in the span of the attempt.
pub(crate) fn attempt(
    method: &str,
    upstream: &str,
    code: tonic::Code,
    error_type: Option<&'static str>,
    duration: Duration,
) {
    let mut attributes = Vec::with_capacity(4);
    attributes.push(KeyValue::new(RPC_METHOD, method.to_owned()));
    attributes.push(KeyValue::new(UPSTREAM, upstream.to_owned()));
    attributes.push(KeyValue::new(RPC_RESPONSE_STATUS_CODE, code_name(code)));
    attributes.extend(error_type.map(|error_type| KeyValue::new(ERROR_TYPE, error_type)));
    RPC_DURATION.record(duration.as_secs_f64(), &attributes);
}

/// The configured upstreams, and whether each serves.
static UPSTREAMS: Mutex<BTreeMap<String, Vec<Serving>>> = Mutex::new(BTreeMap::new());

/// What one [`Up`] says.
#[derive(Clone, Copy, Debug)]
struct Serving {
    of: u64,
    serves: bool,
}

fn upstreams() -> MutexGuard<'static, BTreeMap<String, Vec<Serving>>> {
    UPSTREAMS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says of an upstream whether it serves, as long as this lives. One that was taken out and put in again may have two for a moment: it serves
/// when one of them does.
#[derive(Debug)]
#[must_use = "the upstream is there as long as it"]
pub(crate) struct Up {
    key: String,
    id: u64,
}

impl Up {
    /// An upstream that does not serve yet, with all its series.
    pub(crate) fn new(key: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        for outcome in UPSTREAM_OUTCOMES {
            UPSTREAM_CALLS.add(0, &[upstream(key), self::outcome(outcome)]);
        }
        for reason in ["busy", "garbled", "lost", "probe", "unknown_rpc", "unsent"] {
            UPSTREAM_RETRIES.add(0, &[upstream(key), self::reason(reason)]);
        }
        for reason in ["turn", "endpoint"] {
            UPSTREAM_WAITS.add(0, &[upstream(key), self::reason(reason)]);
        }
        for state in ["open", "closed"] {
            UPSTREAM_BREAKER.add(0, &[upstream(key), to(state)]);
        }
        let up = Self {
            key: key.to_owned(),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
        };
        up.set(false);
        up
    }

    /// Whether it has an endpoint that serves.
    pub(crate) fn set(&self, serves: bool) {
        let mut upstreams = upstreams();
        let told = upstreams.entry(self.key.clone()).or_default();
        told.retain(|serving| serving.of != self.id);
        told.push(Serving { of: self.id, serves });
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let mut upstreams = upstreams();
        if let Some(told) = upstreams.get_mut(&self.key) {
            told.retain(|serving| serving.of != self.id);
            if told.is_empty() {
                upstreams.remove(&self.key);
            }
        }
    }
}

/// The attribute of a result.
pub(crate) fn result(result: &'static str) -> KeyValue {
    KeyValue::new("result", result)
}

/// The attribute of an outcome.
pub(crate) fn outcome(outcome: &'static str) -> KeyValue {
    KeyValue::new("outcome", outcome)
}

/// The attribute of a state.
pub(crate) fn state(state: &'static str) -> KeyValue {
    KeyValue::new("state", state)
}

/// The attribute of a state that was changed to.
pub(crate) fn to(state: &'static str) -> KeyValue {
    KeyValue::new("to", state)
}

/// The attribute of a reason.
pub(crate) fn reason(reason: &'static str) -> KeyValue {
    KeyValue::new("reason", reason)
}

/// The attribute of an upstream.
pub(crate) fn upstream(key: &str) -> KeyValue {
    KeyValue::new("upstream", key.to_owned())
}
