//! Traces as Jaeger has them: what a span says of itself, and how the spans of a trace hang together.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde_json::Value;

/// Attributes by name. Numbers are numbers, lists are arrays, bytes are base64.
pub type Attributes = BTreeMap<String, Value>;

/// The spans of one trace, in the order of their starts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// None when there is no such trace.
    pub spans: Vec<Span>,
}

/// A span as it was exported.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The trace's id: 32 hexadecimal digits.
    pub trace_id: String,
    /// Its id: 16 hexadecimal digits.
    pub id: String,
    /// The id of its parent, which may be no span of the trace; none for a span that begins a trace.
    pub parent_id: Option<String>,
    /// W3C's `tracestate`; empty when there was none.
    pub trace_state: String,
    /// The `service.name` of the process that made it.
    pub service: String,
    /// All that is known of that process.
    pub resource: Attributes,
    /// The library that made it.
    pub scope: String,
    /// Its name.
    pub name: String,
    /// What kind of work it stands for.
    pub kind: Kind,
    /// When it began.
    pub start: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// Its attributes, which the page calls tags.
    pub attributes: Attributes,
    /// What happened meanwhile, which the page calls logs.
    pub events: Vec<Event>,
    /// Spans that it is not a child of.
    pub links: Vec<Link>,
    /// How it ended.
    pub status: Status,
}

/// The role of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// The exporter named none.
    #[default]
    Unspecified,
    /// Work inside the process.
    Internal,
    /// The work on a request from elsewhere.
    Server,
    /// A request to elsewhere and the wait for its answer.
    Client,
    /// A message that is sent.
    Producer,
    /// A message that is worked on.
    Consumer,
}

/// How a span ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Nothing was said, which is the rule for what went well.
    #[default]
    Unset,
    /// Said to be well.
    Ok,
    /// Failed, with a description that may be empty.
    Error(String),
}

/// Something that happened during a span.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What.
    pub name: String,
    /// When.
    pub time: SystemTime,
    /// More about it.
    pub attributes: Attributes,
}

/// A span that belongs to the matter without being the parent.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Its trace.
    pub trace_id: String,
    /// Its id.
    pub span_id: String,
    /// Why it is linked.
    pub attributes: Attributes,
}

impl Trace {
    /// The spans with this name.
    pub fn named(&self, name: &str) -> Vec<&Span> {
        self.spans.iter().filter(|span| span.name == name).collect()
    }

    /// The parent of a span, when it is in the trace.
    pub fn parent(&self, span: &Span) -> Option<&Span> {
        let parent = span.parent_id.as_ref()?;
        self.spans.iter().find(|other| other.id == *parent)
    }

    /// The children of a span, in the order of their starts.
    pub fn children(&self, span: &Span) -> Vec<&Span> {
        self.spans
            .iter()
            .filter(|other| other.parent_id.as_ref() == Some(&span.id))
            .collect()
    }

    /// The spans whose parent is not in the trace: one, unless something is lost or the caller's own spans are elsewhere.
    pub fn roots(&self) -> Vec<&Span> {
        self.spans
            .iter()
            .filter(|span| self.parent(span).is_none())
            .collect()
    }

    fn branch(&self, span: &Span, depth: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indent = 2 * depth;
        writeln!(f, "{:indent$}{span}", "")?;
        // Ids are not ours: a circle must not end the test with a full stack.
        if depth < self.spans.len() {
            for child in self.children(span) {
                self.branch(child, depth + 1, f)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Trace {
    /// A line for each span, below its parent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.roots()
            .into_iter()
            .try_for_each(|root| self.branch(root, 0, f))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            service,
            name,
            kind,
            duration,
            ..
        } = self;
        write!(f, "{service}: {name} ({kind:?}, {duration:?})")?;
        if let Status::Error(description) = &self.status {
            write!(f, " failed: {description}")?;
        }
        let mut attributes = self.attributes.iter();
        attributes.try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}
