//! The hop between replicas as traces show it: a client's span where a message was posted, and a server's where its stream is. Replicas
//! have proved to each other what they are, so that the one with the stream records what the other one does.

use std::net::SocketAddr;

use mcp_hub_chassis::trace::{self, OpenTelemetrySpanExt as _, attribute, context};
use mcp_hub_proto::relay::v1::DeliverResponse;
use tracing::{Instrument as _, Span};

use super::client::{Failure, result};

/// The name of both spans.
const NAME: &str = "relay";

/// The RPC.
const METHOD: &str = "mcphub.relay.v1.RelayService/Deliver";

/// A message on its way to another replica.
#[derive(Debug)]
pub(in crate::transport) struct Hop(Span);

impl Hop {
    /// Begins the way to the replica at `owner`.
    pub(in crate::transport) fn to(owner: SocketAddr) -> Self {
        let span = trace::client(NAME);
        if span.in_scope(trace::is_recorded) {
            of_rpc(&span);
            span.set_attribute(attribute::SERVER_ADDRESS, owner.ip().to_string());
            span.set_attribute(attribute::SERVER_PORT, i64::from(owner.port()));
        }
        Self(span)
    }

    /// What the message is given along; empty without a trace.
    pub(in crate::transport) fn traceparent(&self) -> String {
        context::traceparent(&self.0.context()).unwrap_or_default()
    }

    /// Carries the message, and says what became of it.
    pub(in crate::transport) async fn carried(
        self,
        carry: impl Future<Output = Result<DeliverResponse, Failure>>,
    ) -> Result<DeliverResponse, Failure> {
        let delivered = carry.instrument(self.0.clone()).await;
        let result = result(&delivered);
        self.0.set_attribute(attribute::OUTCOME, result);
        if delivered.is_err() {
            trace::fail(&self.0, result);
        }
        delivered
    }
}

/// The span of a message that another replica has handed over.
pub(super) fn arrived(traceparent: &str) -> Span {
    let span = trace::server(NAME, context::trusted_text(traceparent));
    if span.in_scope(trace::is_recorded) {
        of_rpc(&span);
    }
    span
}

fn of_rpc(span: &Span) {
    span.set_attribute(attribute::RPC_SYSTEM_NAME, "grpc");
    span.set_attribute(attribute::RPC_METHOD, METHOD);
}
