//! How spans hang together, and what they say.

use mcp_hub_testing::jaeger::{Kind, Span, Status, Trace};
use serde_json::Value;

/// The one span of this name.
#[track_caller]
pub(super) fn one<'a>(trace: &'a Trace, name: &str) -> &'a Span {
    match trace.named(name)[..] {
        [span] => span,
        ref spans => panic!("{} spans {name:?} in\n{trace}", spans.len()),
    }
}

/// The one child of this name, which is of this kind.
#[track_caller]
pub(super) fn below<'a>(trace: &'a Trace, parent: &Span, name: &str, kind: Kind) -> &'a Span {
    let children = trace.children(parent);
    let named: Vec<&Span> = children.into_iter().filter(|span| span.name == name).collect();
    match named[..] {
        [span] => {
            assert_eq!(span.kind, kind, "{span}");
            span
        }
        _ => panic!(
            "{} spans {name:?} below {:?} in\n{trace}",
            named.len(),
            parent.name
        ),
    }
}

/// A span has these attributes.
#[track_caller]
pub(super) fn shows<const N: usize>(span: &Span, attributes: [(&str, Value); N]) {
    for (name, value) in attributes {
        assert_eq!(span.attributes.get(name), Some(&value), "{name} of {span}");
    }
}

/// A span has none of these attributes.
#[track_caller]
pub(super) fn hides(span: &Span, names: &[&str]) {
    for name in names {
        assert_eq!(span.attributes.get(*name), None, "{name} of {span}");
    }
}

/// Whether a span is an error, as a search for `error=true` understands it.
pub(super) fn is_error(span: &Span) -> bool {
    matches!(span.status, Status::Error(_))
}

/// The names of the spans that are errors, in alphabetical order. None says more of its error than what the reason is called: what
/// databases say shows data.
#[track_caller]
pub(super) fn errors(trace: &Trace) -> Vec<&str> {
    let mut names = Vec::new();
    for span in trace.spans.iter().filter(|span| is_error(span)) {
        assert_eq!(span.status, Status::Error(String::new()), "{span}");
        let error = span.attributes.get("error.type").and_then(Value::as_str);
        assert!(error.is_some_and(|error| !error.is_empty()), "{span}");
        names.push(span.name.as_str());
    }
    names.sort_unstable();
    names
}

/// What tells the process that a span is of from others of its kind.
#[track_caller]
pub(super) fn instance(span: &Span) -> &str {
    let instance = span.resource.get("service.instance.id").and_then(Value::as_str);
    instance.unwrap_or_else(|| panic!("no service.instance.id: {span}"))
}
