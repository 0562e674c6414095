//! An adapter that does what a test tells it: real gRPC, health and reflection, on RPCs that are compiled when the test runs.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Response;
use mcp_hub_chassis::{Fault, Lifecycle};
use mcp_hub_proto::adapter::v1::adapter_service_server::{AdapterService, AdapterServiceServer};
use mcp_hub_proto::adapter::v1::{
    DiagnoseRequest, DiagnoseResponse, GetStatusRequest, GetStatusResponse, Mode, State,
};
use mcp_hub_proto::completion::v1::completion_service_server::CompletionServiceServer;
use mcp_hub_proto::resource::v1::resource_service_server::ResourceServiceServer;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::Status;
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::fixture;
use crate::shelf::Shelf;
use serve::{Shared, serve};

mod serve;

/// What a handler gets.
pub(crate) struct Received {
    /// `Method`, without the service.
    pub(crate) method: String,
    pub(crate) message: DynamicMessage,
    pub(crate) metadata: MetadataMap,
    /// The response to fill.
    pub(crate) response: DynamicMessage,
}

impl Received {
    fn of(method: &MethodDescriptor, request: tonic::Request<Bytes>) -> Self {
        let (metadata, _, message) = request.into_parts();
        Self {
            method: method.name().to_owned(),
            message: DynamicMessage::decode(method.input(), message).expect("a valid request"),
            metadata,
            response: DynamicMessage::new(method.output()),
        }
    }
}

/// Takes the messages of a stream: dropped at its end, closed when the caller has gone.
pub(crate) type Messages = mpsc::Sender<Answer>;

type Answer = Result<DynamicMessage, Fault>;
type Streamer = Arc<dyn Fn(Received, Messages) -> BoxFuture<'static, ()> + Send + Sync>;
type Handler = Arc<dyn Fn(Received) -> BoxFuture<'static, Answer> + Send + Sync>;
type Responder = Arc<dyn Fn(&str) -> Option<Response<axum::body::Body>> + Send + Sync>;

/// What an adapter will be.
pub(crate) struct Plan {
    descriptors: Vec<u8>,
    /// By which the answers are encoded; those of reflection unless the adapter lies.
    truth: Option<Vec<u8>>,
    services: Vec<String>,
    unknown: Vec<String>,
    handler: Handler,
    streamer: Streamer,
    responder: Responder,
    shelf: Option<Shelf>,
    status: GetStatusResponse,
    alpha_only: bool,
    broken: Arc<AtomicBool>,
    server: Box<dyn FnOnce(Server) -> Server>,
}

impl Plan {
    /// An adapter with one service, `shop.v1.ShopService`, of the RPCs that `source` declares after the usual head.
    pub(crate) fn new(source: &str) -> Self {
        let source = format!("{}{source}", fixture::HEAD);
        Self::of(&source, &[], &["shop.v1.ShopService"])
    }

    /// An adapter with services of the contract's own files.
    pub(crate) fn of(source: &str, files: &[&str], services: &[&str]) -> Self {
        Self {
            descriptors: fixture::compile(source, files),
            truth: None,
            services: services.iter().map(|name| (*name).to_owned()).collect(),
            unknown: vec![],
            handler: Arc::new(|received| Box::pin(async move { Ok(received.response) })),
            streamer: Arc::new(|_, _| Box::pin(async {})),
            responder: Arc::new(|_| None),
            shelf: None,
            status: GetStatusResponse {
                kind: "shop".to_owned(),
                adapter_version: "1.0.0".to_owned(),
                product: "ShopDB".to_owned(),
                product_version: "3.1".to_owned(),
                database: "goods".to_owned(),
                mode: Mode::ReadOnly.into(),
                state: State::Serving.into(),
                ..GetStatusResponse::default()
            },
            alpha_only: false,
            broken: Arc::default(),
            server: Box::new(|server| server),
        }
    }

    /// What all RPCs do.
    pub(crate) fn handle<F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn(Received) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Answer> + Send + 'static,
    {
        self.handler = Arc::new(move |received| Box::pin(handler(received)));
        self
    }

