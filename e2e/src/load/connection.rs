//! One HTTP connection of a client, opened again when it is gone.

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Failed, Kind, Shared};

/// A connection of one client, for one request at a time.
#[derive(Debug)]
pub(super) struct Connection {
    address: String,
    token: Option<String>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    sender: SendRequest<Full<Bytes>>,
    /// Moves the bytes; ends with this value.
    _task: JoinSet<()>,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: String,
    pub(super) body: Bytes,
}

impl Connection {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            address: shared.plan.address.clone(),
            token: shared.plan.token.clone(),
            open: None,
        }
    }

    /// A POST of JSON, to be completed with headers.
    pub(super) fn post(&self, path: &str) -> http::request::Builder {
        let accept = "application/json, text/event-stream";
        self.head(Request::post(path))
            .header("content-type", "application/json")
            .header("accept", accept)
    }

    /// A GET of a stream of events.
    pub(super) fn get(&self, path: &str) -> http::request::Builder {
        self.head(Request::get(path))
            .header("accept", "text/event-stream")
    }

    fn head(&self, request: http::request::Builder) -> http::request::Builder {
        let request = request.header("host", &self.address);
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    /// Sends a request and reads all of its answer.
    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Failed> {
        let (parts, body) = self.begin(request).await?.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                self.open = None;
                return Err(lost(&error));
            }
        };
        let content_type = parts.headers.get("content-type");
        Ok(Answer {
            status: parts.status,
            content_type: content_type
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
            body,
        })
    }

    /// Sends a request and gives the head of its answer.
    pub(super) async fn begin(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Failed> {
        let mut request = request;
        loop {
            let (open, fresh) = match self.open.take() {
                Some(open) => (open, false),
                None => (self.connect().await?, true),
            };
            let open = self.open.insert(open);
            // An error of `ready` comes again from the request, with the request unsent.
            let _ = open.sender.ready().await;
            match open.sender.try_send_request(request).await {
                Ok(answer) => return Ok(answer),
                Err(mut error) => {
                    self.open = None;
                    match error.take_message() {
                        // The other end had closed an idle connection, and nothing was sent: every HTTP client opens a new one.
                        Some(unsent) if !fresh => request = unsent,
                        Some(_) | None => return Err(lost(error.error())),
                    }
                }
            }
        }
    }

    async fn connect(&self) -> Result<Open, Failed> {
        let refused = |error: anyhow::Error| Failed::Failure(Kind::Refused, format!("{error:#}"));
        let stream = TcpStream::connect(&self.address).await;
        let stream = stream.context("connect").map_err(refused)?;
        stream
            .set_nodelay(true)
            .context("an option of the socket")
            .map_err(refused)?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .context("handshake")
            .map_err(refused)?;
        let mut task = JoinSet::new();
        task.spawn(async move {
            // Whoever waits for an answer learns of the error.
            let _ = connection.await;
        });
        Ok(Open { sender, _task: task })
    }

    /// Lets the connection go: what is still to come on it is not wanted.
    pub(super) fn close(&mut self) {
        self.open = None;
    }
}

fn lost(error: &hyper::Error) -> Failed {
    let source = std::error::Error::source(error).map(|source| format!(": {source}"));
    Failed::Failure(Kind::Lost, format!("{error}{}", source.unwrap_or_default()))
}
