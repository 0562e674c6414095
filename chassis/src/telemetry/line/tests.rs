//! Lines as they are read, and text that wants to be more than text.

use std::io;
use std::sync::{Arc, Mutex};

use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use proptest::prelude::*;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::{EnvFilter, Registry};

use super::*;
use crate::telemetry::{layer, spans};

#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What is logged meanwhile.
fn logged(format: Format, ansi: bool, act: impl FnOnce()) -> String {
    let log = Log::default();
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::AlwaysOff)
        .build();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(log.clone())
        .with_ansi(ansi)
        .event_format(Line(format))
        .with_filter(layer::lines(EnvFilter::new("info,rmcp=trace")));
    let subscriber = Registry::default().with(spans(&provider)).with(lines);
    tracing::subscriber::with_default(subscriber, act);
    let bytes = log.0.lock().expect("no panic").clone();
    String::from_utf8(bytes).expect("UTF-8")
}

fn in_trace(act: impl FnOnce()) -> String {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
    let parent = trace::context::untrusted(parent).expect("a context");
    trace::server("call", parent).in_scope(|| {
        act();
        let context = opentelemetry::Context::current();
        context.span().span_context().span_id().to_string()
    })
}

#[test]
fn a_line_for_people_has_message_values_and_trace() {
    let mut span_id = String::new();
    let text = logged(Format::Pretty, false, || {
        span_id = in_trace(|| tracing::warn!(rows = 3, name = "a b", error = %"gone", "it {}", "failed"));
    });
    let (time, line) = text.split_once(' ').expect("a time");
    assert!(time.ends_with('Z') && time.starts_with("20"), "{time}");
    let target = module_path!();
    assert_eq!(
        line,
        format!(
            " WARN {target}: it failed rows=3 name=\"a b\" error=gone trace_id=0af7651916cd43dd8448eb211c80319c span_id={span_id}\n"
        )
    );
    let text = logged(Format::Pretty, true, || tracing::info!("there"));
    assert!(
        text.ends_with(&format!(
            "\u{1b}[32m INFO\u{1b}[0m \u{1b}[2m{target}:\u{1b}[0m there\n"
        )),
        "{text:?}"
    );
}

#[test]
fn a_line_for_machines_has_stable_keys() {
    let mut span_id = String::new();
    let text = logged(Format::Json, false, || {
        span_id = in_trace(|| {
            tracing::info!(rows = 3, share = 0.5, open = true, level = "low", error = ?"gone", "it failed");
        });
    });
    let line: Value = serde_json::from_str(&text).expect("one object");
    let mut line = line.as_object().expect("an object").clone();
    let time = line.remove("timestamp").expect("a time");
    assert!(time.as_str().is_some_and(|time| time.ends_with('Z')));
    let expected = serde_json::json!({
        "level": "INFO", "target": module_path!(), "message": "it failed",
        "rows": 3, "share": 0.5, "open": true, "field.level": "low", "error": "\"gone\"",
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": span_id,
    });
    assert_eq!(Value::Object(line), expected);
}

#[test]
fn whole_messages_are_never_logged() {
    let text = logged(Format::Pretty, false, || {
        tracing::debug!(target: "rmcp::service", result = "a row", "response message");
        tracing::trace!(target: "rmcp", "a row");
        tracing::warn!(target: "rmcp::service", "input stream terminated");
    });
    assert!(text.contains("terminated") && !text.contains("a row"), "{text}");
}

#[test]
fn a_line_outside_of_calls_has_no_trace_and_our_spans_are_no_lines() {
    for format in [Format::Pretty, Format::Json] {
        let text = logged(format, false, || {
            drop(trace::server("call", opentelemetry::Context::new()));
            tracing::info!("there");
        });
        assert!(!text.contains("trace_id") && text.lines().count() == 1, "{text}");
    }
}

proptest! {
    #[test]
    fn text_from_outside_forges_no_line(text in any::<String>(), end in "[\r\n\u{1b}\u{9b}\u{85}\u{2028}\u{202e}\u{7f}]") {
        let text = format!("{text}{end}2026-01-01T00:00:00Z ERROR forged: line");
        for format in [Format::Pretty, Format::Json] {
            let logged = logged(format, false, || {
                tracing::info!(shown = %text, debug = ?text, text, "{text}");
            });
            let line = logged.strip_suffix('\n').expect("a whole line");
            let plain = |c: char| c >= ' ' && !('\u{7f}'..='\u{9f}').contains(&c) && !"\u{2028}\u{202e}".contains(c);
            prop_assert!(line.chars().all(plain), "{line:?}");
            if format == Format::Json {
                let line: Value = serde_json::from_str(line).expect("JSON");
                prop_assert_eq!(line["message"].as_str(), Some(&*text));
                prop_assert_eq!(line["shown"].as_str(), Some(&*text));
                prop_assert_eq!(line["text"].as_str(), Some(&*text));
            }
        }
    }
}
