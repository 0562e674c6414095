//! The gRPC side of an adapter: listener, layers, health, reflection, status, drain.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use mcp_hub_proto::adapter::v1::adapter_service_server::{AdapterService, AdapterServiceServer};
use mcp_hub_proto::adapter::v1::{DiagnoseRequest, DiagnoseResponse, GetStatusRequest, GetStatusResponse};
use mcp_hub_proto::completion::v1::completion_service_server::CompletionServiceServer;
use mcp_hub_proto::resource::v1::resource_service_server::ResourceServiceServer;
use tokio::net::TcpListener;
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::completion::{self, Completions};
use crate::doctor::diagnosis::Diagnosis;
use crate::fault::Fault;
use crate::lifecycle::Lifecycle;
use crate::resource::{self, Changed, Resources};
use crate::trace;
use crate::trace::grpc::Methods;

mod linger;

pub use linger::{Lingering, incoming};

/// The largest message that goes either way. An answer with caps is far smaller.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// The longest that a call may take, whatever its deadline says: a caller that sets none must not hold a connection for good.
pub(crate) const LONGEST_CALL: Duration = Duration::from_mins(5);

/// How long a connection takes new calls, at least and at most: callers come back on new connections, so that replicas that were added
/// behind one address get work. Nothing is lost by it: the peer is told, and calls under way go on.
const OLDEST_CONNECTION: [Duration; 2] = [Duration::from_mins(5), Duration::from_mins(10)];

/// How often a database that answers is asked again, and one that does not.
const PROBE_WHEN_UP: Duration = Duration::from_secs(5);
const PROBE_WHEN_DOWN: Duration = Duration::from_millis(500);

/// What an adapter says of itself and its database.
#[tonic::async_trait]
pub trait Adapter: Send + Sync + 'static {
    /// Asks the database whether it answers, within a few seconds. Called again and again, never twice at once; the
    /// adapter keeps the outcome for [`status`](Self::status). `false` makes its services `NOT_SERVING`.
    async fn probe(&self) -> bool;

    /// The state as the last probe or the last call left it. Must not wait for the database.
    async fn status(&self) -> GetStatusResponse;
}

/// An adapter's services on their way to being served.
pub struct AdapterServer {
    adapter: Arc<dyn Adapter>,
    diagnosis: Option<Diagnosis>,
    routes: RoutesBuilder,
    names: Vec<&'static str>,
    descriptors: Vec<&'static [u8]>,
    /// Their service ends with the process, which is known when it serves.
    resources: Option<(Arc<dyn Resources>, Changed)>,
}

impl AdapterServer {
    /// A server with the service about itself only.
    pub fn new(adapter: Arc<dyn Adapter>) -> Self {
        Self {
            adapter,
            diagnosis: None,
            routes: RoutesBuilder::default(),
            names: vec![],
            descriptors: vec![mcp_hub_proto::adapter::v1::DESCRIPTORS],
            resources: None,
        }
    }

    /// Tells whoever asks what is wrong with the way to the database. Without it the way is not looked at.
    #[must_use]
    pub fn diagnosis(mut self, diagnosis: Diagnosis) -> Self {
        self.diagnosis = Some(diagnosis);
        self
    }

    /// Adds a service. `descriptors` are those of its package; reflection shows only the services that were added.
    #[must_use]
    pub fn add<S>(mut self, service: S, descriptors: &'static [u8]) -> Self
    where
        S: tower::Service<http::Request<tonic::body::Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes.add_service(service);
        self.names.push(S::NAME);
        if !self
            .descriptors
            .iter()
            .any(|known| std::ptr::eq(*known, descriptors))
        {
            self.descriptors.push(descriptors);
        }
        self
    }

    /// Adds the service of resources. `changed` is told by the adapter when it did something that may change the list.
    #[must_use]
    pub fn resources(mut self, resources: Arc<dyn Resources>, changed: Changed) -> Self {
        self.resources = Some((resources, changed));
        self
    }

