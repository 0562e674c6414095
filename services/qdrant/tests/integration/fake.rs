//! A server that does what a test wants: for what neither Qdrant nor its stand-in can be made to do, and to see what is sent.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use http_body::Frame;
use http_body_util::StreamBody;
use mcp_hub_chassis::Lifecycle;
use prost::Message;
use qdrant_client::qdrant as q;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;

/// What the server does with a call.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Answers with this message.
    Message(Vec<u8>),
    /// Fails with this code and message.
    Status(tonic::Code, &'static str),
    /// Answers with this message the first time, and then does not.
    Once(Vec<u8>),
    /// Does not answer.
    Nothing,
}

/// A call as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) message: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The server. It ends with its test.
pub(crate) struct Fake {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    waiting: Arc<AtomicUsize>,
    lifecycle: Lifecycle,
}

/// Counts a call as long as the server has it.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Fake {
    /// A server of this version with one collection, without points and indexes; `replies` by the path's last part go before.
    pub(crate) async fn start(version: &str, replies: &[(&str, Reply)]) -> Self {
        let mut all = HashMap::from([
            (
                "HealthCheck".to_owned(),
                message(&q::HealthCheckReply {
                    title: "qdrant - vector search engine".to_owned(),
                    version: version.to_owned(),
                    commit: None,
                }),
            ),
            (
                "Get".to_owned(),
                message(&q::GetCollectionInfoResponse {
                    result: Some(q::CollectionInfo {
                        payload_schema: [(
                            "color".to_owned(),
                            q::PayloadSchemaInfo {
                                data_type: q::PayloadSchemaType::Keyword.into(),
                                ..q::PayloadSchemaInfo::default()
                            },
                        )]
                        .into(),
                        ..q::CollectionInfo::default()
                    }),
                    time: 0.0,
                }),
            ),
        ]);
        all.extend(
            replies
                .iter()
                .map(|(name, reply)| ((*name).to_owned(), reply.clone())),
        );
        let replies = Arc::new(all);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let fake = Self {
            url,
            seen: Arc::default(),
            waiting: Arc::default(),
            lifecycle: Lifecycle::new(),
        };
        let (seen, waiting) = (fake.seen.clone(), fake.waiting.clone());
        let handle = async move |request: Request| {
            let (parts, body) = request.into_parts();
            let path = parts.uri.path().to_owned();
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            let message = to_bytes(body, usize::MAX).await.expect("a body").slice(5..);
            let call = Seen {
                path,
                headers: parts.headers,
                message,
            };
            let first = {
                let mut seen = seen.lock().expect("no panic");
                let first = seen.iter().all(|other| other.path != call.path);
                seen.push(call);
                first
            };
            match replies.get(&name).cloned().unwrap_or(Reply::Message(vec![])) {
                Reply::Message(message) => framed(&message),
                Reply::Once(message) if first => framed(&message),
                Reply::Status(code, text) => failed(code, text),
                Reply::Once(_) | Reply::Nothing => {
                    waiting.fetch_add(1, Ordering::AcqRel);
                    let _waiting = Waiting(waiting.clone());
                    std::future::pending().await
                }
            }
        };
        let router = axum::Router::new().fallback(handle);
        fake.lifecycle.spawn_until_stopped(async move {
            let server = tonic::transport::Server::builder().add_routes(router.into());
            server
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .expect("serves");
        });
        fake
    }

    /// The calls of an RPC, by the path's last part.
    pub(crate) fn seen(&self, name: &str) -> Vec<Seen> {
        let seen = self.seen.lock().expect("no panic");
        let of_name = seen
            .iter()
            .filter(|call| call.path.ends_with(&format!("/{name}")));
        of_name.cloned().collect()
    }

    /// How many calls it has that it does not answer.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

/// A reply with a message.
pub(crate) fn message(message: &impl Message) -> Reply {
    Reply::Message(message.encode_to_vec())
}

fn framed(message: &[u8]) -> Response {
    let length = u32::try_from(message.len()).expect("a small message");
    let data = [&[0], length.to_be_bytes().as_slice(), message].concat();
    let trailers = http::HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        http::HeaderValue::from_static("0"),
    )]);
    let frames = [Frame::data(Bytes::from(data)), Frame::trailers(trailers)];
    let body = StreamBody::new(tokio_stream::iter(frames.map(Ok::<_, Infallible>)));
    let mut response = Response::new(Body::new(body));
    let grpc = http::HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(http::header::CONTENT_TYPE, grpc);
    response
}

fn failed(code: tonic::Code, text: &'static str) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/grpc"),
    );
    headers.insert("grpc-status", i32::from(code).into());
    headers.insert("grpc-message", http::HeaderValue::from_static(text));
    response
}
