//! The questions that are asked of an adapter's reflection.

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Streaming};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use super::found::Found;
use super::{Error, MAX_BYTES, MAX_SERVICES, shown};
use crate::upstream::codec::Encoded;

/// The two versions of the service speak the same messages. Python's grpcio has the older one only.
const VERSIONS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Asks for the services and all files that they need.
pub(super) async fn fetch(channel: &Channel) -> Result<Found, Error> {
    let list = MessageRequest::ListServices(String::new());
    let (mut session, answer) = match Session::open(channel, VERSIONS[0], list.clone()).await {
        Err(Error::Absent) => Session::open(channel, VERSIONS[1], list).await?,
        opened => opened?,
    };
    let MessageResponse::ListServicesResponse(list) = answer else {
        return Err(Error::Unexpected);
    };
    let names = list.service.into_iter().map(|service| service.name);
    let mut services: Vec<String> = names.filter(|name| !name.starts_with("grpc.")).collect();
    services.sort();
    services.dedup();
    if services.len() > MAX_SERVICES {
        return Err(Error::TooLarge);
    }
    let mut found = Found::of(services);
    for name in found.services.clone() {
        let request = MessageRequest::FileContainingSymbol(name.clone());
        session.files(request, &name, &mut found).await?;
    }
    while let Some(name) = found.missing_import() {
        let request = MessageRequest::FileByFilename(name.clone());
        session.files(request, &name, &mut found).await?;
        if !found.has(&name) {
            return Err(Error::NotFound(shown(&name)));
        }
    }
    Ok(found)
}

/// A reflection stream: one question, one answer.
struct Session {
    questions: mpsc::Sender<Bytes>,
    answers: Streaming<Bytes>,
}

impl Session {
    /// Opens a stream with its first question, because a server may wait for that before it answers at all.
    async fn open(
        channel: &Channel,
        path: &'static str,
        first: MessageRequest,
    ) -> Result<(Self, MessageResponse), Error> {
        let (questions, stream) = mpsc::channel(1);
        let _ = questions.send(encode(first)).await;
        let mut client = tonic::client::Grpc::new(channel.clone()).max_decoding_message_size(MAX_BYTES);
        client
            .ready()
            .await
            .map_err(|_| Error::Failed(Code::Unavailable))?;
        let stream = tonic::Request::new(ReceiverStream::new(stream));
        let answers = client
            .streaming(stream, PathAndQuery::from_static(path), Encoded)
            .await?;
        let mut session = Self {
            questions,
            answers: answers.into_inner(),
        };
        let answer = session.answer().await?;
        Ok((session, answer))
    }

    async fn answer(&mut self) -> Result<MessageResponse, Error> {
        let answer = self.answers.message().await?.ok_or(Error::Unexpected)?;
        let answer = ServerReflectionResponse::decode(answer).map_err(|_| Error::Malformed)?;
        answer.message_response.ok_or(Error::Unexpected)
    }

    /// Asks for files and adds them. `name` says what is not there if they are not.
    async fn files(&mut self, question: MessageRequest, name: &str, found: &mut Found) -> Result<(), Error> {
        // A closed stream shows in the answer.
        let _ = self.questions.send(encode(question)).await;
        match self.answer().await? {
            MessageResponse::FileDescriptorResponse(response) => response
                .file_descriptor_proto
                .into_iter()
                .try_for_each(|bytes| found.add(bytes.into())),
            MessageResponse::ErrorResponse(_) => Err(Error::NotFound(shown(name))),
            _ => Err(Error::Unexpected),
        }
    }
}

fn encode(request: MessageRequest) -> Bytes {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(request),
    };
    request.encode_to_vec().into()
}