    /// Adds the service of completions.
    #[must_use]
    pub fn completions(self, completions: Arc<dyn Completions>) -> Self {
        let service = CompletionServiceServer::new(completion::Service::new(completions));
        self.add(service, mcp_hub_proto::completion::v1::DESCRIPTORS)
    }

    /// Serves until the process stops, then finishes the calls in flight.
    ///
    /// # Errors
    /// When the descriptors are damaged or the listener fails.
    pub async fn serve(mut self, listener: TcpListener, lifecycle: Lifecycle) -> Result<(), crate::BoxError> {
        let about_us = AboutUs {
            adapter: self.adapter.clone(),
            diagnosis: self.diagnosis.take(),
            lifecycle: lifecycle.clone(),
        };
        self.routes.add_service(AdapterServiceServer::new(about_us));
        if let Some((resources, changed)) = self.resources.take() {
            let service = resource::Service::new(resources, changed, lifecycle.clone());
            let service = ResourceServiceServer::new(service);
            self = self.add(service, mcp_hub_proto::resource::v1::DESCRIPTORS);
        }
        let (reporter, health) = tonic_health::server::health_reporter();
        // The process itself is well as long as it runs; only its services depend on the database.
        reporter.set_service_status("", ServingStatus::Serving).await;
        for name in &self.names {
            reporter
                .set_service_status(*name, ServingStatus::NotServing)
                .await;
        }
        self.routes.add_service(health);
        self.add_reflection()?;
        lifecycle.spawn_until_stopped(watch(self.adapter.clone(), reporter.clone(), self.names.clone()));

        let stopping = lifecycle.stopping();
        let names = [&[""], self.names.as_slice()].concat();
        let shutdown = async move {
            stopping.await;
            // Watchers learn of the end before their connection ends; then their streams end, or the drain would wait for them.
            for name in names {
                reporter.set_service_status(name, ServingStatus::NotServing).await;
                reporter.clone().clear_service_status(name).await;
            }
        };
        let methods = Arc::new(Methods::of_services(&self.names, &self.descriptors)?);
        tonic::transport::Server::builder()
            // Outside of all that answers a call in its place.
            .layer(trace::grpc::Layer(methods))
            // A panic in one handler is that call's INTERNAL, not the end of the connection that others share.
            .layer(tower_http::catch_panic::CatchPanicLayer::custom(Panicked))
            // The smaller of this and the caller's grpc-timeout; when it passes, the handler is dropped and cancels its statement.
            .timeout(LONGEST_CALL)
            // One connection must not be able to queue without bound.
            .concurrency_limit_per_connection(256)
            .load_shed(true)
            // Chosen once for the process, so that connections to several replicas do not all end at once. With a grace as well, tonic
            // 0.14.9 tells the peer nothing and breaks the connection when both are over.
            .max_connection_age(rand::random_range(OLDEST_CONNECTION[0]..OLDEST_CONNECTION[1]))
            // A peer that vanished without a FIN is found, so that its statements are cancelled.
            .http2_keepalive_interval(Some(Duration::from_secs(20)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .add_routes(self.routes.routes())
            .serve_with_incoming_shutdown(incoming(listener), shutdown)
            .await?;
        Ok(())
    }

    /// Both versions: Python's grpcio and older tools speak only v1alpha.
    fn add_reflection(&mut self) -> Result<(), crate::BoxError> {
        let builder = || {
            let mut builder = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .with_service_name(AdapterServiceServer::<AboutUs>::NAME)
                .with_service_name("grpc.health.v1.Health");
            for descriptors in &self.descriptors {
                builder = builder.register_encoded_file_descriptor_set(descriptors);
            }
            for name in &self.names {
                builder = builder.with_service_name(*name);
            }
            builder
        };
        let (v1, v1alpha) = (builder().build_v1()?, builder().build_v1alpha()?);
        self.routes.add_service(v1).add_service(v1alpha);
        Ok(())
    }
}

/// How long the caller waits, from its `grpc-timeout`. Unary calls are ended at it by themselves; a stream is not, so what feeds one
/// asks here.
pub fn timeout(metadata: &tonic::metadata::MetadataMap) -> Option<Duration> {
    told_timeout(metadata.as_ref())
}

/// The same, from the headers of the request.
pub(crate) fn told_timeout(headers: &http::HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    // At most eight digits, so that nothing below can overflow.
    let count: u64 = (digits.len() <= 8).then(|| digits.parse().ok()).flatten()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// What the call's deadline leaves for a statement, so that its end is told before the caller gives up.
pub fn remaining<T>(request: &Request<T>) -> Option<Duration> {
    let left = timeout(request.metadata())?;
    Some(
        left.saturating_sub((left / 10).min(Duration::from_millis(200)))
            .max(Duration::from_millis(1)),
    )
}

/// The answer of an RPC.
///
/// # Errors
/// The fault as a status.
pub fn answer<T>(result: Result<T, Fault>) -> Result<Response<T>, Status> {
    result.map(Response::new).map_err(Status::from)
}

/// Asks the database again and again, and sets the services' health.
async fn watch(adapter: Arc<dyn Adapter>, reporter: HealthReporter, names: Vec<&'static str>) {
    loop {
        let up = adapter.probe().await;
        let status = if up {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for name in &names {
            reporter.set_service_status(*name, status).await;
        }
        let pause = if up { PROBE_WHEN_UP } else { PROBE_WHEN_DOWN };
        // Jitter, so that replicas do not ask a recovering database in step.
        tokio::time::sleep(pause.mul_f64(rand::random_range(0.75..1.25))).await;
    }
}

/// What an adapter says of itself.
struct AboutUs {
    adapter: Arc<dyn Adapter>,
    diagnosis: Option<Diagnosis>,
    lifecycle: Lifecycle,
}

#[tonic::async_trait]
impl AdapterService for AboutUs {
    async fn get_status(&self, _: Request<GetStatusRequest>) -> Result<Response<GetStatusResponse>, Status> {
        Ok(Response::new(self.adapter.status().await))
    }

    async fn diagnose(
        &self,
        request: Request<DiagnoseRequest>,
    ) -> Result<Response<DiagnoseResponse>, Status> {
        let told = match &self.diagnosis {
            Some(diagnosis) => diagnosis.tell(remaining(&request), &self.lifecycle).await,
            None => DiagnoseResponse::default(),
        };
        Ok(Response::new(told))
    }
}

/// What a caller gets when a handler panicked.
#[derive(Clone, Copy, Debug)]
struct Panicked;

impl tower_http::catch_panic::ResponseForPanic for Panicked {
    type ResponseBody = tonic::body::Body;

    fn response_for_panic(
        &mut self,
        panic: Box<dyn std::any::Any + Send>,
    ) -> http::Response<Self::ResponseBody> {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        tracing::error!(panic = text, "a handler panicked");
        let fault = crate::Fault::new(crate::fault::Reason::Internal, "internal error");
        Status::from(fault).into_http()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_leaves_time_to_tell() {
        let mut request = Request::new(());
        assert_eq!(remaining(&request), None);
        request.set_timeout(Duration::from_secs(10));
        assert_eq!(remaining(&request), Some(Duration::from_millis(9800)));
        request.set_timeout(Duration::from_millis(100));
        assert_eq!(remaining(&request), Some(Duration::from_millis(90)));
    }

    #[test]
    fn the_callers_timeout_is_read() {
        let timeout = |text: &'static str| {
            let mut metadata = tonic::metadata::MetadataMap::new();
            metadata.insert("grpc-timeout", tonic::metadata::MetadataValue::from_static(text));
            super::timeout(&metadata)
        };
        assert_eq!(timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(timeout("99999999H"), Some(Duration::from_hours(99_999_999)));
        for wrong in ["", "m", "5", "-5S", "123456789S", "5x", "5 S"] {
            assert_eq!(timeout(wrong), None, "{wrong}");
        }
    }
}
