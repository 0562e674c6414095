//! The span of each call, by the server as it is in adapters.

use std::sync::Arc;
use std::time::Duration;

use mcp_hub_chassis::completion::Completions;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::grpc::AdapterServer;
use mcp_hub_chassis::trace::attribute::{ERROR_TYPE, RPC_RESPONSE_STATUS_CODE};
use mcp_hub_chassis::{Fault, Lifecycle, trace};
use mcp_hub_proto::adapter::v1::GetStatusRequest;
use mcp_hub_proto::adapter::v1::adapter_service_client::AdapterServiceClient;
use mcp_hub_proto::completion::v1::CompleteRequest;
use mcp_hub_proto::completion::v1::completion_service_client::CompletionServiceClient;
use mcp_hub_proto::resource::v1::ListResourcesRequest;
use mcp_hub_proto::resource::v1::resource_service_client::ResourceServiceClient;
use mcp_hub_testing::eventually;
use mcp_hub_testing::traces::{self, Caller, attribute};
use opentelemetry::trace::{SpanKind, Status};
use tokio::net::TcpListener;
use tonic::Request;
use tonic::transport::Channel;

use crate::{Double, connect};

const METHOD: &str = "mcphub.completion.v1.CompletionService/Complete";
const SOON: Duration = Duration::from_secs(10);

/// Does what it is asked to.
struct Told;

#[tonic::async_trait]
impl Completions for Told {
    async fn complete(&self, request: &CompleteRequest) -> Result<Vec<String>, Fault> {
        trace::internal("work").in_scope(|| {});
        match request.value.as_str() {
            "refuse" => Err(Fault::new(Reason::AccessDenied, "no")),
            "panic" => panic!("told to"),
            "hang" => std::future::pending().await,
            _ => Ok(vec![]),
        }
    }
}

async fn serve() -> (Channel, Lifecycle) {
    let lifecycle = Lifecycle::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let channel = connect(&listener);
    let server = AdapterServer::new(Arc::new(Double::default())).completions(Arc::new(Told));
    lifecycle.spawn(server.serve(listener, lifecycle.clone()));
    (channel, lifecycle)
}

/// A request of this caller.
fn from<T>(caller: Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let traceparent = caller.traceparent().parse().expect("ASCII");
    request.metadata_mut().insert("traceparent", traceparent);
    request
}

#[tokio::test]
async fn a_call_ends_in_its_span_however_it_ends() {
    traces::record();
    let (channel, _lifecycle) = serve().await;
    let mut client = CompletionServiceClient::new(channel);
    for (value, code, error_type, is_error) in [
        ("", "OK", None, false),
        ("refuse", "PERMISSION_DENIED", Some("ACCESS_DENIED"), false),
        ("panic", "INTERNAL", Some("INTERNAL"), true),
        ("hang", "DEADLINE_EXCEEDED", Some("DEADLINE_EXCEEDED"), true),
    ] {
        let caller = Caller::new();
        let message = CompleteRequest {
            value: value.to_owned(),
            ..CompleteRequest::default()
        };
        let mut request = from(caller, message);
        if value == "hang" {
            request.set_timeout(Duration::from_secs(1));
        }
        let answer = client.complete(request).await;
        assert_eq!(answer.is_ok(), code == "OK", "{answer:?}");
        let span = eventually(SOON, async || caller.span(METHOD)).await;
        assert_eq!(
            (span.span_kind.clone(), span.parent_span_id),
            (SpanKind::Server, caller.span_id())
        );
        let text = |name| attribute(&span, name).map(|value| value.to_string());
        assert_eq!(text(RPC_RESPONSE_STATUS_CODE).as_deref(), Some(code), "{value}");
        assert_eq!(text(ERROR_TYPE).as_deref(), error_type, "{value}");
        assert_eq!(span.status == Status::error(""), is_error, "{value}");
        let work = caller.span("work").expect("ended");
        assert_eq!(work.parent_span_id, span.span_context.span_id());
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_was_cancelled() {
    traces::record();
    let (channel, _lifecycle) = serve().await;
    let caller = Caller::new();
    let message = CompleteRequest {
        value: "hang".to_owned(),
        ..CompleteRequest::default()
    };
    let mut client = CompletionServiceClient::new(channel);
    let call = tokio::time::timeout(Duration::from_millis(300), client.complete(from(caller, message)));
    assert!(call.await.is_err());
    let span = eventually(SOON, async || caller.span(METHOD)).await;
    let code = attribute(&span, RPC_RESPONSE_STATUS_CODE).expect("a code");
    assert_eq!(code.to_string(), "CANCELLED");
}

#[tokio::test]
async fn what_is_not_there_is_one_name_and_what_is_asked_all_the_time_none() {
    traces::record();
    let (channel, _lifecycle) = serve().await;
    let caller = Caller::new();
    let mut status = AdapterServiceClient::new(channel.clone());
    let request = from(caller, GetStatusRequest {});
    status.get_status(request).await.expect("answered");
    // This one has no resources.
    let mut resources = ResourceServiceClient::new(channel);
    let request = from(caller, ListResourcesRequest::default());
    let refusal = resources.list_resources(request).await.expect_err("not served");
    assert_eq!(refusal.code(), tonic::Code::Unimplemented);
    eventually(SOON, async || caller.span("_OTHER")).await;
    assert_eq!(caller.spans().len(), 1);
}
