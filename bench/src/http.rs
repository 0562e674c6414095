//! An HTTP/1.1 client of one connection that is kept.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::sse::Events;

/// How long a server may take to answer. Far more than anything that is measured.
const PATIENCE: Duration = Duration::from_secs(30);

/// The least that hyper takes. Thousands of these clients live in one process.
const BUFFER: usize = 8 * 1024;

/// A connection. It is closed when this is dropped.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    sender: http1::SendRequest<Full<Bytes>>,
    _connection: JoinSet<()>,
}

impl Client {
    /// Connects, from a given address when there is one.
    pub(crate) async fn connect(address: SocketAddr, from: Option<Ipv4Addr>) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(from) = from {
            socket
                .bind((IpAddr::V4(from), 0).into())
                .with_context(|| format!("no port of {from} is free"))?;
        }
        let stream = timeout(PATIENCE, socket.connect(address)).await??;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(stream))
            .await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // What went wrong is told to whoever waits for an answer.
            let _ = connection.await;
        });
        Ok(Self {
            address,
            sender,
            _connection: tasks,
        })
    }

    /// Whether the server has closed it.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// GET, with the answer's body yet to be read.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Response<Incoming>> {
        self.send(Method::GET, path, "*/*", Bytes::new()).await
    }

    /// Posts a message of MCP, and reads the answer to its end.
    pub(crate) async fn post(&mut self, path: &str, message: String) -> anyhow::Result<Bytes> {
        let accept = "application/json, text/event-stream";
        let answer = self.send(Method::POST, path, accept, message.into()).await?;
        let status = answer.status();
        let body = timeout(PATIENCE, answer.into_body().collect()).await??.to_bytes();
        ensure!(
            status.is_success(),
            "POST {path} is answered {status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(body)
    }

    /// Opens a legacy SSE stream: gives its events and the path that its messages go to.
    pub(crate) async fn events(&mut self) -> anyhow::Result<(Events, String)> {
        let answer = self
            .send(Method::GET, "/sse", "text/event-stream", Bytes::new())
            .await?;
        ensure!(
            answer.status().is_success(),
            "GET /sse is answered {}",
            answer.status()
        );
        let mut events = Events::new(answer.into_body());
        match timeout(PATIENCE, events.next()).await?? {
            Some(event) if event.name == "endpoint" => Ok((events, event.data)),
            other => bail!("a stream begins with its endpoint, not {other:?}"),
        }
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        accept: &str,
        body: Bytes,
    ) -> anyhow::Result<Response<Incoming>> {
        let mut request = Request::builder()
            .method(&method)
            .uri(path)
            .header(HOST, self.address.to_string())
            .header(ACCEPT, accept);
        if method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let answer = async {
            self.sender.ready().await?;
            self.sender
                .send_request(request.body(body.into())?)
                .await
                .with_context(|| format!("{method} {path}"))
        };
        timeout(PATIENCE, answer).await?
    }
}
