//! Exemplars: for each bucket of a histogram the last recorded trace whose value fell into it, so that a graph leads to a trace.
//!
//! The SDK has the types and never fills them (0.33). So this stands beside its histograms, and is written out with them by
//! [`super::text`](mod@super::text). OTLP has no exemplars therefore: whoever sends metrics has the traces at the same place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use opentelemetry::trace::{SpanId, TraceContextExt as _, TraceId};
use opentelemetry::{Context, KeyValue};

/// How many sets of attributes of one histogram have exemplars: less than the SDK tells apart (2,000), so there is always a series for them.
const MOST_SERIES: usize = 1_000;

/// Which measurements can be exemplars, as `OTEL_METRICS_EXEMPLAR_FILTER` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Those in a recorded trace.
    #[default]
    TraceBased,
    /// All, those without a trace too.
    AlwaysOn,
    /// None.
    AlwaysOff,
}

impl Filter {
    /// The words of the variable.
    pub(crate) const WORDS: [(&'static str, Self); 3] = [
        ("trace_based", Self::TraceBased),
        ("always_on", Self::AlwaysOn),
        ("always_off", Self::AlwaysOff),
    ];
}

static FILTER: OnceLock<Filter> = OnceLock::new();

/// Says once for the process which measurements can be exemplars.
pub(super) fn start(filter: Filter) {
    let _ = FILTER.set(filter);
}

/// A measurement, and where it was made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Exemplar {
    pub(super) value: f64,
    pub(super) time: SystemTime,
    pub(super) trace: Option<(TraceId, SpanId)>,
}

/// The exemplars of one series, one for each bucket.
pub(super) type Buckets = Box<[Option<Exemplar>]>;

/// The exemplars of one histogram.
#[derive(Debug)]
pub(super) struct Reservoir {
    boundaries: &'static [f64],
    series: Mutex<HashMap<Box<[KeyValue]>, Buckets>>,
}

static RESERVOIRS: Mutex<Vec<(&'static str, Arc<Reservoir>)>> = Mutex::new(Vec::new());

impl Reservoir {
    /// That of the histogram of this name.
    pub(super) fn of(name: &'static str, boundaries: &'static [f64]) -> Arc<Self> {
        let reservoir = Arc::new(Self {
            boundaries,
            series: Mutex::default(),
        });
        let mut reservoirs = RESERVOIRS.lock().unwrap_or_else(PoisonError::into_inner);
        reservoirs.push((name, reservoir.clone()));
        reservoir
    }

    /// Keeps a measurement that was made just now in the current span, if it can be an exemplar.
    pub(super) fn offer(&self, value: f64, attributes: &[KeyValue]) {
        let filter = FILTER.get().copied().unwrap_or_default();
        if filter == Filter::AlwaysOff {
            return;
        }
        let trace = Context::map_current(|context| {
            let span = context.span();
            let context = span.span_context();
            context
                .is_sampled()
                .then(|| (context.trace_id(), context.span_id()))
        });
        if trace.is_none() && filter == Filter::TraceBased {
            return;
        }
        let exemplar = Exemplar {
            value,
            time: SystemTime::now(),
            trace,
        };
        // A bound belongs to the bucket below it.
        let bucket = self.boundaries.partition_point(|bound| *bound < value);
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(buckets) = series.get_mut(attributes) {
            buckets[bucket] = Some(exemplar);
        } else if series.len() < MOST_SERIES {
            let mut buckets = vec![None; self.boundaries.len() + 1].into_boxed_slice();
            buckets[bucket] = Some(exemplar);
            series.insert(attributes.into(), buckets);
        }
    }
}

/// The exemplars of the histogram of this name, by attributes in the order of their keys.
pub(super) fn of(name: &str) -> HashMap<Vec<KeyValue>, Buckets> {
    let reservoirs = RESERVOIRS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut all = HashMap::new();
    // Two crates may have histograms of one name; their attributes tell them apart.
    for (_, reservoir) in reservoirs.iter().filter(|(known, _)| *known == name) {
        let series = reservoir.series.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(
            series
                .iter()
                .map(|(attributes, buckets)| (sorted(attributes.iter().cloned()), buckets.clone())),
        );
    }
    all
}

/// Attributes in the order of their keys.
pub(super) fn sorted(attributes: impl Iterator<Item = KeyValue>) -> Vec<KeyValue> {
    let mut attributes: Vec<_> = attributes.collect();
    attributes.sort_by(|one, other| one.key.cmp(&other.key));
    attributes
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use opentelemetry::trace::{SpanContext, TraceFlags, TraceState};

    use super::*;

    const BOUNDARIES: &[f64] = &[1.0, 2.0];

    /// Inside a span with this id, recorded or not.
    fn inside<T>(id: u64, is_recorded: bool, work: impl FnOnce() -> T) -> T {
        let flags = TraceFlags::default().with_sampled(is_recorded);
        let span = SpanContext::new(TraceId::from(7), SpanId::from(id), flags, false, TraceState::NONE);
        let _guard = Context::new().with_remote_span_context(span).attach();
        work()
    }

    fn reservoir() -> (&'static str, Arc<Reservoir>) {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("test.{}", COUNT.fetch_add(1, Ordering::Relaxed)).leak();
        (name, Reservoir::of(name, BOUNDARIES))
    }

    #[test]
    fn the_last_recorded_trace_of_each_bucket_is_kept() {
        let (name, reservoir) = reservoir();
        let attributes = [KeyValue::new("b", 1), KeyValue::new("a", 2)];
        for (id, value) in [(1, 0.5), (2, 1.0), (3, 1.5), (4, 9.0), (5, 8.0)] {
            inside(id, true, || reservoir.offer(value, &attributes));
        }
        inside(6, false, || reservoir.offer(0.1, &attributes));
        reservoir.offer(0.2, &attributes);
        let all = of(name);
        let buckets = &all[&sorted(attributes.into_iter().rev())];
        let kept: Vec<_> = buckets
            .iter()
            .map(|exemplar| exemplar.and_then(|exemplar| Some((exemplar.trace?.1, exemplar.value))))
            .collect();
        assert_eq!(
            kept,
            [
                Some((SpanId::from(2), 1.0)),
                Some((SpanId::from(3), 1.5)),
                Some((SpanId::from(5), 8.0))
            ]
        );
    }

    #[test]
    fn so_many_series_and_no_more() {
        let (name, reservoir) = reservoir();
        inside(1, true, || {
            for series in 0..i64::try_from(MOST_SERIES).expect("small") + 5 {
                reservoir.offer(1.0, &[KeyValue::new("series", series)]);
            }
        });
        assert_eq!(of(name).len(), MOST_SERIES);
    }
}
