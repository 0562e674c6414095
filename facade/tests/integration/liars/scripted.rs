//! Reflection by a script, and the descriptors that it lies with.

use std::sync::Arc;

use mcp_hub_chassis::Lifecycle;
use prost::Message as _;
use prost_reflect::prost_types::{FileDescriptorProto, MethodDescriptorProto, ServiceDescriptorProto};
use tokio::net::TcpListener;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::server_reflection_server::{ServerReflection, ServerReflectionServer};
use tonic_reflection::pb::v1::{
    ErrorResponse, FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest,
    ServerReflectionResponse, ServiceResponse,
};

/// What a hostile adapter answers to a question; `None` is silence.
type Script = Arc<dyn Fn(MessageRequest) -> Option<MessageResponse> + Send + Sync>;

struct Scripted(Script);

#[tonic::async_trait]
impl ServerReflection for Scripted {
    type ServerReflectionInfoStream =
        std::pin::Pin<Box<dyn Stream<Item = Result<ServerReflectionResponse, Status>> + Send>>;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        let script = self.0.clone();
        let (answers, stream) = tokio::sync::mpsc::channel(1);
        let mut questions = request.into_inner();
        Lifecycle::new().spawn(async move {
            while let Some(Ok(question)) = questions.next().await {
                let Some(answer) = question.message_request.and_then(|question| script(question)) else {
                    continue;
                };
                let answer = ServerReflectionResponse {
                    message_response: Some(answer),
                    ..Default::default()
                };
                if answers.send(Ok(answer)).await.is_err() {
                    break;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

/// An adapter of which only reflection is there, and that lies.
pub(super) async fn lying(
    script: impl Fn(MessageRequest) -> Option<MessageResponse> + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tonic::transport::Server::builder()
        .add_service(
            ServerReflectionServer::new(Scripted(Arc::new(script))).max_encoding_message_size(usize::MAX),
        )
        .serve_with_incoming(TcpListenerStream::new(listener));
    Lifecycle::new().spawn(server);
    format!("http://{address}")
}

/// An adapter with the service `shop.v1.ShopService` and these files, of which the first has the service.
pub(super) async fn with_files(files: Vec<Vec<u8>>) -> String {
    lying(move |question| {
        Some(match question {
            MessageRequest::ListServices(_) => services(1),
            MessageRequest::FileContainingSymbol(_) => {
                MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
                    file_descriptor_proto: files.clone(),
                })
            }
            _ => not_found(),
        })
    })
    .await
}

pub(super) fn services(count: usize) -> MessageResponse {
    let name = |index| match index {
        0 => "shop.v1.ShopService".to_owned(),
        index => format!("shop.v1.Service{index}"),
    };
    let service = (0..count)
        .map(|index| ServiceResponse { name: name(index) })
        .collect();
    MessageResponse::ListServicesResponse(ListServiceResponse { service })
}

pub(super) fn not_found() -> MessageResponse {
    MessageResponse::ErrorResponse(ErrorResponse {
        error_code: 5,
        error_message: "connect to 10.0.0.7 with password hunter2".to_owned(),
    })
}

pub(super) fn file(name: &str, change: impl FnOnce(&mut FileDescriptorProto)) -> Vec<u8> {
    let mut file = FileDescriptorProto {
        name: Some(name.to_owned()),
        package: Some("shop.v1".to_owned()),
        syntax: Some("proto3".to_owned()),
        ..Default::default()
    };
    change(&mut file);
    file.encode_to_vec()
}

pub(super) fn service(methods: usize) -> ServiceDescriptorProto {
    ServiceDescriptorProto {
        name: Some("ShopService".to_owned()),
        method: (0..methods)
            .map(|index| MethodDescriptorProto {
                name: Some(format!("Method{index}")),
                input_type: Some(".shop.v1.Empty".to_owned()),
                output_type: Some(".shop.v1.Empty".to_owned()),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

/// Messages nested in each other, written from the inside out, because encoding them would need the stack that is attacked.
pub(super) fn nested(depth: usize) -> Vec<u8> {
    let mut inner = vec![0x0a, 0x01, b'M'];
    for _ in 0..depth {
        let mut outer = vec![0x0a, 0x01, b'M', 0x1a];
        prost::encoding::encode_varint(inner.len() as u64, &mut outer);
        outer.extend(inner);
        inner = outer;
    }
    let mut file = file("deep.proto", |file| file.service.push(service(0)));
    file.push(0x22);
    prost::encoding::encode_varint(inner.len() as u64, &mut file);
    file.extend(inner);
    file
}
