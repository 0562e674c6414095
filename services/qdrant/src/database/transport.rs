//! A call's way to the server: the API key and the trace go with it, an RPC that its role may not call does not pass, and what fails is
//! told in our words.

use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::HeaderValue;
use mcp_hub_chassis::config::Secret;
use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::trace::context::TRACEPARENT;
use mcp_hub_chassis::{BoxError, fault, trace};
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::Service;

use super::connection::header;
use super::rpc::{self, MAX_ANSWER_BYTES, Nothing, Rpc as _};
use crate::config::Role;
use crate::error::{Error, ServerError};

/// The way of one call.
#[derive(Clone)]
pub(crate) struct Transport {
    channel: Channel,
    role: Role,
    key: Option<Secret>,
    header: Option<HeaderValue>,
    /// Whether the channel has ever brought an answer.
    answered: Arc<AtomicBool>,
    host: String,
    port: u16,
}

/// An RPC that the role of the call may not call.
#[derive(Debug, thiserror::Error)]
#[error("the role {0:?} may not call {1}")]
struct Refused(Role, String);

impl Transport {
    pub(super) fn new(
        channel: Channel,
        role: Role,
        key: Option<Secret>,
        answered: Arc<AtomicBool>,
        host: &str,
        port: u16,
    ) -> Result<Self, Error> {
        Ok(Self {
            channel,
            role,
            header: key.as_ref().map(header).transpose()?,
            key,
            answered,
            host: host.to_owned(),
            port,
        })
    }

    /// Where it leads to: host and port.
    pub(super) fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// Notes that the server has answered.
    pub(super) fn answered(&self) {
        self.answered.store(true, Ordering::Release);
    }

    /// Whether the server has answered a call on this channel.
    pub(super) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Acquire)
    }

    pub(super) fn has_key(&self, key: Option<&Secret>) -> bool {
        self.key.as_ref() == key
    }

    /// Whether the role may call the RPC.
    fn may_call(&self, path: &str) -> bool {
        match self.role {
            Role::Reader => rpc::reads(path),
            Role::Writer => path != Nothing::METHOD.path,
            Role::Judge => path == Nothing::METHOD.path || rpc::reads(path),
        }
    }

    /// Why a call failed. `timeout` is the limit of the whole call, for the message.
    pub(super) fn failure(&self, status: Status, timeout: Duration) -> Error {
        match (status.code(), status.message()) {
            (Code::OutOfRange, message) if message.contains("message length too large") => {
                return Error::TooLarge(format!(
                    "the server's answer is larger than {} MiB: ask for fewer points, for fewer payload_fields, or without vectors",
                    MAX_ANSWER_BYTES / 1024 / 1024
                ));
            }
            (Code::DeadlineExceeded, _) | (Code::Cancelled, "Timeout expired") => {
                return Error::TimedOut(timeout);
            }
            _ => {}
        }
        if status.source().is_some() {
            return on_this_side(status);
        }
        // Whoever gave a status is there.
        self.answered();
        let mut error = ServerError::new(status.code(), status.message());
        let words = error.message.to_lowercase();
        let of_key = ["api key", "api-key", "jwt", "token"];
        if error.code == Code::Unauthenticated
            || (error.code == Code::PermissionDenied && of_key.iter().any(|word| words.contains(word)))
        {
            let (verdict, reason) = if self.key.is_none() {
                (
                    Verdict::CredentialMissing,
                    "the server wants an API key, and none is set",
                )
            } else {
                (Verdict::LoginRefused, "the server refuses the API key")
            };
            return Error::Refused {
                verdict,
                reason: reason.to_owned(),
            };
        }
        error.redact(&self.secrets());
        Error::Server(error)
    }

    /// What must never be in an answer, as far as the server might quote it. Short hosts are words and stay.
    fn secrets(&self) -> Vec<String> {
        let key = self.key.iter().map(Secret::expose);
        let host = std::iter::once(self.host.as_str()).filter(|host| host.contains(['.', ':']));
        key.chain(host)
            .filter(|secret| secret.len() >= 4)
            .map(str::to_owned)
            .collect()
    }
}

/// Why a call failed that the server gave no status to.
fn on_this_side(status: Status) -> Error {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<Refused>() {
            return Error::Unexpected("an RPC that the role may not call");
        }
        // The layers between say the same again, each in its own words: the log gets what lies below it.
        let below = || error.source().map(|source| BoxError::from(fault::chain(source)));
        match error.downcast_ref::<Error>() {
            Some(Error::Unreachable { verdict, reason, .. }) => {
                return Error::Unreachable {
                    verdict: *verdict,
                    reason: reason.clone(),
                    source: below(),
                };
            }
            Some(Error::Unavailable { verdict, reason, .. }) => {
                return Error::Unavailable {
                    verdict: *verdict,
                    reason: reason.clone(),
                    source: below(),
                };
            }
            _ => cause = error.source(),
        }
    }
    Error::Lost(status.into())
}

impl Service<http::Request<Body>> for Transport {
    type Response = http::Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.channel.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path();
        if !self.may_call(path) {
            let refused = Refused(self.role, path.to_owned());
            return Box::pin(std::future::ready(Err(refused.into())));
        }
        if let Some(header) = &self.header {
            request.headers_mut().insert("api-key", header.clone());
        }
        if let Some(traceparent) = trace::statement::told()
            && let Ok(traceparent) = HeaderValue::try_from(traceparent)
        {
            request.headers_mut().insert(TRACEPARENT, traceparent);
        }
        let response = self.channel.call(request);
        Box::pin(async move { Ok(response.await?) })
    }
}
