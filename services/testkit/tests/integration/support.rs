//! A testkit under test.

use std::net::SocketAddr;
use std::time::Duration;

use mcp_hub_chassis::Lifecycle;
use mcp_hub_testkit::Config;
use tokio::net::TcpListener;
use tokio_stream::StreamExt as _;
use tonic::transport::{Channel, Endpoint};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

/// How long a test waits for what should come soon.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A testkit on a loopback port. It ends with the test's runtime.
pub(crate) struct Testkit {
    pub(crate) address: SocketAddr,
    pub(crate) channel: Channel,
    pub(crate) lifecycle: Lifecycle,
}

impl Testkit {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let lifecycle = Lifecycle::new();
        let serve = mcp_hub_testkit::serve(Config {}, "test", listener, lifecycle.clone());
        lifecycle.spawn(async move { serve.await.expect("serves") });
        Self {
            address,
            channel: connect(address).await,
            lifecycle,
        }
    }
}

/// A connection of its own.
pub(crate) async fn connect(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an endpoint");
    endpoint.connect().await.expect("connects")
}

/// The testkit's services as reflection names them: without the package, sorted.
pub(crate) async fn services(channel: &Channel) -> Vec<String> {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = ServerReflectionClient::new(channel.clone())
        .server_reflection_info(tokio_stream::once(request))
        .await
        .expect("reflection");
    let answer = answers
        .into_inner()
        .next()
        .await
        .expect("an answer")
        .expect("a list");
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("no list: {answer:?}");
    };
    let mut names: Vec<String> = list
        .service
        .iter()
        .filter_map(|service| service.name.strip_prefix("mcphub.testkit.v1."))
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}
