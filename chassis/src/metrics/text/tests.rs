use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{ManualReader, SdkMeterProvider};

use super::*;
use crate::metrics::OnDemand;
use crate::metrics::exemplar::Reservoir;

/// What `record` records, in both forms.
fn written(record: impl FnOnce(&opentelemetry::metrics::Meter)) -> [String; 2] {
    use opentelemetry_sdk::metrics::reader::MetricReader as _;
    let reader = std::sync::Arc::new(ManualReader::default());
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "a \"b\" \\ \n c"),
            KeyValue::new("x.y", "1"),
            KeyValue::new("x_y", "2"),
        ])
        .build();
    let provider = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_reader(OnDemand(reader.clone()))
        .build();
    record(&provider.meter("test"));
    let mut metrics = ResourceMetrics::default();
    reader.collect(&mut metrics).expect("collected");
    [Form::Classic, Form::OpenMetrics].map(|form| write(&metrics, form))
}

#[test]
fn both_forms_have_the_same_series() {
    let forms = written(|meter| {
        let calls = meter
            .u64_counter("hub.calls")
            .with_description("Calls, by \"end\".")
            .build();
        calls.add(3, &[KeyValue::new("call.end", "ok")]);
        meter
            .i64_up_down_counter("hub.streams")
            .with_unit("{stream}")
            .build()
            .add(-2, &[]);
        let sizes = meter
            .f64_histogram("hub.size")
            .with_unit("By")
            .with_boundaries(vec![1.0, 2.5]);
        let sizes = sizes.build();
        for size in [0.5, 1.0, 2.0, 100.0] {
            sizes.record(size, &[KeyValue::new("of", "rows")]);
        }
    });
    let [classic, openmetrics] = &forms;
    assert_eq!(
        classic,
        r#"# HELP target_info What this process is.
# TYPE target_info gauge
target_info{service_name="a \"b\" \\ \n c",x_y="1;2"} 1
# HELP hub_calls_total Calls, by "end".
# TYPE hub_calls_total counter
hub_calls_total{call_end="ok"} 3
# HELP hub_size_bytes 
# TYPE hub_size_bytes histogram
hub_size_bytes_bucket{of="rows",le="1.0"} 2
hub_size_bytes_bucket{of="rows",le="2.5"} 3
hub_size_bytes_bucket{of="rows",le="+Inf"} 4
hub_size_bytes_sum{of="rows"} 103.5
hub_size_bytes_count{of="rows"} 4
# HELP hub_streams 
# TYPE hub_streams gauge
hub_streams -2
"#
    );
    let samples = |text: &str| -> Vec<String> {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples.map(str::to_owned).collect()
    };
    assert_eq!(samples(classic), samples(openmetrics));
    let comments: Vec<_> = openmetrics.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(
        comments,
        [
            "# HELP target What this process is.",
            "# TYPE target info",
            r#"# HELP hub_calls Calls, by \"end\"."#,
            "# TYPE hub_calls counter",
            "# HELP hub_size_bytes ",
            "# TYPE hub_size_bytes histogram",
            "# UNIT hub_size_bytes bytes",
            "# HELP hub_streams ",
            "# TYPE hub_streams gauge",
            "# EOF",
        ]
    );
}

#[test]
fn a_bucket_leads_to_its_trace_where_the_form_can_say_so() {
    let flags = TraceFlags::SAMPLED;
    let span = SpanContext::new(
        TraceId::from(10),
        SpanId::from(11),
        flags,
        false,
        TraceState::NONE,
    );
    let attributes = [KeyValue::new("tool", "query")];
    let [classic, openmetrics] = written(|meter| {
        let _guard = Context::new().with_remote_span_context(span).attach();
        let times = meter
            .f64_histogram("test.exemplar.time")
            .with_boundaries(vec![1.0, 2.0]);
        times.build().record(1.5, &attributes);
        Reservoir::of("test.exemplar.time", &[1.0, 2.0]).offer(1.5, &attributes);
    });
    let start = r#"test_exemplar_time_bucket{tool="query",le="2.0"} 1"#;
    let line = |text: &str| {
        text.lines()
            .find(|line| line.starts_with(start))
            .map(str::to_owned)
    };
    assert_eq!(line(&classic).as_deref(), Some(start));
    let line = line(&openmetrics).expect("written");
    let exemplar = line
        .strip_prefix(&format!(
            r#"{start} # {{trace_id="0000000000000000000000000000000a",span_id="000000000000000b"}} 1.5 "#
        ))
        .expect(&line);
    let time: f64 = exemplar.parse().expect("seconds");
    assert!(time > 1.7e9, "{time}");
    assert_eq!(openmetrics.matches(" # {").count(), 1);
}

#[test]
fn the_scraper_says_which_form_it_wants() {
    for (accept, form) in [
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            Form::OpenMetrics,
        ),
        (
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Form::OpenMetrics,
        ),
        (
            "text/plain;q=0.9, application/openmetrics-text;q=0.1",
            Form::Classic,
        ),
        ("application/openmetrics-text;q=0", Form::Classic),
        ("application/openmetrics-text;version=2.0.0", Form::Classic),
        ("application/openmetrics-text;q=nonsense", Form::Classic),
        ("text/html,*/*", Form::Classic),
        ("", Form::Classic),
    ] {
        assert_eq!(Form::wanted(accept), form, "{accept}");
    }
}
