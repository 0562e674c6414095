//! The client span of an RPC: what of a request and its answer a trace shows. That is never a value: no payload, vector, filter or text.

use mcp_hub_chassis::trace;
use mcp_hub_chassis::trace::grpc::code_name;
use mcp_hub_chassis::trace::statement::{Shown, Statement, Target};
use prost::Message;

use super::rows::Rows;
use super::rpc::Rpc;
use super::transport::Transport;
use crate::error::Error;

/// What the conventions call Qdrant.
const SYSTEM: &str = "qdrant";

/// Begins the span of an RPC that is sent over `transport`.
pub(super) fn begin<R: Rpc>(request: &R, transport: &Transport) -> Statement {
    let operation = R::METHOD.operation;
    let collection = request.collection().filter(|name| !name.is_empty());
    let summary = collection.map(|name| format!("{operation} {name}"));
    let (address, port) = transport.address();
    let target = Target {
        system: SYSTEM,
        // A server has no databases.
        namespace: "",
        address,
        port: Some(port),
    };
    let shown = Shown {
        operation,
        summary: summary.as_deref().unwrap_or(operation),
        collection,
    };
    // A request is no text, and consists of values.
    Statement::begin(target, shown, || None)
}

/// Ends it. What is left out of an answer of ours is decided later, and shown by the span of the call: it may be of many RPCs.
pub(super) fn end<T: Rows + Message>(statement: Statement, response: &Result<T, Error>) {
    match response {
        Ok(answer) => match answer.rows() {
            Some(rows) => {
                // To measure it is to walk through all of it.
                let bytes = trace::is_recorded().then(|| answer.encoded_len() as u64);
                statement.returned(rows as u64, bytes, false);
            }
            None => statement.done(),
        },
        Err(error) => statement.failed(error.reason_name(), error.code().map(code_name)),
    }
}
