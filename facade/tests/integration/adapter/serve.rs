//! How an adapter of the tests answers one call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{Buf as _, BufMut as _, Bytes};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use http::{Request, Response};
use prost::Message as _;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use tokio::sync::mpsc;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, ServerStreamingService, UnaryService};

use super::{Answer, Handler, Received, Responder, Streamer};

/// What the calls of an adapter have in common.
pub(super) struct Shared {
    pub(super) pool: DescriptorPool,
    pub(super) unknown: Vec<String>,
    pub(super) broken: Arc<AtomicBool>,
    pub(super) handler: Handler,
    pub(super) streamer: Streamer,
    pub(super) responder: Responder,
    pub(super) calls: Arc<Mutex<Vec<String>>>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "an adapter that breaks the contract is the point"
)]
pub(super) async fn serve(
    shared: Arc<Shared>,
    request: Request<axum::body::Body>,
) -> Response<axum::body::Body> {
    let path = request.uri().path().to_owned();
    let (service, name) = path[1..].split_once('/').expect("a service and a method");
    if shared.unknown.iter().any(|unknown| unknown == name) {
        let status = Status::unimplemented("");
        return status.into_http::<tonic::body::Body>().map(axum::body::Body::new);
    }
    shared.calls.lock().expect("unpoisoned").push(name.to_owned());
    if shared.broken.load(Ordering::SeqCst) {
        let status = Status::internal("thread panicked at 10.0.0.7");
        return status.into_http::<tonic::body::Body>().map(axum::body::Body::new);
    }
    if let Some(response) = (shared.responder)(name) {
        return response;
    }
    let service = shared.pool.get_service_by_name(service).expect("the service");
    let mut methods = service.methods();
    let method = methods.find(|method| method.name() == name).expect("the method");
    let mut grpc = Grpc::new(Raw);
    let response = if method.is_server_streaming() {
        grpc.server_streaming(Streaming { shared, method }, request).await
    } else {
        grpc.unary(Unary { shared, method }, request).await
    };
    response.map(axum::body::Body::new)
}

struct Unary {
    shared: Arc<Shared>,
    method: MethodDescriptor,
}

impl UnaryService<Bytes> for Unary {
    type Response = Bytes;
    type Future = BoxFuture<'static, Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let response = (self.shared.handler)(Received::of(&self.method, request));
        Box::pin(async move { Ok(tonic::Response::new(response.await?.encode_to_vec().into())) })
    }
}

struct Streaming {
    shared: Arc<Shared>,
    method: MethodDescriptor,
}

impl ServerStreamingService<Bytes> for Streaming {
    type Response = Bytes;
    type ResponseStream = BoxStream<'static, Result<Bytes, Status>>;
    type Future = BoxFuture<'static, Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let (sender, receiver) = mpsc::channel::<Answer>(1);
        let work = (self.shared.streamer)(Received::of(&self.method, request), sender);
        let messages = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let messages = messages.map(|message| Ok(Bytes::from(message?.encode_to_vec())));
        // The work goes on as long as somebody reads, and is dropped then.
        let work = futures_util::stream::once(work).filter_map(async |()| None);
        let stream = futures_util::stream::select(messages, work).boxed();
        Box::pin(async move { Ok(tonic::Response::new(stream)) })
    }
}

#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(bytes.copy_to_bytes(bytes.remaining())))
    }
}
