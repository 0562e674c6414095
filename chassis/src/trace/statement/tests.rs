use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::trace::{Sampler, SpanData};

use super::*;
use crate::trace::attribute as names;
use crate::trace::recorded::{Recorded, attribute};

/// The spans of statements that `work` makes inside a span that `sampler` decided about.
fn recorded(sampler: Sampler, work: impl FnOnce()) -> Vec<SpanData> {
    let recorded = Recorded::by(sampler);
    crate::trace::server("a call", opentelemetry::Context::new()).in_scope(work);
    let mut spans = recorded.take();
    spans.retain(|span| span.span_kind == SpanKind::Client);
    spans
}

const TARGET: Target<'_> = Target {
    system: "postgresql",
    namespace: "shop",
    address: "db.example.com",
    port: Some(5432),
};

const SHOWN: Shown<'_> = Shown {
    operation: "SELECT",
    summary: "SELECT orders customers",
    collection: None,
};

fn text() -> String {
    "SELECT * FROM orders WHERE id = ?".to_owned()
}

#[test]
fn a_statement_shows_what_it_is_and_what_it_came_to() {
    let spans = recorded(Sampler::AlwaysOn, || {
        let statement = Statement::begin(TARGET, SHOWN, || unreachable!("nobody wants the text"));
        statement.first_row();
        statement.returned(3, Some(420), true);
    });
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(
        (&*span.name, &span.status),
        ("SELECT orders customers", &Status::Unset)
    );
    for (name, value) in [
        (names::DB_SYSTEM_NAME, "postgresql"),
        (names::DB_NAMESPACE, "shop"),
        (names::SERVER_ADDRESS, "db.example.com"),
        (names::SERVER_PORT, "5432"),
        (names::DB_OPERATION_NAME, "SELECT"),
        (names::DB_QUERY_SUMMARY, "SELECT orders customers"),
        (names::DB_RESPONSE_RETURNED_ROWS, "3"),
        (names::DB_RESPONSE_BYTES, "420"),
        (names::DB_RESPONSE_TRUNCATED, "true"),
    ] {
        assert_eq!(attribute(span, name).as_deref(), Some(value), "{name}");
    }
    for name in [names::DB_QUERY_TEXT, names::DB_COLLECTION_NAME, names::ERROR_TYPE] {
        assert_eq!(attribute(span, name), None, "{name}");
    }
    let events: Vec<_> = span.events.iter().map(|event| &*event.name).collect();
    assert_eq!(events, ["first row"]);
}

#[test]
fn the_mode_decides_what_is_shown() {
    let one = Shown {
        collection: Some("orders"),
        ..SHOWN
    };
    let spans = recorded(Sampler::AlwaysOn, || {
        Statement::begin_showing(Statements::Text, TARGET, one, || Some(text())).returned(0, None, false);
        Statement::begin_showing(Statements::Off, TARGET, one, || unreachable!()).returned(0, None, false);
    });
    let [shown, hidden] = &spans[..] else {
        panic!("{spans:?}")
    };
    assert_eq!(attribute(shown, names::DB_QUERY_TEXT), Some(text()));
    assert_eq!(
        attribute(shown, names::DB_COLLECTION_NAME).as_deref(),
        Some("orders")
    );
    assert_eq!(hidden.name, "SELECT");
    for name in [
        names::DB_QUERY_TEXT,
        names::DB_QUERY_SUMMARY,
        names::DB_COLLECTION_NAME,
    ] {
        assert_eq!(attribute(hidden, name), None, "{name}");
    }
}

#[test]
fn what_is_shown_is_bounded() {
    let long = "\u{e9}".repeat(5_000);
    let spans = recorded(Sampler::AlwaysOn, || {
        let shown = Shown {
            summary: &long,
            ..SHOWN
        };
        let text = || Some(long.clone());
        Statement::begin_showing(Statements::Text, TARGET, shown, text).returned(0, None, false);
    });
    let length = |name| attribute(&spans[0], name).map(|value| value.chars().count());
    assert_eq!(spans[0].name.chars().count(), 255);
    assert_eq!(length(names::DB_QUERY_SUMMARY), Some(255));
    assert_eq!(length(names::DB_QUERY_TEXT), Some(2_048));
}

#[test]
fn a_statement_that_fails_or_is_given_up_says_so() {
    let spans = recorded(Sampler::AlwaysOn, || {
        Statement::begin(TARGET, SHOWN, || Some(text())).failed("STATEMENT_INVALID", Some("42703"));
        drop(Statement::begin(TARGET, SHOWN, || Some(text())));
    });
    let [failed, dropped] = &spans[..] else {
        panic!("{spans:?}")
    };
    assert_eq!(
        attribute(failed, names::ERROR_TYPE).as_deref(),
        Some("STATEMENT_INVALID")
    );
    assert_eq!(
        attribute(failed, names::DB_RESPONSE_STATUS_CODE).as_deref(),
        Some("42703")
    );
    assert_eq!(
        attribute(dropped, names::ERROR_TYPE).as_deref(),
        Some("CANCELLED")
    );
    for span in [failed, dropped] {
        assert_eq!(span.status, Status::error(""));
    }
}

/// The value of a series of these labels, in order.
fn series(name: &str, labels: &str) -> Option<f64> {
    let line = format!("{name}{{{labels}}} ");
    crate::metrics::text()
        .lines()
        .find_map(|text| text.strip_prefix(&line)?.parse().ok())
}

#[test]
fn statements_are_measured_whether_or_not_they_are_recorded() {
    let target = Target {
        system: "measured",
        ..TARGET
    };
    let work = || {
        Statement::begin(target, SHOWN, || unreachable!("not recorded")).returned(7, None, false);
        let invented = Shown {
            operation: "INVENTED",
            ..SHOWN
        };
        Statement::begin(target, invented, || unreachable!("not recorded")).failed("STATEMENT_INVALID", None);
    };
    assert_eq!(recorded(Sampler::AlwaysOff, work).len(), 0);
    work();
    let select = r#"db_operation_name="SELECT",db_system_name="measured""#;
    let other = r#"db_operation_name="_OTHER",db_system_name="measured",error_type="STATEMENT_INVALID""#;
    assert_eq!(
        series("db_client_operation_duration_seconds_count", select),
        Some(2.0)
    );
    assert_eq!(
        series("db_client_operation_duration_seconds_count", other),
        Some(2.0)
    );
    assert_eq!(series("db_client_response_returned_rows_sum", select), Some(14.0));
}

#[test]
fn databases_are_told_of_recorded_traces_only() {
    assert_eq!(commented("SELECT 1"), "SELECT 1");
    recorded(Sampler::AlwaysOff, || {
        assert_eq!(commented("SELECT 1"), "SELECT 1");
    });
    recorded(Sampler::AlwaysOn, || {
        let traceparent = told().expect("recorded");
        assert!(
            traceparent.starts_with("00-") && traceparent.ends_with("-01"),
            "{traceparent}"
        );
        assert_eq!(
            commented("SELECT 1 -- all"),
            format!("SELECT 1 -- all\n/*traceparent='{traceparent}'*/")
        );
    });
}