    /// What all RPCs with a stream of responses do.
    pub(crate) fn stream<F, Fut>(mut self, streamer: F) -> Self
    where
        F: Fn(Received, Messages) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.streamer = Arc::new(move |received, messages| Box::pin(streamer(received, messages)));
        self
    }

    /// What is sent for a method instead of what gRPC would.
    pub(crate) fn respond(
        mut self,
        responder: impl Fn(&str) -> Option<Response<axum::body::Body>> + Send + Sync + 'static,
    ) -> Self {
        self.responder = Arc::new(responder);
        self
    }

    /// Lets `method` be reflected and yet unknown.
    pub(crate) fn without(mut self, method: &str) -> Self {
        self.unknown.push(method.to_owned());
        self
    }

    /// Lets the adapter lie: it answers as `source` declares, and reflects something else.
    pub(crate) fn answering_as(mut self, source: &str) -> Self {
        self.truth = Some(fixture::compile(&format!("{}{source}", fixture::HEAD), &[]));
        self
    }

    /// Lets the adapter have resources and completions; its descriptors have to declare them.
    pub(crate) fn with(mut self, offered: &Shelf) -> Self {
        self.shelf = Some(offered.clone());
        self
    }

    /// What the adapter says of itself.
    pub(crate) fn status(mut self, change: impl FnOnce(&mut GetStatusResponse)) -> Self {
        change(&mut self.status);
        self
    }

    /// Reflection in the older version only, like Python's grpcio.
    pub(crate) fn alpha_only(mut self) -> Self {
        self.alpha_only = true;
        self
    }

    /// While this is set, all calls fail as those of a broken program do: at once, and without a reason.
    pub(crate) fn broken_while(mut self, broken: &Arc<AtomicBool>) -> Self {
        self.broken = broken.clone();
        self
    }

    /// Other settings of the gRPC server.
    pub(crate) fn server(mut self, change: impl FnOnce(Server) -> Server + 'static) -> Self {
        self.server = Box::new(change);
        self
    }

    /// Starts the adapter on a port of its own.
    pub(crate) async fn start(self) -> Adapter {
        self.start_at("127.0.0.1:0".parse().expect("an address")).await
    }

    /// Starts the adapter on a given port.
    pub(crate) async fn start_at(self, address: SocketAddr) -> Adapter {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (reporter, health) = tonic_health::server::health_reporter();
        for name in &self.services {
            reporter.set_service_status(name, ServingStatus::Serving).await;
        }
        let calls = Arc::new(Mutex::new(Vec::new()));
        let truth = self.truth.as_ref().unwrap_or(&self.descriptors);
        let pool = DescriptorPool::decode(truth.as_slice()).expect("descriptors");
        let mut routes = Routes::builder();
        routes
            .add_service(health)
            .add_service(AdapterServiceServer::new(StatusOf(self.status.clone())));
        if let Some(shelf) = &self.shelf {
            routes
                .add_service(ResourceServiceServer::new(shelf.clone()))
                .add_service(CompletionServiceServer::new(shelf.clone()));
        }
        let reflection = || {
            let builder = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(self.descriptors.leak_copy());
            self.services
                .iter()
                .fold(builder, |builder, name| builder.with_service_name(name.clone()))
        };
        routes.add_service(reflection().build_v1alpha().expect("reflection"));
        if !self.alpha_only {
            routes.add_service(reflection().build_v1().expect("reflection"));
        }
        let shared = Arc::new(Shared {
            pool,
            unknown: self.unknown,
            broken: self.broken,
            handler: self.handler,
            streamer: self.streamer,
            responder: self.responder,
            calls: calls.clone(),
        });
        let mut all = routes.routes().into_axum_router();
        let own = |name: &&String| self.shelf.is_none() || !name.starts_with("mcphub.");
        for name in self.services.iter().filter(own) {
            let shared = shared.clone();
            all = all.route(
                &format!("/{name}/{{method}}"),
                axum::routing::any(move |request| serve(shared.clone(), request)),
            );
        }
        let lifecycle = Lifecycle::new();
        let stopping = lifecycle.stopping();
        let mut server = (self.server)(Server::builder());
        lifecycle.spawn(async move {
            server
                .add_routes(Routes::from(all))
                .serve_with_incoming_shutdown(mcp_hub_chassis::grpc::incoming(listener), stopping)
                .await
        });
        Adapter {
            address,
            calls,
            reporter,
            services: self.services,
            lifecycle,
        }
    }
}

/// `register_encoded_file_descriptor_set` wants `'static`; a test's process is short.
trait LeakCopy {
    fn leak_copy(&self) -> &'static [u8];
}

impl LeakCopy for Vec<u8> {
    fn leak_copy(&self) -> &'static [u8] {
        Box::leak(self.clone().into_boxed_slice())
    }
}

/// A running adapter.
pub(crate) struct Adapter {
    pub(crate) address: SocketAddr,
    calls: Arc<Mutex<Vec<String>>>,
    reporter: HealthReporter,
    services: Vec<String>,
    lifecycle: Lifecycle,
}

impl Adapter {
    /// The address for the upstreams.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The methods that were called, in order.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().expect("unpoisoned").clone()
    }

    /// Says whether the services serve.
    pub(crate) async fn serving(&self, serving: bool) {
        let status = if serving {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for name in &self.services {
            self.reporter.set_service_status(name, status).await;
        }
    }

    /// Stops as an adapter does: tells its watchers, then finishes what is under way.
    pub(crate) async fn stop(self) {
        self.reporter
            .set_service_status("", ServingStatus::NotServing)
            .await;
        self.lifecycle.stop();
        self.lifecycle.drain(Duration::from_secs(10)).await;
    }
}

struct StatusOf(GetStatusResponse);

#[tonic::async_trait]
impl AdapterService for StatusOf {
    async fn get_status(
        &self,
        _: tonic::Request<GetStatusRequest>,
    ) -> Result<tonic::Response<GetStatusResponse>, Status> {
        Ok(tonic::Response::new(self.0.clone()))
    }

    async fn diagnose(
        &self,
        _: tonic::Request<DiagnoseRequest>,
    ) -> Result<tonic::Response<DiagnoseResponse>, Status> {
        Ok(tonic::Response::new(DiagnoseResponse::default()))
    }
}

/// The fields of a message by name, as text.
pub(crate) fn fields(message: &DynamicMessage) -> HashMap<String, String> {
    let fields = message.fields();
    fields
        .map(|(field, value)| (field.name().to_owned(), value.to_string()))
        .collect()
}
