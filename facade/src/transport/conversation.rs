//! A client on a stream, be it legacy SSE or stdio: the way back to it, and its calls in flight. Nothing else is kept.
//!
//! Each message is served by itself, like one stateless request, and its answers go down the stream. There is no rmcp loop per
//! stream, so an idle one costs little, and a stream that was opened anew after a lost connection needs no `initialize`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use mcp_hub_chassis::Lifecycle;
use opentelemetry::Context;
use rmcp::RoleServer;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, GetExtensions as _, GetMeta as _,
    JsonRpcRequest, RequestId, ServerJsonRpcMessage,
};
use rmcp::service::serve_directly_with_ct;
use rmcp::transport::OneshotTransport;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::filter::ToolFilter;
use super::message::{self, Refusal};
use crate::auth::Principal;
use crate::registry::{Follower, List};
use crate::server::{Caller, Remote, Server};
use outbox::{GivenUp, Outbox};

mod outbox;

/// The most calls on one stream that run or wait for the client to read their answer.
const MAX_CALLS: usize = 32;

/// What a client is told when a list has changed.
fn list_changed(list: List) -> String {
    let list = match list {
        List::Tools => "tools",
        List::Prompts => "prompts",
        List::Resources => "resources",
    };
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/{list}/list_changed"}}"#)
}

/// The client's side: takes its messages.
#[derive(Debug)]
pub(super) struct Conversation {
    server: Server,
    principal: Arc<Principal>,
    remote: Arc<Remote>,
    tools: ToolFilter,
    outbox: Outbox,
    /// Ends the calls in flight and the stream at once; it ends itself with the rights of the principal.
    ended: CancellationToken,
    /// Stopped when no more messages come: what is under way is finished.
    life: Lifecycle,
    calls: Mutex<HashMap<RequestId, CancellationToken>>,
    tasks: TaskTracker,
    /// Whether the client is to be told of changes without having asked. The clients of 2026-07-28 ask.
    hears_changes: AtomicBool,
}

/// The way back: what the client is to read next. Dropping it ends the conversation.
#[derive(Debug)]
pub(super) struct Answers {
    conversation: Arc<Conversation>,
    changes: Follower,
}

/// What a client is connected by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// A stream of HTTP. Its client is of the older era until it says otherwise, and is given up when it does not read.
    Sse,
    /// The pipes of a process. It is told nothing before it has said which era it is of. It has us alone, so what it does not read is
    /// its own loss, and may wait: it may be stopped in a debugger.
    Stdio,
}

/// Opens a conversation.
pub(super) fn open(
    server: Server,
    tools: ToolFilter,
    principal: Arc<Principal>,
    remote: Remote,
    door: Door,
) -> (Arc<Conversation>, Answers) {
    let changes = server.registry().follow();
    let conversation = Arc::new(Conversation {
        life: server.lifecycle().child(),
        server,
        tools,
        outbox: Outbox::new(door == Door::Sse),
        ended: principal.ended().child_token(),
        principal,
        remote: remote.into(),
        calls: Mutex::default(),
        tasks: TaskTracker::new(),
        hears_changes: AtomicBool::new(door == Door::Sse),
    });
    let answers = Answers {
        conversation: conversation.clone(),
        changes,
    };
    (conversation, answers)
}

impl Conversation {
    /// Who is on the other end.
    pub(super) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Where its client is.
    pub(super) fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Takes one message and returns at once; the answer comes on the stream. `around` has the span of the transport. An `initialize` gives the task that answers it, for a transport that keeps the order of messages:
    /// the answers of what a client says behind it without waiting must not overtake it.
    ///
    /// # Errors
    /// What to answer when the message can't be taken.
    pub(super) fn receive(
        self: &Arc<Self>,
        bytes: &[u8],
        around: Context,
    ) -> Result<Option<JoinHandle<()>>, Refusal> {
        let kind = message::inspect(bytes)?;
        let id = match kind {
            message::Kind::Request(id) => Some(id),
            message::Kind::Notification => None,
            // We ask clients nothing.
            message::Kind::Response => return Ok(None),
        };
        match serde_json::from_slice(bytes) {
            Ok(ClientJsonRpcMessage::Request(request)) => {
                let initializes = matches!(request.request, ClientRequest::InitializeRequest(_));
                let answer = self.start(request, around)?;
                Ok(initializes.then_some(answer))
            }
            Ok(ClientJsonRpcMessage::Notification(notification)) => {
                if let ClientNotification::CancelledNotification(cancelled) = notification.notification
                    && let Some(id) = cancelled.params.request_id
                    && let Some(call) = self.calls().get(&id)
                {
                    call.cancel();
                }
                Ok(None)
            }
            Ok(_) | Err(_) => Err(Refusal::invalid("the message is no JSON-RPC message of MCP").with_id(id)),
        }
    }

