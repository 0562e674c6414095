//! The reflection client: from a connection to what the adapter behind it offers.
//!
//! Nothing of it is trusted. Files, bytes, declarations and time are bounded before anything is built from them, and what is built
//! runs apart, so that an adapter that lies harms its own tools only.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message as _;
use prost_reflect::DescriptorPool;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Streaming};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use super::codec::Encoded;
use crate::json::wire::{Fields, Malformed, Raw};
use crate::tool::offer::{Offer, offers};
use crate::words;

/// How long one reflection may take.
const TIME: Duration = Duration::from_secs(5);

/// The bounds of what is fetched. Ours have about 6 files, 100 KiB and a few thousand declarations, comments included.
const MAX_SERVICES: usize = 64;
const MAX_FILES: usize = 128;
const MAX_BYTES: usize = 1024 * 1024;
const MAX_DECLARATIONS: usize = 50_000;
const MAX_NESTING: usize = 32;

/// The most bytes of one descriptor's options: they are copied whenever they are looked at.
const MAX_OPTIONS: usize = 16 * 1024;

/// The most bytes of all answers of one reflection. Servers in C++ send all imports with each service.
const MAX_RECEIVED: usize = 8 * 1024 * 1024;

/// How many different versions one upstream may have at a time: each is held in memory, and a roll-out has two.
const MAX_VERSIONS: usize = 4;

/// What is built of one upstream takes one thread at a time, and after that a pause of so many times as long: a tenth of a core, whatever
/// it offers and however often that changes.
const REST: u32 = 9;

/// The two versions of the service speak the same messages. Python's grpcio has the older one only.
const VERSIONS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// Why it is not known what an adapter offers. Nothing of it tells an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("it offers no reflection")]
    Absent,
    #[error("reflection failed ({0:?})")]
    Failed(Code),
    #[error("reflection took longer than {} s", TIME.as_secs())]
    TimedOut,
    #[error("reflection answered something else than was asked")]
    Unexpected,
    #[error("reflection does not find {0}")]
    NotFound(String),
    #[error("{0} is written in an edition of protobuf, which is not understood: use proto3")]
    Edition(String),
    #[error("its endpoints offer more than {MAX_VERSIONS} different versions")]
    TooManyVersions,
    #[error("descriptors have options of more than {MAX_OPTIONS} bytes")]
    Options,
    #[error(
        "it has more than {MAX_SERVICES} services, {MAX_FILES} files, {MAX_BYTES} bytes or {MAX_DECLARATIONS} declarations"
    )]
    TooLarge,
    #[error("the descriptors are malformed")]
    Malformed,
    #[error("two different files are named {0}")]
    Ambiguous(String),
    #[error("the descriptors do not fit together")]
    Inconsistent,
}

impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Self {
        match status.code() {
            Code::Unimplemented => Self::Absent,
            Code::OutOfRange => Self::TooLarge,
            code => Self::Failed(code),
        }
    }
}

impl From<Malformed> for Error {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// What an adapter offers.
#[derive(Debug)]
pub(crate) struct Reflection {
    /// Identifies the services and all their files.
    pub(crate) digest: [u8; 32],
    /// The services that are registered, those of gRPC itself left out; sorted.
    pub(crate) services: Vec<String>,
    /// Its tools, sorted by name.
    pub(crate) offers: Vec<Arc<Offer>>,
    /// Annotated RPCs that are no tools, and why.
    pub(crate) left_out: Vec<String>,
}

impl Reflection {
    pub(crate) fn offer(&self, rpc: &str) -> Option<&Arc<Offer>> {
        let index = self.offers.binary_search_by(|offer| offer.rpc.as_str().cmp(rpc));
        index.ok().map(|index| &self.offers[index])
    }

