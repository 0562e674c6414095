//! Whether the process beside this one serves, for containers that have no shell: the `HEALTHCHECK` of every image is the program itself.
//!
//! The question goes to the listener that the same settings open, within [`LIMIT`].
//!
//! An adapter is asked as Kubernetes asks it, by the health of the process, which does not depend on its database: a database that is down is
//! no reason to start its adapter again. What serves HTTP is asked whether it is ready: Docker restarts nothing on account of the answer, but
//! `docker compose up --wait`, `depends_on` and the proxies that follow containers' states take it for "may be used now".

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// The command's name.
pub(crate) const COMMAND: &str = "healthcheck";

/// How long the answer may take: less than the time-out of a `HEALTHCHECK`, so that the reason is told.
pub const LIMIT: Duration = Duration::from_secs(3);

/// Why the process does not count as well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings don't say where the process listens.
    #[error("the settings let the system choose the port (0), so there is no telling where to ask")]
    AnyPort,
    /// Nothing takes the connection.
    #[error("nothing listens on {address}")]
    Unreachable {
        /// Where the process should listen.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// It takes too long.
    #[error("{address} does not answer within {} seconds", LIMIT.as_secs())]
    Silent {
        /// Where it listens.
        address: SocketAddr,
    },
    /// It listens and gives no answer to the question.
    #[error("{address} does not answer the question for its health")]
    Foreign {
        /// Where it listens.
        address: SocketAddr,
        /// What came instead.
        source: crate::BoxError,
    },
    /// It answers that it serves nobody: it is about to end.
    #[error("{0} does not serve")]
    NotServing(SocketAddr),
    /// It answers that it is not ready.
    #[error("{address} is not ready: {status}")]
    NotReady {
        /// Where it listens.
        address: SocketAddr,
        /// The answer.
        status: StatusCode,
    },
}

/// Asks what listens on `address` for gRPC whether the process serves.
///
/// # Errors
/// It does not, or can't be asked.
pub async fn grpc(address: SocketAddr) -> Result<(), Error> {
    within_limit(address, async |stream| {
        let foreign = |source| Error::Foreign { address, source };
        let mut stream = Some(stream);
        // The connection is there already. A second one is never asked for.
        let connector = tower::service_fn(move |_| {
            let stream = stream.take().ok_or(std::io::ErrorKind::NotConnected);
            std::future::ready(stream.map(TokioIo::new).map_err(std::io::Error::from))
        });
        let endpoint = Endpoint::from_static("http://localhost");
        let channel = endpoint.connect_with_connector(connector).await;
        let channel = channel.map_err(|error| foreign(error.into()))?;
        let question = HealthCheckRequest {
            service: String::new(),
        };
        let answer = HealthClient::new(channel).check(question).await;
        let answer = answer.map_err(|status| foreign(status.into()))?;
        if answer.into_inner().status() == ServingStatus::Serving {
            Ok(())
        } else {
            Err(Error::NotServing(address))
        }
    })
    .await
}

/// Asks what listens on `address` for HTTP whether it is ready.
///
/// # Errors
/// It is not, or can't be asked.
pub async fn http(address: SocketAddr) -> Result<(), Error> {
    within_limit(address, async |stream| {
        let foreign = |source: crate::BoxError| Error::Foreign { address, source };
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| foreign(error.into()))?;
        let request = Request::get("/readyz")
            .header(header::HOST, "localhost")
            .body(Body::empty())
            .map_err(|error| foreign(error.into()))?;
        let mut answer = pin!(sender.send_request(request));
        let answer = tokio::select! {
            answer = &mut answer => answer,
            // It may have ended with the answer.
            _ = connection => answer.await,
        };
        let status = answer.map_err(|error| foreign(error.into()))?.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(Error::NotReady { address, status })
        }
    })
    .await
}

async fn within_limit(
    address: SocketAddr,
    ask: impl AsyncFnOnce(TcpStream) -> Result<(), Error>,
) -> Result<(), Error> {
    if address.port() == 0 {
        return Err(Error::AnyPort);
    }
    let answer = async {
        let stream = TcpStream::connect(&*reach(address)).await;
        ask(stream.map_err(|source| Error::Unreachable { address, source })?).await
    };
    tokio::time::timeout(LIMIT, answer)
        .await
        .unwrap_or(Err(Error::Silent { address }))
}

