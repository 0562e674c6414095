//! An adapter's gRPC server, over a real socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcp_hub_chassis::grpc::{Adapter, AdapterServer};
use mcp_hub_chassis::{Fault, Lifecycle, fault};
use mcp_hub_proto::adapter::v1::adapter_service_client::AdapterServiceClient;
use mcp_hub_proto::adapter::v1::{GetStatusRequest, GetStatusResponse};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tonic::transport::Channel;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response};

mod calls;
mod offers;

/// An adapter whose database and whose answers the test controls.
#[derive(Default)]
struct Double {
    up: AtomicBool,
    panics: AtomicBool,
    entered: Notify,
    gate: Option<Semaphore>,
}

#[tonic::async_trait]
impl Adapter for Double {
    async fn probe(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    async fn status(&self) -> GetStatusResponse {
        assert!(!self.panics.load(Ordering::Relaxed), "the handler is broken");
        self.entered.notify_one();
        if let Some(gate) = &self.gate {
            gate.acquire().await.expect("never closed").forget();
        }
        GetStatusResponse {
            kind: "double".to_owned(),
            ..GetStatusResponse::default()
        }
    }
}

/// A connection to a server that will take it from `listener`.
fn connect(listener: &TcpListener) -> Channel {
    let address = listener.local_addr().expect("an address");
    Channel::from_shared(format!("http://{address}"))
        .expect("a URI")
        .connect_lazy()
}

struct Running {
    channel: Channel,
    lifecycle: Lifecycle,
    server: tokio::task::JoinHandle<Result<(), mcp_hub_chassis::BoxError>>,
}

async fn serve(double: Arc<Double>) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let lifecycle = Lifecycle::new();
    let channel = connect(&listener);
    let server = lifecycle.spawn(AdapterServer::new(double).serve(listener, lifecycle.clone()));
    Running {
        channel,
        lifecycle,
        server,
    }
}

#[tokio::test]
async fn a_panic_is_one_calls_error_and_the_connection_goes_on() {
    let double = Arc::new(Double {
        panics: true.into(),
        ..Double::default()
    });
    let running = serve(double.clone()).await;
    let mut client = AdapterServiceClient::new(running.channel);
    let status = client.get_status(GetStatusRequest {}).await.expect_err("panics");
    assert_eq!(Fault::from_status(&status).reason, fault::Reason::Internal);
    assert_eq!(status.message(), "internal error");
    double.panics.store(false, Ordering::Relaxed);
    assert_eq!(
        client
            .get_status(GetStatusRequest {})
            .await
            .expect("answers")
            .into_inner()
            .kind,
        "double"
    );
}

#[tokio::test]
async fn the_process_is_well_while_its_database_is_not() {
    let running = serve(Arc::new(Double::default())).await;
    let mut health = HealthClient::new(running.channel);
    let answer = health
        .check(HealthCheckRequest {
            service: String::new(),
        })
        .await
        .expect("answers");
    assert_eq!(
        answer.into_inner().status(),
        health_check_response::ServingStatus::Serving
    );
}

#[tokio::test]
async fn the_end_waits_for_calls_in_flight_and_tells_watchers_first() {
    let double = Arc::new(Double {
        gate: Some(Semaphore::new(0)),
        ..Double::default()
    });
    let running = serve(double.clone()).await;
    let mut health = HealthClient::new(running.channel.clone());
    let mut watch = health
        .watch(HealthCheckRequest {
            service: String::new(),
        })
        .await
        .expect("watches")
        .into_inner();
    let status = |message: Option<tonic_health::pb::HealthCheckResponse>| message.expect("open").status();
    assert_eq!(
        status(watch.message().await.expect("open")),
        health_check_response::ServingStatus::Serving
    );

    let mut client = AdapterServiceClient::new(running.channel.clone());
    let call = running
        .lifecycle
        .spawn(async move { client.get_status(GetStatusRequest {}).await });
    double.entered.notified().await;
    running.lifecycle.stop();
    assert_eq!(
        status(watch.message().await.expect("open")),
        health_check_response::ServingStatus::NotServing
    );
    assert!(!call.is_finished());
    double.gate.as_ref().expect("a gate").add_permits(1);
    assert_eq!(
        call.await.expect("ran").expect("answers").into_inner().kind,
        "double"
    );
    // The watcher has not let go: its stream must not hold the end.
    assert!(watch.message().await.expect("an orderly end").is_none());
    let ended = tokio::time::timeout(Duration::from_secs(5), running.server).await;
    ended.expect("in time").expect("ran").expect("an orderly end");
}
