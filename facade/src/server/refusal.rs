//! Why a prompt, a resource or a completion is not had: a JSON-RPC error, because their results have no place for one that a model reads.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use rmcp::model::{ErrorCode, ErrorData};
use serde_json::json;

use super::shown;
use crate::tool::Object;

/// A fault as a JSON-RPC error: its sentence, and its reason and details as data.
pub(super) fn of_fault(fault: &Fault) -> ErrorData {
    let code = match fault.reason {
        Reason::ArgumentInvalid => ErrorCode::INVALID_PARAMS,
        _ => ErrorCode::INTERNAL_ERROR,
    };
    let details = fault.metadata.iter();
    let mut data: Object = details
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    if let Some(delay) = fault.retry_after {
        let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        data.insert("retry_after_ms".to_owned(), delay.into());
    }
    data.insert("reason".to_owned(), fault.reason_name().into());
    ErrorData::new(code, fault.message.clone(), Some(data.into()))
}

/// There is no prompt of this name.
pub(super) fn unknown_prompt(name: &str) -> ErrorData {
    ErrorData::invalid_params(format!("Unknown prompt: {}", shown(name)), None)
}

/// There is no template of this form.
pub(super) fn unknown_template(template: &str) -> ErrorData {
    ErrorData::invalid_params(format!("Unknown resource template: {}", shown(template)), None)
}

/// There is nothing at this address. rmcp gives 2026-07-28 the code that it has there.
pub(super) fn no_resource(uri: &str) -> ErrorData {
    let uri = shown(uri);
    ErrorData::resource_not_found(format!("Resource not found: {uri}"), Some(json!({"uri": uri})))
}

/// A cursor that is none of ours, or no more.
pub(super) fn unknown_cursor() -> ErrorData {
    ErrorData::invalid_params("unknown cursor: list again from the beginning", None)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_fault_keeps_its_reason_and_its_details() {
        let of_fault = |fault: Fault| serde_json::to_value(of_fault(&fault)).expect("JSON");
        assert_eq!(
            of_fault(Fault::argument("sql", "sql is missing").with("reason", "mine")),
            json!({"code": -32602, "message": "sql is missing", "data": {"reason": "ARGUMENT_INVALID", "field": "sql"}})
        );
        let busy = Fault {
            retry_after: Some(Duration::from_millis(500)),
            ..Fault::new(Reason::DatabaseBusy, "busy")
        };
        assert_eq!(
            of_fault(busy),
            json!({"code": -32603, "message": "busy", "data": {"reason": "DATABASE_BUSY", "retry_after_ms": 500}})
        );
        assert_eq!(
            of_fault(Fault::new(Reason::Internal, "internal error"))["data"],
            json!({"reason": "INTERNAL"})
        );
    }
}