/// How to reach, from here, what listens on `address`. What listens on every address of IPv6 takes IPv4 as well, and the loopback may have
/// no other: Docker gives containers none of IPv6 by default.
fn reach(address: SocketAddr) -> Vec<SocketAddr> {
    let loopback: &[IpAddr] = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => &[IpAddr::V4(Ipv4Addr::LOCALHOST)],
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            &[IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)]
        }
        _ => return vec![address],
    };
    let loopback = loopback.iter();
    loopback.map(|ip| SocketAddr::new(*ip, address.port())).collect()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::Lifecycle;

    async fn listener(address: &str) -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        (listener, address)
    }

    /// Answers each connection with the same bytes once something came.
    async fn answering(answer: &'static str) -> (SocketAddr, Lifecycle) {
        let (listener, address) = listener("127.0.0.1:0").await;
        let lifecycle = Lifecycle::new();
        lifecycle.spawn_until_stopped(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        (address, lifecycle)
    }

    async fn health(address: &str, status: tonic_health::ServingStatus) -> (SocketAddr, Lifecycle) {
        let (listener, address) = listener(address).await;
        let (reporter, service) = tonic_health::server::health_reporter();
        reporter.set_service_status("", status).await;
        let lifecycle = Lifecycle::new();
        let serving = tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener));
        lifecycle.spawn_until_stopped(async {
            let _ = serving.await;
        });
        (address, lifecycle)
    }

    #[tokio::test]
    async fn an_adapter_serves_or_does_not_wherever_it_listens() {
        use tonic_health::ServingStatus;
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"] {
            let (address, _lifecycle) = health(address, ServingStatus::Serving).await;
            assert!(grpc(address).await.is_ok(), "{address}");
        }
        let (address, _lifecycle) = health("127.0.0.1:0", ServingStatus::NotServing).await;
        assert!(matches!(grpc(address).await, Err(Error::NotServing(_))));
    }

    #[tokio::test]
    async fn what_serves_http_is_ready_or_is_not() {
        let (address, _lifecycle) = answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n").await;
        assert!(http(address).await.is_ok());
        let (address, _lifecycle) = answering("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").await;
        let refused = http(address).await.expect_err("not ready").to_string();
        assert!(
            refused.ends_with("is not ready: 503 Service Unavailable"),
            "{refused}"
        );
    }

    #[tokio::test]
    async fn what_is_somebody_else_is_not_well() {
        let (address, _lifecycle) = answering("220 mail.example.com ESMTP\r\n").await;
        assert!(matches!(http(address).await, Err(Error::Foreign { .. })));
        assert!(matches!(grpc(address).await, Err(Error::Foreign { .. })));
        let (address, _lifecycle) = answering("").await;
        assert!(matches!(http(address).await, Err(Error::Foreign { .. })));
        let (closed, address) = listener("127.0.0.1:0").await;
        drop(closed);
        assert!(matches!(http(address).await, Err(Error::Unreachable { .. })));
        assert!(matches!(grpc(address).await, Err(Error::Unreachable { .. })));
        let any = "0.0.0.0:0".parse().expect("an address");
        assert!(matches!(http(any).await, Err(Error::AnyPort)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_says_nothing_is_not_waited_for() {
        // The system takes the connection, and nobody reads.
        let (_listener, address) = listener("127.0.0.1:0").await;
        assert!(matches!(http(address).await, Err(Error::Silent { .. })));
        assert!(matches!(grpc(address).await, Err(Error::Silent { .. })));
    }

    #[test]
    fn every_address_is_asked_on_loopback() {
        let of = |address: &str| {
            let addresses = reach(address.parse().expect("an address"));
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of("0.0.0.0:8000"), ["127.0.0.1:8000"]);
        assert_eq!(of("[::]:8000"), ["[::1]:8000", "127.0.0.1:8000"]);
        assert_eq!(of("192.0.2.7:81"), ["192.0.2.7:81"]);
    }
}