    /// The service whose health is that of the tools; the whole process when there is none.
    pub(crate) fn health_name(&self) -> &str {
        let services = self.services.iter();
        let mut with_tools = services.filter(|name| self.offers.iter().any(|offer| offer.is_of(name)));
        with_tools.next().map_or("", String::as_str)
    }
}

/// What is known of one upstream's versions. Its endpoints share what they have in common.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    held: Mutex<Held>,
    /// Who builds, and when the next may.
    turn: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Held {
    /// Those that an endpoint has.
    alive: Vec<Weak<Reflection>>,
    /// The last that could not be built, so that it is not tried again and again.
    unusable: Option<([u8; 32], Error)>,
}

impl Held {
    fn get(&self, digest: [u8; 32]) -> Option<Result<Arc<Reflection>, Error>> {
        if let Some((_, error)) = self.unusable.as_ref().filter(|(known, _)| *known == digest) {
            return Some(Err(error.clone()));
        }
        let mut alive = self.alive.iter().filter_map(Weak::upgrade);
        alive.find(|known| known.digest == digest).map(Ok)
    }
}

impl Versions {
    /// Asks the adapter behind `channel` what it offers.
    pub(crate) async fn reflect(&self, channel: &Channel) -> Result<Arc<Reflection>, Error> {
        let found = tokio::time::timeout(TIME, fetch(channel))
            .await
            .map_err(|_| Error::TimedOut)??;
        let digest = found.digest();
        if let Some(known) = self.held().get(digest) {
            return known;
        }
        let mut turn = self.turn.lock().await;
        // Another endpoint may have built it meanwhile.
        if let Some(known) = self.held().get(digest) {
            return known;
        }
        {
            let mut held = self.held();
            held.alive.retain(|known| known.strong_count() > 0);
            if held.alive.len() >= MAX_VERSIONS {
                return Err(Error::TooManyVersions);
            }
        }
        if let Some(next) = *turn {
            sleep_until(next).await;
        }
        let started = Instant::now();
        // Set before, so that whoever gives up while it is built does not shorten the rest.
        *turn = Some(started + TIME);
        // On a thread of its own: building may take long for a runtime thread, and a panic in it ends there.
        let built = tokio::task::spawn_blocking(move || found.build(digest)).await;
        let now = Instant::now();
        *turn = Some(now + (now - started) * REST);
        let built = built.unwrap_or(Err(Error::Inconsistent)).map(Arc::new);
        let mut held = self.held();
        match &built {
            Ok(reflection) => held.alive.push(Arc::downgrade(reflection)),
            Err(error) => held.unusable = Some((digest, error.clone())),
        }
        built
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name as a reason shows it.
fn shown(name: &str) -> String {
    words::line(name, 200)
}

/// Services and files as they were fetched.
#[derive(Default)]
struct Found {
    services: Vec<String>,
    files: BTreeMap<String, File>,
    bytes: usize,
    declarations: usize,
    received: usize,
    /// Imports that were not fetched yet.
    wanted: Vec<String>,
}

struct File {
    bytes: Bytes,
    imports: Vec<String>,
}

impl Found {
    fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        self.services.iter().for_each(|name| part(name.as_bytes()));
        part(b"");
        self.files.values().for_each(|file| part(&file.bytes));
        hash.finalize().into()
    }

    fn add(&mut self, bytes: Bytes) -> Result<(), Error> {
        let (mut name, mut imports) = (String::new(), Vec::new());
        for field in Fields(&bytes) {
            match field? {
                (1, Raw::Bytes(text)) => name = utf8(text)?,
                (3, Raw::Bytes(text)) => imports.push(utf8(text)?),
                (12, Raw::Bytes(b"editions")) => return Err(Error::Edition(shown(&name))),
                _ => {}
            }
        }
        // So that the same file again and again comes to an end as well.
        self.declarations += 1;
        self.received += bytes.len();
        if self.declarations > MAX_DECLARATIONS || self.received > MAX_RECEIVED {
            return Err(Error::TooLarge);
        }
        if let Some(known) = self.files.get(&name) {
            return if known.bytes == bytes {
                Ok(())
            } else {
                Err(Error::Ambiguous(shown(&name)))
            };
        }
        self.bytes += bytes.len();
        count(&bytes, Part::File, 0, &mut self.declarations)?;
        if imports.len() > MAX_FILES || self.files.len() >= MAX_FILES || self.bytes > MAX_BYTES {
            return Err(Error::TooLarge);
        }
        self.wanted.extend(imports.iter().cloned());
        self.files.insert(name, File { bytes, imports });
        Ok(())
    }

    fn missing_import(&mut self) -> Option<String> {
        while let Some(name) = self.wanted.pop() {
            if !self.files.contains_key(&name) {
                return Some(name);
            }
        }
        None
    }

    /// The names of the files, each after those that it imports.
    fn in_order(&self) -> Result<Vec<&str>, Error> {
        let mut order: Vec<&str> = Vec::with_capacity(self.files.len());
        let mut placed: HashSet<&str> = HashSet::new();
        while order.len() < self.files.len() {
            let before = order.len();
            for (name, file) in &self.files {
                let ready = file.imports.iter().all(|import| placed.contains(import.as_str()));
                if ready && placed.insert(name) {
                    order.push(name);
                }
            }
            if order.len() == before {
                // A circle of imports.
                return Err(Error::Inconsistent);
            }
        }
        Ok(order)
    }

    fn build(self, digest: [u8; 32]) -> Result<Reflection, Error> {
        let mut pool = DescriptorPool::new();
        for name in self.in_order()? {
            // The encoded file: a decoded one would have lost the options.
            pool.decode_file_descriptor_proto(self.files[name].bytes.clone())
                .map_err(|_| Error::Inconsistent)?;
        }
        if let Some(missing) = self
            .services
            .iter()
            .find(|name| pool.get_service_by_name(name).is_none())
        {
            return Err(Error::NotFound(shown(missing)));
        }
        let (offers, left_out) = offers(&pool, &self.services);
        Ok(Reflection {
            digest,
            services: self.services,
            offers,
            left_out,
        })
    }
}

fn utf8(bytes: &[u8]) -> Result<String, Error> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Error::Malformed)
}

