//! Which traces are recorded.
//!
//! The samplers of `OTEL_TRACES_SAMPLER`, with one rule more: a stranger's context ([`context::untrusted`]) says which trace a request
//! belongs to and nothing else. Its flag is not heard, so a caller can neither have itself recorded nor hide; and a ratio is not
//! asked about the caller's trace id, which could be one that always passes, but about a random one.
//!
//! [`context::untrusted`]: crate::trace::context::untrusted

use opentelemetry::trace::{Link, SpanKind, TraceContextExt as _, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};

use super::variable::Variables;
use crate::trace::context::{Decided, Stranger};

/// Decides for the spans of one process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sampler {
    /// Whether a trusted parent's decision is taken over.
    parent_based: bool,
    root: Root,
}

/// Decides for a trace that begins here.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Root {
    On,
    Off,
    Ratio(f64),
}

impl Sampler {
    /// Records nothing: there is nobody to send it to.
    pub(super) const NOTHING: Self = Self {
        parent_based: false,
        root: Root::Off,
    };

    /// The one that `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` name; `parentbased_always_on` when they do not.
    pub(super) fn of(variables: &Variables<'_>) -> Self {
        const SAMPLERS: [(&str, (bool, Root)); 6] = [
            ("always_on", (false, Root::On)),
            ("always_off", (false, Root::Off)),
            ("traceidratio", (false, Root::Ratio(1.0))),
            ("parentbased_always_on", (true, Root::On)),
            ("parentbased_always_off", (true, Root::Off)),
            ("parentbased_traceidratio", (true, Root::Ratio(1.0))),
        ];
        let (parent_based, mut root) = variables
            .choice(&["OTEL_TRACES_SAMPLER"], &SAMPLERS)
            .unwrap_or((true, Root::On));
        if let Root::Ratio(ratio) = &mut root {
            let must = "must be a number from 0 to 1";
            let argument = variables.first(&["OTEL_TRACES_SAMPLER_ARG"], must, |value| {
                value.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio))
            });
            *ratio = argument.unwrap_or(*ratio);
        }
        Self { parent_based, root }
    }

    fn samples(self, parent: Option<&Context>, trace_id: TraceId) -> bool {
        let from_stranger = parent.is_some_and(|parent| parent.get::<Stranger>().is_some());
        let decided = parent.and_then(|parent| parent.get::<Decided>().copied());
        let parent = parent.map(|parent| parent.span().span_context().clone());
        let Some(parent) = parent.filter(opentelemetry::trace::SpanContext::is_valid) else {
            return self.root.samples(trace_id);
        };
        match (from_stranger, parent.is_remote()) {
            (true, true) => decided.map_or_else(
                || self.root.samples(RandomIdGenerator::default().new_trace_id()),
                |Decided(decided)| decided,
            ),
            // What was decided above for the first span of ours is so for those below it: the trace id must not be asked here either.
            (true, false) => parent.is_sampled(),
            (false, _) if self.parent_based => parent.is_sampled(),
            (false, _) => self.root.samples(trace_id),
        }
    }
}

impl Root {
    fn samples(self, trace_id: TraceId) -> bool {
        use opentelemetry_sdk::trace::Sampler::TraceIdRatioBased;
        match self {
            Self::On => true,
            Self::Off => false,
            Self::Ratio(ratio) => {
                let sampler = TraceIdRatioBased(ratio);
                let asked = sampler.should_sample(None, trace_id, "", &SpanKind::Internal, &[], &[]);
                asked.decision == SamplingDecision::RecordAndSample
            }
        }
    }
}

impl ShouldSample for Sampler {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        _name: &str,
        _kind: &SpanKind,
        _attributes: &[KeyValue],
        _links: &[Link],
    ) -> SamplingResult {
        SamplingResult {
            decision: if self.samples(parent, trace_id) {
                SamplingDecision::RecordAndSample
            } else {
                SamplingDecision::Drop
            },
            attributes: vec![],
            // A stranger's is not in the context: `untrusted` leaves it out.
            trace_state: parent.map_or(TraceState::NONE, |parent| {
                parent.span().span_context().trace_state().clone()
            }),
        }
    }
}

#[cfg(test)]
mod tests;
