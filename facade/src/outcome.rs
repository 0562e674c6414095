//! What a call came to, as a model reads it: the one place where success and error become text.
//!
//! A success is one JSON object, as text and as structured content parsed from that very text, and the content of other kinds behind it;
//! or such content alone. An error is a sentence and the
//! details by their names, a line each; it has no structured content, because that would have to match the tool's schema.

use std::fmt::Write as _;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use rmcp::model::ContentBlock;

/// The answer of a tool call.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The answer as text: the JSON object, or the error for the model. Empty when all of it is content.
    pub text: String,
    /// The same JSON object; absent for an error.
    pub structured: Option<serde_json::Value>,
    /// What stands behind it: texts, pictures, documents.
    pub content: Vec<ContentBlock>,
    /// Whether the call failed in a way that the model may act on.
    pub is_error: bool,
    /// The name of the reason, if it did.
    pub reason: Option<&'static str>,
}

impl Outcome {
    /// A success from the text of a JSON object, or from content, or both.
    pub fn success(json: Option<String>, content: Vec<ContentBlock>) -> Self {
        let structured = json.as_deref().map(serde_json::from_str).transpose();
        match structured {
            Ok(structured) => Self {
                text: json.unwrap_or_default(),
                structured,
                content,
                is_error: false,
                reason: None,
            },
            Err(error) => Self::failure(&Fault::internal(&error), None),
        }
    }

    /// An error. The id of the call's trace is in the text of those that the model can't mend itself, for whoever runs the server.
    pub fn failure(fault: &Fault, trace_id: Option<&str>) -> Self {
        let mut text = fault.message.clone();
        // A `String` takes whatever is written to it.
        let _ = write!(text, "\nreason: {}", fault.reason_name());
        for (name, value) in &fault.metadata {
            let _ = write!(text, "\n{name}: {value}");
        }
        if let Some(delay) = fault.retry_after {
            let _ = write!(text, "\nretry_after_ms: {}", delay.as_millis());
        }
        if let Some(trace_id) = trace_id.filter(|_| is_for_the_operator(fault.reason)) {
            let _ = write!(text, "\ntrace_id: {trace_id}");
        }
        Self {
            text,
            structured: None,
            content: vec![],
            is_error: true,
            reason: Some(fault.reason_name()),
        }
    }
}

/// Whether somebody has to look at the inside to know why. A statement with a mistake in it is for the model to mend, which learns nothing
/// from the id of a trace and pays for each of its tokens; the result's `_meta` has it in any case.
const fn is_for_the_operator(reason: Reason) -> bool {
    match reason {
        Reason::Unspecified
        | Reason::Internal
        | Reason::DatabaseUnavailable
        | Reason::DatabaseBusy
        | Reason::EmbeddingsUnavailable
        | Reason::UpstreamUnavailable
        | Reason::StatementTimedOut => true,
        Reason::StatementInvalid
        | Reason::ArgumentInvalid
        | Reason::WriteNotAllowed
        | Reason::AccessDenied
        | Reason::ObjectNotFound
        | Reason::ConfirmationRequired
        | Reason::ConditionFailed
        | Reason::ResultTooLarge
        | Reason::NotSupported
        | Reason::Cancelled => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_success_is_the_same_object_twice() {
        let outcome = Outcome::success(Some(r#"{"b":1,"a":[1.50,"x"]}"#.to_owned()), vec![]);
        assert!(!outcome.is_error);
        assert_eq!(
            outcome.structured,
            Some(serde_json::json!({"b": 1, "a": [1.5, "x"]}))
        );
    }

    #[test]
    fn an_error_is_a_sentence_and_its_details() {
        let fault = Fault::new(Reason::StatementInvalid, "column \"nam\" does not exist")
            .with("sqlstate", "42703")
            .with("position", "8")
            .with("did_you_mean", "name");
        let outcome = Outcome::failure(&fault, None);
        assert!(outcome.is_error && outcome.structured.is_none());
        assert_eq!(
            outcome.text,
            "column \"nam\" does not exist\nreason: STATEMENT_INVALID\ndid_you_mean: name\nposition: 8\nsqlstate: 42703"
        );
        let busy = Fault {
            retry_after: Some(Duration::from_millis(500)),
            ..Fault::new(Reason::DatabaseBusy, "busy")
        };
        assert!(
            Outcome::failure(&busy, None)
                .text
                .ends_with("\nretry_after_ms: 500")
        );
    }

    #[test]
    fn an_error_that_the_model_can_not_mend_carries_its_trace() {
        let trace_id = Some("0af7651916cd43dd8448eb211c80319c");
        let internal = Fault::new(Reason::Internal, "internal error");
        assert_eq!(
            Outcome::failure(&internal, trace_id).text,
            "internal error\nreason: INTERNAL\ntrace_id: 0af7651916cd43dd8448eb211c80319c"
        );
        assert!(!Outcome::failure(&internal, None).text.contains("trace"));
        let other = Fault::new(Reason::ArgumentInvalid, "no");
        assert!(!Outcome::failure(&other, trace_id).text.contains("trace"));
    }
}
