//! A collector: it takes OTLP, by gRPC and by HTTP on one port, and keeps it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use hyper::service::{Service as _, service_fn};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use mcp_hub_chassis::Lifecycle;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tonic::codec::CompressionEncoding;
use tonic::{Status, async_trait};

/// A collector on loopback, until it is dropped.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    kept: Arc<Kept>,
    lifecycle: Lifecycle,
}

/// What was sent at once.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `grpc`, or the path of the request.
    pub by: String,
    /// The headers that came with it.
    pub headers: HeaderMap,
    /// Spans, if they were.
    pub traces: Option<ExportTraceServiceRequest>,
    /// Metrics, if they were.
    pub metrics: Option<ExportMetricsServiceRequest>,
}

/// A span, and the process that sent it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The process's attributes.
    pub resource: HashMap<String, String>,
    /// The span.
    pub span: Span,
}

#[derive(Debug, Default)]
struct Kept {
    batches: Mutex<Vec<Batch>>,
    refuses: AtomicBool,
}

impl Collector {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// When there is no port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let (kept, lifecycle) = (Arc::<Kept>::default(), Lifecycle::new());
        lifecycle.spawn_until_stopped(serve(listener, Arc::clone(&kept), lifecycle.clone()));
        Self {
            address,
            kept,
            lifecycle,
        }
    }

    /// Its address for `OTEL_EXPORTER_OTLP_ENDPOINT`, whatever the protocol.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it answers that it can't take anything at the moment; or takes everything again.
    pub fn refuse(&self, refuses: bool) {
        self.kept.refuses.store(refuses, Ordering::Relaxed);
    }

    /// What it was sent so far.
    pub fn batches(&self) -> Vec<Batch> {
        let batches = self.kept.batches.lock();
        batches.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The spans that it was sent so far.
    pub fn spans(&self) -> Vec<Sent> {
        let batches = self.batches().into_iter().filter_map(|batch| batch.traces);
        let resources = batches.flat_map(|traces| traces.resource_spans);
        resources
            .flat_map(|of| {
                let resource = resource(of.resource);
                let spans = of.scope_spans.into_iter().flat_map(|scope| scope.spans);
                spans.map(move |span| Sent {
                    resource: resource.clone(),
                    span,
                })
            })
            .collect()
    }

    /// The metrics that it was sent so far, each as often as it was.
    pub fn metrics(&self) -> Vec<Metric> {
        let batches = self.batches().into_iter().filter_map(|batch| batch.metrics);
        let resources = batches.flat_map(|metrics| metrics.resource_metrics);
        let scopes = resources.flat_map(|resource| resource.scope_metrics);
        scopes.flat_map(|scope| scope.metrics).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

impl Sent {
    /// An attribute of the span, as text.
    pub fn attribute(&self, key: &str) -> Option<String> {
        let found = self.span.attributes.iter().find(|attribute| attribute.key == key);
        found.map(|found| text(found.value.as_ref()))
    }

    /// The id of the trace, in hexadecimal digits.
    pub fn trace_id(&self) -> String {
        use std::fmt::Write as _;
        self.span.trace_id.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

fn resource(resource: Option<Resource>) -> HashMap<String, String> {
    let attributes = resource.unwrap_or_default().attributes;
    attributes
        .into_iter()
        .map(|KeyValue { key, value, .. }| (key, text(value.as_ref())))
        .collect()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => value.to_string(),
        other => format!("{other:?}"),
    }
}

async fn serve(listener: TcpListener, kept: Arc<Kept>, lifecycle: Lifecycle) {
    while let Ok((stream, _)) = listener.accept().await {
        let kept = Arc::clone(&kept);
        lifecycle.spawn_until_stopped(async move {
            let answer = service_fn(move |request| answer(request, Arc::clone(&kept)));
            // A caller that goes away is no matter of the test's.
            let _ = Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    kept: Arc<Kept>,
) -> Result<Response<tonic::body::Body>, Infallible> {
    let by_grpc = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if !by_grpc {
        return Ok(by_http(request, &kept).await.map(tonic::body::Body::new));
    }
    let gzip = CompressionEncoding::Gzip;
    if request.uri().path().contains("MetricsService") {
        let server = MetricsServiceServer::from_arc(kept).accept_compressed(gzip);
        TowerToHyperService::new(server).call(request).await
    } else {
        let server = TraceServiceServer::from_arc(kept).accept_compressed(gzip);
        TowerToHyperService::new(server).call(request).await
    }
}

async fn by_http(request: Request<Incoming>, kept: &Kept) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return empty(StatusCode::BAD_REQUEST);
    };
    if kept.refuses.load(Ordering::Relaxed) {
        return empty(StatusCode::SERVICE_UNAVAILABLE);
    }
    let mut bytes = body.to_bytes().to_vec();
    if head
        .headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding == "gzip")
    {
        let mut unpacked = Vec::new();
        let read = flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut unpacked);
        if read.is_err() {
            return empty(StatusCode::BAD_REQUEST);
        }
        bytes = unpacked;
    }
    let path = head.uri.path().to_owned();
    let mut batch = Batch {
        by: path.clone(),
        headers: head.headers,
        traces: None,
        metrics: None,
    };
    // The path is what a variable may change; what comes is told by its kind then.
    if path.contains("metrics") {
        batch.metrics = ExportMetricsServiceRequest::decode(&bytes[..]).ok();
    } else {
        batch.traces = ExportTraceServiceRequest::decode(&bytes[..]).ok();
    }
    if head.method != Method::POST || (batch.traces.is_none() && batch.metrics.is_none()) {
        return empty(StatusCode::BAD_REQUEST);
    }
    kept.keep(batch);
    empty(StatusCode::OK)
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

impl Kept {
    fn keep(&self, batch: Batch) {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.push(batch);
    }

    #[expect(clippy::disallowed_methods, reason = "no service of ours answers it")]
    fn take<T>(&self, request: tonic::Request<T>) -> Result<(HeaderMap, T), Status> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(Status::unavailable("not now"));
        }
        let (metadata, _, message) = request.into_parts();
        Ok((metadata.into_headers(), message))
    }
}

#[async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        let (headers, traces) = self.take(request)?;
        self.keep(Batch {
            by: "grpc".to_owned(),
            headers,
            traces: Some(traces),
            metrics: None,
        });
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

#[async_trait]
impl MetricsService for Kept {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, Status> {
        let (headers, metrics) = self.take(request)?;
        self.keep(Batch {
            by: "grpc".to_owned(),
            headers,
            traces: None,
            metrics: Some(metrics),
        });
        Ok(tonic::Response::new(ExportMetricsServiceResponse::default()))
    }
}
