//! One RPC as traces and metrics have it: a client's span, which the adapter's hangs below.

use bytes::Bytes;
use http::uri::PathAndQuery;
use mcp_hub_chassis::trace::grpc::{code_name, error_type};
use mcp_hub_chassis::trace::{self, OpenTelemetrySpanExt as _, attribute};
use tokio::time::Instant;
use tonic::Code;
use tracing::{Instrument as _, Span};

use super::Retry;
use super::choice::Chosen;
use super::failure::Failure;
use crate::metrics;
use crate::upstream::connection::Connection;

/// An RPC under way. Dropped before its end, it was given up.
#[derive(Debug)]
pub(super) struct Rpc<'a> {
    span: Span,
    /// The full method, without a slash in front.
    method: String,
    /// Its key.
    upstream: &'a str,
    connection: &'a Connection,
    deadline: Instant,
    begun: Instant,
    over: bool,
}

impl<'a> Rpc<'a> {
    /// Begins an RPC of `path` at a chosen endpoint.
    pub(super) fn begin(
        upstream: &'a str,
        chosen: &'a Chosen,
        path: &PathAndQuery,
        deadline: Instant,
        retry: Option<Retry>,
    ) -> Self {
        let method = path.path().trim_start_matches('/').to_owned();
        let span = trace::client(&method);
        if span.in_scope(trace::is_recorded) {
            span.set_attribute(attribute::RPC_SYSTEM_NAME, "grpc");
            span.set_attribute(attribute::RPC_METHOD, method.clone());
            let address = chosen.endpoint.address;
            span.set_attribute(attribute::SERVER_ADDRESS, address.ip().to_string());
            span.set_attribute(attribute::SERVER_PORT, i64::from(address.port()));
            if let Some(retry) = retry {
                span.set_attribute(attribute::RETRY, retry.number);
                span.set_attribute(attribute::RETRY_REASON, retry.reason);
            }
        }
        Self {
            span,
            method,
            upstream,
            connection: &chosen.connection,
            deadline,
            begun: Instant::now(),
            over: false,
        }
    }

    /// Runs it to its end.
    pub(super) async fn run(
        mut self,
        rpc: impl Future<Output = Result<Bytes, Failure>>,
    ) -> Result<Bytes, Failure> {
        let answer = rpc.instrument(self.span.clone()).await;
        let (code, error) = match &answer {
            Ok(_) => (Code::Ok, None),
            Err(Failure::Refused(status)) => (status.code(), Some(error_type(status))),
            Err(failure) => (failure.code(), None),
        };
        self.end(code, error);
        answer
    }

    fn end(&mut self, code: Code, error_type: Option<&'static str>) {
        self.over = true;
        let name = code_name(code);
        self.span.set_attribute(attribute::RPC_RESPONSE_STATUS_CODE, name);
        let error_type = (code != Code::Ok).then(|| error_type.unwrap_or(name));
        if let Some(error_type) = error_type {
            trace::fail(&self.span, error_type);
        }
        let taken = self.begun.elapsed();
        self.span
            .in_scope(|| metrics::attempt(&self.method, self.upstream, code, error_type, taken));
    }
}

impl Drop for Rpc<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let code = if Instant::now() >= self.deadline {
            Code::DeadlineExceeded
        } else if self.connection.is_given_up() {
            Code::Unavailable
        } else {
            Code::Cancelled
        };
        self.end(code, None);
    }
}
