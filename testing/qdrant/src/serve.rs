//! The listeners, and the services behind them.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use qdrant_client::qdrant::collections_server::CollectionsServer;
use qdrant_client::qdrant::points_server::PointsServer;
use qdrant_client::qdrant::qdrant_server::{Qdrant, QdrantServer};
use qdrant_client::qdrant::{HealthCheckReply, HealthCheckRequest};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tonic::codec::CompressionEncoding::Gzip;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use crate::auth::ApiKey;
use crate::collections::Service as Collections;
use crate::options::Options;
use crate::points::Service as Points;
use crate::rest;
use crate::storage::Storage;
use crate::version::{TITLE, VERSION};

/// Any failure of the start, which ends the program.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn run(options: Options) -> ExitCode {
    match serve(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("qdrant-stand-in: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: Options) -> Result<(), Failure> {
    let tls = tls(&options)?;
    let storage = Arc::new(Storage::open(&options.data)?);
    let grpc = listen(
        "grpc",
        options.port,
        grpc(storage, options.api_key).await,
        tls.as_ref(),
    );
    let Some(port) = options.rest_port else {
        return grpc.await;
    };
    let rest = listen("rest", port, Routes::from(rest::router()), tls.as_ref());
    tokio::try_join!(grpc, rest).map(drop)
}

fn tls(options: &Options) -> Result<Option<ServerTlsConfig>, Failure> {
    let (Some(certificate), Some(key)) = (&options.tls_cert, &options.tls_key) else {
        return Ok(None);
    };
    let identity = Identity::from_pem(std::fs::read(certificate)?, std::fs::read(key)?);
    Ok(Some(ServerTlsConfig::new().identity(identity)))
}

/// Serves one port. HTTP/1.1 is for REST; gRPC clients never speak it.
async fn listen(name: &str, port: u16, routes: Routes, tls: Option<&ServerTlsConfig>) -> Result<(), Failure> {
    let mut server = Server::builder().accept_http1(true);
    if let Some(tls) = tls {
        server = server.tls_config(tls.clone())?;
    }
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    println!("{name} {}", listener.local_addr()?.port());
    let incoming = TcpIncoming::from_listener(listener, true, None)?;
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(server
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stop)
        .await?)
}

async fn grpc(storage: Arc<Storage>, api_key: Option<String>) -> Routes {
    let api_key = ApiKey::new(api_key);
    let collections = CollectionsServer::new(Collections::new(storage.clone()))
        .send_compressed(Gzip)
        .accept_compressed(Gzip)
        .max_decoding_message_size(usize::MAX);
    let points = PointsServer::new(Points::new(storage))
        .send_compressed(Gzip)
        .accept_compressed(Gzip)
        .max_decoding_message_size(usize::MAX);
    let (mut reporter, health) = tonic_health::server::health_reporter();
    reporter
        .set_service_status("", tonic_health::ServingStatus::Serving)
        .await;
    let mut routes = Routes::builder();
    routes
        .add_service(health)
        .add_service(QdrantServer::new(Version))
        .add_service(InterceptedService::new(collections, api_key.clone()))
        .add_service(InterceptedService::new(points, api_key));
    routes.routes()
}

/// The service that tells the version.
struct Version;

#[tonic::async_trait]
impl Qdrant for Version {
    async fn health_check(
        &self,
        _request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckReply>, Status> {
        Ok(Response::new(HealthCheckReply {
            title: TITLE.to_owned(),
            version: VERSION.to_owned(),
            commit: None,
        }))
    }
}