/// What contains declarations.
#[derive(Clone, Copy)]
enum Part {
    File,
    Message,
    Enum,
    Service,
    Field,
    EnumValue,
    Method,
    Options,
    SourceInfo,
    Other,
}

impl Part {
    /// What a field of this part is, by the numbers of `descriptor.proto`.
    fn inner(self, number: u32) -> Self {
        match (self, number) {
            (Self::File, 4) | (Self::Message, 3) => Self::Message,
            (Self::File, 5) | (Self::Message, 4) => Self::Enum,
            (Self::File, 6) => Self::Service,
            (Self::File, 7) | (Self::Message, 2 | 6) => Self::Field,
            (Self::File, 9) => Self::SourceInfo,
            (Self::Enum, 2) => Self::EnumValue,
            (Self::Service, 2) => Self::Method,
            (Self::File | Self::Field, 8)
            | (Self::Message, 7)
            | (Self::Enum | Self::Service | Self::EnumValue, 3)
            | (Self::Method, 4) => Self::Options,
            _ => Self::Other,
        }
    }
}

/// Adds up the declarations of a file before anything is built of them: two bytes can declare a message that takes hundreds.
fn count(bytes: &[u8], part: Part, depth: usize, sum: &mut usize) -> Result<(), Error> {
    if depth > MAX_NESTING {
        return Err(Error::TooLarge);
    }
    for field in Fields(bytes) {
        let (number, Raw::Bytes(inner)) = field? else {
            continue;
        };
        *sum += 1;
        if *sum > MAX_DECLARATIONS {
            return Err(Error::TooLarge);
        }
        match part.inner(number) {
            Part::Other => {}
            Part::Options if inner.len() > MAX_OPTIONS => return Err(Error::Options),
            inside => count(inner, inside, depth + 1, sum)?,
        }
    }
    Ok(())
}

async fn fetch(channel: &Channel) -> Result<Found, Error> {
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
    let mut found = Found {
        services,
        ..Found::default()
    };
    for name in found.services.clone() {
        let request = MessageRequest::FileContainingSymbol(name.clone());
        session.files(request, &name, &mut found).await?;
    }
    while let Some(name) = found.missing_import() {
        let request = MessageRequest::FileByFilename(name.clone());
        session.files(request, &name, &mut found).await?;
        if !found.files.contains_key(&name) {
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
