//! One request in HTTP/1.1 on a connection that is there already, and its answer piece by piece: what comes when is what is looked at.

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use ::http::{HeaderMap, Request, StatusCode, header};
use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;

use super::super::Verdict;

/// The most bytes of an answer that are read.
const MOST: usize = 64 * 1024;

/// What a request is sent on.
#[derive(Debug)]
pub enum Connection {
    /// In plain text.
    Plain(TcpStream),
    /// In TLS.
    Secured(Box<TlsStream<TcpStream>>),
}

/// An answer whose body is still to come.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// When the request was sent, and how long its answer took.
    pub asked: SystemTime,
    /// How long until the headers were there.
    pub took: Duration,
    body: Incoming,
    connection: Pin<Box<dyn Future<Output = ()> + Send>>,
    ended: bool,
}

/// Sends a request and waits for the headers of its answer.
///
/// # Errors
/// What came in their place.
pub async fn ask(connection: Connection, request: Request<Body>, limit: Duration) -> Result<Answer, Verdict> {
    let answer = match connection {
        Connection::Plain(stream) => timeout(limit, send(stream, request)).await,
        Connection::Secured(stream) => timeout(limit, send(*stream, request)).await,
    };
    answer.unwrap_or(Err(Verdict::Silent))
}

async fn send<S>(stream: S, request: Request<Body>) -> Result<Answer, Verdict>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (asked, started) = (SystemTime::now(), Instant::now());
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| of_hyper(&error))?;
    let mut connection: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
        // What ends it shows in the answer.
        let _ = connection.await;
    });
    let mut ended = false;
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answer = tokio::select! {
        answer = &mut answer => answer,
        () = &mut connection => {
            ended = true;
            // It may have ended with the answer.
            answer.await
        }
    };
    let (parts, body) = answer.map_err(|error| of_hyper(&error))?.into_parts();
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        asked,
        took: started.elapsed(),
        body,
        connection,
        ended,
    })
}

fn of_hyper(error: &hyper::Error) -> Verdict {
    if error.is_parse() {
        Verdict::WrongProtocol
    } else {
        Verdict::Closed
    }
}

impl Answer {
    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// It did not come in time, or the connection broke.
    pub async fn piece(&mut self, limit: Duration) -> Result<Option<Vec<u8>>, Verdict> {
        timeout(limit, self.next()).await.unwrap_or(Err(Verdict::Silent))
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, Verdict> {
        loop {
            let frame = if self.ended {
                self.body.frame().await
            } else {
                tokio::select! {
                    // What has come counts before the end of the connection.
                    biased;
                    frame = self.body.frame() => frame,
                    () = &mut self.connection => {
                        self.ended = true;
                        continue;
                    }
                }
            };
            return match frame {
                None => Ok(None),
                Some(Err(error)) => Err(of_hyper(&error)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Ok(Some(data.to_vec())),
                    // Trailers.
                    Err(_) => continue,
                },
            };
        }
    }

    /// The body as text, as far as it came in time and is of a usual size.
    pub async fn text(&mut self, limit: Duration) -> String {
        let mut text = Vec::new();
        let deadline = Instant::now() + limit;
        while text.len() < MOST {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.piece(left).await {
                Ok(Some(mut piece)) => text.append(&mut piece),
                Ok(None) | Err(_) => break,
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// How far the other end's clock is ahead of this one's, in seconds, by the answer's date: to the second, and half the time that the
    /// answer took. `None` when it tells no date.
    pub fn clock_ahead(&self) -> Option<i64> {
        let date = self.headers.get(header::DATE)?.to_str().ok()?;
        let theirs = httpdate::parse_http_date(date).ok()?;
        // A date has whole seconds: on average it is half of one late.
        let ours = self.asked + self.took / 2;
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Some(match theirs.duration_since(ours) {
            Ok(ahead) => seconds(ahead),
            Err(error) => -seconds(error.duration()),
        })
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("status", &self.status)
            .field("took", &self.took)
            .finish_non_exhaustive()
    }
}
