//! Answers that come as a stream: of a tool that is a server-streaming RPC by itself, and of the RPC that does the same as a tool and
//! tells its progress. What the messages are like is said in `mcphub.progress.v1`, and looked at here, once, by the descriptors.

use http::uri::PathAndQuery;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};

use super::path;

/// What tells progress, by its type.
const PROGRESS: &str = "mcphub.progress.v1.Progress";

/// The fields of a stream's messages, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) progress: u32,
    pub(crate) answer: u32,
}

/// The RPC that is called in place of a tool when the client wants to know its progress.
#[derive(Clone, Debug)]
pub(crate) struct Follower {
    pub(crate) path: PathAndQuery,
    /// The field of its request that has the tool's request.
    pub(crate) request: u32,
    pub(crate) parts: Parts,
}

/// Why a tool's progress can't be followed. The tool is a tool without.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfollowed {
    #[error("its service has no RPC of that name")]
    Absent,
    #[error("that RPC is not one with a single request and a stream of responses")]
    Form,
    #[error("the request of that RPC is not a message with one field, which has the request of this")]
    Request,
    #[error(
        "the responses of that RPC are not messages with two fields, a {PROGRESS} and the response of this"
    )]
    Response,
    #[error("its responses are a stream already")]
    Streaming,
}

/// The parts of a stream's messages, and what the answer among them is. None when they are not what the contract says.
pub(super) fn parts(message: &MessageDescriptor) -> Option<(Parts, MessageDescriptor)> {
    let fields: Vec<FieldDescriptor> = message.fields().collect();
    let [one, other] = fields.as_slice() else {
        return None;
    };
    match (singular(one)?, singular(other)?) {
        (progress, answer) if is_progress(&progress) && !is_progress(&answer) => {
            Some((numbers(one, other), answer))
        }
        (answer, progress) if is_progress(&progress) && !is_progress(&answer) => {
            Some((numbers(other, one), answer))
        }
        _ => None,
    }
}

/// The RPC of this name in the service of `method`, if it can be called in its place.
pub(super) fn follower(method: &MethodDescriptor, name: &str) -> Result<Follower, Unfollowed> {
    if method.is_server_streaming() {
        return Err(Unfollowed::Streaming);
    }
    let service = method.parent_service();
    let mut methods = service.methods();
    let found = methods.find(|found| found.name() == name);
    let found = found.ok_or(Unfollowed::Absent)?;
    if found.is_client_streaming() || !found.is_server_streaming() {
        return Err(Unfollowed::Form);
    }
    let request: Vec<FieldDescriptor> = found.input().fields().collect();
    let request = match request.as_slice() {
        [field] if singular(field).as_ref() == Some(&method.input()) => field.number(),
        _ => return Err(Unfollowed::Request),
    };
    let (parts, answer) = parts(&found.output()).ok_or(Unfollowed::Response)?;
    if answer != method.output() {
        return Err(Unfollowed::Response);
    }
    Ok(Follower {
        path: path(&found).map_err(|_| Unfollowed::Absent)?,
        request,
        parts,
    })
}

/// The message that a field has, if it has one and one only.
fn singular(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(message) if !field.is_list() && !field.is_map() => Some(message),
        _ => None,
    }
}

fn is_progress(message: &MessageDescriptor) -> bool {
    message.full_name() == PROGRESS
}

fn numbers(progress: &FieldDescriptor, answer: &FieldDescriptor) -> Parts {
    Parts {
        progress: progress.number(),
        answer: answer.number(),
    }
}