    fn start(
        self: &Arc<Self>,
        mut request: JsonRpcRequest<ClientRequest>,
        around: Context,
    ) -> Result<JoinHandle<()>, Refusal> {
        let id = request.id.clone();
        let refuse = |status, sentence| Err(Refusal::new(status, sentence).with_id(Some(id.clone())));
        if self.life.is_stopping() {
            return refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "the stream is about to end: open another",
            );
        }
        let cancelled = self.ended.child_token();
        {
            let mut calls = self.calls();
            // Answers that wait for the client to read count as well: they are what takes memory.
            if self.tasks.len() >= MAX_CALLS {
                return refuse(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too many requests are in flight on this stream",
                );
            }
            if self.outbox.is_full() {
                return refuse(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too much of what was answered on this stream has not been read",
                );
            }
            if calls.contains_key(&id) {
                return refuse(StatusCode::BAD_REQUEST, "a request with this id is in flight");
            }
            calls.insert(id, cancelled.clone());
        }
        let modern = request.request.get_meta().protocol_version().is_some();
        self.hears_changes.store(!modern, Ordering::Relaxed);
        request.request.extensions_mut().insert(Caller {
            principal: self.principal.clone(),
            tools: self.tools.clone(),
            around,
            remote: self.remote.clone(),
            hears: true,
            streams: true,
            life: self.life.clone(),
        });
        let call = self.clone().answer(request, cancelled);
        Ok(self.life.spawn(self.tasks.track_future(call)))
    }

    /// Serves one request and sends what it is answered.
    async fn answer(self: Arc<Self>, request: JsonRpcRequest<ClientRequest>, cancelled: CancellationToken) {
        let id = request.id.clone();
        let (transport, mut messages) =
            OneshotTransport::<RoleServer>::new(ClientJsonRpcMessage::Request(request));
        // Dropping it ends the handler.
        let _served = serve_directly_with_ct(self.server.clone(), transport, None, cancelled.clone());
        loop {
            let message = tokio::select! {
                biased;
                // Who has cancelled wants no answer.
                () = cancelled.cancelled() => break,
                message = messages.recv() => message,
            };
            let Some(message) = message else { break };
            let last = matches!(
                message,
                ServerJsonRpcMessage::Response(_) | ServerJsonRpcMessage::Error(_)
            );
            if last {
                // The id is free before the client can know of the answer.
                self.calls().remove(&id);
            }
            if !self.send(message::write(&message)).await || last {
                break;
            }
        }
        self.calls().remove(&id);
    }

    /// Puts a message on its way and waits until the client has taken it. False when the stream is lost; then it is ended.
    pub(super) async fn send(&self, message: String) -> bool {
        let sent = tokio::select! {
            sent = self.outbox.send(message) => sent,
            () = self.ended.cancelled() => Err(GivenUp),
        };
        if sent.is_err() {
            self.give_up();
        }
        sent.is_ok()
    }

    fn give_up(&self) {
        if !self.ended.is_cancelled() {
            tracing::info!(
                principal = self.principal.name(),
                "a client does not read its answers: its stream is ended"
            );
        }
        self.ended.cancel();
        // Nobody else may come to do it: a stream of HTTP/2 without a window is not even asked whether it has ended.
        self.outbox.clear();
    }

    /// Whether the stream is of no more use, though it may be there.
    pub(super) fn is_over(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// No more messages come: the stream ends when what is under way has been answered.
    pub(super) fn finish(&self) {
        self.life.stop();
    }

    /// Resolves when no more messages are taken.
    pub(super) async fn finishing(&self) {
        tokio::select! {
            () = self.life.stopping() => {}
            () = self.ended.cancelled() => {}
        }
    }

    async fn finished(&self) {
        self.life.stopping().await;
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<RequestId, CancellationToken>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers {
    /// The next message, or `None` at the end of the conversation; asking for it says that the last one has been taken. May be dropped
    /// and called again without loss.
    pub(super) async fn next(&mut self) -> Option<String> {
        let conversation = &self.conversation;
        conversation.outbox.has_read();
        loop {
            tokio::select! {
                biased;
                // First: who has lost its rights gets nothing more.
                () = conversation.ended.cancelled() => return None,
                message = conversation.outbox.next() => return Some(message),
                () = conversation.finished() => return conversation.outbox.try_next(),
                // Without a change to come the registry is gone, and with it the process.
                list = self.changes.next() => {
                    let list = list?;
                    if conversation.hears_changes.load(Ordering::Relaxed) {
                        return Some(list_changed(list));
                    }
                }
            }
        }
    }

    /// Says that the client has taken a part of the last message.
    pub(super) fn reads(&self) {
        self.conversation.outbox.reads();
    }

    /// Takes no more messages: the stream ends when what is under way has been answered.
    pub(super) fn finish(&self) {
        self.conversation.finish();
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.conversation.ended.cancel();
        self.conversation.outbox.clear();
    }
}
