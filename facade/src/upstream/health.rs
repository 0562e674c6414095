//! The health client: whether the process behind a connection lives, and whether its service serves.
//!
//! Two watches on one connection. The one of the whole process, `""`, ends when the connection ends or the process says that it is
//! about to: then the endpoint is taken out, and its connection is let go, so that the process can finish. The one of the service says
//! whether the database answers; an endpoint that does not serve keeps its connection, because it still answers calls with the reason.

use std::time::Duration;

use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// How often an adapter without health is asked whether it is still there.
const WITHOUT_HEALTH: Duration = Duration::from_secs(1);

/// Why an endpoint is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Gone {
    #[error("the connection was lost")]
    Lost,
    #[error("it is shutting down")]
    Stopping,
}

/// Watches the process and tells `on_sign` of each sign of life; returns when it is gone.
pub(crate) async fn process(channel: &Channel, on_sign: impl Fn()) -> Gone {
    let mut watch = Watch::new(channel, "");
    loop {
        match watch.next().await {
            Ok(ServingStatus::NotServing) => return Gone::Stopping,
            Ok(_) => on_sign(),
            Err(gone) => return gone,
        }
    }
}

/// Watches a service and tells `on_change` whether it serves; returns when the connection is gone.
pub(crate) async fn service(channel: &Channel, name: &str, on_change: impl Fn(bool)) -> Gone {
    let mut watch = Watch::new(channel, name);
    loop {
        match watch.next().await {
            // A service of which the adapter's health knows nothing serves as long as the process does.
            Ok(status) => on_change(status != ServingStatus::NotServing),
            Err(gone) => return gone,
        }
    }
}

struct Watch {
    client: HealthClient<Channel>,
    service: String,
    stream: Option<Streaming<HealthCheckResponse>>,
    unknown: bool,
}

impl Watch {
    fn new(channel: &Channel, service: &str) -> Self {
        Self {
            client: HealthClient::new(channel.clone()).max_decoding_message_size(4096),
            service: service.to_owned(),
            stream: None,
            unknown: false,
        }
    }

    /// Waits for the next status.
    async fn next(&mut self) -> Result<ServingStatus, Gone> {
        if self.unknown {
            tokio::time::sleep(WITHOUT_HEALTH).await;
        }
        match self.receive().await {
            Ok(Some(response)) => Ok(response.status()),
            // No health service, or not for this name: what answers is alive. Ask again, to learn when it is not.
            Err(status) if matches!(status.code(), Code::Unimplemented | Code::NotFound) => {
                self.stream = None;
                self.unknown = true;
                Ok(ServingStatus::ServiceUnknown)
            }
            Ok(None) | Err(_) => Err(Gone::Lost),
        }
    }

    async fn receive(&mut self) -> Result<Option<HealthCheckResponse>, Status> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let request = HealthCheckRequest {
                    service: self.service.clone(),
                };
                none.insert(self.client.watch(request).await?.into_inner())
            }
        };
        stream.message().await
    }
}
