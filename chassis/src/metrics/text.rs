//! Metrics as Prometheus reads them: in its own text form, and in OpenMetrics, which has exemplars.
//!
//! Written here because nothing else writes both forms from what the SDK collects: `opentelemetry-prometheus` has no exemplars, and
//! `prometheus-client` only OpenMetrics. The names of series, and all of their labels, are the same in both, so that it does not matter which of
//! them a scraper has asked for.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::UNIX_EPOCH;

use opentelemetry::{Key, KeyValue, Value};
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Histogram, Metric, MetricData, ResourceMetrics, ScopeMetrics,
};

use super::exemplar::{self, Exemplar};

/// A text form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Prometheus' own, 0.0.4, which everything reads.
    Classic,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Form {
    /// The form that a scraper wants most, by its `Accept`.
    pub(super) fn wanted(accept: &str) -> Self {
        let mut weights = [0.0, 0.0];
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let weight = match parts.next() {
                Some("application/openmetrics-text") => &mut weights[0],
                Some("text/plain") => &mut weights[1],
                _ => continue,
            };
            let mut quality = 1.0;
            for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
                match name.trim() {
                    "q" => quality = value.trim().parse().unwrap_or(0.0),
                    "version" if !["0.0.1", "0.0.4", "1.0.0"].contains(&value.trim()) => quality = 0.0,
                    _ => {}
                }
            }
            *weight = f64::max(*weight, quality);
        }
        let [openmetrics, classic] = weights;
        if openmetrics > 0.0 && openmetrics >= classic {
            Self::OpenMetrics
        } else {
            Self::Classic
        }
    }

    /// What it is called in `Content-Type`.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The name of an instrument's series in Prometheus, without what is behind it for totals and buckets.
pub(super) fn name_of(name: &str, unit: &str) -> String {
    let mut name = word(name).into_owned();
    let unit = unit_of(unit);
    if !unit.is_empty() && !name.ends_with(unit) {
        name.push('_');
        name.push_str(unit);
    }
    name
}

/// The unit as it is behind a name.
fn unit_of(unit: &str) -> &str {
    match unit {
        "s" => "seconds",
        "By" => "bytes",
        // `{row}` counts something that the name says.
        _ => "",
    }
}

/// Writes all metrics.
pub(super) fn write(metrics: &ResourceMetrics, form: Form) -> String {
    let mut text = Text {
        form,
        text: String::new(),
    };
    text.resource(metrics.resource().iter());
    // By their names, because two scopes may have an instrument of the same, and all of its series must be together.
    let mut families: BTreeMap<String, Vec<&Metric>> = BTreeMap::new();
    for metric in metrics.scope_metrics().flat_map(ScopeMetrics::metrics) {
        families
            .entry(name_of(metric.name(), metric.unit()))
            .or_default()
            .push(metric);
    }
    for (name, metrics) in &families {
        text.family(name, metrics);
    }
    if form == Form::OpenMetrics {
        text.text.push_str("# EOF\n");
    }
    text.text
}

/// Names and values.
type Labels<'a> = BTreeMap<Cow<'a, str>, String>;

struct Text {
    form: Form,
    text: String,
}

impl Text {
    /// What the process is, as labels of one series.
    fn resource<'a>(&mut self, attributes: impl Iterator<Item = (&'a Key, &'a Value)>) {
        let labels = labels(attributes);
        if labels.is_empty() {
            return;
        }
        match self.form {
            Form::Classic => self.head("target_info", "gauge", "", "What this process is."),
            Form::OpenMetrics => self.head("target", "info", "", "What this process is."),
        }
        self.sample("target_info", &labels, "", 1.0, None);
    }

    fn family(&mut self, name: &str, metrics: &[&Metric]) {
        let first = metrics[0];
        let kind = kind(first);
        let total = match (kind, self.form) {
            ("counter", Form::Classic) => "_total",
            _ => "",
        };
        let unit = unit_of(first.unit());
        self.head(&format!("{name}{total}"), kind, unit, first.description());
        for metric in metrics.iter().filter(|metric| self::kind(metric) == kind) {
            match metric.data() {
                AggregatedMetrics::F64(data) => self.series(name, metric.name(), data, |value| value),
                #[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
                AggregatedMetrics::U64(data) => self.series(name, metric.name(), data, |value| value as f64),
                #[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
                AggregatedMetrics::I64(data) => self.series(name, metric.name(), data, |value| value as f64),
            }
        }
    }

    fn head(&mut self, name: &str, kind: &str, unit: &str, help: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let help = match self.form {
            Form::Classic => help,
            Form::OpenMetrics => help.replace('"', "\\\""),
        };
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
        if self.form == Form::OpenMetrics && !unit.is_empty() {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
    }

    fn series<T: Copy>(
        &mut self,
        name: &str,
        instrument: &str,
        data: &MetricData<T>,
        number: impl Fn(T) -> f64,
    ) {
        // In the order of their labels, so that two answers can be compared.
        let points: BTreeMap<_, _> = match data {
            MetricData::Gauge(gauge) => gauge
                .data_points()
                .map(|point| (labels_of(point.attributes()), point.value()))
                .collect(),
            MetricData::Sum(sum) => sum
                .data_points()
                .map(|point| (labels_of(point.attributes()), point.value()))
                .collect(),
            MetricData::Histogram(histogram) => return self.histogram(name, instrument, histogram, number),
            // None of ours are.
            MetricData::ExponentialHistogram(_) => return,
        };
        let total = match data {
            MetricData::Sum(sum) if sum.is_monotonic() => "_total",
            _ => "",
        };
        let name = format!("{name}{total}");
        for (labels, value) in points {
            self.sample(&name, &labels, "", number(value), None);
        }
    }

    fn histogram<T: Copy>(
        &mut self,
        name: &str,
        instrument: &str,
        histogram: &Histogram<T>,
        number: impl Fn(T) -> f64,
    ) {
        let exemplars = match self.form {
            Form::Classic => HashMap::default(),
            Form::OpenMetrics => exemplar::of(instrument),
        };
        let points = histogram
            .data_points()
            .map(|point| (labels_of(point.attributes()), point));
        for (labels, point) in points.collect::<BTreeMap<_, _>>() {
            let exemplars = exemplars.get(&exemplar::sorted(point.attributes().cloned()));
            let mut count = 0;
            let bounds = point.bounds().chain([f64::INFINITY]);
            for (index, (bound, more)) in bounds.zip(point.bucket_counts()).enumerate() {
                count += more;
                let bound = if bound.is_finite() {
                    // `1.0` and not `1`, as OpenMetrics wants it, and the same in both forms.
                    Cow::Owned(format!("{bound:?}"))
                } else {
                    Cow::Borrowed("+Inf")
                };
                let exemplar = exemplars.and_then(|buckets| *buckets.get(index)?);
                #[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
                self.sample(&format!("{name}_bucket"), &labels, &bound, count as f64, exemplar);
            }
            self.sample(&format!("{name}_sum"), &labels, "", number(point.sum()), None);
            #[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
            self.sample(&format!("{name}_count"), &labels, "", point.count() as f64, None);
        }
    }

    fn sample(
        &mut self,
        name: &str,
        labels: &Labels<'_>,
        bound: &str,
        value: f64,
        exemplar: Option<Exemplar>,
    ) {
        self.text.push_str(name);
        let bound = (!bound.is_empty()).then_some(("le", bound));
        let labels = labels
            .iter()
            .map(|(name, value)| (&**name, value.as_str()))
            .chain(bound);
        self.labels(labels);
        let _ = write!(self.text, " {value}");
        if let Some(exemplar) = exemplar {
            self.exemplar(exemplar);
        }
        self.text.push('\n');
    }

    fn exemplar(&mut self, Exemplar { value, time, trace }: Exemplar) {
        self.text.push_str(" # ");
        match trace {
            Some((trace, span)) => {
                let _ = write!(self.text, r#"{{trace_id="{trace}",span_id="{span}"}}"#);
            }
            None => self.text.push_str("{}"),
        }
        let time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let _ = write!(
            self.text,
            " {value} {}.{:03}",
            time.as_secs(),
            time.subsec_millis()
        );
    }

    fn labels<'a>(&mut self, labels: impl Iterator<Item = (&'a str, &'a str)>) {
        let mut open = '{';
        for (name, value) in labels {
            let value = value
                .replace('\\', "\\\\")
                .replace('\n', "\\n")
                .replace('"', "\\\"");
            let _ = write!(self.text, r#"{open}{name}="{value}""#);
            open = ',';
        }
        if open == ',' {
            self.text.push('}');
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = writeln!(self.text, "{line}");
    }
}

/// The type of a metric's series.
fn kind(metric: &Metric) -> &'static str {
    fn of<T>(data: &MetricData<T>) -> &'static str {
        match data {
            MetricData::Sum(sum) if sum.is_monotonic() => "counter",
            MetricData::Sum(_) | MetricData::Gauge(_) => "gauge",
            MetricData::Histogram(_) | MetricData::ExponentialHistogram(_) => "histogram",
        }
    }
    match metric.data() {
        AggregatedMetrics::F64(data) => of(data),
        AggregatedMetrics::U64(data) => of(data),
        AggregatedMetrics::I64(data) => of(data),
    }
}

fn labels_of<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> Labels<'a> {
    labels(attributes.map(|attribute| (&attribute.key, &attribute.value)))
}

/// Attributes as labels. When two become one, so do their values, in the order of the keys, as the specification of OpenTelemetry wants it.
fn labels<'a>(attributes: impl Iterator<Item = (&'a Key, &'a Value)>) -> Labels<'a> {
    let mut labels = Labels::new();
    // A resource has no order of its own.
    let attributes: BTreeMap<_, _> = attributes.collect();
    for (key, value) in attributes {
        labels
            .entry(word(key.as_str()))
            .and_modify(|values| {
                values.push(';');
                values.push_str(&value.as_str());
            })
            .or_insert_with(|| value.to_string());
    }
    labels
}

/// A name that Prometheus takes: letters, digits, underscores.
pub(super) fn word(name: &str) -> Cow<'_, str> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    if name.chars().all(fits) {
        return name.into();
    }
    name.chars()
        .map(|letter| if fits(letter) { letter } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests;
